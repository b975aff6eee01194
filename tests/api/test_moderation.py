"""Moderation before an answer: what is flagged is never sent and costs nothing; the rest says how long it took."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from tests.support import PATIENCE_S, Answer, World, ask, offer, world
from tollway.config import ConfigError, load
from tollway.domain.catalog import Operation
from tollway.domain.health import Outcome
from tollway.domain.identity import KeyKind
from tollway.domain.moderation import FLAGGED_MAX, ModerationSettings, shortened
from tollway.domain.people import Role
from tollway.routing.hedge import HedgeBudget
from tollway.routing.stats import Sample

BAD = "Tell me how to kill a " + "very " * 30 + "slow process."
SHOWN = BAD[:49] + "..." + BAD[-48:]
JUDGE = "safe/moderate"
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OFFERS = (
    offer("strict/model", "strict"),
    offer("strict/echo", "echo@answer=echo"),
    offer("plain/model", "plain"),
    offer("plain/down", "down@fail=500"),
    offer("strict/embed", "embed", at=("e",), completion=None, operation=Operation.EMBEDDINGS),
    offer(JUDGE, "judge", at=("m",), prompt="0.00000001", completion=None, operation=Operation.MODERATION),
)


def settings(**fields: Any) -> dict[str, Any]:
    return {"moderation": ModerationSettings(models=("strict/*",), model=JUDGE, **fields)}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(*OFFERS, settings=settings()) as it:
        yield it


@pytest.fixture(scope="module")
def lenient() -> Iterator[World]:
    with world(*OFFERS, settings=settings(on_failure="allow", timeout_s=0.5)) as it:
        yield it


def asked(town: World, since: int) -> list[str]:
    """The upstream models that were asked after the first `since` requests, without their behaviours."""
    return [each["model"].partition("@")[0] for each in town.stage.bodies()[since:]]


def free_of_holds(town: World) -> bool:
    """Whether nothing is held of the home workspace's money."""
    book = town.house.gateway.books.get(town.key.key)
    return book is not None and book.lease.held == 0 and not book.running


def until(is_so: Callable[[], bool]) -> None:
    """Waits for something, as long as it takes on a loaded machine."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def spent(town: World) -> Any:
    town.settled()
    return town.request("GET", "/api/v1/credits").json["data"]["total_usage"]


def record(town: World, answer: Answer) -> Any:
    town.settled()
    return town.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}").json["data"]


@pytest.mark.parametrize("stream", [False, True])
def test_flagged(town: World, stream: bool) -> None:
    """403 with OpenRouter's metadata and nothing else; nobody was asked but the judge, and nothing is charged."""
    before, since = spent(town), len(town.stage.bodies())
    answer = town.chat(model="strict/model", content=BAD, stream=stream)
    assert answer.status == 403
    error = answer.json["error"]
    assert error["code"] == 403
    assert "strict/model requires moderation, and your input was flagged for violence." in error["message"]
    assert error["metadata"] == {
        "error_type": "permission_denied",
        "reasons": ["violence"],
        "flagged_input": SHOWN,
        "provider_name": "a",
        "model_slug": "strict/model",
    }
    assert len(SHOWN) == FLAGGED_MAX
    assert asked(town, since) == ["judge"]
    assert spent(town) == before
    found = record(town, answer)
    assert found["provider_responses"] == []
    assert found["total_cost"] == 0
    assert found["moderation_latency"] > 0
    assert found["finish_reason"] == "error"
    assert free_of_holds(town)


@pytest.mark.parametrize("stream", [False, True])
def test_not_flagged(town: World, stream: bool) -> None:
    """The judge is asked first, once, and is not paid for by the caller; the record says how long it took."""
    since = len(town.stage.bodies())
    answer = town.chat(model="strict/model", content="Tell me a story.", stream=stream)
    assert answer.status == 200
    assert asked(town, since) == ["judge", "strict"]
    found = record(town, answer)
    assert found["moderation_latency"] > 0
    assert found["total_cost"] > 0
    assert [each["provider_name"] for each in found["provider_responses"]] == ["a"]


def test_others_are_not_judged(town: World) -> None:
    """A model that requires none is asked at once, whatever the input says, and so are embeddings and judges."""
    since = len(town.stage.bodies())
    answer = town.chat(model="plain/model", content=BAD)
    assert answer.status == 200
    assert asked(town, since) == ["plain"]
    assert record(town, answer)["moderation_latency"] is None
    since = len(town.stage.bodies())
    assert town.request("POST", "/v1/embeddings", {"model": "strict/embed", "input": BAD}).status == 200
    assert town.request("POST", "/v1/moderations", {"model": JUDGE, "input": BAD}).json["results"][0]["flagged"] is True
    assert asked(town, since) == ["embed", "judge"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "How to kill?"}, {"role": "user", "content": "Hello."}],
        [{"role": "user", "content": [{"type": "text", "text": "Hello."}, {"type": "text", "text": "How to kill?"}]}],
        [{"role": "user", "content": "How to kill?"}, {"role": "assistant", "content": "No."}],
        [
            {"role": "user", "content": "Look it up."},
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "How to kill?"},
        ],
    ],
)  # fmt: skip
def test_every_text_is_judged(town: World, messages: Any) -> None:
    """Of whichever role, in whichever part; what is flagged is shown as it came."""
    answer = town.chat(model="strict/model", messages=messages)
    assert answer.status == 403
    assert answer.json["error"]["metadata"]["flagged_input"] == "How to kill?"


def test_images(town: World) -> None:
    """Each is judged by itself, in the shape that OpenAI's moderations take; the flagged one's URL is shown."""
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/cat.png"}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/bomb.png"}},
    ]
    since = len(town.stage.bodies())
    answer = town.chat(model="strict/model", content=parts)
    assert answer.status == 403
    assert answer.json["error"]["metadata"]["flagged_input"] == "https://pictures.example/bomb.png"
    inputs = [each["input"] for each in town.stage.bodies()[since:]]
    assert sorted(inputs, key=str) == sorted(
        ["What is this?", *([{"type": "image_url", "image_url": parts[i]["image_url"]}] for i in (1, 2))], key=str
    )


STOREFRONTS: dict[str, Any] = {
    "/api/v1/chat/completions": {"messages": [{"role": "user", "content": BAD}]},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": BAD}]},
    "/api/v1/completions": {"prompt": BAD},
    "/api/v1/messages": {"messages": [{"role": "user", "content": BAD}], "max_tokens": 64},
    "/v1/messages": {"messages": [{"role": "user", "content": BAD}], "max_tokens": 64},
    "/api/v1/responses": {"input": BAD},
    "/v1/responses": {"input": BAD},
    "/v1beta/models/strict/model:generateContent": {"contents": [{"role": "user", "parts": [{"text": BAD}]}]},
}


@pytest.mark.parametrize("path", STOREFRONTS)
def test_every_storefront(town: World, path: str) -> None:
    """403 in its own shape, with what was flagged and why, and nobody asked."""
    since = len(town.stage.bodies())
    answer = town.request("POST", path, {"model": "strict/model", **STOREFRONTS[path]})
    assert answer.status == 403, answer.text
    assert asked(town, since) == ["judge"]
    error = answer.json["error"]
    assert "flagged for violence" in error["message"]
    if path.startswith("/v1beta"):
        assert error["status"] == "PERMISSION_DENIED"
        [info] = [each for each in error["details"] if each["@type"].endswith("ErrorInfo")]
        assert info["metadata"]["flagged_input"] == SHOWN
        assert info["metadata"]["model_slug"] == "strict/model"
        return
    if path.endswith("/messages"):
        assert error["type"] == "permission_error"
    metadata = error["metadata"]
    assert metadata["reasons"] == ["violence"]
    assert metadata["flagged_input"] == SHOWN
    assert metadata["provider_name"] == "a"
    assert metadata["model_slug"] == "strict/model"


def test_the_next_model_may_require_none(town: World) -> None:
    """Of several models the first that requires none answers what was flagged, and is what is paid."""
    since = len(town.stage.bodies())
    answer = town.chat(model="strict/model", models=["strict/echo", "plain/model"], content=BAD)
    assert answer.status == 200
    assert answer.json["model"] == "plain/model"
    assert asked(town, since) == ["judge", "plain"]
    assert record(town, answer)["moderation_latency"] > 0


def test_a_fallback_is_judged_when_its_turn_comes(town: World) -> None:
    """Who answers first spares the others' judgement; where he fails, it is made, and its error is the last word."""
    since = len(town.stage.bodies())
    assert town.chat(model="plain/model", models=["strict/model"], content=BAD).status == 200
    assert asked(town, since) == ["plain"]
    before, since = spent(town), len(town.stage.bodies())
    answer = town.chat(model="plain/down", models=["strict/model"], content=BAD)
    assert answer.status == 403
    assert asked(town, since) == ["down", "judge"]
    assert spent(town) == before
    assert len(record(town, answer)["provider_responses"]) == 1


@pytest.mark.parametrize("behaviour", ["fail=500", "fail=429", "fail=reset", "fail=html200"])
def test_nobody_judges(town: World, behaviour: str) -> None:
    """503 by default: nothing is sent or charged, or logged of the input; a model that requires none answers."""
    before, since = spent(town), len(town.stage.bodies())
    town.script("m", behaviour)
    with capture_logs() as lines:
        answer = town.chat(model="strict/model", content="A secret: swordfish.")
    assert answer.status == 503
    assert "strict/model requires moderation, and the moderation endpoint did not answer" in answer.text
    assert answer.headers["retry-after"] == "5"
    assert asked(town, since) == ["judge"]
    assert spent(town) == before
    assert [each["event"] for each in lines if each["event"] == "moderation failed"] == ["moderation failed"]
    assert "swordfish" not in str(lines)
    town.script("m", behaviour)
    fallen = town.chat(model="strict/model", models=["plain/model"])
    assert fallen.json["model"] == "plain/model"


@pytest.mark.parametrize("behaviour", ["fail=500", "fail=stall", "latency_ms=5000"])
@pytest.mark.parametrize("stream", [False, True])
def test_nobody_judges_and_all_is_allowed(lenient: World, behaviour: str, stream: bool) -> None:
    """`on_failure = "allow"`: after the error, or the time that a judgement has, the model is asked."""
    since = len(lenient.stage.bodies())
    lenient.script("m", behaviour)
    answer = lenient.chat(model="strict/model", stream=stream)
    assert answer.status == 200
    assert asked(lenient, since) == ["judge", "strict"]
    assert record(lenient, answer)["moderation_latency"] > 0


def test_what_is_flagged_is_refused_whatever_failures_do(lenient: World) -> None:
    """`allow` is about judgements that nobody made."""
    assert lenient.chat(model="strict/model", content=BAD).status == 403


@pytest.mark.parametrize("rules", [{"zdr": True}, {"data_collection": "deny"}])
def test_data_policies_bind_the_judge(town: World, rules: dict[str, Any]) -> None:
    """Who wants no data kept has none sent to a judge that may keep it, and all the same to one that does not."""
    gateway, market = town.house.gateway, town.house.gateway.market

    def keeping_nothing(*providers: str) -> None:
        known = {slug: structs.replace(market.facts[slug], trains=False, retains=False) for slug in providers}
        gateway.market = structs.replace(market, facts={**market.facts, **known})

    try:
        town.call(keeping_nothing, "a")
        since = len(town.stage.bodies())
        answer = town.chat(model="strict/model", provider=rules)
        assert answer.status == 503
        assert "no moderation endpoint may be asked for it" in answer.text
        assert asked(town, since) == []
        town.call(keeping_nothing, "a", "m")
        assert town.chat(model="strict/model", provider=rules).status == 200
        assert asked(town, since) == ["judge", "strict"]
    finally:
        town.call(setattr, gateway, "market", market)


def test_guardrails_on_data_bind_the_judge(town: World) -> None:
    """And their lists of models do not: it was not the caller who chose it."""
    gateway, market = town.house.gateway, town.house.gateway.market
    owner = town.new_user("owner", Role.OWNER, "guarded")
    kind = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}
    manager = town.new_key("guarded", credits_usd="5", creator=owner, **kind)
    key = town.new_key("guarded")
    rail = {"name": "Rail", "allowed_models": ["strict/model"], "enforce_zdr_other": True}
    made = town.request("POST", "/api/v1/guardrails", rail, headers=manager.headers)
    path = f"/api/v1/guardrails/{made.json['data']['id']}/assignments/keys"
    assert town.request("POST", path, {"key_hashes": [key.key.id]}, headers=manager.headers).json["assigned_count"] == 1
    try:
        for keeping_nothing, status in ((("a",), 503), (("a", "m"), 200)):
            known = {name: structs.replace(market.facts[name], trains=False, retains=False) for name in keeping_nothing}
            town.call(setattr, gateway, "market", structs.replace(market, facts={**market.facts, **known}))
            assert town.chat(model="strict/model", headers=key.headers).status == status
    finally:
        town.call(setattr, gateway, "market", market)


def test_a_hedge_is_judged_once() -> None:
    """Both endpoints are asked after one judgement, and the record of the second's answer says how long it took."""
    offers = (offer("strict/model", "strict", at=("a", "b")), OFFERS[-1])
    with world(*offers, settings=settings(), provider={"cancels": True}) as it:
        gateway = it.house.gateway

        def hedging() -> None:
            for _ in range(200):
                gateway.health.observe("a:strict", Outcome.SUCCEEDED, gateway.loop.time(), sample=Sample(0.1))
            gateway.hedges = HedgeBudget(0.05)
            for _ in range(1000):
                gateway.hedges.request()

        it.call(hedging)
        it.script("a", "latency_ms=5000")
        answer = it.chat(model="strict/model", stream=True, provider={"order": ["a", "b"]})
        assert answer.status == 200
        assert asked(it, 0) == ["judge", "strict", "strict"]
        found = record(it, answer)
        assert [each["outcome"] for each in found["provider_responses"]] == ["cancelled", "succeeded"]
        assert found["moderation_latency"] > 0


def test_a_caller_who_leaves_while_it_is_judged(town: World) -> None:
    """Nothing is sent to the model, nothing is charged, and nothing stays held."""
    before, since = spent(town), len(town.stage.bodies())
    town.script("m", "latency_ms=400")
    body = json.dumps(ask("strict/model", stream=True)).encode()
    lines = ["POST /api/v1/chat/completions HTTP/1.1", "host: test", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in town.key.headers.items()]
    host, port = town.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        until(lambda: asked(town, since) == ["judge"])
    until(lambda: free_of_holds(town))
    assert asked(town, since) == ["judge"]
    assert spent(town) == before


def test_no_judge_is_there() -> None:
    """The server says so when it starts; requests are refused, those that need none are answered."""
    with capture_logs() as lines, world(*OFFERS[:3], settings=settings()) as it:
        said = [each for each in lines if each["event"] == "models require moderation, and nobody can judge"]
        assert [each["model"] for each in said] == [JUDGE]
        answer = it.chat(model="strict/model")
        assert answer.status == 503
        assert "no moderation endpoint may be asked for it" in answer.text
        assert it.chat(model="plain/model").status == 200


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ON_FAILURE", "maybe", "moderation.on_failure"),
        ("TIMEOUT_S", "0", "moderation.timeout_s"),
        ("MODEL", " ", "moderation.model: the model that judges"),
    ],
)
def test_bad_settings(tmp_path: Path, name: str, value: str, said: str) -> None:
    """The error names the key."""
    file = tmp_path / "tollway.toml"
    file.write_text('[moderation]\nmodels = ["strict/*"]\n')
    with pytest.raises(ConfigError, match=said):
        load(file, {f"TOLLWAY_MODERATION__{name}": value})


def test_lists_say_who_requires_it(town: World) -> None:
    """`top_provider.is_moderated`, of chat models alone, in every list."""
    for path in ("/api/v1/models", "/v1/models", "/api/v1/models/user"):
        found = {each["id"]: each["top_provider"]["is_moderated"] for each in town.request("GET", path).json["data"]}
        assert found["strict/model"] is True
        assert found["plain/model"] is False
        assert found.get(JUDGE, False) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("a" * 100, "a" * 100), ("a" * 60 + "b" * 60, "a" * 49 + "..." + "b" * 48)],
)
def test_shortened(text: str, expected: str) -> None:
    """The middle goes, and no more than 100 characters stay."""
    assert shortened(text) == expected
    assert len(shortened(text)) <= FLAGGED_MAX
