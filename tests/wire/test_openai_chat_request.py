"""What a provider gets: its own parameters under its own names, and nothing that is ours or the caller's secret."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from tests.wire.recordings import requests
from tollway.domain.caps import PriceRouting
from tollway.domain.chat import (
    AssistantMessage,
    CacheControl,
    ChatRequest,
    DeveloperMessage,
    FunctionCall,
    ImagePart,
    ImageUrl,
    JsonSchema,
    LegacyVideoPart,
    MessageToolCall,
    Preferences,
    Reasoning,
    ResponseFormat,
    StreamOptions,
    SystemMessage,
    TextPart,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    ToolFunction,
    ToolMessage,
    UserMessage,
    VideoUrl,
)
from tollway.domain.quirks import Quirks
from tollway.wire.openai_chat.client import encode_request
from tollway.wire.openai_chat.server import decode_request

HI = (UserMessage(content="hi"),)
OPENROUTER = Quirks(
    reasoning_style="object",
    developer_role=True,
    keeps=frozenset(
        {
            "cache_control",
            "reasoning",
            "reasoning_details",
            "images",
            "annotations",
            "model",
            "extra_content",
            "prompt_cache_breakpoint",
            "eager_input_streaming",
            "prefix",
            "reasoning_content",
        }
    ),
)


def sent(request: ChatRequest, **options: Any) -> dict[str, Any]:
    """The JSON that goes out."""
    given: dict[str, Any] = {"upstream_model": "m", "max_tokens": None, "stream": False, **options}
    body = json.loads(encode_request(request, **given))
    assert isinstance(body, dict)
    return body


def test_the_plain_case() -> None:
    """Model, messages and what the caller set; the stream brings its usage."""
    request = ChatRequest(messages=HI, model="a/b:free", temperature=0.5, max_tokens=9, stream=True)
    assert sent(request, max_tokens=9, stream=True) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_ours_never_leaves() -> None:
    """Fields for a router, and the caller's raw user, stay here, whatever the provider."""
    request = ChatRequest(
        messages=HI,
        model="a/b",
        models=("a/c",),
        provider=Preferences(only=("x",)),
        route="fallback",
        transforms=("middle-out",),
        preset="p",
        plugins=({"id": "web"},),
        session_id="s",
        trace={"a": 1},
        usage={"include": True},
        routing=PriceRouting(max_total_per_1m="1"),
        user="alice@example.org",
        metadata={"k": "v"},
        stream=True,
        stream_options=StreamOptions(include_usage=False),
        structured_outputs=True,
        include_reasoning=True,
        max_tool_calls=3,
        stop_server_tools_when=({"type": "x"},),
        deferred_tools={"a": 1},
        x_search_filter={"a": 1},
        suffix="s",
        echo=True,
        best_of=2,
        cache_control=CacheControl(),
        image_config={"a": "b"},
        top_a=0.5,
        extra={"api_base": Raw(b'"https://evil"'), "new": Raw(b"1")},
    )
    assert sent(request, user_id="hash") == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "user": "hash",
        "new": 1,
    }
    assert "user" not in sent(request)
    assert "user" not in sent(request, user_id="hash", quirks=Quirks(drop=frozenset({"user"})))


@pytest.mark.parametrize(
    "name",
    [
        "api_base",
        "base_url",
        "api_key",
        "extra_headers",
        "extra_body",
        "mock_response",
        "aws_secret_access_key",
        "timeout",
        "vertex_credentials",
        "custom_llm_provider",
        "fallbacks",
        "model_list",
    ],
)
def test_orders_to_other_gateways_never_leave(name: str) -> None:
    """C-8: a field that a gateway behind us may obey is not passed on."""
    assert name not in sent(ChatRequest(messages=HI, extra={name: Raw(b'"x"')}))


def test_unknown_fields() -> None:
    """They go to an endpoint of the format that the request came in, unless the provider refuses them."""
    request = ChatRequest(messages=HI, extra={"thinking": Raw(b'{"type":"enabled"}')})
    assert sent(request)["thinking"] == {"type": "enabled"}
    assert "thinking" not in sent(request, same_format=False)
    assert "thinking" not in sent(request, quirks=Quirks(drop=frozenset({"thinking"})))


@pytest.mark.parametrize(
    ("request_", "options", "expected"),
    [
        (ChatRequest(messages=HI, max_tokens=5), {"max_tokens": 7}, {"max_tokens": 7}),
        (ChatRequest(messages=HI, max_completion_tokens=5), {"max_tokens": 7}, {"max_completion_tokens": 7}),
        (
            ChatRequest(messages=HI, max_tokens=5, max_completion_tokens=5),
            {"max_tokens": 5},
            {"max_completion_tokens": 5},
        ),
        (ChatRequest(messages=HI), {"max_tokens": 7}, {"max_tokens": 7}),
        (ChatRequest(messages=HI, max_tokens=5), {}, {}),
        (
            ChatRequest(messages=HI, max_completion_tokens=5),
            {"max_tokens": 7, "quirks": Quirks(rename={"max_completion_tokens": "max_tokens"})},
            {"max_tokens": 7},
        ),
        (
            ChatRequest(messages=HI),
            {"max_tokens": 7, "quirks": Quirks(rename={"max_tokens": "max_completion_tokens"})},
            {"max_completion_tokens": 7},
        ),
        (
            ChatRequest(messages=HI),
            {"max_tokens": 7, "quirks": Quirks(rename={"max_tokens": "max_new_tokens"})},
            {"max_new_tokens": 7},
        ),
        (
            ChatRequest(messages=HI, extra={"max_new_tokens": Raw(b"99999")}),
            {"max_tokens": 7, "quirks": Quirks(rename={"max_tokens": "max_new_tokens"})},
            {"max_new_tokens": 7},
        ),
        (
            ChatRequest(messages=HI, max_completion_tokens=5),
            {"max_tokens": 7, "parameters": frozenset({"max_tokens"})},
            {"max_tokens": 7},
        ),
        (ChatRequest(messages=HI), {"max_tokens": 7, "parameters": frozenset({"temperature"})}, {"max_tokens": 7}),
    ],
)
def test_max_tokens(request_: ChatRequest, options: dict[str, Any], expected: dict[str, int]) -> None:
    """What is sent is what was planned, under one name, and never left out: the hold depends on it."""
    body = sent(request_, **options)
    assert {name: value for name, value in body.items() if name.startswith("max")} == expected


def test_parameters_of_the_endpoint() -> None:
    """What the endpoint does not list is dropped, nothing is defaulted in; an empty list means unknown."""
    request = ChatRequest(
        messages=HI,
        temperature=0.1,
        top_k=5,
        seed=3,
        logit_bias={"1": 2.0},
        stop="x",
        n=2,
        response_format=ResponseFormat("json_schema", JsonSchema("n")),
        tools=(Tool(function=ToolFunction("f")),),
    )
    body = sent(request, parameters=frozenset({"temperature", "structured_outputs"}))
    assert set(body) == {"model", "messages", "temperature", "n", "response_format"}
    assert {"top_k", "seed", "tools", "stop"} <= set(sent(request))
    assert "seed" not in sent(request, quirks=Quirks(drop=frozenset({"seed"})))
    assert sent(request, quirks=Quirks(rename={"seed": "random_seed"}))["random_seed"] == 3
    assert "seed" not in sent(request, quirks=Quirks(rename={"seed": "random_seed"}))


def test_stream_usage_quirk() -> None:
    """A provider that does not know `stream_options` is not told."""
    body = sent(ChatRequest(messages=HI), stream=True, quirks=Quirks(stream_usage=False))
    assert body["stream"] is True
    assert "stream_options" not in body


@pytest.mark.parametrize(
    ("request_", "quirks", "expected"),
    [
        (ChatRequest(reasoning=Reasoning(effort="high", exclude=True)), Quirks(), {"reasoning_effort": "high"}),
        (ChatRequest(reasoning_effort="low"), Quirks(), {"reasoning_effort": "low"}),
        (ChatRequest(reasoning=Reasoning(enabled=True)), Quirks(), {"reasoning_effort": "medium"}),
        (ChatRequest(reasoning=Reasoning(enabled=False)), Quirks(), {"reasoning_effort": "none"}),
        (ChatRequest(reasoning=Reasoning(max_tokens=100)), Quirks(), {"reasoning_effort": "minimal"}),
        (ChatRequest(reasoning=Reasoning(max_tokens=100), max_tokens=1000), Quirks(), {"reasoning_effort": "minimal"}),
        (ChatRequest(reasoning=Reasoning(max_tokens=500), max_tokens=1000), Quirks(), {"reasoning_effort": "medium"}),
        (ChatRequest(reasoning=Reasoning(max_tokens=900), max_tokens=1000), Quirks(), {"reasoning_effort": "high"}),
        (ChatRequest(reasoning=Reasoning(max_tokens=100)), OPENROUTER, {"reasoning": {"max_tokens": 100}}),
        (ChatRequest(reasoning_effort="low"), OPENROUTER, {"reasoning": {"effort": "low"}}),
        (ChatRequest(include_reasoning=False), OPENROUTER, {"reasoning": {"exclude": True}}),
        (ChatRequest(reasoning_effort="low"), Quirks(drop=frozenset({"reasoning_effort"})), {}),
    ],
)
def test_reasoning(request_: ChatRequest, quirks: Quirks, expected: dict[str, Any]) -> None:
    """OpenAI's word or OpenRouter's object, as the provider has it; and none where it cannot reason."""
    body = sent(request_, quirks=quirks)
    assert {name: value for name, value in body.items() if "reason" in name} == expected
    assert not any("reason" in name for name in sent(request_, quirks=quirks, parameters=frozenset({"temperature"})))


CONVERSATION = (
    DeveloperMessage(content="be brief"),
    UserMessage(
        content=(TextPart("x", cache_control=CacheControl(ttl="1h")), LegacyVideoPart(VideoUrl("https://v"))),
        cache_control=CacheControl(),
    ),
    AssistantMessage(
        reasoning="hm",
        reasoning_details=(Raw(b'{"type":"reasoning.text"}'),),
        images=[{"a": 1}],
        annotations=[],
        model="m",
        prefix=True,
        tool_calls=(MessageToolCall("1", FunctionCall("f", ""), extra_content={"google": {}}),),
    ),
    ToolMessage(content=(TextPart("y"), ImagePart(ImageUrl("https://i"))), tool_call_id="1"),
)


def test_messages_for_a_plain_provider() -> None:
    """What OpenAI's own text does not have is taken out; `developer` becomes `system`; the rest is as it was."""
    tools = (Tool(function=ToolFunction("f"), cache_control=CacheControl(), eager_input_streaming=True),)
    body = sent(ChatRequest(messages=CONVERSATION, tools=tools))
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "x"}, {"type": "video_url", "video_url": {"url": "https://v"}}],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": ""}, "type": "function"}],
        },
        {
            "role": "tool",
            "content": [{"type": "text", "text": "y"}, {"type": "image_url", "image_url": {"url": "https://i"}}],
            "tool_call_id": "1",
        },
    ]
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]


def test_messages_for_one_that_keeps_them() -> None:
    """A provider gets back the fields that it keeps, under its own name for the thoughts."""
    body = sent(ChatRequest(messages=CONVERSATION), quirks=OPENROUTER)
    assert body["messages"][0]["role"] == "developer"
    assert body["messages"][1]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][1]["cache_control"] == {"type": "ephemeral"}
    assert body["messages"][2]["reasoning_details"] == [{"type": "reasoning.text"}]
    assert body["messages"][2]["tool_calls"][0]["extra_content"] == {"google": {}}
    deepseek = sent(ChatRequest(messages=CONVERSATION), quirks=Quirks(keeps=frozenset({"reasoning_content"})))
    assert deepseek["messages"][2]["reasoning_content"] == "hm"
    assert "reasoning" not in deepseek["messages"][2]


def test_a_prompt_becomes_a_message() -> None:
    """The legacy `prompt` is one user message, and not sent beside it."""
    assert sent(ChatRequest(prompt="hi")) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_recorded_requests_are_sent_as_they_came() -> None:
    """A recorded request, decoded and encoded for a provider that takes everything, is the recorded request."""
    for name, body in requests():
        if "openrouter" in name or "mistral" in name:
            continue  # These use router fields, or leave out `type`: the other tests cover them.
        request = decode_request(json.dumps(body).encode())
        written = sent(
            request,
            upstream_model=body["model"],
            max_tokens=request.output_limit,
            stream=bool(request.stream),
            quirks=OPENROUTER if "reasoning" in body else msgspec.structs.replace(OPENROUTER, reasoning_style="effort"),
            user_id=request.user,
        )
        # Null is said by leaving out, and a request that is not streamed needs no word for it.
        expected = json.loads(json.dumps(body), object_hook=lambda o: {k: v for k, v in o.items() if v is not None})
        if not expected.pop("stream", False):
            expected.pop("stream_options", None)
        else:
            expected |= {"stream": True, "stream_options": {"include_usage": True}}
        assert written == expected, name


TEXT = st.text(max_size=12)
PARTS = st.one_of(
    st.builds(TextPart, text=TEXT, cache_control=st.none() | st.just(CacheControl(ttl="5m"))),
    st.builds(ImagePart, image_url=st.builds(ImageUrl, url=TEXT, detail=st.none() | st.just("low"))),
)
CONTENTS = TEXT | st.lists(PARTS, max_size=3).map(tuple)
CALLS = st.builds(MessageToolCall, id=TEXT, function=st.builds(FunctionCall, name=TEXT, arguments=TEXT))
MESSAGES = st.one_of(
    st.builds(SystemMessage, content=CONTENTS),
    st.builds(DeveloperMessage, content=CONTENTS, name=st.none() | TEXT),
    st.builds(UserMessage, content=CONTENTS, cache_control=st.none() | st.just(CacheControl())),
    st.builds(
        AssistantMessage,
        content=st.none() | CONTENTS,
        tool_calls=st.none() | st.lists(CALLS, max_size=2).map(tuple),
        reasoning=st.none() | TEXT,
        reasoning_details=st.none() | st.just((Raw(b'{"a":1}'),)),
        images=st.none() | st.just([{"a": 1}]),
    ),
    st.builds(ToolMessage, content=CONTENTS, tool_call_id=TEXT),
)
NAMES = st.text(alphabet="abc_-9", min_size=1, max_size=8)
TOOLS = st.builds(
    Tool,
    function=st.builds(
        ToolFunction,
        name=NAMES,
        description=st.none() | TEXT,
        parameters=st.none() | st.just({"type": "object"}),
        strict=st.none() | st.booleans(),
    ),
)


@st.composite
def chat_requests(draw: st.DrawFn) -> ChatRequest:
    """Requests that pass the rules between fields."""
    tools = draw(st.none() | st.lists(TOOLS, min_size=1, max_size=2).map(tuple))
    first = tools[0].function if tools else None
    choices: list[Any] = [None, "auto", "none", "required"]
    if first is not None:
        choices.append(ToolChoice("function", ToolChoiceFunction(first.name)))
    return ChatRequest(
        messages=draw(st.lists(MESSAGES, min_size=1, max_size=4).map(tuple)),
        model=draw(st.none() | NAMES),
        models=draw(st.none() | st.lists(NAMES, max_size=3).map(tuple)),
        stream=draw(st.none() | st.booleans()),
        max_tokens=draw(st.none() | st.integers(1, 10**8)),
        temperature=draw(st.none() | st.floats(0, 2)),
        seed=draw(st.none() | st.integers(-(2**53), 2**53)),
        stop=draw(st.none() | TEXT | st.lists(TEXT, max_size=4).map(tuple)),
        logit_bias=draw(st.none() | st.dictionaries(NAMES, st.floats(-100, 100), max_size=2)),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        reasoning=draw(st.none() | st.just(Reasoning(effort="low", exclude=True))),
        provider=draw(
            st.none() | st.builds(Preferences, order=st.just(("a", "b")), zdr=st.booleans(), sort=st.just("price"))
        ),
        metadata=draw(st.none() | st.dictionaries(NAMES, TEXT, max_size=2)),
        user=draw(st.none() | NAMES),
    )


@given(
    chat_requests(),
    st.dictionaries(
        st.sampled_from(["extra", "new_field", "thinking"]),
        st.sampled_from([b"1", b'{"a":[null]}', b'"\\u00e9"', b"null"]),
    ),
)
def test_round_trip(request_: ChatRequest, extra: dict[str, bytes]) -> None:
    """decode_request(encode(request)) == request, unknown fields included."""
    body = msgspec.json.encode(request_)
    if extra:
        body = body[:-1] + b"".join(b',"%b":%b' % (name.encode(), value) for name, value in extra.items()) + b"}"
    raws = {name: Raw(msgspec.json.encode(json.loads(value))) for name, value in extra.items()}
    assert decode_request(body) == msgspec.structs.replace(request_, extra=raws)


@given(chat_requests(), st.booleans(), st.integers(1, 9999))
def test_what_is_sent_is_a_request(request_: ChatRequest, stream: bool, max_tokens: int) -> None:
    """What we send, we would accept: and it asks the same messages, for the same number of tokens."""
    again = decode_request(
        encode_request(request_, upstream_model="m", max_tokens=max_tokens, stream=stream, quirks=OPENROUTER)
    )
    assert again.messages == request_.messages
    assert again.tools == request_.tools
    assert (again.model, again.output_limit, bool(again.stream)) == ("m", max_tokens, stream)
    assert again.provider is None
    assert again.models is None
    assert again.user is None


@given(
    texts=st.lists(st.text(), min_size=1, max_size=3),
    stream=st.booleans(),
    max_tokens=st.none() | st.integers(1, 1000),
    asked=st.fixed_dictionaries(
        {},
        optional={
            "stream": st.booleans(),
            "max_tokens": st.integers(1, 9),
            "max_completion_tokens": st.integers(1, 9),
            "temperature": st.floats(0, 2),
        },
    ),
    parameters=st.frozensets(st.sampled_from(("temperature", "max_tokens", "max_completion_tokens", "tools"))),
    drop=st.frozensets(st.sampled_from(("temperature", "max_tokens", "tools"))),
    ranges=st.sampled_from(({}, {"temperature": (0.5, 1.0)})),
    rename=st.sampled_from(({}, {"temperature": "warmth"}, {"max_tokens": "max_completion_tokens"})),
)
def test_a_request_without_options_is_written_as_any_other(
    texts: list[str],
    stream: bool,
    max_tokens: int | None,
    asked: dict[str, Any],
    parameters: frozenset[str],
    drop: frozenset[str],
    ranges: dict[str, tuple[float, float]],
    rename: dict[str, str],
) -> None:
    """The short way and the long one, on which an option that is never sent leads, give the same bytes."""
    request = ChatRequest(messages=tuple([UserMessage(content=text) for text in texts]), model="a/b", **asked)
    short, long = (
        encode_request(
            each,
            upstream_model="m",
            max_tokens=max_tokens,
            stream=stream,
            parameters=parameters,
            quirks=Quirks(drop=drop, ranges=ranges, rename=rename),
        )
        for each in (request, replace(request, session_id="s"))
    )
    assert short == long
