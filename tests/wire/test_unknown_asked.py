"""Fields that we do not know in a chat request's messages, parts, calls and tools: the same format gets them."""

import json
from typing import Any

import pytest

from tests.wire.test_native_fields import lost
from tollway.domain.errors import InvalidRequest
from tollway.domain.quirks import Quirks
from tollway.wire.anthropic_messages import client as anthropic_client
from tollway.wire.openai_chat import client
from tollway.wire.openai_chat.server import decode_request
from tollway.wire.openai_responses import client as responses_client

NEW = {"deep": [1, {"timeout": 3}]}
CALLS = [
    {"id": "c1", "type": "function", "new": NEW, "function": {"name": "f", "arguments": "{}", "new": NEW}},
    {"id": "c2", "type": "custom", "new": NEW, "custom": {"name": "g", "input": "free", "new": NEW}},
]
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be kind", "new": NEW},
        {
            "role": "user",
            "new": NEW,
            "content": [
                {"type": "text", "text": "look", "new": NEW},
                {"type": "image_url", "image_url": {"url": "https://x.example/i.png", "new": NEW}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}, "new": NEW},
                {"type": "file", "file": {"file_id": "f", "new": NEW}},
            ],
        },
        {"role": "assistant", "content": None, "new": NEW, "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": "1", "new": NEW},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2", "new": NEW}]},
    ],
    "tools": [
        {"type": "function", "new": NEW, "function": {"name": "f", "parameters": {"type": "object"}, "new": NEW}},
        {"type": "custom", "custom": {"name": "g"}, "new": NEW},
    ],
}


def sent(body: dict[str, Any], *, to: Any = client, same_format: bool = True, **quirks: Any) -> dict[str, Any]:
    request = decode_request(json.dumps(body).encode())
    written = to.encode_request(
        request,
        upstream_model="m",
        max_tokens=9,
        stream=False,
        quirks=Quirks(custom_tools=True, **quirks),
        same_format=same_format,
    )
    value = json.loads(written)
    assert isinstance(value, dict)
    return value


def test_they_stand_where_they_stood() -> None:
    """At each depth; the rest of the request is as it was."""
    assert lost(BODY, sent(BODY)) == []
    assert "tollway:" not in json.dumps(sent(BODY))


@pytest.mark.parametrize("to", [client, anthropic_client, responses_client])
def test_no_other_format_gets_them(to: Any) -> None:
    assert '"new"' not in json.dumps(sent(BODY, to=to, same_format=False))


def test_what_we_change_keeps_them() -> None:
    """A role of another name, an id that is too long, a user's two messages as one."""
    body = json.loads(json.dumps(BODY))
    body["messages"][0]["role"] = "developer"
    written = sent(body, developer_role=False, call_ids="^[a-z0-9]{9}$", alternates=True)
    assert written["messages"][0] == {"role": "system", "content": "be kind", "new": NEW}
    assert [call["new"] for call in written["messages"][2]["tool_calls"]] == [NEW, NEW]


@pytest.mark.parametrize("name", ["api_base", "api_key", "extra_headers", "mock_response"])
def test_orders_to_gateways_stay_here(name: str) -> None:
    """FAULTS.md C-8, wherever such a field stands; nor does our own mark let one through."""
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a", name: "http://evil"}], name: "http://evil"},
            {"role": "user", "content": "b", "tollway:native": {name: "http://evil"}},
            {"role": "user", "content": "c", "tollway:native": {name: "http://evil"}, "new": 1},
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "https://x", name: "http://evil"}}],
            },
        ],
        "tools": [{"type": "function", name: "http://evil", "function": {"name": "f", name: "http://evil"}}],
    }
    assert "evil" not in json.dumps(sent(body))
    assert sent(body)["messages"][2] == {"role": "user", "content": "c", "new": 1}


def test_what_an_answer_said_is_not_asked() -> None:
    """Clients repeat the place of a call in a stream, and other gateways' notes; providers refuse both."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "tool_calls": [call], "provider_specific_fields": {"a": 1}}
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}, said]}
    assert sent(body)["messages"][1] == {
        "role": "assistant",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": 1, "new": 1}, "messages[0].content"),
        ({"role": "nobody", "content": "a", "new": 1}, "messages[0].role"),
        ({"role": "user", "content": [{"type": "nothing", "new": 1}], "new": 1}, "messages[0].content[0].type"),
        ({"role": "user", "new": 1}, "messages[0].content"),
        ({"role": ["user"], "new": 1}, "messages[0].role"),
    ],
)
def test_errors_name_the_same_field(message: dict[str, Any], param: str) -> None:
    """As if nothing unknown had been there."""
    with pytest.raises(InvalidRequest) as refused:
        decode_request(json.dumps({"model": "m", "messages": [message]}).encode())
    assert refused.value.param == param


def test_a_prediction_and_old_functions() -> None:
    """Places that have nowhere to keep them are read all the same."""
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "a"}],
        "prediction": {"type": "content", "content": [{"type": "text", "text": "b", "new": 1}]},
        "functions": [{"name": "f", "new": 1}],
    }
    assert sent(body)["functions"] == [{"name": "f"}]
