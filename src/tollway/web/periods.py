"""Periods of time that a page shows, in UTC, and the hours, days, weeks or months that they are drawn in."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal

from msgspec import Struct

from tollway.domain.errors import InvalidRequest

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAYS_MAX, HOURS_MAX = 400, 72
EPOCH = date(1970, 1, 1)
DAY_LAST = 60_000
"""In 2134: dates have an end, and no page of ours gets near it."""
PERIODS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "365d": "a year"}
USUAL = "30d"
Per = Literal["hour", "day", "week", "month"]
PERS: dict[str, str] = {"hour": "hour", "day": "day", "week": "week, from Monday", "month": "month"}


class Period(Struct, frozen=True):
    """A time from one moment to another, which is not in it; whole days, or whole hours where it is drawn by them."""

    from_ms: int
    until_ms: int
    per: Per

    @property
    def starts(self) -> list[int]:
        """When each hour, day, week or month of it begins; the first one may begin before the period."""
        found = [self.start_of(self.from_ms)]
        while (following := self._after(found[-1])) < self.until_ms:
            found.append(following)
        return found

    def start_of(self, at_ms: int) -> int:
        """When the hour, day, week or month of a moment began."""
        if self.per == "hour":
            return at_ms - at_ms % HOUR_MS
        day = at_ms // DAY_MS
        if self.per == "week":
            day -= (EPOCH + timedelta(days=day)).weekday()
        elif self.per == "month":
            day -= (EPOCH + timedelta(days=day)).day - 1
        return day * DAY_MS

    def label(self, at_ms: int) -> str:
        """As people write it: "2026-11-21", "21 14:00"."""
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        if self.per == "hour":
            return at.strftime("%m-%d %H:00")
        return at.strftime("%Y-%m") if self.per == "month" else at.date().isoformat()

    def _after(self, start_ms: int) -> int:
        if self.per == "hour":
            return start_ms + HOUR_MS
        return self.start_of(start_ms + {"day": 1, "week": 7, "month": 31}[self.per] * DAY_MS)


def period_of(now_ms: int, named: str = "", since: str = "", until: str = "", per: str = "") -> Period:
    """A period of PERIODS, or from a day to another (both in it). InvalidRequest: which part is none."""
    if per not in ("", *PERS):
        raise InvalidRequest(f"per: {', '.join(PERS)}", param="per")
    if since or until:
        period = _between(since, until, now_ms)
    elif (named or USUAL) not in PERIODS:
        raise InvalidRequest(f"period: {', '.join(PERIODS)}, or days from `since` to `until`", param="period")
    elif named == "24h" and per in ("", "hour"):
        end_ms = now_ms - now_ms % HOUR_MS + HOUR_MS
        return Period(end_ms - DAY_MS, end_ms, "hour")
    else:
        days = int((named or USUAL).removesuffix("d").removesuffix("24h") or 1)
        end_ms = (now_ms // DAY_MS + 1) * DAY_MS
        period = Period(end_ms - days * DAY_MS, end_ms, "week" if days > 100 else "day")
    wanted: Per = period.per if per == "" else per  # type: ignore[assignment]  # it is one of PERS
    if wanted == "hour" and period.until_ms - period.from_ms > HOURS_MAX * HOUR_MS:
        raise InvalidRequest(f"By the hour, {HOURS_MAX // 24} days are shown at most: choose fewer days.", param="per")
    return Period(period.from_ms, period.until_ms, wanted)


def _between(since: str, until: str, now_ms: int) -> Period:
    first = day_of(since, "since") if since else None
    last = day_of(until, "until") if until else now_ms // DAY_MS
    first = last - 29 if first is None else first
    if not 0 <= last - first < DAYS_MAX:
        raise InvalidRequest(f"The last day is not before the first one, and at most {DAYS_MAX} days are shown.")
    days = last - first + 1
    return Period(first * DAY_MS, (last + 1) * DAY_MS, "week" if days > 100 else "day")


def day_of(text: str, name: str) -> int:
    """A day as 2026-11-21, since 1970. InvalidRequest: it is none."""
    try:
        found = (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        found = -1
    if not 0 <= found <= DAY_LAST:
        raise InvalidRequest(f"{name}: a day such as 2026-11-21, not {text[:40]!r}", param=name)
    return found
