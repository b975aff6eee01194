"""A city of providers on a virtual clock: requests are planned, tried, retried and hedged as the gateway does it.

Everything that decides is the product's own: plans, health, budgets, hedges. Only time, dice and providers are made up.
"""

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from tests.routing.stage import MICRO, ask, endpoint, market
from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.domain.routing import Candidate
from tollway.routing.budget import RetryBudgets
from tollway.routing.fallback import Failure, NextCandidate, after_failure
from tollway.routing.health import HealthBoard, Sight
from tollway.routing.hedge import HedgeBudget, hedge_after_s
from tollway.routing.market import Market
from tollway.routing.order import Policy
from tollway.routing.plan import make_plan
from tollway.routing.stats import Sample

FAIL_S = 0.05
"""How long a failure takes to be known."""


class Reply(Struct, frozen=True):
    """What a provider does with one request."""

    outcome: Outcome
    first_s: float = FAIL_S
    """Seconds to its first event, or to its failure."""
    tokens_per_s: float = 80.0
    retry_after_s: float | None = None


Behave = Callable[[float, random.Random], Reply]
"""Time and dice -> what happens."""


def well(median_s: float = 0.4, sigma: float = 0.4, speed: float = 80.0) -> Behave:
    """Answers with a lognormal time to the first event."""
    return lambda now_s, dice: Reply(Outcome.SUCCEEDED, median_s * math.exp(dice.gauss(0, sigma)), speed)


def dead(now_s: float, dice: random.Random) -> Reply:
    """Refuses every connection."""
    return Reply(Outcome.UNREACHABLE)


def failing(part: float, otherwise: Behave) -> Behave:
    """Fails at random before its first event."""
    return lambda now_s, dice: Reply(Outcome.PROVIDER_ERROR, 0.2) if dice.random() < part else otherwise(now_s, dice)


def late(part: float, times: float, otherwise: Behave) -> Behave:
    """Begins many times later, at random."""

    def behave(now_s: float, dice: random.Random) -> Reply:
        reply = otherwise(now_s, dice)
        if dice.random() >= part:
            return reply
        return Reply(reply.outcome, reply.first_s * times, reply.tokens_per_s)

    return behave


def limited(per_s: float, otherwise: Behave) -> Behave:
    """Answers 429 above a rate, in windows of a second."""
    window = [0, 0]

    def behave(now_s: float, dice: random.Random) -> Reply:
        if window[0] != int(now_s):
            window[:] = [int(now_s), 0]
        window[1] += 1
        if window[1] > per_s:
            return Reply(Outcome.RATE_LIMITED, 0.02, retry_after_s=math.ceil(now_s + 1e-9) - now_s)
        return otherwise(now_s, dice)

    return behave


def between(start_s: float, end_s: float, then: Behave, otherwise: Behave) -> Behave:
    """One way for a while, another way before and after it."""
    return lambda now_s, dice: (then if start_s <= now_s < end_s else otherwise)(now_s, dice)


class Told(Struct):
    """What came of a run."""

    requests: int = 0
    succeeded: int = 0
    attempts: int = 0
    hedges: int = 0
    first_s: list[float] = []
    """Of the requests that succeeded: from the request to its first event."""
    usd: float = 0.0
    tried: dict[str, list[float]] = {}
    """Provider -> when it was asked."""
    served: Counter[str] = Counter()

    def share_between(self, provider: str, start_s: float, end_s: float) -> float:
        """The provider's part of all attempts in a time."""
        counts = {name: sum(start_s <= at < end_s for at in times) for name, times in self.tried.items()}
        return counts.get(provider, 0) / max(1, sum(counts.values()))

    def percentile(self, percent: float) -> float:
        """Of the time to the first event, seconds."""
        ordered = sorted(self.first_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class City:
    """Providers with prices (dollars per million tokens) and behaviours, and a gateway's routing before them."""

    def __init__(
        self,
        providers: dict[str, tuple[float, Behave]],
        *,
        seed: int,
        policy: Policy = "traffic",
        hedge: float = 0.0,
        attempts_max: int = 4,
    ) -> None:
        prices = {name: round(usd * MICRO) for name, (usd, _) in providers.items()}
        self.market: Market = market(*(endpoint(name, prompt=usd, completion=usd) for name, usd in prices.items()))
        self.providers = providers
        self.dice = random.Random(seed)
        self.board = HealthBoard(self.dice.random)
        self.budgets = RetryBudgets()
        self.hedges = HedgeBudget(hedge)
        self.hedge = hedge
        self.policy: Policy = policy
        self.attempts_max = attempts_max
        self.told = Told(first_s=[], tried={name: [] for name in providers}, served=Counter())
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = itertools.count()

    def at(self, when_s: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._count), happens))

    def run(self, per_s: float, seconds: float, **fields: Any) -> Told:
        """Requests at random times for so long; then until all have ended."""
        when_s = self.dice.expovariate(per_s)
        while when_s < seconds:
            self.at(when_s, lambda now_s: Visit(self, now_s, ask(**fields)).begin())
            when_s += self.dice.expovariate(per_s)
        while self._events:
            now_s, _, happens = heapq.heappop(self._events)
            happens(now_s)
        return self.told


class Visit:
    """One request: its plan, its tries, and perhaps a hedge."""

    def __init__(self, city: City, now_s: float, request: Any) -> None:
        self.city = city
        self.began_s = now_s
        self.plan = make_plan(
            request,
            city.market,
            prompt_tokens=25,
            prompt_bound=100,
            available=NANO,
            sight=Sight(city.board, now_s),
            policy=city.policy,
            dice=city.dice.random,
        )
        self.failures: list[tuple[Candidate, Failure]] = []
        self.asked: set[int] = set()
        self.under_way: set[int] = set()
        self.over = False

    def begin(self) -> None:
        city = self.city
        city.told.requests += 1
        city.hedges.request()
        first = self.plan.candidates[0].endpoint
        city.budgets.first_try(first.id, self.began_s)
        self.ask(0, self.began_s)
        after_s = hedge_after_s(city.board.measured(first.id, self.began_s), city.hedge)
        if after_s is not None and len(self.plan.candidates) > 1:
            city.at(self.began_s + after_s, self.maybe_hedge)

    def ask(self, index: int, now_s: float) -> None:
        city, candidate = self.city, self.plan.candidates[index]
        provider = candidate.endpoint.provider
        self.asked.add(index)
        self.under_way.add(index)
        city.told.attempts += 1
        city.told.tried[provider].append(now_s)
        city.board.begin(candidate.endpoint.id, now_s)
        reply = city.providers[provider][1](now_s, city.dice)
        city.at(now_s + reply.first_s, lambda then_s: self.answered(index, now_s, then_s, reply))

    def answered(self, index: int, asked_s: float, now_s: float, reply: Reply) -> None:
        city, candidate = self.city, self.plan.candidates[index]
        self.under_way.discard(index)
        if self.over:
            city.board.abandon(candidate.endpoint.id)
            return  # the loser of a hedge was cancelled
        sample = Sample(now_s - asked_s, reply.tokens_per_s) if reply.outcome is Outcome.SUCCEEDED else Sample()
        city.board.observe(candidate.endpoint.id, reply.outcome, now_s, reply.retry_after_s, sample, asked_s)
        if reply.outcome is Outcome.SUCCEEDED:
            self.over = True
            if 0 in self.under_way:
                city.board.outrun(self.plan.candidates[0].endpoint.id, now_s - self.began_s, now_s)
            city.told.succeeded += 1
            city.told.first_s.append(now_s - self.began_s)
            city.told.usd += city.providers[candidate.endpoint.provider][0]
            city.told.served[candidate.endpoint.provider] += 1
            return
        self.failures.append((candidate, Failure(reply.outcome, "failed", retry_after_s=reply.retry_after_s)))
        if self.under_way:
            return  # the hedge may still answer
        match after_failure(self.plan, max(self.asked), self.failures, city.attempts_max):
            case NextCandidate(index=following):
                id_, unwell = self.plan.candidates[following].endpoint.id, self.plan.candidates[following].unwell
                if not city.board.is_shaky(id_) or city.budgets.take(id_, now_s, unwell=unwell):
                    self.ask(following, now_s)
            case _:
                pass

    def maybe_hedge(self, now_s: float) -> None:
        following = max(self.asked) + 1
        if self.over or not self.under_way or following >= len(self.plan.candidates):
            return
        candidate = self.plan.candidates[following]
        if candidate.unwell or not self.city.hedges.take():
            return
        if self.city.budgets.take(candidate.endpoint.id, now_s):
            self.city.told.hedges += 1
            self.ask(following, now_s)
