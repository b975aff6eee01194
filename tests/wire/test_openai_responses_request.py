"""Requests of the Responses API, in and out: what is refused, and what survives the way from and to other formats."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    ImagePart,
    ImageUrl,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.openai_responses.client import HEADERS, STREAM_TYPE, encode_request, path
from tollway.wire.openai_responses.server import decode_request

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
REASONS = frozenset({"reasoning", "include_reasoning", "tools", "tool_choice", "temperature"})


def decoded(**fields: Any) -> ChatRequest:
    return decode_request(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def written(request: ChatRequest, **options: Any) -> dict[str, Any]:
    given_options: dict[str, Any] = {"upstream_model": "gpt", "max_tokens": None, "stream": False, **options}
    value = json.loads(encode_request(request, **given_options))
    assert isinstance(value, dict)
    return value


def again(**fields: Any) -> dict[str, Any]:
    """A request, read and written in the same format."""
    body = written(decoded(**fields), same_format=True)
    return {name: body[name] for name in ("input", *fields) if name in body}


def test_where_it_is_asked() -> None:
    """What the gateway is told of the format."""
    assert (path("m", True), HEADERS, STREAM_TYPE) == ("/responses", (), "text/event-stream")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": "bogus"}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "hi"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].file_id"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].input_audio"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": ""}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"model": 5}, "model"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools", "tools": "f"}}, "tool_choice.tools"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "poem"}}}, "text.format.type"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"reasoning": {"effort": "lots"}}, "reasoning.effort"),
        ({"reasoning": {"effort": "low", "max_tokens": 5}}, "reasoning.max_tokens"),
        ({"metadata": {"a": 5}}, "metadata.*"),
        ({"user": "a\u0000b"}, "user"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], param: str) -> None:
    """With the path of the field, and a message that begins with it."""
    with pytest.raises(InvalidRequest) as caught:
        decoded(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(param)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"input":"\\ud800"}',
        b'{"input":NaN}',
        b'{"input":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_hostile_bodies(body: bytes) -> None:
    """The rules of every JSON body hold here as well (FAULTS.md C-3 to C-6)."""
    with pytest.raises(InvalidRequest):
        decode_request(body)


def test_a_request_in_our_words() -> None:
    """Instructions, parts, a turn with reasoning and calls, a tool's output with a picture: each has its place."""
    request = decoded(
        instructions="Be brief.",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is it?"},
                    {"type": "input_image", "image_url": PNG, "detail": "low"},
                    {"type": "input_file", "file_url": "https://a.example/b.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm"}],
                "encrypted_content": "sealed",
            },
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": [{"type": "input_image", "image_url": PNG}],
            },
        ],
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}, "verbosity": "low"},
        max_output_tokens=50,
        top_logprobs=2,
        include=["message.output_text.logprobs"],
    )
    system, user, assistant, tool = request.messages
    assert isinstance(system, SystemMessage)
    assert system.content == "Be brief."
    assert isinstance(user, UserMessage)
    assert [type(part).__name__ for part in user.content] == ["TextPart", "ImagePart", "FilePart", "AudioPart"]
    assert isinstance(assistant, AssistantMessage)
    assert [json.loads(bytes(detail)) for detail in assistant.reasoning_details or ()] == [
        {"type": "reasoning.summary", "summary": "Hm", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "sealed", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
    ]
    assert assistant.tool_calls is not None
    assert (assistant.tool_calls[0].id, assistant.tool_calls[0].function.name) == ("call_1", "look")
    assert isinstance(tool, ToolMessage)
    assert (tool.tool_call_id, tool.content) == ("call_1", (ImagePart(ImageUrl(PNG)),))
    assert request.response_format is not None
    assert request.response_format.json_schema is not None
    assert request.response_format.json_schema.schema == SCHEMA
    assert (request.max_tokens, request.verbosity, request.logprobs, request.top_logprobs) == (50, "low", True, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1", "detail": "auto"}]}]},
        {
            "input": [
                {"role": "user", "content": [{"type": "input_file", "file_data": PDF, "filename": "a.pdf"}]},
                {"role": "user", "content": "go", "type": "message", "id": "msg_2", "status": "completed"},
            ]
        },
        {
            "input": [
                {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary",
                 "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []},
                             {"type": "refusal", "refusal": "b"}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "namespace": "n"},
                {"role": "assistant", "content": "after"},
                {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
                {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT 1", "id": "ctc"},
                {"type": "web_search_call", "id": "ws", "status": "completed"},
                {"type": "function_call_output", "call_id": "c1", "output": "x", "status": "completed"},
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "y"},
                {"type": "computer_call_output", "call_id": "c3", "output": {"type": "computer_screenshot"}},
            ]
        },
        {"tools": [{"type": "web_search", "search_context_size": "low"}], "tool_choice": {"type": "web_search"}},
        {"tools": [{"type": "custom", "name": "sql",
                    "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}],
         "tool_choice": {"type": "custom", "name": "sql"}},
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False, "defer_loading": True}],
         "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
         "parallel_tool_calls": False},
        {"tools": [{"type": "openrouter:web_search", "parameters": {"max_results": 3}}]},
        {"reasoning": {"effort": "high", "summary": "detailed", "context": "all_turns", "generate_summary": "auto"}},
        {"text": {"format": {"type": "json_object"}, "verbosity": "high", "novelty": 1}},
        {"truncation": "auto", "context_management": [{"type": "compaction"}], "moderation": {"model": "m"}},
        {"top_p": 0.5, "temperature": 0, "top_logprobs": 3, "service_tier": "flex", "safety_identifier": "s"},
        {"stop": ["a"], "top_k": 5, "presence_penalty": 1.0, "max_tool_calls": 3, "prompt_cache_key": "k"},
        {"instructions": "Be brief.", "include": ["file_search_call.results"]},
        {"prompt": {"id": "pmpt_1", "variables": {"a": "b"}}},
        {"stream_options": {"include_obfuscation": False}, "stream": True},
    ],
)  # fmt: skip
def test_the_same_format_loses_nothing(fields: dict[str, Any]) -> None:
    """What only this format knows, in its place, with its fields."""
    request = decoded(**fields)
    body = written(request, same_format=True, stream=fields.get("stream", False))
    assert {name: body.get(name) for name in fields} == fields


def test_what_never_leaves() -> None:
    """The caller's name for its user, its metadata, and the orders that other gateways take."""
    request = decoded(user="alice", metadata={"a": "b"}, api_base="https://evil.example", session_id="s", trace={})
    body = written(request, same_format=True, user_id="hash")
    assert body == {"model": "gpt", "input": "hi", "user": "hash", "store": False}


def test_unknown_fields_stay_in_their_format() -> None:
    """Only an endpoint of the same format gets them."""
    request = decoded(truncation="auto", include=["x"])
    assert written(request) == {"model": "gpt", "input": [{"role": "user", "content": "hi"}], "store": False}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
ITEMS = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, TEXTS),
    st.builds(lambda text: {"role": "developer", "content": [{"type": "input_text", "text": text}]}, TEXTS),
    st.builds(lambda text: {"role": "assistant", "content": text}, TEXTS),
    st.builds(
        lambda texts, mark: {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text} for text in texts],
            "id": mark,
        },
        st.lists(TEXTS, max_size=2),
        TEXTS,
    ),
    st.builds(
        lambda texts, own, seal, mark: {
            "type": "reasoning",
            "id": mark,
            "summary": [{"type": "summary_text", "text": text} for text in texts],
            **({"content": [{"type": "reasoning_text", "text": text} for text in own]} if own else {}),
            **({"encrypted_content": seal} if seal else {}),
        },
        st.lists(TEXTS, max_size=2),
        st.lists(TEXTS, max_size=2),
        st.none() | TEXTS,
        TEXTS,
    ),
    st.builds(
        lambda mark, text: {"type": "function_call", "call_id": mark, "name": "f", "arguments": text}, TEXTS, TEXTS
    ),
    st.builds(
        lambda mark, text: {"type": "custom_tool_call", "call_id": mark, "name": "f", "input": text}, TEXTS, TEXTS
    ),
    st.builds(lambda mark, text: {"type": "function_call_output", "call_id": mark, "output": text}, TEXTS, TEXTS),
    st.builds(lambda mark: {"type": "web_search_call", "id": mark, "status": "completed"}, TEXTS),
)


def test_references_to_thoughts_are_left_out() -> None:
    """The AI SDK refers to thoughts that it believes to be stored: the conversation is whole without them."""
    hello = {"role": "user", "content": "Hello!"}
    assert again(input=[hello, {"type": "item_reference", "id": "rs_1"}])["input"] == [hello]


@given(st.lists(ITEMS, min_size=1, max_size=8))
def test_any_order_of_items_survives(items: list[dict[str, Any]]) -> None:
    """However reasoning, texts, calls and items of this format alone are mixed, they come out as they went in.

    But an output is of its call's kind, whatever its type says.
    """
    custom = {item["call_id"] for item in items if item.get("type") == "custom_tool_call"}
    assume(not any(item.get("type") == "function_call_output" and item["call_id"] in custom for item in items))
    assert again(input=items)["input"] == items
