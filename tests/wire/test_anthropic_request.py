"""Requests of other formats as Anthropic's documentation has them, and Anthropic's requests for other formats."""

import json
import re
from typing import Any

import pytest

from tollway.domain.chat import (
    ChatRequest,
    Reasoning,
)
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import client, server
from tollway.wire.closed_schema import STRUCTURED_TOOL
from tollway.wire.openai_chat import server as openai_server

MODEL = "claude-sonnet-4-5"
HI = {"role": "user", "content": "Hi"}
PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def sent(request: dict[str, Any] | ChatRequest, model: str = MODEL, **options: Any) -> dict[str, Any]:
    """A chat request (OpenAI's JSON, with OpenRouter's additions) as Anthropic gets it."""
    if isinstance(request, dict):
        request = openai_server.decode_request(json.dumps({"messages": [HI], **request}).encode())
    given: dict[str, Any] = {"max_tokens": 10_000, "stream": False, **options}
    value = json.loads(client.encode_request(request, upstream_model=model, **given))
    assert isinstance(value, dict)
    return value


def turns(messages: list[dict[str, Any]]) -> list[Any]:
    """The messages alone."""
    return list(sent({"messages": messages})["messages"])


DETAIL = {
    "type": "reasoning.text",
    "text": "Two cities.",
    "signature": "EuYBCkQ",
    "format": "anthropic-claude-v1",
    "index": 0,
}
CALLS = [
    {"id": f"toolu_{n}", "type": "function", "function": {"name": "weather", "arguments": f'{{"city":"{city}"}}'}}
    for n, city in enumerate(("Rome", "Oslo"))
]
CONVERSATION: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "name": "Ada",
            "content": [
                {"type": "text", "text": "Where is it?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                },
            ],
        },
        {"role": "assistant", "content": "Looking.", "reasoning_details": [DETAIL], "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "toolu_0", "content": "18 C"},
        {"role": "tool", "tool_call_id": "toolu_1", "content": [{"type": "text", "text": "4 C"}]},
        {"role": "user", "content": "So?"},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Now", "parameters": WEATHER}}],
    "tool_choice": "auto",
    "stop": "END",
    "temperature": 0.3,
}
AS_MESSAGES = {
    "model": MODEL,
    "max_tokens": 10_000,
    "system": "Be brief.",
    "messages": [
        {
            "role": "user",
            "content": [
                {
                    "type": "text",
                    "text": "Ada: Where is it?",
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                },
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.jpg"}},
                {
                    "type": "document",
                    "title": "a.pdf",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Two cities.", "signature": "EuYBCkQ"},
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_0", "name": "weather", "input": {"city": "Rome"}},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_0", "content": "18 C"},
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "4 C"}]},
                {"type": "text", "text": "So?"},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "Now", "input_schema": WEATHER}],
    "tool_choice": {"type": "auto"},
    "stop_sequences": ["END"],
    "temperature": 0.3,
    "metadata": {"user_id": "hash"},
}


def test_a_whole_conversation() -> None:
    """Tools, an image, a PDF, reasoning, parallel calls and their results: every part has its counterpart."""
    assert sent(CONVERSATION, user_id="hash") == AS_MESSAGES


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "auto", "parallel_tool_calls": True}, {"type": "auto"}),
        ({}, None),
    ],
)
def test_tool_choice(fields: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Docs, tool use, "Controlling Claude's output"; what is the default is not written."""
    body = sent({"tools": [{"type": "function", "function": {"name": "f"}}], **fields})
    assert body.get("tool_choice") == expected
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert "tool_choice" not in sent(fields | {"tool_choice": "auto"})  # without tools it is refused


@pytest.mark.parametrize(
    ("fields", "model", "thinking", "effort"),
    [
        ({}, MODEL, None, None),
        ({"reasoning": {"effort": "high"}}, MODEL, {"type": "enabled", "budget_tokens": 8000}, None),
        ({"reasoning": {"effort": "xhigh"}}, MODEL, {"type": "enabled", "budget_tokens": 9500}, None),
        ({"reasoning": {"effort": "max"}}, MODEL, {"type": "enabled", "budget_tokens": 9500}, None),
        ({"reasoning": {"effort": "medium"}}, MODEL, {"type": "enabled", "budget_tokens": 5000}, None),
        ({"reasoning": {"enabled": True}}, MODEL, {"type": "enabled", "budget_tokens": 5000}, None),
        ({"reasoning_effort": "low"}, MODEL, {"type": "enabled", "budget_tokens": 2000}, None),
        ({"reasoning": {"effort": "minimal"}}, MODEL, {"type": "enabled", "budget_tokens": 1024}, None),
        ({"reasoning": {"effort": "none"}}, MODEL, {"type": "disabled"}, None),
        ({"reasoning": {"enabled": False}}, MODEL, {"type": "disabled"}, None),
        ({"reasoning": {"max_tokens": 3000}}, MODEL, {"type": "enabled", "budget_tokens": 3000}, None),
        ({"reasoning": {"max_tokens": 50}}, MODEL, {"type": "enabled", "budget_tokens": 1024}, None),
        ({"reasoning": {"max_tokens": 99_000}}, MODEL, {"type": "enabled", "budget_tokens": 9999}, None),
        ({"reasoning": {"effort": "high"}}, "claude-opus-4-6", {"type": "enabled", "budget_tokens": 8000}, None),
        ({"reasoning": {"effort": "xhigh"}}, "claude-opus-4-8", {"type": "adaptive", "display": "summarized"}, "xhigh"),
        (
            {"reasoning": {"effort": "minimal", "exclude": True}},
            "claude-sonnet-5",
            {"type": "adaptive", "display": "omitted"},
            "low",
        ),
        (
            {"reasoning": {"max_tokens": 8000}},
            "anthropic.claude-opus-5",
            {"type": "adaptive", "display": "summarized"},
            "high",
        ),
        ({"verbosity": "xhigh"}, "claude-opus-4-7", None, "xhigh"),
        ({"verbosity": "xhigh"}, "claude-opus-4-6", None, "high"),
        ({"verbosity": "max"}, "claude-opus-4-5-20251101", None, "high"),
        ({"verbosity": "low"}, MODEL, None, None),
        ({"verbosity": "low", "reasoning": {"effort": "high"}}, "claude-opus-5", {"type": "adaptive"}, "low"),
    ],
)
def test_thinking(fields: dict[str, Any], model: str, thinking: dict[str, Any] | None, effort: str | None) -> None:
    """OPENROUTER.md 9.1: the ratios, the bounds, and for models that take no budget an effort, snapped to theirs."""
    body = sent(fields, model)
    found = body.get("thinking")
    assert found == thinking or {**(thinking or {}), "display": "summarized"} == found
    assert body.get("output_config", {}).get("effort") == effort


def test_thinking_needs_room() -> None:
    """A budget is at least 1024 and below max_tokens: where that cannot be, there is none, and no parameter changes."""
    asked = {"reasoning": {"effort": "high"}, "temperature": 0.5}
    assert "thinking" not in sent(asked, max_tokens=1024)
    assert sent(asked, max_tokens=1025)["thinking"] == {"type": "enabled", "budget_tokens": 1024}


def test_thinking_excludes() -> None:
    """Docs, extended thinking, "Feature compatibility": no temperature, no top_k, no call that is forced."""
    body = sent({"reasoning": {"effort": "high"}, "temperature": 0.5, "top_k": 3, "top_p": 0.5})
    assert {"temperature", "top_k", "top_p"}.isdisjoint(body)
    assert sent({"reasoning": {"effort": "high"}, "top_p": 0.97})["top_p"] == 0.97
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}
    assert "thinking" not in sent({"reasoning": {"effort": "high"}, **tools})
    assert "thinking" in sent({"reasoning": {"effort": "high"}, **tools}, "claude-opus-5")


def test_sampling() -> None:
    """Its temperature ends at 1, it takes one of temperature and top_p, and blank stops are refused."""
    body = sent({"temperature": 1.7, "top_p": 0.9, "top_k": 0, "stop": [" ", "x"], "seed": 3, "n": 1})
    assert {"temperature", "stop_sequences"} == set(body) - {"model", "max_tokens", "messages"}
    assert (body["temperature"], body["stop_sequences"]) == (1.0, ["x"])
    assert sent({"temperature": 0.2, "top_k": 5}, parameters=frozenset({"top_k"})).keys() >= {"top_k"}
    assert "temperature" not in sent({"temperature": 0.2}, parameters=frozenset({"top_k"}))


SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "description": "Years"}, "tags": {"type": "array"}},
    "required": ["age"],
}


def test_structured_output() -> None:
    """A JSON schema is a format of the answer, closed, its bounds told in words; any JSON is asked for in words."""
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
    assert sent({"response_format": form})["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {
                    "age": {"type": "integer", "description": "Years\n\n{minimum: 0}"},
                    "tags": {"type": "array"},
                },
                "required": ["age"],
                "additionalProperties": False,
            },
        }
    }
    body = sent({"response_format": {"type": "json_object"}})
    assert "JSON" in body["system"][-1]["text"]
    assert "output_config" not in body
    assert "output_config" not in sent({"response_format": form}, parameters=frozenset({"tools"}))


def test_structured_output_as_a_tool() -> None:
    """For providers without such a format: the one tool is called, or among others, some tool must be."""
    form = {"type": "json_schema", "json_schema": {"name": "person", "description": "A person", "schema": SCHEMA}}
    quirks = Quirks(structured_output="tool")
    tool = {"name": STRUCTURED_TOOL, "description": "A person", "input_schema": SCHEMA}
    body = sent({"response_format": form, "reasoning": {"effort": "high"}}, quirks=quirks)
    assert (body["tools"], body["tool_choice"]) == ([tool], {"type": "tool", "name": STRUCTURED_TOOL})
    assert {"output_config", "thinking"}.isdisjoint(body)
    both = {"response_format": form, "tools": [{"type": "function", "function": {"name": "f"}}]}
    body = sent({**both, "parallel_tool_calls": False}, quirks=quirks)
    assert body["tools"][1] == tool
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "system", "content": "S"}], [["user", "."]]),
        ([{"role": "assistant", "content": "A"}, HI], [["user", "."], ["assistant", "A"], ["user", "Hi"]]),
        ([HI, {"role": "assistant", "content": "{ \n"}], [["user", "Hi"], ["assistant", "{"]]),
        ([HI, {"role": "user", "content": "there"}], [["user", "Hi", "there"]]),
        ([HI, {"role": "system", "content": "S"}, {"role": "user", "content": "x"}], [["user", "Hi", "x"]]),
        ([HI, {"role": "assistant", "content": ""}, {"role": "user", "content": ""}], [["user", "Hi"]]),
        ([HI, {"role": "assistant", "refusal": "No."}, HI], [["user", "Hi"], ["assistant", "No."], ["user", "Hi"]]),
    ],
)
def test_turns(messages: list[dict[str, Any]], expected: list[list[str]]) -> None:
    """A user's turn first, none twice in a row, no empty text, and no space after a prefill (docs: messages)."""
    found = turns(messages)
    assert [[turn["role"], *(block["text"] for block in turn["content"])] for turn in found] == expected


def test_tool_calls_of_others() -> None:
    """Ids are kept, or others where they are refused; arguments that are no object are still told."""
    for arguments, expected in (
        ('{"a":1}', {"a": 1}),
        ("", {}),
        ("nonsense", {"arguments": "nonsense"}),
        ("[1]", {"arguments": [1]}),
    ):
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
        (block,) = turns([HI, {"role": "assistant", "tool_calls": [call]}, HI])[1]["content"]
        assert block == {"type": "tool_use", "id": "call_1", "name": "f", "input": expected}
    call = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "functions.f:0", "content": ""}
    _, said, told = turns([HI, {"role": "assistant", "tool_calls": [call]}, result])
    legal = said["content"][0]["id"]
    assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", legal)
    assert told["content"] == [{"type": "tool_result", "tool_use_id": legal}]


def test_old_function_calls() -> None:
    """OpenAI's first form of tools: the answer finds its call."""
    messages = [
        HI,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ]
    body = sent({"messages": messages, "functions": [{"name": "f"}], "function_call": {"name": "f"}})
    assert body["messages"][1]["content"][0]["id"] == body["messages"][2]["content"][0]["tool_use_id"]
    assert body["tools"][0]["name"] == "f"
    assert body["tool_choice"] == {"type": "tool", "name": "f"}


def test_only_claudes_reasoning_goes_back() -> None:
    """Signatures of other models, and thoughts that nobody signed, would be refused."""
    details = [
        {"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.text", "text": "unsigned", "format": "anthropic-claude-v1", "index": 1},
        {"type": "reasoning.encrypted", "data": "EqkE", "format": "anthropic-claude-v1", "index": 2},
    ]
    message = {"role": "assistant", "content": "A", "reasoning": "unsigned", "reasoning_details": details}
    assert turns([HI, message, HI])[1]["content"] == [
        {"type": "redacted_thinking", "data": "EqkE"},
        {"type": "text", "text": "A"},
    ]


def test_cache_marks() -> None:
    """On parts, messages, tools and the whole; OpenAI's breakpoints are translated, and the oldest over 4 go."""
    mark = {"type": "ephemeral"}
    point = {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    body = sent(
        {
            "messages": [
                {"role": "system", "content": "S", "cache_control": mark},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": str(n), "cache_control": mark} for n in range(3)],
                },
                {"role": "user", "content": [point]},
            ],
            "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": mark}],
            "cache_control": {"type": "ephemeral", "ttl": "5m"},
        }
    )
    assert body["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    assert body["system"] == [{"type": "text", "text": "S", "cache_control": mark}]
    assert body["tools"][0]["cache_control"] == mark
    assert [block.get("cache_control") for block in body["messages"][0]["content"]] == [
        None,
        None,
        None,
        {"type": "ephemeral", "ttl": "1h"},
    ]


def test_what_never_leaves() -> None:
    """Router's fields, unknown fields of another format, and orders to other gateways stay here."""
    fields = {
        "provider": {"order": ["a"]}, "models": ["b"], "user": "raw", "session_id": "s", "metadata": {"a": "b"},
        "thinking": {"type": "adaptive"}, "api_base": "https://evil", "logit_bias": {"1": 2.0}, "store": True,
    }  # fmt: skip
    assert set(sent(fields)) == {"model", "max_tokens", "messages"}
    own = {"model": "m", "messages": [HI], "max_tokens": 9, "api_base": "x", "speed": "fast", "user": "raw"}
    request = server.decode_request(json.dumps(own).encode())
    assert set(sent(request, same_format=True)) == {"model", "max_tokens", "messages", "speed"}
    assert set(sent(request)) == {"model", "max_tokens", "messages"}


def test_max_tokens_is_needed() -> None:
    """What is planned is sent; where nobody says anything, a default, since the format refuses its absence."""
    assert sent({"max_completion_tokens": 7}, max_tokens=5)["max_tokens"] == 5
    assert sent({"max_completion_tokens": 7}, max_tokens=None)["max_tokens"] == 7
    assert sent({}, max_tokens=None)["max_tokens"] == 4096


def test_own_thinking_is_kept_and_fits() -> None:
    """The same format: as it came, but below the tokens that are sent; another format: by the ratios."""
    own = {"model": "m", "messages": [HI], "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 6000}}
    request = server.decode_request(json.dumps(own).encode())
    assert request.reasoning == Reasoning(max_tokens=6000)
    assert sent(request, same_format=True, max_tokens=9000)["thinking"] == own["thinking"]
    assert sent(request, same_format=True, max_tokens=3000)["thinking"] == {"type": "enabled", "budget_tokens": 2999}
    assert "thinking" not in sent(request, same_format=True, max_tokens=500)
