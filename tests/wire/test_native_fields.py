"""Fields that nobody knows yet: they reach a caller of the same format in their places, and nobody else."""

import json
from typing import Any

import pytest

from tollway.domain.events import Answer
from tollway.domain.generation import Usage
from tollway.wire.anthropic_messages import client as anthropic_client
from tollway.wire.anthropic_messages import server as anthropic_server
from tollway.wire.gemini import client as gemini_client
from tollway.wire.gemini import server as gemini_server
from tollway.wire.native_fields import merged, written
from tollway.wire.openai_chat import client as chat_client
from tollway.wire.openai_chat import server as chat_server
from tollway.wire.openai_responses import client as responses_client
from tollway.wire.openai_responses import server as responses_server

ENVELOPE: dict[str, Any] = {"id": "gen-1", "created": 7, "model": "m", "provider": None}
NEW = {"deep": [1, {"new": True}]}
FORMATS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "chat": (
        chat_client,
        chat_server,
        {
            "new_top": NEW,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "new_choice": NEW,
                    "message": {
                        "content": "hi",
                        "new_message": NEW,
                        "tool_calls": [
                            {
                                "id": "c1",
                                "type": "function",
                                "new_call": NEW,
                                "function": {"name": "f", "arguments": "{}", "new_function": NEW},
                            },
                            {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free text"}},
                        ],
                    },
                }
            ],
            "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5, "new_usage": NEW},
        },
    ),
    "messages": (
        anthropic_client,
        anthropic_server,
        {
            "type": "message",
            "role": "assistant",
            "new_top": NEW,
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s", "new_thinking": NEW},
                {"type": "text", "text": "hi", "new_text": NEW},
                {"type": "new_block", "anything": NEW},
                {"type": "text", "text": "ho"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}, "new_call": NEW},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 2, "output_tokens": 3, "new_usage": NEW},
        },
    ),
    "gemini": (
        gemini_client,
        gemini_server,
        {
            "new_top": NEW,
            "candidates": [
                {
                    "index": 0,
                    "content": {"role": "model", "parts": [{"text": "hi"}, {"newPart": NEW}]},
                    "finishReason": "STOP",
                    "newCandidate": NEW,
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 2,
                "candidatesTokenCount": 3,
                "totalTokenCount": 5,
                "new_usage": NEW,
            },
        },
    ),
    "responses": (
        responses_client,
        responses_server,
        {
            "object": "response",
            "status": "completed",
            "new_top": NEW,
            "output": [
                {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}], "new_item": NEW},
                {
                    "type": "message",
                    "id": "msg",
                    "role": "assistant",
                    "new_item": NEW,
                    "content": [
                        {"type": "output_text", "text": "hi", "new_text": NEW},
                        {"type": "new_part", "anything": NEW},
                    ],
                },
                {"type": "new_call", "id": "n", "anything": NEW},
            ],
            "usage": {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5, "new_usage": NEW},
        },
    ),
}


def lost(value: Any, other: Any, path: str = "") -> list[str]:
    """The paths of `value` that are not the same in `other`."""
    if isinstance(value, dict):
        if not isinstance(other, dict):
            return [path]
        return [found for name, item in value.items() for found in lost(item, other.get(name), f"{path}.{name}")]
    if isinstance(value, list):
        if not isinstance(other, list) or len(other) < len(value):
            return [path]
        return [found for place, item in enumerate(value) for found in lost(item, other[place], f"{path}[{place}]")]
    return [] if value == other else [path]


def again(client: Any, server: Any, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.decode_answer(json.dumps(body).encode())
    assert isinstance(answer, Answer), answer
    usage = server.usage_json(answer.usage or Usage(), cost=0, prompt_cost=0, completion_cost=0)
    value = json.loads(server.encode_answer(answer, **ENVELOPE, usage_json=usage))
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("form", FORMATS)
def test_they_come_back_in_their_places(form: str) -> None:
    """At the top, in a choice, a message, a block, a call, in usage."""
    client, server, body = FORMATS[form]
    assert lost(body, again(client, server, body)) == []


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_no_other_format_has_them(form: str, other: str) -> None:
    """A caller of another format would not know what to do with them."""
    if form != other:
        client, _, body = FORMATS[form]
        text = json.dumps(again(client, FORMATS[other][1], body))
        assert "new_top" not in text
        assert "new_usage" not in text
        assert "newCandidate" not in text
        assert "new_choice" not in text


def test_what_we_say_stands() -> None:
    """Money is written to the digit, and what the provider says of it is not heard."""
    ours = b'{"cost":0.000000100,"tokens":{"in":3,"out":0},"tier":null,"list":[1]}'
    theirs = {"cost": 9, "tokens": {"in": 9, "out": 2, "wait": 1.5}, "tier": "flex", "list": [1, 2], "id": "x"}
    expected = b'{"cost":0.000000100,"tokens":{"in":3,"out":2,"wait":1.5},"tier":"flex","list":[1,2],"id":"x"}'
    assert written(ours, theirs) == expected
    assert written(ours, {}) is ours


def test_later_fields_add_to_the_first() -> None:
    """Null says nothing, so it takes nothing back."""
    assert merged({"a": {"b": 1}, "c": 2}, {"a": {"d": 3}, "c": None}) == {"a": {"b": 1, "d": 3}, "c": 2}
