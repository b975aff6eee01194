"""Anthropic's requests: what is read, what is refused, and how they read for a provider of another format."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.chat import (
    AssistantMessage,
    CacheControl,
    ChatRequest,
    FunctionCall,
    JsonSchema,
    MessageToolCall,
    Reasoning,
    ResponseFormat,
    SystemMessage,
    TextPart,
    Tool,
    ToolFunction,
    ToolMessage,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import client, server
from tollway.wire.openai_chat import client as openai_client

HI = {"role": "user", "content": "Hi"}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def for_openai(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """An Anthropic request as a provider of OpenAI's format gets it."""
    request = server.decode_request(json.dumps({"model": "m", "max_tokens": 1000, **body}).encode())
    given: dict[str, Any] = {"upstream_model": "gpt", "max_tokens": 1000, "stream": False, "same_format": False}
    value = json.loads(openai_client.encode_request(request, **{**given, **options}))
    assert isinstance(value, dict)
    return value


ASKED: dict[str, Any] = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
                {"type": "document", "title": "t", "source": {"type": "url", "url": "https://a/b.pdf"}},
                {
                    "type": "search_result",
                    "source": "https://s",
                    "title": "T",
                    "content": [{"type": "text", "text": "found"}],
                },
                {"type": "container_upload", "file_id": "file_1"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Let me see."},
                {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
                {"type": "text", "text": " Found it."},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no"},
                {"type": "text", "text": "Go on."},
            ],
        },
    ],
    "tools": [
        {"name": "f", "description": "d", "input_schema": WEATHER, "strict": True, "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 500},
    "stop_sequences": ["x"],
    "metadata": {"user_id": "raw"},
    "container": "c",
}
AS_CHAT = {
    "model": "gpt",
    "max_tokens": 1000,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                {"type": "file", "file": {"filename": "t", "file_data": "https://a/b.pdf"}},
                {"type": "text", "text": "T\nhttps://s\nfound"},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Let me see."}, {"type": "text", "text": " Found it."}],
            "reasoning": "hm",
            "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"a":[1]}'}}],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "no"},
        {"role": "user", "content": [{"type": "text", "text": "Go on."}]},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": WEATHER, "strict": True}}
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "reasoning_effort": "medium",
    "stop": ["x"],
}


def test_anthropics_request_for_openai() -> None:
    """Blocks become messages and parts; what OpenAI's format cannot say is told as text or left out."""
    assert for_openai(ASKED, quirks=Quirks(keeps=frozenset({"reasoning"}))) == AS_CHAT


def test_no_recorded_word_leaks_to_openai() -> None:
    """A message of nothing but another format's blocks still has content, and no field of ours shows."""
    block = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}],
    }
    body = for_openai(
        {"messages": [{"role": "user", "content": [block]}], "tools": [{"type": "memory_20250818", "name": "memory"}]}
    )
    assert body["messages"] == [{"role": "tool", "tool_call_id": "t", "content": ""}]
    assert "tools" not in body
    assert "tollway" not in json.dumps(body)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "", "cache_control": {"ttl": 2}}]}]},
            "messages[0].content[0].cache_control.ttl",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "", "name": "f", "input": 3}]}]},
            "messages[0].content[0].input",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [3]}]}]},
            "messages[0].content[0].content[0]",
        ),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": 3}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "tool", "name": "g"}}, "tool_choice.name"),
        ({"fallbacks": [{"model": "a"}], "models": ["b"]}, "fallbacks"),
        ({"fallbacks": [{"model": "a", "x": 1}]}, "fallbacks[0].x"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"model": "a\x00b"}, "model"),
    ],
)  # fmt: skip
def test_wrong_requests(fields: dict[str, Any], param: str) -> None:
    """A caller's mistake names the field that is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        server.decode_request(json.dumps({"model": "m", "max_tokens": 9, "messages": [HI], **fields}).encode())
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b'{"messages":' + b"[" * 90, b'{"messages":3}'])
def test_hostile_requests(body: bytes) -> None:
    """What is no request is refused as one, whatever it is."""
    with pytest.raises(InvalidRequest):
        server.decode_request(body)


def test_routers_fields() -> None:
    """OpenRouter's additions to the format, and Anthropic's own fallbacks, are read."""
    fields = {
        "fallbacks": [{"model": "b/c"}],
        "provider": {"order": ["x"]},
        "session_id": "s",
        "plugins": [{"id": "web"}],
    }
    body = {"model": "a/b", "messages": [HI], "metadata": {"user_id": "u"}, "service_tier": "standard_only", **fields}
    request = server.decode_request(json.dumps(body).encode())
    assert request.models == ("b/c",)
    assert request.provider is not None
    assert request.provider.order == ("x",)
    assert (request.session_id, request.user, request.service_tier) == ("s", "u", "default")
    assert request.plugins == ({"id": "web"},)
    assert request.extra == {}


NAMES = st.text("abcXYZ_09", min_size=1, max_size=8)
TEXTS = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() == text != "")
MARKS = st.none() | st.builds(CacheControl, ttl=st.sampled_from((None, "5m", "1h")))
JSONS = st.dictionaries(
    NAMES, st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | st.lists(TEXTS, max_size=2), max_size=3
)


@st.composite
def requests_of_the_format(draw: st.DrawFn) -> ChatRequest:
    """Requests that the format can say whole."""
    messages: list[Any] = []
    if draw(st.booleans()):
        messages.append(SystemMessage(content=draw(TEXTS)))
    for place in range(draw(st.integers(1, 3))):
        parts = tuple(TextPart(draw(TEXTS), draw(MARKS)) for _ in range(draw(st.integers(1, 2))))
        messages.append(UserMessage(content=parts))
        names = draw(st.lists(NAMES, max_size=2))
        calls = tuple(
            MessageToolCall(
                f"toolu_{place}_{n}",
                FunctionCall(name, json.dumps(draw(JSONS), separators=(",", ":"), ensure_ascii=False)),
            )
            for n, name in enumerate(names)
        )
        messages.append(AssistantMessage(content=(TextPart(draw(TEXTS)),), tool_calls=calls or None))
        messages.extend(ToolMessage(content=draw(TEXTS), tool_call_id=call.id) for call in calls)
    tools = tuple(
        Tool(
            function=ToolFunction(name, draw(st.none() | TEXTS), {"type": "object", **draw(JSONS)}),
            cache_control=draw(MARKS),
        )
        for name in draw(st.lists(NAMES, max_size=2))
    )
    schema = draw(st.none() | JSONS)
    wanted = None if schema is None else JsonSchema("answer", schema=schema, strict=True)
    form = None if wanted is None else ResponseFormat("json_schema", wanted)
    return ChatRequest(
        model="m",
        messages=tuple(messages),
        max_tokens=draw(st.integers(1, 10**6)),
        tools=tools or None,
        tool_choice=draw(st.sampled_from((None, "auto", "required", "none"))) if tools else None,
        temperature=draw(st.none() | st.sampled_from((0.0, 0.5, 1.0))),
        top_k=draw(st.none() | st.integers(0, 9)),
        stop=draw(st.none() | st.tuples(TEXTS)),
        reasoning=draw(st.none() | st.just(Reasoning(enabled=False))),
        response_format=form,
        cache_control=draw(MARKS),
    )  # fmt: skip


@given(requests_of_the_format())
def test_requests_round_trip(request_: ChatRequest) -> None:
    """decode_request(encode_request(r)) == r, for all that the format can say."""
    body = client.encode_request(
        request_, upstream_model="m", max_tokens=request_.max_tokens, stream=False, same_format=True
    )
    again = server.decode_request(body)
    assert again.extra.keys() <= {"thinking", "output_config"}
    fields = {name: getattr(again, name) for name in ChatRequest.__struct_fields__ if name != "extra"}
    expected = {name: getattr(request_, name) for name in ChatRequest.__struct_fields__ if name != "extra"}
    assert fields == expected
