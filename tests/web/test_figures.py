"""Amounts at a glance: cut, never rounded up, and short."""

import pytest

from tollway.domain.money import NANO
from tollway.web.figures import about


@pytest.mark.parametrize(
    ("nanodollars", "said"),
    [
        (83_857_980_758, "$83.85"),
        (1_234 * NANO, "$1,234.00"),
        (NANO, "$1.00"),
        (NANO - 1, "$0.999"),
        (96_504_228, "$0.0965"),
        (133_000, "$0.000133"),
        (7, "$0.000000007"),
        (0, "$0.00"),
    ],
)
def test_about(nanodollars: int, said: str) -> None:
    """Cents from a dollar on, three digits below it; a balance is never said to be more than it is."""
    assert about(nanodollars) == said
