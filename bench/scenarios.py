"""What is measured: one function per scenario, each a load on one gateway and the figures it gives."""

import sys
from collections.abc import Callable
from subprocess import Popen

import msgspec
from msgspec import Struct

from bench import load, payload
from bench.gateway import DIRECT, Address, Gateway
from bench.processes import Failed, Processes, ask, free_port, wait_for
from bench.upstream import Counts, Manners

Figures = dict[str, float]

_HELD_RATE = 500.0
_HELD_WARMUP = 50
_STALLS_AFTER = 3
"""A stream has stalled when nothing came for this many times its pace."""
_ENOUGH = 150
"""Even the slowest gateway answers this many requests, or its median means nothing."""


class Options(Struct, frozen=True, kw_only=True):
    """How much of everything. The defaults are the run that is published."""

    rounds: int = 3
    requests: int = 21_000
    """Chat requests per gateway over all rounds, not counting the warm-up."""
    connections: int = 32
    paced_streams: int = 160
    """Per gateway and round."""
    whole_streams: int = 2_000
    events: int = 50
    pace_ms: float = 20.0
    rate: float = 150.0
    rate_s: float = 10.0
    first_events: int = 40
    held: int = 2_000
    held_pace_ms: float = 1_000.0
    held_events: int = 12
    quick: bool = False
    tollway: str = ""
    """How Tollway is called, as in a shell."""


QUICK = Options(
    rounds=1,
    requests=600,
    paced_streams=32,
    whole_streams=100,
    events=10,
    rate_s=1.0,
    first_events=8,
    held=100,
    held_pace_ms=200.0,
    held_events=6,
    quick=True,
)
"""To see that it works, in seconds; its figures mean nothing."""


class Bench:
    """The mock upstream, and how a load is sent to a gateway before it."""

    def __init__(self, processes: Processes, options: Options) -> None:
        self.processes = processes
        self.options = options
        self.upstream_port = free_port()
        self._upstream: Popen[bytes] | None = None

    def open(self) -> Gateway:
        """Start the mock upstream; the returned gateway is no gateway at all."""
        process = self.processes.start("upstream", [sys.executable, "-m", "bench.upstream", str(self.upstream_port)])
        wait_for(process, self.processes.log("upstream"), self.upstream_port, "GET", "/v1/models", timeout_s=10.0)
        return Gateway(
            name=DIRECT,
            version="",
            address=Address(port=self.upstream_port),
            process=process,
            started_s=0.0,
            succeeded=0,
        )

    def streams(self, events: int, pace_ms: float) -> None:
        """How the upstream streams from now on."""
        body = msgspec.json.encode(Manners(events=events, pace_ms=pace_ms))
        status, answer = ask(self.upstream_port, "PUT", "/control", body)
        if status != 204:
            raise Failed(f"The mock upstream answered {status} to its control: {answer!r}")

    def counts(self) -> Counts:
        return msgspec.json.decode(ask(self.upstream_port, "GET", "/count")[1], type=Counts)

    def send(
        self,
        gateway: Gateway,
        *,
        connections: int,
        requests: int,
        warmup: int = 0,
        stream: bool = False,
        events: int = 0,
        rate: float | None = None,
        stall_ms: float = 0.0,
        watch_memory: bool = False,
        model: str | None = None,
    ) -> load.Outcome:
        """Run the load. Raises Failed if nothing succeeded, or if answers did not come from the upstream."""
        address = gateway.address
        order = load.Order(
            port=address.port,
            path=address.path,
            headers=address.headers,
            model=model or address.model,
            stream=stream,
            events=events,
            connections=connections,
            requests=requests,
            warmup=warmup,
            rate=rate,
            deadline_s=120.0,
            stall_ms=stall_ms,
            watch_pid=gateway.process.pid,
            watch_memory=watch_memory,
        )
        before = self.counts()
        output = self.processes.run([sys.executable, "-m", "bench.load"], msgspec.json.encode(order), timeout_s=180.0)
        after = self.counts()
        outcome = msgspec.json.decode(output, type=load.Outcome)
        succeeded = outcome.succeeded + outcome.warmup_succeeded
        gateway.succeeded += succeeded
        gateway.failed += outcome.failed + outcome.warmup_failed
        if not outcome.succeeded:
            raise Failed(f"{gateway.name} answered none of {requests} requests: {outcome.errors}")
        reached = after.answers + after.streams - before.answers - before.streams
        if reached < succeeded:
            raise Failed(f"{gateway.name} gave {succeeded} answers, but only {reached} requests reached the upstream.")
        return outcome


def _part(whole: float, gateway: Gateway, at_least: int) -> int:
    return min(round(whole), max(at_least, round(whole * gateway.share)))


def chat(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """Not streamed, closed loop: CPU per request."""
    options = bench.options
    requests = _part(options.requests / options.rounds, gateway, _ENOUGH)
    outcome = bench.send(
        gateway, connections=options.connections, requests=requests, warmup=max(options.connections, requests // 10)
    )
    return {
        "cpu_us_per_request": outcome.cpu_s * 1e6 / outcome.succeeded,
        "requests_per_s": outcome.succeeded / outcome.wall_s,
    }, outcome


def _streamed(
    bench: Bench, gateway: Gateway, streams: int, pace_ms: float, model: str | None = None
) -> tuple[Figures, load.Outcome]:
    options = bench.options
    bench.streams(options.events, pace_ms)
    requests = _part(streams, gateway, options.connections)
    outcome = bench.send(
        gateway,
        connections=options.connections,
        requests=requests,
        warmup=options.connections,
        stream=True,
        events=options.events,
        model=model,
    )
    # Events are those that the upstream sent: a gateway that joins several into one has still relayed them all.
    # What a request costs once is in this figure, spread over its events.
    events = outcome.succeeded * (options.events + payload.TAIL_EVENTS)
    return {"cpu_us_per_event": outcome.cpu_s * 1e6 / events}, outcome


def paced(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """Streamed, an event every 20 ms: CPU per event."""
    return _streamed(bench, gateway, bench.options.paced_streams, bench.options.pace_ms)


def whole(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """Streamed, the whole body at once: CPU per event."""
    return _streamed(bench, gateway, bench.options.whole_streams, 0.0)


def translated(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """As `paced`, from an upstream that speaks Anthropic's format."""
    return _streamed(bench, gateway, bench.options.paced_streams, bench.options.pace_ms, payload.TRANSLATED_MODEL)


def translated_whole(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """As `whole`, from an upstream that speaks Anthropic's format."""
    return _streamed(bench, gateway, bench.options.whole_streams, 0.0, payload.TRANSLATED_MODEL)


def latency(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """Not streamed, at a fixed rate whatever the answers do: latency from the intended start."""
    options = bench.options
    requests = _part(options.rate * options.rate_s, gateway, _ENOUGH)
    outcome = bench.send(
        gateway, connections=options.connections, requests=requests, warmup=options.connections, rate=options.rate
    )
    return {"latency_ms_p50": outcome.latency_ms.p50, "latency_ms_p99": outcome.latency_ms.p99}, outcome


def first_event(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """Streamed on an idle machine, one after the other: the time to the first event."""
    bench.streams(5, bench.options.pace_ms)
    outcome = bench.send(gateway, connections=1, requests=bench.options.first_events, warmup=3, stream=True, events=5)
    return {"first_event_ms_p50": outcome.first_event_ms.p50}, outcome


def held(bench: Bench, gateway: Gateway) -> tuple[Figures, load.Outcome]:
    """Many streams open at once in a process of its own: how many, whether any stalled, memory each."""
    options = bench.options
    bench.streams(options.held_events, 1.0)
    bench.send(gateway, connections=4, requests=_HELD_WARMUP, stream=True, events=options.held_events)
    bench.streams(options.held_events, options.held_pace_ms)
    outcome = bench.send(
        gateway,
        connections=options.held,
        requests=options.held,
        stream=True,
        events=options.held_events,
        rate=_HELD_RATE,
        stall_ms=options.held_pace_ms * _STALLS_AFTER,
        watch_memory=True,
    )
    grown = max(0, outcome.rss_peak_bytes - outcome.rss_before_bytes)
    return {
        "streams_open": outcome.streams_open_max,
        "stalled": outcome.stalled + outcome.failed,
        "kb_per_stream": grown / 1000 / options.held,
        "gap_ms_max": outcome.gap_ms_max,
    }, outcome


def start(bench: Bench, gateway: Gateway) -> tuple[Figures, None]:
    """From starting the process to its first 200: measured where it is launched."""
    return {"start_s": gateway.started_s}, None


class Scenario(Struct, frozen=True, kw_only=True):
    """A scenario, and on whom."""

    run: Callable[[Bench, Gateway], tuple[Figures, load.Outcome | None]]
    direct: bool = False
    """Without any gateway, too."""
    fresh: bool = False
    """On gateways started for this alone."""
    of: tuple[str, ...] = ()
    """Which ones; all, if none is named."""


SCENARIOS = {
    "chat": Scenario(run=chat),
    "paced": Scenario(run=paced),
    "whole": Scenario(run=whole),
    "translated": Scenario(run=translated, of=("tollway",)),
    "translated-whole": Scenario(run=translated_whole, of=("tollway",)),
    "latency": Scenario(run=latency, direct=True),
    "first-event": Scenario(run=first_event, direct=True),
    "held": Scenario(run=held, fresh=True, of=("tollway", "nginx")),
    "start": Scenario(run=start, fresh=True, of=("tollway",)),
}
