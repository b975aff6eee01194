"""Stacked bars over time, drawn by the server as SVG paths; the same figures as a table, which scripts read too."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from tollway.domain.money import NANO
from tollway.web.figures import amount, tokens_short

WIDTH, HEIGHT = 720, 168
GROUPS = 6
"""Those with a colour of their own; what is left is drawn as one."""
OTHERS = "others"
BAD = GROUPS + 1
Kind = Literal["money", "count"]


class Series(Struct, frozen=True):
    """One group: its share of each column, and all bars of it as one path."""

    name: str
    values: tuple[int, ...]
    texts: tuple[str, ...]
    path: str
    color: int
    """From 0; GROUPS is that of the others, BAD of what went wrong."""


class Chart(Struct, frozen=True):
    """What the macro `chart` shows."""

    id: str
    title: str
    kind: Kind
    columns: tuple[str, ...]
    series: tuple[Series, ...]
    totals: tuple[str, ...]
    """Of each column."""
    ticks: tuple[str, str, str]
    """The scale: its end, its middle, nothing."""
    summary: str
    """For who can't see it."""
    csv: str = ""
    """Where the figures are, below the site's root."""
    width: int = WIDTH
    height: int = HEIGHT


def stacked(
    id_: str,
    title: str,
    kind: Kind,
    columns: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    csv: str = "",
    bad: str = "",
) -> Chart:
    """`groups`: by name, a value for each column. The largest groups stand below, each with its colour.

    `bad`: the group that is drawn as what went wrong.
    """
    order = sorted(groups, key=lambda name: (-sum(groups[name]), name))
    shown = [(name, list(groups[name])) for name in order[: GROUPS if len(order) > GROUPS + 1 else GROUPS + 1]]
    rest = [groups[name] for name in order[len(shown) :]]
    if rest:
        shown.append((OTHERS, [sum(column) for column in zip(*rest, strict=True)]))
    totals = [sum(values[at] for _, values in shown) for at in range(len(columns))]
    scale = ceiling(max(totals, default=0))
    below = [0] * len(columns)
    series = []
    for color, (name, values) in enumerate(shown):
        path = _bars(below, values, scale)
        below = [one + other for one, other in zip(below, values, strict=True)]
        texts = tuple(text(value, kind) for value in values)
        series.append(Series(name, tuple(values), texts, path, BAD if name == bad else min(color, GROUPS)))
    high = max(totals, default=0)
    at = columns[totals.index(high)] if high else ""
    summary = f"{title}: {text(sum(totals), kind)} in all" + (
        f", the most with {text(high, kind)} on {at}" if at else ""
    )
    ticks = (text(scale, kind, short=True), text(scale // 2, kind, short=True), "0")
    return Chart(
        id_, title, kind, tuple(columns), tuple(series), tuple(text(each, kind) for each in totals), ticks, summary, csv
    )


def text(value: int, kind: Kind, *, short: bool = False) -> str:
    """A value in its unit: nanodollars exactly, counts with commas; shortly beside the scale."""
    if kind == "money":
        return _money_short(value) if short else amount(value)
    return tokens_short(value) if short else f"{value:,}"


def ceiling(value: int) -> int:
    """The end of a scale for it: 1, 2 or 5 times a power of ten, and even, so that its half is a figure too."""
    step = 2
    while step < value:
        digits = str(step)
        step = step * 5 // 2 if digits[0] == "2" else step * 2
    return 10 if step == 5 else step


def _bars(below: Sequence[int], values: Sequence[int], scale: int) -> str:
    step = WIDTH / max(1, len(values))
    wide = f"{step * 0.74:.2f}".rstrip("0").rstrip(".")
    found = []
    for at, (under, value) in enumerate(zip(below, values, strict=True)):
        if value > 0:
            high = max(value * HEIGHT / scale, 0.75)
            left = f"{at * step + step * 0.13:.2f}".rstrip("0").rstrip(".")
            top = HEIGHT - under * HEIGHT / scale - high
            found.append(f"M{left} {top:.2f}h{wide}v{high:.2f}h-{wide}z")
    return "".join(found)


def _money_short(value: int) -> str:
    """Three digits are enough for a scale: "$2.50", "$0.0005"."""
    usd = value / NANO
    return f"${usd:,.2f}" if usd >= 0.1 or not value else f"${usd:.9f}".rstrip("0")
