"""Drift of a provider's token counts: a change of its own ratio is seen, other tokenizers and chance are not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.billing.drift import BASE_MIN, RECENT, Ratios


def ratios(factor: float, noise: float, count: int, dice: Random, into: Ratios | None = None) -> Ratios:
    """An endpoint that counted so many answers by this factor of ours, give or take."""
    found = into or Ratios()
    for _ in range(count):
        counted = dice.randrange(256, 4000)
        found.add(round(counted * factor * (1 + noise * (2 * dice.random() - 1))), counted)
    return found


@pytest.mark.parametrize(
    ("usual", "then", "noise", "seen"),
    [
        (1.0, 1.0, 0.0, False),
        (1.0, 1.02, 0.0, False),
        (1.0, 1.05, 0.0, True),
        (1.0, 0.9, 0.02, True),
        (1.3, 1.3, 0.05, False),
        (1.3, 1.43, 0.05, True),
        (1.0, 1.04, 0.3, False),
        (1.0, 1.5, 0.3, True),
        (2.5, 2.5, 0.01, True),
    ],
)
def test_what_is_a_drift(usual: float, then: float, noise: float, seen: bool) -> None:
    """More than 3% and more than chance; or twice our count from the beginning, which no tokenizer makes."""
    dice = Random(7)
    found = ratios(usual, noise, BASE_MIN + RECENT, dice)
    ratios(then, noise, RECENT, dice, found)
    change = found.drift()
    assert (change is not None) is seen
    if change is not None and usual < 2:
        assert change == pytest.approx(then / usual - 1, abs=0.05 + noise / 2)


def test_a_drift_stays_until_it_is_over() -> None:
    """However long it lasts it does not become what is usual; when the counts are right again it ends."""
    dice = Random(3)
    found = ratios(1.0, 0.01, 200, dice)
    assert ratios(1.1, 0.01, 500, dice, found).drift() == pytest.approx(0.1, abs=0.01)
    assert ratios(1.0, 0.01, RECENT, dice, found).drift() is None


@pytest.mark.parametrize(
    ("reported", "counted", "usual", "excess"),
    [
        (189, 100, 1.0, False),
        (190, 100, 1.0, True),
        (100, 10, 1.0, True),
        (70, 10, 1.0, False),
        (1600, 1000, 1.3, False),
        (1700, 1000, 1.3, True),
        (900, 1000, 0.5, False),
        (2600, 1000, 9.0, True),
    ],
)
def test_a_single_count_far_above_ours(reported: int, counted: int, usual: float, excess: bool) -> None:
    """1.25 times and 64 tokens above what is usual there (FAULTS.md U-34); a usual lie is no excuse."""
    assert ratios(usual, 0.0, 60, Random(1)).is_excess(reported, counted) is excess


@given(seed=st.integers(0, 2**20), factor=st.floats(0.6, 1.6), noise=st.floats(0.0, 0.1))
def test_an_honest_tokenizer_is_left_alone(seed: int, factor: float, noise: float) -> None:
    """Whatever its ratio and its noise, as long as they stay: in 300 answers there is never a drift of a tenth."""
    dice, found = Random(seed), Ratios()
    for _ in range(300):
        ratios(factor, noise, 1, dice, found)
        assert abs(found.drift() or 0.0) < 0.1
