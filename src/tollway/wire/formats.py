"""The wire formats that we can ask in: the list is the registry."""

from collections.abc import Callable
from typing import Protocol

from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.events import Answer, Event, Failed
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import client as anthropic_messages
from tollway.wire.gemini import client as gemini
from tollway.wire.openai_chat import client as openai_chat
from tollway.wire.openai_responses import client as openai_responses


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


CLIENTS: dict[WireFormat, Client] = {
    WireFormat.OPENAI_CHAT: openai_chat,
    WireFormat.ANTHROPIC_MESSAGES: anthropic_messages,
    WireFormat.GEMINI: gemini,
    WireFormat.OPENAI_RESPONSES: openai_responses,
}
