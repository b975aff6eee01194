"""How long credits last, at the pace at which they were used lately."""

from collections.abc import Mapping

from msgspec import Struct

from tollway.domain.money import Nanodollars

DAYS = 7
"""The pace is that of so many days, this one among them."""
DAY_MS = 86_400_000
FAR_MS = 365 * DAY_MS


class Pace(Struct, frozen=True):
    """What goes in a day, and when nothing is left."""

    a_day: Nanodollars
    until_ms: int | None
    """None: in more than a year, which nobody knows."""


def pace_of(spent: Mapping[int, Nanodollars], balance: Nanodollars, now_ms: int) -> Pace | None:
    """`spent`: by day (since 1970), of the last DAYS. None: nothing was used, or nothing is left.

    Time counts from the first of the days on which something was used, and as one day at least: somebody who began
    yesterday has not saved for five days.
    """
    used = {day: amount for day, amount in spent.items() if amount > 0}
    if not used or balance <= 0:
        return None
    passed_ms, total = max(DAY_MS, now_ms - min(used) * DAY_MS), sum(used.values())
    left_ms = balance * passed_ms // total
    return Pace(total * DAY_MS // passed_ms, now_ms + left_ms if left_ms <= FAR_MS else None)
