"""An explanation shows the plan that the request would get, and changes nothing by looking."""

from typing import Any

import msgspec
import pytest

from tests.routing.stage import MICRO, MODEL, Seen, ask, endpoint, market, plan
from tollway.domain.chat import ChatRequest, MaxPrice
from tollway.domain.generation import Placed, RuledOut, Trace
from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.routing.breaker import BACKOFF_MIN_S, FAILURES_TO_OPEN
from tollway.routing.concurrency import FULL
from tollway.routing.explain import Bench, Explanation, Prompt, explain
from tollway.routing.health import Glance, HealthBoard, Sight
from tollway.routing.order import Policy
from tollway.routing.trace import LISTED_MAX, trace_of

PROMPT = Prompt(counted=100, estimate=25, bound=120)
CHEAP, DEAR = f"cheap:{MODEL}", f"dear:{MODEL}"
TWO = market(endpoint("cheap"), endpoint("dear", prompt=2 * MICRO, completion=2 * MICRO))


def look(
    request: ChatRequest, *, policy: Policy = "price", available: int = NANO, caps: Any = (), **down: str
) -> Explanation:
    down = {f"{provider}:{MODEL}": why for provider, why in down.items()}
    return explain(request, Bench(TWO, Seen(down, {}), policy, available), PROMPT, caps)


def test_every_endpoint_has_its_place_share_and_cost() -> None:
    """100 tokens and 10 of the answer at a microdollar each: 110,000 nanodollars; 1/price² shares 80% to 20%."""
    found = look(ask(max_tokens=10))
    assert [(each.listed.id, round(each.share, 6), each.listed.estimated) for each in found.ranked] == [
        (CHEAP, 0.8, 110_000),
        (DEAR, 0.2, 220_000),
    ]
    assert found.ranked[0].most == (120 + 10) * 1_000
    assert (found.answer_tokens, found.expected, found.refusal) == (10, 132_000, None)
    assert found.ranked[0].listed.policy_cost == pytest.approx(1.0)


@pytest.mark.parametrize(("asked", "taken"), [({"max_tokens": 10}, 10), ({"max_tokens": None}, 500), ({"n": 3}, 30)])
def test_an_answer_is_taken_to_be_so_long(asked: dict[str, Any], taken: int) -> None:
    """500 tokens, fewer where the request says so; each choice is one more."""
    assert look(ask(**asked)).answer_tokens == taken


def test_who_is_left_out_has_the_rule_and_its_sentence() -> None:
    """With its price and cost, like the others."""
    found = look(ask(only=("dear",)))
    [out] = found.left_out
    assert (out.listed.id, out.rule, out.reason) == (CHEAP, "not_in_only", "not in provider.only")
    assert out.listed.estimated == 110_000
    assert [each.share for each in found.ranked] == [1.0]


def test_the_error_is_that_of_the_request() -> None:
    """404 where no endpoint fits, 402 where the money does not."""
    nobody = look(ask(only=("other",))).refusal
    assert nobody is not None
    assert nobody.status == 404
    assert "not in provider.only" in nobody.message
    poor = look(ask(), available=5).refusal
    assert poor is not None
    assert poor.status == 402
    assert "$0.000000005" in poor.message


def test_caps_are_tried() -> None:
    """Each cap in place of the request's own, and independent of the others."""
    found = look(
        ask(max_tokens=10, max_price=MaxPrice(prompt=9)),
        caps=(MaxPrice(prompt=1.5), MaxPrice(prompt="0.5"), MaxPrice(prompt=3)),
    )
    assert [(each.endpoints, each.first, each.expected) for each in found.caps] == [
        (1, CHEAP, 110_000),
        (0, None, None),
        (2, CHEAP, 132_000),
    ]
    refused = found.caps[1].refusal
    assert refused is not None
    assert "above max_price.prompt" in refused.message
    assert len(found.ranked) == 2


def test_an_order_gives_everything_to_the_first() -> None:
    """Nothing is shared out there."""
    found = look(ask(order=("dear",)))
    assert [(each.listed.provider, each.share) for each in found.ranked] == [("dear", 1.0), ("cheap", 0.0)]


def test_the_unwell_say_why() -> None:
    """Last, and with the reason."""
    found = look(ask(), cheap="5 failures in a row, the last: timed_out")
    assert [each.listed.provider for each in found.ranked] == ["dear", "cheap"]
    assert found.ranked[1].listed.why_down == "5 failures in a row, the last: timed_out"


def test_the_cost_is_that_of_the_policy() -> None:
    """`traffic`: as `Sight.costs` has it, with nothing measured the list's price."""
    found = look(ask(), policy="traffic")
    assert [each.listed.policy_cost for each in found.ranked] == [pytest.approx(1.0), pytest.approx(2.0)]


def test_looking_lets_no_probe_through() -> None:
    """However often somebody looks, the probe is still there for the first request."""
    board = HealthBoard()
    for _ in range(FAILURES_TO_OPEN):
        board.observe(CHEAP, Outcome.UNREACHABLE, 0.0)
    assert Glance(board, 0.5).why_down(CHEAP) == Sight(board, 0.5).why_down(CHEAP) is not None
    later = 2 * BACKOFF_MIN_S
    for _ in range(3):
        explain(ask(), Bench(TWO, Glance(board, later), "traffic", NANO), PROMPT)
    assert [Sight(board, later).why_down(CHEAP) is None for _ in range(2)] == [True, False]


def test_a_full_endpoint_is_seen_to_be_full() -> None:
    """As requests see it: learned from a 429."""
    board = HealthBoard()
    for _ in range(3):
        board.begin(CHEAP, 0.0)
    board.observe(CHEAP, Outcome.RATE_LIMITED, 10.0, retry_after_s=1.0)
    board.observe(CHEAP, Outcome.SUCCEEDED, 11.0)
    for _ in range(2):
        board.begin(CHEAP, 0.0)
    assert Glance(board, 11.0).why_down(CHEAP) == board.down(CHEAP, 11.0) == FULL


def test_a_trace_is_kept_where_something_was_decided() -> None:
    """One candidate alone is nothing to keep, whoever else is off; several, or somebody ruled out, is."""
    alone = market(endpoint("cheap"), endpoint("off", enabled=False))
    assert trace_of(plan(ask(), alone)) is None
    assert trace_of(plan(ask(ignore=("dear",)), TWO)) == Trace(
        (Placed(CHEAP, "the only one that fits", 1.0),), (RuledOut(DEAR, "ignored", "in provider.ignore"),)
    )
    assert trace_of(plan(ask(), TWO)) == Trace(
        (Placed(CHEAP, "drawn by price", 0.8), Placed(DEAR, "next by price", 0.2))
    )


def test_who_is_off_for_everybody_is_counted() -> None:
    """Not listed: nothing about the request left them out."""
    some_off = market(endpoint("a"), endpoint("b"), endpoint("c", enabled=False), endpoint("d"), live=("a", "b", "c"))
    kept = trace_of(plan(ask(), some_off))
    assert kept is not None
    assert (len(kept.candidates), kept.left_out, kept.unlisted, kept.off) == (2, (), 0, 2)


def test_a_trace_stays_small() -> None:
    """So many are kept, the rest is counted: a record of one request is a few kilobytes at most."""
    many = market(*(endpoint(f"p{number}") for number in range(100)))
    kept = trace_of(plan(ask(ignore=tuple(f"p{number}" for number in range(50))), many))
    assert kept is not None
    assert (len(kept.candidates), len(kept.left_out), kept.unlisted) == (LISTED_MAX, LISTED_MAX, 100 - 2 * LISTED_MAX)
    assert len(msgspec.json.encode(kept)) < 4096
