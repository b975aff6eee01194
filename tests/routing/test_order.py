"""The order of candidates: shares by 1/price², the caller's own order, and the unwell last."""

import random
from collections import Counter
from typing import Any

import pytest
from msgspec import structs

from tests.routing.stage import MICRO, MODEL, ask, endpoint, market, order_of, plan
from tollway.domain.chat import Percentiles, SortBy, Tool, ToolFunction
from tollway.domain.measured import Measured, Spread
from tollway.domain.routing import Plan
from tollway.routing.order import Policy

DRAWS = 20_000
CHI_SQUARE_999 = {1: 10.83, 2: 13.82, 3: 16.27}
"""By degrees of freedom: a fair draw is above these once in a thousand seeds, and the seeds are fixed."""


def reasons(found: Plan) -> list[str]:
    """Why each candidate stands where it stands."""
    return [candidate.reason for candidate in found.candidates]


def shares(prices: list[int], seed: int, **wishes: object) -> tuple[Counter[str], int]:
    """Who was first in so many plans at these prices per token, by name a, b, c ..."""
    on_offer = market(*(endpoint(chr(97 + place), prompt=p, completion=p) for place, p in enumerate(prices)))
    dice, request = random.Random(seed).random, ask(**wishes)
    return Counter(order_of(plan(request, on_offer, dice=dice))[0] for _ in range(DRAWS)), len(prices)


@pytest.mark.parametrize(
    ("prices", "seed"),
    [([MICRO, 2 * MICRO, 3 * MICRO], 1), ([MICRO, MICRO], 2), ([MICRO, 2 * MICRO], 3), ([5, 7, 11, 13], 4)],
)
def test_shares_are_one_over_price_squared(prices: list[int], seed: int) -> None:
    """20,000 draws fit 1/price² by a chi-square test: of $1, $2 and $3 the first gets nine times the third's share."""
    firsts, count = shares(prices, seed)
    whole = sum(price**-2 for price in prices)
    expected = [DRAWS * price**-2 / whole for price in prices]
    chi_square = sum((firsts[chr(97 + n)] - expected[n]) ** 2 / expected[n] for n in range(count))
    assert chi_square < CHI_SQUARE_999[count - 1]


def test_the_test_can_fail() -> None:
    """Shares by 1/price would be found out."""
    firsts, _ = shares([MICRO, 2 * MICRO], 3)
    expected = [DRAWS * 2 / 3, DRAWS / 3]
    assert sum((firsts[n] - e) ** 2 / e for n, e in zip("ab", expected, strict=True)) > 100


def test_free_ones_share_first_place() -> None:
    """What costs nothing goes before what costs something, and is drawn evenly."""
    firsts, _ = shares([0, 0, MICRO], 5)
    assert firsts["c"] == 0
    assert (firsts["a"] - DRAWS / 2) ** 2 / (DRAWS / 2) * 2 < CHI_SQUARE_999[1]


@pytest.mark.parametrize("policy", ["price", "traffic"])
def test_the_operators_weights(policy: Policy) -> None:
    """Of two that are alike the one with weight 3 is drawn three times as often; one with 0 only stands behind."""

    def firsts(one: float, other: float) -> Counter[str]:
        plain = market(endpoint("a"), endpoint("b"))
        offer = plain.offers[MODEL]
        stalls = tuple(
            structs.replace(stall, weight=one if stall.endpoint.provider == "a" else other) for stall in offer.stalls
        )
        on_offer = structs.replace(plain, offers={MODEL: structs.replace(offer, stalls=stalls)})
        dice = random.Random(7).random
        plans = [plan(ask(), on_offer, dice=dice, policy=policy) for _ in range(DRAWS // 4)]
        assert {len(order_of(each)) for each in plans} == {2}
        return Counter(order_of(each)[0] for each in plans)

    shared, alone = firsts(3.0, 1.0), firsts(0.0, 1.0)
    assert abs(shared["a"] / (DRAWS // 4) - 0.75) < 0.03
    assert alone == {"b": DRAWS // 4}


@pytest.mark.parametrize("mark", [0.0, 0.5, 0.999999999999999, 1 - 2**-53])
def test_any_throw_draws_somebody(mark: float) -> None:
    """At both ends of the dice somebody is drawn, whatever floats do to the sum of weights."""
    on_offer = market(*(endpoint(f"p{n}", prompt=10**6 + n, completion=n**9) for n in range(60)))
    found = plan(ask(), on_offer, dice=lambda: mark)
    assert len(set(order_of(found))) == 60


def test_the_drawn_one_goes_first_and_the_rest_by_price() -> None:
    """The last of three is drawn; the others stand behind it, the cheapest first."""
    on_offer = market(endpoint("c", prompt=3 * MICRO), endpoint("a"), endpoint("b", prompt=2 * MICRO))
    found = plan(ask(), on_offer, dice=lambda: 0.999)
    assert order_of(found) == ["c", "a", "b"]
    assert reasons(found) == ["drawn by price", "next by price", "next by price"]


def test_one_endpoint_needs_no_dice() -> None:
    """Where only one fits, nothing is thrown."""

    def dice() -> float:
        raise AssertionError("thrown")

    assert reasons(plan(ask(), market(endpoint("a")), dice=dice)) == ["the only one that fits"]


@pytest.mark.parametrize("sort", ["price", SortBy("price"), SortBy("price", "none")])
def test_a_sort_is_strict(sort: object) -> None:
    """A sort ends the balancing: the same order whatever the dice say."""
    on_offer = market(endpoint("b", prompt=2 * MICRO), endpoint("a"))
    found = plan(ask(sort=sort), on_offer, dice=lambda: 0.999)
    assert order_of(found) == ["a", "b"]
    assert reasons(found) == ["cheapest", "next by price"]


UNWELL = {f"a:{MODEL}": "5 failures in a row", f"b:{MODEL}": "rate limited"}
FOUR = market(endpoint("a"), endpoint("b", prompt=2 * MICRO), endpoint("c", prompt=3 * MICRO), endpoint("d"))


def test_the_unwell_come_last() -> None:
    """Unwell endpoints are tried after all others, and are not drawn."""
    for mark in (0.0, 0.3, 0.999):
        found = plan(ask(), FOUR, down=UNWELL, dice=lambda mark=mark: mark)  # type: ignore[misc]  # a throw that is known
        assert order_of(found)[2:] == ["a", "b"]
        assert reasons(found)[2:] == ["unwell: tried last"] * 2


def test_never_are_all_left_out_for_their_health() -> None:
    """When everyone is unwell, everyone is tried all the same."""
    everyone = {f"{slug}:{MODEL}": "down" for slug in "abcd"}
    assert sorted(order_of(plan(ask(), FOUR, down=everyone))) == list("abcd")
    assert sorted(order_of(plan(ask(sort="price"), FOUR, down=everyone))) == list("abcd")


def test_the_callers_own_order() -> None:
    """`provider.order` first, as written, then the rest by price; health and dice do not change what was asked for."""
    found = plan(ask(order=("C", "nobody", "a")), FOUR, down=UNWELL, dice=lambda: 0.9)
    assert order_of(found) == ["c", "a", "d", "b"]
    places = ["provider.order, place 1", "provider.order, place 3"]
    assert reasons(found) == [*places, "after provider.order", "after provider.order"]


def test_an_order_names_bases_of_slugs() -> None:
    """A base slug stands for all its regions, the cheapest first; a full slug for one, where it is named first."""
    on_offer = market(endpoint("a/us", prompt=2 * MICRO), endpoint("a/eu", prompt=3 * MICRO), endpoint("b"))
    assert order_of(plan(ask(order=("a",)), on_offer)) == ["a/us", "a/eu", "b"]
    assert order_of(plan(ask(order=("a/EU", "a")), on_offer)) == ["a/eu", "a/us", "b"]
    assert order_of(plan(ask(order=("a",), allow_fallbacks=False), on_offer)) == ["a/us", "a/eu"]


def test_a_name_twice_counts_once() -> None:
    """Nobody stands in a plan twice."""
    assert order_of(plan(ask(order=("b", "b", "a", "b")), FOUR)) == ["b", "a", "d", "c"]


def test_without_fallbacks_only_the_first_is_tried() -> None:
    """`allow_fallbacks: false` keeps the first, or those that `order` names; the others have their reason."""
    found = plan(ask(allow_fallbacks=False, sort="price"), FOUR)
    assert order_of(found) == ["a"]
    assert {each.rule for each in found.rejections} == {"fallbacks_off"}
    assert found.hold == found.candidates[0].bound
    assert order_of(plan(ask(allow_fallbacks=False, order=("d", "c")), FOUR)) == ["d", "c"]


def timed(first_s: float, speed: float, **fields: object) -> Measured:
    """Figures with these medians."""
    return Measured(first_s=Spread(*[first_s] * 4), speed=Spread(*[speed] * 4), timed=100, **fields)  # type: ignore[arg-type]  # names of fields


THREE = (endpoint("a"), endpoint("b", prompt=2 * MICRO), endpoint("c", prompt=3 * MICRO))
FIGURES = {"a": timed(0.9, 40.0), "b": timed(0.3, 60.0)}


@pytest.mark.parametrize(
    ("wishes", "order", "why"),
    [
        ({"sort": "throughput"}, ["b", "a", "c"], "by throughput"),
        ({"sort": "latency"}, ["b", "a", "c"], "by latency"),
        ({"sort": SortBy("latency", "none")}, ["b", "a", "c"], "by latency"),
        ({"preferred_min_throughput": 50.0}, ["b", "c", "a"], "behind the preferred throughput or latency"),
        (
            {"preferred_max_latency": Percentiles(p99=0.5)},
            ["b", "c", "a"],
            "behind the preferred throughput or latency",
        ),
        ({"preferred_max_latency": 1.0}, ["a", "b", "c"], "drawn by price"),
    ],
)
def test_speed_decides(wishes: dict[str, object], order: list[str], why: str) -> None:
    """A sort by speed, never-timed ones last; a preferred speed moves back who misses it, and leaves nobody out."""
    found = plan(ask(**wishes), market(*THREE), measured=FIGURES)
    assert order_of(found) == order
    assert why in reasons(found)


def test_all_models_in_one_order() -> None:
    """`partition: none` sorts the endpoints of all models together; without it each model has its own order."""
    on_offer = market(endpoint("a", prompt=3 * MICRO), endpoint("b", model="test/other"))
    both = {"models": ("test/other",)}
    assert order_of(plan(ask(sort="price", **both), on_offer)) == ["a", "b"]
    together = SortBy("price", "none")
    assert order_of(plan(ask(sort=together, **both), on_offer)) == ["b", "a"]
    slow = {"b": timed(0.5, 1.0)}
    hurried = ask(sort=together, preferred_min_throughput=30.0, **both)
    assert order_of(plan(hurried, on_offer, measured=slow)) == ["a", "b"]
    assert order_of(plan(ask(sort=together, order=("a",), **both), on_offer)) == ["a", "b"]


@pytest.mark.parametrize(
    ("figures", "order", "why"),
    [
        (Measured(unstable=True), ["b", "c", "a"], "in trouble: a recent outage, or under 80% uptime"),
        (
            Measured(requests=100, steady=0.9),
            ["b", "c", "a"],
            "degraded: under 95% uptime, or failing more than its peers",
        ),
        (Measured(requests=99, steady=0.5), ["a", "b", "c"], "drawn by price"),
        (Measured(requests=100, steady=0.95), ["a", "b", "c"], "drawn by price"),
    ],
)
def test_who_is_in_trouble_goes_back(figures: Measured, order: list[str], why: str) -> None:
    """A recent outage or a bad half hour: behind the others, and still there."""
    found = plan(ask(), market(*THREE), measured={"a": figures})
    assert order_of(found) == order
    assert why in reasons(found)
    assert sum(each.share for each in found.candidates) == pytest.approx(1.0)


def test_who_is_poor_at_tools_goes_back() -> None:
    """With enough known of enough providers, the one whose tool calls break stands behind; not without tools."""
    good = timed(0.5, 50.0, requests=500, tool_answers=200, tool_error_rate=0.01)
    figures = dict.fromkeys("abcdef", good) | {"a": structs.replace(good, tool_error_rate=0.4)}
    on_offer = market(*(endpoint(name, prompt=MICRO * place) for place, name in enumerate("abcdef", 1)))
    tools = {"tools": (Tool(function=ToolFunction("look")),)}
    able = market(*(structs.replace(each, parameters=frozenset({"tools"})) for each in on_offer.offers[MODEL].live))
    assert order_of(plan(ask(**tools), able, measured=figures)) == ["b", "c", "d", "e", "f", "a"]
    assert order_of(plan(ask(), able, measured=figures))[0] == "a"
    assert order_of(plan(ask(sort="exacto"), able, measured=figures))[-1] == "a"
    assert order_of(plan(ask(**tools), able))[0] == "a"


TOOLS = {"tools": (Tool(function=ToolFunction("look")),)}
ABLE = [endpoint(name, prompt=MICRO * place, parameters=frozenset({"tools"})) for place, name in enumerate("abcdef", 1)]
GOOD = Measured(requests=500, tool_answers=200, tool_error_rate=0.01, speed=Spread(50.0, 50.0, 50.0, 50.0))


@pytest.mark.parametrize(
    ("changed", "order"),
    [
        ({"a": {"tool_answers": 199}}, "bcdefa"),
        ({"a": {"requests": 99}}, "bcdefa"),
        ({"a": {"speed": None}}, "bcdefa"),
        ({"a": {"tool_answers": 199}, "b": {"tool_error_rate": 0.9}}, "cdefab"),
        ({"a": {"speed": Spread(1.0, 1.0, 1.0, 1.0)}}, "bcdefa"),
        ({"b": {"tool_answers": 0}, "a": {"steady": 0.9}}, "cdefba"),  # who is in trouble stays behind
        ({"c": {"tool_answers": 9}, "a": {"tool_answers": 9}, "b": {"tool_answers": 9}}, "abcdef"),  # three are known
    ],
)
def test_three_tiers_of_tool_calls(changed: dict[str, dict[str, Any]], order: str) -> None:
    """Good, too little data, poor: by 200 answers with tool calls, once four providers have them (OPENROUTER.md 4)."""
    figures = {name: structs.replace(GOOD, **changed.get(name, {})) for name in "abcdef"}
    found = plan(ask(**TOOLS), market(*ABLE), measured=figures)
    assert "".join(order_of(found)) == order
    assert order_of(plan(ask(**TOOLS, sort="price"), market(*ABLE), measured=figures)) == list("abcdef")
