"""A request that was admitted, to its last byte: hold, execution, capture, and what waits for the capture."""

from collections.abc import Mapping
from functools import partial

from tollway.domain.errors import Unavailable
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.gateway.execute import Attempting, R, ask_in_turn, caller_left, count, recount
from tollway.gateway.record import record
from tollway.gateway.settle import Settlement
from tollway.gateway.sink import Sink


async def serve(
    gateway: Gateway, run: R, book: Book, sink: Sink, attempt: Attempting[R], limits: Mapping[str, str]
) -> None:
    """Answers `run` into `sink`. Nothing may be awaited between the plan, which looked at the money, and this."""
    with Settlement(gateway, run, book) as bill:
        sink.begin(run.id, run.created_ms // 1000, limits, run)
        sink.on_left(partial(caller_left, gateway, run))
        await ask_in_turn(gateway, run, sink, attempt)
        if run.accepted:  # counted while we still may await
            if run.believable_usage() is None:
                await count(gateway, run)
            elif run.error is None and gateway.drift.takes(run):
                await recount(gateway, run)
    durable = await bill.entry.done
    record(gateway, run, bill.generation, durable=durable)
    if durable and run.keeping is not None and gateway.contents is not None:
        gateway.contents.keep(run)
    if not durable:
        told = "The answer could not be recorded, so you are not charged for it; try again."
        await sink.fail(Unavailable(told, generation_id=run.id))
    elif run.error is not None:
        run.error.generation_id = run.id
        await sink.fail(run.error)
    elif run.candidate is not None and not run.left:
        await sink.finish(run.candidate, run.answer, bill.charge.usage, bill.charge.cost)
