"""A function's arguments that come in pieces, each with the place that it belongs to (streamFunctionCallArguments)."""

import re
from itertools import pairwise
from typing import Any

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]")
STEPS_MAX = 64
LIST_MAX = 1000


class PartialArgs:
    """`{"jsonPath": "$.city", "stringValue": "Bos"}`, piece after piece -> the whole object."""

    def __init__(self) -> None:
        self.whole: dict[str, Any] = {}

    def add(self, pieces: Any) -> None:
        """A string that comes again grows; any other value is replaced. What has no place is passed over."""
        for piece in pieces if isinstance(pieces, list) else ():
            steps = _steps(piece.get("jsonPath")) if isinstance(piece, dict) else []
            for name in ("stringValue", "numberValue", "boolValue", "nullValue"):
                if steps and name in piece:
                    self._put(steps, None if name == "nullValue" else piece[name])

    def _put(self, steps: list[str | int], value: Any) -> None:
        place: Any = self.whole
        for step, following in pairwise(steps):
            if not _has(place, step):
                return
            kind = list if isinstance(following, int) else dict
            if not isinstance(place[step], kind):
                place[step] = kind()
            place = place[step]
        if _has(place, steps[-1]):
            before = place[steps[-1]]
            place[steps[-1]] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _has(place: Any, step: str | int) -> bool:
    """Whether a step leads into an object or a list; both are made to have something there."""
    if isinstance(place, list) and isinstance(step, int) and step < LIST_MAX:
        place.extend([None] * (step + 1 - len(place)))
        return True
    if isinstance(place, dict) and isinstance(step, str):
        place.setdefault(step, None)
        return True
    return False


def _steps(path: Any) -> list[str | int]:
    found = _STEP.findall(path[:4096])[:STEPS_MAX] if isinstance(path, str) else []
    return [int(index) if index else name or quoted for name, index, quoted in found]
