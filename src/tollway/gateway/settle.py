"""Settlement: a hold on the way in, a charge queued on every way out. A plain `with`: no cancellation can skip it."""

from functools import partial
from types import TracebackType
from typing import Any

import structlog
from msgspec import structs

from tollway.billing.charge import Charge, Ending, charge, with_lost
from tollway.billing.fee import charge_fee
from tollway.billing.ledger import DAY_MS, Hold
from tollway.billing.tokens import media_counts
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import Unauthenticated
from tollway.domain.generation import Generation, Usage
from tollway.domain.money import Nanodollars
from tollway.domain.routing import Routed
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.gateway.commit import Entry
from tollway.gateway.revoke import REVOKED, revoke
from tollway.gateway.run import ChatRun, Run
from tollway.routing.trace import trace_of

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
        self.hold: Hold
        self.charge: Charge
        self.entry: Entry
        self.generation: Generation

    def __enter__(self) -> "Settlement":
        # The day may have changed since the plan was made; the database meters by the run's own time.
        book = self._book
        if book.revoked:
            raise Unauthenticated(REVOKED)
        book.roll(self._run.created_ms)
        plan = self._run.plan
        self.hold = Hold(book.lease, book.meter, plan.hold, book.budgets, plan.listed_hold)
        book.running.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._book.running.discard(self)
        run = self._run
        if isinstance(error, Exception):
            run.finish_reason = "error"  # a mistake of ours ends the answer, and nobody pays for that
        # Only what was held for this very candidate may be captured: the hold is the worst bound among all.
        amount = min(self.hold.amount, run.candidate.bound) if run.candidate else 0
        cost = own = 0
        try:
            self.charge = _charge(run, ending_of(run, self._gateway), amount)
            cost, own = self.charge.cost.total, _own_total(self.charge)
            if run.lost is not None:
                candidate, usage = run.lost
                prompt = self.charge.usage.prompt or run.prompt_tokens
                self.charge = with_lost(self.charge, usage or Usage(prompt=prompt), candidate.price)
        finally:
            # Whatever fails here: a hold that stayed would lock the caller's money for good.
            self.hold.resolve(cost, own)
        if self.charge.alarm:
            self._gateway.metrics.alarms += 1
            log.error("billing alarm", generation=run.id, alarm=self.charge.alarm)
        self.generation = generation_of(run, self.charge)
        self.entry = self._gateway.committer.queue(self.generation, partial(self.hold.give_back, cost, own))

    @property
    def day(self) -> int:
        """Since 1970, on which the request was admitted."""
        return self._run.created_ms // DAY_MS

    def revoke(self) -> None:
        """The key does not work any more: the answer ends, and what was made of it by now is paid for."""
        revoke(self._run)


def _charge(run: Run, ending: Ending, hold: Nanodollars) -> Charge:
    candidate = run.candidate
    if candidate is not None and candidate.listed_price is not None:
        return charge_fee(ending, candidate.price, candidate.listed_price, hold)
    return charge(ending, candidate.price if candidate else None, hold)


def _own_total(charged: Charge) -> Nanodollars:
    return charged.cost.own.total if charged.cost.own else 0


def ending_of(run: Run, gateway: Gateway) -> Ending:
    """What the run's state means for money."""
    reported = run.believable_usage
    if run.accepted and reported is None and run.counted is None:
        run.counted = run.count(gateway.tokenizer())
    return Ending(
        accepted=run.accepted,
        finish_reason=run.finish_reason,
        produced=run.produced,
        reported=reported,
        counted=run.counted or Usage(),
        caller_left=run.cancelled,
    )


def generation_of(run: Run, charged: Charge) -> Generation:
    """The record of a finished run."""
    candidate, request, caller = run.candidate, run.request, run.caller
    answered = candidate if run.accepted else None
    made = Generation(
        id=run.id,
        workspace_id=caller.key.workspace_id,
        key_id=caller.key.id,
        created_ms=run.created_ms,
        model=candidate.endpoint.model_id if candidate else run.plan.models[0].id,
        api_type=run.origin.api_type,
        origin=run.origin.url,
        streamed=run.streamed,
        cancelled=run.left and not run.finished,
        finish_reason=run.finish_reason,
        native_finish_reason=run.native_finish_reason,
        endpoint_id=answered.listed_id if answered else None,
        provider=answered.endpoint.provider if answered else None,
        price_id=candidate.price.id if candidate else None,
        usage=charged.usage,
        cost=charged.cost.total,
        absorbed=charged.absorbed,
        cache_discount=charged.cost.cache_discount,
        latency_ms=run.attempts[-1].latency_ms if run.attempts else 0,
        generation_ms=run.generation_ms,
        attempts=tuple(run.attempts),
        tokens_prompt_estimate=run.prompt_tokens,
        max_tokens_sent=candidate.max_tokens if candidate and candidate.max_tokens_is_ours else None,
        http_referer=caller.app_url,
        app_title=caller.app_title,
        user_agent=caller.user_agent,
        session_id=request.session_id,
        external_user=request.user,
        upstream_id=run.upstream_id,
        plan=trace_of(run.plan),
    )
    rare = _rarely_known(run, charged)
    return structs.replace(made, **rare) if rare else made


def _rarely_known(run: Run, charged: Charge) -> dict[str, Any]:
    """What most records leave out."""
    found: dict[str, Any] = {}
    candidate, request = run.candidate, run.request
    if run.error is not None:
        found["error"] = run.error.message
    if isinstance(request, ChatRequest) and request.preset is not None:
        found["preset_id"] = request.preset
    if run.plan.routed is not None:
        found["routed"] = _routed(run)
    if run.usage_flag is not None:
        found["usage_flag"] = run.usage_flag
    if charged.upstream is not None:
        found["upstream_cost"] = charged.upstream
    if candidate is not None and (tariff := candidate.price.tariff) is not None:
        found |= {"group": tariff.group, "multiplier": tariff.multiplier}
        found["credits"] = tariff.credits if charged.cost.total else None
    if run.accepted and candidate is not None and candidate.credential is not None:
        found["credential_id"] = candidate.credential.id
    if charged.cost.own is not None:
        found["own_cost"] = charged.cost.own.total
    if run.findings:
        found["findings"] = run.findings
    if run.moderation_ms is not None:
        found["moderation_ms"] = run.moderation_ms
    if isinstance(run, ChatRun) and run.has_parts:
        found["media_prompt"], found["audio_prompt"] = media_counts(run.request)
    return found


def _routed(run: Run) -> Routed | None:
    """How the model was chosen, unless one answered that the request had named besides."""
    found, candidate = run.plan.routed, run.candidate
    if found is None or (candidate is not None and candidate.endpoint.model_id not in found.models):
        return None
    return found
