"""The rules that leave an endpoint out: each a sentence, each applied only to requests that it concerns."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from msgspec import Struct, structs

from tollway.billing.pricing import rates_for
from tollway.domain.catalog import Endpoint
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

PER_MILLION = 10 ** (PRICE_DIGITS - 6)

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
    "verbosity",
    "prediction",
)
"""Parameters that `require_parameters` looks at, by the names of `supported_parameters`."""


class Ask(Struct, frozen=True):
    """What a request needs of an endpoint, worked out once."""

    request: ChatRequest
    prompt_tokens: int
    """A sensible estimate, for fitting into a context; the bound for money is apart."""
    modalities: frozenset[str]
    preferences: Preferences
    caps: tuple[tuple[str, Attodollars], ...] = ()
    """`max_price` as (rate's name, the most it may be)."""


def ask_of(request: ChatRequest, prompt_tokens: int, slugs: Mapping[str, str] = {}) -> Ask:
    """Works out what a request needs. `slugs`: display names of providers, in lower case -> slug."""
    modalities: frozenset[str] = frozenset()
    for message in request.messages:
        if type(message.content) is tuple:
            modalities |= {kind for part in message.content if (kind := _MODALITY.get(type(part)))}
    preferences = request.provider or _NO_PREFERENCES
    if preferences.order or preferences.only or preferences.ignore:
        preferences = structs.replace(
            preferences,
            order=_slugs(preferences.order, slugs),
            only=_slugs(preferences.only, slugs),
            ignore=_slugs(preferences.ignore, slugs),
        )
    return Ask(request, prompt_tokens, modalities, preferences, _caps(preferences.max_price))


Check = Callable[[Ask, Endpoint], str | None]


def does_not_fit(ask: Ask, endpoint: Endpoint) -> str | None:
    """The prompt is longer than the endpoint's context."""
    if ask.prompt_tokens > endpoint.context_tokens:
        return f"the prompt needs about {ask.prompt_tokens} tokens, its context has {endpoint.context_tokens}"
    return None


def gives_too_little(ask: Ask, endpoint: Endpoint) -> str | None:
    """The endpoint can't produce as many tokens as were asked for."""
    asked = ask.request.output_limit
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


def lacks_schema(ask: Ask, endpoint: Endpoint) -> str | None:
    """The answer must follow a JSON schema and the endpoint can't promise that."""
    wanted = ask.request.response_format
    if wanted is None or wanted.type != "json_schema" or "structured_outputs" in endpoint.parameters:
        return None
    return None if "response_format" in endpoint.parameters else "does not support structured output"


def lacks_parameter(ask: Ask, endpoint: Endpoint) -> str | None:
    """`require_parameters`: every parameter that was sent must be supported."""
    missing = [
        name
        for name in FORWARDED_PARAMETERS
        if getattr(ask.request, name) is not None and name not in endpoint.parameters
    ]
    return f"does not support {', '.join(missing)}, and require_parameters is set" if missing else None


def not_in_only(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.only` names others."""
    return None if _named(endpoint, ask.preferences.only or ()) else "not in provider.only"


def in_ignore(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.ignore` names it."""
    return "in provider.ignore" if _named(endpoint, ask.preferences.ignore or ()) else None


def not_in_order(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.order` without fallbacks names others."""
    return None if _named(endpoint, ask.preferences.order or ()) else "not in provider.order, and fallbacks are off"


def wrong_quantization(ask: Ask, endpoint: Endpoint) -> str | None:
    """`provider.quantizations` wants others."""
    has = endpoint.quantization or "unknown"
    wanted = ask.preferences.quantizations or ()
    if has in wanted or any(has.endswith(each) and each in {"fp4", "fp8"} for each in wanted):
        return None
    return f"is quantized {has}, wanted {', '.join(wanted)}"


def too_dear(ask: Ask, endpoint: Endpoint) -> str | None:
    """A price is above `provider.max_price`, at the tier that the prompt reaches."""
    if endpoint.price is None:
        return None
    rates = rates_for(endpoint.price, ask.prompt_tokens)
    for name, cap in ask.caps:
        if (getattr(rates, name) or 0) > cap:
            return f"its {name} price is above max_price.{name}"
    return None


def may_store(ask: Ask, endpoint: Endpoint) -> str | None:
    """Data may not be collected or kept, and nothing is known of this provider's policy: closed, not open."""
    return "its data policy is not known, and the request forbids data collection or retention"


def may_not_be_distilled(ask: Ask, endpoint: Endpoint) -> str | None:
    """The answer must be free to train others on, and nothing is known of the author's terms: closed, not open."""
    return "whether its author permits distillation is not known, and the request requires it"


class Rule(Struct, frozen=True):
    """A check with its name, and the requests that it concerns."""

    name: str
    concerns: Callable[[Ask], bool]
    check: Check


RULES: tuple[Rule, ...] = (
    Rule("context_too_short", lambda ask: True, does_not_fit),
    Rule("output_too_short", lambda ask: ask.request.output_limit is not None, gives_too_little),
    Rule("no_tools", lambda ask: bool(ask.request.tools), lacks_tools),
    Rule("no_modality", lambda ask: bool(ask.modalities), lacks_modality),
    Rule("no_structured_output", lambda ask: ask.request.response_format is not None, lacks_schema),
    Rule("missing_parameter", lambda ask: ask.preferences.require_parameters is True, lacks_parameter),
    Rule("not_in_only", lambda ask: ask.preferences.only is not None, not_in_only),
    Rule("ignored", lambda ask: bool(ask.preferences.ignore), in_ignore),
    Rule(
        "not_in_order",
        lambda ask: bool(ask.preferences.order) and ask.preferences.allow_fallbacks is False,
        not_in_order,
    ),
    Rule("quantization", lambda ask: bool(ask.preferences.quantizations), wrong_quantization),
    Rule("max_price", lambda ask: bool(ask.caps), too_dear),
    Rule(
        "data_policy",
        lambda ask: ask.preferences.data_collection == "deny" or bool(ask.preferences.zdr),
        may_store,
    ),
    Rule("distillation", lambda ask: ask.preferences.enforce_distillable_text is True, may_not_be_distilled),
)

_NO_PREFERENCES = Preferences()
_MODALITY: dict[type, str] = {
    ImagePart: "image",
    AudioPart: "audio",
    VideoPart: "video",
    LegacyVideoPart: "video",
    FilePart: "file",
    DocumentPart: "file",
}


def is_named(endpoint: Endpoint, name: str) -> bool:
    """Whether a name in `provider.order`, `only` or `ignore` means this endpoint: its slug, or the slug's base."""
    wanted, slug = name.lower(), endpoint.provider
    return wanted == slug or slug.startswith(wanted + "/")


def _slugs(names: tuple[str, ...] | None, slugs: Mapping[str, str]) -> tuple[str, ...] | None:
    return names and tuple(slugs.get(name.lower(), name) for name in names)


def _named(endpoint: Endpoint, names: tuple[str, ...]) -> bool:
    return any(is_named(endpoint, name) for name in names)


def _caps(limits: MaxPrice | None) -> tuple[tuple[str, Attodollars], ...]:
    """USD per million tokens (per request and image as they are) -> attodollars a unit. InvalidRequest: no price."""
    caps: list[tuple[str, Attodollars]] = []
    if limits is None:
        return ()
    for name, unit in _CAP_UNITS.items():
        value = getattr(limits, name)
        if value is not None:
            try:
                caps.append((name, int(_usd(str(value)) * unit)))
            except ValueError:
                raise InvalidRequest(
                    f"provider.max_price.{name} must be a decimal number in USD, not negative",
                    param=f"provider.max_price.{name}",
                ) from None
    return tuple(caps)


def _usd(text: str) -> Decimal:
    """ValueError: not a decimal number, negative, or with an exponent that would make `int` work for minutes."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


_NUMBER = re.compile(r"(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CAP_UNITS = {
    "prompt": PER_MILLION,
    "completion": PER_MILLION,
    "request": 10**PRICE_DIGITS,
    "image": 10**PRICE_DIGITS,
    "audio": PER_MILLION,
}
