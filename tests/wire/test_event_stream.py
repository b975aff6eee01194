"""AWS's event streams are read as botocore reads them, however their bytes are cut, and broken ones end in words."""

import struct
from itertools import pairwise
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.event_stream import MESSAGE_BYTES_MAX, EventStreamParser, HeaderValue, Message

_VALUES = st.one_of(
    st.sampled_from([(0, b"", True), (1, b"", False)]),
    st.integers(-(2**7), 2**7 - 1).map(lambda number: (2, struct.pack(">b", number), number)),
    st.integers(-(2**15), 2**15 - 1).map(lambda number: (3, struct.pack(">h", number), number)),
    st.integers(-(2**31), 2**31 - 1).map(lambda number: (4, struct.pack(">i", number), number)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: (5, struct.pack(">q", number), number)),
    st.binary(max_size=40).map(lambda data: (6, struct.pack(">H", len(data)) + data, data)),
    st.text(max_size=20).map(lambda text: (7, struct.pack(">H", len(text.encode())) + text.encode(), text)),
    st.integers(0, 2**63 - 1).map(lambda moment: (8, struct.pack(">q", moment), moment)),
    st.uuids().map(lambda value: (9, value.bytes, value.bytes)),
)
"""(type, bytes, value) of headers of every type that there is."""

headers_of_all_types = st.dictionaries(st.text(min_size=1, max_size=20), _VALUES, max_size=12)
Headers = dict[str, tuple[int, bytes, HeaderValue]]


def message(headers: bytes, payload: bytes) -> bytes:
    """A message with right lengths and checksums."""
    head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = head + struct.pack(">I", crc32(head)) + headers + payload
    return whole + struct.pack(">I", crc32(whole))


def event(name: str, payload: bytes, **more: str) -> bytes:
    """An event as Bedrock sends it; `more` replaces headers, by their names without the colon."""
    texts = {"event-type": name, "content-type": "application/json", "message-type": "event"} | {
        key.replace("_", "-"): value for key, value in more.items()
    }
    return message(
        b"".join(
            bytes([len(key) + 1]) + b":" + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
            for key, value in texts.items()
        ),
        payload,
    )


def encoded(headers: Headers) -> bytes:
    return b"".join(
        bytes([len(name.encode())]) + name.encode() + bytes([kind]) + raw for name, (kind, raw, _) in headers.items()
    )


def theirs(data: bytes) -> tuple[list[Message], bool]:
    """What botocore reads, and whether it then gave up."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    read: list[Message] = []
    try:
        for found in buffer:
            read.append(Message(found.headers, found.payload))  # noqa: PERF401  what came before an error counts
    except (ParserError, struct.error, KeyError, IndexError, UnicodeDecodeError):
        return read, True
    return read, False


def ours(pieces: list[bytes]) -> tuple[list[Message], str | None]:
    parser = EventStreamParser()
    return [found for piece in pieces for found in parser.feed(piece)], parser.broken


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@given(
    st.lists(st.tuples(headers_of_all_types, st.binary(max_size=300)), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_messages_equal_botocores_however_they_are_cut(sent: list[tuple[Headers, bytes]], places: list[int]) -> None:
    """Headers of every type, payloads, and any split of the bytes."""
    data = b"".join(message(encoded(headers), payload) for headers, payload in sent)
    expected, gave_up = theirs(data)
    assert not gave_up
    assert [each.payload for each in expected] == [payload for _, payload in sent]
    assert ours(cut(data, places)) == (expected, None)
    assert [each.headers for each in expected] == [
        {name: value for name, (_, _, value) in headers.items()} for headers, _ in sent
    ]


@given(st.binary(max_size=600), st.lists(st.integers(0, 10_000), max_size=6))
def test_any_bytes_are_taken(data: bytes, places: list[int]) -> None:
    """Nothing raises, and nothing comes out of noise."""
    assert ours(cut(data, places))[0] == theirs(data)[0]


@given(st.binary(max_size=60), st.binary(max_size=40))
def test_any_headers_are_taken(headers: bytes, payload: bytes) -> None:
    """Right checksums around nonsense: what botocore refuses breaks the stream, or is read with sense."""
    (read, broken), (expected, gave_up) = ours([message(headers, payload)]), theirs(message(headers, payload))
    assert (broken is None) is bool(read)
    if broken is None and not gave_up:
        assert read == expected


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_bit_that_fell_over_is_noticed(place: int, change: int) -> None:
    """Whatever byte of two messages is wrong: what is before it counts, and it never does."""
    first, second = event("messageStart", b'{"role":"assistant"}'), event("messageStop", b'{"stopReason":"end_turn"}')
    data = bytearray(first + second)
    place %= len(data)
    data[place] ^= change
    read, broken = ours([bytes(data)])
    assert len(read) == (place >= len(first))
    assert broken is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"message":"no stream at all"}', "checksum of a message's lengths"),
        (struct.pack(">III", 15, 0, crc32(struct.pack(">II", 15, 0))), "contradict"),
        (struct.pack(">III", 20, 8, crc32(struct.pack(">II", 20, 8))), "contradict"),
        (
            struct.pack(">III", MESSAGE_BYTES_MAX + 1, 0, crc32(struct.pack(">II", MESSAGE_BYTES_MAX + 1, 0))),
            "too large",
        ),
        (
            struct.pack(">III", 2**18, 2**18 - 16, crc32(struct.pack(">II", 2**18, 2**18 - 16))),
            "too large",
        ),
        (event("messageStart", b"{}")[:-1] + b"\x00", "checksum of a message is wrong"),
        (message(b"\x01a\x0a", b""), "headers"),
        (message(b"\x01a\x07\x00\x05ab", b""), "headers"),
        (message(b"\x01a\x07\x00\x01\xff", b""), "headers"),
        (message(b"\x05a", b""), "headers"),
        (message(b"\x01a\x00\x01a\x00", b""), "headers"),
    ],
)
def test_a_broken_stream_says_why(data: bytes, why: str) -> None:
    """In words, once and for all: what comes after is not read."""
    parser = EventStreamParser()
    assert parser.feed(data) == []
    assert why in str(parser.broken)
    assert parser.feed(event("messageStart", b"{}")) == []
