"""What a caller sees of an answer's reasoning: out of `<think>` tags, and nothing of it where it is excluded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tollway.domain.events import Answer, Choice, Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from tollway.wire.think_tags import ThinkTags, whole
from tollway.wire.withheld import whole_without_reasoning, without_reasoning

STOP = Finished("stop", "stop")


def told(events: list[Event]) -> tuple[str, str]:
    """The reasoning and the text."""
    thoughts = "".join(event.text or "" for event in events if isinstance(event, ReasoningDelta))
    return thoughts, "".join(event.text for event in events if isinstance(event, TextDelta))


ANSWERS = [
    ("<think>\nhm</think>\n\nYes", "hm", "Yes"),
    ("  \n<think>hm</think>Yes <think>no</think>", "hm", "Yes <think>no</think>"),
    ("<think>hm", "hm", ""),
    ("<think></think>Yes", "", "Yes"),
    ("<think>a < b </thin </think>Yes", "a < b </thin", "Yes"),
    ("<thinking>no</thinking>", "", "<thinking>no</thinking>"),
    ("Yes <think>no</think>", "", "Yes <think>no</think>"),
    ("<thi", "", "<thi"),
    ("", "", ""),
    ("  ", "", "  "),
]


@pytest.mark.parametrize(("text", "thoughts", "said"), ANSWERS)
@given(data=st.data())
def test_tags(text: str, thoughts: str, said: str, data: st.DataObject) -> None:
    """However the text is cut into pieces, the same is reasoning and the same is text."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    tags = ThinkTags(1)
    events: list[Event] = []
    for piece in pieces:
        events += tags.take([TextDelta(piece)])
    events += tags.take([STOP])
    assert events[-1] == STOP
    assert tags.is_done
    found = told(events)
    assert (found[0].rstrip(), found[1]) == (thoughts, said)


@pytest.mark.parametrize(("text", "thoughts", "said"), ANSWERS)
def test_tags_in_one_piece(text: str, thoughts: str, said: str) -> None:
    """The same where the answer is not streamed."""
    (choice,) = whole(Answer((Choice(text=text, finish_reason="stop"),))).choices
    assert (choice.reasoning or "", choice.text or "") == (thoughts, said)


def test_what_is_left_as_it_is() -> None:
    """A provider that tells thoughts apart itself, calls, and tokens with probabilities."""
    cases: tuple[list[Event], ...] = (
        [ReasoningDelta("a"), TextDelta("<think>b"), STOP],
        [ToolCallDelta(0, id="1", name="f"), TextDelta("<think>b"), STOP],
        [TextDelta("<think>b", logprobs=Raw(b"{}")), STOP],
    )
    for events in cases:
        assert ThinkTags(1).take(events) == events
    answer = Answer((Choice(text="<think>b", reasoning="a"), Choice(text="<think>b", logprobs=Raw(b"{}"))))
    assert whole(answer) is answer


def test_each_choice_has_its_own_thoughts() -> None:
    """And is done by itself."""
    tags = ThinkTags(2)
    assert told(tags.take([TextDelta("<think>a"), TextDelta("b", 1)])) == ("a", "b")
    assert not tags.is_done
    assert told(tags.take([TextDelta("</think>c")])) == ("", "c")
    assert tags.is_done


def detail(**fields: Any) -> Raw:
    return Raw(json.dumps(fields).encode())


TEXT = detail(type="reasoning.text", text="hm", format="x", index=0)
SIGNED = detail(type="reasoning.text", text="hm", signature="s", format="x", index=0)
SEALED = detail(type="reasoning.encrypted", data="d", format="x", index=1)
SUMMARY = detail(type="reasoning.summary", summary="in short", format="x", index=2)
EVENTS: list[Event] = [ReasoningDelta("hm", 0, (SIGNED, SEALED)), ReasoningDelta("hm"), TextDelta("Yes"), STOP]


def test_excluded() -> None:
    """Nothing of it is left; or only what nobody can read, for callers who have to send it back."""
    assert without_reasoning(EVENTS, keeps_seals=False) == [TextDelta("Yes"), STOP]
    first, *others = without_reasoning(EVENTS, keeps_seals=True)
    assert others == [TextDelta("Yes"), STOP]
    assert isinstance(first, ReasoningDelta)
    assert first.text is None
    unread = {"type": "reasoning.text", "signature": "s", "format": "x", "index": 0}
    assert [json.loads(bytes(raw)) for raw in first.details] == [unread, json.loads(bytes(SEALED))]


@pytest.mark.parametrize("keeps_seals", [False, True])
def test_excluded_in_one_piece(keeps_seals: bool) -> None:
    """The same where the answer is not streamed."""
    choice = Choice(text="Yes", reasoning="hm", reasoning_details=(TEXT, SEALED, SUMMARY))
    (left,) = whole_without_reasoning(Answer((choice,)), keeps_seals=keeps_seals).choices
    assert (left.text, left.reasoning) == ("Yes", None)
    assert left.reasoning_details == ((SEALED,) if keeps_seals else ())
