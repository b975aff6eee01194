"""Bedrock's Converse by its documentation: requests that AWS's own validator takes, streams, exceptions, errors."""

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import recordings
from tests.wire.test_event_stream import event, message
from tollway.domain.events import Answer, Event, Failed, Finished, NativeDelta, TextDelta
from tollway.domain.quirks import Quirks
from tollway.wire.bedrock_converse import client
from tollway.wire.claude import GO_ON
from tollway.wire.closed_schema import STRUCTURED_TOOL
from tollway.wire.collect import collect
from tollway.wire.openai_chat import server

SHAPE = (
    ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2")).operation_model("Converse").input_shape
)
CLAUDE, NOVA, LLAMA = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-2-lite-v1:0", "meta.llama3-3-70b"
MODELS = (
    CLAUDE,
    NOVA,
    LLAMA,
    "mistral.mistral-large-3-675b-instruct",
    "openai.gpt-oss-120b-1:0",
    "qwen.qwen3-32b-v1:0",
)


def body_of(fields: dict[str, Any], model: str = CLAUDE, **more: Any) -> dict[str, Any]:
    """What Bedrock gets of a chat request."""
    request = server.decode_request(json.dumps({"messages": [{"role": "user", "content": "Hi"}], **fields}).encode())
    return plain(client.encode_request(request, upstream_model=model, max_tokens=None, stream=False, **more))


def plain(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    assert isinstance(value, dict)
    return value


def test_every_recorded_chat_request_is_one_of_the_service() -> None:
    """Requests recorded in OpenAI's format, for models of six families: AWS's own validator finds nothing wrong."""
    count = 0
    for name, recorded in recordings.requests():
        request = server.decode_request(json.dumps(recorded).encode())
        for model in MODELS:
            body = plain(client.encode_request(request, upstream_model=model, max_tokens=4096, stream=False))
            report = ParamValidator().validate({"modelId": model, **body}, SHAPE)
            assert not report.has_errors(), (name, model, report.generate_report())
            roles = [turn["role"] for turn in body["messages"]]
            assert all(role != later for role, later in pairwise(roles)), (name, model)
            count += 1
    assert count > 1_000


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (CLAUDE, {"reasoning": {"max_tokens": 2000}}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (CLAUDE, {"reasoning": {"enabled": False}}, {"thinking": {"type": "disabled"}}),
        (
            "anthropic.claude-opus-4-7",
            {"reasoning": {"effort": "high"}},
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}},
        ),
        (NOVA, {"reasoning_effort": "low"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (NOVA, {"reasoning_effort": "high"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        (NOVA, {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}),
        ("amazon.nova-pro-v1:0", {"reasoning_effort": "low"}, None),
        ("openai.gpt-oss-20b-1:0", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "high"}),
        ("us.openai.gpt-5.2", {"reasoning_effort": "minimal"}, {"reasoning": {"effort": "low"}}),
        ("moonshot.kimi-k2-thinking", {"reasoning_effort": "medium"}, {"reasoning_effort": "medium"}),
        ("qwen.qwen3-32b-v1:0", {"reasoning": {"enabled": True}}, {"reasoning_config": "high"}),
        ("deepseek.r1-v1:0", {"reasoning_effort": "high"}, None),
        (CLAUDE, {"top_k": 5}, {"top_k": 5}),
        (NOVA, {"top_k": 5}, {"inferenceConfig": {"topK": 5}}),
        (LLAMA, {"top_k": 5}, None),
    ],
)
def test_each_family_is_asked_in_its_own_terms(model: str, fields: dict[str, Any], expected: Any) -> None:
    """Thinking and top_k; a family that is not known to take something is not sent it."""
    assert body_of(fields, model).get("additionalModelRequestFields") == expected


MARKED = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CACHED: dict[str, Any] = {
    "messages": [{"role": "system", "content": [MARKED]}, {"role": "user", "content": [MARKED, MARKED]}],
    "tools": [{**FUNCTION, "cache_control": {"type": "ephemeral"}}],
}


def points(body: dict[str, Any]) -> list[dict[str, Any]]:
    places = [body["system"], *(turn["content"] for turn in body["messages"]), body["toolConfig"]["tools"]]
    return [block["cachePoint"] for blocks in places for block in blocks if "cachePoint" in block]


def test_cache_marks_are_cache_points() -> None:
    """For an hour at Claude, without that at Nova, which caches no tools; nowhere else."""
    hour, short = {"type": "default", "ttl": "1h"}, {"type": "default"}
    assert points(body_of(CACHED)) == [hour, hour, hour, short]
    assert points(body_of(CACHED, NOVA)) == [short, short, short]
    assert points(body_of(CACHED, LLAMA)) == []
    assert points(body_of(CACHED, quirks=Quirks(drop=frozenset({"cache_control"})))) == []


def test_at_most_four_cache_points() -> None:
    """Those in the oldest turns go."""
    many = {**CACHED, "messages": [CACHED["messages"][0], {"role": "user", "content": [MARKED] * 6}]}
    body = body_of(many)
    assert len(points(body)) == 4
    assert [list(block) for block in body["messages"][0]["content"][-4:]] == [["text"], ["cachePoint"]] * 2


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
FORMAT = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}}


def test_schemas_are_native_or_a_tool() -> None:
    """Where the model knows schemas, as JSON in a string, closed; where not, a tool that must be called."""
    form = body_of(FORMAT)["outputConfig"]["textFormat"]
    assert (form["type"], form["structure"]["jsonSchema"]["name"]) == ("json_schema", "n")
    assert json.loads(form["structure"]["jsonSchema"]["schema"])["additionalProperties"] is False
    config = body_of(FORMAT, NOVA)["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == [STRUCTURED_TOOL]
    assert config["toolChoice"] == {"tool": {"name": STRUCTURED_TOOL}}
    config = body_of({**FORMAT, "tools": [FUNCTION]}, NOVA)["toolConfig"]
    assert config["toolChoice"] == {"any": {}}


CALLED = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "tool_calls": [{"id": "x" * 99, "type": "function", "function": {"name": "f"}}]},
    {"role": "tool", "tool_call_id": "x" * 99, "content": '{"a": 1}'},
    {"role": "user", "content": "And?"},
]


def test_results_stand_as_each_family_wants_them() -> None:
    """Ids are legal and belong together; Llama and Mistral have a turn between results and words."""
    turns = body_of({"messages": CALLED})["messages"]
    call, (result, said) = turns[1]["content"][0]["toolUse"], turns[2]["content"]
    assert call["toolUseId"] == result["toolResult"]["toolUseId"]
    assert 0 < len(call["toolUseId"]) <= 64
    assert (result["toolResult"]["content"], said) == ([{"text": '{"a": 1}'}], {"text": "And?"})
    apart = body_of({"messages": CALLED}, LLAMA)["messages"]
    assert [turn["role"] for turn in apart] == ["user", "assistant", "user", "assistant", "user"]
    results = body_of({"messages": CALLED}, "mistral.mistral-large-3-675b-instruct")["messages"][2]["content"]
    assert results[0]["toolResult"]["content"] == [{"json": {"a": 1}}]


def test_calls_need_tools() -> None:
    """Bedrock refuses calls in a conversation without tools, whoever left them out."""
    for fields in ({}, {"tools": [FUNCTION], "tool_choice": "none"}):
        config = body_of({"messages": CALLED, **fields})["toolConfig"]
        assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["f"]
        assert "toolChoice" not in config
    assert "toolConfig" not in body_of({"tools": [FUNCTION], "tool_choice": "none"})


PNG = base64.b64encode(b"png").decode()


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}"}},
            {"image": {"format": "jpeg", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "s3://bucket/a.webp"}},
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        ),
        (
            {"type": "video_url", "video_url": {"url": f"data:video/quicktime;base64,{PNG}"}},
            {"video": {"format": "mov", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
            {"audio": {"format": "wav", "source": {"bytes": PNG}}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "my_report.v2.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
            },
            {"document": {"format": "pdf", "name": "my report v2", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "file", "file": {"filename": "t.json", "file_data": f"data:application/json;base64,{PNG}"}},
            {"document": {"format": "txt", "name": "t json", "source": {"bytes": PNG}}},
        ),
        (
            {"type": "file", "file": {"filename": "table.xlsx", "file_data": PNG}},
            {"document": {"format": "xlsx", "name": "table", "source": {"bytes": PNG}}},
        ),
    ],
)
def test_media(part: dict[str, Any], block: dict[str, Any]) -> None:
    """Formats in the format's words, names that it takes; places in S3 stay where they are."""
    (turn,) = body_of({"messages": [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]})["messages"]
    assert turn["content"] == [block, {"text": "?"}]


def test_documents_have_names_of_their_own_and_words_beside_them() -> None:
    """Two of one name, and a turn without text, are refused."""
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}}
    (turn,) = body_of({"messages": [{"role": "user", "content": [part, part]}]})["messages"]
    words, first, second = turn["content"]
    assert set(words) == {"text"}
    assert (first["document"]["name"], second["document"]["name"]) == ("a", "a (2)")


def test_prefill_and_own_fields() -> None:
    """Who goes on with nothing is told to; the format's harmless own fields go along, the others do not."""
    prefilled = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well, "}]
    assert body_of({"messages": prefilled})["messages"][-1]["content"] == [{"text": "Well,"}]
    assert body_of({"messages": prefilled}, LLAMA)["messages"][-1]["content"] == [{"text": GO_ON}]
    own = {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}
    dear = {"performanceConfig": {"latency": "optimized"}, "additionalModelRequestFields": {"max_tokens": 9}}
    body = body_of(own | dear)
    assert body["guardrailConfig"] == own["guardrailConfig"]
    assert not body.keys() & dear.keys()


def decoded(*frames: bytes) -> list[Event]:
    decoder = client.EventDecoder()
    return decoder.feed(b"".join(frames)) + decoder.end()


def told(name: str, value: Any) -> bytes:
    return event(name, json.dumps(value).encode())


START = told("messageStart", {"role": "assistant"})
SAID = told("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}})
STOP = told("messageStop", {"stopReason": "end_turn"})


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("internalServerException", 500),
        ("modelStreamErrorException", 424),
        ("validationException", 400),
        ("throttlingException", 429),
        ("serviceUnavailableException", 503),
        ("modelTimeoutException", 408),
        ("somethingNewException", 502),
    ],
)
def test_exceptions_in_a_stream(name: str, status: int) -> None:
    """Each has the status that the API reference gives it; nothing comes after it, and nothing is taken back."""
    payload = b'{"message":"It broke.","originalStatusCode":500}'
    raised = event("", payload, message_type="exception", exception_type=name)
    assert decoded(START, SAID, raised, STOP)[1:] == [TextDelta("Hi"), Failed(status, "It broke.", name)]
    assert not any(type(each) is Failed for each in decoded(START, SAID, STOP, raised))


def test_errors_and_broken_streams() -> None:
    """An `error` message, a checksum that is wrong, three events that are no JSON, an error's body as the answer."""
    error = event("", b"", message_type="error", error_code="ThrottlingException", error_message="Slow down")
    assert decoded(START, error)[1:] == [Failed(429, "Slow down", "ThrottlingException")]
    (_, failed) = decoded(START, SAID[:-1] + b"\x00")
    assert isinstance(failed, Failed)
    assert (failed.status, "checksum" in failed.message) == (502, True)
    odd = event("contentBlockDelta", b"{")
    assert [type(each) for each in decoded(START, odd, odd, odd)[1:]] == [Failed]
    assert decoded(b'{"message":"No."}') == [Failed(502, "No.")]
    assert [type(each) for each in decoded(b"<html>down</html>")] == [Failed]


def test_unknown_events_pass() -> None:
    """Newer events, blocks, deltas and reasons change nothing else."""
    strange = [
        told("holiday", {"x": 1}),
        message(b"", b"{}"),
        told("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"smell": "x"}}),
        told("contentBlockStart", {"contentBlockIndex": 4, "start": {"smell": {"a": 1}}}),
        told("contentBlockStop", {"contentBlockIndex": 4}),
    ]
    end = told("messageStop", {"stopReason": "moon_phase"})
    events = decoded(START, SAID, *strange, end)
    assert [type(each) for each in events[1:]] == [TextDelta, NativeDelta, Finished]
    assert events[-1] == Finished("stop", "moon_phase")


def test_citations_stand_at_their_text() -> None:
    """Streamed and whole alike: the characters that each is about, and where its source lies."""
    citation = {"title": "T", "location": {"web": {"url": "https://a.b/c"}}, "sourceContent": [{"text": "why"}]}
    block = {"citationsContent": {"content": [{"text": "So it is"}], "citations": [citation]}}
    whole = {"output": {"message": {"content": [{"text": "Well. "}, block]}}, "stopReason": "end_turn", "usage": {}}
    answer = client.decode_answer(json.dumps(whole).encode())
    assert isinstance(answer, Answer)
    notes = json.loads(bytes(answer.choices[0].annotations or b"[]"))
    about = {"url": "https://a.b/c", "title": "T", "content": "why", "start_index": 6, "end_index": 14}
    assert notes == [{"type": "url_citation", "url_citation": about, "citation": citation}]
    deltas = [{"text": "So it "}, {"text": "is"}, {"citation": citation}]
    frames = [told("contentBlockDelta", {"contentBlockIndex": 1, "delta": delta}) for delta in deltas]
    first = told("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Well. "}})
    assert collect(decoded(START, first, *frames, STOP)) == answer


def test_a_structured_answer_and_usage() -> None:
    """The call of our own tool is the answer's text; what is written for an hour is counted apart, the tier told."""
    content = [{"toolUse": {"toolUseId": "t", "name": STRUCTURED_TOOL, "input": {"a": 1}}}]
    usage = {
        "inputTokens": 3, "outputTokens": 4, "totalTokens": 37, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 20,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 15}, {"ttl": "5m", "inputTokens": 5}],
    }  # fmt: skip
    body = {"output": {"message": {"content": content}}, "stopReason": "tool_use", "usage": usage}
    answer = client.decode_answer(json.dumps({**body, "serviceTier": {"type": "flex"}}).encode())
    assert isinstance(answer, Answer)
    assert (answer.choices[0].text, answer.choices[0].tool_calls) == ('{"a":1}', ())
    assert (answer.choices[0].finish_reason, answer.service_tier) == ("stop", "flex")
    assert answer.usage is not None
    counts = answer.usage
    assert (counts.prompt, counts.cache_read, counts.cache_write, counts.cache_write_1h) == (33, 10, 20, 15)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_errors_have_their_name_in_a_header(status: int, name: str) -> None:
    """The status is HTTP's, the code the name before the colon; `Message` as some of AWS's edges write it."""
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/"}
    failed = client.decode_error(status, headers.get, b'{"message":"No."}', now_s=0)
    assert failed == Failed(status, "No.", name)
    edge = client.decode_error(status, dict[str, str]().get, b'{"Message":"Authorize first."}', now_s=0)
    assert edge == Failed(status, "Authorize first.")


NAMES = st.sampled_from(
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"]
)
KEYS = st.sampled_from(
    [
        "contentBlockIndex", "delta", "start", "text", "toolUse", "toolResult", "reasoningContent", "redactedContent",
        "image", "input", "name", "toolUseId", "citation", "location", "usage", "inputTokens", "outputTokens", "type",
        "stopReason", "output", "message", "content", "citationsContent", "citations", "source", "bytes", "serviceTier",
    ]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**10) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.tuples(NAMES, st.dictionaries(KEYS, values, max_size=5)), max_size=8))
def test_no_event_makes_the_decoder_raise(sent: list[tuple[str, dict[str, Any]]]) -> None:
    """Fields of any shape, in any order: events come out, or none."""
    events = decoded(*(told(name, value) for name, value in sent))
    collect(events)
    whole = client.decode_answer(json.dumps([value for _, value in sent]).encode())
    assert isinstance(whole, Failed)


@given(st.dictionaries(KEYS, values, max_size=5), st.lists(st.dictionaries(KEYS, values, max_size=4), max_size=4))
def test_no_answer_makes_the_decoder_raise(body: dict[str, Any], content: list[Any]) -> None:
    """Blocks of any shape."""
    value = {**body, "output": {"message": {"content": content}}}
    assert isinstance(client.decode_answer(json.dumps(value).encode()), Answer | Failed)
