"""Hedging over sockets: one answer, one bill, whoever of the two was quicker; the other one is closed at once."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from tests.gateway.clients import Leave
from tests.gateway.oracle import price, prompt_tokens
from tests.gateway.town import ASKED, Outcome, Town
from tollway.domain.health import Outcome as Fate
from tollway.gateway.base import Gateway
from tollway.routing.hedge import HedgeBudget
from tollway.routing.market import stall_of
from tollway.routing.stats import Sample

P = prompt_tokens(ASKED)
USUAL_S = 0.1
"""What the first endpoint needed for its first token, each of many times."""
LATE = "latency_ms=5000,tokens=7"


def known(gateway: Gateway) -> None:
    """The first endpoint's times to the first token are known."""
    for endpoint in gateway.market.catalog.endpoints["test/model"]:
        if endpoint.provider == "a":
            for _ in range(200):
                gateway.health.observe(endpoint.id, Fate.SUCCEEDED, gateway.loop.time(), sample=Sample(USUAL_S))


def hedging(gateway: Gateway) -> None:
    """The same, and hedges are on and saved up."""
    known(gateway)
    gateway.hedges = HedgeBudget(0.05)
    for _ in range(1000):
        gateway.hedges.request()


def after(town: Town, told: Mapping[str, str], **fields: Any) -> Outcome:
    """A streamed request to "a", then "b", then "c"."""
    values: dict[str, Any] = {
        "model": "test/model",
        "config": {"cancels": True},
        "prepare": hedging,
        "stream": True,
        "provider": {"order": ["a", "b", "c"]},
        **fields,
    }
    return town.after(told, **values)


def fates(outcome: Outcome) -> list[tuple[str, Fate]]:
    return [(each.provider, each.outcome) for each in outcome.record.attempts]


def calls(outcome: Outcome) -> dict[str, str]:
    return {each.provider: each.outcome for each in outcome.upstream}


def test_the_slow_one_loses(town: Town) -> None:
    """Asked after its usual time, the second answers; the first is closed, and only the second is paid."""
    outcome = after(town, {"a": LATE, "b": "tokens=5"})
    assert outcome.seen.complete
    assert len(outcome.seen.deltas) == 5
    assert outcome.charged == price(P, 5)
    assert (outcome.record.provider, outcome.record.usage.completion) == ("b", 5)
    assert fates(outcome) == [("a", Fate.CANCELLED), ("b", Fate.SUCCEEDED)]
    assert calls(outcome) == {"a": "aborted", "b": "finished"}
    assert outcome.record.attempts[0].latency_ms >= USUAL_S * 900
    assert outcome.absorbed == price(P, 0), "the loser had taken the request: its prompt is ours to pay"


def test_the_second_loses(town: Town) -> None:
    """The first has content while both are asked: it goes on as if it had been alone."""
    outcome = after(town, {"a": "latency_ms=400,tokens=7", "b": LATE})
    assert outcome.seen.complete
    assert len(outcome.seen.deltas) == 7
    assert outcome.charged == price(P, 7)
    assert fates(outcome) == [("b", Fate.CANCELLED), ("a", Fate.SUCCEEDED)]
    assert calls(outcome) == {"a": "finished", "b": "aborted"}
    assert outcome.absorbed == price(P, 0)


def dear_second(gateway: Gateway) -> None:
    """As `hedging`, and "b" costs ten times as much."""
    hedging(gateway)
    offer = gateway.market.offers["test/model"]
    stalls = []
    for stall in offer.stalls:
        rates = stall.price.rates
        if stall.endpoint.provider == "b":
            rates = structs.replace(rates, prompt=10 * rates.prompt, completion=10 * rates.completion)
        dear = structs.replace(stall.price, rates=rates)
        stalls.append(stall_of(structs.replace(stall.endpoint, price=dear), dear))
    offers = {**gateway.market.offers, "test/model": structs.replace(offer, stalls=tuple(stalls))}
    gateway.market = structs.replace(gateway.market, offers=offers)


@pytest.mark.parametrize(("cap", "asked"), [("1000", ["a", "b"]), ("5", ["a"])])
def test_no_hedge_is_above_a_cap(town: Town, cap: str, asked: list[str]) -> None:
    """Who stands above the cap for failures is not asked because the first is slow; within the cap it would be."""
    outcome = after(
        town,
        {"a": "latency_ms=400,tokens=7", "b": LATE},
        prepare=dear_second,
        provider={"order": ["a", "b"], "only": ["a", "b"]},
        routing={"max_total_per_1m": cap, "continuity_mode": "temporary_escalation"},
    )
    assert outcome.seen.complete
    assert sorted(each.provider for each in outcome.record.attempts) == asked
    assert outcome.record.provider == "a"


def test_a_loser_who_had_not_answered_costs_nothing(town: Town) -> None:
    """As with callers who leave: before the provider has taken a request nothing is billed."""
    outcome = after(town, {"a": f"head_ms=5000,{LATE}", "b": "tokens=5"})
    assert outcome.record.provider == "b"
    assert outcome.absorbed == 0


@pytest.mark.parametrize(
    ("budget", "wish", "asked"),
    [((0.0, 0.05), True, "ab"), ((0.0, 0.05), None, "a"), ((0.0, 0.0), True, "a"), ((0.05, 0.05), False, "a")],
)
def test_the_request_has_its_say(town: Town, budget: tuple[float, float], wish: bool | None, asked: str) -> None:
    """`provider.hedge` asks for it, as far as the operator lets it, or refuses it. What was done is counted."""

    def prepare(gateway: Gateway) -> None:
        known(gateway)
        gateway.hedges = HedgeBudget(*budget)
        for _ in range(1000):
            gateway.hedges.request(True)
        gateway.metrics.hedges = gateway.metrics.hedges_won = 0

    wishes = {"order": ["a", "b"]} | ({} if wish is None else {"hedge": wish})
    outcome = after(town, {"a": "latency_ms=1500,tokens=7"}, prepare=prepare, provider=wishes)
    assert "".join(sorted(calls(outcome))) == asked
    metrics = town.world({"cancels": True}).house.gateway.metrics
    assert (metrics.hedges, metrics.hedges_won) == ((1, 1) if asked == "ab" else (0, 0))


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        ({"a": "latency_ms=400"}, {"prepare": known}),
        ({"a": "latency_ms=400"}, {"stream": False}),
        ({"a": "latency_ms=400"}, {"config": {"cancels": False}}),
        ({"a": "latency_ms=400"}, {"provider": {"order": ["a"], "allow_fallbacks": False}}),
        ({"a": "latency_ms=20,tokens_per_s=100"}, {}),
    ],
    ids=["off", "not streamed", "can not cancel", "no fallbacks", "begins in time"],
)
def test_nobody_is_hedged(town: Town, told: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    """One call, although it is slow, or although the answer takes long once it has begun."""
    outcome = after(town, told, **fields)
    assert outcome.seen.complete
    assert calls(outcome) == {"a": "finished"}
    assert outcome.charged == price(P, outcome.record.usage.completion)


@pytest.mark.parametrize(
    ("behaviour", "accepted"), [(LATE, True), ("head_ms=5000," + LATE, False)], ids=["accepted", "not accepted"]
)
def test_a_caller_who_leaves_in_a_race(town: Town, behaviour: str, accepted: bool) -> None:
    """Both calls are closed; the bill is the first one's, as if it had been alone: the prompt, if it was accepted."""
    outcome = after(town, {"a": behaviour, "b": behaviour}, leave=Leave(after_s=0.5))
    assert calls(outcome) == {"a": "aborted", "b": "aborted"}
    assert outcome.charged == (price(town.counted("")[0], 0) if accepted else 0)
    assert outcome.record.cancelled
    assert fates(outcome) == [("b", Fate.CANCELLED), ("a", Fate.CANCELLED)]


def test_a_caller_who_leaves_the_winner(town: Town) -> None:
    """The second has won and is left in the middle: closed at once; prompt and what was received of it are paid."""
    outcome = after(town, {"a": LATE, "b": "tokens=500,tokens_per_s=50"}, leave=Leave(after_bytes=1500))
    assert calls(outcome) == {"a": "aborted", "b": "aborted"}
    record = outcome.record
    assert record.provider == "b"
    assert record.cancelled
    assert record.usage.estimated
    assert 0 < record.usage.completion < 200
    assert outcome.charged == price(record.usage.prompt, record.usage.completion)


def test_the_first_fails_while_the_second_is_asked(town: Town) -> None:
    """The second is alone then, and nobody is asked again."""
    outcome = after(town, {"a": "latency_ms=300,fail=500", "b": "latency_ms=500,tokens=5"})
    assert outcome.seen.complete
    assert outcome.charged == price(P, 5)
    assert fates(outcome) == [("a", Fate.PROVIDER_ERROR), ("b", Fate.SUCCEEDED)]


def test_the_second_fails_while_the_first_is_slow(town: Town) -> None:
    """The first goes on."""
    outcome = after(town, {"a": "latency_ms=500,tokens=7", "b": "fail=500"})
    assert outcome.seen.complete
    assert outcome.charged == price(P, 7)
    assert fates(outcome) == [("b", Fate.PROVIDER_ERROR), ("a", Fate.SUCCEEDED)]


def test_both_fail(town: Town) -> None:
    """The third is asked, once."""
    outcome = after(town, {"a": "latency_ms=300,fail=500", "b": "latency_ms=300,fail=503", "c": "tokens=3"})
    assert outcome.seen.complete
    assert outcome.charged == price(P, 3)
    assert [each.provider for each in outcome.record.attempts] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "told", [{"a": LATE, "b": "after=3,then=reset"}, {"a": "latency_ms=300,after=3,then=reset", "b": LATE}]
)
def test_the_winner_dies(town: Town, told: Mapping[str, str]) -> None:
    """After content nothing falls back, the loser neither: the stream ends with an error, and nothing is paid."""
    outcome = after(town, told)
    assert len(outcome.seen.deltas) == 3
    assert outcome.seen.error is not None
    assert outcome.charged == 0
    assert len(outcome.record.attempts) == 2


def test_no_more_than_their_part(town: Town) -> None:
    """Nothing is saved up: the request waits for its endpoint."""

    def poor(gateway: Gateway) -> None:
        known(gateway)
        gateway.hedges = HedgeBudget(0.05)

    outcome = after(town, {"a": "latency_ms=300,tokens=7"}, prepare=poor)
    assert calls(outcome) == {"a": "finished"}
