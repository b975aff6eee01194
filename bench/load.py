"""The load: keep-alive connections in a closed loop or at a fixed rate, every answer checked. A process of its own."""

import asyncio
import sys
import time
from collections import Counter
from typing import cast

import httptools
import msgspec
import uvloop

from bench import cpu, payload

_CONNECT_AT_ONCE = 50
_WATCH_EVERY_S = 0.5


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. Decoded from standard input."""

    port: int
    path: str
    headers: dict[str, str]
    model: str
    stream: bool = False
    events: int = 0
    """Content events that each stream must bring."""
    connections: int
    requests: int
    warmup: int = 0
    """Requests made, and checked, before the window opens."""
    rate: float | None = None
    """Requests per second, whatever the answers do (open loop). None: the next when the last is answered."""
    deadline_s: float = 60.0
    stall_ms: float = 0.0
    """A stream in which nothing came for this long has stalled. 0: nobody looks."""
    watch_pid: int | None = None
    """The process tree whose CPU time and memory are read at both ends of the window."""
    watch_memory: bool = False
    """Read its memory during the window, too."""


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds."""

    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Encoded to standard output."""

    succeeded: int
    failed: int
    errors: dict[str, int]
    """What went wrong, and how often, warm-up included."""
    warmup_succeeded: int
    warmup_failed: int
    wall_s: float
    latency_ms: Percentiles
    first_event_ms: Percentiles
    gap_ms_max: float
    """The longest that any stream was silent."""
    stalled: int
    streams_open_max: int
    """The most streams that had brought an event and not yet their end, at one moment."""
    cpu_s: float
    rss_before_bytes: int
    """Before the first connection was opened."""
    rss_peak_bytes: int


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_decode_answer = msgspec.json.Decoder(_Answer).decode


def check(body: bytes, stream: bool, events: int) -> str | None:
    """What is wrong with the body of a 200, if anything."""
    if stream:
        if not body.rstrip().endswith(b"data: [DONE]"):
            return "stream without [DONE] at its end"
        # The last word proves that all content came; the count is left to the gateway, which may join events.
        return None if payload.word(events - 1).encode() in body else "stream without its last content event"
    try:
        choices = _decode_answer(body).choices
    except msgspec.DecodeError as wrong:
        return f"not a chat completion: {wrong}"
    whole = bool(choices) and choices[0].message.content == payload.ANSWER_CONTENT
    return None if whole else "the content is not what the upstream sent"


def percentiles(values_s: list[float]) -> Percentiles:
    """Nearest rank."""
    if not values_s:
        return Percentiles()
    ordered = sorted(values_s)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 4)

    return Percentiles(at(0.50), at(0.90), at(0.99), at(1.0))


class Window:
    """A number of requests, from the first sent to the last answered, and what was seen meanwhile."""

    def __init__(self, requests: int, stall_s: float, closed_loop: bool = True) -> None:
        self.requests = requests
        self.closed_loop = closed_loop
        self.issued = 0
        self.succeeded = 0
        self.errors: Counter[str] = Counter()
        self.latencies_s: list[float] = []
        self.first_events_s: list[float] = []
        self.gap_s_max = 0.0
        self.stalled = 0
        self.stall_s = stall_s
        self.streams_open = 0
        self.streams_open_max = 0
        self.over = asyncio.Event()

    @property
    def failed(self) -> int:
        return self.errors.total()

    def count(self, error: str | None) -> None:
        """One request is finished."""
        if error is None:
            self.succeeded += 1
        else:
            self.errors[error] += 1
        if self.succeeded + self.failed >= self.requests:
            self.over.set()


class Connection(asyncio.Protocol):
    """One connection to the gateway: one request at a time."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._window: Window | None = None  # Set while a request is under way.
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the methods without being a subclass.
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def close(self) -> None:
        self.open = False
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self.open = False
        self._window = None
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._window is not None:
            self._finish("connection lost")
        self._load.lost(self)

    def send(self, window: Window, intended: float) -> None:
        """Start a request that should have started at `intended` (perf_counter)."""
        now = time.perf_counter()
        self._window = window
        # A timer may fire up to a millisecond early (uvloop rounds to whole ones): then the real start counts.
        self._started = min(intended, now)
        self._seen_at = now
        self._first_event_at = 0.0
        self._gap_s_max = 0.0
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        if self._window is None:
            self.close()
            return
        now = time.perf_counter()
        self._gap_s_max = max(self._gap_s_max, now - self._seen_at)
        self._seen_at = now
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as wrong:
            self.close()
            self._finish(f"not HTTP: {wrong}")

    def on_body(self, data: bytes) -> None:
        self._body += data
        if not self._first_event_at and b"data:" in self._body:
            self._first_event_at = self._seen_at
            if self._window is not None:
                self._window.streams_open += 1
                self._window.streams_open_max = max(self._window.streams_open_max, self._window.streams_open)

    def on_message_complete(self) -> None:
        order, status = self._load.order, self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        body = bytes(self._body)
        if status != 200:
            self._finish(f"status {status}: {body[:200].decode(errors='replace')}")
        else:
            self._finish(check(body, order.stream, order.events))

    def _finish(self, error: str | None) -> None:
        window, self._window = self._window, None
        if window is None:
            return
        window.streams_open -= bool(self._first_event_at)
        if error is None:
            window.latencies_s.append(self._seen_at - self._started)
            if self._first_event_at:
                window.first_events_s.append(self._first_event_at - self._started)
        window.gap_s_max = max(window.gap_s_max, self._gap_s_max)
        window.stalled += bool(window.stall_s) and self._gap_s_max > window.stall_s
        window.count(error)
        self._load.free(self)


class Load:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        body = payload.request_body(order.model, order.stream)
        head = {"host": f"127.0.0.1:{order.port}", "content-type": "application/json"} | order.headers
        head["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.request = f"POST {order.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
        self._connections: set[Connection] = set()
        self._closing = False
        self._closed = asyncio.Event()
        self._idle: list[Connection] = []
        self._late: list[float] = []
        self._jobs: set[asyncio.Task[None]] = set()
        self._window = Window(0, 0)

    async def run(self) -> Outcome:
        order = self.order
        before = self._look()
        for first in range(0, order.connections, _CONNECT_AT_ONCE):
            count = min(_CONNECT_AT_ONCE, order.connections - first)
            self._idle += await asyncio.gather(*(self._connect() for _ in range(count)))
        deadline = time.perf_counter() + order.deadline_s
        warmup = await self._drive(order.warmup, None, deadline)
        start = self._look()
        started = time.perf_counter()
        watcher = asyncio.create_task(self._watch())
        window = await self._drive(order.requests, order.rate, deadline)
        wall_s = time.perf_counter() - started
        end = self._look()
        watcher.cancel()
        await self._close()
        return Outcome(
            succeeded=window.succeeded,
            failed=window.failed,
            errors=dict(warmup.errors + window.errors),
            warmup_succeeded=warmup.succeeded,
            warmup_failed=warmup.failed,
            wall_s=round(wall_s, 4),
            latency_ms=percentiles(window.latencies_s),
            first_event_ms=percentiles(window.first_events_s),
            gap_ms_max=round(window.gap_s_max * 1000, 1),
            stalled=window.stalled,
            streams_open_max=window.streams_open_max,
            cpu_s=end.cpu_s - start.cpu_s,
            rss_before_bytes=before.rss_bytes,
            rss_peak_bytes=max(self._rss_peak_bytes, end.rss_bytes),
        )

    _rss_peak_bytes = 0

    def _look(self) -> cpu.Sample:
        return cpu.sample(self.order.watch_pid) if self.order.watch_pid else cpu.Sample(0.0, 0, 0)

    async def _watch(self) -> None:
        while self.order.watch_memory:
            self._rss_peak_bytes = max(self._rss_peak_bytes, self._look().rss_bytes)
            await asyncio.sleep(_WATCH_EVERY_S)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.order.port)
        self._connections.add(connection)
        return connection

    async def _drive(self, requests: int, rate: float | None, deadline: float) -> Window:
        """One window. What is not answered at the deadline has failed."""
        self._window = window = Window(requests, self.order.stall_ms / 1000, rate is None)
        self._late.clear()
        if not requests:
            return window
        try:
            async with asyncio.timeout(deadline - time.perf_counter()):
                if rate is None:
                    for connection in list(self._idle):
                        self._idle.remove(connection)
                        self.free(connection)
                else:
                    await self._at_rate(window, rate)
                await window.over.wait()
        except TimeoutError:
            unfinished = requests - window.succeeded - window.failed
            window.errors["not answered before the deadline"] += unfinished
            self._window = Window(0, 0)
        return window

    async def _at_rate(self, window: Window, rate: float) -> None:
        started = time.perf_counter()
        for number in range(window.requests):
            intended = started + number / rate
            wait_s = intended - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            window.issued += 1
            if self._idle:
                self._idle.pop().send(window, intended)
            else:
                self._late.append(intended)

    async def _close(self) -> None:
        """Give up what is under way, and wait until every connection is closed."""
        self._closing = True
        for job in self._jobs:
            job.cancel()
        for connection in self._connections:
            connection.abort()
        if self._connections:
            await self._closed.wait()

    def lost(self, connection: Connection) -> None:
        """A connection is closed. A server may do so while there was nothing to do: another takes its place."""
        self._connections.discard(connection)
        if self._closing and not self._connections:
            self._closed.set()
        if connection in self._idle:
            self._idle.remove(connection)
            self.free(connection)

    def free(self, connection: Connection) -> None:
        """A connection has nothing to do: give it the next request, or keep it."""
        if self._closing:
            return
        if not connection.open:
            job = asyncio.get_running_loop().create_task(self._replace())
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)
            return
        window = self._window
        if self._late:
            connection.send(window, self._late.pop(0))
        elif window.closed_loop and window.issued < window.requests:
            window.issued += 1
            connection.send(window, time.perf_counter())
        else:
            self._idle.append(connection)

    async def _replace(self) -> None:
        try:
            connection = await self._connect()
        except OSError:
            # One connection fewer; if none is left, the requests that remain fail at the deadline.
            return
        self.free(connection)


if __name__ == "__main__":
    outcome = uvloop.run(Load(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)).run())
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
