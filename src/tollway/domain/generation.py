"""The record of one finished request: tokens, cost, attempts, and how it ended."""

from msgspec import Struct

from tollway.domain.content_filters import Finding
from tollway.domain.health import Outcome
from tollway.domain.money import Nanodollars
from tollway.domain.routing import Routed


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens as the provider counted them. `prompt` includes cached ones; `completion` includes reasoning."""

    prompt: int = 0
    completion: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    audio_prompt: int = 0
    audio_completion: int = 0
    image_completion: int = 0
    cache_write_1h: int = 0
    """The part of `cache_write` that is kept for an hour, at a price of its own."""
    web_searches: int = 0
    """Requests that the provider's own search tool made; they are billed apart from tokens."""
    tool_prompt: int = 0
    """The part of `prompt` that the provider's own tools read (Google: toolUsePromptTokenCount)."""
    image_prompt: int = 0
    video_prompt: int = 0
    billed: tuple[int, int] | None = None
    """Prompt and completion tokens that the provider bills, where it says that they are other than it counted."""
    requests: int = 1
    """How often the price of a request is due: a rerank is billed by the search unit, of which it may take several."""
    estimated: bool = False
    """Counted by our tokenizer: the provider sent none, or nonsense."""


class Attempt(Struct, frozen=True, omit_defaults=True):
    """One try at one candidate."""

    endpoint_id: str
    provider: str
    outcome: Outcome
    status: int | None = None
    """The provider's HTTP status, if it answered."""
    latency_ms: int = 0
    """From sending to the first content event, or to the failure."""
    upstream_id: str | None = None
    message: str = ""
    began_ms: int = 0
    """After the request had come."""
    key: int = 0
    """Which of its provider's keys it was asked with, from 1; 0: it had one, or none."""
    credential_id: str | None = None
    """Of the caller's own key, if that was used."""


class Placed(Struct, frozen=True, array_like=True):
    """A candidate of a plan, as a trace keeps it."""

    endpoint_id: str
    reason: str
    share: float


class RuledOut(Struct, frozen=True, array_like=True):
    """An endpoint that the request itself left out, as a trace keeps it."""

    endpoint_id: str
    rule: str
    reason: str


class Trace(Struct, frozen=True, omit_defaults=True):
    """The plan that a request was served by (`routing/trace.py`)."""

    candidates: tuple[Placed, ...]
    left_out: tuple[RuledOut, ...] = ()
    unlisted: int = 0
    """Endpoints that the plan had besides."""
    off: int = 0
    """Endpoints that are off for everybody."""


class Generation(Struct, frozen=True, omit_defaults=True):
    """One admitted request, finished. Written once, in the same transaction as its capture."""

    id: str
    workspace_id: str
    key_id: str
    created_ms: int
    model: str
    """The model that answered, or that was asked for if none did."""
    api_type: str
    origin: str
    streamed: bool
    cancelled: bool
    finish_reason: str | None
    native_finish_reason: str | None
    endpoint_id: str | None
    provider: str | None
    """The slug of the provider that answered."""
    price_id: int | None
    usage: Usage
    cost: Nanodollars
    """What the caller paid: exactly the capture."""
    absorbed: Nanodollars
    """What it cost us and nobody pays."""
    cache_discount: Nanodollars
    latency_ms: int
    """To the first content event."""
    generation_ms: int
    attempts: tuple[Attempt, ...]
    tokens_prompt_estimate: int = 0
    max_tokens_sent: int | None = None
    """Set where the caller gave no max_tokens and we bounded the answer (MONEY.md, How much is held)."""
    error: str | None = None
    http_referer: str | None = None
    app_title: str | None = None
    user_agent: str | None = None
    session_id: str | None = None
    external_user: str | None = None
    upstream_id: str | None = None
    plan: Trace | None = None
    """None: there was one candidate, and nothing to decide."""
    preset_id: str | None = None
    routed: Routed | None = None
    """The models were chosen for the request."""
    usage_flag: str | None = None
    """In which way the provider's token count is far above ours, where both were compared (`gateway/drift.py`)."""
    upstream_cost: Nanodollars | None = None
    """At the provider's own price, where the caller's was another."""
    group: str | None = None
    """The workspace's group, where it has prices of its own, and what they were multiplied by."""
    multiplier: str | None = None
    credits: int | None = None
    """Platform credits that were paid, where a request has a fixed price."""
    credential_id: str | None = None
    """Of the caller's own key, if that was used: `cost` is the fee for it."""
    own_cost: Nanodollars = 0
    """With the caller's own key: the list price of what its provider bills to them."""
    findings: tuple[Finding, ...] = ()
    """What content filters found in the request, where they did not block it."""
    moderation_ms: int | None = None
    """How long its moderation took; None: no model that was to be asked requires it."""
    media_prompt: int = 0
    """Images, sounds, videos and files in the request; and how many of them are sounds."""
    audio_prompt: int = 0
