"""Tokens counted offline: tiktoken's engine with the o200k ranks that ship in the wheel."""

import base64
import gzip
from collections.abc import Iterable
from importlib.resources import files

from tiktoken._tiktoken import CoreBPE  # type: ignore[import-not-found]  # compiled, and without a stub

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    AudioPart,
    ChatRequest,
    Content,
    DocumentPart,
    FilePart,
    ImagePart,
    LegacyVideoPart,
    Message,
    RefusalPart,
    TextPart,
    Tool,
    ToolFunction,
    VideoPart,
)
from tollway.domain.plain import Input, PlainRequest, RerankRequest

# Special tokens and the pattern of o200k_base: facts of the encoding (tiktoken 0.14, openai_public.py, MIT).
_SPECIAL = {"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018}
_PATTERN = "|".join(  # noqa: FLY002 (one alternative a line is the way to read it)
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

MESSAGE_TOKENS = 4
"""What a message costs besides its text (OpenAI cookbook, "How to count tokens")."""
COUNTED_AT_ONCE = 2**16
"""Characters. The engine's pattern panics on a run of a million spaces, with what is no `Exception`; a text that is
counted in pieces is a token or two longer for each cut."""
MEDIA_TOKENS = {"image": 6_000, "audio": 30_000, "video": 300_000, "file": 200_000}
"""Upper bounds for media whose size the request does not show."""


class Tokenizer:
    """o200k_base. Loading takes about 0.3 s and 30 MB: done once, in a thread, at start."""

    def __init__(self) -> None:
        packed = (files("tollway.billing") / "data" / "o200k_base.tiktoken.gz").read_bytes()
        ranks = {}
        for line in gzip.decompress(packed).splitlines():
            token, _, rank = line.partition(b" ")
            ranks[base64.b64decode(token)] = int(rank)
        # `tiktoken.Encoding` would keep a second copy of the ranks in Python: the engine alone is half the memory.
        self._engine = CoreBPE(ranks, _SPECIAL, _PATTERN)

    def count(self, text: str) -> int:
        """Tokens of a text. Special tokens count as plain text."""
        if len(text) <= COUNTED_AT_ONCE:
            return len(self._engine.encode_ordinary(text))
        pieces = (text[start : start + COUNTED_AT_ONCE] for start in range(0, len(text), COUNTED_AT_ONCE))
        return sum(len(self._engine.encode_ordinary(piece)) for piece in pieces)


def prompt_text(request: ChatRequest) -> Iterable[str]:
    """Every text of a request that a model reads: messages, tool calls, tools, schemas."""
    if request.prompt is not None and not request.messages:  # beside messages it is not sent
        yield request.prompt
    for message in request.messages:
        yield from _message_text(message)
    for tool in request.tools or ():
        yield from _tool_text(tool)
    for function in request.functions or ():
        yield _function_text(function)
    if request.response_format is not None and request.response_format.json_schema is not None:
        yield str(request.response_format.json_schema.schema)
    if request.prediction is not None:
        yield from _content_text(request.prediction.content)


def _message_text(message: Message) -> Iterable[str]:
    yield message.name or ""
    if message.content is not None:
        yield from _content_text(message.content)
    if isinstance(message, AssistantMessage):
        yield message.refusal or ""
        # A provider reads one of these; which one is its own matter, so all of them count.
        yield message.reasoning or ""
        yield message.reasoning_content or ""
        yield from (bytes(detail).decode() for detail in message.reasoning_details or ())
        calls = [call.function for call in message.tool_calls or ()]
        for call in [*calls, message.function_call] if message.function_call else calls:
            yield f"{call.name} {call.arguments}"


def _content_text(content: Content) -> Iterable[str]:
    if isinstance(content, str):
        yield content
        return
    for part in content:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, RefusalPart):
            yield part.refusal


def _tool_text(tool: Tool) -> Iterable[str]:
    if tool.function is not None:
        yield _function_text(tool.function)
    if tool.custom is not None:
        yield str(tool.custom)


def _function_text(function: ToolFunction) -> str:
    return f"{function.name} {function.description or ''} {function.parameters or ''}"


_MEDIA = (ImagePart, AudioPart, VideoPart, LegacyVideoPart, FilePart, DocumentPart)


def media_tokens(request: ChatRequest | PlainRequest) -> int:
    """An upper bound for the request's media."""
    if not isinstance(request, ChatRequest):
        return sum(_media_of(each) for each in request.inputs if isinstance(each, tuple))
    total = 0
    for message in request.messages:
        if type(message.content) is tuple:
            total += _media_of(message.content)
    return total


def media_counts(request: ChatRequest) -> tuple[int, int]:
    """How many images, sounds, videos and files the messages hold; and how many of them are sounds."""
    parts = [part for each in request.messages if isinstance(each.content, tuple) for part in each.content]
    return sum(isinstance(part, _MEDIA) for part in parts), sum(isinstance(part, AudioPart) for part in parts)


def _media_of(parts: tuple[AnyPart | int, ...]) -> int:
    total = 0
    for part in parts:
        match part:
            case ImagePart():
                total += MEDIA_TOKENS["image"]
            case AudioPart():
                total += MEDIA_TOKENS["audio"]
            case VideoPart() | LegacyVideoPart():
                total += MEDIA_TOKENS["video"]
            case FilePart() | DocumentPart():
                total += MEDIA_TOKENS["file"]
            case _:
                pass
    return total


def inline_characters(request: ChatRequest) -> int:
    """How much of a body with media is theirs: URLs, and what is in base64. The rest is its text, and how it is put."""
    parts = (part for message in request.messages if isinstance(message.content, tuple) for part in message.content)
    return sum(map(_inline, parts))


def _inline(part: AnyPart) -> int:
    match part:
        case ImagePart(image_url=image):
            return len(image.url)
        case AudioPart(input_audio=audio):
            return len(audio.data)
        case VideoPart(video_url=video) | LegacyVideoPart(video_url=video):
            return len(video.url)
        case FilePart(file=file):
            return len(file.file_data or "")
        case DocumentPart(document_url=url):
            return len(url)
        case _:
            return 0


def count_prompt(tokenizer: Tokenizer, request: ChatRequest) -> int:
    """The prompt's tokens by our tokenizer: text, and `MESSAGE_TOKENS` a message; without media."""
    text = sum(tokenizer.count(piece) for piece in prompt_text(request))
    return text + MESSAGE_TOKENS * max(1, len(request.messages))


def count_inputs(tokenizer: Tokenizer, request: PlainRequest) -> int:
    """A plain request's tokens by our tokenizer, without media. A query is read with each of the documents."""
    total = 0
    for each in request.inputs:
        if isinstance(each, str):
            total += tokenizer.count(each)
        else:
            total += sum(isinstance(part, int) for part in each)
            total += sum(tokenizer.count(part.text) for part in each if isinstance(part, TextPart))
    if isinstance(request, RerankRequest):
        total += tokenizer.count(request.query) * len(request.inputs)
    return total


DOCUMENTS_PER_UNIT = 100
UNIT_CHUNK_TOKENS = 500
"""A search unit is a query with up to 100 documents; one longer than 500 tokens, query included, counts as several
(Cohere, "How does pricing work?")."""


def search_units(request: PlainRequest) -> int:
    """How often a rerank's price per request is due where the provider does not say: by the documents. Else 1."""
    return -(-len(request.inputs) // DOCUMENTS_PER_UNIT) if isinstance(request, RerankRequest) else 1


def search_units_bound(request: PlainRequest) -> int:
    """The most search units that a rerank can take: a token is at least a byte, and chunks may hold the query again."""
    if not isinstance(request, RerankRequest):
        return 1
    query = len(request.query.encode())
    room = max(1, UNIT_CHUNK_TOKENS - min(query, UNIT_CHUNK_TOKENS // 2))
    chunks = sum(1 + text_bytes(each) // room for each in request.inputs)
    return -(-chunks // DOCUMENTS_PER_UNIT)


def text_bytes(given: Input) -> int:
    """The UTF-8 bytes of an input's text, and one for each of its tokens: no count of its tokens is higher."""
    if isinstance(given, str):
        return len(given.encode())
    return sum(
        1 if isinstance(part, int) else len(part.text.encode()) for part in given if isinstance(part, int | TextPart)
    )
