"""An endpoint whose provider has several keys: each one's pauses and load, and which of them is taken next.

Keys are numbered from 1, as the configuration has them; 0 stands for an endpoint that has only one. A 429 and a refused
key concern the key and not the endpoint, which is unwell only while none of its keys can be used.
"""

from collections.abc import Callable, Collection, Sequence

from tollway.domain.health import RATE_LIMITED, SUCCEEDED, Outcome
from tollway.routing.breaker import Breaker
from tollway.routing.concurrency import FULL, FULL_RANK, Load

OF_A_KEY = frozenset({RATE_LIMITED, Outcome.CREDENTIAL_REJECTED})
"""What another key of the same endpoint may be spared."""


def label(key: int) -> str:
    """What people are told of a key: never the key."""
    return f"key {key}" if key else ""


class KeyHealth:
    """One key, at one endpoint: a provider may limit each model by itself."""

    __slots__ = ("breaker", "load")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.load = Load()

    def is_well(self, now_s: float) -> bool:
        """Neither paused, nor waiting to be probed, nor full."""
        return not self.breaker.until_s and not self.load.is_full(now_s)

    def why_not(self, now_s: float) -> str | None:
        """Why it is avoided just now. None also where its pause is over, and somebody may try it."""
        if now_s < self.breaker.until_s:
            return self.breaker.why
        return self.load.why_full(now_s)

    def worse(self, now_s: float) -> tuple[bool, float, float]:
        """To compare keys none of which is well: the least is the least bad."""
        return now_s < self.breaker.until_s, self.breaker.rank, self.breaker.until_s


class Keyring(Load):
    """An endpoint's load where it has several keys: full means that none of them can be used."""

    __slots__ = ("keys",)

    def __init__(self, count: int, under_way: int = 0) -> None:
        super().__init__()
        self.under_way = under_way
        self.keys = [KeyHealth() for _ in range(count)]

    def choose(self, now_s: float, dice: Callable[[], float], tried: Collection[int] = ()) -> int:
        """The key for the next request: one that is to be probed, else the less busy of two that are well.

        Where none is well, the least bad: the endpoint was asked for want of better ones. `tried` are those that failed
        this request; they are taken only where there are no others.
        """
        numbers = [number for number in range(1, len(self.keys) + 1) if number not in tried]
        well: list[int] = []
        for number in numbers:
            key = self.keys[number - 1]
            if key.is_well(now_s):
                well.append(number)
            elif key.breaker.until_s and key.breaker.lets_through(now_s):
                return number
        if not well:
            return min(numbers or range(1, len(self.keys) + 1), key=lambda number: self.keys[number - 1].worse(now_s))
        if len(well) == 1:
            return well[0]
        one = well.pop(int(dice() * len(well)))
        other = well[int(dice() * len(well))]
        return min((one, other), key=lambda number: self._busy(number, now_s))

    def has_other(self, now_s: float, tried: Collection[int]) -> bool:
        """Whether a request that these keys have failed may be tried with another one."""
        return any(number not in tried and key.why_not(now_s) is None for number, key in enumerate(self.keys, 1))

    def told(self, now_s: float) -> Sequence[tuple[str, str | None]]:
        """Each key's label, and why it is avoided just now."""
        return [(label(number), key.why_not(now_s)) for number, key in enumerate(self.keys, 1)]

    def begin(self, number: int, now_s: float) -> None:
        """An attempt with this key begins."""
        key = self.keys[number - 1]
        key.load.under_way += 1
        if key.breaker.until_s:
            key.breaker.sent(now_s)

    def abandon(self, number: int) -> None:
        """It has ended, and taught nothing."""
        key = self.keys[number - 1]
        key.load.under_way -= 1
        key.breaker.probe_until_s = 0.0

    def heard(self, number: int, began_s: float) -> None:
        """Its answer has begun: the key is good."""
        breaker = self.keys[number - 1].breaker
        if not breaker.is_stale(began_s):
            breaker.heard()

    def observe(
        self,
        number: int,
        outcome: Outcome,
        now_s: float,
        began_s: float | None,
        about: tuple[float | None, float | None, float],
    ) -> None:
        """What became of an attempt with this key. `about`: the 429's hint, the time to the first token, dice."""
        retry_after_s, first_s, dice = about
        key = self.keys[number - 1]
        stale = key.breaker.is_stale(began_s)
        key.load.end(outcome, now_s, first_s)
        if outcome is RATE_LIMITED:
            key.breaker.rate_limited(retry_after_s, now_s, dice)
        elif not stale:
            key.breaker.probe_until_s = 0.0
            if outcome is SUCCEEDED:
                key.breaker.succeeded()

    def end(self, outcome: Outcome, now_s: float, first_s: float | None = None) -> None:
        """Limits and times are the keys' own."""
        self.under_way = max(0, self.under_way - 1)

    def is_full(self, now_s: float) -> bool:
        return all(key.why_not(now_s) is not None for key in self.keys)

    def why_full(self, now_s: float) -> str | None:
        return self._why(now_s) if self.is_full(now_s) else None

    def why_down(self, now_s: float) -> str | None:
        keys = self.keys
        if any(key.is_well(now_s) for key in keys):
            return None
        if any(key.breaker.until_s and key.breaker.lets_through(now_s) for key in keys):
            return None
        return self._why(now_s)

    def rank(self, now_s: float) -> float:
        if not self.is_full(now_s):
            return 0.0
        return min(key.breaker.rank if now_s < key.breaker.until_s else FULL_RANK for key in self.keys)

    def weight(self, now_s: float) -> float:
        """The least of what the next request would wait for, with a key that is well."""
        well = [key.load.weight(now_s) for key in self.keys if key.is_well(now_s)]
        return min(well, default=0.0)

    def _why(self, now_s: float) -> str:
        best = min(self.keys, key=lambda key: key.worse(now_s)).breaker
        return f"none of its {len(self.keys)} keys can be used: {best.why if best.until_s else FULL}"

    def _busy(self, number: int, now_s: float) -> tuple[float, int]:
        load = self.keys[number - 1].load
        return load.weight(now_s), load.under_way
