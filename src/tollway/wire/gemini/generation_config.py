"""generationConfig <-> parameters."""

import re
from typing import Any, Literal

from tollway.domain.chat import ChatRequest, JsonSchema, ResponseFormat
from tollway.wire.gemini.json_schema import from_google, to_google
from tollway.wire.gemini.schema import GenerationConfig
from tollway.wire.gemini.thinking import read_thinking, write_thinking

Modality = Literal["text", "image", "audio"]

_PLAIN = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
"""Ours -> Google's, where the value is the same."""

_MODALITIES: dict[str, Modality] = {"TEXT": "text", "IMAGE": "image", "AUDIO": "audio"}
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def read_config(config: GenerationConfig) -> dict[str, Any]:
    """The fields of a ChatRequest that a generationConfig says."""
    return {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "top_k": config.top_k,
        "n": config.candidate_count,
        "seed": config.seed,
        "presence_penalty": config.presence_penalty,
        "frequency_penalty": config.frequency_penalty,
        "max_tokens": config.max_output_tokens,
        "stop": tuple(config.stop_sequences) if config.stop_sequences is not None else None,
        "logprobs": config.response_logprobs,
        "top_logprobs": config.logprobs if config.response_logprobs else None,
        "modalities": _read_modalities(config.response_modalities),
        "response_format": _read_format(config),
        "reasoning": read_thinking(config.thinking_config),
        "image_config": _read_image(config.image_config),
        "audio": _read_speech(config.speech_config),
    }


def write_config(request: ChatRequest, *, model: str, max_tokens: int | None, whole_schema: bool) -> dict[str, Any]:
    """The generationConfig of a request. `whole_schema`: responseJsonSchema instead of responseSchema."""
    config: dict[str, Any] = {
        theirs: value for ours, theirs in _PLAIN.items() if (value := getattr(request, ours)) is not None
    }
    if max_tokens is not None:
        config["maxOutputTokens"] = max_tokens
    if request.stop is not None:
        config["stopSequences"] = [request.stop] if isinstance(request.stop, str) else list(request.stop)
    if request.logprobs is not None:
        config["responseLogprobs"] = request.logprobs
        if request.logprobs and request.top_logprobs:
            config["logprobs"] = request.top_logprobs
    if request.modalities is not None:
        config["responseModalities"] = [modality.upper() for modality in request.modalities]
    if request.response_format is not None:
        config |= _write_format(request.response_format, whole_schema)
    if (thinking := write_thinking(request, model, max_tokens)) is not None:
        config["thinkingConfig"] = thinking
    if request.image_config is not None:
        names = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
        config["imageConfig"] = {names.get(name, name): value for name, value in request.image_config.items()}
    if request.audio is not None and isinstance(voice := request.audio.get("voice"), str):
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    return config


def _read_modalities(names: list[str] | None) -> tuple[Modality, ...] | None:
    known = tuple(_MODALITIES[name.upper()] for name in names or () if name.upper() in _MODALITIES)
    return known or None


def _read_format(config: GenerationConfig) -> ResponseFormat | None:
    schema = config.response_json_schema
    if schema is None and config.response_schema is not None:
        schema = from_google(config.response_schema)
    if schema is not None:
        title = schema.get("title")
        name = _NAME.sub("_", title)[:64] if isinstance(title, str) else ""
        return ResponseFormat(type="json_schema", json_schema=JsonSchema(name=name or "response", schema=schema))
    return ResponseFormat(type="json_object") if config.response_mime_type == "application/json" else None


def _write_format(asked: ResponseFormat, whole_schema: bool) -> dict[str, Any]:
    """A grammar and the like have no counterpart."""
    if asked.type == "json_object":
        return {"responseMimeType": "application/json"}
    if asked.type != "json_schema" or asked.json_schema is None:
        return {}
    written: dict[str, Any] = {"responseMimeType": "application/json"}
    schema = asked.json_schema.schema
    if schema is not None:
        if asked.json_schema.description and "description" not in schema:
            schema = {**schema, "description": asked.json_schema.description}
        written |= {"responseJsonSchema": schema} if whole_schema else {"responseSchema": to_google(schema)}
    return written


def _read_image(config: dict[str, Any] | None) -> dict[str, Any] | None:
    names = {"aspectRatio": "aspect_ratio", "imageSize": "image_size"}
    return {names.get(name, name): value for name, value in config.items()} if config else None


def _read_speech(config: dict[str, Any] | None) -> dict[str, Any] | None:
    """The voice, if it is one of Google's own."""
    place: Any = config
    for name in ("voiceConfig", "prebuiltVoiceConfig", "voiceName"):
        place = place.get(name) if isinstance(place, dict) else None
    return {"voice": place, "format": "pcm16"} if isinstance(place, str) else None
