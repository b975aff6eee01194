"""What can be bought: models, the endpoints that offer them, and their prices, as one immutable snapshot."""

from enum import StrEnum

from msgspec import Struct

from tollway.domain.money import Attodollars


class WireFormat(StrEnum):
    """A public JSON dialect that an endpoint speaks."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    GEMINI = "gemini"
    BEDROCK_CONVERSE = "bedrock_converse"
    COHERE_CHAT = "cohere_chat"
    VOYAGE = "voyage"
    """Embeddings and reranking only."""


class Operation(StrEnum):
    """What is asked of a model. A company's dialect has a way to ask for each that it offers (`wire/formats.py`)."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    MODERATION = "moderation"


class Rates(Struct, frozen=True, omit_defaults=True):
    """USD per unit, in attodollars. None: not priced apart; the sum then falls to `prompt` or `completion`."""

    prompt: Attodollars
    completion: Attodollars
    request: Attodollars = 0
    image: Attodollars | None = None
    cache_read: Attodollars | None = None
    cache_write: Attodollars | None = None
    cache_write_1h: Attodollars | None = None
    reasoning: Attodollars | None = None
    audio: Attodollars | None = None
    audio_output: Attodollars | None = None


class Tier(Struct, frozen=True):
    """Rates that replace the base ones for a prompt of strictly more than `prompt_tokens_over` tokens."""

    prompt_tokens_over: int
    rates: Rates


class Price(Struct, frozen=True):
    """One price row of an endpoint. `declared_free` is the only way in which zero is a price (MONEY.md, Units)."""

    id: int
    rates: Rates
    tiers: tuple[Tier, ...] = ()
    declared_free: bool = False
    effective_ms: int = 0
    source: str = ""
    tariff: "Tariff | None" = None
    """None: customers pay what the provider takes."""

    @property
    def upstream(self) -> "Price":
        """What the provider takes."""
        return self if self.tariff is None else self.tariff.upstream


class Tariff(Struct, frozen=True):
    """Why customers pay another price than the provider takes (`routing/tariffs.py`)."""

    upstream: Price
    group: str | None = None
    """The group of the customer's workspace."""
    multiplier: str | None = None
    """What the group's prices are multiplied by."""
    credits: int | None = None
    """Platform credits that a request costs, whatever it uses."""


class Endpoint(Struct, frozen=True):
    """One provider's offer of one model."""

    id: str
    """`<provider slug>:<upstream model>`; stable, unique."""
    model_id: str
    provider: str
    """The provider's slug."""
    upstream_model: str
    """What the provider calls the model."""
    wire_format: WireFormat
    context_tokens: int
    output_tokens_max: int | None
    price: Price | None
    """None: unpriced, so off."""
    parameters: frozenset[str] = frozenset()
    """OpenRouter's `supported_parameters` names: tools, temperature, response_format, structured_outputs ..."""
    input_modalities: frozenset[str] = frozenset({"text"})
    output_modalities: frozenset[str] = frozenset({"text"})
    """Empty: not known."""
    quantization: str | None = None
    enabled: bool = True


class Model(Struct, frozen=True):
    """A language model, `author/slug`, as `GET /models` shows it."""

    id: str
    name: str
    author: str
    created_s: int = 0
    description: str = ""
    context_tokens: int = 0
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    tokenizer: str = "Other"
    knowledge_cutoff: str | None = None
    hugging_face_id: str | None = None
    reasoning: bool = False
    open_weights: bool = False

    @property
    def operation(self) -> Operation:
        """What it can be asked for: chat, unless it makes something else instead of text."""
        for operation in (Operation.EMBEDDINGS, Operation.RERANK, Operation.MODERATION):
            if operation.value in self.output_modalities:
                return operation
        return Operation.CHAT


class ProviderInfo(Struct, frozen=True):
    """What the catalog knows about a provider: how to reach it, and which environment variables hold its key."""

    slug: str
    name: str
    base_url: str
    wire_format: WireFormat
    key_env: tuple[str, ...] = ()
    documentation_url: str = ""


class Catalog(Struct, frozen=True):
    """An immutable snapshot, swapped atomically; what a request was planned with stays with it."""

    models: dict[str, Model]
    endpoints: dict[str, tuple[Endpoint, ...]]
    """By model id, cheapest first."""
    providers: dict[str, ProviderInfo]
    aliases: dict[str, str]
    """Other names of a model -> its id."""
    version: int = 0

    def resolve(self, name: str) -> Model | None:
        """A model by its id or one of its other names, or None."""
        model = self.models.get(name)
        if model is None and (target := self.aliases.get(name)) is not None:
            model = self.models.get(target)
        return model


EMPTY = Catalog(models={}, endpoints={}, providers={}, aliases={})
