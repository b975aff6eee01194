"""A server's own list of models (`GET /models`), in the dialects in use, read into catalog rows. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from tollway.catalog.match import ModelIndex
from tollway.catalog.names import read_name
from tollway.domain.catalog import Model, ProviderInfo, WireFormat
from tollway.domain.catalog_rows import EndpointRow, PriceRow
from tollway.domain.money import price_from_text, price_to_text
from tollway.domain.rates import RatesText, TierText

MODELS_MAX = 10_000
NAME_CHARACTERS_MAX = 256
CONTEXT_UNKNOWN_TOKENS = 8_192
"""Taken where neither the server nor the catalog says how long a context is."""

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
"""Prices come as JSON numbers too; no float may touch them."""

_CONTEXT = (
    "context_length",
    "context_window",
    "max_model_len",
    "loaded_context_length",
    "max_context_length",
    "max_input_tokens",
    "inputTokenLimit",
)
_OUTPUT = ("max_output_length", "max_completion_tokens", "max_output_tokens", "max_tokens", "outputTokenLimit")
_PRICES = {
    "prompt": "prompt",
    "completion": "completion",
    "request": "request",
    "image": "image",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "input_cache_write_1h": "cache_write_1h",
    "internal_reasoning": "reasoning",
    "audio": "audio",
    "audio_output": "audio_output",
}
"""OpenRouter's names in `pricing` -> ours."""

_FEATURES = {
    "tools": ("tools", "tool_choice"),
    "json_mode": ("response_format",),
    "structured_outputs": ("response_format", "structured_outputs"),
    "reasoning": ("reasoning", "include_reasoning"),
    "web_search": ("web_search_options",),
    "tool_use": ("tools", "tool_choice"),
    "function_calling": ("tools", "tool_choice"),
    "thinking": ("reasoning", "include_reasoning"),
}
"""`supported_features` (OpenRouter's provider list), `capabilities` (LM Studio, Mistral, Anthropic) -> parameters."""

_ANY_SERVER = ("max_tokens", "stop", "temperature", "top_p")
"""What every OpenAI-compatible server takes, where its list says nothing."""
_OF_FORMAT: dict[WireFormat, tuple[str, ...]] = {
    WireFormat.ANTHROPIC_MESSAGES: (*_ANY_SERVER, "tool_choice", "tools", "top_k"),
    WireFormat.GEMINI: (*_ANY_SERVER, "response_format", "structured_outputs", "tool_choice", "tools", "top_k"),
}
"""The same for formats in which more belongs to every model."""


class Listed(Struct, frozen=True):
    """One model as a server lists it; None and empty: the server does not say."""

    upstream_model: str
    name: str = ""
    model: str = ""
    """The id that the server itself proposes (`openrouter.slug`)."""
    context_tokens: int | None = None
    output_tokens_max: int | None = None
    parameters: tuple[str, ...] = ()
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    quantization: str | None = None
    created_s: int = 0
    hugging_face_id: str | None = None
    rates: RatesText | None = None
    tiers: tuple[TierText, ...] = ()


class Listing(Struct, frozen=True):
    """What a list says, and how many of its entries could not be read."""

    models: tuple[Listed, ...]
    skipped: int = 0


def read_listing(body: bytes) -> Listing:
    """The body of `GET /models` -> its models, without repetitions, in the order given.

    Understood: OpenAI's list and what vLLM, llama.cpp, LM Studio, Groq and Mistral add to it; Ollama's `/api/tags`;
    Anthropic's and Gemini's lists; OpenRouter's `/models`, and the list with prices that it asks of its providers.
    ValueError: not JSON, or not a list of models.
    """
    try:
        found = _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the list of models is not JSON: {error}") from error
    entries = found
    if isinstance(found, dict):
        entries = found["data"] if isinstance(found.get("data"), list) else found.get("models")
    if not isinstance(entries, list):
        raise ValueError(
            'the answer is not a list of models: neither a JSON list nor an object with "data" or "models"'
        )
    if len(entries) > MODELS_MAX:
        raise ValueError(f"the list names {len(entries):,} models; at most {MODELS_MAX:,} are read")
    models: dict[str, Listed] = {}
    skipped = 0
    for entry in entries:
        listed = _read(entry) if isinstance(entry, dict) else None
        if listed is None:
            skipped += 1
        else:
            models.setdefault(listed.upstream_model, listed)
    return Listing(tuple(models.values()), skipped)


def rows_for(
    provider: ProviderInfo, listing: Listing, models: Mapping[str, Model], aliases: Mapping[str, str], as_of: str
) -> tuple[tuple[Model, ...], tuple[EndpointRow, ...]]:
    """A provider's list x the catalog -> (models that are new, an endpoint for each listed model).

    A listed model that the catalog knows under any spelling joins it; another becomes `<author>/<name>`, the author
    being what the name says or else the provider. `as_of`: the day, `YYYY-MM-DD`.
    """
    index = ModelIndex(models, aliases)
    new: dict[str, Model] = {}
    endpoints = []
    for listed in listing.models:
        model_id = index.find(listed.model or listed.upstream_model) or _new_id(provider.slug, listed)
        known = models.get(model_id)
        context = listed.context_tokens or (known.context_tokens if known else 0) or CONTEXT_UNKNOWN_TOKENS
        if known is None and model_id not in new:
            new[model_id] = _new_model(model_id, listed, context)
        shape = known or new[model_id]
        price = None
        if listed.rates is not None:
            price = PriceRow(listed.rates, listed.tiers, source=f"list of {provider.slug}", as_of=as_of)
        endpoints.append(
            EndpointRow(
                provider=provider.slug,
                upstream_model=listed.upstream_model,
                model_id=model_id,
                wire_format=provider.wire_format,
                context_tokens=context,
                output_tokens_max=listed.output_tokens_max,
                parameters=_parameters(listed, provider.wire_format),
                input_modalities=listed.input_modalities or shape.input_modalities,
                output_modalities=listed.output_modalities or (known.output_modalities if known else ()),
                quantization=listed.quantization or read_name(listed.upstream_model).quantization,
                source=f"list of {provider.slug}",
                as_of=as_of,
                price=price,
            )
        )
    return tuple(new.values()), tuple(endpoints)


def _parameters(listed: Listed, wire_format: WireFormat) -> tuple[str, ...]:
    of_format = _OF_FORMAT.get(wire_format, ())
    return tuple(sorted({*listed.parameters, *of_format})) if of_format else listed.parameters or _ANY_SERVER


def _new_id(slug: str, listed: Listed) -> str:
    name = read_name(listed.model or listed.upstream_model)
    author = re.sub(r"[^\w.]+|_+", "-", name.author).strip("-.") or slug
    return f"{author}/{name.slug or 'model'}" + (f":{name.variant}" if name.variant else "")


def _new_model(model_id: str, listed: Listed, context: int) -> Model:
    return Model(
        id=model_id,
        name=listed.name or listed.upstream_model,
        author=model_id.split("/", 1)[0],
        created_s=listed.created_s,
        context_tokens=context,
        input_modalities=listed.input_modalities or ("text",),
        output_modalities=listed.output_modalities or ("text",),
        hugging_face_id=listed.hugging_face_id,
        reasoning="reasoning" in listed.parameters,
    )


def _read(entry: dict[str, Any]) -> Listed | None:
    name = _text(entry, "id") or _text(entry, "model") or _text(entry, "name").removeprefix("models/")
    if not name or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        return None
    top, meta, shape = (_object(entry, key) for key in ("top_provider", "meta", "architecture"))
    details, hint = _object(entry, "details"), _object(entry, "openrouter")
    rates, tiers = _read_prices(entry.get("pricing"))
    context = _first_number(entry, _CONTEXT) or _first_number(meta, ("n_ctx", "n_ctx_train"))
    given = _words(entry.get("input_modalities")) or _words(shape.get("input_modalities"))
    made = _words(entry.get("output_modalities")) or _words(shape.get("output_modalities"))
    kind = _text(entry, "type")
    if not made:
        made = _made_by_name(kind, name.lower())
    able = _object(entry, "capabilities")
    if not given and (kind == "vlm" or able.get("vision") is True or _supported(able, "image_input")):
        given = ("text", "image", *(("file",) if _supported(able, "pdf_input") else ()))
    if rates is not None and not _is_whole(rates, made or ("text",)):
        rates, tiers = None, ()
    quantization = (_text(entry, "quantization") or _text(details, "quantization_level")).lower()
    return Listed(
        upstream_model=name,
        name=_text(entry, "display_name") or _text(entry, "displayName") or _text(entry, "name"),
        model=_text(hint, "slug"),
        context_tokens=context,
        output_tokens_max=_first_number(entry, _OUTPUT) or _first_number(top, _OUTPUT),
        parameters=_read_parameters(entry),
        input_modalities=given,
        output_modalities=made,
        quantization=quantization if quantization and quantization != "unknown" else None,
        created_s=_first_number(entry, ("created",)) or 0,
        hugging_face_id=_text(entry, "hugging_face_id") or None,
        rates=rates,
        tiers=tiers,
    )


def _supported(capabilities: dict[str, Any], name: str) -> bool:
    """Anthropic's list says for each capability `{"supported": true}`, with details for some."""
    return _object(capabilities, name).get("supported") is True


def _made_by_name(kind: str, name: str) -> tuple[str, ...]:
    """What a model makes by its type or its name, where its server does not say; empty: text, as far as we know."""
    if kind.startswith("embedding") or "embed" in name:
        return ("embeddings",)
    if kind.startswith("rerank") or "rerank" in name:
        return ("rerank",)
    return ("moderation",) if "-moderation" in name else ()


def _read_parameters(entry: dict[str, Any]) -> tuple[str, ...]:
    said = _words(entry.get("supported_parameters"))
    if said:
        return said
    capabilities = entry.get("capabilities")
    if isinstance(capabilities, dict):
        capabilities = [word for word, able in capabilities.items() if able is True or _supported(capabilities, word)]
    thinks = ("thinking",) if entry.get("thinking") is True else ()  # Gemini's list
    features = (*_words(entry.get("supported_features")), *_words(capabilities), *thinks)
    sampling = _words(entry.get("supported_sampling_parameters"))
    if not features and not sampling:
        return ()
    able = {parameter for word in features for parameter in _FEATURES.get(word, ())}
    return tuple(sorted({"max_tokens", *(sampling or _ANY_SERVER), *able}))


def _read_prices(pricing: object) -> tuple[RatesText | None, tuple[TierText, ...]]:
    """OpenRouter's `pricing`, USD per unit. All or nothing: one odd number and the model is unpriced, as with zero."""
    if not isinstance(pricing, dict) or pricing.get("prompt") is None or pricing.get("completion") is None:
        return None, ()
    overrides = pricing.get("overrides")
    try:
        base = _rates(pricing, {})
        tiers = [
            TierText(over, _rates(override, pricing))
            for override in (overrides if isinstance(overrides, list) else ())
            if isinstance(override, dict) and (over := _first_number(override, ("min_prompt_tokens",)))
        ]
    except ValueError:
        return None, ()
    return (None, ()) if base.is_zero else (base, tuple(tiers))


def _is_whole(rates: RatesText, made: tuple[str, ...]) -> bool:
    """Both directions have a price; only what makes no text may have none for what comes out."""
    return bool(price_from_text(rates.prompt)) and (bool(price_from_text(rates.completion)) or "text" not in made)


def _rates(pricing: dict[str, Any], base: dict[str, Any]) -> RatesText:
    prices = {}
    for theirs, ours in _PRICES.items():
        value = pricing.get(theirs, base.get(theirs))
        if value is None:
            continue
        price = price_from_text(str(value))
        if price or ours in ("prompt", "completion", "request"):
            prices[ours] = price_to_text(price)
    return RatesText(**prices)


def _object(entry: dict[str, Any], key: str) -> dict[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


def _text(entry: dict[str, Any], key: str) -> str:
    found = entry.get(key)
    return found.strip() if isinstance(found, str) else ""


def _words(found: object) -> tuple[str, ...]:
    return tuple(word for word in found if isinstance(word, str)) if isinstance(found, list) else ()


def _first_number(entry: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    """The first of the keys that holds a sensible whole number (up to 10^10, so that arithmetic stays bounded)."""
    for key in keys:
        found = entry.get(key)
        if isinstance(found, int) and not isinstance(found, bool) and 0 < found <= 10**10:
            return found
    return None
