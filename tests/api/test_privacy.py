"""Preferences of a workspace, set over HTTP: each is enforced with an error, never with a silent fallback."""

from collections.abc import Iterator
from typing import Any

import pytest
from openrouter import components

from tests.support import Secret, World, ask, offer, request, world
from tollway.domain.identity import KeyKind

FIRST, SECOND = "near", "far"


@pytest.fixture(scope="module")
def pair() -> Iterator[World]:
    """A model at two providers, of which nothing is known: both may keep prompts. Another model at the second."""
    with world(offer("ann/one", at=(FIRST, SECOND)), offer("bob/two", at=(SECOND,), prompt="0.000003")) as it:
        yield it


@pytest.fixture
def place(pair: World, request: pytest.FixtureRequest) -> tuple[Secret, Secret]:
    """A workspace of the test's own: its provisioning key, and a key for models."""
    name = f"place-{abs(hash(request.node.name))}"
    manager = pair.new_key(name, kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    return manager, pair.new_key(name, credits_usd="1")


def change(it: World, manager: Secret, **settings: Any) -> None:
    path = f"/api/v1/workspaces/{manager.key.workspace_id}"
    assert request(it.url, "PATCH", path, settings, headers=manager.headers).status == 200


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ({"zdr": True}, "the workspace's data policy"),
        ({"data_collection": "deny"}, "the workspace's data policy"),
        ({"ignore": [FIRST, SECOND]}, "the workspace's ignored providers"),
        ({"only": ["openai"]}, "the workspace's allowed providers"),
        ({"max_price": {"prompt": "0.5"}}, "the workspace's price cap"),
        ({"enforce_distillable_text": True}, "the workspace's data policy"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_nobody_is_left(
    pair: World, place: tuple[Secret, Secret], provider: dict[str, Any], words: str, stream: bool
) -> None:
    """A 404 that names whose wish it was; nobody was asked, and nothing was charged. A request can't widen it."""
    manager, key = place
    change(pair, manager, provider=provider)
    before = len(pair.received)
    wider = {"zdr": False, "data_collection": "allow", "only": [FIRST], "max_price": {"prompt": "900"}}
    for own in (None, wider):
        answer = pair.chat(model="ann/one", headers=key.headers, stream=stream, provider=own)
        assert answer.status == 404, answer.text
        assert words in answer.error["message"]
    assert len(pair.received) == before
    credits_ = request(pair.url, "GET", "/api/v1/credits", headers=manager.headers).json["data"]
    assert credits_["total_usage"] == 0
    change(pair, manager, provider=None)
    assert pair.chat(model="ann/one", headers=key.headers).status == 200


@pytest.mark.parametrize(("provider", "who"), [({"ignore": [FIRST]}, SECOND), ({"only": [FIRST]}, FIRST)])
def test_some_are_left(pair: World, place: tuple[Secret, Secret], provider: dict[str, Any], who: str) -> None:
    """Who is allowed answers, each time."""
    manager, key = place
    change(pair, manager, provider=provider)
    for _ in range(5):
        assert pair.chat(model="ann/one", headers=key.headers).json["provider"] == who


def test_defaults(pair: World, place: tuple[Secret, Secret]) -> None:
    """A request that names no model and no order has the workspace's; one that names them has its own."""
    manager, key = place
    change(pair, manager, default_text_model="bob/two", default_provider_sort="price")
    assert pair.chat(model=None, headers=key.headers).json["model"] == "bob/two"
    assert pair.chat(model="ann/one", headers=key.headers).json["model"] == "ann/one"
    shown = request(pair.url, "POST", "/api/v1/route", ask("ann/one"), headers=key.headers).json["data"]
    assert shown["endpoints"][0]["reason"] == "cheapest"


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")  # the package warns of fields that it still requires
@pytest.mark.parametrize("stream", [False, True])
def test_each_field_of_a_generation(pair: World, place: tuple[Secret, Secret], stream: bool) -> None:
    """All that OpenRouter's type knows is there, and what it requires is of its type; after a failure, too."""
    _, key = place
    pair.script("ann/one", "fail=503")
    headers = {**key.headers, "http-referer": "https://app.example/x", "x-title": "App", "user-agent": "agent/1"}
    answer = pair.chat(headers=headers, model="ann/one", session_id="s-1", user="u-1", stream=stream)
    id_ = (answer.events[0] if stream else answer.json)["id"]
    data = request(pair.url, "GET", f"/api/v1/generation?id={id_}", headers=key.headers).json["data"]
    kind = components.GenerationResponseData
    assert {field.alias or name for name, field in kind.model_fields.items()} <= data.keys()
    found = kind.model_validate(data, strict=False)
    assert found.provider_responses is not None
    assert [each.status for each in found.provider_responses] == [503, 200]
    assert {each.provider_name for each in found.provider_responses} == {FIRST, SECOND}
    assert (found.http_referer, found.user_agent, found.session_id) == ("https://app.example/x", "agent/1", "s-1")
    assert (found.external_user, found.streamed, found.cancelled) == ("u-1", stream, False)
    assert (found.finish_reason, found.native_finish_reason, found.is_byok) == ("stop", "stop", False)
    assert data["app_id"]
    assert found.latency is not None
    assert found.generation_time is not None
    assert found.tokens_prompt
    assert found.tokens_completion
    assert found.total_cost == (found.tokens_prompt * 1000 + found.tokens_completion * 2000) / 10**9
    assert (found.native_tokens_prompt, found.native_tokens_completion) == (
        found.tokens_prompt,
        found.tokens_completion,
    )
    assert found.upstream_id
