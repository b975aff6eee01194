"""The server: uvicorn with our connections, started, announced, and stopped without cutting streams short."""

import asyncio
import contextlib
import functools
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, cast

import uvicorn

from tollway.api.connection import Connections, Protocol
from tollway.api.exchange import App, Handler
from tollway.api.mounts import Mounts
from tollway.api.server_limits import ServerLimits

__all__ = ["Connections", "Protocol", "ServerLimits", "run", "serve"]

logger = logging.getLogger("tollway.api")

Hot = Mapping[tuple[str, str], Handler]
"""Handlers of hot URLs by (method, path), both exactly as they are on the wire."""

BACKLOG = 2048
CLOSING_S = 5.0
"""How long handlers may take to settle once their clients have been cut off."""


async def serve(
    app: App,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    sockets: Sequence[socket.socket] | None = None,
    hot: Hot | None = None,
    limits: ServerLimits | None = None,
    mounts: Mounts | None = None,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    shutdown_grace_s: float = 30.0,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`, in the running event loop; cancelling it stops without the grace.

    `sockets` are bound ones, instead of `host` and `port`; they are closed at the end. `ready` is called with the port
    once requests are accepted. On the way out the server stops accepting, lets answers finish for `shutdown_grace_s`
    seconds (a second signal ends that), then disconnects who is left, so that handlers see their clients go and
    settle; then the application's lifespan ends. Raises OSError if it cannot bind, RuntimeError if the application
    does not start.
    """
    limits = limits or ServerLimits()
    connections = Connections(limits, hot, mounts)
    listeners = list(sockets) if sockets is not None else [bind(host, port)]
    for listener in listeners:
        # Accepted sockets inherit both (Linux, BSD). Without the first the kernel alone buffers 3.8 MB for each client
        # that does not read (FAULTS.md, section 3).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer_bytes)
        if listener.family != getattr(socket, "AF_UNIX", None):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        cast(Any, app),
        http=cast(Any, functools.partial(Protocol, shared=connections)),
        ws="none",
        interface="asgi3",
        lifespan="auto",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
    )
    server = _Server(config, connections, ready, stop, shutdown_grace_s)
    try:
        await server.serve(sockets=listeners)
    except SystemExit as exit_:
        raise RuntimeError("The application did not start; the log says why.") from exit_
    finally:
        for listener in listeners:
            listener.close()


def run(app: App, *, ready: Callable[[int], None] | None = None, **options: Any) -> None:
    """`serve` with an event loop of its own (uvloop where there is one), and with the start-up's objects kept out of
    garbage collection. Takes the options of `serve`; returns when the server has stopped.
    """

    def started(port: int) -> None:
        # Catalogue, routes and code live as long as the process: walking through them again and again finds nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        if ready is not None:
            ready(port)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(app, ready=started, **options))


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError, in words that say what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # Python's own text says the address twice: "Address already in use (while attempting to bind on ...)".
        why = (error.strerror or str(error)).partition(" (while ")[0]
        raise OSError(
            error.errno,
            f"Cannot listen on {host}:{port}: {why}. Set another server.host or server.port (`tollway demo` takes "
            "--port), or stop what listens there",
        ) from None
    listener.setblocking(False)
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # There is none for Windows.
        return None
    return uvloop.new_event_loop


class _Server(uvicorn.Server):
    """uvicorn's server, with another way to stop."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        ready: Callable[[int], None] | None,
        stop: asyncio.Event | None,
        grace_s: float,
    ) -> None:
        super().__init__(config)
        self._clients = connections
        self._ready = ready
        self._stop = stop or asyncio.Event()
        self._grace_s = grace_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen, then say so."""
        await self.on_tick(0)  # so that the first answers have a date
        await super().startup(sockets)
        if self._ready is not None and sockets:
            name = sockets[0].getsockname()
            self._ready(name[1] if isinstance(name, tuple) else 0)

    async def main_loop(self) -> None:
        """Wait for the end, and set the clock of the Date header. A cancelled server stops in order, but waits for no
        stream.
        """
        try:
            while not self._stop.is_set():
                await self.on_tick(0)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._stop.wait()
        except asyncio.CancelledError:
            self._grace_s = 0.0
            await self.shutdown()
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, wait, disconnect, wait, cancel; then end the lifespan.

        uvicorn's own cancels handlers and at once ends the lifespan under them; here a handler meets the end of the
        grace as an ordinary disconnect, and has time to settle while the database is still open.
        """
        for server in self.servers:
            server.close()
        for connection in list(self._clients.live):
            connection.shutdown()
        if not await self._quiet(self._grace_s, lambda: self.force_exit) and self._clients.live:
            logger.warning("%d connections are still open at the end of the grace", len(self._clients.live))
        for connection in list(self._clients.live):
            connection.transport.abort()
        if not await self._quiet(CLOSING_S):
            jobs = [job for job in self.server_state.tasks if not job.done()]
            logger.error("%d handlers do not end though their clients have gone; they are cancelled", len(jobs))
            for job in jobs:
                job.cancel()
            if jobs:
                await asyncio.wait(jobs, timeout=CLOSING_S)
        await self.lifespan.shutdown()

    async def _quiet(self, patience_s: float, hurried: Callable[[], bool] = bool) -> bool:
        """Wait until no connection and no handler is left; False after `patience_s`, or as soon as one is `hurried`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while self._clients.live or any(not job.done() for job in self.server_state.tasks):
            if loop.time() >= until or hurried():
                return False
            await asyncio.sleep(0.02)
        return True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take SIGINT and SIGTERM as a wish to stop, and the second of them as a wish to stop now.

        uvicorn raises them again afterwards, which kills the process; a server that has stopped as it was asked to has
        succeeded.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        taken = (signal.SIGINT, signal.SIGTERM)
        for number in taken:
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        self.force_exit = self._stop.is_set()
        self._stop.set()
