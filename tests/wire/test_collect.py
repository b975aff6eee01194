"""The fold of an answer's events."""

import base64
import json

from msgspec import Raw

from tollway.domain.events import (
    Answer,
    Choice,
    ExtraDelta,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.generation import Usage
from tollway.wire.collect import collect


def test_nothing() -> None:
    """No events, no choices."""
    assert collect([]) == Answer()


def test_each_choice_is_its_own() -> None:
    """Pieces of several choices in any order; the first finish and the last usage win; the served tier comes last."""
    answer = collect(
        [
            Started("id", "m", "fp", "auto"),
            TextDelta("b", 1),
            ReasoningDelta("r1", 0, (Raw(b"1"),)),
            TextDelta("a"),
            ReasoningDelta(None, 0, (Raw(b"2"), Raw(b"3"))),
            ReasoningDelta("r2"),
            ToolCallDelta(1, 0, "y", "g", "{", Raw(b'{"s":1}')),
            ToolCallDelta(0, 0, "x", "f"),
            ToolCallDelta(1, 0, arguments="}"),
            RefusalDelta("n", 1),
            RefusalDelta("o", 1),
            Finished("length", "max", 0),
            Finished("stop", "stop", 0),
            UsageReported(Usage(prompt=1)),
            UsageReported(Usage(prompt=2)),
            Started(service_tier="flex"),
        ]
    )
    assert answer == Answer(
        choices=(
            Choice(
                index=0,
                text="a",
                reasoning="r1r2",
                reasoning_details=(Raw(b"1"), Raw(b"2"), Raw(b"3")),
                tool_calls=(ToolCall("x", "f", ""), ToolCall("y", "g", "{}", Raw(b'{"s":1}'))),
                finish_reason="length",
                native_finish_reason="max",
            ),
            Choice(index=1, text="b", refusal="no"),
        ),
        usage=Usage(prompt=2),
        upstream_id="id",
        model="m",
        system_fingerprint="fp",
        service_tier="flex",
    )


def test_failed() -> None:
    """What had come stays; a choice without an end ended with "error", one with an end keeps it."""
    answer = collect([TextDelta("a"), TextDelta("b", 1), Finished("stop", "stop", 1), Failed(502, "x")])
    assert [(c.text, c.finish_reason) for c in answer.choices] == [("a", "error"), ("b", "stop")]


def _value(raw: Raw | None) -> object:
    assert raw is not None
    return json.loads(bytes(raw))


def test_joined_extras() -> None:
    """Lists are joined, logprobs list by list, audio by its bytes: each piece may have padding of its own."""
    pieces = [base64.b64encode(b"abcd").decode(), base64.b64encode(b"e").decode()]
    choice = collect(
        [
            TextDelta("a", 0, Raw(b'{"content":[1],"refusal":null}')),
            TextDelta("b", 0, Raw(b'{"content":[2,3],"refusal":[4]}')),
            ExtraDelta(0, images=Raw(b"[1]"), annotations=Raw(b"[5]")),
            ExtraDelta(0, images=Raw(b"[2]"), audio=Raw(json.dumps({"id": "x", "data": pieces[0]}).encode())),
            ExtraDelta(0, audio=Raw(b'{"transcript":"he"}')),
            ExtraDelta(0, audio=Raw(json.dumps({"data": pieces[1], "transcript": "y"}).encode())),
            ExtraDelta(0, audio=Raw(b'{"expires_at":7}')),
        ]
    ).choices[0]
    assert _value(choice.logprobs) == {"content": [1, 2, 3], "refusal": [4]}
    assert _value(choice.images) == [1, 2]
    assert _value(choice.annotations) == [5]
    assert _value(choice.audio) == {
        "id": "x",
        "data": base64.b64encode(b"abcde").decode(),
        "transcript": "hey",
        "expires_at": 7,
    }


def test_audio_that_is_no_base64() -> None:
    """It is joined as text, rather than lost."""
    pieces = [ExtraDelta(0, audio=Raw(b'{"data":"?"}')), ExtraDelta(0, audio=Raw(b'{"data":"!"}'))]
    assert _value(collect(pieces).choices[0].audio) == {"data": "?!"}
