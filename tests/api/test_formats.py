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
