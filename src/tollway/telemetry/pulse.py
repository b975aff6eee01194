"""How jobs that run for ever are doing: each says after a round that it ran, or why it could not."""

import time
from contextvars import ContextVar


class Pulse:
    """One job: when it ran last, and what went wrong last. Times are milliseconds since 1970."""

    __slots__ = ("ended", "error", "error_ms", "last_ms", "name", "rounds", "started_ms")

    def __init__(self, name: str) -> None:
        self.name = name
        self.started_ms = int(time.time() * 1000)
        self.rounds = 0
        self.last_ms: int | None = None
        """The end of its last round that went well; None: there was none yet."""
        self.error = ""
        """Of the last round; "" where that went well."""
        self.error_ms: int | None = None
        self.ended = False


own: ContextVar[Pulse | None] = ContextVar("pulse", default=None)
"""The pulse of the job that runs here; None: this is no job that is watched."""


def ran() -> None:
    """A round has gone well."""
    if (pulse := own.get()) is not None:
        pulse.rounds += 1
        pulse.last_ms, pulse.error = int(time.time() * 1000), ""


def failed(error: object) -> None:
    """A round could not be done; there will be another."""
    if (pulse := own.get()) is not None:
        pulse.rounds += 1
        pulse.error, pulse.error_ms = str(error) or type(error).__name__, int(time.time() * 1000)
