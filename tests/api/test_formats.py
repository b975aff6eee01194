"""Anthropic's, Google's and OpenAI's newer SDK reach a model that a provider of OpenAI's chat format serves."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.support import World, request


@pytest.fixture
def messages(well: World) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=f"{well.url}/api", api_key=well.key.secret, max_retries=0) as client:
        yield client


@pytest.fixture
def responses(well: World) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{well.url}/v1", api_key=well.key.secret, max_retries=0) as client:
        yield client


@pytest.fixture
def gemini(well: World) -> genai.Client:
    return genai.Client(
        api_key=well.key.secret, http_options=types.HttpOptions(base_url=well.url, api_version="v1beta")
    )


ASKED: Any = [{"role": "user", "content": "One two."}]


def test_messages(well: World, messages: anthropic.Anthropic) -> None:
    """Whole and streamed, counted and charged; the generation is found by the message's id."""
    whole = messages.messages.create(model="test/model", max_tokens=30, messages=ASKED)
    assert whole.content[0].type == "text"
    assert whole.stop_reason in ("end_turn", "max_tokens")
    assert whole.usage.output_tokens > 0
    with messages.messages.stream(model="test/model", max_tokens=30, messages=ASKED) as stream:
        text = "".join(stream.text_stream)
        last = stream.get_final_message()
    assert [text] == [block.text for block in last.content if block.type == "text"]
    assert last.usage.output_tokens > 0
    found = well.request("GET", f"/api/v1/generation?id={last.id}").json["data"]
    assert found["native_tokens_completion"] == last.usage.output_tokens
    assert Decimal(str(found["total_cost"])) > 0
    assert messages.messages.count_tokens(model="test/model", messages=ASKED).input_tokens > 0


def test_messages_tools(messages: anthropic.Anthropic) -> None:
    """A tool call comes back as a tool_use block with its input as an object."""
    tool: Any = {"name": "look", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    answer = messages.messages.create(
        model="test/tools",
        max_tokens=50,
        messages=ASKED,
        tools=[tool],
    )
    [call] = [block for block in answer.content if block.type == "tool_use"]
    assert (call.name, answer.stop_reason) == ("look", "tool_use")
    assert isinstance(call.input, dict)


def test_messages_tool_runner(messages: anthropic.Anthropic) -> None:
    """The SDK's own loop ends: it wants a thread that the server holds, and goes on without when that is refused."""
    seen: list[str] = []

    @anthropic.beta_tool
    def look(where: str) -> str:
        """Look somewhere."""
        seen.append(where)
        return "a river"

    runner = messages.beta.messages.tool_runner(model="test/tools", max_tokens=100, messages=ASKED, tools=[look])
    done = runner.until_done()
    assert len(seen) == 1
    assert [block.type for block in done.content] == ["text"]


def test_messages_thinking(messages: anthropic.Anthropic) -> None:
    """Thoughts are blocks, whole and streamed, and are taken back as they came."""
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    whole = messages.messages.create(model="test/reasoning", max_tokens=2000, messages=ASKED, thinking=thinking)
    assert [block.type for block in whole.content] == ["thinking", "text"]
    back: Any = [*ASKED, {"role": "assistant", "content": whole.content}, {"role": "user", "content": "Why?"}]
    with messages.messages.stream(model="test/reasoning", max_tokens=2000, messages=back, thinking=thinking) as stream:
        pieces = [event.thinking for event in stream if event.type == "thinking"]
        last = stream.get_final_message()
    assert last.content[0].type == "thinking"
    assert last.content[0].thinking == "".join(pieces) != ""


def test_messages_errors(well: World, messages: anthropic.Anthropic) -> None:
    """Errors are Anthropic's, and become its exceptions."""
    with pytest.raises(anthropic.BadRequestError) as wrong:
        messages.messages.create(model="no/such", max_tokens=5, messages=ASKED)
    body: Any = wrong.value.body
    assert body["error"]["type"] == "invalid_request_error"
    with (
        anthropic.Anthropic(base_url=f"{well.url}/api", api_key="sk-wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model="test/model", max_tokens=5, messages=ASKED)


def test_responses(responses: openai.OpenAI) -> None:
    """Whole, streamed through the SDK's accumulator, and refused where state would be needed."""
    whole = responses.responses.create(model="test/model", input="One two.", max_output_tokens=30)
    assert whole.output_text
    assert whole.usage is not None
    assert whole.usage.output_tokens > 0
    with responses.responses.stream(model="test/model", input="One two.", max_output_tokens=200) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        last = stream.get_final_response()
    assert text == last.output_text
    assert last.usage is not None
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        responses.responses.create(model="test/model", input="x", previous_response_id="resp_1")


def test_custom_tools(responses: openai.OpenAI) -> None:
    """A tool with free text as input, at a provider that knows functions only: called as what it is, in two formats."""
    tool: Any = {"type": "custom", "custom": {"name": "sql", "description": "Ask the database."}}
    chat = responses.chat.completions
    whole = chat.create(model="test/tools", messages=ASKED, tools=[tool]).choices[0].message
    assert whole.tool_calls is not None
    (call,) = whole.tool_calls
    assert call.type == "custom"
    assert call.custom.name == "sql"
    assert not call.custom.input.startswith("{")
    history: Any = [
        *ASKED,
        whole.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "7"},
    ]
    assert chat.create(model="test/model", messages=history, tools=[tool]).choices[0].message.content
    with responses.responses.stream(
        model="test/tools", input="One two.", tools=[{"type": "custom", "name": "sql"}]
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.custom_tool_call_input.delta")
        last = stream.get_final_response()
    assert [item.input for item in last.output if item.type == "custom_tool_call"] == [text]
    assert text


def test_compaction(well: World, responses: openai.OpenAI) -> None:
    """The SDK compacts, and sends what it got; it is charged like any request, and found by its id."""
    spoken: Any = [*ASKED, {"role": "assistant", "content": "Three."}]
    short = responses.responses.compact(model="test/model", input=spoken)
    assert [item.type for item in short.output] == ["message", "compaction"]
    assert short.usage.output_tokens > 0
    found = well.request("GET", f"/v1/generation?id={short.id}").json["data"]
    assert found["native_tokens_completion"] == short.usage.output_tokens
    assert Decimal(str(found["total_cost"])) > 0
    again: Any = [item.model_dump(exclude_none=True, warnings=False) for item in short.output]
    assert responses.responses.create(model="test/model", input=[*again, *ASKED]).output_text
    with pytest.raises(openai.NotFoundError, match="not stored"):
        responses.responses.retrieve(short.id)
    with pytest.raises(openai.NotFoundError, match="not stored"):
        responses.responses.delete(short.id)
    with pytest.raises(openai.BadRequestError, match="store"):
        responses.responses.create(model="test/model", input="x", store=True)


def test_gemini(gemini: genai.Client) -> None:
    """Whole, streamed, counted; an unknown model is Google's kind of error."""
    limits = types.GenerateContentConfig(max_output_tokens=30)
    whole = gemini.models.generate_content(model="test/model", contents="One two.", config=limits)
    assert whole.text
    assert whole.usage_metadata is not None
    assert whole.usage_metadata.candidates_token_count
    pieces = list(gemini.models.generate_content_stream(model="test/model", contents="One two.", config=limits))
    assert "".join(piece.text or "" for piece in pieces)
    assert pieces[-1].usage_metadata is not None
    assert gemini.models.count_tokens(model="test/model", contents="One two.").total_tokens
    with pytest.raises(errors.ClientError) as wrong:
        gemini.models.generate_content(model="no/such", contents="x")
    assert wrong.value.status == "INVALID_ARGUMENT"


def test_gemini_credentials(well: World) -> None:
    """The key as Google sends it, in a header or in the URL; none is refused."""
    body = {"contents": [{"parts": [{"text": "One two."}]}]}
    path = "/v1beta/models/test/model:generateContent"
    assert request(well.url, "POST", path, body, headers={"x-goog-api-key": well.key.secret}).status == 200
    assert request(well.url, "POST", f"{path}?key={well.key.secret}", body).status == 200
    refused = request(well.url, "POST", f"{path}?key=sk-wrong", body)
    assert (refused.status, refused.error["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("base", ["/v1beta", "/v1", "/api/v1beta", "/api/v1"])
def test_gemini_addresses(well: World, base: str) -> None:
    """Google's SDKs put their version behind the base URL, whichever it is; another method is Google's 404."""
    body = {"contents": [{"parts": [{"text": "One two."}]}]}
    path = f"{base}/models/test/model"
    assert request(well.url, "POST", f"{path}:generateContent", body, headers=well.key.headers).status == 200
    unknown = request(well.url, "POST", f"{path}:guess", body, headers=well.key.headers)
    assert (unknown.status, unknown.error["status"]) == (404, "NOT_FOUND")
    assert request(well.url, "POST", path, body, headers=well.key.headers).status in (404, 405)
