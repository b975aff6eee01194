"""Where an answer goes: what the gateway asks of the storefront that writes to the client."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tollway.billing.pricing import Cost
from tollway.domain.errors import TollwayError
from tollway.domain.events import Answer, Event
from tollway.domain.generation import Usage
from tollway.domain.routing import Candidate


class Sink(Protocol):
    """One client's answer under way. Writing to a client that has left does nothing."""

    def begin(self, generation_id: str, created_s: int) -> None:
        """The request was admitted: its id is known, nothing is written yet."""
        ...

    def on_left(self, callback: Callable[[], None]) -> None:
        """`callback` is called at once when the client disconnects."""
        ...

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        """Writes content. The first call commits the answer to its provider."""
        ...

    async def finish(self, candidate: Candidate, answer: Answer | None, usage: Usage, cost: Cost) -> None:
        """Writes what ends the answer: it is durable now. `answer`: the whole one, where it was not streamed."""
        ...

    async def fail(self, error: TollwayError) -> None:
        """Ends with an error: a status if nothing was written, else an event in the stream."""
        ...
