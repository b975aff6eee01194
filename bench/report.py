"""What came of a run: bars and ratios as a table, every raw figure as JSON, and the README's table."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from bench import nginx, payload, peers, tollway
from bench.gateway import DIRECT
from bench.run import GATEWAYS, PEERS, Run
from bench.scenarios import Options

START, END = "<!-- bench:start -->", "<!-- bench:end -->"

# design: the budget. Each peer's factor is how many times less CPU per request than it: bar, stretch.
_PEER_BARS = {peers.TENSORZERO: (1.5, 2.0), peers.PORTKEY: (8.0, 15.0), peers.LITELLM: (40.0, 100.0)}
_TITLES = {
    DIRECT: "no gateway",
    tollway.NAME: "Tollway",
    nginx.NAME: "nginx `proxy_pass`",
    peers.TENSORZERO: "TensorZero (in its Python package)",
    peers.PORTKEY: "Portkey",
    peers.LITELLM: "LiteLLM proxy",
}
_NONE = "-"


class Figures:
    """The figures of a run, as medians over its rounds."""

    def __init__(self, run: Run) -> None:
        self._values = {
            (row.scenario, row.gateway, figure, row.round): value
            for row in run.rows
            for figure, value in row.figures.items()
        }
        self._rounds = sorted({row.round for row in run.rows})

    def median(self, scenario: str, gateway: str, figure: str) -> float | None:
        return self._over_rounds(lambda number: self._values.get((scenario, gateway, figure, number)))

    def against(
        self, combine: Callable[[float, float], float], scenario: str, gateway: str, other: str, figure: str
    ) -> float | None:
        """The median of what is combined within each round: the machine's speed swings between them."""

        def one(number: int) -> float | None:
            mine = self._values.get((scenario, gateway, figure, number))
            its = self._values.get((scenario, other, figure, number))
            return None if mine is None or its is None else combine(mine, its)

        return self._over_rounds(one)

    def between(self, scenario: str, other: str, gateway: str, figure: str) -> float | None:
        """The median of one gateway's ratios of two scenarios."""

        def one(number: int) -> float | None:
            mine = self._values.get((scenario, gateway, figure, number))
            its = self._values.get((other, gateway, figure, number))
            return None if mine is None or not its else mine / its

        return self._over_rounds(one)

    def ratio(self, scenario: str, gateway: str, other: str, figure: str) -> float | None:
        return self.against(lambda mine, its: mine / its if its else float("inf"), scenario, gateway, other, figure)

    def added(self, scenario: str, gateway: str, figure: str) -> float | None:
        return self.against(lambda mine, its: mine - its, scenario, gateway, DIRECT, figure)

    def _over_rounds(self, one: Callable[[int], float | None]) -> float | None:
        values = [value for value in map(one, self._rounds) if value is not None]
        return statistics.median(values) if values else None


def _shown(value: float | None, unit: str = "", digits: int = 2) -> str:
    return _NONE if value is None else f"{value:.{digits}f}{unit}"


def _verdict(value: float | None, bar: float, stretch: float, at_least: bool = False) -> str:
    if value is None:
        return "not measured"
    sign = -1 if at_least else 1
    if sign * value <= sign * stretch:
        return "stretch"
    return "met" if sign * value <= sign * bar else "missed"


def budget(run: Run, options: Options) -> list[tuple[str, str, str, str, str]]:
    """The budget's rows: figure, bar, stretch, measured, verdict."""
    figures, ours = Figures(run), tollway.NAME
    rows: list[tuple[str, str, str, str, str]] = []

    def row(
        title: str,
        value: float | None,
        bar: float,
        stretch: float,
        unit: str,
        *,
        at_least: bool = False,
        digits: int = 2,
    ) -> None:
        shown = _shown(value, unit, digits)
        rows.append((title, f"{bar:,g}{unit}", f"{stretch:,g}{unit}", shown, _verdict(value, bar, stretch, at_least)))

    cpu, event = "cpu_us_per_request", "cpu_us_per_event"
    row("chat, not streamed: CPU per request, times nginx's", figures.ratio("chat", ours, nginx.NAME, cpu), 10, 6, "x")
    for peer, (bar, stretch) in _PEER_BARS.items():
        factor = figures.ratio("chat", peer, ours, cpu)
        row(f"the same: times less than {_TITLES[peer]}", factor, bar, stretch, "x", at_least=True, digits=1)
    paced = figures.ratio("paced", ours, nginx.NAME, event)
    row(f"streamed, paced {options.pace_ms:g} ms: CPU per event, times nginx's", paced, 4, 3, "x")
    # The budget is for events that come one by one; a burst is cheap for everyone, and nginx does not look inside.
    whole = _shown(figures.ratio("whole", ours, nginx.NAME, event), "x")
    rows.append(("streamed, whole body at once: the same", _NONE, _NONE, whole, ""))
    for name, same in (("translated", "paced"), ("translated-whole", "whole")):
        translated = figures.between(name, same, ours, event)
        row(f"Anthropic upstream, OpenAI caller ({same}): times the same format's", translated, 2.5, 2.5, "x")
    at = f"added latency at {options.rate:g} requests/s"
    row(f"{at}: p50", figures.added("latency", ours, "latency_ms_p50"), 3, 1.5, " ms")
    row(f"{at}: p99", figures.added("latency", ours, "latency_ms_p99"), 15, 8, " ms")
    first = figures.added("first-event", ours, "first_event_ms_p50")
    row("added time to first event, idle machine: p50", first, 2, 1, " ms")
    row(
        "open streams held by one process",
        figures.median("held", ours, "streams_open"),
        2000,
        5000,
        "",
        at_least=True,
        digits=0,
    )
    row("of these, stalled or failed", figures.median("held", ours, "stalled"), 0, 0, "", digits=0)
    row("memory for each", figures.median("held", ours, "kb_per_stream"), 60, 30, " KB", digits=1)
    memory = run.memory.get(ours)
    row("memory at rest", memory.rest_bytes / 1e6 if memory else None, 170, 120, " MB", digits=1)
    grown = (memory.end_bytes - memory.settled_bytes) / 1e6 if memory and memory.requests else None
    # Pages come and go by a few; what grows with requests grows by more than a megabyte in a run.
    over = f"{memory.requests:,}" if memory and memory.requests else "the later"
    row(f"its growth over {over} requests, after the first round", grown, 1, 0, " MB", digits=1)
    row("from `tollway serve` to the first answer", figures.median("start", ours, "start_s"), 2, 1, " s")
    row("`make_plan`, 60 endpoints, catalog of 5,000", run.plan.get("make_plan_us"), 100, 50, " us", digits=1)
    return rows


def side_by_side(run: Run) -> list[tuple[str, ...]]:
    """Every gateway's own figures, as medians."""
    figures = Figures(run)
    return [
        (
            f"{_TITLES[name]} {run.versions[name]}",
            _shown(figures.median("chat", name, "cpu_us_per_request"), digits=0),
            _shown(figures.median("paced", name, "cpu_us_per_event"), digits=1),
            _shown(figures.median("whole", name, "cpu_us_per_event"), digits=1),
            _shown(figures.added("latency", name, "latency_ms_p50")),
            _shown(figures.added("latency", name, "latency_ms_p99")),
            _shown(figures.added("first-event", name, "first_event_ms_p50")),
            _shown(run.memory[name].rest_bytes / 1e6, digits=0),
            _succeeded(run, name),
        )
        for name in GATEWAYS
        if name in run.versions
    ]


def _succeeded(run: Run, name: str) -> str:
    loads = [row.load for row in run.rows if row.gateway == name and row.load is not None]
    good = sum(load.succeeded for load in loads)
    return f"{good:,} of {good + sum(load.failed for load in loads):,}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown(run: Run, options: Options) -> str:
    """Both tables, and what one must know to read them."""
    machine = describe_machine()
    tables = [
        _table(("Figure", "Bar", "Stretch", "Measured", ""), budget(run, options)),
        _table(
            (
                "Gateway",
                "CPU per request, us",
                f"CPU per event paced {options.pace_ms:g} ms, us",
                "CPU per event at once, us",
                "added p50, ms",
                "added p99, ms",
                "added first event, ms",
                "memory at rest, MB",
                "requests that succeeded",
            ),
            side_by_side(run),
        ),
    ]
    notes = (
        "Tollway is measured as it ships, with everything on: key lookup, limits, hold, routing, durable capture, "
        "generation record, metrics. nginx only passes bytes; the peers run without database and logs, and without "
        "authentication but for LiteLLM's master key.\n"
        f"One worker each, {options.connections} connections, one mock upstream, a prompt of {payload.PROMPT_TOKENS} "
        f"tokens, an answer of {payload.ANSWER_BYTES} bytes; medians of {options.rounds} rounds, ratios taken within a "
        "round. CPU is user and system time of the gateway's whole process tree. "
        f"{time.strftime('%Y-%m-%d')}, {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}."
    )
    if options.quick:
        notes = f"A quick trial, to see that it works: none of its figures means anything.\n{notes}"
    if run.ledgers:
        captures = sum(ledger.captures for ledger in run.ledgers)
        notes += f"\nThe ledger holds {captures:,} captures: one for each answer that Tollway gave in this run."
    missing = [name for name in PEERS if name not in run.versions]
    if missing:
        notes += f"\nNot measured in this run: {', '.join(_TITLES[name] for name in missing)}."
    return "\n\n".join([*tables, notes])


def describe_machine() -> dict[str, str]:
    """What the figures were measured on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def write_json(run: Run, options: Options, path: Path) -> None:
    """Everything, so that anyone can take other medians."""
    rows = [
        dict(zip(("figure", "bar", "stretch", "measured", "verdict"), row, strict=True)) for row in budget(run, options)
    ]
    told = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(),
        "options": options,
        "budget": rows,
        "run": run,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")


def write_readme(text: str, readme: Path) -> bool:
    """Put the tables between the README's marks; whether it has them."""
    old = readme.read_text() if readme.exists() else ""
    before, start, rest = old.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        return False
    readme.write_text(f"{before}{START}\n{text}\n{END}{after}")
    return True
