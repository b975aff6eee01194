"""What a client of Google's format is answered, whoever answered us; and Google's streams where they go wrong."""

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tollway.domain.chat import AssistantMessage
from tollway.domain.events import (
    Answer,
    Choice,
    Event,
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
from tollway.wire.gemini.client import EventDecoder, decode_answer, decode_error
from tollway.wire.gemini.server import EventEncoder, decode_request, encode_answer, error_body

USAGE = Usage(
    prompt=100,
    completion=50,
    cache_read=10,
    reasoning=20,
    tool_prompt=30,
    audio_prompt=5,
    image_prompt=6,
    video_prompt=7,
    audio_completion=3,
)
SIGNED = Raw(b'{"type":"reasoning.text","text":"hm","signature":"c2ln","format":"anthropic-claude-v1","index":0}')
HIDDEN = Raw(b'{"type":"reasoning.encrypted","data":"xyz","id":"rs_1","format":"openai-responses-v1","index":1}')


def encoder(*, array: bool = False) -> EventEncoder:
    """One with a plain envelope."""
    return EventEncoder(id="gen-1", created=1, model="a/b", provider=None, array=array)


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """Each chunk's JSON, valid as the SDK's type."""
    values = [json.loads(line[6:]) for line in stream.decode().split("\n") if line.startswith("data: ")]
    for value in values:
        types.GenerateContentResponse.model_validate_json(json.dumps(value), strict=True)
    return values


def parts(stream: bytes) -> list[dict[str, Any]]:
    """The parts of all chunks."""
    return [
        part for chunk in chunks(stream) for candidate in chunk["candidates"] for part in candidate["content"]["parts"]
    ]


def decoded(*values: Any) -> list[Event]:
    """The events of a stream of these chunks."""
    decoder = EventDecoder()
    stream = b"".join(b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\r\n\r\n" for v in values)
    return decoder.feed(stream) + decoder.end()


def said(*pieces: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chunk with these parts."""
    return {"candidates": [{"content": {"role": "model", "parts": list(pieces)}, **more}]}


def test_a_chunk() -> None:
    """Text as it comes; the finish and usage only at the end, which waits for the books."""
    stream = encoder()
    assert chunks(stream.encode([Started("x"), TextDelta("Hel"), TextDelta("lo", 1)])) == [
        {
            "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": index}],
            "modelVersion": "a/b",
            "responseId": "gen-1",
        }
        for index, text in enumerate(["Hel", "lo"])
    ]
    assert stream.encode([Finished("stop"), Finished("length", "max_tokens", 1), UsageReported(USAGE)]) == b""
    (last,) = chunks(stream.finish(USAGE))
    assert [(c["index"], c["finishReason"]) for c in last["candidates"]] == [(0, "STOP"), (1, "MAX_TOKENS")]
    assert last["usageMetadata"] == {
        "promptTokenCount": 70,
        "candidatesTokenCount": 30,
        "totalTokenCount": 150,
        "thoughtsTokenCount": 20,
        "cachedContentTokenCount": 10,
        "toolUsePromptTokenCount": 30,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 52},
            {"modality": "IMAGE", "tokenCount": 6},
            {"modality": "VIDEO", "tokenCount": 7},
            {"modality": "AUDIO", "tokenCount": 5},
        ],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 27}, {"modality": "AUDIO", "tokenCount": 3}],
    }


def test_calls_in_pieces() -> None:
    """Two calls whose pieces alternate come out whole, once, when the answer has finished."""
    stream = encoder()
    pieces = [
        ToolCallDelta(0, id="a", name="f", arguments='{"x":'),
        ToolCallDelta(1, id="b", name="g", arguments=""),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, arguments="{}"),
    ]
    assert b"".join(stream.encode([piece]) for piece in pieces) == b""
    assert parts(stream.encode([Finished("tool_calls", "tool_use")])) == [
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}},
        {"functionCall": {"id": "b", "name": "g", "args": {}}},
    ]
    assert chunks(stream.finish(None))[0]["candidates"][0]["finishReason"] == "STOP"


def test_a_call_that_was_cut() -> None:
    """A call without whole arguments is never given to be executed."""
    stream = encoder()
    assert stream.encode([ToolCallDelta(0, id="a", name="f", arguments='{"x":'), Finished("tool_calls")]) == b""
    (candidate,) = chunks(stream.finish(None))[0]["candidates"]
    assert candidate["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert candidate["finishMessage"] == 'Malformed function call: f({"x":)'


def test_other_peoples_reasoning_comes_back() -> None:
    """What Anthropic or OpenAI signed goes through a Google client, streamed or whole, and comes back as it was."""
    pieces: list[Event] = [
        ReasoningDelta(
            "h", 0, (Raw(b'{"type":"reasoning.text","text":"h","format":"anthropic-claude-v1","index":0}'),)
        ),
        ReasoningDelta(
            "m", 0, (Raw(b'{"type":"reasoning.text","text":"m","format":"anthropic-claude-v1","index":0}'),)
        ),
        ReasoningDelta(
            None,
            0,
            (Raw(b'{"type":"reasoning.text","text":"","signature":"c2ln","format":"anthropic-claude-v1","index":0}'),),
        ),
        ReasoningDelta(None, 0, (HIDDEN,)),
        TextDelta("yes"),
    ]
    stream = encoder()
    streamed = parts(b"".join(stream.encode([piece]) for piece in pieces))
    whole = Choice(text="yes", reasoning="hm", reasoning_details=(SIGNED, HIDDEN), finish_reason="stop")
    body = json.loads(encode_answer(Answer((whole,)), id="g", created=1, model="m", provider=None))
    for kept in (streamed, body["candidates"][0]["content"]["parts"]):
        assert "".join(part["text"] for part in kept if part.get("thought")) == "hm"
        assert "".join(part["text"] for part in kept if not part.get("thought")) == "yes"
        contents = [{"role": "user", "parts": [{"text": "?"}]}, {"role": "model", "parts": kept}]
        message = decode_request(json.dumps({"contents": contents}).encode()).messages[1]
        assert isinstance(message, AssistantMessage)
        details = [json.loads(bytes(raw)) for raw in message.reasoning_details or ()]
        assert details == [json.loads(bytes(SIGNED)), json.loads(bytes(HIDDEN))]


def test_a_whole_answer() -> None:
    """Everything that a choice can hold has its place, and Google's own type takes it."""
    annotation = {
        "type": "url_citation",
        "url_citation": {"url": "https://x.org", "title": "X", "start_index": 0, "end_index": 2},
    }
    choice = Choice(
        text="né ok",
        reasoning="hm",
        tool_calls=(ToolCall("c", "f", '{"a":1}', Raw(b'{"google":{"thought_signature":"QQ=="}}')),),
        logprobs=Raw(
            b'{"content":[{"token":"n","logprob":-0.5,"top_logprobs":[{"token":"m","logprob":-1.5}]}],"refusal":null}'
        ),
        images=Raw(b'[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]'),
        audio=Raw(b'{"data":"AA==","transcript":"ah"}'),
        annotations=Raw(json.dumps([annotation]).encode()),
        finish_reason="tool_calls",
    )
    body = encode_answer(Answer((choice,), usage=USAGE), id="g", created=1, model="m", provider=None)
    types.GenerateContentResponse.model_validate_json(body, strict=True)
    (candidate,) = json.loads(body)["candidates"]
    assert candidate["content"]["parts"] == [
        {"text": "hm", "thought": True},
        {"text": "né ok"},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        {"text": "ah"},
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "QQ=="},
    ]
    assert candidate["groundingMetadata"] == {
        "groundingChunks": [{"web": {"uri": "https://x.org", "title": "X"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 0, "endIndex": 3, "text": "né"}, "groundingChunkIndices": [0]}
        ],
    }
    assert candidate["logprobsResult"] == {
        "chosenCandidates": [{"token": "n", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "m", "logProbability": -1.5}]}],
    }
    again = decode_answer(body)
    assert isinstance(again, Answer)
    assert again.usage == USAGE
    assert json.loads(bytes(again.choices[0].annotations or b""))[0]["url_citation"]["end_index"] == 2


def test_odd_log_probabilities_are_left_out() -> None:
    """A provider's `logprobs` come as they may; what is no list of objects there says nothing to Google's clients."""
    odd = Raw(b'{"content":["x",{"token":"n","logprob":-1,"top_logprobs":[[],{"token":"m","logprob":-2}]}]}')
    body = encode_answer(Answer((Choice(0, logprobs=odd),), usage=USAGE), id="g", created=1, model="m", provider=None)
    (candidate,) = json.loads(body)["candidates"]
    assert candidate["logprobsResult"] == {
        "chosenCandidates": [{"token": "n", "logProbability": -1}],
        "topCandidates": [{"candidates": [{"token": "m", "logProbability": -2}]}],
    }


@pytest.mark.parametrize("array", [False, True])
def test_a_refused_prompt(array: bool) -> None:
    """Google's promptFeedback is a content_filter with its words as refusal; a Google client gets it as it was."""
    feedback = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "No."}
    events = decoded({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}})
    (choice,) = collect(events).choices
    assert (choice.refusal, choice.finish_reason, choice.native_finish_reason) == (
        "No.",
        "content_filter",
        "PROHIBITED_CONTENT",
    )
    stream = encoder(array=array)
    text = stream.encode(events) + stream.finish(Usage(prompt=4))
    (only,) = json.loads(text) if array else chunks(text)
    assert only["promptFeedback"] == feedback
    assert "candidates" not in only


def test_a_refusal_is_text() -> None:
    """OpenAI's refusal has no field of its own here."""
    assert parts(encoder().encode([RefusalDelta("I cannot.")])) == [{"text": "I cannot."}]


def test_the_list_form() -> None:
    """Without `alt=sse` a stream is one JSON list; what keeps it awake is white space, also before it begins."""
    stream = encoder(array=True)
    text = (
        stream.comment("waiting")
        + stream.encode([TextDelta("a")])
        + stream.comment("x")
        + stream.encode([TextDelta("b")])
    )
    text += stream.encode([Finished("stop")]) + stream.finish(USAGE, cost_usd_json=b"0.0010")
    assert [len(chunk["candidates"]) for chunk in json.loads(text)] == [1, 1, 1]
    assert json.loads(text)[-1]["cost"] == 0.001
    empty = encoder(array=True)
    assert json.loads(empty.error(code=503, message="gone"))[0]["error"]["status"] == "UNAVAILABLE"


def test_what_keeps_a_stream_awake() -> None:
    """An empty line: a comment would end the stream of Google's own SDK, which reads it as an error's beginning."""
    stream = encoder()
    assert stream.comment("waiting") == b"\n"
    text = stream.comment("waiting") + stream.encode([TextDelta("a")]) + stream.comment("") + stream.finish(None)
    assert parts(text) == [{"text": "a"}, {"text": ""}]


def test_errors() -> None:
    """Google's shape: what a client of Google's reads it reads here, and so do we."""
    body = error_body(429, "rate_limit_exceeded", "Slow down.", retry_after_s=34.5, metadata={"provider_name": "G"})
    assert body["error"]["code"] == 429
    assert body["error"]["status"] == "RESOURCE_EXHAUSTED"
    failed = decode_error(429, lambda _: None, json.dumps(body).encode(), now_s=0)
    assert failed == Failed(429, "Slow down.", "RESOURCE_EXHAUSTED", 34.5)
    assert error_body(400, "invalid_request", "x", param="contents[0].role")["error"]["details"][1] == {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "contents[0].role", "description": "x"}],
    }
    stream = encoder().error(code=502, message="Broke off.", metadata={"error_type": "provider_unavailable"})
    assert decoded(stream.removeprefix(b"data: ").strip()) == [Failed(502, "Broke off.", "UNAVAILABLE")]


def test_a_wrong_key_of_ours() -> None:
    """Google says 400 for it; every other provider, and we, say 401."""
    body = {
        "error": {
            "code": 400,
            "message": "API key not valid.",
            "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
        }
    }
    assert decode_error(400, lambda _: None, json.dumps(body).encode(), now_s=0).status == 401


@pytest.mark.parametrize(
    ("native", "calls", "reason"),
    [
        ("STOP", False, "stop"),
        ("STOP", True, "tool_calls"),
        ("MAX_TOKENS", True, "length"),
        ("SAFETY", False, "content_filter"),
        ("RECITATION", False, "content_filter"),
        ("IMAGE_SAFETY", False, "content_filter"),
        ("MALFORMED_FUNCTION_CALL", False, "error"),
        ("UNEXPECTED_TOOL_CALL", True, "tool_calls"),
        ("OTHER", False, "error"),
        ("A_NEW_WORD", False, "stop"),
    ],
)
def test_finish_reasons(native: str, calls: bool, reason: str) -> None:
    """Ours and Google's, and Google's again for its own client."""
    made = [{"functionCall": {"name": "f"}}] if calls else [{"text": "a"}]
    events = decoded(said(*made, finishReason=native))
    assert [(e.reason, e.native) for e in events if isinstance(e, Finished)] == [(reason, native)]
    stream = encoder()
    stream.encode(events)
    written = json.loads(stream.finish(None)[6:])["candidates"][0]["finishReason"]
    assert written == ("STOP" if native == "A_NEW_WORD" else native)


def test_arguments_in_pieces() -> None:
    """streamFunctionCallArguments: places and pieces of values become one object."""
    events = decoded(
        said({"functionCall": {"name": "f", "id": "c", "willContinue": True}, "thoughtSignature": "QQ=="}),
        said({"functionCall": {"partialArgs": [{"jsonPath": "$.a.b[1]", "stringValue": "Bos"}], "willContinue": True}}),
        said({"functionCall": {"partialArgs": [{"jsonPath": "$.a.b[1]", "stringValue": "ton"}], "willContinue": True}}),
        said({"functionCall": {"partialArgs": [{"jsonPath": "$.n", "numberValue": 2}], "willContinue": True}}),
        said({"functionCall": {}}, finishReason="STOP"),
    )
    (choice,) = collect(events).choices
    assert [(c.id, c.name, json.loads(c.arguments)) for c in choice.tool_calls] == [
        ("c", "f", {"a": {"b": [None, "Boston"]}, "n": 2})
    ]
    assert choice.finish_reason == "tool_calls"


def test_pictures_and_sound() -> None:
    """inlineData of an answer: a picture is an image, sound is audio, anything else stays Google's."""
    (choice,) = collect(
        decoded(
            said({"inlineData": {"mimeType": "image/png", "data": "_-8"}}),
            said({"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AA=="}}),
            said({"inlineData": {"mimeType": "video/mp4", "data": "AA=="}}, finishReason="STOP"),
        )
    ).choices
    assert json.loads(bytes(choice.images or b""))[0]["image_url"]["url"] == "data:image/png;base64,/+8="
    assert json.loads(bytes(choice.audio or b"")) == {"data": "AA==", "mime_type": "audio/L16;rate=24000"}
    assert [piece.format for piece in choice.natives] == ["gemini"]


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([said({"text": "a"}), {"error": {"code": 503, "message": "full", "status": "UNAVAILABLE"}}], 503),
        ([[{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}]], 429),
        ([b"{", b"}", b"no"], 502),
    ],
)
def test_streams_that_fail(values: list[Any], status: int) -> None:
    """An error in a stream, as an object or as Google's list of one, and events that cannot be read."""
    last = decoded(*values)[-1]
    assert isinstance(last, Failed)
    assert last.status == status


def test_a_body_that_is_no_stream() -> None:
    """An error, a page or a whole answer where a stream was asked for."""
    for body, expected in (
        (b'[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]', Failed),
        (b"<html><title>502</title></html>", Failed),
        (json.dumps([said({"text": "a"}), said({"text": "b"}, finishReason="STOP")]).encode(), Finished),
    ):
        decoder = EventDecoder()
        events = decoder.feed(body) + decoder.end()
        assert any(isinstance(event, expected) for event in events)
        assert decoder.saw_done == (expected is Finished)


def test_what_comes_after_the_finish() -> None:
    """Nothing is read of a choice that finished, nor an error behind it; usage is (FAULTS.md U-18, U-19)."""
    events = decoded(
        said({"text": "a"}, finishReason="STOP"),
        said({"text": "more"}, finishReason="SAFETY"),
        {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}},
        {"error": {"code": 500, "message": "late"}},
    )
    answer = collect(events)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("a", "stop")
    assert answer.usage == Usage(prompt=1, completion=2)
    assert not any(isinstance(event, Failed) for event in events)


def test_nonsense_counts() -> None:
    """U-34: a count that is no count is none, and no detail exceeds its sum."""
    for usage, expected in (
        ({"promptTokenCount": -1}, None),
        ({"promptTokenCount": True}, None),
        ({"promptTokenCount": 5, "candidatesTokenCount": "x", "totalTokenCount": 9}, Usage(prompt=5, completion=4)),
        ({"promptTokenCount": 5, "cachedContentTokenCount": 9, "totalTokenCount": 5}, Usage(prompt=5, cache_read=5)),
        ("none", None),
    ):
        assert collect(decoded({**said({"text": "a"}), "usageMetadata": usage})).usage == expected


TEXTS = st.text(max_size=6)
EVENTS = st.lists(
    st.one_of(
        st.builds(TextDelta, TEXTS),
        st.builds(ReasoningDelta, TEXTS),
        st.builds(
            lambda index, text: ToolCallDelta(index, id=f"c{index}", name="f", arguments=text), st.integers(0, 2), TEXTS
        ),
        st.builds(lambda: ExtraDelta(images=Raw(b'[{"image_url":{"url":"data:image/png;base64,AA=="}}]'))),
    ),
    max_size=8,
)


@given(EVENTS, st.booleans())
def test_any_events_make_a_stream(events: list[Event], array: bool) -> None:
    """Whatever comes and however it is grouped: JSON, and the text and thoughts of the events in it."""
    stream = encoder(array=array)
    text = b"".join(stream.encode([event]) for event in [*events, Finished("stop")]) + stream.finish(None)
    decoder = EventDecoder()
    answer = collect(decoder.feed(text) + decoder.end())
    assert (answer.choices[0].text or "") == "".join(e.text for e in events if isinstance(e, TextDelta))
    assert (answer.choices[0].reasoning or "") == "".join(e.text or "" for e in events if isinstance(e, ReasoningDelta))


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """A decoder never raises, whatever a provider sends."""
    decoder = EventDecoder()
    decoder.feed(b"data: " + data + b"\n\n")
    decoder.end()
    decode_answer(data)


NAMES = [
    "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "args", "partialArgs",
    "jsonPath", "stringValue", "willContinue", "inlineData", "data", "index", "finishReason", "usageMetadata",
    "promptTokenCount", "promptFeedback", "blockReason", "error", "groundingMetadata", "groundingChunks",
    "groundingSupports", "segment", "logprobsResult", "chosenCandidates", "topCandidates",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json(value: Any) -> None:
    """Nor does any JSON with Google's names in wrong places raise, in an answer or in a stream."""
    text = json.dumps(
        {"candidates": [{"content": value, "groundingMetadata": value, "logprobsResult": value}]}
    ).encode()
    for body in (
        text,
        json.dumps(value).encode(),
        json.dumps(said({"functionCall": value, "inlineData": value})).encode(),
    ):
        decode_answer(body)
        decoder = EventDecoder()
        decoder.feed(b"data: " + body + b"\n\n")
        decoder.end()
