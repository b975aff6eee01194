"""One request under way: everything that is learned between its admission and its generation record."""

import asyncio
import base64
import os
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import msgspec
from msgspec import Raw, Struct

from tollway.billing.tokens import Tokenizer, count_inputs, count_prompt, search_units
from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.content_filters import Finding
from tollway.domain.errors import TollwayError
from tollway.domain.events import Answer, Event, NativeFields, Started, UpstreamBody, UsageReported
from tollway.domain.generation import Attempt, Usage
from tollway.domain.identity import Caller
from tollway.domain.moderation import Verdict
from tollway.domain.plain import PlainAnswer, PlainRequest
from tollway.domain.routing import Candidate, Plan
from tollway.domain.standing import Keeping
from tollway.routing.market import Market
from tollway.routing.scrub import without_credential
from tollway.routing.stats import PLAIN, Sample
from tollway.wire.reasoning_budget import wish_of

if TYPE_CHECKING:
    from tollway.upstream.call import Call
    from tollway.upstream.fetch import FetchFailed

SEALED = frozenset({WireFormat.ANTHROPIC_MESSAGES, WireFormat.GEMINI})
"""Formats whose callers say themselves that thoughts are not to be shown, and get their signatures all the same."""
BYTES_PER_TOKEN_LIKELY = 3
HEARD_MAX = 1_000_000
"""Characters of a streamed answer, after which no more of it is remembered for its record."""
PACE_TOKENS_MIN, PACE_S_MIN = 16, 0.05
"""Shorter answers say nothing about an endpoint's tokens per second."""
_LETTERS = bytes.maketrans(b"+/", b"xq")
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PAIRS = [first + second for first in _BASE62 for second in _BASE62]
_RANDOM, _RANDOM_BYTES = 16, 12
_TAILS = 256
_tails: list[str] = []
"""What the next ids end with, the last one first."""


def new_generation_id(now_ms: int) -> str:
    """`gen-<unix seconds>-<20 base62>` (OPENROUTER.md 1.5): 2 characters of milliseconds, 2 that count, 16 of
    randomness (96 bits).

    Ids grow with time, so that new rows go to the end of every index: half the work of writing them was in the pages
    that random ids touch. Randomness is fetched for many at once.
    """
    if not _tails:
        pool = base64.b64encode(os.urandom(_RANDOM_BYTES * _TAILS)).translate(_LETTERS).decode()
        parts = [pool[start : start + _RANDOM] for start in range(0, len(pool), _RANDOM)]
        _tails.extend([count + part for count, part in zip(reversed(_PAIRS[:_TAILS]), parts, strict=True)])
    seconds, ms = divmod(now_ms, 1000)
    return f"gen-{seconds}-{_PAIRS[ms]}{_tails.pop()}"


class Origin:
    """Where a request came from, as its record keeps it."""

    __slots__ = ("api_type", "betas", "url", "wire_format")

    def __init__(
        self,
        url: str,
        wire_format: WireFormat = WireFormat.OPENAI_CHAT,
        api_type: str = "completions",
        betas: tuple[str, ...] = (),
    ) -> None:
        self.url = url
        self.wire_format = wire_format
        """The format that the caller speaks: what is unknown to us goes only to providers that speak it, too."""
        self.api_type = api_type
        self.betas = betas
        """Anthropic's beta features that the caller's headers ask for."""

    def with_betas(self, betas: tuple[str, ...]) -> "Origin":
        return Origin(self.url, self.wire_format, self.api_type, betas)


_OWN = frozenset({"call", "error", "leave", "left", "lost", "timer"})
"""What is a run's own business and not its answer's."""


class Run(Struct, eq=False):
    """Mutable on purpose: the caller's leaving, at any moment, must find the state as it is.

    This much every run has; `ChatRun` and `PlainRun` add what their own kind of answer brings. A Struct, because that
    fills in what is not known yet four times faster than assignments do; `begin` belongs to making one.
    """

    caller: Caller
    request: ChatRequest | PlainRequest
    plan: Plan
    market: Market
    """The snapshot that the plan was made from: another may be in force before the answer ends."""
    origin: Origin
    created_ms: int
    started_s: float
    prompt_tokens: int
    id: str = ""
    streamed: bool = False
    attempts: list[Attempt] = []
    candidate: Candidate | None = None
    """Who is being asked, and in the end who answered."""
    key: int = 0
    """Which of its provider's keys the candidate is asked with, from 1; 0: it has one, or none."""
    call: "Call | None" = None
    committed: bool = False
    """Content has gone out: nothing falls back any more."""
    generation_ms: int = 0
    counted: Usage | None = None
    usage_flag: str | None = None
    """In which way the provider's count is far above ours, where both were compared."""
    answer: Answer | PlainAnswer | None = None
    """The whole answer, where it is not streamed."""
    error: TollwayError | None = None
    lost: tuple[Candidate, Usage | None] | None = None
    """Who lost a race although he had taken the request, and what he had reported by then."""
    fetched: "dict[str, str | FetchFailed] | None" = None
    """What URLs of the request name, as data URLs, where a provider that takes only bytes was tried."""
    keeping: Keeping | None = None
    """For whom prompt and answer are kept."""
    findings: tuple[Finding, ...] = ()
    """What content filters found in the request."""
    verdict: Verdict | None = None
    """Of its moderation; None: nobody was asked for one."""
    moderation_ms: int | None = None
    left: bool = False
    """The caller disconnected."""
    leave: "Callable[[], Run] | None" = None
    """While two endpoints are asked: told that the caller left, it says whose call is his, and ends the other."""
    cancelled: bool = False
    """The provider was told to stop because of it."""
    timer: asyncio.TimerHandle | None = None
    """When the present call is given up for a reason of ours."""
    accepted: bool = False
    """The present provider took the request."""
    first_event_s: float | None = None
    usage: Usage | None = None
    upstream_id: str | None = None
    finished: bool = False
    """The provider's own end was read: a disconnect changes nothing any more."""
    finish_reason: str | None = None
    native_finish_reason: str | None = None

    def __post_init__(self) -> None:
        self.id = new_generation_id(self.created_ms)
        if self.request.stream:
            self.streamed = True

    def twin(self) -> Self:
        """The same request for another endpoint at the same time: an answer of its own, the same list of attempts."""
        twin = type(self)(
            caller=self.caller,
            request=self.request,
            plan=self.plan,
            market=self.market,
            origin=self.origin,
            created_ms=self.created_ms,
            started_s=self.started_s,
            prompt_tokens=self.prompt_tokens,
        )
        twin.id, twin.attempts, twin.keeping = self.id, self.attempts, self.keeping
        twin.findings, twin.verdict, twin.moderation_ms = self.findings, self.verdict, self.moderation_ms
        return twin

    def adopt(self, twin: Self) -> None:
        """The twin's answer is this run's: everything that was learned of it, and who gave it."""
        for name in self.__struct_fields__:
            if name not in _OWN:
                setattr(self, name, getattr(twin, name))

    def reset_attempt(self, candidate: Candidate) -> None:
        """The next candidate is asked; what a failed one left behind is forgotten."""
        if self.candidate is not None:
            self.forget()
        self.candidate = candidate

    def forget(self) -> None:
        """Nothing was received yet, or nothing that counts."""
        self.accepted = self.finished = False
        self.first_event_s = self.usage = self.upstream_id = None
        self.finish_reason = self.native_finish_reason = None

    def produced(self) -> bool:
        """Whether some output reached us."""
        return self.answer is not None

    def believable_usage(self) -> Usage | None:
        """The provider's count, unless it says that there was nothing where something was (FAULTS.md U-34)."""
        return self.usage

    def count(self, tokenizer: Tokenizer) -> Usage:
        """Our own count of what went in and came out: where the provider sent no usage, or nonsense."""
        return Usage(estimated=True)

    def sample(self, began_s: float, now_s: float) -> Sample:
        """What a whole answer taught about its endpoint, besides that it came."""
        return PLAIN


class ChatRun(Run, eq=False):
    """A chat under way: what was received of its answer."""

    if TYPE_CHECKING:
        request: ChatRequest

    echoes: list[Event] | None = None
    """What was sent, to each provider that was tried, where the caller wants to see it."""
    has_parts: bool = False
    """Some message is more than one text: it may name images and files by URL."""
    hides_reasoning: bool = False
    """The caller wants to see none of it."""
    choices_left: int = 1
    """Choices whose finish reason has not come."""
    calls: dict[tuple[int, int], list[str]] | None = None
    """Arguments of the tool calls, in pieces, by choice and index."""
    called: set[str] | None = None
    """The names of the tools that were called; not of those with free text as input."""
    text: list[str] = []
    text_size: int = 0
    heard: list[Event] | None = None
    """The events of a streamed answer, where it is kept."""
    about: list[Event] = []
    """Events about the answer as a whole, which may come when nothing else does: they go out before its end."""

    def __post_init__(self) -> None:
        Run.__post_init__(self)  # by name: half the time of super()
        request = self.request
        for message in request.messages:
            if type(message.content) is tuple:
                self.has_parts = True
                break
        if request.n is not None:
            self.choices_left = request.n
        if (wish := wish_of(request)) is not None:
            self.hides_reasoning = wish.hidden

    def forget(self) -> None:
        Run.forget(self)
        self.choices_left = self.request.n or 1
        self.calls = self.called = self.heard = None
        self.text = []
        self.text_size = 0
        self.about = []

    def keep(self, events: Sequence[Event]) -> None:
        """What events without content say of the whole answer goes out with the next that have some, or at the end."""
        self.about += [event for event in events if isinstance(event, Started | NativeFields | UpstreamBody)]

    def hear(self, events: Sequence[Event]) -> None:
        """Remembers a streamed answer that is kept, as far as its record may be long."""
        if self.heard is None:
            self.heard = []
        if self.text_size <= HEARD_MAX:
            self.heard += events

    def echo(self, body: bytes, credential: str) -> None:
        """Shows what is sent to a provider, behind what was sent to those before; never the credential."""
        text = without_credential(body.decode("utf-8", "replace"), credential)
        shown = UpstreamBody(Raw(msgspec.json.encode(msgspec.json.decode(text))))
        self.echoes = [*(self.echoes or ()), shown]
        self.about = list(self.echoes)

    def late(self, events: Sequence[Event]) -> list[Event]:
        """What still counts of events that come behind the end: usage, and what is said of the whole answer."""
        self.keep(events)
        return [event for event in events if isinstance(event, UsageReported)]

    def with_kept(self, events: Sequence[Event]) -> Sequence[Event]:
        """Events that go out now, behind what was kept for them."""
        kept, self.about = self.about, []
        return [*kept, *events] if kept else events

    @property
    def keeps_seals(self) -> bool:
        """A caller who wants to see no reasoning has to send back all the same what nobody can read of it."""
        return self.origin.wire_format in SEALED

    @property
    def takes_reasoning_out(self) -> bool:
        """Whether reasoning is hidden by us. A provider that was told so in the caller's own format does it itself."""
        asked = None if self.candidate is None else self.candidate.endpoint.wire_format
        return self.hides_reasoning and not (self.keeps_seals and asked is self.origin.wire_format)

    def produced(self) -> bool:
        return self.text_size > 0 or self.answer is not None

    def believable_usage(self) -> Usage | None:
        usage = self.usage
        if usage is not None and usage.completion == 0 and self.text_size > 0 and any(self.text):
            return None
        return usage

    def count(self, tokenizer: Tokenizer) -> Usage:
        prompt = count_prompt(tokenizer, self.request)
        return Usage(prompt=prompt, completion=tokenizer.count("".join(self.text)), estimated=True)

    def sample(self, began_s: float, now_s: float) -> Sample:
        if not (self.streamed or self.calls):
            return PLAIN
        calls = self.calls or {}
        malformed = bool(calls) and (
            any(not _is_json("".join(pieces)) for pieces in calls.values())
            or _is_unknown(self.called or set(), self.request)
        )
        if not self.streamed or self.first_event_s is None:
            return Sample(called_tools=bool(calls), malformed=malformed) if calls else PLAIN
        usage = self.usage
        took_s = now_s - self.first_event_s
        written = usage.completion if usage else self.text_size / BYTES_PER_TOKEN_LIKELY
        # An answer of a few tokens, or one that came in a single piece, tells nothing of the pace.
        pace = written / took_s if written >= PACE_TOKENS_MIN and took_s >= PACE_S_MIN else None
        return Sample(self.first_event_s - began_s, pace, called_tools=bool(calls), malformed=malformed)


def _is_unknown(called: set[str], request: ChatRequest) -> bool:
    """Whether a tool was called that the request does not have; of tools that providers bring nothing is known."""
    tools = request.tools or ()
    if any(tool.function is None and tool.custom is None for tool in tools):
        return False
    known = {tool.function.name for tool in tools if tool.function is not None}
    known |= {str(tool.custom.get("name")) for tool in tools if tool.custom is not None}
    known |= {function.name for function in request.functions or ()}
    return bool(known) and not called <= known


def _is_json(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


class PlainRun(Run, eq=False):
    """A plain request under way. It may take several calls: `asked` are the parts that were sent, `answers` theirs."""

    if TYPE_CHECKING:
        request: PlainRequest

    asked: list[PlainRequest] = []
    answers: list[PlainAnswer] = []

    def forget(self) -> None:
        Run.forget(self)
        self.asked, self.answers = [], []

    def produced(self) -> bool:
        return bool(self.answers)

    def believable_usage(self) -> Usage | None:
        usage = self.usage
        priced_by_token = self.candidate is None or self.candidate.price.rates.prompt
        return None if usage is not None and usage.prompt == 0 and priced_by_token else usage

    def count(self, tokenizer: Tokenizer) -> Usage:
        answered = self.asked[: len(self.answers)]
        prompt = sum(count_inputs(tokenizer, each) for each in answered)
        return Usage(prompt=prompt, requests=search_units(self.request), estimated=True)
