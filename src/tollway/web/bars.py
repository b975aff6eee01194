"""Small charts that the server draws as SVG paths: no script, printable, a word for who can't see them."""

from collections.abc import Sequence

from msgspec import Struct

from tollway.web.figures import percent

SLOTS = 48
HEIGHT = 16
STEP = 4
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
    known = [share for share in shares if share is not None]
    if not known:
        return None
    paths = {"good": "", "fair": "", "bad": "", "none": ""}
    for slot in range(SLOTS):
        pair = [share for share in shares[2 * slot : 2 * slot + 2] if share is not None]
        share = min(pair, default=None)
        kind = "none" if share is None else "good" if share >= GOOD else "fair" if share >= FAIR else "bad"
        height = 4 if share is None else 5 + round(9 * share)
        paths[kind] += f"M{slot * STEP + 1.5} {HEIGHT - 1}v-{height}"
    label = f"Uptime of the last day by half hours; the worst quarter of an hour had {percent(min(known))}"
    return Bars(paths["good"], paths["fair"], paths["bad"], paths["none"], label)
