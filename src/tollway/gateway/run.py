"""One request under way: everything that is learned between its admission and its generation record."""

import asyncio
import base64
import itertools
import os
import string
from typing import TYPE_CHECKING

from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import TollwayError
from tollway.domain.events import Answer
from tollway.domain.generation import Attempt, Usage
from tollway.domain.identity import Caller
from tollway.domain.routing import Candidate, Plan
from tollway.routing.market import Market

if TYPE_CHECKING:
    from tollway.upstream.call import Call

_LETTERS = bytes.maketrans(b"+/", b"xq")
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PAIRS = [first + second for first in _BASE62 for second in _BASE62]
_RANDOM_BYTES = 12
_random: list[bytes] = []
_count = itertools.count()


def new_generation_id(now_ms: int) -> str:
    """`gen-<unix seconds>-<20 base62>` (OPENROUTER.md 1.5): 4 characters of time, 16 of randomness (96 bits).

    Ids grow with time, so that new rows go to the end of every index: half the work of writing them was in the pages
    that random ids touch. Randomness is fetched for many at once.
    """
    if not _random:
        pool = os.urandom(_RANDOM_BYTES * 256)
        _random.extend(pool[start : start + _RANDOM_BYTES] for start in range(0, len(pool), _RANDOM_BYTES))
    seconds, ms = divmod(now_ms, 1000)
    high, low = divmod(ms * 1000 + next(_count) % 1000, len(_PAIRS))
    chance = base64.b64encode(_random.pop()).translate(_LETTERS).decode()
    return f"gen-{seconds}-{_PAIRS[high]}{_PAIRS[low]}{chance}"


class Origin:
    """Where a request came from, as its record keeps it."""

    __slots__ = ("api_type", "url", "wire_format")

    def __init__(
        self, url: str, wire_format: WireFormat = WireFormat.OPENAI_CHAT, api_type: str = "completions"
    ) -> None:
        self.url = url
        self.wire_format = wire_format
        """The format that the caller speaks: what is unknown to us goes only to providers that speak it, too."""
        self.api_type = api_type


class Run:
    """Mutable on purpose: the caller's leaving, at any moment, must find the state as it is."""

    __slots__ = (
        "accepted",
        "answer",
        "attempts",
        "call",
        "caller",
        "cancelled",
        "candidate",
        "choices_left",
        "committed",
        "counted",
        "created_ms",
        "error",
        "finish_reason",
        "finished",
        "first_event_s",
        "generation_ms",
        "id",
        "left",
        "market",
        "native_finish_reason",
        "origin",
        "plan",
        "prompt_tokens",
        "request",
        "started_s",
        "streamed",
        "text",
        "text_size",
        "timer",
        "upstream_id",
        "usage",
    )

    def __init__(
        self,
        *,
        caller: Caller,
        request: ChatRequest,
        plan: Plan,
        market: Market,
        origin: Origin,
        created_ms: int,
        started_s: float,
        prompt_tokens: int,
    ) -> None:
        self.id = new_generation_id(created_ms)
        self.caller = caller
        self.request = request
        self.plan = plan
        self.market = market
        """The snapshot that the plan was made from: another may be in force before the answer ends."""
        self.origin = origin
        self.created_ms = created_ms
        self.started_s = started_s
        self.prompt_tokens = prompt_tokens
        self.streamed = bool(request.stream)
        self.attempts: list[Attempt] = []
        self.candidate: Candidate | None = None
        """Who is being asked, and in the end who answered."""
        self.call: Call | None = None
        self.accepted = False
        """The present provider took the request."""
        self.committed = False
        """Content has gone out: nothing falls back any more."""
        self.choices_left = request.n or 1
        """Choices whose finish reason has not come."""
        self.finished = False
        """The provider's own end was read: a disconnect changes nothing any more."""
        self.first_event_s: float | None = None
        self.generation_ms = 0
        self.finish_reason: str | None = None
        self.native_finish_reason: str | None = None
        self.upstream_id: str | None = None
        self.usage: Usage | None = None
        self.counted: Usage | None = None
        self.text: list[str] = []
        self.text_size = 0
        self.answer: Answer | None = None
        """The whole answer, where it is not streamed."""
        self.error: TollwayError | None = None
        self.left = False
        """The caller disconnected."""
        self.cancelled = False
        """The provider was told to stop because of it."""
        self.timer: asyncio.TimerHandle | None = None
        """When the present call is given up for a reason of ours."""

    def reset_attempt(self, candidate: Candidate) -> None:
        """Forgets what a failed candidate left behind."""
        self.candidate = candidate
        self.accepted = False
        self.first_event_s = None
        self.usage = None
        self.upstream_id = None
        self.choices_left = self.request.n or 1
        self.finished = False
        self.finish_reason = self.native_finish_reason = None
        self.text.clear()
        self.text_size = 0
