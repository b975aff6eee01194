"""Faults and preferences as a caller sees them: fallback that nobody notices, and reasons where nothing fits."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support import Answer, World, offer, world
from tollway.domain.catalog import Endpoint
from tollway.routing.health import HealthBoard

CHATS = ("/api/v1/chat/completions", "/v1/chat/completions")


@pytest.fixture(scope="module")
def three_providers() -> Iterator[World]:
    """A model at three providers, and models that lack something."""
    offers = (
        offer("test/model", "m", at=("a", "b", "c")),
        offer("test/second", "second", at=("a",)),
        offer("test/down", "down@fail=503", at=("a",)),
        offer("test/dear", "dear", at=("b",), prompt="0.00001", completion="0.00002"),
        offer("test/dear", "dear", at=("c",), prompt="0.00002", completion="0.00002"),
        offer("test/plain", "plain", at=("a", "b")),
        offer("test/terse", "terse", at=("a",), output_max=100),
        offer("test/unpriced", "unpriced", prompt=None, completion=None),
    )

    def plain(endpoint: Endpoint) -> Endpoint:
        if endpoint.model_id != "test/plain":
            return endpoint
        return msgspec.structs.replace(
            endpoint, parameters=frozenset({"temperature"}), input_modalities=frozenset({"text"})
        )

    with world(*offers) as it:
        it.call(it.stage.change_endpoints, plain)
        yield it


@pytest.fixture
def three(three_providers: World) -> World:
    """That world as it was at first: what failed in an earlier test is not held against it."""
    three_providers.house.gateway.health = HealthBoard()
    return three_providers


def in_order(*slugs: str, **more: Any) -> dict[str, Any]:
    return {"order": list(slugs), **more}


def attempts(world: World, answer: Answer) -> list[tuple[str, int | None]]:
    """Who was asked for this answer, and with which status: from its record."""
    world.settled()
    record = world.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}").json["data"]
    return [(each["provider_name"], each["status"]) for each in record["provider_responses"]]


BEFORE_CONTENT = (
    "fail=503",
    "fail=429",
    "fail=401",
    "fail=reset",
    "fail=eof",
    "fail=html",
    "fail=html200",
    "fail=empty",
)


@pytest.mark.parametrize("fault", [*BEFORE_CONTENT, "fail=error200", "fail=malformed", "fail=redirect"])
@pytest.mark.parametrize("streamed", [False, True])
def test_fallback_is_invisible(three: World, fault: str, streamed: bool) -> None:
    """The first provider fails before content: the second answers, and only the headers and the record tell."""
    three.script("a", fault)
    answer = three.chat(model="test/model", provider=in_order("a", "b"), stream=streamed)
    assert answer.status == 200, answer.text
    assert answer.headers["x-provider-name"] == "b"
    told = answer.events[0] if streamed else answer.json
    assert told["provider"] == "b"
    assert told["model"] == "test/model"
    assert "error" not in answer.text
    tried = attempts(three, answer)
    assert [name for name, _ in tried] == ["a", "b"]
    assert tried[1][1] == 200


def test_two_fallbacks(three: World) -> None:
    """The third of three answers, in the order that was asked for."""
    three.script("c", "fail=500")
    three.script("a", "fail=429")
    answer = three.chat(model="test/model", provider=in_order("c", "a", "b"))
    assert answer.status == 200
    assert attempts(three, answer) == [("c", 500), ("a", 429), ("b", 200)]


def test_no_fallback_after_content(three: World) -> None:
    """Once content is out, another provider can't take over: the stream ends with an error, and costs nothing."""
    three.script("a", "tokens_per_s=500,after=3,then=truncate")
    answer = three.chat(model="test/model", provider=in_order("a", "b"), stream=True)
    assert answer.status == 200
    assert answer.headers["x-provider-name"] == "a"
    *chunks, last, done = answer.events
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["content"] is not None
    assert last["error"]["code"] == 502
    assert [name for name, _ in attempts(three, answer)] == ["a"]


def test_fallbacks_off(three: World) -> None:
    """`allow_fallbacks: false`: the first failure is the answer."""
    three.script("a", "fail=503")
    answer = three.chat(model="test/model", provider=in_order("a", allow_fallbacks=False))
    assert answer.status == 502
    assert answer.error["metadata"]["provider_name"] == "a"
    assert attempts(three, answer) == [("a", 503)]


def test_models_fallback_list(three: World) -> None:
    """The first model fails, so the second answers; `model` says which, and it alone is paid."""
    answer = three.chat(model="test/down", models=["test/down", "test/second"])
    assert answer.status == 200
    assert answer.json["model"] == "test/second"
    assert attempts(three, answer)[-1] == ("a", 200)
    alone = three.chat(model=None, models=["test/second"])
    assert alone.json["model"] == "test/second"


def test_a_refused_request_moves_on_to_another_model(three: World) -> None:
    """A provider's 400 is not asked again at its rivals, but another model may take it."""
    before = three.simulator.stats.requests
    three.script("a", "fail=400")
    refused = three.chat(model="test/model", provider=in_order("a", "b"))
    assert refused.status == 400
    assert three.simulator.stats.requests == before + 1
    three.script("a", "fail=400")
    taken = three.chat(model="test/second", models=["test/model"], provider=in_order("a", "b"))
    assert taken.status == 200
    assert taken.json["model"] == "test/model"


PREFERENCES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"only": ["b"]}, "b"),
    ({"only": ["B"]}, "b"),
    ({"ignore": ["a", "c"]}, "b"),
    ({"only": ["a", "b"], "ignore": ["a"]}, "b"),
    ({"order": ["c"]}, "c"),
    ({"order": ["nobody", "b"]}, "b"),
    ({"order": ["c"], "allow_fallbacks": False}, "c"),
    ({"max_price": {"prompt": 1, "completion": "2"}}, "a b c"),
    ({"require_parameters": True}, "a b c"),
    ({"data_collection": "allow"}, "a b c"),
    ({"sort": "price"}, "a b c"),
    ({"sort": {"by": "price", "partition": "none"}}, "a b c"),
)


@pytest.mark.parametrize(("preferences", "expected"), PREFERENCES, ids=lambda value: str(value)[:40])
def test_preferences(three: World, preferences: dict[str, Any], expected: str) -> None:
    """Who answers is one of those that the preferences leave, every time."""
    for _ in range(4):
        answer = three.chat(model="test/model", provider=preferences)
        assert answer.status == 200
        assert answer.headers["x-provider-name"] in expected.split()


NOTHING_FITS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"model": "test/model", "provider": {"only": ["nobody"]}}, "not in provider.only"),
    ({"model": "test/model", "provider": {"only": []}}, "not in provider.only"),
    ({"model": "test/model", "provider": {"ignore": ["a", "b", "c"]}}, "in provider.ignore"),
    ({"model": "test/model", "provider": in_order("nobody", allow_fallbacks=False)}, "not in provider.order"),
    ({"model": "test/model", "provider": {"data_collection": "deny"}}, "data policy"),
    ({"model": "test/model", "provider": {"zdr": True}}, "data policy"),
    ({"model": "test/model", "provider": {"quantizations": ["fp8"]}}, "quantized"),
    ({"model": "test/dear", "provider": {"max_price": {"prompt": 5}}}, "max_price.prompt"),
    ({"model": "test/dear", "provider": {"max_price": {"completion": "0.1"}}}, "max_price.completion"),
    (
        {"model": "test/plain", "tools": [{"type": "function", "function": {"name": "f"}}]},
        "does not support tools",
    ),
    ({"model": "test/plain", "seed": 1, "provider": {"require_parameters": True}}, "does not support seed"),
    (
        {"model": "test/plain", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}]},
        "image",
    ),
    (
        {
            "model": "test/plain",
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
            "structured_outputs": True,
        },
        "structured output",
    ),
    ({"model": "test/terse", "max_tokens": 101}, "at most 100"),
    ({"model": "test/unpriced"}, "no price"),
)


@pytest.mark.parametrize(("fields", "reason"), NOTHING_FITS, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("path", CHATS)
def test_nothing_fits(three: World, path: str, fields: dict[str, Any], reason: str) -> None:
    """No endpoint is left: a 404 that names each one's reason, on either storefront; nobody is asked."""
    before = three.simulator.stats.requests
    answer = three.chat(path, **fields)
    assert answer.status == 404, answer.text
    assert reason in answer.error["message"]
    wished = fields["model"] != "test/unpriced"
    told = answer.error["availability"]
    assert told["code"] == ("constraint_filtered" if wished else "no_endpoints")
    assert told["retryable"] is False
    assert fields["model"] in told["requested_models"]
    assert set(told["affected_providers"]) <= {"a", "b", "c"}
    assert "availability" not in answer.error.get("metadata", {})
    assert three.simulator.stats.requests == before
    assert three.house.gateway.books.held == 0


def test_a_cheaper_rival_stays_within_the_cap(three: World) -> None:
    """max_price leaves the endpoint that keeps to it, however often one asks."""
    for _ in range(6):
        answer = three.chat(model="test/dear", provider={"max_price": {"prompt": "10"}})
        assert answer.headers["x-provider-name"] == "b"


def test_everyone_rate_limited(three: World) -> None:
    """All say 429: so do we, with the shortest of their hints."""
    three.script("a", "fail=429,hint=retry-after,hint_s=9")
    three.script("b", "fail=429,hint=retry-after,hint_s=4")
    three.script("c", "fail=429,hint=retry-after,hint_s=11")
    answer = three.chat(model="test/model", provider=in_order("a", "b", "c"))
    assert answer.status == 429
    assert answer.headers["retry-after"] == "4"
    assert answer.error["metadata"]["error_type"] == "rate_limit_exceeded"


def test_a_failed_request_costs_nothing(three: World) -> None:
    """Failures before content, in the stream, and refusals leave the balance and every hold as they were."""
    key = three.new_key("unharmed", credits_usd="1")

    def used() -> Any:
        three.settled()
        return three.request("GET", "/api/v1/credits", headers=key.headers).json["data"]["total_usage"]

    for fields in (
        {"model": "test/down"},
        {"model": "test/down", "stream": True},
        {"model": "test/second", "provider": {"only": ["nobody"]}},
        {"model": "no/such"},
        {"model": "test/second", "temperature": 9},
    ):
        three.chat(headers=key.headers, **fields)
    three.script("a", "tokens_per_s=500,after=3,then=error_event")
    assert three.chat(model="test/second", stream=True, headers=key.headers).status == 200
    assert used() == 0
    assert three.house.gateway.books.held == 0
    assert three.chat(model="test/second", headers=key.headers).status == 200
    assert used() > 0
