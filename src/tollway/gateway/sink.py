"""Where an answer goes: what the gateway asks of the storefront that writes to the client."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from tollway.billing.pricing import Cost
from tollway.domain.errors import TollwayError
from tollway.domain.events import Answer, Event
from tollway.domain.generation import Usage
from tollway.domain.plain import PlainAnswer
from tollway.domain.routing import Candidate

if TYPE_CHECKING:
    from tollway.gateway.run import Run

NO_LIMITS: Mapping[str, str] = {}
"""Of a request that met none."""
Answered = Answer | PlainAnswer


class ContentSink(Protocol):
    """Where the content of an answer goes."""

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        """Writes content. The first call commits the answer to its provider."""
        ...


class Sink(ContentSink, Protocol):
    """One client's answer under way. Writing to a client that has left does nothing."""

    def begin(self, generation_id: str, created_s: int, limits: Mapping[str, str], run: "Run") -> None:
        """The request was admitted: its id is known, nothing is written yet.

        `limits`: headers that its answer has. `run`: all that will be known of it.
        """
        ...

    def on_left(self, callback: Callable[[], None]) -> None:
        """`callback` is called at once when the client disconnects."""
        ...

    async def finish(self, candidate: Candidate, answer: Answered | None, usage: Usage, cost: Cost) -> None:
        """Writes what ends the answer: it is durable now. `answer`: the whole one, where it was not streamed."""
        ...

    async def fail(self, error: TollwayError) -> None:
        """Ends with an error: a status if nothing was written, else an event in the stream."""
        ...
