"""CPEN's extractions: a text and a JSON Schema in, JSON that is valid against the schema out; one round of repair."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tollway.domain.caps import PriceRouting
from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    JsonSchema,
    Preferences,
    ResponseFormat,
    Slug,
    SystemMessage,
    Tokens,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.json_body import check_printable, decode_body
from tollway.wire.structured_output import in_words

ERRORS_MAX = 20
"""Errors that are told, to the model and to the caller."""
TOLD = "Extract what the schema asks for from the user's text."
REPAIR = "That is not valid against the schema:\n{errors}\nAnswer again, with the corrected JSON and nothing else."
NOT_JSON = "the answer is not JSON"


class ExtractionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/extractions`."""

    model: Slug
    input: Annotated[str, Meta(min_length=1)]
    schema: dict[str, Any]
    routing: PriceRouting | None = None
    provider: Preferences | None = None
    max_tokens: Tokens | None = None


class Fault(Struct, frozen=True):
    """Where an answer is not valid, and why."""

    path: str
    message: str


_DECODER = msgspec.json.Decoder(ExtractionRequest)


def decode_request(body: bytes) -> ExtractionRequest:
    """InvalidRequest names the field that is wrong; the schema itself is looked at by `validator_of`."""
    request = decode_body(body, _DECODER)
    check_printable("model", request.model)
    return request


def validator_of(schema: dict[str, Any]) -> Any:
    """A validator that fetches nothing and whose patterns take linear time. InvalidRequest: not a JSON Schema."""
    import jsonschema_rs  # here, as the processes apart alone need it: the server would hold 3 MB for nothing

    try:
        return jsonschema_rs.validator_for(
            schema, retriever=_refuse, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        said = str(getattr(error, "message", error)).splitlines()[0][:300]
        raise InvalidRequest(f"schema: is not a JSON Schema that can be used: {said}", param="schema") from None


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri[:100]} is not in the schema, and nothing is fetched")


def chat_of(request: ExtractionRequest) -> ChatRequest:
    """As a chat: with the schema as `response_format` where its answers are objects, as providers want it."""
    form = ResponseFormat("json_schema", JsonSchema("extraction", schema=request.schema))
    whole = request.schema.get("type") == "object"
    return ChatRequest(
        model=request.model,
        messages=(SystemMessage(TOLD if whole else f"{TOLD}\n{in_words(form)}"), UserMessage(request.input)),
        response_format=form if whole else None,
        routing=request.routing,
        provider=request.provider,
        max_tokens=request.max_tokens,
    )


def repaired(chat: ChatRequest, answer: str, faults: Sequence[Fault]) -> ChatRequest:
    """The chat with the bad answer and what is wrong with it. It is the same call: `rpm_cap` has counted it."""
    errors = "\n".join(f"- {fault.path or 'the answer'}: {fault.message}" for fault in faults)
    more = (AssistantMessage(answer or NOT_JSON), UserMessage(REPAIR.format(errors=errors)))
    routing = chat.routing and msgspec.structs.replace(chat.routing, rpm_cap=None)
    return msgspec.structs.replace(chat, messages=(*chat.messages, *more), routing=routing)


def read(answer: str, validator: Any) -> tuple[Any, tuple[Fault, ...]]:
    """The JSON of an answer, and what is wrong with it; a fence of Markdown around it is no part of it."""
    text = answer.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.partition("\n")[2].removesuffix("```")
    try:
        output = msgspec.json.decode(text)
        errors = [
            Fault("/".join(map(str, error.instance_path)), error.message[:300])
            for _, error in zip(range(ERRORS_MAX), validator.iter_errors(output), strict=False)
        ]
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        return None, (Fault("", f"{NOT_JSON}: {str(error)[:200]}"),)
    return output, tuple(errors)
