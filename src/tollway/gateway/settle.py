"""Settlement: a hold on the way in, a charge queued on every way out. A plain `with`: no cancellation can skip it."""

from functools import partial
from types import TracebackType

import structlog

from tollway.billing.charge import Charge, Ending, charge
from tollway.billing.ledger import Hold
from tollway.billing.tokens import count_prompt
from tollway.domain.generation import Generation, Usage
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.gateway.commit import Entry
from tollway.gateway.run import Run

log = structlog.get_logger(__name__)


class Settlement:
    """`with Settlement(...) as bill:` holds the plan's worst bound; leaving it captures what the run did cost.

    The hold was checked with the plan, and nothing awaits in between. After the block, `bill.entry.done` tells when
    the charge is durable, and `bill.charge` what it was.
    """

    def __init__(self, gateway: Gateway, run: Run, book: Book) -> None:
        self._gateway = gateway
        self._run = run
        self._book = book
        self.charge: Charge
        self.entry: Entry
        self.generation: Generation

    def __enter__(self) -> "Settlement":
        # The day may have changed since the plan was made; the database meters by the run's own time.
        self._book.meter.roll(self._run.created_ms)
        self._hold = Hold(self._book.lease, self._book.meter, self._run.plan.hold)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._run
        if isinstance(error, Exception):
            run.finish_reason = "error"  # a mistake of ours ends the answer, and nobody pays for that
        # Only what was held for this very candidate may be captured: the hold is the worst bound among all.
        amount = min(self._hold.amount, run.candidate.bound) if run.candidate else 0
        cost = 0
        try:
            self.charge = charge(ending_of(run, self._gateway), run.candidate.price if run.candidate else None, amount)
            cost = self.charge.cost.total
        finally:
            self._hold.resolve(cost)  # whatever fails here: a hold that stayed would lock the caller's money for good
        if self.charge.alarm:
            self._gateway.metrics.alarms += 1
            log.error("billing alarm", generation=run.id, alarm=self.charge.alarm)
        self.generation = generation_of(run, self.charge)
        self.entry = self._gateway.committer.queue(
            self.generation, partial(self._hold.give_back, self.charge.cost.total)
        )


def ending_of(run: Run, gateway: Gateway) -> Ending:
    """What the run's state means for money."""
    produced = run.text_size > 0 or run.answer is not None
    reported = believable_usage(run)
    if run.accepted and reported is None and run.counted is None:
        run.counted = count_received(run, gateway)
    return Ending(
        accepted=run.accepted,
        finish_reason=run.finish_reason,
        produced=produced,
        reported=reported,
        counted=run.counted or Usage(),
        caller_left=run.cancelled,
    )


def believable_usage(run: Run) -> Usage | None:
    """The provider's count, unless it says that there was nothing where something came (FAULTS.md U-34)."""
    usage = run.usage
    if usage is not None and usage.completion == 0 and run.text_size > 0 and any(run.text):
        return None
    return usage


def count_received(run: Run, gateway: Gateway) -> Usage:
    """Counts the prompt and what was received with our tokenizer: where the provider sent no usage, or nonsense."""
    tokenizer = gateway.tokenizer()
    prompt = count_prompt(tokenizer, run.request)
    return Usage(prompt=prompt, completion=tokenizer.count("".join(run.text)), estimated=True)


def generation_of(run: Run, charged: Charge) -> Generation:
    """The record of a finished run."""
    candidate, request = run.candidate, run.request
    loop_s = run.attempts[-1].latency_ms if run.attempts else 0
    return Generation(
        id=run.id,
        workspace_id=run.caller.workspace_id,
        key_id=run.caller.key.id,
        created_ms=run.created_ms,
        model=candidate.endpoint.model_id if candidate else run.plan.models[0].id,
        api_type=run.origin.api_type,
        origin=run.origin.url,
        streamed=run.streamed,
        cancelled=run.left and not run.finished,
        finish_reason=run.finish_reason,
        native_finish_reason=run.native_finish_reason,
        endpoint_id=candidate.endpoint.id if candidate and run.accepted else None,
        provider=candidate.endpoint.provider if candidate and run.accepted else None,
        price_id=candidate.price.id if candidate else None,
        usage=charged.usage,
        cost=charged.cost.total,
        absorbed=charged.absorbed,
        cache_discount=charged.cost.cache_discount,
        latency_ms=loop_s,
        generation_ms=run.generation_ms,
        attempts=tuple(run.attempts),
        tokens_prompt_estimate=run.prompt_tokens,
        max_tokens_sent=candidate.max_tokens if candidate and candidate.max_tokens_is_ours else None,
        error=run.error.message if run.error else None,
        http_referer=run.caller.app_url,
        app_title=run.caller.app_title,
        user_agent=run.caller.user_agent,
        session_id=request.session_id,
        external_user=request.user,
        upstream_id=run.upstream_id,
    )
