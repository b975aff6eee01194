"""`X-OpenRouter-Metadata: enabled`: how a request was routed, in every format that has a place for it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import World, ask, offer, request, world
from tollway.config import Routing
from tollway.domain.aliases import Alias

OPT_IN = {"X-OpenRouter-Metadata": "Enabled"}
INPUT = {"model": "test/model", "input": "Say hello.", "max_output_tokens": 20}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(
        offer(at=("a", "b")),
        offer("test/other", at=("c",)),
        offer("free/one-1", at=("d",), free=True),
        routing=Routing(aliases=(Alias("cpen/low", "low", ("test/other",)),)),
    ) as found:
        yield found


def post(town: World, path: str, body: Any, headers: dict[str, str] = OPT_IN) -> Any:
    return request(town.url, "POST", path, body, headers={**town.key.headers, **headers})


def test_all_of_it(town: World) -> None:
    """The first provider fails, the second answers: both attempts, both endpoints, and who was selected."""
    town.script("a", "fail=503")
    wishes = {"order": ["a", "b"], "ignore": ["c"]}
    found = post(town, "/api/v1/chat/completions", ask(models=["test/other"], provider=wishes)).json
    assert found["openrouter_metadata"] == {
        "requested": "test/model",
        "strategy": "direct",
        "region": None,
        "summary": "available=2, selected=b",
        "attempt": 2,
        "is_byok": False,
        "endpoints": {
            "total": 3,
            "available": [
                {"provider": "a", "model": "test/model", "selected": False},
                {"provider": "b", "model": "test/model", "selected": True},
            ],
        },
        "attempts": [
            {"provider": "a", "model": "test/model", "status": 503},
            {"provider": "b", "model": "test/model", "status": 200},
        ],
    }


def routing(answer: Any) -> Any:
    """The metadata of an answer: of a whole one, or of the last event of a stream; and nowhere else."""
    if answer.headers["content-type"] == "application/json":
        return answer.json["openrouter_metadata"]
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert not any("openrouter_metadata" in str(each) for each in events[:-1])
    last = events[-1]
    return (last.get("response") or last)["openrouter_metadata"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/chat/completions", ask(max_tokens=20)),
        ("/v1/chat/completions", ask(max_tokens=20)),
        ("/api/v1/messages", ask(max_tokens=20)),
        ("/api/v1/responses", INPUT),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_every_format(town: World, path: str, body: dict[str, Any], streamed: bool) -> None:
    """In the body of a whole answer, in the last data of a stream: of Messages in `message_stop`."""
    found = routing(post(town, path, {**body, "stream": streamed}))
    assert (found["requested"], found["attempt"]) == ("test/model", 1)
    assert [each["selected"] for each in found["endpoints"]["available"]].count(True) == 1


@pytest.mark.parametrize(
    ("fields", "strategy"),
    [
        ({}, "direct"),
        ({"model": "test/model:nitro"}, "direct"),
        ({"model": "openrouter/free"}, "free"),
        ({"model": "~free/one-latest"}, "latest"),
        ({"model": "cpen/low"}, "alias"),
        ({"models": ["test/other"], "provider": {"ignore": ["a", "b"]}}, "fallback"),
        ({"models": ["test/other"]}, "direct"),
    ],
)
def test_strategy(town: World, fields: dict[str, Any], strategy: str) -> None:
    """What the name was, or that a later model had to answer."""
    assert routing(post(town, "/api/v1/chat/completions", ask(**fields)))["strategy"] == strategy


def test_beside_an_error(town: World) -> None:
    """Where every attempt failed; not where the request met no router."""
    town.script("c", "fail=500")
    failed = post(town, "/api/v1/chat/completions", ask(model="test/other"))
    assert failed.status == 502
    found = failed.json["openrouter_metadata"]
    assert (found["attempt"], found["attempts"][0]["status"], found["summary"]) == (
        1,
        500,
        "available=1, selected=none",
    )
    town.script("c", "fail=500")
    assert "openrouter_metadata" in post(town, "/api/v1/messages", ask(model="test/other", max_tokens=9)).json
    refused = post(town, "/api/v1/chat/completions", ask(model="no/such"))
    assert (refused.status, "openrouter_metadata" in refused.json) == (400, False)


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({}, False),
        ({"X-OpenRouter-Metadata": "disabled"}, False),
        ({"X-OpenRouter-Metadata": "true"}, False),
        ({"X-OpenRouter-Experimental-Metadata": "ENABLED"}, True),
        ({"X-OpenRouter-Metadata": "disabled", "X-OpenRouter-Experimental-Metadata": "enabled"}, False),
    ],
)
def test_only_who_asks(town: World, headers: dict[str, str], shown: bool) -> None:
    for path in ("/api/v1/chat/completions", "/api/v1/messages"):
        answer = post(town, path, ask(max_tokens=9), headers)
        assert answer.status == 200
        assert ("openrouter_metadata" in answer.json) is shown


def test_the_official_package_reads_it(town: World) -> None:
    """With its own parameter, and its own types; whole and streamed."""
    asked: Any = {"model": "test/model", "messages": [{"role": "user", "content": "Hello"}]}
    with openrouter(town) as sdk:
        whole = sdk.chat.send(**asked, x_open_router_metadata="enabled")
        assert whole.openrouter_metadata is not None
        assert whole.openrouter_metadata.strategy == "direct"
        with sdk.chat.send(**asked, stream=True, x_open_router_metadata="enabled") as stream:
            last: Any = list(stream)[-1]
        assert last.openrouter_metadata.endpoints.total == 2
        answer: Any = sdk.responses.send(model="test/model", input="Hello", x_open_router_metadata="enabled")
        assert answer.openrouter_metadata.attempt == 1


def test_in_an_answer_that_breaks_off(town: World) -> None:
    """With the error that ends the stream."""
    town.script("c", "after=5,then=truncate")
    answer = post(town, "/api/v1/chat/completions", ask(model="test/other", stream=True))
    last = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")][-1]
    assert last["error"]["code"] == 502
    assert last["openrouter_metadata"]["attempt"] == 1
