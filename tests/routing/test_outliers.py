"""Outliers: who fails more than its peers by more than chance; never more than half; and where they stand in a plan."""

import random

import pytest

from tests.routing.stage import MODEL, ask, endpoint, market, order_of
from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.routing.health import HealthBoard, Sight
from tollway.routing.outliers import Tally, outliers
from tollway.routing.plan import make_plan


@pytest.mark.parametrize(
    ("tallies", "found"),
    [
        ({"a": Tally(100, 30), "b": Tally(100, 1), "c": Tally(100, 0)}, {"a"}),
        ({"a": Tally(100, 4), "b": Tally(1000, 0), "c": Tally(1000, 0)}, set()),  # not five points
        ({"a": Tally(20, 4), "b": Tally(20, 1)}, set()),  # may be chance
        ({"a": Tally(19, 19), "b": Tally(100, 0)}, set()),  # too little is known of it
        ({"a": Tally(100, 90), "b": Tally(10, 0)}, set()),  # and of its peers
        ({"a": Tally(100, 50), "b": Tally(100, 50), "c": Tally(100, 50)}, set()),  # all alike: it is not they
        ({"a": Tally(500, 400), "b": Tally(500, 300), "c": Tally(9000, 0)}, {"a"}),  # half of three is one
        ({"a": Tally(500, 400), "b": Tally(500, 300), "c": Tally(900, 0), "d": Tally(900, 0)}, {"a", "b"}),
        ({}, set()),
    ],
)
def test_who_stands_out(tallies: dict[str, Tally], found: set[str]) -> None:
    """Enough requests, five points and three sigmas above the peers; the worst half at most."""
    assert outliers(tallies) == found


def test_chance_ejects_nobody() -> None:
    """Five endpoints that fail 10% at random: in a thousand looks hardly one is taken for an outlier."""
    dice = random.Random(1)

    def draw(count: int) -> Tally:
        return Tally(count, sum(dice.random() < 0.1 for _ in range(count)))

    looks = [outliers({name: draw(60) for name in "abcde"}) for _ in range(1000)]
    assert sum(map(len, looks)) <= 50


@pytest.mark.parametrize("policy", ["traffic", "price"])
def test_an_outlier_stands_behind_its_peers(policy: str) -> None:
    """The cheapest, failing a third of its requests, is asked after the others; after an outage it is judged anew."""
    board = HealthBoard(lambda: 0.0)

    def order(now_s: float) -> list[str]:
        found = make_plan(
            ask(),
            market(endpoint("a"), endpoint("b", prompt=2 * 10**12), endpoint("c", prompt=2 * 10**12)),
            prompt_tokens=1,
            prompt_bound=1,
            available=NANO,
            sight=Sight(board, now_s),
            policy=policy,  # type: ignore[arg-type]  # a policy's name
            dice=lambda: 0.0,
        )
        return order_of(found)

    for number in range(90):
        for name in "abc":
            outcome = Outcome.PROVIDER_ERROR if name == "a" and number % 3 == 0 else Outcome.SUCCEEDED
            board.observe(f"{name}:{MODEL}", outcome, number / 2)
    assert order(80.0)[-1] == "a"
    for _ in range(5):
        board.observe(f"a:{MODEL}", Outcome.UNREACHABLE, 81.0)
    board.observe(f"a:{MODEL}", Outcome.SUCCEEDED, 90.0, began_s=89.0)
    assert f"a:{MODEL}" not in board.outliers(market(endpoint("a"), endpoint("b")).offers[MODEL], 95.0)
