"""Compaction: what is asked of the model, what the caller gets, and that it can be sent back to any model."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseCompactionItem
from pydantic import TypeAdapter

from tollway.domain.chat import ChatRequest, UserMessage
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Answer, Choice
from tollway.wire.anthropic_messages import client as anthropic_client
from tollway.wire.openai_chat import client as chat_client
from tollway.wire.openai_responses import client, compaction, server

INPUT: list[dict[str, Any]] = [
    {"role": "user", "content": "Look at this."},
    {"role": "user", "content": [{"type": "input_image", "image_url": "https://a/b.png", "detail": "low"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
    {"role": "assistant", "content": [{"type": "output_text", "text": "I look it up."}]},
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":1}'},
    {"type": "function_call_output", "call_id": "c1", "output": "A cat."},
    {"role": "assistant", "content": "It is a cat."},
]
USAGE = b'{"input_tokens":3}'


def asked(**fields: Any) -> ChatRequest:
    """A request, read."""
    return compaction.decode_request(json.dumps({"model": "m", "input": INPUT, **fields}).encode())


def compacted(request: ChatRequest, summary: str | None) -> dict[str, Any]:
    """What the caller gets."""
    answer = Answer(choices=(Choice(text=summary, finish_reason="stop"),))
    body = compaction.encode_answer(
        answer, id="resp_1", created=7, model="m", provider=None, usage_json=USAGE, request=request
    )
    value = json.loads(body)
    assert isinstance(value, dict)
    return value


def as_chat(request: ChatRequest) -> list[dict[str, Any]]:
    """The messages that a provider of the chat format gets."""
    sent = chat_client.encode_request(request, upstream_model="m", max_tokens=None, stream=False, same_format=False)
    return list(json.loads(sent)["messages"])


def test_what_the_model_is_asked() -> None:
    """The conversation with its calls in words, no tools and no format, and what to write."""
    tool = {"type": "function", "name": "look", "parameters": {}}
    request = asked(tools=[tool], instructions="Be brief.", stream=True, text={"format": {"type": "json_object"}})
    *said, last = as_chat(request)
    assert said == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look at this."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": 'I look it up.\n\n[I called look with {"at":1}]'}]},
        {"role": "user", "content": "[The result of call c1]\nA cat."},
        {"role": "assistant", "content": [{"type": "text", "text": "It is a cat."}]},
    ]  # fmt: skip
    assert last["role"] == "user"
    assert "Write the summary alone." in last["content"]
    assert (request.tools, request.response_format, request.stream) == (None, None, None)


def test_what_the_caller_gets() -> None:
    """OpenAI's shape (API reference, compacted response): every user message, then one compaction item; usage."""
    value = compacted(asked(), "A cat was seen.")
    assert {name: value[name] for name in ("id", "object", "created_at", "usage")} == {
        "id": "resp_1",
        "object": "response.compaction",
        "created_at": 7,
        "usage": {"input_tokens": 3},
    }
    *users, item = value["output"]
    assert [user["content"] for user in users] == [
        [{"type": "input_text", "text": "Look at this."}],
        INPUT[1]["content"],
    ]
    assert all((user["type"], user["role"], user["status"]) == ("message", "user", "completed") for user in users)
    TypeAdapter(ResponseCompactionItem).validate_python(item, strict=True)


def test_it_goes_on_from_there() -> None:
    """The output, sent back, is read by every model: of this format, of chat, of Anthropic's."""
    new = {"role": "user", "content": "And now?"}
    body = json.dumps({"model": "m", "input": [*compacted(asked(), "A cat was seen.")["output"], new]}).encode()
    request = server.decode_request(body)
    summary = "[A summary of what came before]\nA cat was seen."
    assert [message["content"] for message in as_chat(request)][2:] == [summary, "And now?"]
    options: dict[str, Any] = {"upstream_model": "m", "max_tokens": 9, "stream": False}
    own = json.loads(client.encode_request(request, **options, same_format=True))
    assert own["input"][2:] == [{"role": "user", "content": summary}, new]
    foreign = json.loads(anthropic_client.encode_request(request, **options))
    assert [block["text"] for block in foreign["messages"][0]["content"] if block["type"] == "text"][1:] == [
        summary,
        "And now?",
    ]


def test_it_can_be_compacted_again() -> None:
    """An earlier summary is told to the model, and is no message of the user's."""
    first = compacted(asked(), "One.")
    request = asked(input=[*first["output"], {"role": "user", "content": "Two"}])
    assert any("One." in str(message["content"]) for message in as_chat(request))
    output = compacted(request, "Both.")["output"]
    assert [item["type"] for item in output] == ["message", "message", "message", "compaction"]


def test_another_companys_summary_stays_sealed() -> None:
    """What we can't open goes out as it came, to whom can."""
    sealed = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAA=="}
    odd = {"type": "compaction", "id": "cmp_2", "encrypted_content": "tollway1:%%%"}
    request = asked(input=[sealed, odd, {"role": "user", "content": "x"}])
    sent = client.encode_request(request, upstream_model="m", max_tokens=None, stream=False, same_format=True)
    assert json.loads(sent)["input"][:2] == [sealed, odd]


@pytest.mark.parametrize("field", [{"previous_response_id": "resp_0"}, {"store": True}, {"input": ""}])
def test_what_is_refused(field: dict[str, Any]) -> None:
    """As for any response: nothing is stored here."""
    with pytest.raises(InvalidRequest) as refused:
        asked(**field)
    assert refused.value.param == next(iter(field))


@given(st.text(st.characters(codec="utf-8")))
def test_any_summary_comes_back(summary: str) -> None:
    """Whatever the model wrote."""
    output = compacted(asked(input="x"), summary)["output"]
    _, read = server.decode_request(json.dumps({"model": "m", "input": output}).encode()).messages
    assert isinstance(read, UserMessage)
    assert read.content == f"[A summary of what came before]\n{summary}"
