"""The rules that leave an endpoint out: each a sentence, each applied only to requests that it concerns."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Endpoint, WireFormat
from tollway.domain.chat import (
    AudioPart,
    ChatRequest,
    DocumentPart,
    FilePart,
    ImagePart,
    LegacyVideoPart,
    MaxPrice,
    Preferences,
    VideoPart,
)
from tollway.domain.errors import InvalidRequest
from tollway.domain.money import PRICE_DIGITS, Attodollars
from tollway.domain.plain import PlainRequest
from tollway.providers.base import Facts
from tollway.routing.caps import PER_MILLION, Budget, budget_of, read_usd, why_below, why_over
from tollway.routing.provider_names import NO_NAMES, ProviderNames, in_lower_case, means
from tollway.wire.efforts import must_reason

FORWARDED_PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "reasoning_effort",
    "include_reasoning",
    "verbosity",
    "prediction",
)
"""Parameters that `require_parameters` looks at, by the names of `supported_parameters`."""


_LISTED_AS = {"reasoning_effort": "reasoning"}


class Ask(Struct, frozen=True):
    """What a request needs of an endpoint, worked out once."""

    request: ChatRequest
    """What is wished of a chat; `NO_CHAT` for a plain request."""
    prompt_tokens: int
    """A sensible estimate, for fitting into a context; the bound for money is apart."""
    modalities: frozenset[str]
    preferences: Preferences
    facts: Mapping[str, Facts] = {}
    """What is known of each provider's dealings with prompts, by slug."""
    caps: tuple[tuple[str, Attodollars], ...] = ()
    """`max_price` as (rate's name, the most it may be)."""
    token_ids: bool = False
    """Some input is tokens instead of text."""
    routing: PriceRouting | None = None
    budget: Budget | None = None
    """The caps of `routing`."""
    prompt_bound: int = 0
    """The most tokens that the prompt can have: which of an endpoint's tiers it may reach."""
    output_limit: int | None = None
    """The caller's own bound on output tokens."""
    names: ProviderNames = NO_NAMES
    """By which names providers are meant."""


NO_CHAT = ChatRequest()


def ask_of(
    request: ChatRequest | PlainRequest,
    prompt_tokens: int,
    names: ProviderNames = NO_NAMES,
    facts: Mapping[str, Facts] = {},
    prompt_bound: int = 0,
) -> Ask:
    """Works out what a request needs."""
    modalities, token_ids = _WORDS, False
    if isinstance(request, ChatRequest):
        chat = request
        for message in request.messages:
            if type(message.content) is tuple:
                modalities |= {kind for part in message.content if (kind := _MODALITY.get(type(part)))}
    else:
        chat, modalities, token_ids = NO_CHAT, *_kinds(request)
    preferences, caps = _NO_PREFERENCES, _NO_CAPS
    if request.provider is not None:
        preferences = in_lower_case(request.provider)
        caps = caps_of(preferences.max_price)
    routing = request.routing
    budget = None if routing is None else budget_of(routing, request, modalities)
    limit = chat.max_completion_tokens  # `output_limit`, without the call
    if limit is None:
        limit = chat.max_tokens
    return Ask(
        chat,
        prompt_tokens,
        modalities,
        preferences,
        facts,
        caps,
        token_ids,
        routing,
        budget,
        prompt_bound,
        limit,
        names,
    )


Check = Callable[[Ask, Endpoint], str | None]


def does_not_fit(ask: Ask, endpoint: Endpoint) -> str | None:
    """The prompt is longer than the endpoint's context."""
    if ask.prompt_tokens > endpoint.context_tokens:
        return f"the prompt needs about {ask.prompt_tokens} tokens, its context has {endpoint.context_tokens}"
    return None


def gives_too_little(ask: Ask, endpoint: Endpoint) -> str | None:
    """The endpoint can't produce as many tokens as were asked for."""
    asked = ask.output_limit
    if asked is not None and endpoint.output_tokens_max is not None and asked > endpoint.output_tokens_max:
        return f"max_tokens is {asked}, it gives at most {endpoint.output_tokens_max}"
    return None


def lacks_tools(ask: Ask, endpoint: Endpoint) -> str | None:
    """The request has tools and the endpoint can't call any."""
    return None if "tools" in endpoint.parameters else "does not support tools"


def lacks_modality(ask: Ask, endpoint: Endpoint) -> str | None:
    """The messages hold media that the endpoint does not take."""
    missing = ask.modalities - endpoint.input_modalities
    return f"does not take {', '.join(sorted(missing))}" if missing else None


def makes_no_modality(ask: Ask, endpoint: Endpoint) -> str | None:
    """`modalities` wants what the endpoint's model does not make; of some endpoints nothing is known."""
    missing = {*(ask.request.modalities or ())} - endpoint.output_modalities
    return f"does not make {', '.join(sorted(missing))}" if missing and endpoint.output_modalities else None


def reads_no_token_ids(ask: Ask, endpoint: Endpoint) -> str | None:
    """The input is tokens, which only OpenAI's format can say."""
    return None if endpoint.wire_format is WireFormat.OPENAI_CHAT else "takes texts, not tokens"


def lacks_json(ask: Ask, endpoint: Endpoint) -> str | None:
    """The answer must be JSON, and the endpoint has no way to hold a model to it but words."""
    wanted = ask.request.response_format
    if wanted is None or wanted.type not in ("json_object", "json_schema"):
        return None
    if "structured_outputs" in endpoint.parameters or "response_format" in endpoint.parameters:
        return None
    return "does not support structured output"


def lacks_schema(ask: Ask, endpoint: Endpoint) -> str | None:
    """`structured_outputs`: the answer must follow a JSON schema, and the endpoint can't promise that."""
    listed = "structured_outputs" in endpoint.parameters
    return None if listed else "does not support structured output by a schema, and structured_outputs is set"


def lacks_parameter(ask: Ask, endpoint: Endpoint) -> str | None:
    """`require_parameters`: every parameter that was sent must be supported."""
    sent = [_LISTED_AS.get(name, name) for name in FORWARDED_PARAMETERS if getattr(ask.request, name) is not None]
    form = ask.request.response_format
    if form is not None and form.type == "json_schema":
        sent.append("structured_outputs")
    missing = [name for name in dict.fromkeys(sent) if name not in endpoint.parameters]
    return f"does not support {', '.join(missing)}, and require_parameters is set" if missing else None


def cannot_but_reason(ask: Ask, endpoint: Endpoint) -> str | None:
    """The effort is "none" and the model has no way not to reason (OPENROUTER.md 9.1)."""
    return "always reasons" if must_reason(endpoint.upstream_model) else None


def not_in_only(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.only` names others."""
    return None if means(ask.names.meant, endpoint, ask.preferences.only or ()) else "not in provider.only"


def in_ignore(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.ignore` names it."""
    return "in provider.ignore" if means(ask.names.shunned, endpoint, ask.preferences.ignore or ()) else None


def not_in_order(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.order` without fallbacks names others."""
    named = means(ask.names.meant, endpoint, ask.preferences.order or ())
    return None if named else "not in provider.order, and fallbacks are off"


def wrong_quantization(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.quantizations` wants others."""
    has = endpoint.quantization or "unknown"
    wanted = ask.preferences.quantizations or ()
    if has in wanted or any(has.endswith(each) and each in {"fp4", "fp8"} for each in wanted):
        return None
    return f"is quantized {has}, wanted {', '.join(wanted)}"


def too_dear(ask: Ask, endpoint: Endpoint) -> str | None:
    """A price is above `provider.max_price`, at some tier that the prompt may reach."""
    price = endpoint.price
    if price is None:
        return None
    for name, cap in ask.caps:
        if (getattr(price.rates, name) or 0) > cap:
            return f"its {name} price is above max_price.{name}"
        for tier in price.tiers:
            if tier.prompt_tokens_over < ask.prompt_bound and (getattr(tier.rates, name) or 0) > cap:
                return f"its {name} price above {tier.prompt_tokens_over} tokens is above max_price.{name}"
    return None


def below_floor(ask: Ask, endpoint: Endpoint) -> str | None:
    """`routing.min_total_per_1m`: input and output together cost less."""
    return None if ask.budget is None else why_below(ask.budget, endpoint, ask.prompt_tokens)


def over_cap(ask: Ask, endpoint: Endpoint) -> str | None:
    """Some token could cost more than a cap of `routing` says, at any tier that the prompt may reach."""
    return None if ask.budget is None else why_over(ask.budget, endpoint, ask.prompt_bound)


TRAINS = "may train on prompts"


def may_store(ask: Ask, endpoint: Endpoint) -> str | None:
    """Data may not be collected (`data_collection`) or kept (`zdr`). What is not known counts as done."""
    known = ask.facts.get(endpoint.provider, _NOTHING_KNOWN)
    if known.trains is None and known.retains is None:
        return "its data policy is not known, and data collection or retention is forbidden"
    if known.retains is not False:
        days = f" for {known.retention_days} days" if known.retention_days else ""
        return f"keeps prompts{days}" if known.retains else "may keep prompts: its retention is not known"
    if ask.preferences.data_collection == "deny" and known.trains is not False:
        return TRAINS if known.trains else f"{TRAINS}: its policy is not known"
    return None


def may_not_be_distilled(ask: Ask, endpoint: Endpoint) -> str | None:
    """The answer must be free to train others on, and nothing is known of the author's terms: closed, not open."""
    return "whether its author permits distillation is not known, and the request requires it"


class Rule(Struct, frozen=True):
    """A check with its name, and the requests that it concerns."""

    name: str
    concerns: Callable[[Ask], bool]
    check: Check
    is_soft: bool = False
    """A preference among the endpoints of one model: where it would leave out all of them, it leaves out none."""


def _is_told_not_to_reason(ask: Ask) -> bool:
    request = ask.request
    return request.reasoning_effort == "none" or (request.reasoning is not None and request.reasoning.effort == "none")


def rules_for(ask: Ask) -> Sequence[Rule]:
    """Those that concern a request."""
    wishes = ask.preferences is not _NO_PREFERENCES or ask.budget is not None
    request = ask.request
    if not (
        wishes
        or ask.modalities
        or ask.token_ids
        or request.tools
        or request.modalities
        or request.response_format
        or request.structured_outputs
        or request.reasoning
        or request.reasoning_effort
    ):
        return OF_LENGTH if ask.output_limit is None else OF_WORDS
    return [rule for rule in (RULES if wishes else OF_REQUEST) if rule.concerns(ask)]


CONTEXT, MUST_REASON = "context_too_short", "must_reason"
MAX_PRICE, PRICE_FLOOR, PRICE_CAP = "max_price", "price_floor", "price_cap"
_FITS = Rule(CONTEXT, lambda ask: True, does_not_fit)
_GIVES_ENOUGH = Rule("output_too_short", lambda ask: ask.output_limit is not None, gives_too_little)
_NEEDS: tuple[Rule, ...] = (
    _GIVES_ENOUGH,
    Rule("no_tools", lambda ask: bool(ask.request.tools), lacks_tools),
    Rule("no_modality", lambda ask: bool(ask.modalities), lacks_modality),
    Rule("no_output_modality", lambda ask: bool(ask.request.modalities), makes_no_modality),
    Rule("no_token_ids", lambda ask: ask.token_ids, reads_no_token_ids),
    Rule("no_structured_output", lambda ask: ask.request.response_format is not None, lacks_json, is_soft=True),
    Rule("no_schema", lambda ask: ask.request.structured_outputs is True, lacks_schema),
    Rule(MUST_REASON, _is_told_not_to_reason, cannot_but_reason),
)
_WISHES: tuple[Rule, ...] = (
    Rule("missing_parameter", lambda ask: ask.preferences.require_parameters is True, lacks_parameter),
    Rule("not_in_only", lambda ask: ask.preferences.only is not None, not_in_only),
    Rule("ignored", lambda ask: bool(ask.preferences.ignore), in_ignore),
    Rule(
        "not_in_order",
        lambda ask: bool(ask.preferences.order) and ask.preferences.allow_fallbacks is False,
        not_in_order,
    ),
    Rule("quantization", lambda ask: bool(ask.preferences.quantizations), wrong_quantization),
    Rule(MAX_PRICE, lambda ask: bool(ask.caps), too_dear),
    Rule(
        "data_policy",
        lambda ask: ask.preferences.data_collection == "deny" or bool(ask.preferences.zdr),
        may_store,
    ),
    Rule("distillation", lambda ask: ask.preferences.enforce_distillable_text is True, may_not_be_distilled),
)
_BUDGET: tuple[Rule, ...] = (
    Rule(PRICE_FLOOR, lambda ask: ask.budget is not None and ask.budget.total_min is not None, below_floor),
    # The last: who is left out by it fits in every other way, and may be what an escalation turns to.
    Rule(PRICE_CAP, lambda ask: ask.budget is not None, over_cap),
)
OF_WORDS: tuple[Rule, ...] = (_GIVES_ENOUGH, _FITS)
"""All that concerns a request of words alone, as most are."""
OF_LENGTH: tuple[Rule, ...] = (_FITS,)
"""The same, where it does not say how long its answer may be."""
OF_REQUEST = (*_NEEDS, _FITS)
RULES = (*_NEEDS, *_WISHES, _FITS, *_BUDGET)
"""In this order: what a request needs by itself; what its `provider` wishes besides; its length, so that whom that
leaves out would answer a shorter prompt; its `routing`."""

_WORDS: frozenset[str] = frozenset()
"""What the messages of most requests hold besides."""
_NO_PREFERENCES = Preferences()
_NO_CAPS: tuple[tuple[str, Attodollars], ...] = ()
_NOTHING_KNOWN = Facts()
_MODALITY: dict[type, str] = {
    ImagePart: "image",
    AudioPart: "audio",
    VideoPart: "video",
    LegacyVideoPart: "video",
    FilePart: "file",
    DocumentPart: "file",
}


def _kinds(request: PlainRequest) -> tuple[frozenset[str], bool]:
    """The media among a plain request's inputs, and whether some input is tokens."""
    kinds = {type(part) for each in request.inputs if isinstance(each, tuple) for part in each}
    return frozenset(_MODALITY[kind] for kind in kinds if kind in _MODALITY), int in kinds


def caps_of(limits: MaxPrice | None) -> tuple[tuple[str, Attodollars], ...]:
    """USD per million tokens (per request and image as they are) -> attodollars a unit. InvalidRequest: no price."""
    caps: list[tuple[str, Attodollars]] = []
    if limits is None:
        return ()
    for name, unit in _CAP_UNITS.items():
        value = getattr(limits, name)
        if value is not None:
            try:
                caps.append((name, int(read_usd(str(value)) * unit)))
            except ValueError:
                raise InvalidRequest(
                    f"provider.max_price.{name} must be a decimal number in USD, not negative",
                    param=f"provider.max_price.{name}",
                ) from None
    return tuple(caps)


_CAP_UNITS = {
    "prompt": PER_MILLION,
    "completion": PER_MILLION,
    "request": 10**PRICE_DIGITS,
    "image": 10**PRICE_DIGITS,
    "audio": PER_MILLION,
}
