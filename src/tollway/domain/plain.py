"""Plain requests: embeddings, rerank, moderation. What goes in is billed; the answer is one piece, without tokens."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Raw, Struct, field

from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Operation
from tollway.domain.chat import AnyPart, Preferences, Slug, TextPart
from tollway.domain.generation import Usage

Input = str | tuple[int, ...] | tuple[AnyPart, ...]
"""One thing to be read: a text, its tokens, or parts of several kinds that belong together."""

INPUTS_MAX = 10_000


def text_of(given: Input) -> str:
    """An input's text, for formats that take nothing else."""
    if isinstance(given, str):
        return given
    return "\n".join(part.text for part in given if isinstance(part, TextPart))


class PlainRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all of them have: which model, where, and who asks. `extra` holds fields that we do not know."""

    operation: ClassVar[Operation]
    stream: ClassVar[bool] = False

    inputs: Annotated[tuple[Input, ...], Meta(min_length=1, max_length=INPUTS_MAX)]
    """What is to be embedded, ranked or judged."""
    alone: bool = False
    """The one input did not come in a list, and is not sent in one."""
    model: Slug | None = None
    models: Annotated[tuple[Slug, ...], Meta(max_length=32)] | None = None
    provider: Preferences | None = None
    routing: PriceRouting | None = None
    """CPEN's price caps (STOREFRONTS.md)."""
    user: Annotated[str, Meta(max_length=512)] | None = None
    session_id: Annotated[str, Meta(max_length=256)] | None = None
    trace: dict[str, Any] | None = None
    extra: dict[str, Raw] = field(default_factory=dict, name="tollway:extra")


class EmbeddingRequest(PlainRequest, frozen=True, kw_only=True, omit_defaults=True):
    """A vector is wanted for each input."""

    operation = Operation.EMBEDDINGS

    dimensions: int | None = None
    encoding_format: str | None = None
    """`float` (also None) or `base64`; other words go to providers of the caller's own format."""
    input_type: str | None = None
    """What the inputs are for, in any provider's words (`wire/input_types.py`)."""
    truncate: str | None = None
    """What becomes of inputs that are too long: `NONE` (an error), `START` or `END` (that side is cut off)."""
    title: str | None = None
    """Of a document (Google)."""


class RerankRequest(PlainRequest, frozen=True, kw_only=True, omit_defaults=True):
    """How well does each of the inputs, which are documents, answer the query?"""

    operation = Operation.RERANK

    query: str
    top_n: int | None = None
    max_tokens_per_doc: int | None = None


class ModerationRequest(PlainRequest, frozen=True, kw_only=True, omit_defaults=True):
    """Is any of this harmful? Several texts are judged apart; parts of several kinds are one input."""

    operation = Operation.MODERATION


class PlainAnswer(Struct, frozen=True, kw_only=True):
    """What all answers have. `usage` is None where the provider sent none, or nonsense."""

    usage: Usage | None = None
    upstream_id: str | None = None


class EmbeddingAnswer(PlainAnswer, frozen=True, kw_only=True):
    """A vector for each input, in order; each is JSON as it came: a list of numbers, or base64 of little-endian
    32-bit floats in a string."""

    vectors: tuple[Raw, ...]


class Ranked(Struct, frozen=True):
    """A document by its place among those that were sent, and how relevant it is."""

    index: int
    score: float


class RerankAnswer(PlainAnswer, frozen=True, kw_only=True):
    """The documents that were wanted, the most relevant first."""

    results: tuple[Ranked, ...]


class ModerationAnswer(PlainAnswer, frozen=True, kw_only=True):
    """A judgement for each input, in OpenAI's shape as it came: `flagged`, `categories`, `category_scores` ..."""

    results: tuple[Raw, ...]
    model: str | None = None
    """The model's exact name, as the provider says it."""
