"""One chat request, from start to end: the table of contents of the gateway."""

from tollway.domain.chat import ChatRequest
from tollway.domain.errors import Unavailable
from tollway.domain.identity import Caller
from tollway.gateway.admit import admit, open_book
from tollway.gateway.base import Gateway
from tollway.gateway.execute import execute
from tollway.gateway.record import record
from tollway.gateway.run import Origin, Run
from tollway.gateway.settle import Settlement
from tollway.gateway.sink import Sink
from tollway.routing.unbuilt import refuse_unbuilt


async def complete(
    gateway: Gateway, caller: Caller, request: ChatRequest, body_bytes: int, origin: Origin, sink: Sink
) -> None:
    """Answers one request into `sink`. TollwayError: it was not admitted, and nothing was written or charged."""
    started_s = gateway.loop.time()
    refuse_unbuilt(request)
    book = await open_book(gateway, caller.key)
    plan, prompt_tokens = await admit(gateway, request, body_bytes, book)
    run = Run(
        caller=caller,
        request=request,
        plan=plan,
        market=gateway.market,
        origin=origin,
        created_ms=gateway.now_ms(),
        started_s=started_s,
        prompt_tokens=prompt_tokens,
    )
    with Settlement(gateway, run, book) as bill:
        sink.begin(run.id, run.created_ms // 1000)
        await execute(gateway, run, sink)
    durable = await bill.entry.done
    record(gateway, run, bill.generation, durable=durable)
    if not durable:
        told = "The answer could not be recorded, so you are not charged for it; try again."
        await sink.fail(Unavailable(told, generation_id=run.id))
    elif run.error is not None:
        run.error.generation_id = run.id
        await sink.fail(run.error)
    elif run.candidate is not None and not run.left:
        await sink.finish(run.candidate, run.answer, bill.charge.usage, bill.charge.cost)
