"""The official `openai` package against both of our base URLs: what it sends works, what it reads parses."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.support import Secret, World, ask

BASES = ("/v1", "/api/v1")
HELLO: Any = [{"role": "user", "content": "Say hello."}]
WEATHER: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city", "days"],
                "additionalProperties": False,
            },
        },
    }
]
CLOCK: Any = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def client(world: World, base: str, key: Secret | str | None = None) -> OpenAI:
    secret = key.secret if isinstance(key, Secret) else key or world.key.secret
    return OpenAI(api_key=secret, base_url=world.url + base, max_retries=0)


@pytest.fixture(params=BASES, ids=["v1", "api"])
def base(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sdk(well: World, base: str) -> Iterator[OpenAI]:
    with client(well, base) as made:
        yield made


@pytest.fixture
def broken(failing: World, base: str) -> Iterator[OpenAI]:
    with client(failing, base) as made:
        yield made


def test_chat(sdk: OpenAI, base: str) -> None:
    """A whole answer: the id is the storefront's own, usage has its cost."""
    done = sdk.chat.completions.create(model="test/model", messages=HELLO)
    assert done.id.startswith("chatcmpl_" if base == "/v1" else "gen-")
    assert done.object == "chat.completion"
    assert done.model == "test/model"
    assert done.choices[0].message.content
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert done.usage.model_extra is not None
    assert done.usage.model_extra["cost"] > 0


def test_stream(sdk: OpenAI) -> None:
    """The deltas add up to the whole answer; one chunk without choices carries usage, and it is the last."""
    whole = sdk.chat.completions.create(model="test/echo", messages=HELLO)
    chunks = list(sdk.chat.completions.create(model="test/echo", messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content == "Say hello."
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


def test_tools(sdk: OpenAI) -> None:
    """A tool is called with arguments that fit its schema, its answer goes back, and the model goes on."""
    asked = sdk.chat.completions.create(model="test/tools", messages=HELLO, tools=WEATHER)
    [choice] = asked.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "weather"
    assert set(json.loads(call.function.arguments)) == {"city", "days"}
    back: Any = [*HELLO, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    after = sdk.chat.completions.create(model="test/tools", messages=back, tools=WEATHER)
    assert after.choices[0].finish_reason == "stop"
    assert after.choices[0].message.content


def test_tools_streamed(sdk: OpenAI) -> None:
    """The SDK's own accumulator makes two whole calls of the streamed pieces."""
    with sdk.chat.completions.stream(model="test/two-tools", messages=HELLO, tools=[*WEATHER, CLOCK]) as stream:
        for _ in stream:
            pass
        done = stream.get_final_completion()
    calls = done.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["weather", "clock"]
    assert len({call.id for call in calls}) == 2
    assert [set(json.loads(call.function.arguments)) for call in calls] == [{"city", "days"}, set()]
    assert done.choices[0].finish_reason == "tool_calls"


class Place(BaseModel):
    """What the structured answer must be."""

    city: str
    population: int
    rivers: list[str]


def test_structured_output(sdk: OpenAI, well: World) -> None:
    """`parse` sends a strict JSON schema, which reaches the provider whole; the answer validates against it."""
    done = sdk.chat.completions.parse(model="test/model", messages=HELLO, response_format=Place)
    assert isinstance(done.choices[0].message.parsed, Place)
    sent = well.stage.bodies()[-1]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True
    assert set(sent["json_schema"]["schema"]["properties"]) == {"city", "population", "rivers"}


@pytest.mark.parametrize("streamed", [False, True])
def test_logprobs(sdk: OpenAI, streamed: bool) -> None:
    """Each token's logprob arrives, with as many alternatives as were asked for."""
    named: Any = {"model": "test/echo", "messages": HELLO, "logprobs": True, "top_logprobs": 2}
    found: list[Any] = []
    if streamed:
        for chunk in sdk.chat.completions.create(stream=True, **named):
            for choice in chunk.choices:
                found += (choice.logprobs.content or []) if choice.logprobs else []
    else:
        logprobs = sdk.chat.completions.create(**named).choices[0].logprobs
        assert logprobs is not None
        found = logprobs.content or []
    assert "".join(each.token for each in found) == "Say hello."
    assert all(len(each.top_logprobs) == 2 for each in found)
    assert all(each.logprob <= 0 for each in found)


@pytest.mark.parametrize("streamed", [False, True])
def test_n(sdk: OpenAI, streamed: bool) -> None:
    """Three choices were asked for, three finish, each with its text."""
    named: Any = {"model": "test/echo", "messages": HELLO, "n": 3}
    texts = dict.fromkeys(range(3), "")
    ended = []
    if streamed:
        for chunk in sdk.chat.completions.create(stream=True, **named):
            for part in chunk.choices:
                texts[part.index] += part.delta.content or ""
                ended += [part.index] if part.finish_reason else []
    else:
        for choice in sdk.chat.completions.create(**named).choices:
            texts[choice.index] += choice.message.content or ""
            ended += [choice.index]
    assert set(texts.values()) == {"Say hello."}
    assert sorted(ended) == [0, 1, 2]


@pytest.mark.parametrize("streamed", [False, True])
def test_legacy_completions(sdk: OpenAI, streamed: bool) -> None:
    """`completions.create` is answered in the legacy shape."""
    if streamed:
        pieces = list(sdk.completions.create(model="test/echo", prompt="One two.", stream=True))
        assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == "One two."
        assert pieces[-1].usage is not None
        return
    done = sdk.completions.create(model="test/echo", prompt="One two.")
    assert done.object == "text_completion"
    assert done.choices[0].text == "One two."
    assert done.usage is not None


def test_models(sdk: OpenAI) -> None:
    """The list holds what is on offer."""
    listed = {model.id: model for model in sdk.models.list()}
    assert {"test/model", "test/free", "openai/gpt-4o"} <= listed.keys()
    assert listed["test/model"].object == "model"
    assert listed["test/model"].owned_by == "test"


def test_retrieve(well: World) -> None:
    """One model by its id, whose slash the SDK escapes; an unknown one is NotFoundError with OpenAI's own code."""
    with client(well, "/v1") as sdk:
        assert sdk.models.retrieve("test/model").id == "test/model"
        with pytest.raises(openai.NotFoundError) as caught:
            sdk.models.retrieve("test/nothing")
    assert caught.value.code == "model_not_found"


def fails(sdk: OpenAI, kind: type[openai.APIStatusError], **fields: Any) -> openai.APIStatusError:
    """The exception that this request raises; exactly this class."""
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat.completions.create(**ask(**fields))
    assert type(caught.value) is kind, caught.value
    assert caught.value.message
    return caught.value


@pytest.mark.parametrize("secret", ["sk-or-v1-nonsense", "nonsense", "sk-or-v1-" + "0" * 49])
def test_authentication_error(well: World, base: str, secret: str) -> None:
    """A key that is not ours."""
    with client(well, base, secret) as sdk:
        error = fails(sdk, openai.AuthenticationError)
    assert error.code == ("invalid_api_key" if base == "/v1" else "401")  # the SDK makes a string of it


def test_bad_request_error(sdk: OpenAI, base: str) -> None:
    """The parameter that is wrong is named."""
    error = fails(sdk, openai.BadRequestError, temperature=3)
    assert "temperature" in error.message
    if base == "/v1":
        assert error.param == "temperature"
        assert error.type == "invalid_request_error"
    else:
        assert isinstance(error.body, dict)
        assert error.body["metadata"]["param"] == "temperature"


def test_not_found_error(well: World) -> None:
    """An unknown model: 404 `model_not_found` on /v1, 400 on /api/v1 (STOREFRONTS.md)."""
    with client(well, "/v1") as sdk:
        assert fails(sdk, openai.NotFoundError, model="no/such").code == "model_not_found"
    with client(well, "/api/v1") as sdk:
        assert "no/such is not a valid model ID" in fails(sdk, openai.BadRequestError, model="no/such").message


def test_no_credits(well: World) -> None:
    """403 `insufficient_quota` on /v1, 402 on /api/v1; nothing reaches a provider."""
    poor = well.new_key("poor")
    before = len(well.received)
    with client(well, "/v1", poor) as sdk:
        assert fails(sdk, openai.PermissionDeniedError).code == "insufficient_quota"
    with client(well, "/api/v1", poor) as sdk:
        assert fails(sdk, openai.APIStatusError).status_code == 402
    assert len(well.received) == before


def test_rate_limit_error(broken: OpenAI) -> None:
    """The provider's own hint is passed on."""
    error = fails(broken, openai.RateLimitError, model="fail/429")
    assert error.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["fail/500", "fail/503", "fail/401", "fail/html", "fail/reset"])
def test_bad_gateway(broken: OpenAI, model: str) -> None:
    """Whatever the provider did, we say 502; a credential of ours that was refused is never the caller's 401."""
    error = fails(broken, openai.InternalServerError, model=model)
    assert error.status_code == 502
    assert "Bearer" not in str(error.body)
    assert "127.0.0.1" not in str(error.body)


@pytest.mark.parametrize("streamed", [False, True])
def test_timeout(broken: OpenAI, streamed: bool) -> None:
    """A provider that never answers is a 408."""
    assert fails(broken, openai.APIStatusError, model="fail/stall", stream=streamed).status_code == 408


def test_provider_refuses(broken: OpenAI) -> None:
    """A provider's 400 is the caller's 400: another provider would say the same."""
    assert "refused" in fails(broken, openai.BadRequestError, model="fail/400").message


@pytest.mark.parametrize("model", ["fail/mid", "fail/cut", "fail/stall-mid"])
def test_error_in_the_stream(broken: OpenAI, model: str) -> None:
    """Content came, then the provider failed: the SDK raises APIError after it has handed the content out."""
    pieces: list[str] = []

    def read() -> None:
        for chunk in broken.chat.completions.create(**ask(model, stream=True)):
            pieces.extend(choice.delta.content for choice in chunk.choices if choice.delta.content)

    with pytest.raises(openai.APIError) as caught:
        read()
    assert pieces
    assert not isinstance(caught.value, openai.APIStatusError)
    assert "middle of its answer" in caught.value.message
