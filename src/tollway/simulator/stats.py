"""What the simulated provider has seen: the other side's books, for tests to compare with ours."""

from collections import Counter, deque
from typing import Any, Literal

from msgspec import Struct

Outcome = Literal["open", "finished", "aborted", "failed"]
LOG_LENGTH = 10_000
_NAMES_MAX = 10_000


class Record(Struct):
    """One request for an answer. Times are those of the event loop's clock, in seconds."""

    id: str
    """The answer's own id (`chatcmpl-...`), or the request's where there is no answer."""
    provider: str
    model: str
    path: str
    status: int
    """0: not even a status line was sent."""
    stream: bool
    started_at: float
    prompt_tokens: int = 0
    completion_tokens: int = 0
    """Tokens that were really sent, whatever `usage` claimed."""
    outcome: Outcome = "open"
    bytes: int = 0
    """Bytes written to the connection, head and framing included."""
    closed_at: float = 0


class Stats:
    """Counts since the start or the last reset. `completed` means that the last byte was handed to the system."""

    def __init__(self) -> None:
        self.connections_open = 0
        self.reset()

    def reset(self) -> None:
        """Forgets everything but the connections that are open."""
        self.requests = 0
        self.completed = 0
        self.aborted = 0
        self.failed = 0
        self.connections = 0
        self.by_model: Counter[str] = Counter()
        self.by_provider: Counter[str] = Counter()
        self.by_key: Counter[str] = Counter()
        self.log: deque[Record] = deque(maxlen=LOG_LENGTH)

    def begin(self, record: Record, key: str) -> Record:
        """Counts a request. `key` is its Authorization header, or empty."""
        self.requests += 1
        for counter, name in ((self.by_model, record.model), (self.by_provider, record.provider), (self.by_key, key)):
            counter[name if name in counter or len(counter) < _NAMES_MAX else "(others)"] += 1
        self.log.append(record)
        return record

    def end(self, record: Record, *, aborted: bool, now: float) -> None:
        """Closes a record: aborted by the client, failed as it was told to, or finished."""
        record.closed_at = now
        if aborted:
            if not record.stream:
                record.completion_tokens = 0  # an answer that is not streamed leaves as a whole: the client left before
            record.outcome = "aborted"
            self.aborted += 1
        elif record.outcome == "failed":
            self.failed += 1
        else:
            record.outcome = "finished"
            self.completed += 1

    def as_dict(self) -> dict[str, Any]:
        """What `GET /stats` shows. Of keys only their number: a real key that was sent here must not be shown there."""
        return {
            "requests": self.requests,
            "completed": self.completed,
            "aborted": self.aborted,
            "failed": self.failed,
            "connections": self.connections,
            "connections_open": self.connections_open,
            "by_model": self.by_model,
            "by_provider": self.by_provider,
            "keys": len(self.by_key),
            "log": list(self.log)[-100:],
        }
