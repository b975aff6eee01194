"""Every recorded exchange with Google: what we read equals what the recording's own JSON says."""

import base64
import json
from typing import Any

import msgspec
import pytest
from google.genai import types

from tests.wire import recordings
from tollway.domain.chat import AssistantMessage, ToolMessage
from tollway.domain.events import Answer, Choice, Event, Failed
from tollway.domain.generation import Usage
from tollway.wire.collect import collect
from tollway.wire.expand import expand
from tollway.wire.gemini import client, server
from tollway.wire.openai_chat.client import encode_request as encode_openai

API = "generate_content"
MODEL = "gemini-2.5-flash"
GOOGLES = ("google ", "vertex ")
BLOCKED = {"SAFETY", "MODEL_ARMOR"}


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of a recorded stream, read without our parser."""
    return [json.loads(line[5:]) for line in stream.decode().splitlines() if line.startswith("data:")]


def _reason(native: str | None, calls: list[Any]) -> str:
    """Written apart from the product's table: only what the recordings hold."""
    if native == "MAX_TOKENS":
        return "length"
    if native in BLOCKED:
        return "content_filter"
    assert native in {"STOP", "UNEXPECTED_TOOL_CALL"}
    return "tool_calls" if calls else "stop"


def check_usage(usage: Usage | None, recorded: dict[str, Any], name: str) -> None:
    """Our counters against the recorded ones, and their sum against the recorded total."""
    if "promptTokenCount" not in recorded:
        assert usage is None, name
        return
    assert usage is not None, name
    tools, thoughts = recorded.get("toolUsePromptTokenCount", 0), recorded.get("thoughtsTokenCount", 0)
    assert usage.prompt == recorded["promptTokenCount"] + tools, name
    assert usage.completion == recorded.get("candidatesTokenCount", 0) + thoughts, name
    assert usage.prompt + usage.completion == recorded["totalTokenCount"], name
    assert (usage.reasoning, usage.tool_prompt) == (thoughts, tools), name
    assert usage.cache_read == recorded.get("cachedContentTokenCount", 0), name
    counts = {item["modality"]: item["tokenCount"] for item in recorded.get("promptTokensDetails", ())}
    assert usage.audio_prompt == counts.get("AUDIO", 0), name
    assert usage.image_prompt == counts.get("IMAGE", 0), name
    assert usage.video_prompt == counts.get("VIDEO", 0), name


def check_choice(choice: Choice, parts: list[dict[str, Any]], native: str | None, name: str) -> None:
    """One choice against all the parts that were recorded of it, in order."""
    said = [part for part in parts if "text" in part and not part.get("thought")]
    assert (choice.text or "") == "".join(part["text"] for part in said), name
    thoughts = [part["text"] for part in parts if part.get("thought")]
    assert (choice.reasoning or "") == "".join(thoughts), name
    calls = [part for part in parts if "functionCall" in part]
    assert [(call.name, json.loads(call.arguments)) for call in choice.tool_calls] == [
        (part["functionCall"]["name"], part["functionCall"]["args"]) for part in calls
    ], name
    assert len({call.id for call in choice.tool_calls}) == len(calls), name
    for call, part in zip(choice.tool_calls, calls, strict=True):
        assert call.id == part["functionCall"].get("id", call.id), name
        extra = json.loads(bytes(call.extra_content)) if call.extra_content is not None else {}
        assert extra.get("google", {}).get("thought_signature") == part.get("thoughtSignature"), name
    details = [json.loads(bytes(raw)) for raw in choice.reasoning_details]
    assert all(detail["format"] == "google-gemini-v1" for detail in details), name
    assert "".join(detail.get("text", "") for detail in details) == "".join(thoughts), name
    signatures = [detail.get("data") or detail.get("signature") for detail in details]
    natives = [json.loads(bytes(piece.value)) for piece in choice.natives if piece.value is not None]
    assert natives == [p for p in parts if "executableCode" in p or "codeExecutionResult" in p], name
    assert [signature for signature in signatures if signature] == [
        part["thoughtSignature"] for part in parts if "thoughtSignature" in part and part not in natives
    ], name
    assert choice.finish_reason == _reason(native, calls), name
    assert choice.native_finish_reason == native, name


def check_sources(choice: Choice, grounding: dict[str, Any], name: str) -> None:
    """Every cited web page is an annotation, and stands where the recorded segment says."""
    annotations = json.loads(bytes(choice.annotations)) if choice.annotations is not None else []
    found = [item["url_citation"] for item in annotations]
    pages = [chunk.get("web") for chunk in grounding.get("groundingChunks", ())]
    expected = [
        (page["uri"], page["title"], support["segment"]["text"])
        for support in grounding.get("groundingSupports", ())
        for index in support["groundingChunkIndices"]
        if (page := pages[index]) is not None
    ]
    if not grounding.get("groundingSupports"):
        expected = [(page["uri"], page["title"], "") for page in pages if page is not None]
    text = choice.text or ""
    assert [(c["url"], c["title"], text[c["start_index"] : c["end_index"]]) for c in found] == expected, name


def test_answers_decode() -> None:
    """Every whole answer: text, thoughts, signatures, calls, sources, finish, usage, id and model."""
    count = 0
    for name, body in recordings.bodies(API):
        answer = client.decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), name
        candidates = body.get("candidates", [])
        for choice, recorded in zip(answer.choices, candidates, strict=bool(candidates)):
            parts = recorded.get("content", {}).get("parts", [])
            check_choice(choice, parts, recorded["finishReason"], name)
            check_sources(choice, recorded.get("groundingMetadata", {}), name)
            if (result := recorded.get("logprobsResult")) is not None:
                assert choice.logprobs is not None, name
                content = json.loads(bytes(choice.logprobs))["content"]
                assert [(item["token"], item["logprob"]) for item in content] == [
                    (item["token"], item["logProbability"]) for item in result["chosenCandidates"]
                ], name
        if not candidates:
            feedback = body["promptFeedback"]
            (choice,) = answer.choices
            assert (choice.finish_reason, choice.native_finish_reason) == ("content_filter", feedback["blockReason"])
            assert choice.refusal == feedback["blockReasonMessage"], name
        check_usage(answer.usage, body["usageMetadata"], name)
        assert (answer.upstream_id, answer.model) == (body.get("responseId"), body["modelVersion"]), name
        count += 1
    assert count > 240


def decoded(stream: bytes, piece: int) -> tuple[list[Event], client.EventDecoder]:
    """The events of a stream that comes in pieces."""
    decoder = client.EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    return events + decoder.end(), decoder


def test_streams_decode() -> None:
    """Every stream: the parts of all chunks, the finish, the last usage, and how it ended."""
    count = 0
    for name, stream in recordings.streams(API):
        recorded = chunks(stream)
        events, decoder = decoded(stream, len(stream))
        answer = collect(events)
        (choice,) = answer.choices
        candidates = [candidate for chunk in recorded for candidate in chunk["candidates"]]
        parts = [part for candidate in candidates for part in candidate.get("content", {}).get("parts", ())]
        native = next(candidate["finishReason"] for candidate in candidates if "finishReason" in candidate)
        check_choice(choice, parts, native, name)
        grounding = [candidate["groundingMetadata"] for candidate in candidates if candidate.get("groundingMetadata")]
        check_sources(choice, grounding[-1] if grounding else {}, name)
        check_usage(answer.usage, recorded[-1]["usageMetadata"], name)
        assert (answer.upstream_id, answer.model) == (recorded[0]["responseId"], recorded[0]["modelVersion"]), name
        assert decoder.saw_done, name
        assert decoder.malformed == 0, name
        count += 1
    assert count >= 13


def test_streams_at_any_cut() -> None:
    """U-12, UB2: byte by byte, in threes, in sevens, and with other line ends: the same events."""
    for name, stream in recordings.streams(API):
        whole = decoded(stream, len(stream))[0]
        for piece in (1, 3, 7, 1000):
            assert decoded(stream, piece)[0] == whole, (name, piece)
        assert decoded(stream.replace(b"\n", b"\r\n"), 11)[0] == whole, name


def test_a_cut_stream_is_not_finished() -> None:
    """Without its last chunk a stream has no finish, and `saw_done` stays false."""
    for name, stream in recordings.streams(API):
        start = stream[: stream.rindex(b"data:")]
        if b"finishReason" not in start:
            events, decoder = decoded(start, 1000)
            assert not decoder.saw_done, name
            assert all(choice.finish_reason is None for choice in collect(events).choices), name


def test_a_stream_is_its_whole() -> None:
    """collect(stream) == decode(body): each recorded body, one part in a chunk, folds into the same answer."""
    for name, body in recordings.bodies(API):
        whole = client.decode_answer(json.dumps(body).encode())
        envelope = {key: value for key, value in body.items() if key not in ("candidates", "usageMetadata")}
        pieces: list[dict[str, Any]] = []
        for candidate in body.get("candidates", ()):
            content = candidate.get("content", {})
            pieces += [
                {**envelope, "candidates": [{"content": {**content, "parts": [part]}}]}
                for part in content.get("parts", ())
            ]
            end = {key: value for key, value in candidate.items() if key != "content"}
            pieces.append({**envelope, "candidates": [end]})
        pieces = pieces or [envelope]
        pieces[0] = {**pieces[0], "usageMetadata": body["usageMetadata"]}
        stream = b"".join(b"data: " + json.dumps(piece).encode() + b"\r\n\r\n" for piece in pieces)
        assert collect(decoded(stream, 1000)[0]) == whole, name
        as_list = json.dumps(pieces).encode()
        assert collect(decoded(as_list, 1000)[0]) == whole, name
        assert client.decode_answer(as_list) == whole, name


def test_recorded_errors() -> None:
    """Status, code and message of every recorded refusal; none of them says when to come back."""
    count = 0
    refusals = [*recordings.refusals(API), *recordings.refusals("count_tokens"), *recordings.refusals("embeddings")]
    for name, status, headers, body in refusals:
        if not name.startswith(GOOGLES):
            continue
        failed = client.decode_error(status, headers.get, json.dumps(body).encode(), now_s=1e9)
        error = body["error"]
        assert (failed.status, failed.code) == (error["code"], error["status"]), name
        assert failed.message[:150] == error["message"][:150], name
        assert failed.retry_after_s is None, name
        count += 1
    assert count >= 5


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


OPAQUE = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}

ALLOWED = {
    "snake_case": "protobuf's JSON reads `file_uri` and `fileUri` alike; we write camelCase",
    "one for a list": "`tools: {...}` is read as `tools: [{...}]`",
}
"""How a request that we write may differ from the one that came, and why."""


def _made_equal(value: Any) -> Any:
    """The differences of ALLOWED taken away."""
    if isinstance(value, dict):
        fields = {}
        for key, item in value.items():
            name = _camel(key)
            if name == "tools" and isinstance(item, dict):
                item = [item]
            fields[name] = item if name in OPAQUE else _made_equal(item)
        return fields
    return [_made_equal(item) for item in value] if isinstance(value, list) else value


def test_requests_survive() -> None:
    """Every recorded request, decoded and written to Google again, is the same request: nothing is lost."""
    count = 0
    for name, body in recordings.requests(API):
        request = server.decode_request(json.dumps(body).encode())
        written = client.encode_request(
            request, upstream_model=MODEL, max_tokens=request.output_limit, stream=False, same_format=True
        )
        assert json.loads(written) == _made_equal(body), name
        count += 1
    assert count > 255


def test_count_requests_survive() -> None:
    """countTokens: the recorded request and the recorded number."""
    count = 0
    for name, body in recordings.requests("count_tokens"):
        if not name.startswith(GOOGLES):
            continue
        request = server.decode_count_request(json.dumps(body).encode())
        written = client.encode_count_request(request, upstream_model=MODEL, same_format=True)
        assert json.loads(written).get("contents", body["contents"]) == body["contents"]
        count += 1
    for name, body in recordings.bodies("count_tokens"):
        if not name.startswith(GOOGLES):
            continue
        tokens = client.decode_count(json.dumps(body).encode())
        assert tokens == body["totalTokens"], name
        assert isinstance(tokens, int)
        assert json.loads(server.encode_count(tokens))["totalTokens"] == tokens
    assert count >= 4


def _base64(data: str) -> bytes:
    return base64.b64decode(data.replace("-", "+").replace("_", "/"))


def test_requests_reach_other_formats() -> None:
    """Every recorded request as OpenAI's: text, files, calls, results, tools and the system's words are in it."""
    for name, body in recordings.requests(API):
        body = _made_equal(body)
        request = server.decode_request(json.dumps(body).encode())
        assert "gemini" not in request.extra
        written = json.loads(
            encode_openai(request, upstream_model="m", max_tokens=request.output_limit, stream=False, same_format=False)
        )
        parts = [part for content in body["contents"] for part in content["parts"]]
        text = json.dumps(written["messages"], ensure_ascii=False)
        for part in parts:
            if part.get("text") and not part.get("thought"):
                assert json.dumps(part["text"], ensure_ascii=False)[1:-1] in text, name
            if "fileData" in part:
                assert part["fileData"]["fileUri"] in text, name
            if "inlineData" in part:
                assert base64.b64encode(_base64(part["inlineData"]["data"])).decode() in text, name
        messages = request.messages
        calls = [call for m in messages if isinstance(m, AssistantMessage) for call in m.tool_calls or ()]
        given = [part["functionCall"] for part in parts if "functionCall" in part]
        assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == [
            (call["name"], call["args"]) for call in given
        ], name
        assert len({call.id for call in calls}) == len(calls), name
        results = [message for message in messages if isinstance(message, ToolMessage)]
        assert [result.name for result in results] == [
            part["functionResponse"]["name"] for part in parts if "functionResponse" in part
        ], name
        assert {result.tool_call_id for result in results} <= {call.id for call in calls}, name
        declared = [fn for tool in body.get("tools", ()) for fn in tool.get("functionDeclarations", ())]
        tools = [tool["function"]["name"] for tool in written.get("tools", ())]
        assert tools == [function["name"] for function in declared], name
        if "systemInstruction" in body:
            assert written["messages"][0]["role"] == "system", name


STRICT_ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 1_700_000_000, "model": "google/m", "provider": None}


def _without(value: Any, *names: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, *names) for key, item in value.items() if key not in names}
    return [_without(item, *names) for item in value] if isinstance(value, list) else value


# Its own types refuse them: fields that the server sends and the SDK's release does not know.
UNKNOWN_TO_SDK = ("fileSearchStore",)


def test_answers_are_the_sdks() -> None:
    """Every answer that we decoded and write again is valid, strictly, as the SDK's type, and says the same."""
    for name, body in recordings.bodies(API):
        answer = client.decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer)
        written = server.encode_answer(answer, **STRICT_ENVELOPE)
        types.GenerateContentResponse.model_validate_json(
            json.dumps(_without(json.loads(written), *UNKNOWN_TO_SDK)), strict=True
        )
        again = client.decode_answer(written)
        assert isinstance(again, Answer), name
        for before, after in zip(answer.choices, again.choices, strict=True):
            for field in ("text", "reasoning", "tool_calls", "annotations", "finish_reason", "native_finish_reason"):
                assert getattr(after, field) == getattr(before, field), (name, field)
        assert again.usage == answer.usage, name


def test_streams_are_the_sdks() -> None:
    """Every answer as a stream of ours: each chunk is valid as the SDK's type, and they fold into the same answer."""
    whole = [client.decode_answer(json.dumps(body).encode()) for _, body in recordings.bodies(API)]
    whole += [collect(decoded(stream, len(stream))[0]) for _, stream in recordings.streams(API)]
    for answer in whole:
        assert isinstance(answer, Answer)
        for array in (False, True):
            encoder = server.EventEncoder(**STRICT_ENVELOPE, array=array)
            before = encoder.encode(expand(answer))
            assert b"finishReason" not in before
            assert b"usageMetadata" not in before
            stream = before + encoder.finish(answer.usage)
            for chunk in json.loads(stream) if array else chunks(stream):
                types.GenerateContentResponse.model_validate_json(
                    json.dumps(_without(chunk, *UNKNOWN_TO_SDK)), strict=True
                )
            again = collect(decoded(stream, 100)[0])
            for first, second in zip(answer.choices, again.choices, strict=True):
                for field in ("text", "reasoning", "tool_calls", "finish_reason", "native_finish_reason", "refusal"):
                    assert getattr(second, field) == getattr(first, field), field
            assert again.usage == answer.usage


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"{", b"[]", b"{}", b'{"error":{"code":503,"message":"x"}}'])
def test_what_is_no_answer_fails(body: bytes) -> None:
    """A body of status 200 that is no answer is a Failed, never an empty answer."""
    assert isinstance(client.decode_answer(body), Failed)
    assert msgspec.json.encode(client.decode_answer(body))
