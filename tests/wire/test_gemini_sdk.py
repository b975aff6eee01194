"""Google's own SDK reads what we write, and what it sends we read."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from google import genai
from google.genai import errors, types
from msgspec import Raw

from tollway.domain.chat import Tool
from tollway.domain.events import Answer, Choice, Event, Finished, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta
from tollway.domain.generation import Usage
from tollway.wire.gemini.server import EventEncoder, decode_request, encode_answer, error_body

SIGNATURE = Raw(b'{"google":{"thought_signature":"QUJD"}}')
USAGE = Usage(prompt=9, completion=5, reasoning=2)


class Exchange:
    """One answer for the SDK, and what it asked."""

    def __init__(self, body: bytes, *, status: int = 200, kind: str = "application/json") -> None:
        self.asked: dict[str, Any] = {}
        self.url = ""
        self._answer = (status, kind, body)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked, self.url = json.loads(request.content), str(request.url)
        status, kind, body = self._answer
        return httpx.Response(status, headers={"content-type": kind}, content=body)


def client(exchange: Exchange) -> genai.Client:
    """The SDK over a transport that is no network."""
    transport = httpx.Client(transport=httpx.MockTransport(exchange))
    options = types.HttpOptions(base_url="http://router.test", httpx_client=transport)
    return genai.Client(api_key="key", http_options=options)


def test_an_answer() -> None:
    """Text, a call with its signature, and usage, through the SDK's eyes; and its request through ours."""
    choice = Choice(
        text="Let me see.",
        reasoning="hm",
        tool_calls=(ToolCall("c1", "weather", '{"city":"Bern"}', SIGNATURE),),
        finish_reason="tool_calls",
    )
    body = encode_answer(Answer((choice,), usage=USAGE), id="gen-1", created=1, model="a/b", provider="Groq")
    exchange = Exchange(body)
    weather = types.FunctionDeclaration(
        name="weather",
        parameters=types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}),
    )
    answer = client(exchange).models.generate_content(
        model="a-b",
        contents=["Weather?", types.Part.from_bytes(data=b"\xff\xfe", mime_type="image/png")],
        config=types.GenerateContentConfig(
            system_instruction="Be brief.",
            temperature=0.5,
            top_k=3,
            tools=[types.Tool(function_declarations=[weather])],
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
        ),
    )
    assert answer.text == "Let me see."
    assert [(call.id, call.name, call.args) for call in answer.function_calls or ()] == [
        ("c1", "weather", {"city": "Bern"})
    ]
    assert answer.candidates is not None
    assert answer.candidates[0].content is not None
    assert (answer.candidates[0].content.parts or [])[-1].thought_signature == b"ABC"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.thoughts_token_count == 2
    assert exchange.url.endswith("/models/a-b:generateContent")
    request = decode_request(json.dumps(exchange.asked).encode())
    assert _plain(request.messages) == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,//4="}},
            ],
        },
    ]
    assert (request.temperature, request.top_k) == (0.5, 3)
    assert request.reasoning is not None
    assert (request.reasoning.effort, request.reasoning.exclude) == ("low", False)
    (tool,) = request.tools or ()
    assert isinstance(tool, Tool)
    assert tool.function is not None
    assert tool.function.parameters == {"type": "object", "properties": {"city": {"type": "string"}}}


def _plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def stream(*events: Event) -> bytes:
    """What a client gets of these events, with a pause before each."""
    encoder = EventEncoder(id="gen-1", created=1, model="a/b", provider=None)
    return b"".join(encoder.comment("waiting") + encoder.encode([event]) for event in events) + encoder.finish(USAGE)


def test_a_stream() -> None:
    """The SDK's chunks, with thoughts, text and a call in pieces; pauses between them do no harm."""
    body = stream(
        ReasoningDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolCallDelta(0, id="c", name="f", arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        Finished("tool_calls"),
    )
    exchange = Exchange(body, kind="text/event-stream")
    chunks = list(client(exchange).models.generate_content_stream(model="m", contents="hi"))
    contents = [(chunk.candidates or [])[0].content for chunk in chunks]
    parts = [part for content in contents if content is not None for part in content.parts or ()]
    assert [(part.text, part.thought) for part in parts[:3]] == [("hm", True), ("Hel", None), ("lo", None)]
    assert [part.function_call.args for part in parts if part.function_call is not None] == [{"a": 1}]
    assert (chunks[-1].candidates or [])[0].finish_reason is types.FinishReason.STOP
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.total_token_count == 14
    assert exchange.url.endswith(":streamGenerateContent?alt=sse")


def test_an_error_in_a_stream() -> None:
    """The SDK raises where a stream of ours breaks off."""
    encoder = EventEncoder(id="gen-1", created=1, model="a/b", provider=None)
    body = encoder.encode([TextDelta("a")]) + encoder.error(code=503, message="It broke off.")
    answer = client(Exchange(body, kind="text/event-stream")).models.generate_content_stream(model="m", contents="hi")
    with pytest.raises(errors.APIError) as raised:
        list(answer)
    assert (raised.value.code, raised.value.status, raised.value.message) == (503, "UNAVAILABLE", "It broke off.")


def test_an_error() -> None:
    """An error body of ours is the SDK's ClientError, with code, status and message."""
    body = json.dumps(error_body(402, "payment_required", "No credits.")).encode()
    with pytest.raises(errors.ClientError) as raised:
        client(Exchange(body, status=402)).models.generate_content(model="m", contents="hi")
    assert (raised.value.code, raised.value.status, raised.value.message) == (402, "FAILED_PRECONDITION", "No credits.")
