"""A prompt that is too long, on every storefront: by the catalog, and in a provider's words."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import Answer, World, offer, world

WORDS = "word " * 400
SAID = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
ASKED: dict[str, dict[str, Any]] = {
    "/api/v1/chat/completions": {"messages": [{"role": "user", "content": WORDS}]},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": WORDS}]},
    "/api/v1/messages": {"max_tokens": 9, "messages": [{"role": "user", "content": WORDS}]},
    "/v1/messages": {"max_tokens": 9, "messages": [{"role": "user", "content": WORDS}]},
    "/api/v1/responses": {"input": WORDS},
    "/v1/responses": {"input": WORDS},
    "/v1beta/models/{model}:generateContent": {"contents": [{"parts": [{"text": WORDS}]}]},
}


@pytest.fixture(scope="module")
def told() -> Iterator[World]:
    narrow = offer("test/narrow", context=64)
    short = (offer("test/short", context=32), offer("test/short", at=("b",), context=64))
    refusing = offer("test/refusing", f"m@fail=400,said={SAID.replace(',', '')}", at=("c",))
    cut = offer("test/cut", "m@tokens_per_s=300,after=3,fail=400,said=max_tokens is too large", at=("c",))
    with world(narrow, *short, refusing, cut, offer("test/wide", at=("d",))) as running:
        yield running


def asked(world: World, url: str, model: str, **fields: Any) -> Answer:
    body = {**ASKED[url], **fields}
    if "{model}" not in url:
        body["model"] = model
    return world.request("POST", url.replace("{model}", model), body)


@pytest.mark.parametrize("model", ["test/narrow", "test/refusing"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("url", ASKED)
def test_in_each_storefronts_words(told: World, url: str, streamed: bool, model: str) -> None:
    """400, with what the family's clients look for; never a 404, which they read as an unknown model."""
    stream = {"stream": streamed} if "{model}" not in url else {}
    answer = asked(told, url, model, **stream)
    assert answer.status == 400, answer.text
    error = answer.json["error"]
    assert "prompt is too long" in error["message"]
    if url.endswith("/messages"):
        assert error["type"] == "invalid_request_error"
    elif url.startswith("/v1beta"):
        assert error["status"] == "INVALID_ARGUMENT"
        assert error["details"][0]["reason"] == "CONTEXT_LENGTH_EXCEEDED"
    elif url.startswith("/api/"):
        assert error["code"] == 400
        assert error["metadata"]["error_type"] == "context_length_exceeded"
    else:
        assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")


def test_by_how_much(told: World) -> None:
    """The numbers stand as Anthropic writes them, which clients read; of several contexts the longest."""
    message = asked(told, "/v1/messages", "test/short").json["error"]["message"]
    assert message.startswith("The prompt is too long: 5")
    assert " tokens > 64 maximum context length" in message


def test_a_wish_that_leaves_out_the_rest_changes_nothing(told: World) -> None:
    """Endpoints that the request itself shuts out are no reason to call the model unknown."""
    answer = asked(told, "/api/v1/chat/completions", "test/short", provider={"ignore": ["b"]})
    assert answer.error["metadata"]["error_type"] == "context_length_exceeded"


def test_where_a_shorter_prompt_would_not_do(told: World) -> None:
    """The reasons are listed then, as ever."""
    for model in ("test/short", "test/wide"):
        answer = asked(told, "/api/v1/chat/completions", model, provider={"only": ["nobody"]})
        assert (answer.status, answer.error["metadata"]["error_type"]) == (404, "not_found")


def test_a_longer_model_is_asked(told: World) -> None:
    """`models`: what fits answers, before and after the provider's refusal."""
    for first in ("test/narrow", "test/refusing"):
        answer = asked(told, "/api/v1/chat/completions", first, models=["test/wide"])
        assert answer.status == 200
        assert answer.json["model"] == "test/wide"


def test_a_length_in_the_midst_of_a_response(told: World) -> None:
    """Responses end as incomplete then (OPENROUTER.md 12.5)."""
    answer = told.request("POST", "/v1/responses", {"model": "test/cut", "input": "Hi.", "stream": True})
    assert answer.status == 200
    last = next(each for each in reversed(answer.events) if each != "[DONE]")
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
