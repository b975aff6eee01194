"""`GET /api/v1/generations/{id}/trace`: the plan as it was made and what became of it, from the record alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import World, offer, world


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(offer(upstream="m", at=("a", "b", "c")), offer("test/alone", at=("d",))) as found:
        yield found


def trace(town: World, **fields: Any) -> Any:
    """What is told of a request that has just ended."""
    answered = town.chat(**fields)
    town.settled()
    answer = town.request("GET", f"/api/v1/generations/{answered.headers['x-generation-id']}/trace")
    assert answer.status == 200, answer.text
    return answer.json["data"]


def test_plan_and_attempts(town: World) -> None:
    """The first of the order fails and the second answers; the third was ignored."""
    town.script("a", "fail=503")
    found = trace(town, provider={"order": ["a", "b"], "ignore": ["c"]})
    assert found["candidates"] == [
        {"rank": 1, "endpoint_id": "a:m", "reason": "provider.order, place 1", "share": 0.0},
        {"rank": 2, "endpoint_id": "b:m", "reason": "provider.order, place 2", "share": 0.0},
    ]
    assert found["left_out"] == [{"endpoint_id": "c:m", "rule": "ignored", "reason": "in provider.ignore"}]
    first, second = found["attempts"]
    assert (first["endpoint_id"], first["outcome"], first["status"]) == ("a:m", "provider_error", 503)
    assert (second["endpoint_id"], second["outcome"], second["status"]) == ("b:m", "succeeded", 200)
    assert 0 <= first["began_ms"] <= first["began_ms"] + first["latency_ms"] <= second["began_ms"] + 1
    assert (found["finish_reason"], found["error"], found["unlisted"]) == ("stop", None, 0)
    assert found["total_cost"] > 0


def test_times_are_from_the_request_s_coming(town: World) -> None:
    """The second attempt begins when the first has failed."""
    town.script("a", "latency_ms=80,fail=503")
    found = trace(town, provider={"order": ["a", "b"]})
    first, second = found["attempts"]
    assert first["latency_ms"] >= 75
    assert second["began_ms"] >= 75


def test_nothing_to_decide(town: World) -> None:
    """One endpoint: it is told, though no plan is kept."""
    found = trace(town, model="test/alone")
    assert [(each["rank"], each["reason"], each["share"]) for each in found["candidates"]] == [
        (1, "the only one that fits", 1.0)
    ]
    assert found["left_out"] == []


def test_shares_are_kept(town: World) -> None:
    """Of the three that were planned, whoever was drawn."""
    found = trace(town)
    assert {each["endpoint_id"] for each in found["candidates"]} == {"a:m", "b:m", "c:m"}
    assert sum(each["share"] for each in found["candidates"]) == pytest.approx(1, abs=0.001)
    assert found["candidates"][0]["reason"] == "drawn by cost"


def test_a_failure_s_trace(town: World) -> None:
    """Everybody failed: three attempts, and the error that the caller saw."""
    for provider in "abc":
        town.script(provider, "fail=500")
    found = trace(town, provider={"order": ["a", "b", "c"]})
    assert [each["outcome"] for each in found["attempts"]] == ["provider_error"] * 3
    assert found["error"]
    assert found["total_cost"] == 0


def test_of_whom_there_is_none(town: World) -> None:
    """404, with OpenAI's way of writing ids as with ours."""
    for wanted in ("gen-1-nothing", "chatcmpl_nothing", "%00", "x" * 500):
        assert town.request("GET", f"/api/v1/generations/{wanted}/trace").status == 404
