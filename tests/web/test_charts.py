"""Charts and periods: bars as high as their figures, scales that hold them, and every day in one column."""

import re

import pytest

from tollway.domain.errors import InvalidRequest
from tollway.web.charts import GROUPS, HEIGHT, OTHERS, ceiling, stacked
from tollway.web.periods import DAY_MS, HOUR_MS, period_of

NOW_MS = 20_400 * DAY_MS + 13 * HOUR_MS + 59_000
"""A Saturday in November 2025."""


def heights(path: str) -> list[float]:
    return [float(found) for found in re.findall(r"v([\d.]+)h", path)]


def test_bars_add_up() -> None:
    """Of a column, the bars stand on each other, and their heights are their shares of the scale."""
    chart = stacked("x", "Requests", "count", ["a", "b"], {"one": [2, 3], "two": [4, 0]})
    assert chart.ticks == ("10", "5", "0")
    assert [heights(each.path) for each in chart.series] == [
        [pytest.approx(0.2 * HEIGHT, abs=0.01), pytest.approx(0.3 * HEIGHT, abs=0.01)],
        [pytest.approx(0.4 * HEIGHT, abs=0.01)],
    ]
    assert chart.totals == ("6", "3")
    assert "9 in all, the most with 6 on a" in chart.summary


def test_the_rest_is_one() -> None:
    """More groups than colours: the smallest are summed, and nothing is lost."""
    groups = {f"g{number}": [number + 1] for number in range(20)}
    chart = stacked("x", "t", "count", ["a"], groups)
    assert [each.name for each in chart.series] == ["g19", "g18", "g17", "g16", "g15", "g14", OTHERS]
    assert sum(each.values[0] for each in chart.series) == sum(range(1, 21))
    assert chart.series[-1].color == GROUPS


@pytest.mark.parametrize("value", [0, 1, 3, 7, 11, 99, 100, 101, 10**9 + 1, 123_456_789_012])
def test_scales(value: int) -> None:
    """A scale holds its figures, is not ten times too large, and its half is whole."""
    found = ceiling(value)
    assert value <= found <= max(10, 3 * value)
    assert found % 2 == 0


@pytest.mark.parametrize(
    ("asked", "columns", "first", "last"),
    [
        ({"named": "24h"}, 24, "11-07 14:00", "11-08 13:00"),
        ({"named": "7d"}, 7, "2025-11-02", "2025-11-08"),
        ({"named": "30d", "per": "week"}, 5, "2025-10-06", "2025-11-03"),
        ({"named": "365d", "per": "month"}, 13, "2024-11", "2025-11"),
        ({"since": "2025-11-01", "until": "2025-11-03"}, 3, "2025-11-01", "2025-11-03"),
        ({"since": "2025-11-07", "until": "2025-11-08", "per": "hour"}, 48, "11-07 00:00", "11-08 23:00"),
        ({"named": "24h", "per": "day"}, 1, "2025-11-08", "2025-11-08"),
    ],
)
def test_periods(asked: dict[str, str], columns: int, first: str, last: str) -> None:
    """Each column begins where the one before ends."""
    period = period_of(NOW_MS, **asked)
    starts = period.starts
    assert (len(starts), period.label(starts[0]), period.label(starts[-1])) == (columns, first, last)
    assert all(period.start_of(each) == each for each in starts)
    assert starts[0] <= period.from_ms < period.until_ms


@pytest.mark.parametrize("asked", [{"named": "1y"}, {"per": "x"}, {"since": "x"}, {"named": "30d", "per": "hour"}])
def test_no_periods(asked: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        period_of(NOW_MS, **asked)
