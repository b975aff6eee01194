"""The record of one finished request: tokens, cost, attempts, and how it ended."""

from msgspec import Struct

from tollway.domain.health import Outcome
from tollway.domain.money import Nanodollars


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
