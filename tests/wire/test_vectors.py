"""Vectors in both of their forms: what one says, the other says; what is neither is an error, never a crash."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tollway.domain.events import Failed
from tollway.domain.generation import Usage
from tollway.domain.plain import EmbeddingAnswer, EmbeddingRequest
from tollway.wire.vectors import answer_of, base64_of, floats_of, joined

SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


@given(st.lists(SINGLE, max_size=20))
def test_there_and_back(numbers: list[float]) -> None:
    """32-bit numbers survive base64 exactly, both ways; what is in the wanted form already is not touched."""
    text = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    assert json.loads(bytes(base64_of(raw(numbers)))) == text
    assert json.loads(bytes(floats_of(raw(text)))) == numbers
    for value, convert in ((raw(numbers), floats_of), (raw(text), base64_of)):
        assert convert(value) is value


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1, max_value=1), min_size=1, max_size=20))
def test_longer_numbers_are_rounded_once(numbers: list[float]) -> None:
    """A 64-bit number becomes the nearest 32-bit one, as OpenAI's own base64 has it."""
    found = json.loads(bytes(floats_of(base64_of(raw(numbers)))))
    assert found == pytest.approx(numbers, rel=1e-6, abs=1e-37)


@given(st.one_of(st.text(), st.lists(st.one_of(st.none(), st.text(), st.booleans())), st.integers(), st.none()))
def test_what_is_no_vector(value: object) -> None:
    """Conversions say ValueError, and an answer with such a thing in it is the provider's failure."""
    for form in ("float", "base64"):
        request = EmbeddingRequest(inputs=("x",), encoding_format=form)
        answer = answer_of([raw(value)], request, None)
        assert isinstance(answer, Failed | EmbeddingAnswer)
        if not isinstance(value, str | list):
            assert isinstance(answer, Failed)


def test_one_for_each_input() -> None:
    """Fewer vectors than inputs, or more, are no answer."""
    request = EmbeddingRequest(inputs=("x", "y"))
    for count, whole in ((0, False), (1, False), (2, True), (3, False)):
        answer = answer_of([raw([0.5])] * count, request, Usage(prompt=2))
        assert isinstance(answer, EmbeddingAnswer) == whole, count


def test_parts_become_one() -> None:
    """Vectors in order, tokens added; a part that does not say its tokens leaves the sum unknown."""
    first = EmbeddingAnswer(vectors=(raw([1]), raw([2])), usage=Usage(prompt=3), upstream_id="one")
    second = EmbeddingAnswer(vectors=(raw([3]),), usage=Usage(prompt=4, image_prompt=1))
    whole = joined([first, second])
    assert [bytes(vector) for vector in whole.vectors] == [b"[1]", b"[2]", b"[3]"]
    assert whole.usage == Usage(prompt=7, image_prompt=1)
    assert whole.upstream_id == "one"
    assert joined([first, EmbeddingAnswer(vectors=(raw([3]),))]).usage is None
