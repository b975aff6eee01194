"""Until when credits last: the pace of the days on which something was used."""

import pytest

from tollway.billing.pace import DAY_MS, Pace, pace_of

TODAY = 20_000
NOON = TODAY * DAY_MS + DAY_MS // 2


@pytest.mark.parametrize(
    ("spent", "balance", "pace"),
    [
        ({}, 100, None),
        ({TODAY: 0}, 100, None),
        ({TODAY: 10}, 0, None),
        ({TODAY: 10}, -5, None),
        ({TODAY: 10}, 100, Pace(10, NOON + 10 * DAY_MS)),
        ({TODAY - 1: 10, TODAY: 5}, 30, Pace(10, NOON + 3 * DAY_MS)),
        ({TODAY - 6: 65}, 30, Pace(10, NOON + 3 * DAY_MS)),
        ({TODAY - 6: 0, TODAY: 10}, 10, Pace(10, NOON + DAY_MS)),
        ({TODAY: 1}, 365, Pace(1, NOON + 365 * DAY_MS)),
        ({TODAY: 1}, 366, Pace(1, None)),
    ],
)
def test_pace(spent: dict[int, int], balance: int, pace: Pace | None) -> None:
    """From the first day with use on, a day at least; more than a year is not said."""
    assert pace_of(spent, balance, NOON) == pace
