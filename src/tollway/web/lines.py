"""Lines over time, drawn by the server as SVG paths, with the same figures as a table, which scripts read too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

WIDTH, HEIGHT = 720, 168
LINES_MAX = 6
"""As many as have a colour of their own."""
Unit = Literal["", "s", "%", "$"]
"""What the scale of the script's drawing says; a share is shown as a percentage."""


class Line(Struct, frozen=True):
    """One group; None where nothing was measured."""

    name: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]
    path: str
    dots: str
    """Values without a neighbour."""
    color: int


class Lines(Struct, frozen=True):
    """What the macro `lines` shows."""

    id: str
    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    ticks: tuple[str, str, str]
    """The scale: its end, its middle, nothing."""
    summary: str
    unit: Unit
    steps: bool
    width: int = WIDTH
    height: int = HEIGHT


def lines(
    id_: str,
    title: str,
    columns: Sequence[str],
    groups: Mapping[str, Sequence[float | None]],
    text: Callable[[float | None], str],
    *,
    unit: Unit = "",
    steps: bool = False,
) -> Lines | None:
    """`groups`: by name, a value of 0 or more for each column; the first LINES_MAX are drawn. None: there is no value.

    `steps`: a value holds until the next one, as prices do.
    """
    shown = list(groups.items())[:LINES_MAX]
    known = [value for _, values in shown for value in values if value is not None]
    if not known:
        return None
    top = scale(max(known))
    drawn = tuple(
        Line(name, tuple(values), tuple(text(value) for value in values), *_paths(values, top, steps=steps), color)
        for color, (name, values) in enumerate(shown)
    )
    summary = f"{title}: from {text(min(known))} to {text(max(known))}"
    return Lines(id_, title, tuple(columns), drawn, (text(top), text(top / 2), "0"), summary, unit, steps)


def scale(value: float) -> float:
    """The end of a scale for it: 1, 2 or 5 times a power of ten."""
    step = 1e-9
    while step < value:
        for factor in (2, 5, 10):
            if step * factor >= value:
                return step * factor
        step *= 10
    return step


def _paths(values: Sequence[float | None], top: float, *, steps: bool) -> tuple[str, str]:
    """Points joined where they are neighbours, and those that stand alone."""
    wide = WIDTH / max(1, len(values) - 1)
    path, dots = [], []
    padded = [None, *values, None]
    for at, (before, value, after) in enumerate(zip(padded, values, padded[2:], strict=False)):
        if value is None:
            continue
        left, high = f"{at * wide:.1f}", f"{HEIGHT - value * (HEIGHT - 2) / top:.1f}"
        if before is not None:
            path.append(f"H{left}V{high}" if steps else f"L{left} {high}")
        elif after is not None:
            path.append(f"M{left} {high}")
        else:
            dots.append(f"M{left} {high}h0.01")
    return "".join(path), "".join(dots)
