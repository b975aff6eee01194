"""Custom tools: as OpenAI writes them where they are known, as functions of one text elsewhere, and back."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Answer, Choice, Event, Finished, TextDelta, ToolCall, ToolCallDelta
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import client as anthropic
from tollway.wire.cohere_chat import client as cohere
from tollway.wire.collect import collect
from tollway.wire.expand import expand
from tollway.wire.free_text import SCHEMA, FreeTextDecoder, custom_names, with_free_text
from tollway.wire.gemini import client as gemini
from tollway.wire.openai_chat import client as chat
from tollway.wire.openai_chat import server
from tollway.wire.openai_responses import client as responses
from tollway.wire.openai_responses import server as responses_server

GRAMMAR = {"syntax": "lark", "definition": 'start: "SELECT"'}
TOOLS: list[dict[str, Any]] = [
    {
        "type": "custom",
        "custom": {"name": "sql", "description": "Ask.", "format": {"type": "grammar", "grammar": GRAMMAR}},
    },
    {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}},
]
CALL = {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": 'SELECT "1"\n'}}
BODY: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
    ],
    "tools": TOOLS,
    "tool_choice": {"type": "custom", "custom": {"name": "sql"}},
}
TOLD = 'Ask.\n\nThe input follows this lark grammar:\nstart: "SELECT"'
ARGUMENTS = '{"input":"SELECT \\"1\\"\\n"}'


def read(body: dict[str, Any]) -> ChatRequest:
    return server.decode_request(json.dumps(body).encode())


def sent(client: Any, **options: Any) -> dict[str, Any]:
    """BODY as a provider of this format gets it."""
    body = client.encode_request(read(BODY), upstream_model="m", max_tokens=99, stream=False, **options)
    value = json.loads(body)
    assert isinstance(value, dict)
    return value


def test_to_a_provider_that_knows_them() -> None:
    """OpenAI's own chat: as they came."""
    body = sent(chat, quirks=Quirks(custom_tools=True))
    assert {name: body[name] for name in BODY} == BODY | {
        "messages": [BODY["messages"][0], {"role": "assistant", "tool_calls": [CALL]}, BODY["messages"][2]]
    }


def test_to_openais_responses() -> None:
    """Flat, and the result of a custom call is an item of its own type (API reference, responses)."""
    body = sent(responses)
    assert body["tools"][0] == {
        "type": "custom",
        "name": "sql",
        "description": "Ask.",
        "format": {"type": "grammar", **GRAMMAR},
    }
    assert body["tool_choice"] == {"type": "custom", "name": "sql"}
    assert body["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": 'SELECT "1"\n'},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "7"},
    ]


def test_to_others_of_openais_chat() -> None:
    """A function of one text, its call and the choice of it."""
    body = sent(chat)
    assert body["tools"][0] == {
        "type": "function",
        "function": {"name": "sql", "description": TOLD, "parameters": SCHEMA},
    }
    assert body["tools"][1] == TOOLS[1]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "sql"}}
    assert body["messages"][1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "sql", "arguments": ARGUMENTS}}
    ]


def test_to_other_formats() -> None:
    """The same in each format's words."""
    body = sent(gemini)
    (functions,) = [tool["functionDeclarations"] for tool in body["tools"]]
    assert (functions[0]["name"], functions[0]["parametersJsonSchema"]) == ("sql", SCHEMA)
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": 'SELECT "1"\n'}
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["sql"]
    body = sent(cohere)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["sql"]  # it can't be told which, so it has no other
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "sql", "arguments": ARGUMENTS}
    body = sent(anthropic)
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert body["messages"][1]["content"][0]["input"] == {"input": 'SELECT "1"\n'}


def test_a_choice_among_some() -> None:
    """OpenAI's `allowed_tools` may name custom tools too."""
    allowed = {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "sql"}}]}
    request = read({**BODY, "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}})
    body = json.loads(chat.encode_request(request, upstream_model="m", max_tokens=9, stream=False))
    assert body["tool_choice"]["allowed_tools"]["tools"] == [{"type": "function", "function": {"name": "sql"}}]


def test_responses_to_chat() -> None:
    """A caller of Responses, whose provider speaks chat and knows custom tools."""
    items = [
        {"type": "custom_tool_call", "call_id": "c1", "name": "sql", "input": "SELECT"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "7"},
    ]
    request = responses_server.decode_request(json.dumps({"model": "m", "input": items}).encode())
    options: dict[str, Any] = {"upstream_model": "m", "max_tokens": 9, "stream": False, "same_format": False}
    body = json.loads(chat.encode_request(request, quirks=Quirks(custom_tools=True), **options))
    assert body["messages"][0]["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}
    ]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"id": "c", "type": "function"}, "function"),
        ({"id": "c", "type": "custom"}, "custom"),
        ({"id": "c", "type": "custom", "function": {"name": "f", "arguments": ""}}, "custom"),
        ({"id": "c", "type": "custom", "custom": {"input": ""}}, "custom.name"),
    ],
)
def test_calls_that_are_wrong(call: dict[str, Any], field: str) -> None:
    """The field that is missing is named."""
    with pytest.raises(InvalidRequest) as wrong:
        read({"messages": [{"role": "assistant", "tool_calls": [call]}]})
    assert wrong.value.param == f"messages[0].tool_calls[0].{field}"


def test_answers_of_openai() -> None:
    """Custom calls of OpenAI's chat, whole (API reference, chat completion object) and streamed."""
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    whole = chat.decode_answer(
        json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).encode()
    )
    assert isinstance(whole, Answer)
    assert whole.choices[0].tool_calls == (ToolCall("c1", "sql", 'SELECT "1"\n', custom=True),)
    pieces = [
        {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": ""}},
        {"index": 0, "custom": {"input": "SELECT "}},
        {"index": 0, "custom": {"input": '"1"\n'}},
    ]
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]} for piece in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    events = chat.EventDecoder().feed(b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks))
    assert collect(events).choices[0].tool_calls == whole.choices[0].tool_calls


class Played:
    """A decoder whose events are given."""

    saw_done = True

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def feed(self, data: bytes) -> list[Event]:
        return self._events

    def end(self) -> list[Event]:
        return []


def streamed(*pieces: str, name: str = "sql") -> list[Event]:
    """A call in pieces, as one of a custom tool `sql`."""
    events: list[Event] = [ToolCallDelta(0, id="c", name=name)]
    events += [ToolCallDelta(0, arguments=piece) for piece in pieces]
    return FreeTextDecoder(Played([*events, TextDelta("x"), Finished("tool_calls")]), frozenset({"sql"})).feed(b"")


def test_a_stream_as_it_comes() -> None:
    """The text goes on piece by piece, not at the end; escapes are never cut."""
    pieces = ['{"in', 'put": "a', "b\\", "n\\u00", "e9\\ud83d", '\\ude00c"', "}"]
    texts = [event.arguments for event in streamed(*pieces) if isinstance(event, ToolCallDelta)]
    assert texts == ["", "a", "b", "\n", "\u00e9", "\U0001f600c"]
    assert all(event.custom for event in streamed(*pieces) if isinstance(event, ToolCallDelta))


@pytest.mark.parametrize("arguments", ["", "SELECT 1", '{"query": "x"}', "[1]"])
def test_arguments_of_another_shape(arguments: str) -> None:
    """A model that did not keep to the function's schema: what it said is the text."""
    (call,) = collect(streamed(arguments)).choices[0].tool_calls
    assert (call.arguments, call.custom) == (arguments, True)


def test_other_calls_stay() -> None:
    """Functions are no custom tools, and a custom call of OpenAI's is one already."""
    events: list[Event] = [ToolCallDelta(0, id="c", name="look", arguments='{"input": "x"}'), Finished("tool_calls")]
    assert FreeTextDecoder(Played(events), frozenset({"sql"})).feed(b"") == events
    done: list[Event] = [ToolCallDelta(0, id="c", name="sql", arguments='{"input":"x"}', custom=True)]
    assert FreeTextDecoder(Played(done), frozenset({"sql"})).feed(b"") == done
    assert custom_names(read(BODY)) == {"sql"}


@given(st.text(), st.booleans(), st.lists(st.integers(0, 60), max_size=6))
def test_any_text_in_any_pieces(text: str, ascii_only: bool, cuts: list[int]) -> None:
    """What was put in comes out, however it is escaped and cut; a stream is its whole."""
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    places = [0, *sorted(min(cut, len(arguments)) for cut in cuts), len(arguments)]
    pieces = [arguments[start:stop] for start, stop in pairwise(places)]
    (call,) = collect(streamed(*pieces)).choices[0].tool_calls
    assert call.arguments == text
    whole = Answer(choices=(Choice(tool_calls=(ToolCall("c", "sql", arguments),), finish_reason="tool_calls"),))
    (again,) = with_free_text(whole, frozenset({"sql"})).choices[0].tool_calls
    assert again == call
    assert list(expand(with_free_text(whole, frozenset())))
