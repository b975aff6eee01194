"""How deep a JSON text nests, found at C speed and in linear time, before anything decodes it."""

import re
from itertools import accumulate

NESTING_MAX = 64
BRACKETS_MAX = 500_000
"""Objects and arrays in one body. 10,000 messages and 512 large tools have fewer than that."""
SHORT_BYTES = 32_768
"""So short a body is copied to count its brackets."""

_OTHER_BYTES = bytes(set(range(256)) - set(b'"[]{}'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_RUNS = re.compile(rb"\[++|\]++")
_ROUNDS = 6


def why_too_nested(body: bytes) -> str | None:
    """Why `body` is refused, as a sentence's end, or None. What is not JSON at all is left to the decoder.

    Brackets inside strings do not count (FAULTS.md C-3). Every step is a pass in C, and the number of steps is fixed,
    so that hostile input costs what its length costs.
    """
    if _has_few_brackets(body):
        return None
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side open and close nothing that matters: without them only strings with brackets are left.
    brackets = body.translate(None, _OTHER_BYTES).replace(b'""', b"")
    if brackets.count(b'"') > 2 * BRACKETS_MAX:
        return f"holds more than {BRACKETS_MAX} strings with brackets in them"
    # What is left between quotes is, turn by turn, outside a string and inside one; a string may end with the body.
    brackets = b"".join(brackets.split(b'"')[::2]).translate(_ONE_KIND)
    if brackets.count(b"[") > BRACKETS_MAX:
        return f"holds more than {BRACKETS_MAX} objects and arrays"
    return f"nests deeper than {NESTING_MAX} levels" if _depth_passes(brackets) else None


def _has_few_brackets(body: bytes) -> bool:
    """Whether so few open that they can't nest too deep: most bodies are words, which `find` passes over fastest.

    So does `replace`, in one call for all of them, where the body is not too long to be copied; `count` does not.
    """
    most = NESTING_MAX + 1
    if len(body) <= SHORT_BYTES:
        return len(body) - len(body.replace(b"[", b"", most).replace(b"{", b"", most)) < most
    left = NESTING_MAX
    for bracket in (b"[", b"{"):
        at = body.find(bracket)
        while at >= 0 and left >= 0:
            left -= 1
            at = body.find(bracket, at + 1)
    return left >= 0


def _depth_passes(brackets: bytes) -> bool:
    """Whether `[` and `]` nest deeper than NESTING_MAX."""
    limit = NESTING_MAX
    for _ in range(_ROUNDS):
        if len(brackets) <= limit:  # Each level needs at least its opening bracket.
            return False
        if b"[" * (limit + 1) in brackets:
            return True
        # Taking out every innermost pair lowers the depth by one wherever anything was nested.
        inner = brackets.replace(b"[]", b"")
        if inner == brackets:
            break
        brackets, limit = inner, limit - 1
    steps = (len(run) if run[:1] == b"[" else -len(run) for run in _RUNS.findall(brackets))
    return max(accumulate(steps), default=0) > limit
