"""How tools get on that OpenAI runs: callers of Responses hear of it as it comes, in order and numbered by us."""

import json
from typing import Any

import pytest

from tollway.domain.events import Event
from tollway.domain.generation import Usage
from tollway.wire.openai_chat import server as chat_server
from tollway.wire.openai_responses import client, server

ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 7, "model": "m", "provider": None}


def tool(kind: str, *progress: dict[str, Any], **done: Any) -> list[dict[str, Any]]:
    """The events of one item: begun, how it gets on, done (openai.types.responses)."""
    item = {"type": kind, "id": f"{kind}_1", "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "item": item},
        *({**event, "type": f"response.{event['type']}", "item_id": item["id"]} for event in progress),
        {"type": "response.output_item.done", "item": {**item, "status": "completed", **done}},
    ]


TOOLS = [
    tool("web_search_call", {"type": "web_search_call.in_progress"}, {"type": "web_search_call.searching"}),
    tool("file_search_call", {"type": "file_search_call.searching"}, queries=["a"]),
    tool(
        "code_interpreter_call",
        {"type": "code_interpreter_call.interpreting"},
        {"type": "code_interpreter_call_code.delta", "delta": "1+1"},
        {"type": "code_interpreter_call_code.done", "code": "1+1"},
        code="1+1",
    ),
    tool("mcp_list_tools", {"type": "mcp_list_tools.in_progress"}, {"type": "mcp_list_tools.failed"}),
    tool("mcp_call", {"type": "mcp_call_arguments.delta", "delta": "{}"}, {"type": "mcp_call.failed"}),
    tool(
        "image_generation_call",
        {"type": "image_generation_call.partial_image", "partial_image_index": 0, "partial_image_b64": "AA=="},
        result="AAAA",
    ),
    tool("new_call", {"type": "new_call.anything", "deep": {"new": [1]}, "kind": 1, "self": 2}),
]


def stream(*tools: list[dict[str, Any]]) -> bytes:
    """A response's stream with these items, a message among them."""
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    text = {"type": "output_text", "text": "hi", "annotations": []}
    said: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "item": message},
        {"type": "response.output_text.delta", "content_index": 0, "delta": "hi"},
        {"type": "response.output_item.done", "item": {**message, "content": [text]}},
    ]
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    items = []
    for index, item in enumerate([*tools, said]):
        events += [{**event, "output_index": index} for event in item]
        items.append(item[-1]["item"])
    events.append({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": items}})
    return b"".join(
        b"data: " + json.dumps({**event, "sequence_number": number}).encode() + b"\n\n"
        for number, event in enumerate(events)
    )


def read(data: bytes) -> list[Event]:
    decoder = client.EventDecoder()
    return [*decoder.feed(data), *decoder.end()]


def written(events: list[Event], to: Any = server) -> list[dict[str, Any]]:
    encoder = to.EventEncoder(**ENVELOPE)
    usage = to.usage_json(Usage(prompt=1, completion=1), cost=0, prompt_cost=0, completion_cost=0)
    body = (b"".join(encoder.encode([event]) for event in events) + encoder.finish(usage)).decode()
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]


@pytest.mark.parametrize("events", TOOLS, ids=lambda events: str(events[0]["item"]["type"]))
def test_progress_comes_as_it_came(events: list[dict[str, Any]]) -> None:
    """Each event of the tool in its order; the numbers have no gap, and the end repeats the item once."""
    out = written(read(stream(events)))
    assert [event["sequence_number"] for event in out] == list(range(len(out)))
    theirs = [{**event, "sequence_number": 0} for event in out if event.get("output_index") == 0]
    assert theirs == [{**event, "output_index": 0, "sequence_number": 0} for event in events]
    assert [item["type"] for item in out[-1]["response"]["output"]] == [events[0]["item"]["type"], "message"]
    assert out[-1]["response"]["output"][0] == events[-1]["item"]


def test_several_at_once() -> None:
    """Two tools whose events are mixed keep their own places."""
    one, two = TOOLS[0], TOOLS[1]
    mixed = [
        {**event, "output_index": index, "sequence_number": 0}
        for pair in zip([*one, None], [None, *two, None], strict=False)
        for index, event in enumerate(pair)
        if event is not None
    ]
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in mixed)
    out = written(read(data))
    for index, events in enumerate((one, two)):
        assert [event["type"] for event in out if event.get("output_index") == index] == [e["type"] for e in events]


def test_other_formats_hear_the_text_alone() -> None:
    """Chat has no word for such work."""
    chunks = written(read(stream(*TOOLS)), chat_server)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == "hi"
    assert "tollway:" not in json.dumps(chunks)


@pytest.mark.parametrize("event", [{"type": "response.new_call.x", "output_index": 9}, {"type": 7}, {"deep": 1}])
def test_progress_of_nothing_is_skipped(event: dict[str, Any]) -> None:
    """An index that never began, or an event without a type."""
    data = b"data: " + json.dumps(event).encode() + b"\n\n" + stream()
    assert [item["type"] for item in written(read(data))[-1]["response"]["output"]] == ["message"]


@pytest.mark.parametrize(
    "item", [{"type": "tollway:begun"}, {"type": "tollway:progress", "at": 1}, {"type": "x", "id": []}]
)
def test_a_provider_cannot_use_our_own_words(item: dict[str, Any]) -> None:
    """They are items like others, and break nothing."""
    events = [{"type": "response.output_item.added", "item": item}, {"type": "response.output_item.done", "item": item}]
    assert written(read(stream(events)))[-1]["response"]["output"][0] == item
