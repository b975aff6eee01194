"""Between chat and Responses: what a request of one is in the other's words."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tollway.domain.chat import AssistantMessage, ChatRequest, TextPart
from tollway.domain.events import ToolCallDelta
from tollway.domain.quirks import Quirks
from tollway.wire.collect import collect
from tollway.wire.openai_chat.client import encode_request as encode_chat
from tollway.wire.openai_chat.server import EventEncoder as ChatEncoder
from tollway.wire.openai_chat.server import decode_request as decode_chat
from tollway.wire.openai_chat.server import encode_answer as encode_chat_answer
from tollway.wire.openai_responses.client import encode_request
from tollway.wire.openai_responses.server import decode_request

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
SEALED = {"type": "reasoning.encrypted", "data": "x", "id": "rs_1", "format": "openai-responses-v1", "index": 1}
PIECES = [
    {"type": "reasoning.summary", "summary": text, "id": "rs_1", "format": "openai-responses-v1", "index": 0}
    for text in ("H", "m")
]
FOREIGN = {"type": "reasoning.text", "text": "no", "signature": "s", "format": "anthropic-claude-v1", "index": 2}
CALLS = [{"id": f"call_{at}", "type": "function", "function": {"name": "look", "arguments": "{}"}} for at in (0, 1)]
CHAT: dict[str, Any] = {
    "messages": [
        {
            "role": "system",
            "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": PNG}},
                {"type": "file", "file": {"file_data": PDF}},
                {"type": "file", "file": {"file_data": "https://a.example/b.pdf", "filename": "b.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": CALLS,
            "reasoning_details": [*PIECES, SEALED, FOREIGN],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "a cat"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": "d", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": True,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
    "reasoning": {"effort": "high"},
    "verbosity": "low",
    "temperature": 0.5,
    "stop": ["never sent here"],
    "seed": 1,
}
IMAGE = {"type": "input_image", "image_url": PNG, "detail": "auto"}
RESPONSES: dict[str, Any] = {
    "model": "gpt",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is it?"},
                IMAGE,
                {"type": "input_file", "file_data": PDF, "filename": "file.pdf"},
                {"type": "input_file", "file_url": "https://a.example/b.pdf"},
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "encrypted_content": "x",
            "summary": [{"type": "summary_text", "text": "Hm"}],
        },
        {"role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "call_0", "name": "look", "arguments": "{}"},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_0", "output": "a cat"},
        {"type": "function_call_output", "call_id": "call_1", "output": [IMAGE]},
    ],
    "temperature": 0.5,
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
        "verbosity": "low",
    },
    "tools": [{"type": "function", "name": "look", "description": "d", "parameters": SCHEMA, "strict": False}],
    "tool_choice": {"type": "function", "name": "look"},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 99,
    "stream": True,
    "store": False,
}


def decoded(**fields: Any) -> ChatRequest:
    return decode_request(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def written(request: ChatRequest, **options: Any) -> dict[str, Any]:
    given_options: dict[str, Any] = {"upstream_model": "gpt", "max_tokens": None, "stream": False, **options}
    value = json.loads(encode_request(request, **given_options))
    assert isinstance(value, dict)
    return value


def from_chat(**fields: Any) -> ChatRequest:
    return decode_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode())


def test_a_chat_request_becomes_one_of_this_format() -> None:
    """System, parts, tools, a turn with sealed reasoning and two calls, their outputs, a schema."""
    assert written(from_chat(**CHAT), max_tokens=99, stream=True) == RESPONSES


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"reasoning": {"effort": "none"}}, "reasoning", {"effort": "none"}),
        ({"reasoning": {"enabled": True}}, "reasoning", {"effort": "medium", "summary": "auto"}),
        ({"reasoning": {"effort": "low", "exclude": True}}, "reasoning", {"effort": "low"}),
        ({"reasoning_effort": "low", "include_reasoning": False}, "reasoning", {"effort": "low"}),
        ({"reasoning": {"max_tokens": 800}, "max_tokens": 1000}, "reasoning", {"effort": "high", "summary": "auto"}),
        ({"response_format": {"type": "json_object"}}, "text", {"format": {"type": "json_object"}}),
        ({"logprobs": True, "top_logprobs": 3}, "include", ["message.output_text.logprobs"]),
        ({"logprobs": True, "top_logprobs": 3}, "top_logprobs", 3),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "any"}, "tool_choice", "required"),
        (
            {"web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Salvador"}}}},
            "tools",
            [{"type": "web_search", "user_location": {"type": "approximate", "city": "Salvador"}}],
        ),
        (
            {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
            "tool_choice",
            {"type": "function", "name": "f"},
        ),
        ({"safety_identifier": "s"}, "safety_identifier", "s"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key", "k"),
    ],
)
def test_chat_parameters_have_their_counterparts(fields: dict[str, Any], name: str, expected: Any) -> None:
    """One by one, in this format's words."""
    assert written(from_chat(**fields))[name] == expected


def test_only_what_the_endpoint_lists() -> None:
    """A parameter that the endpoint does not list is left out; one of other servers' is sent where it is listed."""
    request = from_chat(temperature=0.5, top_p=0.5, top_k=5, verbosity="low", stop=["a"])
    body = written(request, parameters=frozenset({"temperature", "top_k", "reasoning"}))
    assert (body["temperature"], body["top_k"]) == (0.5, 5)
    assert not {"top_p", "text", "stop"} & body.keys()
    # A model that reasons gives its seals, which is all that a conversation that nobody stores has.
    assert body["include"] == ["reasoning.encrypted_content"]


def test_quirks() -> None:
    """What a provider refuses is dropped, what it names otherwise is renamed; it may know OpenRouter's reasoning."""
    request = from_chat(temperature=0.5, reasoning={"max_tokens": 800})
    quirks = Quirks(drop=frozenset({"temperature"}), rename={"max_tokens": "limit"}, reasoning_style="object")
    body = written(request, max_tokens=5, quirks=quirks)
    assert (body["limit"], body["reasoning"]) == (5, {"max_tokens": 800})
    assert not {"temperature", "max_output_tokens"} & body.keys()
    chat_only = Quirks(rename={"max_tokens": "max_completion_tokens"})
    assert written(request, max_tokens=5, quirks=chat_only)["max_output_tokens"] == 5, "a name of the chat format"


def test_cache_marks_where_they_are_known() -> None:
    """Anthropic's mark on a block is OpenAI's end of a prefix, but only newer models take it."""
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    request = from_chat(messages=[{"role": "user", "content": [part]}])
    marked = written(request, quirks=Quirks(keeps=frozenset({"prompt_cache_breakpoint"})))["input"][0]["content"][0]
    assert marked == {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert written(request)["input"][0]["content"][0] == {"type": "input_text", "text": "a"}


def test_an_item_that_was_changed_is_written_as_it_is_now() -> None:
    """A plugin that rewrites a turn wins over how its items came."""
    request = decoded(input=[{"type": "message", "role": "assistant", "content": "old", "id": "msg_1"}])
    turn = request.messages[0]
    assert isinstance(turn, AssistantMessage)
    changed = replace(request, messages=(replace(turn, content=(TextPart("new"), TextPart("er"))),))
    texts = [{"type": "output_text", "text": "new"}, {"type": "output_text", "text": "er"}]
    assert written(changed, same_format=True)["input"] == [{"role": "assistant", "content": texts}]


def test_a_request_reaches_the_chat_format() -> None:
    """The other way round: our words, as a chat provider reads them."""
    request = decoded(
        instructions="Be brief.",
        input=[
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG}],
            },
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x"},
            {"type": "web_search_call", "id": "ws", "status": "completed"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call_output", "call_id": "c2", "output": "2"},
            {"type": "compaction", "encrypted_content": "x", "id": "cmp"},
        ],
        tools=[{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}, {"type": "web_search"}],
        tool_choice="required",
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        reasoning={"effort": "low"},
    )
    body = json.loads(encode_chat(request, upstream_model="m", max_tokens=9, stream=False, same_format=False))
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert body == {
        "model": "m",
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PNG}}],
            },
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", **call}, {"id": "c2", **call}]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "reasoning_effort": "low",
    }


def test_tools_that_came_later_are_tools() -> None:
    """OpenAI's `additional_tools` item: elsewhere its tools stand with the others, here the item stays where it was."""
    tool = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}
    item = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    request = decoded(input=[item, {"role": "user", "content": "go"}])
    chat = json.loads(encode_chat(request, upstream_model="m", max_tokens=9, stream=False, same_format=False))
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["f"]
    same = written(request, same_format=True)
    assert same["input"] == [item, {"role": "user", "content": "go"}]
    assert same.get("tools", []) == []


def test_custom_calls_reach_chat() -> None:
    """A call of a tool with free text, as OpenAI's chat has it: whole, and in pieces."""
    pieces = [ToolCallDelta(0, id="c", name="sql", custom=True), ToolCallDelta(0, arguments="SELECT 1", custom=True)]
    envelope: dict[str, Any] = {"id": "gen-1", "created": 1, "model": "m", "provider": None}
    body = json.loads(encode_chat_answer(collect(pieces), usage_json=b"null", **envelope))
    call = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}
    assert body["choices"][0]["message"]["tool_calls"] == [call]
    chunks = ChatEncoder(**envelope).encode(pieces).decode().split("\n\n")[:-1]
    deltas = [json.loads(chunk.removeprefix("data: "))["choices"][0]["delta"]["tool_calls"][0] for chunk in chunks]
    assert deltas == [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": ""}},
        {"index": 0, "custom": {"input": "SELECT 1"}},
    ]
