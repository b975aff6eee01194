"""CPEN over sockets: caps, aliases, what answers say of their route, and the status of routes and billing."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.support import Answer, World, ask, offer, world
from tollway.billing.settings import Billing

MIDDLE, DEAR = "openai/gpt-oss-120b", "test/dear"
ROUTING: dict[str, Any] = {
    "currency": "USD",
    "min_total_per_1m": "0.05",
    "max_total_per_1m": "0.30",
    "rpm_cap": 60,
    "strategy": "balanced",
}


@pytest.fixture(scope="module")
def cpen() -> Iterator[World]:
    """A middle tier of two models at three providers, one of them dearer than its band, and a model apart."""
    with world(
        offer(MIDDLE, at=("a",), prompt="0.00000004", completion="0.00000024"),
        offer("openai/gpt-4.1-nano", at=("b",), prompt="0.00000009", completion="0.0000003"),
        offer("qwen/qwen3-32b", at=("c",), prompt="0.000009", completion="0.000009"),
        offer(DEAR, at=("a", "b"), prompt="0.000001", completion="0.000002"),
    ) as it:
        yield it


def refused(answer: Answer, status: int) -> Any:
    assert answer.status == status, answer.text
    return answer.json


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/chat/completions"])
def test_an_answer_says_its_route(cpen: World, path: str) -> None:
    """Every field of the seed's example, at its prices (0.04 and 0.24); the record keeps the model that ran."""
    answer = cpen.chat(path, model="cpen/middle", routing={**ROUTING, "continuity_mode": "stay_within_cap"})
    said = refused(answer, 200)
    route = said["cpen_route"]
    assert said["model"] == "cpen/middle"
    assert said["cpen_status"] == "completed"
    assert route.pop("route_id").startswith("route_")
    assert route == {
        "alias": "cpen/middle",
        "task": "chat",
        "intelligence_level": "middle",
        "model_family": "gpt-mini-or-flash-class",
        "input_per_1m": "0.04",
        "output_per_1m": "0.24",
        "currency": "USD",
        "input_usd_per_1m": "0.04",
        "output_usd_per_1m": "0.24",
        "estimated_cost_usd_per_1m": "0.18",
        "cpen_fee_rate": "0",
        "estimated_total_usd_per_1m": "0.18",
        "rpm_cap": 60,
        "strategy": "balanced",
        "continuity_mode": "stay_within_cap",
        "escalation_allowed": False,
        "reason": "Selected a live middle-tier route inside the declared cap: the only one that fits.",
    }
    cpen.settled()
    record = cpen.request("GET", f"{path.partition('/chat')[0]}/generation?id={said['id']}").json["data"]
    assert record["model"] == MIDDLE
    assert cpen.stage.bodies()[-1].get("routing") is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/chat/completions"])
def test_a_stream_says_it_last(cpen: World, path: str) -> None:
    events = cpen.chat(path, model="cpen/middle", routing=ROUTING, stream=True).events
    assert events[-1] == "[DONE]"
    assert events[-2]["cpen_status"] == "completed"
    assert events[-2]["cpen_route"]["alias"] == "cpen/middle"
    assert events[-2]["usage"]["completion_tokens"] > 0
    assert {each["model"] for each in events[:-1]} == {"cpen/middle"}
    assert not any("cpen_route" in each for each in events[:-2])


def test_who_is_told(cpen: World) -> None:
    """With `routing`, an alias or CPEN's key; a plain request of another key is not."""
    assert "cpen_route" not in cpen.chat(model=DEAR).json
    by_key = cpen.chat(model=DEAR, headers=cpen.new_key(prefix="cpen_live_").headers).json
    assert by_key["cpen_route"]["alias"] == by_key["model"] == DEAR
    assert by_key["cpen_route"]["intelligence_level"] is None
    assert by_key["cpen_route"]["reason"].startswith("Selected a live route: ")
    assert cpen.chat(model=DEAR, routing={}).json["cpen_route"]["strategy"] == "balanced"
    assert cpen.chat(model=DEAR, models=["cpen/middle"]).json["cpen_status"] == "completed"


CAP = {"max_input_per_1m": "0.5"}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", ask(DEAR, routing=CAP), 402),
        ("/api/v1/chat/completions", ask(DEAR, routing=CAP), 404),
        ("/v1/completions", {"model": DEAR, "prompt": "One.", "routing": CAP}, 402),
        ("/v1/messages", {**ask(DEAR, routing=CAP), "max_tokens": 9}, 404),
        ("/v1/responses", {"model": DEAR, "input": "One.", "routing": CAP}, 402),
        (f"/v1beta/models/{DEAR}:generateContent", {"contents": [{"parts": [{"text": "One."}]}], "routing": CAP}, 404),
    ],
)
def test_every_format_keeps_the_cap(cpen: World, path: str, body: Any, status: int) -> None:
    """Nothing is sent, and CPEN's clients read why in `detail`."""
    before = len(cpen.received)
    answer = cpen.request("POST", path, body)
    said = refused(answer, status)
    assert "No route available under budget" in answer.text
    if path.startswith("/v1/c"):
        assert said["detail"] == said["error"]["message"] == "No route available under budget"
        assert said["error"]["code"] == "no_route_under_budget"
    assert len(cpen.received) == before
    body["routing"] = {"max_input_per_1m": 1}
    assert cpen.request("POST", path, body).status == 200


@pytest.mark.parametrize(
    ("routing", "param"),
    [
        ({"currency": "EUR"}, "routing.currency"),
        ({"max_input_per_1m": "cheap"}, "routing.max_input_per_1m"),
        ({"max_input_per_1m": -1}, "routing.max_input_per_1m"),
        ({"max_input_per_1m": True}, "routing.max_input_per_1m"),
        ({"min_total_per_1m": []}, "routing.min_total_per_1m"),
        ({"rpm_cap": 0}, "routing.rpm_cap"),
        ({"strategy": "best"}, "routing.strategy"),
        ({"continuity_mode": "escalate"}, "routing.continuity_mode"),
        ({"allow_temporary_high_price": "yes"}, "routing.allow_temporary_high_price"),
        ({"max_price": 1}, "routing.max_price"),
        ("cheapest", "routing"),
    ],
)
def test_a_bad_routing_object_is_refused(cpen: World, routing: Any, param: str) -> None:
    """Before anything is sent, in every format, with the field's path."""
    before = len(cpen.received)
    found = refused(cpen.chat("/v1/chat/completions", model=DEAR, routing=routing), 400)
    assert found["error"]["param"] == param
    for path, body in (
        ("/v1/messages", {**ask(DEAR), "max_tokens": 9}),
        ("/v1/responses", {"model": DEAR, "input": "One."}),
        (f"/v1beta/models/{DEAR}:generateContent", {"contents": [{"parts": [{"text": "One."}]}]}),
    ):
        assert param in refused(cpen.request("POST", path, {**body, "routing": routing}), 400)["error"]["message"]
    assert len(cpen.received) == before


def test_an_alias_that_is_planned(cpen: World) -> None:
    """And one whose models nobody here serves: 503 for both. One that there is not is no model."""
    for path in ("/v1/chat/completions", "/api/v1/chat/completions"):
        assert "planned" in refused(cpen.chat(path, model="cpen/high"), 503)["error"]["message"]
        assert "outage" in refused(cpen.chat(path, model="cpen/low"), 503)["error"]["message"]
    assert cpen.chat("/v1/chat/completions", model="cpen/none").status == 404


def test_an_escalation_is_used_when_all_fail(cpen: World) -> None:
    """Everyone within the cap fails: one above it answers, and the answer says so. Without leave nobody is asked."""
    models = [MIDDLE, DEAR]
    asked = {"max_total_per_1m": "0.30", "continuity_mode": "temporary_escalation"}
    cpen.script(MIDDLE, "fail=503", "fail=503")
    answer = cpen.chat("/v1/chat/completions", model=models[0], models=models[1:], routing=asked)
    said = refused(answer, 200)
    assert said["model"] == DEAR
    assert said["cpen_route"]["escalation_allowed"] is True
    assert said["cpen_route"]["reason"].startswith("Selected a live route above the declared cap: ")
    kept = cpen.chat("/v1/chat/completions", model=models[0], models=models[1:], routing={"max_total_per_1m": "0.30"})
    assert kept.status in (502, 503)


def test_a_ceiling_of_requests(cpen: World) -> None:
    """`rpm_cap` counts this key's requests: the next one is a 429 that says when to come back."""
    key = cpen.new_key().headers
    asked = {"headers": key, "model": DEAR, "routing": {"rpm_cap": 2}}
    assert [cpen.chat("/v1/chat/completions", **asked).status for _ in range(3)] == [200, 200, 429]
    answer = cpen.chat("/v1/chat/completions", **asked)
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json["detail"] == answer.json["error"]["message"]
    assert cpen.chat("/v1/chat/completions", headers=key, model=DEAR).status == 200, "only calls that say so"


def test_status_of_routes(cpen: World) -> None:
    """Each alias with its routes, cheapest first; a route's id is the one that answers say."""
    said = refused(cpen.request("GET", "/v1/status/routes"), 200)
    levels = {each["alias"]: each for each in said["data"]}
    assert {name: each["status"] for name, each in levels.items()} == {
        "cpen/low": "outage",
        "cpen/middle": "available",
        "cpen/high": "planned",
    }
    middle = levels["cpen/middle"]
    assert (middle["candidates"], middle["live_candidates"]) == (2, 2), "the dearer one is above the band"
    assert middle["cheapest_route"] == middle["routes"][0]
    assert middle["cheapest_route"]["estimated_cost_usd_per_1m"] == "0.18"
    assert middle["band_usd_per_1m"] == {"min": "0.05", "max": "0.35"}
    cheapest = {"strategy": "cheapest"}
    route = cpen.chat("/v1/chat/completions", model="cpen/middle", routing=cheapest).json["cpen_route"]
    assert route["route_id"] == middle["cheapest_route"]["route_id"]


def test_status_of_billing(cpen: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkout is said to be none; the packs are the operator's, and give what they cost unless more is said."""
    said = refused(cpen.request("GET", "/v1/billing/status"), 200)
    assert said["checkout"]["status"] == "not_configured"
    assert said["credit_packs"] == []
    packs = [{"id": "s", "name": "Small", "price_usd": "10"}]
    packs.append({"id": "l", "name": "Large", "price_usd": "100", "credits_usd": "110"})
    house = cpen.stage.house
    billing = msgspec.convert({"packs": packs}, Billing)
    monkeypatch.setattr(house, "config", msgspec.structs.replace(house.config, billing=billing))
    said = refused(cpen.request("GET", "/v1/billing/status"), 200)
    assert said["credit_packs"] == [{**packs[0], "credits_usd": "10"}, packs[1]]
