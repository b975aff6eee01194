"""One run: every gateway in turn within each scenario of each round, then the ledger against what the callers saw."""

import sys
import time
from collections.abc import Callable, Collection, Iterator

import msgspec
from msgspec import Struct

from bench import cpu, load, nginx, peers, tollway
from bench.gateway import Gateway
from bench.processes import ROOT, Absent, Failed, Processes
from bench.scenarios import SCENARIOS, Bench, Figures, Options, Scenario

Start = Callable[[Processes, int], Gateway]

PEERS: dict[str, Start] = {
    peers.TENSORZERO: peers.tensorzero,
    peers.PORTKEY: peers.portkey,
    peers.LITELLM: peers.litellm,
}
OURS = (tollway.NAME, nginx.NAME)
GATEWAYS = (*OURS, *PEERS)

_AT_REST_S = 1.0
_PLAN = ROOT / "bench" / "plan.py"


class Row(Struct, frozen=True, kw_only=True):
    """One scenario on one gateway in one round."""

    round: int
    scenario: str
    gateway: str
    figures: Figures
    load: load.Outcome | None


class Memory(Struct, kw_only=True):
    """Resident bytes of one gateway's process tree."""

    rest_bytes: int
    """After the start, the first answer and a second without requests."""
    settled_bytes: int = 0
    """After the first round."""
    end_bytes: int = 0
    requests: int = 0
    """Answered between these two."""


class Run(Struct, kw_only=True):
    """Everything that was measured."""

    versions: dict[str, str] = {}
    rows: list[Row] = []
    memory: dict[str, Memory] = {}
    ledgers: list[tollway.Ledger] = []
    """One for each Tollway that was started, each in agreement with what its callers saw."""
    notes: list[str] = []
    """What could not be measured of a peer, and why."""
    failures: dict[str, int] = {}
    """Requests that failed, by gateway, where any did."""
    plan: Figures = {}


def measure(processes: Processes, options: Options, names: Collection[str], only: Collection[str]) -> Run:
    """Run it all. Raises Absent if nginx is wanted and missing, Failed if what was measured cannot be right."""
    run = Run()
    bench = Bench(processes, options)
    direct = bench.open()
    gateways = list(_started(bench, names, run))
    time.sleep(_AT_REST_S)
    for gateway in gateways:
        run.versions[gateway.name] = gateway.version
        run.memory[gateway.name] = Memory(rest_bytes=cpu.sample(gateway.process.pid).rss_bytes)
    for number in range(1, options.rounds + 1):
        before = {gateway.name: gateway.succeeded for gateway in gateways}
        for name in only:
            scenario = SCENARIOS[name]
            for gateway in _in_turn(bench, scenario, direct, gateways, run):
                try:
                    figures, outcome = scenario.run(bench, gateway)
                except Failed as failed:
                    if gateway.name not in PEERS:
                        raise
                    run.notes.append(f"{name}, round {number}: {failed}")
                    print(run.notes[-1], flush=True)
                    continue
                run.rows.append(Row(round=number, scenario=name, gateway=gateway.name, figures=figures, load=outcome))
                _say(options, run.rows[-1])
        for gateway in gateways:
            memory = run.memory[gateway.name]
            memory.end_bytes = cpu.sample(gateway.process.pid).rss_bytes
            if number == 1:
                memory.settled_bytes = memory.end_bytes
            else:
                memory.requests += gateway.succeeded - before[gateway.name]
    for gateway in gateways:
        _close(bench, gateway, run)
    run.plan = _plan(bench)
    return run


def _starter(bench: Bench, name: str) -> Start:
    if name == tollway.NAME:
        return lambda processes, upstream: tollway.start(processes, upstream, bench.options.tollway)
    return nginx.start if name == nginx.NAME else PEERS[name]


def _started(bench: Bench, names: Collection[str], run: Run) -> Iterator[Gateway]:
    for name in names:
        try:
            yield _starter(bench, name)(bench.processes, bench.upstream_port)
        except (Absent, Failed) as absent:
            # A peer that is missing, or that does not start, takes nothing from the others.
            if name in OURS:
                raise
            print(absent, flush=True)
            run.notes.append(str(absent))


def _in_turn(bench: Bench, scenario: Scenario, direct: Gateway, gateways: list[Gateway], run: Run) -> Iterator[Gateway]:
    """The gateways that the scenario is for, one after the other; fresh ones are ended before the next begins."""
    if not scenario.fresh:
        if scenario.direct:
            yield direct
        yield from (gateway for gateway in gateways if not scenario.of or gateway.name in scenario.of)
        return
    for name in scenario.of:
        if any(gateway.name == name for gateway in gateways):
            gateway = _starter(bench, name)(bench.processes, bench.upstream_port)
            yield gateway
            _close(bench, gateway, run)


def _close(bench: Bench, gateway: Gateway, run: Run) -> None:
    """The last word on a gateway: its ledger, if it has one, while it still runs; then its end."""
    if gateway.failed:
        run.failures[gateway.name] = run.failures.get(gateway.name, 0) + gateway.failed
    if gateway.data_dir is not None:
        run.ledgers.append(tollway.reconcile(gateway))
    bench.processes.stop(gateway.process)


def _plan(bench: Bench) -> Figures:
    """The figures of bench/plan.py, a program that prints one JSON object of numbers, where it exists."""
    if not _PLAN.exists():
        return {}
    output = bench.processes.run([sys.executable, "-m", "bench.plan"])
    try:
        return msgspec.json.decode(output, type=Figures)
    except msgspec.DecodeError as wrong:
        raise Failed(f"bench/plan.py did not print a JSON object of numbers ({wrong}): {output[:300]!r}") from wrong


def _say(options: Options, row: Row) -> None:
    figures = "  ".join(f"{name} {value:.4g}" for name, value in row.figures.items())
    line = f"round {row.round}/{options.rounds}  {row.scenario:<11}  {row.gateway:<10}  {figures}"
    if row.load is not None:
        line += f"  ({row.load.succeeded} ok"
        line += f", {row.load.failed} FAILED: {row.load.errors})" if row.load.failed else ")"
    print(line, flush=True)
