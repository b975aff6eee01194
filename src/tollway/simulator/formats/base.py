"""What a wire format is to the simulator: five functions and a path."""

from collections.abc import Callable, Iterator
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


class Frame(Struct, frozen=True):
    """One event of a stream. `event` names it where the format does so."""

    kind: Kind
    data: bytes
    tokens: int = 0
    event: str = ""


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


class Format(Struct, frozen=True):
    """A wire format. A new one is one file that ends in such a value."""

    path: str
    """Below `/v1`."""
    id_prefix: str
    read: Callable[[bytes], Question]
    """The body of a request -> what is asked. Raises Refused."""
    whole: Callable[[Question, Answer, Behaviour], bytes]
    """The body of an answer that is not streamed."""
    frames: Callable[[Question, Answer, Behaviour], Iterator[Frame]]
    """The events of a streamed answer, in order."""
    refusal: Callable[[Refused, Said], dict[str, Any]]
    """An error, as the body of a 4xx or 5xx."""
    text_field: bytes
    """What stands before a piece of text in an event, up to its opening quote."""
