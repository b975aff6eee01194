"""Recorded decisions under another balancing policy: what would have changed in cost, latency and failures.

Only decisions by a draw can change. Each is made anew from what had been recorded until then; what its endpoints would
have done is taken from what they did in the whole recording. docs/balancing.md says what that can't know.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from tollway.billing.pricing import cost
from tollway.domain.catalog import Price
from tollway.domain.generation import Generation
from tollway.domain.health import Outcome
from tollway.domain.money import Nanodollars
from tollway.routing.balance import shares, weighted
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market, Offer, Stall, stall_of
from tollway.routing.order import Policy, by_price
from tollway.routing.stats import Sample


class Sums(Struct, frozen=True):
    """What all decisions come to, by their shares."""

    cost: Nanodollars
    first_ms: float | None
    """The mean time to the first content, over the shares of endpoints whose time is known."""
    failed: float
    """First tries that fail."""
    unknown: float
    """The share, from 0 to 1, of endpoints that the recording never tried: neither their time nor failures count."""


class Moved(Struct, frozen=True):
    """One endpoint's mean share of the decisions that it was part of."""

    endpoint_id: str
    decisions: int
    recorded: float
    replayed: float
    tries: int
    failure_rate: float | None
    first_ms: float | None


class Replay(Struct, frozen=True):
    """`drawn`: decisions that were made anew. `fixed`: there was nothing to draw. `gone`: some endpoint is off now."""

    policy: Policy
    drawn: int
    fixed: int
    gone: int
    paid: Nanodollars
    """What the drawn ones did cost."""
    recorded: Sums
    replayed: Sums
    endpoints: tuple[Moved, ...]


class _Tried:
    """What an endpoint did in the whole recording."""

    def __init__(self) -> None:
        self.tries = self.failures = 0
        self.firsts: dict[bool, list[int]] = {True: [], False: []}

    def failure_rate(self) -> float | None:
        return self.failures / self.tries if self.tries else None

    def first_ms(self, streamed: bool) -> float | None:
        found = self.firsts[streamed]
        return sum(found) / len(found) if found else None


class _Then:
    """What was on offer at a time, as far as today's endpoints were: with the prices of that time."""

    def __init__(self, market: Market, prices: Mapping[str, Sequence[Price]]) -> None:
        self._market = market
        self._prices = prices
        self._today = {stall.endpoint.id: stall for offer in market.offers.values() for stall in offer.stalls}
        self._stalls: dict[tuple[str, int], Stall] = {}
        self._offers: dict[tuple[str, tuple[int, ...]], Offer] = {}

    def stalls(self, ids: Sequence[str], now_ms: int) -> list[Stall] | None:
        """None: one of them is off today."""
        if any(id_ not in self._today for id_ in ids):
            return None
        return [self._stall(self._today[id_], now_ms) for id_ in ids]

    def offer(self, model: str, now_ms: int) -> Offer:
        """The same value as long as no price changes."""
        offer = self._market.offers[model]
        stalls = tuple(self._stall(stall, now_ms) for stall in offer.stalls)
        key = (model, tuple(stall.price.id for stall in stalls))
        return self._offers.setdefault(key, structs.replace(offer, stalls=stalls))

    def _stall(self, stall: Stall, now_ms: int) -> Stall:
        endpoint = stall.endpoint
        known = [price for price in self._prices.get(endpoint.id, ()) if price.effective_ms <= now_ms]
        if not known or known[-1].id == stall.price.id:
            return stall
        key = (endpoint.id, known[-1].id)
        if key not in self._stalls:
            self._stalls[key] = stall_of(structs.replace(endpoint, price=known[-1]), known[-1], stall.weight)
        return self._stalls[key]


class _Total:
    """Adds up decisions."""

    def __init__(self, tried: Mapping[str, _Tried]) -> None:
        self._tried = tried
        self._cost = self._failed = self._first = self._timed = self._unknown = 0.0
        self._decisions = 0

    def add(self, generation: Generation, stalls: Sequence[Stall], parts: Sequence[float]) -> None:
        self._decisions += 1
        for stall, part in zip(stalls, parts, strict=True):
            self._cost += part * cost(generation.usage, stall.price).total
            tried = self._tried.get(stall.endpoint.id)
            rate = tried.failure_rate() if tried else None
            first_ms = tried.first_ms(generation.streamed) if tried else None
            if rate is None:
                self._unknown += part
            else:
                self._failed += part * rate
            if first_ms is not None:
                self._first += part * first_ms
                self._timed += part

    def sums(self) -> Sums:
        return Sums(
            cost=round(self._cost),
            first_ms=self._first / self._timed if self._timed else None,
            failed=self._failed,
            unknown=self._unknown / self._decisions if self._decisions else 0.0,
        )


def replay(
    generations: Sequence[Generation],
    market: Market,
    policy: Policy,
    prices: Mapping[str, Sequence[Price]] = {},
) -> Replay:
    """`generations`: in the order of their time. `prices`: of each endpoint, the earliest first.

    Each decision is made with the prices that were in force; where none is known of that time, the market's count.
    """
    tried = _tried(generations)
    then = _Then(market, prices)
    board = HealthBoard()
    recorded, replayed = _Total(tried), _Total(tried)
    moved: dict[str, list[tuple[float, float]]] = {}
    drawn = gone = paid = 0
    for generation in generations:
        before = {each.endpoint_id: each.share for each in generation.plan.candidates} if generation.plan else {}
        placed = [id_ for id_, share in before.items() if share]
        stalls = then.stalls(placed, generation.created_ms)
        if stalls is None:
            gone += 1
        elif len(group := _group(stalls)) > 1:
            old = [before[stall.endpoint.id] for stall in group]
            offer = then.offer(group[0].endpoint.model_id, generation.created_ms)
            new = _shares(group, offer, board, policy, generation.created_ms / 1000)
            recorded.add(generation, group, [part / sum(old) for part in old])
            replayed.add(generation, group, new)
            for stall, one, other in zip(group, old, new, strict=True):
                moved.setdefault(stall.endpoint.id, []).append((one, other))
            drawn, paid = drawn + 1, paid + generation.cost
        _learn(board, generation)
    return Replay(
        policy=policy,
        drawn=drawn,
        fixed=len(generations) - drawn - gone,
        gone=gone,
        paid=paid,
        recorded=recorded.sums(),
        replayed=replayed.sums(),
        endpoints=tuple(_moved(id_, parts, tried.get(id_)) for id_, parts in sorted(moved.items())),
    )


def _group(placed: Sequence[Stall]) -> list[Stall]:
    """Those of the first model, cheapest first: the others are drawn from only when all of these have failed."""
    return sorted(
        (stall for stall in placed if stall.endpoint.model_id == placed[0].endpoint.model_id),
        key=lambda stall: stall.blended,
    )


def _shares(group: Sequence[Stall], offer: Offer, board: HealthBoard, policy: Policy, now_s: float) -> Sequence[float]:
    """As `routing.order` shares them out."""
    costs = board.weighed(offer, now_s).costs
    parts = by_price(group) if policy == "price" else shares([costs[stall.endpoint.id] for stall in group])
    return weighted(parts, [stall.weight for stall in group])


def _tried(generations: Sequence[Generation]) -> dict[str, _Tried]:
    found: dict[str, _Tried] = {}
    for generation in generations:
        for attempt in generation.attempts:
            each = found.setdefault(attempt.endpoint_id, _Tried())
            if attempt.outcome is Outcome.SUCCEEDED:
                each.tries += 1
                each.firsts[generation.streamed].append(attempt.latency_ms)
            elif attempt.outcome.endpoint_at_fault or attempt.outcome is Outcome.RATE_LIMITED:
                each.tries += 1
                each.failures += 1
    return found


def _learn(board: HealthBoard, generation: Generation) -> None:
    """What the board was told of this request, as far as its record says it."""
    now_s = generation.created_ms / 1000
    usage = generation.usage
    for attempt in generation.attempts:
        sample = Sample()
        if attempt.outcome is Outcome.SUCCEEDED and generation.streamed:
            rest_s = (generation.generation_ms - attempt.latency_ms) / 1000
            speed = usage.completion / rest_s if rest_s > 0 and usage.completion else None
            sample = Sample(first_s=attempt.latency_ms / 1000, tokens_per_s=speed)
        board.observe(attempt.endpoint_id, attempt.outcome, now_s, sample=sample)
    if generation.endpoint_id is not None:
        board.paid(generation.endpoint_id, usage.prompt + usage.completion, generation.cost, now_s)


def _moved(id_: str, parts: Sequence[tuple[float, float]], tried: _Tried | None) -> Moved:
    count = len(parts)
    return Moved(
        endpoint_id=id_,
        decisions=count,
        recorded=sum(old for old, _ in parts) / count,
        replayed=sum(new for _, new in parts) / count,
        tries=tried.tries if tried else 0,
        failure_rate=tried.failure_rate() if tried else None,
        first_ms=(tried.first_ms(True) or tried.first_ms(False)) if tried else None,
    )
