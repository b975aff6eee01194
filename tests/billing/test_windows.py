"""The windows of a key's limit: pure arithmetic on days, against the calendar of Python's datetime."""

from datetime import date, timedelta

from tollway.billing.ledger import day_of_month, window_end, window_start
from tollway.domain.identity import LimitReset

EPOCH = date(1970, 1, 1)


def days() -> range:
    """Every day from 1900 to 2170."""
    return range((date(1900, 1, 1) - EPOCH).days, (date(2170, 1, 1) - EPOCH).days)


def test_every_window_of_270_years() -> None:
    """Days, weeks from Monday and months start where the calendar says, leap years and 2100 (none) too."""
    for day in days():
        day_date = EPOCH + timedelta(days=day)
        assert day_of_month(day) == day_date.day
        assert window_start(LimitReset.DAILY, day) == day
        assert window_start(LimitReset.WEEKLY, day) == day - day_date.weekday()
        assert window_start(LimitReset.MONTHLY, day) == (day_date.replace(day=1) - EPOCH).days
        assert window_start(None, day) == 0
        month = day_date.replace(day=1)
        following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        assert window_end(LimitReset.DAILY, day) == day + 1
        assert window_end(LimitReset.WEEKLY, day) == day - day_date.weekday() + 7
        assert window_end(LimitReset.MONTHLY, day) == (following - EPOCH).days
