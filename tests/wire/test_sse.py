"""Server-sent events: the fast parser against a slow one written from the specification's own words."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.sse import EVENT_BYTES_MAX, SseEvent, SseParser


def reference(stream: bytes) -> list[tuple[str, str]]:
    """(name, data) of every event, by html.spec.whatwg.org, "Parsing an event stream", step by step, on text."""
    text = stream.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    lines: list[str] = []
    line = ""
    at = 0
    while at < len(text):
        if text[at] == "\r":
            lines.append(line)
            line = ""
            at += 2 if text[at + 1 : at + 2] == "\n" else 1
        elif text[at] == "\n":
            lines.append(line)
            line = ""
            at += 1
        else:
            line += text[at]
            at += 1
    events: list[tuple[str, str]] = []
    data, name = "", ""
    for line in lines:
        if line == "":
            if data:
                events.append((name, data[:-1]))
            data, name = "", ""
        elif line.startswith(":"):
            continue
        else:
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "data":
                data += value + "\n"
            elif field == "event":
                name = value
    return events


def as_text(events: list[SseEvent]) -> list[tuple[str, str]]:
    """What a reader sees of them."""
    return [(event.name, event.data.decode("utf-8", "replace")) for event in events]


def fed(stream: bytes, cuts: list[int]) -> list[SseEvent]:
    """The events of a stream that comes in the pieces between `cuts`."""
    parser = SseParser()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [event for a, b in pairwise(places) for event in parser.feed(stream[a:b])]


CORPUS = [
    b'data: {"a":1}\n\n',
    b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n',
    b"data:no space\n\n",
    b"data:  two spaces\n\n",
    b"data: one\ndata: two\n\n",
    b"data: crlf\r\n\r\ndata: again\r\n\r\n",
    b"data: one\r\ndata: two\r\n\r\nevent: e\r\ndata: x\r\n\r\n",
    b"data: cr\r\rdata: again\r\r",
    b"data: mixed\r\n\ndata: more\n\r\n",
    b"\xef\xbb\xbfdata: after a mark\n\n",
    b"\xef\xbb\xbf\xef\xbb\xbfdata: two marks: the second spoils the field\n\n",
    b": comment\n\n: OPENROUTER PROCESSING\n\ndata: x\n\n",
    b"event: error\ndata: {}\n\ndata: unnamed\n\n",
    b"event: lost\n\ndata: unnamed\n\n",
    b"id: 1\nretry: 10\ndata: x\n\n",
    "data: a\u2028b\u2029c\u0085d\x0be\x0cf\n\n".encode(),
    b"data: \xff\xfe\xe2\x82\n\ndata: \xf0\x9f\x98\x80\n\n",
    b"data\n\ndata\ndata\n\ndata:\n\n",
    b"\n\n\ndata: after blanks\n\n\n\n\ndata: y\n\n",
    b"data: cut in the middle of an ev",
    b"data: cut before the blank line\n",
    b"data : a space before the colon is another field\n\n",
    b"DATA: upper case is another field\n\ndata:x:y:z\n\n",
    b"data: x\x00y\n\n",
    b"",
]


@pytest.mark.parametrize("stream", CORPUS)
def test_corpus_at_every_cut(stream: bytes) -> None:
    """U-12 to U-16: each oddity, cut at each byte, and byte by byte, is what the specification says."""
    expected = reference(stream)
    assert as_text(fed(stream, list(range(len(stream))))) == expected
    for cut in range(len(stream) + 1):
        assert as_text(fed(stream, [cut])) == expected, cut


PIECES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"data",
        b"event: e",
        b"event:",
        b"id: 3",
        b": c",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"x",
        b'{"a":1}',
        b" ",
        b":",
        b"\xef\xbb\xbf",
        b"\xef",
        b"\xe2\x80\xa8",
        b"\xff",
        b"\x00",
        b"data: y\n\n",
    ]
)


@given(st.lists(PIECES, max_size=40).map(b"".join), st.lists(st.integers(0, 400), max_size=12))
def test_any_stream_at_any_cuts(stream: bytes, cuts: list[int]) -> None:
    """Whatever comes, in whatever pieces: the events of the reference."""
    assert as_text(fed(stream, cuts)) == reference(stream)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * EVENT_BYTES_MAX + b"\n\n", id="one line"),
        pytest.param((b"data: " + b"x" * 1_000_000 + b"\n") * 9 + b"\n", id="many lines"),
        pytest.param(b": " + b"x" * (EVENT_BYTES_MAX + 1), id="a line without an end"),
    ],
)
@pytest.mark.parametrize("piece", [65_536, 20_000_000])
def test_too_large(stream: bytes, piece: int) -> None:
    """U-31: past 8 MB the parser says so, keeps quiet, and takes nothing more into memory."""
    parser = SseParser()
    events = [event for at in range(0, len(stream), piece) for event in parser.feed(stream[at : at + piece])]
    assert parser.too_large
    assert events == []
    assert parser.feed(b"data: x\n\n") == []


def test_large_but_allowed() -> None:
    """An image of some megabytes in one event passes."""
    data = b"y" * (EVENT_BYTES_MAX - 100)
    assert fed(b"data: " + data + b"\n\n", [5, 70_000, 4_000_000]) == [SseEvent(data)]
