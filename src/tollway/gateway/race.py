"""Two endpoints asked for one answer: whoever has content first writes it, and the other is given up at once.

Each of the two has a run of its own, so that nothing of the loser reaches the caller's answer, usage or bill; the
winner's state becomes the request's. Only where both providers can cancel: to give up an answer must end its bill.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

from tollway.domain.events import Event
from tollway.domain.routing import Candidate
from tollway.gateway.base import Gateway
from tollway.gateway.run import Run
from tollway.gateway.sink import ContentSink
from tollway.routing.fallback import Failure
from tollway.routing.hedge import hedge_after_s

log = structlog.get_logger(__name__)

R = TypeVar("R", bound=Run)
Failures = list[tuple[Candidate, Failure]]
Try = Callable[[R, Candidate, ContentSink], Awaitable[Failure | None]]
"""One try at one candidate, which health hears of and which is written down in the run."""


def race_for(gateway: Gateway, run: R, sink: ContentSink, try_: Try[R]) -> "Race[R] | None":
    """A race, if one may be held for this request: a streamed one with a second endpoint of the same model."""
    if gateway.hedges is None or not run.streamed:
        return None
    wishes = run.request.provider
    extra = gateway.hedges.request(None if wishes is None else wishes.hedge)
    if gateway.attempts_max < 2 or len(run.plan.candidates) < 2:
        return None
    first, second = run.plan.candidates[:2]
    if first.credential or second.credential:
        return None  # who said "my key, else credits" did not ask for both
    if second.unwell or second.escalated or first.endpoint.model_id != second.endpoint.model_id:
        return None
    if not all(run.market.provider(each.endpoint.provider).quirks.cancels for each in (first, second)):
        return None
    measured = gateway.health.measured(first.endpoint.id, gateway.loop.time())
    after_s = hedge_after_s(measured, extra)
    return None if after_s is None else Race(gateway, run, sink, try_, after_s)


class Race(Generic[R]):
    """The first two candidates of a plan, the second asked `after_s` later if nothing has come by then.

    `live` is the run that is billed whenever all ends: the first, until the second has content or is alone.
    """

    def __init__(self, gateway: Gateway, run: R, sink: ContentSink, try_: Try[R], after_s: float) -> None:
        self._gateway = gateway
        self._run = run
        self._sink = sink
        self._try = try_
        self._after_s = after_s
        self._began_s = gateway.loop.time()
        self._won = False
        self._second: R | None = None
        self._task: asyncio.Task[Failure | None] | None = None
        self.live = run

    async def hold(self) -> tuple[int, Failures]:
        """Asks one or both: the index of the last that was asked, and who failed; nobody, if one answered to its end.

        The run is the live one's afterwards, also when this is cancelled.
        """
        run, (first, second) = self._run, self._run.plan.candidates[:2]
        run.leave = self._caller_left
        timer = self._gateway.loop.call_later(self._after_s, self._ask_second)
        try:
            failure = await self._try(run, first, _Lane(self, run))
            timer.cancel()
            if self._second is None or self._task is None:
                return 0, [] if failure is None else [(first, failure)]
            if not self._won and failure is not None and not run.left:
                self.live = self._second
            if self.live is run:
                self._give_up(self._second)
            await asyncio.wait({self._task})
            ends = ((run, first, failure), (self._second, second, self._told(self._task)))
            if any(self.live is each and failed is None for each, _, failed in ends):
                return 1, []
            alone = self._won  # what became of the other one is no matter then
            return 1, [(c, failed) for each, c, failed in ends if failed and (self.live is each or not alone)]
        finally:
            timer.cancel()
            run.leave = None
            if self._task is not None:
                self._task.cancel()
            self._book()
            if self.live is not run:
                run.adopt(self.live)
            answered = run.candidate.listed_id if run.candidate else ""
            run.attempts.sort(key=lambda each: each.endpoint_id == answered)  # stable: who is billed comes last

    def _book(self) -> None:
        """Counts what the race came to; and what the loser had taken on is ours to pay (MONEY.md, *absorbed*)."""
        if self._second is None:
            return
        if self._won and self.live is self._second:
            self._gateway.metrics.hedges_won += 1
        loser = self._run if self.live is self._second else self._second
        if loser.cancelled and loser.accepted and loser.candidate is not None:
            self._run.lost = (loser.candidate, loser.usage)

    def _caller_left(self) -> R:
        """The caller has gone: the other run is given up, and this one is billed as if it had been the only one."""
        if self._second is not None and self.live is self._run:
            self._give_up(self._second)
        self.live.left = True
        return self.live

    async def send(self, run: R, candidate: Candidate, events: Sequence[Event]) -> None:
        """Content of one of the two. The first to have some wins."""
        if not self._won:
            self._won, self.live = True, run
            if self._second is not None:
                self._give_up(self._run if run is self._second else self._second)
        if run is self.live:
            await self._sink.send(candidate, events)

    def _ask_second(self) -> None:
        """The time is over: has nothing come, the second is asked, if hedges and its own retries allow it."""
        run, gateway = self._run, self._gateway
        if run.left or run.first_event_s is not None or run.call is None or gateway.hedges is None:
            return
        candidate = run.plan.candidates[1]
        if not gateway.hedges.take() or not gateway.retries.take(candidate.endpoint.id, gateway.loop.time()):
            return
        gateway.metrics.hedges += 1
        self._second = run.twin()
        self._task = gateway.loop.create_task(self._ask(self._second, candidate), name="hedge")

    async def _ask(self, run: R, candidate: Candidate) -> Failure | None:
        return await self._try(run, candidate, _Lane(self, run))

    def _give_up(self, loser: R) -> None:
        """Its connection is closed now. What has not been sent yet is never sent."""
        loser.cancelled = True
        if loser.call is not None:
            loser.call.abort()
            if loser is self._run and loser.candidate is not None:
                now_s = self._gateway.loop.time()
                self._gateway.health.outrun(loser.candidate.endpoint.id, now_s - self._began_s, now_s)
        elif loser is self._second and self._task is not None:
            self._task.cancel()

    def _told(self, task: "asyncio.Task[Failure | None]") -> Failure | None:
        """What became of the second. A mistake of ours in it is raised where it had the answer, else written down."""
        if task.cancelled():
            return None
        error = task.exception()
        if error is None:
            return task.result()
        if self.live is not self._run:
            raise error
        log.error("a hedge failed", generation=self._run.id, error=repr(error))
        return None


class _Lane(Generic[R]):
    """Where one of the two writes."""

    __slots__ = ("_race", "_run")

    def __init__(self, race: Race[R], run: R) -> None:
        self._race = race
        self._run = run

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        await self._race.send(self._run, candidate, events)
