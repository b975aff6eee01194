"""What goes wrong, decided and written down as steps: in place of an answer, inside one, and in its framing."""

import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random

import msgspec
from msgspec import Struct

from tollway.simulator import hints
from tollway.simulator.behaviour import INSTEAD, Behaviour
from tollway.simulator.formats import openai_shapes
from tollway.simulator.formats.base import Format, Frame, Kind, Refused, Write
from tollway.simulator.stats import Record
from tollway.simulator.steps import Act, Pause, Raw, Reply, Step

_KINDS_DEFAULT = ("500", "502", "503", "429", "reset")
_AFTER_DEFAULT = 2
_MESSAGES = {
    400: "This request was refused because the simulator was told to.",
    401: "Incorrect API key provided. This is a simulated error.",
    402: "You exceeded your current quota. This is a simulated error.",
    403: "You are not allowed to sample from this model. This is a simulated error.",
    404: "The model does not exist or you do not have access to it. This is a simulated error.",
    429: "Rate limit reached. This is a simulated error.",
    503: "The engine is currently overloaded. This is a simulated error.",
    529: "Overloaded. This is a simulated error.",
}
_PAGE = b"""<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>simulated-proxy</center></body></html>
"""
JSON = (("content-type", "application/json"),)
_HTML = (("content-type", "text/html; charset=utf-8"),)


class Fate(Struct, frozen=True):
    """What was decided for a request: a word for what comes in place of the answer, or for what happens inside it."""

    instead: str = ""
    then: str = ""
    after: int = 0


FINE = Fate()


def draw(behaviour: Behaviour, dice: Callable[[], Random], reused: bool) -> Fate:
    """Decides whether and how a request fails. Dice are thrown only where there is chance."""
    told = bool(
        behaviour.fail or behaviour.then or behaviour.fail_kinds or behaviour.fail_rate or behaviour.at_byte is not None
    )
    if not told or (behaviour.reused and not reused):
        return FINE
    if behaviour.fail_rate is not None and dice().random() >= behaviour.fail_rate:
        return FINE
    after = behaviour.after or 0
    kinds = behaviour.fail_kinds
    if not kinds and not behaviour.fail and not behaviour.then and behaviour.at_byte is None:
        kinds = _KINDS_DEFAULT
    if kinds:
        kind = dice().choice(kinds)
        if kind.isdigit() or kind in INSTEAD:
            return Fate(instead=kind)
        return Fate(then=kind, after=_AFTER_DEFAULT if behaviour.after is None else after)
    if behaviour.fail and (behaviour.after is None or not behaviour.fail.isdigit()):
        return Fate(instead=behaviour.fail)
    then = behaviour.then or ("error_event" if behaviour.fail else "truncate")
    return Fate(then=then, after=after)


def error_status(behaviour: Behaviour) -> int:
    """The status that an error inside an answer speaks of."""
    return int(behaviour.fail) if behaviour.fail.isdigit() else 500


def refused(format_: Format, why: Refused, behaviour: Behaviour, now_s: float) -> Reply:
    """An HTTP error in the format's shape."""
    said = hints.say(behaviour.hint, behaviour.hint_s, now_s)
    body = msgspec.json.encode(format_.refusal(why, said))
    headers = JSON + format_.refusal_headers(why) + said.headers
    return Reply(why.status, body, headers, keep_alive=behaviour.keep_alive)


def told_to_refuse(status: int, said: str = "") -> Refused:
    """The error of a status that the simulator was told to answer with, in these words or its own."""
    return Refused(status, said or _MESSAGES.get(status, f"The simulator was told to answer with status {status}."))


def in_place(
    kind: str,
    format_: Format,
    behaviour: Behaviour,
    write: Write | None,
    headers: tuple[tuple[str, str], ...],
    now_s: float,
) -> Reply:
    """What comes instead of an answer. `write`: how a stream is framed, if one was asked for; `headers`: a good
    answer's."""
    if kind.isdigit():
        return refused(format_, told_to_refuse(int(kind), behaviour.said), behaviour, now_s)
    match kind:
        case "reset":
            return Reply(0, b"", before=(Act.RESET,))
        case "eof":
            return Reply(0, b"", before=(Act.HANG_UP,))
        case "stall":
            return Reply(0, b"", before=(Act.STALL,))
        case "malformed":
            return Reply(0, b"", before=(Raw(b"\x00\xffHTTQ/9.9 simulated nonsense\r\n\r\n"), Act.HANG_UP))
        case "html":
            return Reply(502, _PAGE, _HTML)
        case "html200":
            return Reply(200, _PAGE, _HTML)
        case "empty":
            return Reply(200, b"", headers)
        case "redirect":
            return Reply(307, b"", (("location", "/v1/redirected"),))
        case "bomb":
            return Reply(200, _bomb(min(behaviour.bomb_mb, 4096)), (*JSON, ("content-encoding", "gzip")))
        case _:
            if write is None:
                return Reply(200, error_body(format_, behaviour, now_s), headers)
            return Reply(200, b"".join(map(write, error_frames(format_, behaviour, 0, now_s))), headers)


def error_frames(format_: Format, behaviour: Behaviour, sent: int, now_s: float) -> tuple[Frame, ...]:
    """An error inside a stream, after so many frames: in the format's own shape, or in one of FAULTS.md U-22."""
    if behaviour.error_as == "native":
        said = hints.say(behaviour.hint, behaviour.hint_s, now_s)
        return format_.failure(told_to_refuse(error_status(behaviour), behaviour.said), said, sent)
    body = error_body(format_, behaviour, now_s)
    named = "error" if behaviour.error_as in ("event", "anthropic") else ""
    ending = (Frame(Kind.DONE, b"[DONE]"),) if behaviour.error_as == "vllm" else ()
    return (Frame(Kind.ERROR, body, 0, named), *ending)


def error_body(format_: Format, behaviour: Behaviour, now_s: float) -> bytes:
    """The JSON of an error where an answer should be."""
    status = error_status(behaviour)
    why = told_to_refuse(status, behaviour.said)
    said = hints.say(behaviour.hint, behaviour.hint_s, now_s)
    body: dict[str, object]
    match behaviour.error_as:
        case "native" | "event":
            body = format_.refusal(why, said)
        case "openai":
            body = openai_shapes.refusal(why, said)
        case "anthropic":
            kind = "overloaded_error" if status in (503, 529) else "rate_limit_error" if status == 429 else "api_error"
            body = {"type": "error", "error": {"type": kind, "message": why.message}}
        case _:
            body = {"object": "error", "message": why.message, "type": "InternalServerError", "param": None}
            body["code"] = status
    return msgspec.json.encode(body)


def inside_stream(
    then: str, frame: Frame, sent: int, write: Write, format_: Format, behaviour: Behaviour, now_s: float
) -> tuple[tuple[Step, ...], bool]:
    """What happens in a stream where `frame` should come next, after `sent` others; and whether it goes on after it."""
    match then:
        case "reset":
            return (Act.RESET,), False
        case "eof":
            return (Act.HANG_UP,), False
        case "end":
            return (), False
        case "truncate":
            event = write(frame)
            return (event[: len(event) // 2], Act.HANG_UP), False
        case "truncate_json":
            return (write(msgspec.structs.replace(frame, data=frame.data[: len(frame.data) // 2])),), False
        case "stall":
            return ((Pause(behaviour.stall_s),), True) if behaviour.stall_s else ((Act.STALL,), False)
        case "error_event":
            return tuple(map(write, error_frames(format_, behaviour, sent, now_s))), False
        case "malformed":
            broken = Frame(Kind.CONTENT, b'{"id": "broken", "choices": [{', 0, frame.event)
            return (write(broken),) * behaviour.malformed, True
        case "html":
            return (_PAGE,), False
        case "utf8":
            return (write(msgspec.structs.replace(frame, data=not_utf8(frame.data, format_.text_field))),), True
        case _:
            return (Raw(b"not-a-size\r\n" + write(frame) + b"\r\n"), Act.HANG_UP), False


def inside_body(then: str, body: bytes, format_: Format, behaviour: Behaviour, now_s: float) -> tuple[Reply, bool]:
    """An answer that is not streamed, broken in its middle or at the byte that was told; and whether that fails it."""
    at = len(body) // 2 if behaviour.at_byte is None else behaviour.at_byte
    first, rest = body[:at], body[at:]
    match then:
        case "reset":
            return Reply(200, iter((first, Act.RESET)), JSON, len(body)), True
        case "eof" | "truncate":
            return Reply(200, iter((first, Act.HANG_UP)), JSON, len(body)), True
        case "end" | "truncate_json":
            return Reply(200, first, JSON), True
        case "stall" if behaviour.stall_s:
            return Reply(200, iter((first, Pause(behaviour.stall_s), rest)), JSON, len(body)), False
        case "stall":
            return Reply(200, iter((first, Act.STALL)), JSON, len(body)), True
        case "error_event":
            return Reply(200, error_body(format_, behaviour, now_s), JSON), True
        case "malformed":
            return Reply(200, b'{"broken": ' + body[:-1], JSON), True
        case "html":
            return Reply(200, _PAGE, _HTML), True
        case "utf8":
            return Reply(200, not_utf8(body, text_field_whole(format_)), JSON), False
        case _:
            return Reply(200, iter((first, Raw(b"not-a-size\r\n"), Act.HANG_UP)), JSON), True


def text_field_whole(format_: Format) -> bytes:
    """What stands before the text of an answer that is not streamed."""
    return format_.text_field_whole or format_.text_field


def not_utf8(data: bytes, text_field: bytes) -> bytes:
    """The same JSON with bytes at the start of its text that no UTF-8 holds."""
    return data.replace(text_field, text_field + b"\xff\xc3(", 1)


def cut_at(steps: Iterator[Step], at_byte: int, then: str, record: Record) -> Iterator[Step]:
    """A body that breaks off after exactly `at_byte` bytes."""
    left = at_byte
    for step in steps:
        if isinstance(step, bytes):
            if len(step) >= left:
                if left:
                    yield step[:left]
                record.outcome = "failed"
                yield {"reset": Act.RESET, "stall": Act.STALL}.get(then, Act.HANG_UP)
                return
            left -= len(step)
        yield step


def split(steps: Iterator[Step], size: int) -> Iterator[Step]:
    """The same bytes in pieces of `size`, each in a turn of the loop of its own, so that each leaves as a write."""
    for step in steps:
        if not isinstance(step, bytes):
            yield step
            continue
        for at in range(0, len(step), size):
            yield step[at : at + size]
            yield Pause(0)


def gzipped(steps: Iterator[Step]) -> Iterator[Step]:
    """The same body, gzip-encoded, flushed at each step."""
    squeeze = zlib.compressobj(wbits=31)
    for step in steps:
        yield squeeze.compress(step) + squeeze.flush(zlib.Z_SYNC_FLUSH) if isinstance(step, bytes) else step
    yield squeeze.flush()


def huge_line(data: bytes, text_field: bytes, megabytes: float) -> Iterator[bytes]:
    """JSON whose first text is `megabytes` long, in pieces: it is never in memory as a whole."""
    before, mark, after = data.partition(text_field)
    yield before + mark
    blocks, rest = divmod(int(megabytes * 1_000_000), 65_536)
    for _ in range(blocks):
        yield b"x" * 65_536
    if rest:
        yield b"x" * rest
    if after:
        yield after


@lru_cache(maxsize=4)
def _bomb(megabytes: int) -> bytes:
    """A small gzip body that inflates to so many megabytes of JSON."""
    squeeze = zlib.compressobj(1, wbits=31)
    block = b" " * 1_000_000
    return b"".join(
        [
            squeeze.compress(b'{"id":'),
            *(squeeze.compress(block) for _ in range(megabytes)),
            squeeze.compress(b"1}"),
            squeeze.flush(),
        ]
    )
