"""What a wire format is to the simulator: its addresses, and functions that read requests and write answers."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from tollway.simulator.answer import Answer, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.hints import Said


class Kind(Enum):
    """What an event of a stream is about; faults and pace go by it."""

    START = 1
    CONTENT = 2
    FINISH = 3
    USAGE = 4
    DONE = 5
    ERROR = 6


class Frame(Struct, frozen=True):
    """One event of a stream. `event` names it where the format does so."""

    kind: Kind
    data: bytes
    tokens: int = 0
    event: str = ""


Write = Callable[[Frame], bytes]
"""How a frame becomes bytes. It may remember, so there is one for each answer."""


class Refused(Exception):
    """The request is wrong: what the provider answers."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, kind: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.kind = kind


class Asked(Struct, frozen=True):
    """A request as a format reads it. `model` and `action` are what the URL says, where the format's URL does."""

    body: bytes
    headers: Mapping[str, str] = {}
    query: str = ""
    model: str = ""
    action: str = ""


class Framing(Struct, frozen=True):
    """A way to frame a stream: its content type, and what writes its frames."""

    content_type: str
    writer: Callable[[], Write]


def _no_headers(refused: Refused) -> tuple[tuple[str, str], ...]:
    return ()


class Format(Struct, frozen=True, kw_only=True):
    """A wire format. A new one is one file that ends in such a value, and a line in `formats/__init__.py`."""

    paths: tuple[str, ...]
    """Regular expressions of what stands behind the version (`/v1`) in its URLs; groups `model` and `action`."""
    id_prefix: str
    read: Callable[[Asked], Question]
    """A request -> what is asked. Raises Refused."""
    whole: Callable[[Question, Answer, Behaviour], bytes]
    """The body of an answer that is not streamed."""
    frames: Callable[[Question, Answer, Behaviour], Iterator[Frame]]
    """The events of a streamed answer, in order."""
    refusal: Callable[[Refused, Said], dict[str, Any]]
    """An error, as the body of a 4xx or 5xx."""
    failure: Callable[[Refused, Said, int], tuple[Frame, ...]]
    """An error inside a stream, after so many frames."""
    text_field: bytes
    """What stands before a piece of text in an event, up to its opening quote."""
    text_field_whole: bytes = b""
    """The same in an answer that is not streamed, where it differs."""
    counted: Callable[[Question], bytes] | None = None
    """The body of the answer to a question that is `only_count`."""
    framings: Mapping[str, Framing] = {}
    """How streams are framed, by `Question.framing`; what is not there is server-sent events."""
    key_header: str = "authorization"
    id_header: str = "x-request-id"
    refusal_headers: Callable[[Refused], tuple[tuple[str, str], ...]] = _no_headers
