"""A stream whose events repeat their envelope says the same whether or not the decoder makes use of it."""

import json
from random import Random
from typing import Any

import pytest

from tollway.domain.events import Event, TextDelta
from tollway.wire.openai_chat.envelope import envelope_of
from tollway.wire.openai_chat.schema import Body
from tollway.wire.openai_chat.stream import EventDecoder

STREAMS = 1_000
TEXTS = (
    "word",
    " word",
    '"',
    "\\",
    '","x":"',
    "\u2028",
    "\n\n",
    '"}}]}',
    "",
    "?",
    "\U0001f600",
    "\x00",
    '{"content":"a"}',
)
ODD = (b"[DONE]", b"{", b'{"error":{"message":"no","code":500}}')


def read(events: list[bytes], *, lessons: int | None = None) -> list[Event]:
    """What a decoder says of them, one after the other; `lessons`: how many it may learn from."""
    decoder = EventDecoder()
    if lessons is not None:
        decoder._lessons = lessons
    return [found for event in events for found in decoder.feed(b"data: " + event + b"\n\n")] + decoder.end()


def stream(dice: Random) -> list[bytes]:
    """Events of some few shapes, in any order: plain texts, thoughts, calls, ends, other tiers, nonsense."""
    separators = dice.choice([(",", ":"), (", ", ": ")])
    ascii_only = dice.random() < 0.5

    def one() -> bytes:
        text = dice.choice(TEXTS)
        deltas: list[dict[str, Any]] = [
            {"role": "assistant", "content": text},
            {"reasoning": text, "content": ""},
            {"content": text, "refusal": text},
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": text}}]},
            {"content": [{"type": "text", "text": text}]},
        ]
        delta = dice.choice(deltas) if dice.random() < 0.3 else {"content": text}
        finish = "stop" if dice.random() < 0.05 else None
        choices = [{"index": dice.choice([0, 0, 0, 1]), "delta": delta, "finish_reason": finish}]
        if dice.random() < 0.1:
            choices.append({"index": 1, "delta": {"content": dice.choice(TEXTS)}})
        others: list[dict[str, Any]] = [
            {"service_tier": "flex"},
            {"service_tier": "auto"},
            {"usage": {}},
            {"new": text},
        ]
        more = dice.choice(others) if dice.random() < 0.3 else {}
        event = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
        return json.dumps(event, ensure_ascii=ascii_only, separators=separators).encode()

    return [dice.choice(ODD) if dice.random() < 0.05 else one() for _ in range(dice.randint(1, 20))]


def test_what_was_learned_changes_nothing() -> None:
    for seed in range(STREAMS):
        events = stream(Random(seed))
        assert read(events) == read(events, lessons=0), seed


def plain(text: str, **more: Any) -> bytes:
    return json.dumps({"id": "c-1", "choices": [{"index": 0, "delta": {"content": text}}], **more}).encode()


@pytest.mark.parametrize("text", TEXTS)
def test_an_envelope_is_that_of_any_text(text: str) -> None:
    envelope = envelope_of(plain("learned from"), 0)
    assert envelope is not None
    assert envelope.text_of(plain(text)) == text


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(b'{"id":"c","choices":[{"delta":{"content":"a","content":"b"}}]}', id="the last of two counts"),
        pytest.param(b'{"id":"c","usage":{"content":"b"},"choices":[{"delta":{"content":"b"}}]}', id="another field"),
        pytest.param(b'{"id":"c","choices":[{"delta":{"content":""}},{"index":1,"delta":{"content":"b"}}]}', id="two"),
        pytest.param(b'{"id":"c","choices":[{"delta":{"content":[{"type":"text","content":"b"}]}}]}', id="inside"),
        pytest.param(b'{"id":"c","choices":[]}', id="none"),
        pytest.param(b'{"id":"c","new":1,"choices":[{"delta":{"content":"b"}}]}', id="unknown fields"),
    ],
)
def test_no_envelope_where_the_text_is_not_certain(event: bytes) -> None:
    assert envelope_of(event, 0) is None


@pytest.mark.parametrize("other", ["ab", 'a","x":"b', "a\\"])
def test_another_text_in_the_envelope_must_be_one_string(other: str) -> None:
    envelope = envelope_of(plain("text"), 0)
    assert envelope is not None
    assert envelope.text_of(plain("text").replace(b"text", other.encode())) == ("ab" if other == "ab" else None)


def test_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second text on, no event is read as a whole."""
    taken: list[Body] = []
    take = EventDecoder.take

    def watched(self: EventDecoder, body: Body, events: list[Event]) -> None:
        taken.append(body)
        take(self, body, events)

    monkeypatch.setattr(EventDecoder, "take", watched)
    found = read([plain(f"word {number}") for number in range(9)])
    assert [event.text for event in found if type(event) is TextDelta] == [f"word {number}" for number in range(9)]
    assert len(taken) == 2
