"""Requests over callers' own keys: who is asked with whose key in which order, and the bill to the nanodollar."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import Answer, Secret, World, offer, world
from tollway.domain.catalog import Operation
from tollway.domain.identity import KeyKind
from tollway.domain.ledger import BYOK_FEES, REVENUE
from tollway.domain.money import nanodollars_from_text
from tollway.gateway.books import Books
from tollway.gateway.byok_desk import ChangedCredential, NewCredential
from tollway.identity.actors import OPERATOR
from tollway.identity.credentials import open_ring
from tollway.storage.audit import audit_ledger
from tollway.storage.database import Statement
from tollway.storage.generations import find_generation
from tollway.storage.ledger import balance

OWN = "sk-own-0123456789abcdef-canary"


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """One model at two providers of ours, and one that only a key of one's own opens."""
    with world(
        offer("test/model", "m@tokens=8", at=("a", "b")),
        offer("test/one", "one@tokens=8", at=("a",)),
        offer("test/embed", "embed", at=("a",), completion=None, operation=Operation.EMBEDDINGS),
    ) as it:
        yield it


class Tenant:
    """A workspace with its own keys."""

    def __init__(self, town: World, name: str, usd: str | None = "1", **key: Any) -> None:
        self.town, self.name = town, name
        self.key: Secret = town.new_key(name, credits_usd=usd, **key)

    def own(self, provider: str = "a", key: str = OWN, **wishes: Any) -> str:
        house = self.town.house
        ask = NewCredential(provider, key, workspace_id=self.name, **wishes)
        return self.town.run(house.byok.create(OPERATOR, ask, house.gateway.now_ms())).id

    def change(self, id_: str, **changes: Any) -> None:
        house = self.town.house
        self.town.run(house.byok.change(OPERATOR, id_, ChangedCredential(**changes), house.gateway.now_ms()))

    def chat(self, model: str = "test/one", **fields: Any) -> Answer:
        return self.town.chat(model=model, headers=self.key.headers, **fields)

    def asked(self, answers: int = 1) -> list[tuple[str, bool]]:
        """Provider and whether the own key was sent, of the latest requests."""
        return [
            (each.path.split("/")[2], OWN in (each.headers.get("authorization", "")))
            for each in self.town.received[-answers:]
        ]

    def balance(self, account: str | None = None) -> int:
        self.town.settled()
        found = self.town.run(balance(self.town.house.database, account or self.name))
        return found.posted if found else 0


def test_always(town: World) -> None:
    """The own key is asked; the fee is 5% of the list price; the record, the answer and `/key` say so."""
    tenant = Tenant(town, "always")
    before = tenant.balance(BYOK_FEES), tenant.balance(REVENUE)
    id_ = tenant.own()
    answer = tenant.chat()
    assert tenant.asked() == [("a", True)]
    usage = answer.json["usage"]
    listed = usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
    fee = listed // 20
    assert usage["is_byok"] is True
    assert nanodollars_from_text(f"{usage['cost']:.12f}") == fee
    assert nanodollars_from_text(f"{usage['cost_details']['upstream_inference_cost']:.12f}") == listed
    assert tenant.balance() == 10**9 - fee
    assert (tenant.balance(BYOK_FEES), tenant.balance(REVENUE)) == (before[0] + fee, before[1])
    told = town.request("GET", f"/api/v1/generation?id={answer.json['id']}", headers=tenant.key.headers).json["data"]
    assert (told["is_byok"], told["provider_responses"][0]["is_byok"]) == (True, True)
    assert told["provider_responses"][0]["endpoint_id"] == "a:one@tokens=8"
    assert nanodollars_from_text(f"{told['upstream_inference_cost']:.12f}") == listed
    key = town.request("GET", "/api/v1/key", headers=tenant.key.headers).json["data"]
    assert nanodollars_from_text(f"{key['byok_usage_daily']:.12f}") == listed
    assert nanodollars_from_text(f"{key['usage']:.12f}") == fee
    found = town.run(find_generation(town.house.database, tenant.name, answer.json["id"]))
    assert found is not None
    assert (found.credential_id, found.endpoint_id, found.cost) == (id_, "a:one@tokens=8", fee)
    streamed = tenant.chat(stream=True)
    assert streamed.events[-2]["usage"]["is_byok"] is True


def test_fails_over_to_credits(town: World) -> None:
    """ "It will then retry with your credits": at full price, by the same or another provider (seed 003, BYOK)."""
    for behaviour in ("fail=429", "fail=500", "fail=401"):
        tenant = Tenant(town, f"fails-over-{behaviour[-3:]}")
        tenant.own()
        town.script("one", behaviour)
        before = tenant.balance()
        answer = tenant.chat()
        assert answer.status == 200, answer.text
        assert tenant.asked(2) == [("a", True), ("a", False)]
        usage = answer.json["usage"]
        assert usage["is_byok"] is False
        assert before - tenant.balance() == usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000
    assert not town.house.gateway.alarms, "a customer's own key is no matter of the operator's"


def test_fallback(town: World) -> None:
    """ "OpenRouter will prioritize using your credits": the own key is asked when those fail, for the fee."""
    tenant = Tenant(town, "fallback")
    tenant.own(is_fallback=True)
    assert tenant.chat().json["usage"]["is_byok"] is False
    assert tenant.asked() == [("a", False)]
    town.script("one", "fail=503")
    before = tenant.balance()
    answer = tenant.chat()
    assert tenant.asked(2) == [("a", False), ("a", True)]
    usage = answer.json["usage"]
    assert before - tenant.balance() == (usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000) // 20


def test_order(town: World) -> None:
    """Keys by `sort_order`, then the server's endpoints, then fallback keys; `provider.order` does not matter."""
    tenant = Tenant(town, "order")
    tenant.own("b", is_fallback=True)
    tenant.own("a", "sk-second-0123456789abcdef", sort_order=1)
    tenant.own("b", sort_order=0)
    wishes = {"order": ["a", "b"], "allow_fallbacks": True}
    found = tenant.town.request(
        "POST",
        "/api/v1/route",
        {"model": "test/model", "messages": [], "provider": wishes} | ONE,
        headers=tenant.key.headers,
    ).json["data"]["endpoints"]
    assert [(each["endpoint_id"][0], each["is_byok"]) for each in found] == [
        ("b", True), ("a", True), ("a", False), ("b", False), ("b", True),
    ]  # fmt: skip


ONE = {"messages": [{"role": "user", "content": "One."}]}


def test_required_and_only(town: World) -> None:
    """`is_required`: no endpoint of the server's for its models; `is_byok_only`: for no model. The refusal is a 403."""
    tenant = Tenant(town, "required")
    id_ = tenant.own(is_required=True, allowed_models=("test/one",))
    assert tenant.chat("test/model").json["usage"]["is_byok"] is False
    town.script("one", "fail=401")
    refused = tenant.chat()
    assert refused.status == 403
    assert refused.error["metadata"]["reason"] == "byok_credential_rejected"
    assert OWN not in refused.text
    tenant.change(id_, is_byok_only=True)
    assert tenant.chat("test/model").status == 404
    tenant.change(id_, disabled=True)
    assert tenant.chat("test/model").status == 200


def test_who_may(town: World) -> None:
    """Only the keys and users that it is for use a credential; a change is seen by the next request."""
    tenant = Tenant(town, "who-may")
    other = town.new_key("who-may")
    id_ = tenant.own(allowed_api_key_hashes=(other.key.id,))
    assert tenant.chat().json["usage"]["is_byok"] is False
    assert town.chat(model="test/one", headers=other.headers).json["usage"]["is_byok"] is True
    tenant.change(id_, allowed_api_key_hashes=None)
    assert tenant.chat().json["usage"]["is_byok"] is True
    tenant.change(id_, allowed_models=("test/model",))
    assert tenant.chat().json["usage"]["is_byok"] is False


def test_a_provider_that_only_an_own_key_opens(town: World) -> None:
    """An endpoint for which the server has no key is on offer to who brings one, and to nobody else."""
    tenant = Tenant(town, "opens")
    tenant.own("openai")
    body = {"model": "openai/gpt-4o", **ONE}
    found = tenant.town.request("POST", "/api/v1/route", body, headers=tenant.key.headers).json["data"]["endpoints"]
    assert [(each["provider"], each["is_byok"]) for each in found] == [("openai", True)]
    assert town.request("POST", "/api/v1/route", body).json["data"]["endpoints"] == []


def test_data_policies_still_apply(town: World) -> None:
    """An own key is no way around `data_collection`; unless its owner has an agreement of their own."""
    tenant = Tenant(town, "policies")
    id_ = tenant.own(is_byok_only=True)
    assert tenant.chat(provider={"zdr": True}).status == 404
    tenant.change(id_, declared_zdr=True)
    assert tenant.chat(provider={"zdr": True}).status == 200


def test_the_hold_is_the_fee(town: World) -> None:
    """With credits for the fee alone the own key is used, and the endpoints that do not fit are left out."""
    tenant = Tenant(town, "poor", "0.001")
    tenant.own()
    assert tenant.chat("test/one", max_tokens=1000).json["usage"]["is_byok"] is True
    town.script("one", "fail=503")
    assert tenant.chat("test/one", max_tokens=1000).status == 502
    assert tenant.chat("test/one", max_tokens=100_000).status == 402


def test_limits_that_count_own_keys(town: World) -> None:
    """`include_byok_in_limit`: what the provider bills at list price counts against the key's limit, and holds it."""
    tenant = Tenant(town, "counts")
    manager = town.new_key("counts", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    tenant.own(is_byok_only=True)
    for include in (False, True):
        ask = {"name": "k", "limit": 0.0003, "include_byok_in_limit": include}
        made = town.request("POST", "/api/v1/keys", ask, headers=manager.headers).json
        headers = {"authorization": f"Bearer {made['key']}"}
        statuses = [town.chat(model="test/one", max_tokens=100, headers=headers).status for _ in range(20)]
        town.settled()
        path = f"/api/v1/keys/{made['data']['hash']}"
        told = town.request("GET", path, headers=manager.headers).json["data"]
        assert told["byok_usage"] > 0
        if include:
            assert set(statuses) == {200, 402}
            assert told["limit_remaining"] == pytest.approx(0.0003 - told["usage"] - told["byok_usage"])
            assert town.request("PATCH", path, {"include_byok_in_limit": False}, headers=manager.headers).status == 200
            assert town.chat(model="test/one", max_tokens=100, headers=headers).status == 200
        else:
            assert set(statuses) == {200}


def test_budgets_that_count_own_keys(town: World) -> None:
    """`include_byok_in_budgets`: of the whole workspace, whichever budget it was said with; also after a restart."""
    tenant = Tenant(town, "budgeted")
    manager = town.new_key("budgeted", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    tenant.own(is_byok_only=True)
    path = "/api/v1/workspaces/budgeted/budgets"

    def put(interval: str, usd: float, **more: Any) -> Any:
        answer = town.request(
            "PUT", f"{path}/{interval}", {"limit_usd": round(usd, 9), **more}, headers=manager.headers
        )
        assert answer.status == 200, answer.text
        return answer.json["include_byok_in_budgets"]

    def statuses(requests: int) -> set[int]:
        return {tenant.chat(max_tokens=100).status for _ in range(requests)}

    assert put("monthly", 0.0006) is False
    assert statuses(12) == {200}
    town.settled()
    key = town.request("GET", f"/api/v1/keys/{tenant.key.key.id}", headers=manager.headers).json["data"]
    before = key["usage"] + key["byok_usage"]
    assert put("monthly", 0.0006 + before, include_byok_in_budgets=True) is True
    assert put("daily", 0.0005 + before) is True, "left out, it stays"
    listed = town.request("GET", path, headers=manager.headers).json
    assert listed["include_byok_in_budgets"] is True
    assert town.request("GET", f"{path}/daily", headers=manager.headers).json["include_byok_in_budgets"] is True
    assert statuses(20) == {200, 403}
    town.settled()
    found = town.request("GET", "/api/v1/key", headers=tenant.key.headers).json["data"]["budgets"]
    spent = {each["scope"]: each["spend_usd"] for each in found}
    assert before < spent["workspace"] <= 0.0006 + before
    assert all(each["include_byok"] for each in found)
    again = town.run(Books(town.house.database).open(tenant.key.key))
    kept = town.house.gateway.books.get(tenant.key.key)
    assert kept is not None
    assert [each.spent for each in again.budgets] == [each.spent for each in kept.budgets]
    assert put("daily", 0.0005 + before, include_byok_in_budgets=False) is False
    assert statuses(3) == {200}


def test_plain_requests(town: World) -> None:
    """Embeddings go over an own key, too."""
    tenant = Tenant(town, "plain")
    tenant.own()
    body = {"model": "test/embed", "input": "One two."}
    answer = town.request("POST", "/api/v1/embeddings", body, headers=tenant.key.headers)
    assert answer.json["usage"]["is_byok"] is True
    assert tenant.asked() == [("a", True)]
    assert tenant.balance() == 10**9 - answer.json["usage"]["prompt_tokens"] * 50


def test_secrets_that_were_moved(town: World) -> None:
    """A ciphertext in another row opens nothing: the request goes over credits, and no provider gets a wrong key."""
    one, other = Tenant(town, "moved-one"), Tenant(town, "moved-other")
    mine, theirs = one.own(), other.own("a", "sk-theirs-0123456789abcdef")
    move = "UPDATE byok_credentials SET (ring_key, data_key, secret) = (SELECT ring_key, data_key, secret FROM "
    town.run(
        town.house.database.write(
            Statement(
                f"{move} byok_credentials WHERE id = :theirs) WHERE id = :mine", ({"theirs": theirs, "mine": mine},)
            )
        )
    )
    town.call(town.house.authenticator.forget_workspace, "moved-one")
    count = len(town.received)
    answer = one.chat()
    assert answer.json["usage"]["is_byok"] is False
    assert len(town.received) == count + 1
    assert one.asked() == [("a", False)]


def test_the_ledger_holds(town: World) -> None:
    """After all of the above, every invariant of the ledger."""
    town.settled()
    assert [each for each in town.run(audit_ledger(town.house.database)) if each.broken] == []


def test_rotation_under_load(town: World) -> None:
    """While the ring is rotated again and again, every request goes over the own key; so does the next start's."""
    tenant = Tenant(town, "rotated", "5")
    tenant.own(is_byok_only=True)
    control = {"authorization": f"Bearer {town.house.control_token}"}

    def ask(_: int) -> bool:
        return tenant.chat().json["usage"]["is_byok"] is True

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(ask, range(120))
        for round_ in range(6):
            done = town.request("POST", "/control/v1/byok/rotate", {"drop": round_ % 2 == 1}, headers=control)
            assert done.json["secrets"] >= 1
            town.call(town.house.authenticator.forget_workspace, tenant.name)
        assert all(answers)
    file = town.house.config.data_dir / "byok_ring"
    assert len(file.read_text().split()) <= 2, "the present key, and one that a moved secret names"
    assert town.run(open_ring(town.house.config, town.house.database)).current == town.house.gateway.own.ring.current


def test_a_secret_is_nowhere(town: World) -> None:
    """Of the secrets of all tests above nothing is in the data directory, but for the encrypted column; nor in memory
    that outlives an attempt, in metrics, or in a record."""
    town.settled()
    for file in town.house.config.data_dir.iterdir():
        assert b"canary" not in file.read_bytes(), file.name
    house = town.house
    assert "canary" not in town.request("GET", "/metrics").text
    assert "canary" not in repr(list(house.authenticator._known.values()))
    assert "canary" not in repr(vars(house.gateway.own)) + repr(vars(house.gateway.tokens))
