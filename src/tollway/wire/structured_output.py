"""A wish for JSON as an answer: how a provider is told, and the words where words are all that it understands."""

from typing import Literal

import msgspec

from tollway.domain.chat import ChatRequest, Content, Message, ResponseFormat, SystemMessage, TextPart
from tollway.domain.quirks import Quirks

Way = Literal["native", "tool", "json_object", "words"]

ANY_JSON = "Answer with one JSON object and nothing else: no other words, no Markdown."
_BY_SCHEMA = "Answer with JSON that is valid against this JSON Schema, and nothing else: no other words, no Markdown."


def way_of(request: ChatRequest, parameters: frozenset[str], quirks: Quirks) -> Way | None:
    """How an endpoint is told; None: the request wants no JSON. What an endpoint does not list it is told in words."""
    form = request.response_format
    if form is None or form.type not in ("json_object", "json_schema"):
        return None
    if parameters and parameters.isdisjoint(("response_format", "structured_outputs")):
        return "words"
    if "response_format" in quirks.drop:
        return "words"
    if form.type == "json_object" or form.json_schema is None or form.json_schema.schema is None:
        return "words" if quirks.structured_output == "words" else "native"
    if parameters and "structured_outputs" not in parameters and quirks.structured_output == "native":
        return "json_object"
    return quirks.structured_output


def in_words(form: ResponseFormat) -> str:
    """The instruction for a model that is told in words."""
    schema = form.json_schema
    if schema is None or schema.schema is None:
        return ANY_JSON
    told = f"{schema.description}\n" if schema.description else ""
    return f"{_BY_SCHEMA}\n{told}{msgspec.json.encode(schema.schema).decode()}"


def told(words: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages with an instruction at the end of the first system message, or in one of its own."""
    first = messages[0] if messages else None
    if not isinstance(first, SystemMessage):
        return (SystemMessage(content=words), *messages)
    content: Content = first.content
    content = f"{content}\n\n{words}" if isinstance(content, str) else (*content, TextPart(words))
    return (msgspec.structs.replace(first, content=content), *messages[1:])
