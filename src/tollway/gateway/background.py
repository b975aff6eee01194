"""The one place where jobs are started: each has a name, is kept until it ends, and reports its failure."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Jobs:
    """Running jobs. `spawn` starts one; `close` cancels those that are left and waits for them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, job: Coroutine[Any, Any, None], name: str) -> None:
        """Starts a job. An exception in it is logged, never lost."""
        task = asyncio.get_running_loop().create_task(job, name=name)
        self._running.add(task)
        task.add_done_callback(self._done)

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job failed", job=task.get_name(), error=repr(error))
