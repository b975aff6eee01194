"""`provider.options`: a provider's own parameters beside those of the request, as far as they cannot cost more."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
from msgspec import Raw

from tollway.domain.catalog import WireFormat

ALLOWED: Mapping[WireFormat, Mapping[str, frozenset[str]]] = {
    WireFormat.OPENAI_CHAT: {
        "": frozenset(
            {
                "temperature",
                "top_p",
                "top_k",
                "top_a",
                "min_p",
                "typical_p",
                "frequency_penalty",
                "presence_penalty",
                "repetition_penalty",
                "no_repeat_ngram_size",
                "seed",
                "random_seed",
                "stop",
                "stop_token_ids",
                "logit_bias",
                "verbosity",
                "parallel_tool_calls",
                # vLLM, "Structured outputs" and "Extra parameters": how tokens are chosen, and how they are shown.
                "guided_json",
                "guided_regex",
                "guided_choice",
                "guided_grammar",
                "guided_decoding_backend",
                "skip_special_tokens",
                "spaces_between_special_tokens",
                "include_stop_str_in_output",
                # Groq and Cerebras, "Reasoning": how it is shown, not how long it is.
                "reasoning_format",
            }
        ),
    },
    WireFormat.OPENAI_RESPONSES: {"": frozenset({"temperature", "top_p", "parallel_tool_calls"})},
    WireFormat.ANTHROPIC_MESSAGES: {"": frozenset({"temperature", "top_p", "top_k", "stop_sequences"})},
    WireFormat.COHERE_CHAT: {
        "": frozenset({"temperature", "p", "k", "seed", "stop_sequences", "frequency_penalty", "presence_penalty"})
    },
    WireFormat.GEMINI: {
        "": frozenset({"safetySettings", "labels"}),
        "generationConfig": frozenset(
            {"temperature", "topP", "topK", "seed", "stopSequences", "presencePenalty", "frequencyPenalty"}
        ),
    },
    WireFormat.BEDROCK_CONVERSE: {"inferenceConfig": frozenset({"temperature", "topP", "stopSequences"})},
}
"""What may be said, by the object that it stands in; "": the body. All else is dropped (OpenRouter's OpenAPI document:
"unrecognized keys are silently dropped"): no field that lengthens the prompt or the answer, asks for several answers,
for another model or tier, or for what has a price of its own is here, so that no bill is above its hold."""

_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_NOTHING: Mapping[str, frozenset[str]] = {}


def with_options(
    body: bytes, wire_format: WireFormat, options: Mapping[str, Any], drop: AbstractSet[str] = frozenset()
) -> bytes:
    """A body of ours with the options for its provider, which win over the request's own. `drop`: what it refuses."""
    allowed = ALLOWED.get(wire_format, _NOTHING)
    taken: dict[str, Any] = {}
    fields: dict[str, Raw] | None = None
    for place, names in allowed.items():
        given = options.get(place) if place else options
        found = _taken(given, names - drop)
        if found and place:
            fields = _FIELDS.decode(body) if fields is None else fields
            inner = _FIELDS.decode(fields[place]) if place in fields else {}
            found = {place: {**inner, **found}}
        taken |= found
    if not taken:
        return body
    return msgspec.json.encode({**(_FIELDS.decode(body) if fields is None else fields), **taken})


def _taken(given: Any, names: AbstractSet[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names} if isinstance(given, dict) else {}
