"""The one place where jobs are started: each has a name, is kept until it ends, and reports its failure."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any

import structlog

from tollway.telemetry import pulse
from tollway.telemetry.pulse import Pulse

log = structlog.get_logger(__name__)


class Jobs:
    """Running jobs. `spawn` starts one; `close` cancels those that are left and waits for them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self.pulses: dict[str, Pulse] = {}
        """By name: the jobs that were started with `keep`."""

    def spawn(self, job: Coroutine[Any, Any, None], name: str, context: Context | None = None) -> None:
        """Starts a job. An exception in it is logged, never lost."""
        task = asyncio.get_running_loop().create_task(job, name=name, context=context)
        self._running.add(task)
        task.add_done_callback(self._done)

    def keep(self, job: Coroutine[Any, Any, None], name: str) -> None:
        """The same for a job that goes on while the server does: what it tells of itself is kept."""
        self.pulses[name] = watched = Pulse(name)
        context = copy_context()
        context.run(pulse.own.set, watched)
        self.spawn(job, name, context)

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if (watched := self.pulses.get(task.get_name())) is not None:
            watched.ended = True
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job failed", job=task.get_name(), error=repr(error))
            if watched is not None:
                watched.error = repr(error)
