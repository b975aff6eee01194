"""Settlement: a hold on the way in, a charge queued on every way out. A plain `with`: no cancellation can skip it."""

from functools import partial
from types import TracebackType

import structlog

from tollway.billing.charge import Charge, Ending, charge, with_lost
from tollway.billing.fee import charge_fee
from tollway.billing.ledger import DAY_MS, Hold
from tollway.billing.tokens import media_counts
from tollway.domain.errors import Unauthenticated
from tollway.domain.generation import Generation, Usage
from tollway.domain.money import Nanodollars
from tollway.domain.routing import Candidate, Routed
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.gateway.commit import Entry
from tollway.gateway.revoke import REVOKED, revoke
from tollway.gateway.run import ChatRun, Run
from tollway.routing.trace import trace_of

log = structlog.get_logger(__name__)

NOTHING = Usage()


class Settlement:
    """`with Settlement(...) as bill:` holds the plan's worst bound; leaving it captures what the run did cost.

    The hold was checked with the plan, and nothing awaits in between. After the block, `bill.entry.done` tells when
    the charge is durable, and `bill.charge` what it was.
    """

    __slots__ = ("_book", "_gateway", "_run", "charge", "entry", "generation", "hold")

    charge: Charge
    entry: Entry
    generation: Generation
    hold: Hold

    def __init__(self, gateway: Gateway, run: Run, book: Book) -> None:
        self._gateway = gateway
        self._run = run
        self._book = book

    def __enter__(self) -> "Settlement":
        # The day may have changed since the plan was made; the database meters by the run's own time.
        book = self._book
        if book.revoked:
            raise Unauthenticated(REVOKED)
        run = self._run
        if run.created_ms >= book.rolls_ms:
            book.roll(run.created_ms)
        amount, listed = run.plan.holds()
        self.hold = Hold(book.lease, book.meter, amount, book.budgets, listed)
        book.running.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._book.running.discard(self)
        gateway, run, hold = self._gateway, self._run, self.hold
        if error is not None and isinstance(error, Exception):
            run.finish_reason = "error"  # a mistake of ours ends the answer, and nobody pays for that
        candidate = run.candidate
        # Only what was held for this very candidate may be captured: the hold is the worst bound among all.
        amount = min(hold.amount, candidate.bound) if candidate is not None else 0
        cost = own = 0
        try:
            self.charge = charged = _charge(ending_of(run, gateway), candidate, amount)
            cost = charged.cost.total
            if charged.cost.own is not None:
                own = charged.cost.own.total
            if run.lost is not None:
                loser, usage = run.lost
                prompt = charged.usage.prompt or run.prompt_tokens
                self.charge = charged = with_lost(charged, usage or Usage(prompt=prompt), loser.price)
        finally:
            # Whatever fails here: a hold that stayed would lock the caller's money for good.
            hold.resolve(cost, own)
        if charged.alarm:
            gateway.metrics.alarms += 1
            log.error("billing alarm", generation=run.id, alarm=charged.alarm)
        self.generation = generation = generation_of(run, charged)
        self.entry = gateway.committer.queue(generation, partial(hold.give_back, cost, own))

    @property
    def day(self) -> int:
        """Since 1970, on which the request was admitted."""
        return self._run.created_ms // DAY_MS

    def revoke(self) -> None:
        """The key does not work any more: the answer ends, and what was made of it by now is paid for."""
        revoke(self._run)


def _charge(ending: Ending, candidate: Candidate | None, hold: Nanodollars) -> Charge:
    if candidate is None:
        return charge(ending, None, hold)
    if candidate.listed_price is not None:
        return charge_fee(ending, candidate.price, candidate.listed_price, hold)
    return charge(ending, candidate.price, hold)


def ending_of(run: Run, gateway: Gateway) -> Ending:
    """What the run's state means for money."""
    reported = run.believable_usage()
    if reported is None and run.accepted and run.counted is None:
        run.counted = run.count(gateway.tokenizer())
    counted = run.counted or NOTHING
    return Ending(run.accepted, run.finish_reason, run.produced(), reported, counted, run.cancelled)


def generation_of(run: Run, charged: Charge) -> Generation:
    """The record of a finished run."""
    candidate, plan, attempts, caller = run.candidate, run.plan, run.attempts, run.caller
    request, origin, cost = run.request, run.origin, charged.cost
    answered = candidate if run.accepted else None
    tariff = candidate.price.tariff if candidate is not None else None
    media, sounds, preset = 0, 0, None
    if isinstance(run, ChatRun):
        preset = run.request.preset
        if run.has_parts:
            media, sounds = media_counts(run.request)
    # By place, in the record's own order: so many names cost five times as much as the record itself.
    return Generation(
        run.id,
        caller.key.workspace_id,
        caller.key.id,
        run.created_ms,
        candidate.endpoint.model_id if candidate is not None else plan.models[0].id,
        origin.api_type,
        origin.url,
        run.streamed,
        run.left and not run.finished,  # cancelled
        run.finish_reason,
        run.native_finish_reason,
        answered.listed_id if answered is not None else None,
        answered.endpoint.provider if answered is not None else None,
        candidate.price.id if candidate is not None else None,
        charged.usage,
        cost.total,
        charged.absorbed,
        cost.cache_discount,
        attempts[-1].latency_ms if attempts else 0,
        run.generation_ms,
        tuple(attempts),
        run.prompt_tokens,
        candidate.max_tokens if candidate is not None and candidate.max_tokens_is_ours else None,
        run.error.message if run.error is not None else None,
        caller.app_url,
        caller.app_title,
        caller.user_agent,
        request.session_id,
        request.user,
        run.upstream_id,
        trace_of(plan) if plan.rejections or len(plan.candidates) > 1 else None,
        preset,
        _routed(run) if plan.routed is not None else None,
        run.usage_flag,
        charged.upstream,
        tariff.group if tariff is not None else None,
        tariff.multiplier if tariff is not None else None,
        tariff.credits if tariff is not None and cost.total else None,
        answered.credential.id if answered is not None and answered.credential is not None else None,
        cost.own.total if cost.own is not None else 0,
        run.findings,
        run.moderation_ms,
        media,
        sounds,
    )


def _routed(run: Run) -> Routed | None:
    """How the model was chosen, unless one answered that the request had named besides."""
    found, candidate = run.plan.routed, run.candidate
    if found is None or (candidate is not None and candidate.endpoint.model_id not in found.models):
        return None
    return found
