"""The connections to one origin: the last used first, a limit with a queue, idle ones closed in time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from tollway.domain.http import Deadlines, FaultKind
from tollway.upstream.address import Address
from tollway.upstream.connection import Connection
from tollway.upstream.faults import UpstreamFault

Open = Callable[[Address, Deadlines], Awaitable[Connection]]


class Turn:
    """A place in the queue. What becomes free is handed over here, so that no newcomer can take it first."""

    __slots__ = ("connection", "slot", "waiter")

    def __init__(self, waiter: asyncio.Future[None]) -> None:
        self.waiter = waiter
        self.connection: Connection | None = None
        self.slot = False


class Origin:
    """A slot is one connection, from the moment we begin to connect until its socket has closed."""

    __slots__ = ("_idle_s", "_limit", "_open", "_sweeper", "address", "idle", "loop", "slots", "waiting")

    def __init__(self, address: Address, open_one: Open, *, limit: int, idle_s: float) -> None:
        self.address = address
        self.loop: asyncio.AbstractEventLoop | None = None
        self.slots = 0
        self.idle: list[Connection] = []
        self.waiting: deque[Turn] = deque()
        self._open = open_one
        self._limit = limit
        self._idle_s = idle_s
        self._sweeper: asyncio.TimerHandle | None = None

    def bind(self) -> asyncio.AbstractEventLoop:
        """The loop that the first call came from, kept: asking for it is a system call on Python 3.11 (getpid)."""
        self.loop = asyncio.get_running_loop()
        return self.loop

    def take(self, now_s: float) -> Connection | None:
        """An idle connection that still lives, or None."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if now_s - connection.idle_since_s <= self._idle_s and not connection.is_stale():
                return connection
            connection.close()
        return None

    def reserve(self) -> bool:
        """Take a slot to connect in; False when all are taken."""
        if self.slots >= self._limit:
            return False
        self.slots += 1
        return True

    async def connect(self, deadlines: Deadlines) -> Connection:
        """Open a connection in the slot that was reserved; the slot is free again if that fails."""
        try:
            connection = await self._open(self.address, deadlines)
        except BaseException:  # cancelled or failed, the slot must not stay taken; passed on at once
            self._free()
            raise
        if connection.closed:
            self._free()
            raise UpstreamFault(
                FaultKind.CONNECT_REFUSED, f"{connection.name} closed the connection as soon as it was open"
            )
        connection.gone = self._gone
        return connection

    def give(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        """Back from a finished exchange."""
        connection.exchange = None
        connection.idle_since_s = loop.time()
        if self.waiting and (turn := self._next()) is not None:
            turn.connection = connection
            turn.waiter.set_result(None)
            return
        self.idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_s, self._sweep, loop)

    def queue(self, waiter: asyncio.Future[None]) -> Turn:
        """Wait for what others leave; `waiter` is done when `connection` or `slot` of the turn is set."""
        turn = Turn(waiter)
        self.waiting.append(turn)
        return turn

    def leave(self, turn: Turn, loop: asyncio.AbstractEventLoop) -> None:
        """Give up a turn; what had been handed over goes to the next."""
        if turn.connection is not None:
            self.give(turn.connection, loop)
        elif turn.slot:
            self._free()
        elif turn in self.waiting:
            self.waiting.remove(turn)

    def close(self) -> None:
        """Close what is idle; what is in use belongs to its calls."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in self.idle:
            connection.close()
        self.idle.clear()

    def _free(self) -> None:
        if self.waiting and (turn := self._next()) is not None:
            turn.slot = True
            turn.waiter.set_result(None)
        else:
            self.slots -= 1

    def _next(self) -> Turn | None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.waiter.done():
                return turn
        return None

    def _gone(self, connection: Connection) -> None:
        if connection.exchange is None and connection in self.idle:
            self.idle.remove(connection)
        self._free()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeper = None
        oldest_s = loop.time() - self._idle_s + 0.001  # uvloop's clock counts in milliseconds
        while self.idle and self.idle[0].idle_since_s <= oldest_s:
            self.idle.pop(0).close()
        if self.idle:
            self._sweeper = loop.call_at(self.idle[0].idle_since_s + self._idle_s, self._sweep, loop)
