"""One request to a provider from start to end: its deadlines, its body piece by piece, and giving up at any moment."""

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tollway.domain.http import Deadlines, FaultKind, HttpRequest
from tollway.upstream.connection import Connection
from tollway.upstream.exchange import PIECE, WHOLE, Exchange
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.pool import Origin
from tollway.upstream.watch import Watch

Prepare = Callable[[HttpRequest], tuple[Origin, bytes]]


class Call(Exchange, eq=False):
    """Use it as `with client.call(...) as call:`, in one asyncio task; `abort` may come from anywhere in the loop.

    `sent`: the whole request was handed to the connected socket. `status` and `headers` (names in lower case) are
    there after `start()`; `started_s` is the loop's time, in seconds.
    Deadlines are numbers, and the client's one timer compares: nothing is cancelled or made anew for an event.
    """

    _prepare: Prepare
    _watch: Watch
    _request: HttpRequest
    _deadlines: Deadlines
    _body_max: int
    started_s: float = 0.0
    due_s: float = math.inf
    _loop: asyncio.AbstractEventLoop | None = None
    _origin: Origin | None = None
    _connection: Connection | None = None
    _connecting: asyncio.Task[object] | None = None
    _aborted: bool = False
    _cancels: int = 0
    _progress_s: float | None = None
    _ended: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A finished keep-alive connection goes back to the pool, any other is closed at once. Never raises, awaits."""
        self._ended = True
        self._watch.calls.discard(self)
        connection = self._connection
        if connection is not None:
            self._connection = None
            if self.complete and self.fault is None and connection.reusable and self._origin and self._loop:
                self._origin.give(connection, self._loop)
            else:
                connection.exchange = None
                connection.close()
        self.fault = None  # it holds a traceback with our frames: drop the circle

    # -- the request and the head ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect or reuse, send, wait for the head of the answer.

        UpstreamFault as FAULTS.md, section 2 has it; ValueError for a URL or a header that cannot be sent.
        """
        if self._loop is not None or self._ended:
            raise RuntimeError("A call is started once; make another call.")
        if self.fault is not None:
            raise self.fault
        origin, data = self._prepare(self._request)
        loop = self._loop = origin.loop or origin.bind()
        self._origin = origin
        now = self.started_s = loop.time()
        deadlines = self._deadlines
        self._watch.add(self, now, min(deadlines.first_event_s, deadlines.idle_s, deadlines.total_s), loop)
        connection = origin.take(now)
        if connection is None:
            connection = await self._obtain(origin, loop)
        self._connection = connection
        connection.send(self, data)
        while not self.headed and self.fault is None:
            self.waiter = loop.create_future()
            await self.waiter  # as in _wait: one coroutine less for each call
            self.waiter = None
        if self._aborted or not self.headed:
            raise self._failure()
        self.wants = PIECE

    def header(self, name: str) -> str | None:
        """The value of a header of the answer, by its name in lower case; the first if there are several."""
        wanted = name.encode("latin-1")
        for key, value in self.headers:
            if key == wanted:
                return value.decode("latin-1")
        return None

    # -- the body ----------------------------------------------------------------------------------------------------

    async def chunk(self) -> bytes:
        """All of the body that has arrived since the last chunk, waiting for some; b"" at its proper end.

        UpstreamFault (TRUNCATED, PROTOCOL, TOO_LARGE ...) comes after what had arrived; that of a deadline or an
        abort comes at once.
        """
        pieces = self.pieces
        while not pieces:
            if self.fault is not None:
                raise self.fault
            if self.complete:
                return b""
            if not self.headed or self._loop is None or self._ended:
                raise RuntimeError("chunk() comes after start() and inside the with block.")
            self.waiter = self._loop.create_future()
            await self.waiter  # as in start
            self.waiter = None
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        connection = self._connection
        if connection is not None and connection.paused:
            connection.resume()
        return data

    async def read(self) -> bytes:
        """The rest of the body, woken once at its end. TOO_LARGE past the client's `body_max` bytes."""
        if not self.complete:
            if not self.headed or self._loop is None or self._ended:
                raise RuntimeError("read() comes after start() and inside the with block.")
            self.wants = WHOLE
            self.unread_max = self._body_max
            if self._connection is not None and self._connection.paused:
                self._connection.resume()
            loop = self._loop
            while self._unfinished():
                await self._wait(loop)
        return self.taken()

    def taken(self) -> bytes:
        """As `read`, of an answer that is `complete`: nothing is waited for."""
        if self.fault is not None:
            raise self.fault
        if self.unread > self._body_max:
            self.abort(UpstreamFault(FaultKind.TOO_LARGE, f"the body is larger than {self._body_max} bytes"))
            raise self._failure()
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread = 0
        return data

    def progress(self) -> None:
        """A meaningful event has come: the idle deadline counts from now. Until the first, `first_event_s` rules."""
        if self._loop is not None:
            self._progress_s = self._loop.time()

    # -- giving up ---------------------------------------------------------------------------------------------------

    def abort(self, fault: UpstreamFault | None = None) -> None:
        """Close the connection at once; whoever waits gets `fault`, or ABORTED. The first abort counts."""
        if self._ended:
            return
        if self.fault is None:
            self.fault = fault or _gave_up()
        self._aborted = True
        self.pieces.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.exchange = None
            connection.close()
        task = self._connecting
        if task is not None:
            self._connecting = None
            if not _runs(task):
                self._cancels += 1
                task.cancel()
        self.wake()

    def _unfinished(self) -> bool:
        return not self.complete and self.fault is None

    def _failure(self) -> UpstreamFault:
        return self.fault or _gave_up()

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waiter = loop.create_future()
        await self.waiter
        self.waiter = None

    # -- getting a connection ----------------------------------------------------------------------------------------

    async def _obtain(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Connection:
        """The slow way, when no idle connection is there: connect, or wait for one that another call leaves."""
        reserved = origin.reserve()
        while not reserved:
            turn = origin.queue(loop.create_future())
            self.waiter = turn.waiter
            try:
                await turn.waiter
            except BaseException:  # a turn that nobody takes would block the queue; passed on at once
                origin.leave(turn, loop)
                raise
            self.waiter = None
            if self.fault is not None:
                origin.leave(turn, loop)
                raise self.fault
            if turn.connection is not None:
                if not turn.connection.is_stale():
                    return turn.connection
                turn.connection.close()
            reserved = turn.slot
        return await self._connect(origin)

    async def _connect(self, origin: Origin) -> Connection:
        # To connect is many awaits deep, so that abort() must cancel the task, and the cancellation must be ours to
        # take back: the same accounting as asyncio.timeout has (Python docs, "Task.uncancel").
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A call runs inside an asyncio task.")
        before = task.cancelling()
        self._connecting = task
        try:
            connection = await origin.connect(self._deadlines)
        except asyncio.CancelledError:
            if self._cancels and task.uncancel() <= before:
                raise self._failure() from None
            raise
        except UpstreamFault:
            if self._aborted:
                raise self._failure() from None
            raise
        finally:
            self._connecting = None
        if self.fault is not None:
            connection.close()
            raise self.fault
        return connection

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def look(self, now_s: float) -> float:
        """Whether a deadline has passed by now; the loop's time of the next look, `math.inf` for none."""
        if self.complete or self.fault is not None:
            return math.inf
        fault = self._expired(now_s)
        if fault is not None:
            self.abort(fault)
            return math.inf
        deadlines, start = self._deadlines, self.started_s
        # Never later than one idle_s from now, so that progress(), whenever it comes, need not say so.
        next_s = min(start + deadlines.total_s, now_s + deadlines.idle_s)
        if self._progress_s is None:
            return min(next_s, start + deadlines.first_event_s)
        return min(next_s, self._progress_s + deadlines.idle_s)

    def _expired(self, now: float) -> UpstreamFault | None:
        deadlines = self._deadlines
        if now >= self.started_s + deadlines.total_s:
            return UpstreamFault(FaultKind.TOTAL_TIMEOUT, f"the call took longer than {deadlines.total_s:g} s in all")
        if self._progress_s is None:
            if now < self.started_s + deadlines.first_event_s:
                return None
            waits = "" if self._connection is not None else " (it was still waiting for a connection)"
            return UpstreamFault(
                FaultKind.FIRST_EVENT_TIMEOUT, f"nothing meaningful came within {deadlines.first_event_s:g} s{waits}"
            )
        if now < self._progress_s + deadlines.idle_s:
            return None
        if self.pieces and self.waiter is None:
            # Bytes lie here unread: our caller is the slow one, not the provider. Its silence counts from now.
            self._progress_s = now
            return None
        return UpstreamFault(FaultKind.IDLE_TIMEOUT, f"nothing meaningful came for {deadlines.idle_s:g} s")


def _gave_up() -> UpstreamFault:
    return UpstreamFault(FaultKind.ABORTED, "the call was given up")


def _runs(task: asyncio.Task[object]) -> bool:
    """Whether we are inside that task now: it will see the fault by itself, and a cancellation would come too late."""
    return asyncio.current_task() is task
