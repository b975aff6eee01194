"""The wire formats that we can ask in: the list is the registry."""

from collections.abc import Callable
from typing import Any, Protocol

from tollway.domain.catalog import Operation, WireFormat
from tollway.domain.chat import ChatRequest, MediaKind
from tollway.domain.events import Answer, Event, Failed
from tollway.domain.plain import PlainAnswer
from tollway.domain.quirks import Quirks
from tollway.wire import bedrock_embeddings, bedrock_rerank, cohere_embed, voyage_embeddings, voyage_rerank
from tollway.wire.anthropic_messages import client as anthropic_messages
from tollway.wire.bedrock_converse import client as bedrock_converse
from tollway.wire.cohere_chat import client as cohere_chat
from tollway.wire.gemini import client as gemini
from tollway.wire.gemini import embed_client as gemini_embeddings
from tollway.wire.openai_chat import client as openai_chat
from tollway.wire.openai_embeddings import client as openai_embeddings
from tollway.wire.openai_moderations import client as openai_moderations
from tollway.wire.openai_responses import client as openai_responses
from tollway.wire.rerank import client as rerank


class DecodeError(Protocol):
    """An answer of another status than 200 -> what it says. `headers` finds a value by its lower-case name."""

    def __call__(self, status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float) -> Failed: ...


class StreamDecoder(Protocol):
    """A stream's bytes -> events; memory, no I/O."""

    @property
    def saw_done(self) -> bool: ...
    def feed(self, data: bytes) -> list[Event]: ...
    def end(self) -> list[Event]: ...


class Client(Protocol):
    """The client role of a format: a module such as `wire.openai_chat.client`."""

    HEADERS: tuple[tuple[str, str], ...]
    """Headers that every request of the format has, such as a version."""
    STREAM_TYPE: str
    """The content type of its streams."""

    def takes_url(self, kind: MediaKind, url: str) -> bool:
        """Whether who speaks this format fetches such an http(s) URL itself; its data is sent otherwise."""
        ...

    def path(self, upstream_model: str, stream: bool) -> str:
        """What is appended to a provider's base URL."""
        ...

    @property
    def EventDecoder(self) -> Callable[[], StreamDecoder]: ...  # noqa: N802 (a class of the module)
    def encode_request(
        self,
        request: ChatRequest,
        *,
        upstream_model: str,
        max_tokens: int | None,
        stream: bool,
        parameters: frozenset[str],
        quirks: Quirks,
        user_id: str | None,
        same_format: bool,
    ) -> bytes: ...
    def decode_answer(self, body: bytes) -> Answer | Failed: ...
    def decode_error(
        self, status: int, headers: Callable[[str], str | None], body: bytes, *, now_s: float
    ) -> Failed: ...


class PlainClient(Protocol):
    """The client role for a plain request: a module such as `wire.openai_embeddings.client`.

    Each takes one kind of request, which the registry knows and the types here do not.
    """

    HEADERS: tuple[tuple[str, str], ...]

    def inputs_max(self, upstream_model: str, quirks: Quirks) -> int | None:
        """How many inputs one call may have; None: a request is never divided."""
        ...

    def path(self, upstream_model: str, request: Any, quirks: Quirks) -> str:
        """What is appended to a provider's base URL."""
        ...

    def encode_request(
        self, request: Any, *, upstream_model: str, quirks: Quirks, user_id: str | None, same_format: bool
    ) -> bytes: ...

    def decode_answer(self, body: bytes, request: Any, upstream_model: str, tokens: str | None) -> PlainAnswer | Failed:
        """`tokens`: what the header `x-amzn-bedrock-input-token-count` says."""
        ...

    @property
    def decode_error(self) -> DecodeError: ...


CLIENTS: dict[WireFormat, Client] = {
    WireFormat.OPENAI_CHAT: openai_chat,
    WireFormat.ANTHROPIC_MESSAGES: anthropic_messages,
    WireFormat.GEMINI: gemini,
    WireFormat.BEDROCK_CONVERSE: bedrock_converse,
    WireFormat.OPENAI_RESPONSES: openai_responses,
    WireFormat.COHERE_CHAT: cohere_chat,
}
"""Who speaks chat."""

PLAIN_CLIENTS: dict[Operation, dict[WireFormat, PlainClient]] = {
    Operation.EMBEDDINGS: {
        WireFormat.OPENAI_CHAT: openai_embeddings,
        WireFormat.GEMINI: gemini_embeddings,
        WireFormat.COHERE_CHAT: cohere_embed,
        WireFormat.VOYAGE: voyage_embeddings,
        WireFormat.BEDROCK_CONVERSE: bedrock_embeddings,
    },
    Operation.RERANK: {
        WireFormat.OPENAI_CHAT: rerank,
        WireFormat.COHERE_CHAT: rerank,
        WireFormat.VOYAGE: voyage_rerank,
        WireFormat.BEDROCK_CONVERSE: bedrock_rerank,
    },
    Operation.MODERATION: {WireFormat.OPENAI_CHAT: openai_moderations},
}
"""Who speaks the rest, in the dialects of the same companies."""
