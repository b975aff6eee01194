"""The process that reads answers by callers' schemas: apart, for a bounded time, as a schema may ask for ages of work.

Frames of a length (4 bytes, big-endian) and JSON, on stdin and stdout. A frame that takes too long ends the process.
"""

import contextlib
import resource
import signal
import sys
from typing import Any, BinaryIO

import msgspec

from tollway.domain.errors import InvalidRequest
from tollway.wire.extraction import read, validator_of

CPU_S = 2.0
MEMORY_BYTES = 2**30
LENGTH_BYTES = 4


def main() -> None:
    """Answers frame by frame, until there are no more."""
    with contextlib.suppress(ValueError, OSError):  # some systems know no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while (asked := _take(sys.stdin.buffer)) is not None:
        # Nobody handles the signal, so that it ends the process, also inside a library.
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
        reply = msgspec.json.encode(_answer(msgspec.json.decode(asked)))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.stdout.buffer.write(len(reply).to_bytes(LENGTH_BYTES, "big") + reply)
        sys.stdout.buffer.flush()


def _take(pipe: BinaryIO) -> bytes | None:
    length = pipe.read(LENGTH_BYTES)
    return pipe.read(int.from_bytes(length, "big")) if len(length) == LENGTH_BYTES else None


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        validator = validator_of(asked["schema"])
    except InvalidRequest as error:
        return {"refused": error.message}
    if asked["answer"] is None:
        return {}
    output, faults = read(asked["answer"], validator)
    return {"output": output, "faults": faults}


if __name__ == "__main__":
    main()
