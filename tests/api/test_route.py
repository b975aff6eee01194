"""`POST /api/v1/route`: over sockets, it says what the request would meet, and nothing happens."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import Answer, World, ask, offer, request, world
from tollway.domain.health import Outcome
from tollway.routing.breaker import FAILURES_TO_OPEN

PATH = "/api/v1/route"


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(
        offer(at=("a", "b")),
        offer("test/other", at=("c",), prompt="0.000004", completion="0.000008"),
        offer("test/plain", at=("d",)),
    ) as found:
        yield found


def look(town: World, **fields: Any) -> Any:
    answer = town.request("POST", PATH, ask(**fields))
    assert answer.status == 200, answer.text
    return answer.json["data"]


def test_nothing_is_sent_and_nothing_charged(town: World) -> None:
    """The plan of two endpoints; no provider hears of it, no credits move."""
    before = town.request("GET", "/api/v1/credits").text
    sent = len(town.stage.bodies())
    found = look(town, max_tokens=10)
    assert [(each["rank"], each["endpoint_id"], each["share"]) for each in found["endpoints"]] == [
        (1, "a:test/model", 0.5),
        (2, "b:test/model", 0.5),
    ]
    first = found["endpoints"][0]
    assert first["pricing"] == {"prompt": "0.000001", "completion": "0.000002", "request": "0"}
    assert first["health"] == {"status": "up", "why": None}
    assert first["measured"]["requests_last_30m"] == 0
    assert first["measured"]["uptime_last_1d"] is None
    tokens = found["prompt_tokens"]
    assert first["estimated_cost"] == pytest.approx((tokens + 2 * 10) / 1e6)
    assert first["most_cost"] >= first["estimated_cost"]
    assert found["error"] is None
    assert len(town.stage.bodies()) == sent
    town.settled()
    assert town.request("GET", "/api/v1/credits").text == before


def test_caps(town: World) -> None:
    """What a cap would leave, and what it would cost."""
    found = look(town, model="test/model", models=["test/other"], max_tokens=10, caps=[{"prompt": 2}, {"prompt": "0"}])
    within, nothing = found["caps"]
    assert (within["endpoints"], within["first"], within["error"]) == (2, "a:test/model", None)
    assert within["max_price"] == {"prompt": 2}
    assert (nothing["endpoints"], nothing["first"], nothing["expected_cost"]) == (0, None, None)
    assert nothing["error"]["code"] == 404
    assert len(found["endpoints"]) == 3


def test_what_the_request_would_be_told(town: World) -> None:
    """The message is the very one that the request gets."""
    wishes: dict[str, Any] = {"provider": {"only": ["nobody"]}}
    found = look(town, **wishes)
    real = town.chat(**wishes)
    assert found["error"] == {"code": real.status, "message": real.error["message"]}
    assert {each["rule"] for each in found["left_out"]} == {"not_in_only"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"caps": 3}, "caps"),
        ({"caps": [{"prompt": []}]}, "caps[0].prompt"),
        ({"caps": [{"prompt": "-1"}]}, "provider.max_price.prompt"),
        ({"caps": [{}] * 21}, "caps"),
        ({"model": "no/such"}, "model"),
        ({"model": None}, "model"),
        ({"temperature": 9}, "temperature"),
    ],
)
def test_bad_input(town: World, fields: dict[str, Any], param: str) -> None:
    """400 with the field, as for the request itself."""
    answer: Answer = town.request("POST", PATH, ask(**fields))
    assert answer.status == 400, answer.text
    assert answer.error["metadata"]["param"] == param


def test_a_body_that_is_no_object(town: World) -> None:
    """400, whatever it is."""
    for body in (b"", b"[]", b"nonsense", b'{"caps": [}', b"\xff"):
        answer = town.request("POST", PATH, body)
        assert answer.status == 400, body


def test_a_key_without_credits_may_look(town: World) -> None:
    """It is told what the request would be told: 402; costs are there all the same."""
    for key in (town.new_key("poor-looker"), town.new_key(limit_usd="0")):
        answer = request(town.url, "POST", PATH, ask(), headers=key.headers)
        assert answer.status == 200
        real = town.chat(headers=key.headers)
        assert answer.json["data"]["error"] == {"code": 402, "message": real.error["message"]}
        assert all(each["estimated_cost"] > 0 for each in answer.json["data"]["left_out"])


def test_the_plan_is_that_of_little_money(town: World) -> None:
    """Where the first bound is too dear, the prompt is counted, as admission does."""
    key = town.new_key("a-cent", credits_usd="0.001")
    body = ask(content="many words " * 200, max_tokens=10)
    found = request(town.url, "POST", PATH, body, headers=key.headers).json["data"]
    assert found["endpoints"], found["error"]
    assert request(town.url, "POST", "/api/v1/chat/completions", body, headers=key.headers).status == 200


def test_the_unwell_say_why_and_keep_their_probe(town: World) -> None:
    """`health.why` is the board's; looking uses no probe up."""
    health, now_s = town.house.gateway.health, town.call(town.house.now_s)
    for _ in range(FAILURES_TO_OPEN):
        town.call(health.observe, "d:test/plain", Outcome.TIMED_OUT, now_s)
    [found] = look(town, model="test/plain")["endpoints"]
    assert found["health"] == {"status": "down", "why": "5 failures in a row, the last: timed_out"}
    assert found["measured"]["error_rate"] == 1.0
    assert found["measured"]["uptime_last_30m"] == 0.0


def test_a_large_body_is_estimated(town: World) -> None:
    """Over 256 KiB nothing is counted: four bytes are a token."""
    found = look(town, content="word " * 60_000, max_tokens=10)
    assert 75_000 < found["prompt_tokens"] < 75_100


BODIES: dict[str, dict[str, Any]] = {
    "messages": {"model": "test/model", "max_tokens": 10, "messages": [{"role": "user", "content": "Say hello."}]},
    "responses": {"model": "test/model", "max_output_tokens": 10, "input": "Say hello."},
    "gemini": {
        "model": "test/model",
        "contents": [{"role": "user", "parts": [{"text": "Say hello."}]}],
        "generationConfig": {"maxOutputTokens": 10},
    },
}


@pytest.mark.parametrize("format_", BODIES)
def test_other_formats(town: World, format_: str) -> None:
    """The same plan as for the same request in chat's words."""
    found = town.request("POST", PATH, {**BODIES[format_], "format": format_, "caps": [{"prompt": 2}]})
    assert found.status == 200, found.text
    plan = found.json["data"]
    said = look(town, max_tokens=10, format="chat", caps=[{"prompt": 2}])
    assert plan["answer_tokens"] == 10
    assert plan["prompt_tokens"] == pytest.approx(said["prompt_tokens"], abs=2)
    assert [each["endpoint_id"] for each in plan["endpoints"]] == [each["endpoint_id"] for each in said["endpoints"]]
    assert plan["caps"][0]["endpoints"] == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({**BODIES["messages"], "format": "morse"}, "format"),
        ({**BODIES["messages"], "format": "messages", "max_tokens": "x"}, "max_tokens"),
        ({**BODIES["responses"], "format": "responses", "input": 3}, "input"),
        ({**BODIES["gemini"], "format": "gemini", "model": 3}, "model"),
        ({**BODIES["gemini"], "format": "gemini", "model": None}, "model"),
    ],
)
def test_bad_bodies_of_other_formats(town: World, fields: dict[str, Any], param: str) -> None:
    """400 with the field, in the format's own words."""
    answer = town.request("POST", PATH, fields)
    assert answer.status == 400, answer.text
    assert answer.error["metadata"]["param"] == param


def test_a_limit_that_is_used_up(town: World) -> None:
    """It is told, as money is, with the plan; looking uses nothing of it up."""
    key = town.new_key("limited", credits_usd="1", rpm=1)
    for _ in range(3):
        found = request(town.url, "POST", PATH, ask(), headers=key.headers).json["data"]
        assert (found["error"], len(found["endpoints"])) == (None, 2)
    assert town.chat(headers=key.headers).status == 200
    found = request(town.url, "POST", PATH, ask(), headers=key.headers).json["data"]
    assert found["error"]["code"] == 429
    assert "The limit is 1" in found["error"]["message"]
    assert len(found["endpoints"]) == 2
