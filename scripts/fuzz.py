"""Fuzzes every decoder with mutated recordings, cut anywhere: only errors of our own may come out."""

import argparse
import json
import random
import sys
import time
import traceback
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from score import CASSETTES, recordings
from score_again import ENVELOPE, FORMATS
from tollway.domain.catalog import WireFormat
from tollway.domain.errors import TollwayError
from tollway.domain.events import Answer, Event, Failed
from tollway.domain.generation import Usage
from tollway.domain.quirks import Quirks
from tollway.wire.expand import expand
from tollway.wire.formats import CLIENTS

APIS = {
    "chat_completions": WireFormat.OPENAI_CHAT,
    "responses": WireFormat.OPENAI_RESPONSES,
    "messages": WireFormat.ANTHROPIC_MESSAGES,
    "generate_content": WireFormat.GEMINI,
    "cohere_chat": "cohere_chat",
    "converse": "bedrock_converse",
}
"""`api` of a recording -> the format whose client reads it, as soon as there is one."""
PIECES = (
    b"null", b"{}", b"[]", b"[[[[[[[[", b'"', b"\\", b"\\ud800", b"\xff\xfe", b"\x00", b"NaN", b"-0", b"1e999",
    b"9" * 40, b"\r\n\r\n", b"\n\n", b"data: ", b"event: error\n", b"[DONE]", b":", b"{" * 300, b'{"a":' * 70,
    "\u2028".encode(),
)  # fmt: skip
"""What goes wrong between two machines, and what somebody might try."""
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    2**70,
    "",
    "x",
    [],
    {},
    [[]],
    {"type": "new"},
    ["x"],
    {"a": None},
    "\x00",
)
"""What may stand in a field where something else is expected."""
_QUIRKS = Quirks()


class Case:
    """One recorded exchange: what each side would read of it."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.name = f"{record['provider']} {record['case']}"
        self.api = record["api"]
        form = APIS[self.api]
        self.client = next((client for known, client in CLIENTS.items() if known == form), None)
        self.server = FORMATS[self.api].server if self.api in FORMATS else None
        self.request = record["request"].get("json")
        response = record["response"]
        self.body = response.get("json")
        self.stream = response["text"].encode() if "text" in response else b64decode(response.get("base64", ""))


def cases(folder: Path) -> list[Case]:
    """Every recording that one of our decoders reads."""
    found = [Case(record) for record in recordings(folder) if record["api"] in APIS]
    return [case for case in found if case.client is not None]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Bytes with a few faults: cut, doubled, overwritten, or with something odd put in."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((1, 1, 2, 8, 64, 512)))
        match dice.randrange(5):
            case 0:
                data = data[:start] + data[end:]
            case 1:
                data = data[:end] + data[start:end] + data[end:]
            case 2:
                data = data[:start] + dice.randbytes(end - start) + data[end:]
            case 3:
                data = data[:start] + dice.choice(PIECES) + data[start:]
            case _:
                data = data[:start]
    return data


def misshapen(value: Any, dice: random.Random) -> Any:
    """JSON in which one value, anywhere, is of another kind, missing, or under another name."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return {**value, f"new_{name}": value[name]}
            case 2:
                return {**value, name: dice.choice(ODD)}
            case _:
                return {**value, name: misshapen(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.9:
        place = dice.randrange(len(value))
        return [misshapen(item, dice) if at == place else item for at, item in enumerate(value)]
    return dice.choice(ODD)


def in_pieces(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """The same bytes, as a network might bring them."""
    start = 0
    while start < len(data):
        end = start + dice.choice((1, 3, 17, 200, 4000))
        yield data[start:end]
        start = end


def read_stream(case: Case, data: bytes, dice: random.Random) -> list[Event]:
    """A stream's events. AssertionError: how it is cut changes them, or something follows `Failed`."""
    client = case.client
    if client is None:
        return []
    decoder = client.EventDecoder()
    events = [*decoder.feed(data), *decoder.end()]
    other = client.EventDecoder()
    pieces = [event for piece in in_pieces(data, dice) for event in other.feed(piece)]
    if [*pieces, *other.end()] != events:
        raise AssertionError("other cuts gave other events")
    if any(isinstance(event, Failed) for event in events[:-1]):
        raise AssertionError("something follows Failed")
    return events


def write_everywhere(events: list[Event], answer: Answer | None) -> None:
    """What was read, written for callers of every format: whole, and streamed."""
    for form in FORMATS.values():
        usage = form.server.usage_json(Usage(), cost=0, prompt_cost=0, completion_cost=0)
        if answer is not None:
            json.loads(form.server.encode_answer(answer, **ENVELOPE, usage_json=usage))
        encoder = form.server.EventEncoder(**ENVELOPE)
        form.fold([])
        bytes(encoder.encode(events) + encoder.finish(usage))


def try_stream(case: Case, dice: random.Random) -> None:
    data = case.stream
    if data.startswith(b"data:") and dice.random() < 0.5:
        data = b"\n".join(_line(line, dice) for line in data.split(b"\n"))
    else:
        data = mutated(data, dice)
    write_everywhere(read_stream(case, data, dice), None)


def _line(line: bytes, dice: random.Random) -> bytes:
    if not line.startswith(b"data: {") or dice.random() < 0.8:
        return line
    return b"data: " + json.dumps(misshapen(json.loads(line[6:]), dice)).encode()


def try_body(case: Case, dice: random.Random) -> None:
    if case.client is None:
        return
    if dice.random() < 0.5:
        data = json.dumps(misshapen(case.body, dice)).encode()
    else:
        data = mutated(json.dumps(case.body).encode(), dice)
    case.client.decode_error(dice.choice((400, 404, 429, 500, 529)), lambda name: None, data, now_s=0.0)
    answer = case.client.decode_answer(data)
    if isinstance(answer, Answer):
        write_everywhere(expand(answer), answer)
    read_stream(case, data, dice)  # some answer a request for a stream with one body


def try_request(case: Case, dice: random.Random) -> None:
    if case.server is None:
        return
    if dice.random() < 0.7:
        data = json.dumps(misshapen(case.request, dice)).encode()
    else:
        data = mutated(json.dumps(case.request).encode(), dice)
    try:
        request = case.server.decode_request(data)
        for form, client in CLIENTS.items():
            client.encode_request(
                request,
                upstream_model="model",
                max_tokens=dice.choice((None, 1000)),
                stream=False,
                parameters=frozenset(),
                quirks=_QUIRKS,
                user_id=None,
                same_format=form == APIS[case.api],
            )
    except TollwayError:
        return  # told to the caller


def attempts(case: Case) -> list[Callable[[Case, random.Random], None]]:
    """What can be tried with a recording."""
    found: list[Callable[[Case, random.Random], None]] = []
    if case.stream:
        found.append(try_stream)
    if case.body is not None:
        found.append(try_body)
    if case.request is not None:
        found.append(try_request)
    return found


def fuzz(known: list[Case], seed: int, done: Callable[[int], bool]) -> int:
    """Tries until `done(count)`; -> how many were tried. Whatever is raised names its seed."""
    count = 0
    while not done(count):
        dice = random.Random(f"{seed}:{count}")  # noqa: S311 - dice that can be thrown again
        case = dice.choice(known)
        for attempt in attempts(case):
            try:
                attempt(case, dice)
            except Exception as error:  # whatever it is, it was not to come out
                raise AssertionError(
                    f"{attempt.__name__} of {case.name}, seed {seed}, try {count}: {error!r}"
                ) from error
        count += 1
    return count


def main() -> int:
    """Fuzz for a while. -> exit status: 0 where nothing but our own errors came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run; the default is another each time")
    parser.add_argument("--folder", type=Path, default=CASSETTES, help="where the recordings lie")
    given = parser.parse_args()
    known = cases(given.folder)
    if not known:
        print(f"no recordings in {given.folder}")
        return 2
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**9)
    end = time.monotonic() + given.seconds
    try:
        count = fuzz(known, seed, lambda _: time.monotonic() > end)
    except AssertionError:
        traceback.print_exc()
        return 1
    print(f"{count} tries with seed {seed}: nothing but errors of our own")
    return 0


if __name__ == "__main__":
    sys.exit(main())
