"""Small charts that the server draws as SVG paths: no script, printable, a word for who can't see them."""

from collections.abc import Sequence

from msgspec import Struct

from tollway.web.figures import percent

SLOTS, HOURS = 48, 24
HEIGHT = 16
STEP, HOUR_STEP = 4, 3
"""Pixels from one bar to the next."""
GOOD, FAIR = 0.995, 0.95


class Bars(Struct, frozen=True):
    """Bars as paths, by how good what they stand for was."""

    good: str
    fair: str
    bad: str
    none: str
    """Of times in which nobody asked."""
    label: str
    width: int = SLOTS * STEP
    height: int = HEIGHT


def day_bars(shares: Sequence[float | None]) -> Bars | None:
    """Uptime by quarter of an hour -> a bar for each half hour. None: nothing was asked in that day."""
    return _bars(shares, SLOTS, STEP, "half hours")


def hour_bars(shares: Sequence[float | None]) -> Bars | None:
    """The same, smaller: a bar for each hour."""
    return _bars(shares, HOURS, HOUR_STEP, "hours")


def many_day_bars(shares: Sequence[float | None]) -> Bars | None:
    """Shares of requests that did not fail, by day -> a bar for each. None: nothing was asked in that time."""
    known = [share for share in shares if share is not None]
    if not known:
        return None
    label = f"{len(shares)} days; on the worst of them {percent(min(known))} of requests did not fail"
    return _drawn(shares, len(shares), HOUR_STEP, label)


def _bars(shares: Sequence[float | None], slots: int, step: int, words: str) -> Bars | None:
    known = [share for share in shares if share is not None]
    if not known:
        return None
    return _drawn(
        shares,
        slots,
        step,
        f"Uptime of the last day by {words}; the worst quarter of an hour had {percent(min(known))}",
    )


def _drawn(shares: Sequence[float | None], slots: int, step: int, label: str) -> Bars:
    wide = len(shares) // slots
    paths = {"good": "", "fair": "", "bad": "", "none": ""}
    for slot in range(slots):
        share = min((each for each in shares[wide * slot : wide * (slot + 1)] if each is not None), default=None)
        kind = "none" if share is None else "good" if share >= GOOD else "fair" if share >= FAIR else "bad"
        height = 4 if share is None else 5 + round(9 * share)
        paths[kind] += f"M{slot * step + 1.5} {HEIGHT - 1}v-{height}"
    return Bars(paths["good"], paths["fair"], paths["bad"], paths["none"], label, slots * step)
