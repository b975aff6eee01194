"""Whether a provider's token counts stand to ours as they used to: an endpoint's own ratio, by its medians (U-34).

Tokenizers differ, so that no ratio is right by itself; a ratio that changes is what an operator must see.
"""

from collections import deque
from math import sqrt
from statistics import median

FLAG_FACTOR, FLAG_TOKENS = 1.25, 64
"""FAULTS.md U-34: a count above so many times ours and so many tokens is flagged."""
DRIFT = 0.03
"""The same row: a change by more is an alarm."""
WILD = 2.0
"""No honest tokenizer makes twice as many tokens of a text as ours."""
RECENT, BASE, BASE_MIN = 25, 200, 50
"""Answers that are compared with those before them."""
NOISE = 4.0
"""Standard errors of the recent median by which a change must exceed what chance makes of it."""
_SIGMA_OF_MAD, _ERROR_OF_MEDIAN = 1.4826, 1.2533
"""Of a normal distribution: its deviation by the median absolute one, and the median's error by the mean's."""


class Ratios:
    """One endpoint's reported tokens by ours, for prompts or for answers."""

    __slots__ = ("_base", "_recent")

    def __init__(self) -> None:
        self._base: deque[float] = deque(maxlen=BASE)
        self._recent: deque[float] = deque(maxlen=RECENT)

    @property
    def usual(self) -> float:
        """What is usual there; 1.0 while nothing is known."""
        return median(self._base or self._recent or (1.0,))

    def is_excess(self, reported: int, counted: int) -> bool:
        """Whether a single count is far above ours, and above what is usual there."""
        return reported > FLAG_FACTOR * max(1.0, min(self.usual, WILD)) * counted + FLAG_TOKENS

    def add(self, reported: int, counted: int) -> None:
        """One answer more. What is usual learns nothing from a change while it is one."""
        if len(self._recent) == RECENT and self.drift() is None:
            self._base.append(self._recent[0])
        self._recent.append(reported / counted)

    def drift(self) -> float | None:
        """By which part the recent counts differ from the usual ones, if by more than the bound and than chance."""
        if len(self._recent) < RECENT:
            return None
        recent = median(self._recent)
        if recent > WILD:
            return recent - 1
        if len(self._base) < BASE_MIN:
            return None
        usual = median(self._base)
        spread = _SIGMA_OF_MAD * median(abs(each - usual) for each in self._base)
        noise = NOISE * _ERROR_OF_MEDIAN * spread / sqrt(RECENT)
        return recent / usual - 1 if abs(recent - usual) > max(DRIFT * usual, noise) else None
