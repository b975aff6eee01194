"""Cohere's chat beyond the recordings: requests as its documentation has them, streams that are odd, and properties."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tollway.domain.events import (
    Answer,
    Event,
    ExtraDelta,
    Failed,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.generation import Usage
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import server as anthropic_server
from tollway.wire.cohere_chat import client
from tollway.wire.cohere_chat.client import EventDecoder, decode_answer
from tollway.wire.collect import collect
from tollway.wire.openai_chat import server as openai_server

MODEL = "command-a-reasoning-08-2025"
HI = {"role": "user", "content": "Hi"}
PNG = "data:image/png;base64,iVBORw0KGgo="
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def tool(name: str, schema: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A function as OpenAI's callers offer it."""
    return {"type": "function", "function": {"name": name, **({"parameters": schema} if schema else {}), **more}}


def sent(request: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A chat request (OpenAI's JSON) as Cohere gets it, without its model and `stream`."""
    decoded = openai_server.decode_request(json.dumps({"messages": [HI], **request}).encode())
    body = client.encode_request(
        decoded, upstream_model=MODEL, **{"max_tokens": options.pop("limit", None), "stream": False, **options}
    )
    value = json.loads(body)
    assert (value.pop("model"), value.pop("stream")) == (MODEL, False)
    assert isinstance(value, dict)
    return value


def test_messages_are_written() -> None:
    """Roles, names, images, texts in files, calls and results, refusals; what it cannot take is told."""
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}
    given = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "name": "Ada",
            "content": [
                {"type": "text", "text": "Where?"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,SGk="}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,SGk="}},
                {"type": "file", "file": {"filename": "b.txt", "file_data": "data:text/plain;base64,SGk\u2028"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning": "I look."},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Rome"}]},
        {"role": "assistant", "content": "Rome.", "refusal": "No more."},
    ]
    assert sent({"messages": given})["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Ada: Where?"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "text", "text": "a.txt:\nHi"},
                {"type": "text", "text": "[The file a.pdf was left out: this model reads texts and images only.]"},
                {"type": "text", "text": "[The file b.txt was left out: this model reads texts and images only.]"},
                {"type": "text", "text": "[A recording was left out: this model does not hear.]"},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            "tool_plan": "I look.",
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Rome"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Rome."}, {"type": "text", "text": "No more."}]},
    ]


def test_a_conversation_needs_more_than_instructions() -> None:
    """Cohere refuses messages of role system alone."""
    assert sent({"messages": [{"role": "system", "content": "Go."}]})["messages"][1:] == [
        {"role": "user", "content": "."}
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"temperature": 0.3, "seed": 7, "stop": "END", "logprobs": True},
         {"temperature": 0.3, "seed": 7, "stop_sequences": ["END"], "logprobs": True}),
        ({"top_p": 1, "top_k": 0}, {"p": 0.99, "k": 0}),
        ({"top_p": 0, "top_k": 9000, "frequency_penalty": -1, "presence_penalty": 1.5},
         {"p": 0.01, "k": 500, "frequency_penalty": 0, "presence_penalty": 1}),
        ({"seed": -1, "user": "u", "n": 2, "logit_bias": {"1": 2}, "min_p": 0.1}, {"seed": 2**64 - 1}),
        ({"reasoning": {"max_tokens": 2000}}, {"thinking": {"type": "enabled", "token_budget": 2000}}),
        ({"reasoning": {"enabled": True}}, {"thinking": {"type": "enabled"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning": {"enabled": False}}, {"thinking": {"type": "disabled"}}),
        ({"reasoning": {"exclude": True}}, {}),
        ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ({"thinking": {"type": "disabled"}, "reasoning": {"enabled": True}}, {"thinking": {"type": "enabled"}}),
        ({"safety_mode": "STRICT", "citation_options": {"mode": "FAST"}, "documents": ["a"], "base_url": "http://x"},
         {"safety_mode": "STRICT", "citation_options": {"mode": "FAST"}, "documents": ["a"]}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": CITY}}},
         {"response_format": {"type": "json_object", "json_schema": CITY}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"tools": [tool("a", CITY, strict=True), tool("b", CITY, strict=True)]},
         {"tools": [tool("a", CITY), tool("b", CITY)], "strict_tools": True}),
        ({"tools": [tool("a", CITY, strict=True), tool("b", strict=True)]},
         {"tools": [tool("a", CITY), tool("b", {"type": "object", "properties": {}})]}),
        ({"tools": [tool("a", CITY), tool("b", CITY)],
          "tool_choice": {"type": "function", "function": {"name": "b"}}},
         {"tools": [tool("b", CITY)], "tool_choice": "REQUIRED"}),
        ({"tools": [tool("a", CITY), tool("b", CITY), tool("c", CITY)], "tool_choice": {
            "type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{"type": "function", "function": {"name": n}} for n in ("a", "c")]}}},
         {"tools": [tool("a", CITY), tool("c", CITY)], "tool_choice": "REQUIRED"}),
        ({"tools": [tool("a", CITY)], "tool_choice": "auto", "parallel_tool_calls": False},
         {"tools": [tool("a", CITY)]}),
        ({"tools": [{"type": "custom", "custom": {"name": "sql", "description": "d"}}]},
         {"tools": [tool("sql", {"type": "object", "properties": {"input": {"type": "string"}},
                                 "required": ["input"]}, description="d")]}),
    ],
)  # fmt: skip
def test_parameters(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    """API reference, chat: its names and ranges; what it has no field for is left out."""
    body = sent(asked)
    del body["messages"]
    assert body == expected


def test_effort_is_a_part_of_the_tokens() -> None:
    """OPENROUTER.md 9.1: high is 0.8 of max_tokens; a budget leaves room for the answer."""
    assert sent({"reasoning": {"effort": "high"}}, limit=1000)["thinking"]["token_budget"] == 800
    assert sent({"reasoning": {"max_tokens": 5000}}, limit=1000)["thinking"]["token_budget"] == 999
    assert sent({"reasoning": {"effort": "low"}})["thinking"] == {"type": "enabled"}


def test_a_schema_beside_tools_is_asked_for_in_words() -> None:
    """Structured outputs and tools exclude each other."""
    wanted = {"type": "json_schema", "json_schema": {"name": "c", "description": "A city.", "schema": CITY}}
    body = sent({"tools": [tool("a", CITY)], "response_format": wanted})
    assert "response_format" not in body
    told = body["messages"][0]
    assert told["role"] == "system"
    assert "A city." in told["content"]
    assert json.dumps(CITY, separators=(",", ":")) in told["content"]


def test_only_what_the_endpoint_takes() -> None:
    """`supported_parameters` and quirks leave parameters out, max_tokens never."""
    asked = {"temperature": 1, "tools": [tool("a", CITY)], "seed": 1, "reasoning": {"enabled": True}}
    body = sent(asked, parameters=frozenset({"temperature", "seed"}), quirks=Quirks(drop=frozenset({"seed"})), limit=5)
    assert body == {"messages": [HI], "max_tokens": 5, "temperature": 1}


THOUGHT = {"type": "thinking", "thinking": "Two and two."}
BODY: dict[str, Any] = {
    "id": "i",
    "finish_reason": "TOOL_CALL",
    "message": {
        "role": "assistant",
        "content": [THOUGHT, {"type": "text", "text": "Four."}],
        "tool_plan": "I check.",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        "citations": [
            {"start": 0, "end": 4, "text": "Four", "content_index": 1, "type": "TEXT_CONTENT", "sources": [
                {"type": "document", "id": "d1", "document": {"title": "Sums", "url": "https://a/b", "snippet": "4"}},
                {"type": "tool", "id": "t:0", "tool_output": {"sum": "4"}},
            ]},
            {"start": 2, "end": 5, "text": "and", "content_index": 0, "type": "THINKING_CONTENT", "sources": []},
        ],
    },
    "logprobs": [{"text": "Four.", "token_ids": [5, 6], "logprobs": [-0.5, -1]}],
    "usage": {"tokens": {"input_tokens": 9.0, "output_tokens": 4}, "cached_tokens": 3,
              "billed_units": {"input_tokens": 2, "output_tokens": 4}},
}  # fmt: skip


def answer() -> Answer:
    """BODY, read."""
    whole = decode_answer(json.dumps(BODY).encode())
    assert isinstance(whole, Answer)
    return whole


def test_all_that_an_answer_can_hold() -> None:
    """Thoughts, plan, citations with several sources, log probabilities, what is billed."""
    whole = answer()
    (choice,) = whole.choices
    assert (choice.text, choice.reasoning) == ("Four.", "Two and two.I check.")
    assert whole.usage == Usage(prompt=9, completion=4, cache_read=3, billed=(2, 4))
    assert choice.annotations is not None
    notes = json.loads(bytes(choice.annotations))
    assert [note["url_citation"] for note in notes] == [
        {"url": "https://a/b", "title": "Sums", "content": "4", "start_index": 0, "end_index": 4},
        {"url": "tool:t:0", "title": "", "content": '{"sum":"4"}', "start_index": 0, "end_index": 4},
        {"url": "document:", "title": "", "content": "{}", "start_index": 0, "end_index": 0},
    ]
    assert choice.logprobs is not None
    assert json.loads(bytes(choice.logprobs))["content"] == [
        {"token": "Four.", "logprob": -0.5, "bytes": None, "top_logprobs": [], "token_id": 5},
        {"token": "", "logprob": -1, "bytes": None, "top_logprobs": [], "token_id": 6},
    ]


def test_an_answer_goes_back() -> None:
    """What Cohere said, through a caller of OpenAI's chat, and back to Cohere: its own words in their own fields."""
    said = json.loads(
        openai_server.encode_answer(answer(), id="g", created=1, model="m", provider=None, usage_json=b"{}")
    )["choices"][0]["message"]
    (written,) = sent({"messages": [said]})["messages"]
    assert written == {name: BODY["message"][name] for name in written}
    assert set(written) == set(BODY["message"])


def test_another_models_thoughts_stay_behind() -> None:
    """Reasoning that has another origin is not passed off as Cohere's."""
    detail = {"type": "reasoning.text", "text": "Hm", "format": "anthropic-claude-v1", "index": 0}
    said = {"role": "assistant", "content": "Four.", "reasoning": "Hm", "reasoning_details": [detail]}
    assert sent({"messages": [HI, said]})["messages"][1] == {"role": "assistant", "content": "Four."}


def test_citations_reach_anthropics_callers() -> None:
    """As citations of the web, since Cohere's own are not in their format."""
    usage = anthropic_server.usage_json(Usage(), cost=0, prompt_cost=0, completion_cost=0)
    body = anthropic_server.encode_answer(answer(), id="g", created=1, model="m", provider=None, usage_json=usage)
    cited = [c for block in json.loads(body)["content"] for c in block.get("citations") or ()]
    assert [c["type"] for c in cited] == ["web_search_result_location"] * 3
    assert (cited[0]["url"], cited[0]["cited_text"]) == ("https://a/b", "4")


def sse(*values: Any) -> bytes:
    """A stream of these events, each with its name."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (value["type"].encode(), json.dumps(value).encode())
        if isinstance(value, dict)
        else value
        for value in values
    )


def decoded(*values: Any) -> list[Event]:
    """What a decoder makes of them, with the end."""
    decoder = EventDecoder()
    return decoder.feed(sse(*values)) + decoder.end()


def said(text: str, index: int = 0, kind: str = "text", **more: Any) -> dict[str, Any]:
    """A piece of a content block."""
    return {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: text}}}, **more}


# As printed for a streamed answer in Cohere's documentation ("Streaming", "Reasoning").
START: dict[str, Any] = {"type": "message-start", "id": "i", "delta": {"message": {
    "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}  # fmt: skip
OPEN = {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}
CLOSE = {"type": "content-end", "index": 0}
END: dict[str, Any] = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {
    "billed_units": {"input_tokens": 9, "output_tokens": 1}, "tokens": {"input_tokens": 76, "output_tokens": 1},
}}}  # fmt: skip
DONE = Finished("stop", "COMPLETE")
HELLO = TextDelta("Hi")


def ended(reason: str, **more: Any) -> dict[str, Any]:
    """A message's end."""
    return {"type": "message-end", "delta": {"finish_reason": reason, **more}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((START, OPEN, said("Hi"), CLOSE, END, b"data: [DONE]\n\n"), [HELLO, "usage", DONE]),
        ((START, said("Hi"), END, said("late")), [HELLO, "usage", DONE]),
        ((START, said("Hi"), ended("MAX_TOKENS")), [HELLO, Finished("length", "MAX_TOKENS")]),
        ((START, said("Hi"), ended("ERROR_TOXIC")), [HELLO, Finished("content_filter", "ERROR_TOXIC")]),
        ((START, said("Hi"), ended("NEWER")), [HELLO, Finished("stop", "NEWER")]),
        ((START, said("Hi"), ended("ERROR", error="It broke")), [HELLO, Failed(502, "It broke")]),
        ((START, ended("TIMEOUT")), [Failed(504, "The provider ended its answer with 'TIMEOUT'.")]),
        ((START, said("Hi")), [HELLO]),
        ((START, said("Hi"), b"data: [DONE]\n\n"), [HELLO, Finished("stop")]),
        ((START, said("Hi"), b'data: {"id":"x","message":"too many"}\n\n', said("no")),
         [HELLO, Failed(502, "too many")]),
        ((b"event: error\ndata: oh no\n\n",), [Failed(502, "oh no")]),
        ((b'{"id":"x","message":"no such model"}',), [Failed(502, "no such model")]),
        ((b"<html>Bad gateway</html>",), [Failed(502, "Bad gateway")]),
        ((START, b"data: {\n\n" * 3, OPEN), [Failed(502, "The provider sent events that could not be read.")]),
        ((b"data: {\n\n",), [Failed(502, "The provider sent no event that could be read.")]),
        ((START, {"type": "debug", "prompt": "p"}, {"type": "surprise"}, said("Hi")), [HELLO]),
        ((START, {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"type": "image"}}}}), []),
        ((json.dumps({**BODY, "message": {"content": "Hi"}, "finish_reason": "COMPLETE"}).encode(),),
         [HELLO, "logprobs", "usage", DONE]),
    ],
)  # fmt: skip
def test_odd_streams(values: tuple[Any, ...], expected: list[Any]) -> None:
    """FAULTS.md U-15, U-19, U-21, U-22: errors in any shape, cuts, what comes after the end."""
    seen: list[Any] = []
    for event in decoded(*values):
        match event:
            case Started():
                assert event.upstream_id == "i"
            case UsageReported():
                seen.append("usage")
            case TextDelta(logprobs=notes) if notes is not None:
                seen.append("logprobs")
            case _:
                seen.append(event)
    assert seen == expected


def test_a_stream_with_all_that_it_can_hold() -> None:
    """Thoughts, plan, two calls, citations, log probabilities: each piece as it came."""
    calls = [
        {"type": "tool-call-start", "index": n, "delta": {"message": {"tool_calls": {
            "id": f"c{n}", "type": "function", "function": {"name": "add", "arguments": ""}}}}}
        for n in (0, 1)
    ]  # fmt: skip
    grow = {
        "type": "tool-call-delta",
        "index": 1,
        "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}},
    }
    citation = {"start": 0, "end": 2, "text": "Hi", "sources": [{"type": "document", "id": "d"}]}
    events = decoded(
        START,
        said("Hm", kind="thinking"),
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Add."}}},
        *calls,
        grow,
        said("Hi", 1, logprobs={"text": "Hi", "token_ids": [1], "logprobs": [-2.5]}),
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": citation}}},
        ended("TOOL_CALL"),
    )  # fmt: skip
    kinds = [type(event) for event in events]
    assert kinds == [
        Started,
        *(ReasoningDelta,) * 2,
        *(ToolCallDelta,) * 3,
        TextDelta,
        ExtraDelta,
        Finished,
    ]
    (choice,) = collect(events).choices
    assert [(call.id, call.name, call.arguments) for call in choice.tool_calls] == [
        ("c0", "add", ""),
        ("c1", "add", "{}"),
    ]
    assert [json.loads(bytes(detail))["text"] for detail in choice.reasoning_details] == ["Hm", "Add."]
    assert choice.logprobs == Raw(
        b'{"content":[{"token":"Hi","logprob":-2.5,"bytes":null,"top_logprobs":[],"token_id":1}],"refusal":null}'
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({"tokens": {"input_tokens": -1, "output_tokens": 1}}, None),
        ({"tokens": {"input_tokens": 1.5, "output_tokens": 1}}, None),
        ({"billed_units": {"input_tokens": 3, "output_tokens": 2}}, Usage(prompt=3, completion=2, billed=(3, 2))),
        ({"tokens": {"input_tokens": 3, "output_tokens": 2}, "cached_tokens": 90}, Usage(3, 2, cache_read=3)),
        ({"tokens": {"input_tokens": 3, "output_tokens": 2}, "billed_units": {"input_tokens": 0, "output_tokens": 0}},
         Usage(3, 2)),
    ],
)  # fmt: skip
def test_usage(usage: Any, expected: Usage | None) -> None:
    """Counters that make no sense are none (FAULTS.md U-34); a bill of nothing for tokens is none either."""
    whole = decode_answer(json.dumps({**BODY, "usage": usage}).encode())
    assert isinstance(whole, Answer)
    assert whole.usage == expected


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(st.lists(texts, max_size=5), st.lists(texts, max_size=3), st.integers(1, 40))
def test_any_texts_arrive(spoken: list[str], thought: list[str], piece: int) -> None:
    """Whatever is said, in whatever pieces, it is read whole."""
    stream = sse(
        START,
        *(said(text, kind="thinking") for text in thought),
        *(said(text, 1) for text in spoken),
        END,
    )
    decoder = EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    (choice,) = collect(events).choices
    assert (choice.text or "", choice.reasoning or "") == ("".join(spoken), "".join(thought))
    assert len(choice.reasoning_details) == bool(thought)


numbers = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
fields = st.sampled_from(
    ["message", "content", "text", "thinking", "tool_calls", "citations", "usage", "tokens", "sources", "function",
     "delta", "index", "logprobs", "error", "start", "id"]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=12,
)
tops = st.sampled_from(["delta", "index", "id", "message", "logprobs"])
types = st.sampled_from(
    ["message-start", "content-start", "content-delta", "tool-call-start", "tool-call-delta", "citation-start",
     "tool-plan-delta", "message-end", "error", "x"]
)  # fmt: skip


@given(
    st.lists(
        st.tuples(types, st.dictionaries(st.sampled_from(["delta", "index", "id", "message", "logprobs"]), json_values))
    )
)
def test_nothing_that_is_sent_raises(values: list[tuple[str, dict[str, Any]]]) -> None:
    """Events and bodies of any shape are read or told as failures."""
    decoded(*({**value, "type": kind} for kind, value in values))
    for _, value in values:
        assert isinstance(decode_answer(json.dumps(value).encode()), Answer | Failed)
