"""The platform's API: its registry, its price in whole credits, its words for errors; hosts of its own; groups."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from openai import OpenAI

from tests.support import Answer, Secret, World, ask, offer, raw, request, world
from tollway.api.mounts import Mounts
from tollway.billing.settings import Billing
from tollway.config import Server
from tollway.domain.identity import KeyKind
from tollway.domain.money import NANO
from tollway.domain.storefronts import Group, Mount, Platform, PlatformModel
from tollway.gateway.byok_desk import NewCredential
from tollway.identity.actors import OPERATOR
from tollway.routing.health import HealthBoard
from tollway.storage.audit import audit_ledger
from tollway.storage.generations import last_generations

BASE = "/platform/api/v1"
CHAT = f"{BASE}/chat/completions"
CREDIT = 10**7
"""Nanodollars: a cent."""
REGISTRY = (
    PlatformModel("test/model", credit_cost=3, display_name="The Model", capabilities=("chat", "reasoning")),
    PlatformModel("house/fast", credit_cost=1, model="test/other"),
    PlatformModel("test/absent", credit_cost=1),
    *(PlatformModel(f"fail/{name}", credit_cost=5) for name in ("500", "stall", "mid")),
)


@pytest.fixture(scope="module")
def platform() -> Iterator[World]:
    """A registry over some of the models, hosts for storefronts, and a group that pays half as much again."""
    with world(
        offer("test/model", "m@tokens=4", at=("a", "b")),
        offer("test/other"),
        offer("test/unlisted"),
        offer("fail/500", "m@fail=500"),
        offer("fail/stall", "m@fail=stall"),
        offer("fail/mid", "m@tokens_per_s=300,after=3,then=error_event"),
        server=Server(
            port=0,
            mounts=(
                Mount("site.example", "platform"),
                Mount("api.example", "openrouter"),
                Mount("bare.example", "openai", ""),
            ),
        ),
        provider={"first_event_s": 0.4, "idle_s": 0.4, "whole_s": 0.4},
        settings={
            "platform": Platform(REGISTRY),
            "billing": Billing(groups=(Group("partners", "1.5", ("partner",)),)),
        },
    ) as it:
        yield it


def last(it: World) -> Any:
    it.settled()
    return it.run(last_generations(it.house.database, 1))[0]


def sound(it: World) -> None:
    """The ledger's checks hold: what was captured is what was recorded."""
    it.settled()
    assert [each.name for each in it.run(audit_ledger(it.house.database)) if each.broken] == []


def test_models_of_the_registry(platform: World) -> None:
    """As the platform's document shows them; what nobody could be asked for is not listed."""
    answer = platform.request("GET", f"{BASE}/models")
    assert answer.json["object"] == "list"
    assert [each["id"] for each in answer.json["data"]] == [
        "test/model", "house/fast", "fail/500", "fail/stall", "fail/mid",
    ]  # fmt: skip
    assert answer.json["data"][0] == {
        "id": "test/model",
        "object": "model",
        "owned_by": "test",
        "display_name": "The Model",
        "category": "chat",
        "capabilities": ["chat", "reasoning"],
        "credit_cost": 3,
    }


@pytest.mark.parametrize("stream", [False, True])
def test_a_fixed_price(platform: World, stream: bool) -> None:
    """However many tokens: three credits; what the provider takes is on record; the ledger agrees."""
    workspace = f"fixed-{stream}"
    key = platform.new_key(workspace, credits_usd="1")
    for content in ("Hello.", "Hello. " * 400):
        answer = platform.chat(CHAT, content=content, stream=stream, headers=key.headers)
        assert answer.status == 200
        first = answer.events[0] if stream else answer.json
        assert first["id"].startswith("chatcmpl_")
        found = last(platform)
        assert (found.cost, found.credits, found.absorbed) == (3 * CREDIT, 3, 0)
        expected = found.usage.prompt * 1000 + found.usage.completion * 2000
        assert found.upstream_cost == expected > 0
    sound(platform)
    credits_left = request(platform.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]
    assert credits_left["total_usage"] == 0.06


def test_a_name_of_its_own(platform: World) -> None:
    """A model of the registry may be another of the catalog; the answer keeps the name that was asked for."""
    answer = platform.chat(CHAT, model="house/fast")
    assert answer.json["model"] == "house/fast"
    found = last(platform)
    assert (found.model, found.cost) == ("test/other", CREDIT)


def test_short_of_credits(platform: World) -> None:
    """Rejected before anybody is asked, although the tokens themselves would be affordable."""
    key = platform.new_key("short", credits_usd="0.029999999")
    before = len(platform.received)
    answer = platform.chat(CHAT, headers=key.headers)
    assert (answer.status, answer.json["error"]["code"]) == (402, "insufficient_credits")
    assert len(platform.received) == before
    platform.run(platform.stage.grant("short", "0.000000001"))
    assert platform.chat(CHAT, headers=key.headers).status == 200
    assert platform.chat(CHAT, headers=key.headers).status == 402
    sound(platform)


def test_failures_cost_nothing(platform: World) -> None:
    """A provider that fails, before its answer or within it: the balance is as it was, and what it took is absorbed."""
    key = platform.new_key("failed", credits_usd="1")
    platform.house.gateway.health = HealthBoard()
    for model, status in (("fail/500", 502), ("fail/stall", 504)):
        answer = platform.chat(CHAT, model=model, headers=key.headers)
        assert (answer.status, answer.json["error"]["code"]) == (status, "provider_error")
        assert last(platform).credits is None
    answer = platform.chat(CHAT, model="fail/mid", stream=True, headers=key.headers)
    assert answer.status == 200
    found = last(platform)
    assert (found.cost, found.credits) == (0, None)
    assert 0 < found.absorbed == found.upstream_cost < CREDIT
    sound(platform)
    shown = request(platform.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]
    assert shown["total_usage"] == 0


HELLO = [{"role": "user", "content": "Hello."}]
WRONG: dict[str, tuple[Any, int, str]] = {
    "no model": ({"messages": HELLO}, 400, "model_required"),
    "an empty model": ({"model": "", "messages": HELLO}, 400, "model_required"),
    "no messages": ({"model": "test/model"}, 400, "messages_required"),
    "empty messages": ({"model": "test/model", "messages": []}, 400, "messages_required"),
    "a prompt": ({"model": "test/model", "prompt": "Hello."}, 400, "messages_required"),
    "null for a model": ({"model": None, "messages": HELLO}, 400, "model_required"),
    "null for messages": ({"model": "test/model", "messages": None}, 400, "messages_required"),
    "not in the registry": ({"model": "test/unlisted", "messages": HELLO}, 404, "model_not_available"),
    "no model at all": ({"model": "no/such", "messages": HELLO}, 404, "model_not_available"),
    "a variant": ({"model": "test/model:free", "messages": HELLO}, 404, "model_not_available"),
    "a router": ({"model": "openrouter/auto", "messages": HELLO}, 404, "model_not_available"),
    "the catalog's own name": ({"model": "test/other", "messages": HELLO}, 404, "model_not_available"),
    "a preset": ({"model": "test/model", "preset": "p", "messages": HELLO}, 400, "invalid_request"),
    "others besides": (
        {"model": "test/model", "models": ["test/unlisted"], "messages": HELLO}, 400, "invalid_request",
    ),
    "several answers": ({"model": "test/model", "n": 5, "messages": HELLO}, 400, "invalid_request"),
    "nobody to ask": ({"model": "test/absent", "messages": HELLO}, 503, "provider_not_configured"),
    "no JSON": (b"{", 400, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests(platform: World, case: str) -> None:
    """Each has its code, and nobody is asked."""
    body, status, code = WRONG[case]
    before = len(platform.received)
    answer = platform.request("POST", CHAT, body)
    assert (answer.status, answer.json["error"].get("code")) == (status, code)
    assert answer.json["error"].keys() == {"message", "type", "code"}
    assert answer.json["error"]["type"] == code
    assert len(platform.received) == before


def test_keys(platform: World) -> None:
    """No key, a wrong one, a disabled one; and a key's own limit per minute."""
    for headers in ({}, {"authorization": "Bearer x"}, platform.new_key(disabled=True).headers):
        for method, path in (("POST", CHAT), ("GET", f"{BASE}/models"), ("POST", f"{BASE}/images/generations")):
            answer = request(platform.url, method, path, ask(), headers=headers)
            assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
    manager = platform.new_key(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    assert platform.chat(CHAT, headers=manager.headers).status == 403
    key = platform.new_key("minute", credits_usd="1", rpm=2)
    statuses = [platform.chat(CHAT, headers=key.headers).status for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_switched_off() -> None:
    """Without a registry there is no such API; an image is not built yet where there is one."""
    with world() as it:
        for method, path in (("POST", CHAT), ("GET", f"{BASE}/models"), ("GET", f"{BASE}/requests")):
            answer = it.request(method, path, ask())
            assert (answer.status, answer.json["error"]["code"]) == (403, "api_disabled")


def test_images_are_said_to_be_missing(platform: World) -> None:
    """501 in the platform's manners."""
    answer = platform.request("POST", f"{BASE}/images/generations", {"model": "test/model", "prompt": "A robot."})
    assert answer.status == 501
    assert answer.json["error"]["type"] == answer.json["error"]["code"]
    for body, status, code in (
        ({"prompt": "A robot."}, 400, "model_required"),
        ({"model": "", "prompt": "A robot."}, 400, "model_required"),
        ({"model": "test/model"}, 400, "prompt_required"),
        ({"model": "test/model", "prompt": ""}, 400, "prompt_required"),
        ({"model": "test/unlisted", "prompt": "A robot."}, 404, "model_not_available"),
        (b"{", 400, "invalid_request"),
    ):
        answer = platform.request("POST", f"{BASE}/images/generations", body)
        assert (answer.status, answer.json["error"]["code"]) == (status, code), body


def test_request_logs(platform: World) -> None:
    """The calling key's own requests, newest first, with status, latency and credits; nobody else's."""
    key, other = platform.new_key("logged", credits_usd="1"), platform.new_key("logged")
    asked = platform.chat(CHAT, headers=key.headers)
    platform.house.gateway.health = HealthBoard()
    platform.chat(CHAT, model="fail/500", headers=key.headers)
    platform.settled()
    failed, done = request(platform.url, "GET", f"{BASE}/requests?limit=9", headers=key.headers).json["data"]
    assert (done["request_id"], done["model"], done["status"]) == (asked.json["id"], "test/model", "completed")
    assert (done["credit_cost"], done["key"]) == (3, key.key.label)
    assert type(done["latency_ms"]) is int
    assert (failed["status"], failed["credit_cost"]) == ("failed", 0)
    assert request(platform.url, "GET", f"{BASE}/requests", headers=other.headers).json["data"] == []
    for limit in ("0", "501", "x", "-1"):
        assert platform.request("GET", f"{BASE}/requests?limit={limit}").status == 400


def at(it: World, host: str, method: str, path: str, body: Any = None, key: Secret | None = None) -> Answer:
    """A request to another host name. It is the only Host header, so that it is written by hand."""
    port = it.url.rpartition(":")[2]
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nContent-Length: {len(data)}\r\n"
    head += f"Authorization: Bearer {(key or it.key).secret}\r\nContent-Type: application/json\r\n\r\n"
    return raw(it.url, head.encode() + data)


def test_a_host_of_its_own(platform: World) -> None:
    """The platform at /api/v1 of its site: chat, models and errors; other hosts go on as before."""
    listed = at(platform, "site.example", "GET", "/api/v1/models")
    assert listed.json["data"][0]["credit_cost"] == 3
    assert at(platform, "SITE.example", "GET", "/api/v1/models?x=1").json["data"][0]["credit_cost"] == 3
    assert at(platform, "site.example", "POST", "/api/v1/chat/completions", ask()).status == 200
    assert last(platform).credits == 3
    refused = at(platform, "site.example", "POST", "/api/v1/chat/completions", ask("test/unlisted"))
    assert refused.json["error"]["code"] == "model_not_available"
    assert at(platform, "site.example", "GET", "/health").status == 200
    assert at(platform, "site.example", "GET", "/api/v1/nothing").json["error"]["code"] == "not_found"
    assert "credit_cost" not in platform.request("GET", "/api/v1/models").json["data"][0]
    assert at(platform, "bare.example", "GET", "/models").json["object"] == "list"


def test_the_old_openai_client(platform: World) -> None:
    """What `openai==0.28` sends where its `api_base` is "https://api.../api/v1" (`ChatCompletion.create`)."""
    body = {"model": "test/model", "messages": HELLO}
    answer = at(platform, "api.example", "POST", "/api/v1/chat/completions", body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["choices"][0]["message"]["content"]
    assert answer.json["id"].startswith("gen-")
    streamed = at(platform, "api.example", "POST", "/api/v1/chat/completions", {**body, "stream": True})
    assert streamed.events[-1] == "[DONE]"


def test_the_official_package(platform: World) -> None:
    """The document's own sample: OpenAI's client with this base URL."""
    client = OpenAI(api_key=platform.key.secret, base_url=platform.url + BASE, max_retries=0)
    messages: Any = HELLO
    completion = client.chat.completions.create(model="test/model", messages=messages)
    assert completion.choices[0].message.content
    assert next(model.id for model in client.models.list()) == "test/model"


TARGETS = (
    ("site.example", b"/api/v1/models?limit=1", b"/platform/api/v1/models?limit=1"),
    ("site.example", b"/api/v1", b"/platform/api/v1"),
    ("site.example", b"/api/v10/models", b"/api/v10/models"),
    ("site.example", b"/v1/models", b"/v1/models"),
    ("other.example", b"/api/v1/models", b"/api/v1/models"),
    ("site.example.", b"/api/v1/x", b"/platform/api/v1/x"),
    ("site.example", b"*", b"*"),
    ("", b"/api/v1/x", b"/api/v1/x"),
)


@pytest.mark.parametrize(("host", "target", "expected"), TARGETS)
def test_targets(host: str, target: bytes, expected: bytes) -> None:
    """A path is mounted as a whole, on its host alone."""
    mounts = Mounts([Mount("site.example", "platform")])
    assert mounts.target(host.encode(), target) == expected


def test_a_group_pays_its_own_price(platform: World) -> None:
    """Half as much again, to the nanodollar; what the provider takes is unchanged; others pay the list's price."""
    key = platform.new_key("partner", credits_usd="1")
    for path in ("/api/v1/chat/completions", "/v1/chat/completions"):
        assert platform.chat(path, headers=key.headers).status == 200
        found = last(platform)
        listed = found.usage.prompt * 1000 + found.usage.completion * 2000
        assert (found.cost, found.upstream_cost) == (listed * 3 // 2, listed)
        assert (found.group, found.multiplier) == ("partners", "1.5")
    assert platform.chat().status == 200
    found = last(platform)
    assert found.cost == found.usage.prompt * 1000 + found.usage.completion * 2000
    assert (found.group, found.upstream_cost) == (None, None)
    sound(platform)


def test_a_groups_caps_and_holds(platform: World) -> None:
    """A cap is compared with the price that the group pays, and so is its money."""
    key = platform.new_key("partner", credits_usd="1")
    capped: Any = {"provider": {"max_price": {"prompt": 1.2}}}
    assert platform.chat(headers=key.headers, **capped).status == 404
    assert platform.chat(**capped).status == 200
    poor = platform.new_key("partner", limit_usd="0.0025")
    assert platform.chat(max_tokens=1000, headers=poor.headers).status == 402
    plain = platform.new_key(limit_usd="0.0025")
    assert platform.chat(max_tokens=1000, headers=plain.headers).status == 200
    assert platform.house.gateway.books.held < NANO


def test_own_keys_of_a_group(platform: World) -> None:
    """With an own key the fee is of the list's price, whatever the group's is; the platform's API knows no own keys."""
    house, key = platform.house, platform.new_key("partner", credits_usd="1")
    own = NewCredential("a", "sk-own-0123456789abcdef", workspace_id="partner")
    platform.run(house.byok.create(OPERATOR, own, house.gateway.now_ms()))
    assert platform.chat(headers=key.headers).json["usage"]["is_byok"] is True
    found = last(platform)
    assert found.cost == (found.usage.prompt * 1000 + found.usage.completion * 2000) // 20
    assert (found.group, found.upstream_cost) == (None, None)
    assert platform.chat(f"{BASE}/chat/completions", headers=key.headers).status == 200
    found = last(platform)
    assert (found.credential_id, found.credits) == (None, 3)
    sound(platform)


def test_a_group_sees_its_prices(platform: World) -> None:
    """A member's own list has the group's prices, to the last digit, also after the market was swapped; others' not."""
    member, other = platform.new_key("partner"), platform.new_key("nobodys")

    def prices(path: str, key: Secret) -> dict[str, dict[str, str]]:
        listed = request(platform.url, "GET", path, headers=key.headers).json["data"]
        return {each["id"]: each["pricing"] for each in listed}

    async def swap() -> None:
        await platform.house.reload()

    for _ in range(2):
        public, own = prices("/api/v1/models", member), prices("/api/v1/models/user", member)
        assert prices("/api/v1/models/user", other) == public
        assert own.keys() == public.keys()
        for id_, price in public.items():
            if id_ == "openrouter/auto":  # it has no price of its own
                assert own[id_] == price
                continue
            for name in ("prompt", "completion"):
                assert Decimal(own[id_][name]) == Decimal(price[name]) * Decimal("1.5"), (id_, name)
        platform.run(swap())
