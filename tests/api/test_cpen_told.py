"""What answers say of their route, in every format: whole, streamed, broken off; where a route's id is found again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.test_cpen import DEAR, MIDDLE
from tests.support import Answer, World, ask, offer, world
from tollway.domain.catalog import Operation

EMBED, RERANK, MODERATE = "test/embed", "test/rerank", "test/moderate"
TEXT = {"contents": [{"parts": [{"text": "One."}]}]}
CHATS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", ask("cpen/middle")),
    ("/api/v1/chat/completions", ask("cpen/middle")),
    ("/v1/completions", {"model": "cpen/middle", "prompt": "One."}),
    ("/v1/responses", {"model": "cpen/middle", "input": "One."}),
    ("/v1/messages", {**ask("cpen/middle"), "max_tokens": 64}),
    ("/v1beta/models/cpen/middle:streamGenerateContent?alt=sse", TEXT),
]


@pytest.fixture(scope="module")
def cpen() -> Iterator[World]:
    """A middle tier of one endpoint, a model apart, and models for plain requests."""
    with world(
        offer(MIDDLE, at=("a",), prompt="0.00000004", completion="0.00000024"),
        offer(DEAR, at=("a", "b"), prompt="0.000001", completion="0.000002"),
        offer(EMBED, prompt="0.0000001", completion=None, operation=Operation.EMBEDDINGS),
        offer(RERANK, prompt="0.0000001", completion=None, operation=Operation.RERANK),
        offer(MODERATE, prompt="0.0000001", completion=None, operation=Operation.MODERATION),
    ) as it:
        yield it


def streamed(cpen: World, path: str, body: dict[str, Any]) -> Answer:
    return cpen.request("POST", path, body if "contents" in body else {**body, "stream": True})


def told(answer: Answer) -> list[tuple[int, dict[str, Any]]]:
    """The events that say a status, each with its place; a Responses event says it in the response."""
    events = [json.loads(line[len("data: ") :]) for line in answer.text.splitlines() if line.startswith("data: {")]
    inner = [each.get("response") or each for each in events]
    return [(place - len(events), each) for place, each in enumerate(inner) if "cpen_status" in each]


@pytest.mark.parametrize(("path", "body"), CHATS, ids=[path for path, _ in CHATS])
def test_every_format_says_it_last(cpen: World, path: str, body: dict[str, Any]) -> None:
    """In the last chunk of a stream, and in no other."""
    answer = streamed(cpen, path, body)
    assert answer.status == 200, answer.text
    [(place, said)] = told(answer)
    assert place == -1
    assert said["cpen_status"] == "completed"
    assert said["cpen_route"]["alias"] == "cpen/middle"
    assert said["cpen_route"]["output_per_1m"] == "0.24"


@pytest.mark.parametrize(("path", "body"), CHATS, ids=[path for path, _ in CHATS])
def test_a_stream_that_breaks_says_so(cpen: World, path: str, body: dict[str, Any]) -> None:
    """Its last chunk is the error, with the status and the route that failed."""
    cpen.script(MIDDLE, "after=3,then=truncate")
    answer = streamed(cpen, path, body)
    assert answer.status == 200, answer.text
    [(place, said)] = told(answer)
    assert place == -1
    assert said["error"]
    assert said["cpen_status"] == "failed"
    assert said["cpen_route"]["alias"] == "cpen/middle"
    assert said["cpen_route"]["route_id"].startswith("route_")


WHOLE: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/completions", {"model": DEAR, "prompt": "One."}, "chat"),
    ("/v1/responses", {"model": DEAR, "input": "One."}, "chat"),
    ("/v1/responses/compact", {"model": DEAR, "input": "One."}, "chat"),
    ("/v1/messages", {**ask(DEAR), "max_tokens": 9}, "chat"),
    (f"/v1beta/models/{DEAR}:generateContent", TEXT, "chat"),
    ("/v1/embeddings", {"model": EMBED, "input": "One."}, "embeddings"),
    (f"/v1beta/models/{EMBED}:embedContent", {"content": {"parts": [{"text": "One."}]}}, "embeddings"),
    ("/v1/rerank", {"model": RERANK, "query": "One", "documents": ["One."]}, "rerank"),
    ("/v1/moderations", {"model": MODERATE, "input": "One."}, "moderation"),
]


@pytest.mark.parametrize(("path", "body", "task"), WHOLE, ids=[path for path, *_ in WHOLE])
def test_every_answer_says_it(cpen: World, path: str, body: dict[str, Any], task: str) -> None:
    """With `routing` or CPEN's key; else nothing. A cap holds there, and a bad one is refused."""
    key = cpen.new_key().headers
    assert "cpen_status" not in cpen.request("POST", path, body, headers=key).json
    by_key = cpen.request("POST", path, body, headers=cpen.new_key(prefix="cpen_live_").headers).json
    assert by_key["cpen_status"] == "completed"
    capped = {**body, "routing": {"max_input_per_1m": "1", "rpm_cap": 1}}
    answer = cpen.request("POST", path, capped, headers=key)
    assert answer.status == 200, answer.text
    said = answer.json["cpen_route"]
    assert (said["task"], said["rpm_cap"]) == (task, 1)
    assert said["route_id"] == by_key["cpen_route"]["route_id"] or path != "/v1/embeddings"
    before = len(cpen.received)
    over = cpen.request("POST", path, {**body, "routing": {"max_input_per_1m": "0.01"}})
    assert (over.status, "No route available under budget" in over.text) in ((402, True), (404, True))
    bad = cpen.request("POST", path, {**body, "routing": {"currency": "EUR"}})
    assert bad.status == 400
    assert "routing.currency" in bad.text
    assert cpen.request("POST", path, capped, headers=key).status == 429
    assert len(cpen.received) == before


def test_a_route_is_found_again(cpen: World) -> None:
    """The answer's `route_id` is that of the generation, of its attempts, of its trace, and of the status page."""
    said = cpen.chat("/v1/chat/completions", model="cpen/middle").json
    cpen.settled()
    route_id = said["cpen_route"]["route_id"]
    record = cpen.request("GET", f"/v1/generation?id={said['id']}").json["data"]
    assert record["route_id"] == record["provider_responses"][-1]["route_id"] == route_id
    assert cpen.request("GET", f"/api/v1/generation?id={record['id']}").json["data"] == record
    trace = cpen.request("GET", f"/api/v1/generations/{record['id']}/trace").json["data"]
    assert [each["route_id"] for each in trace["attempts"]] == [route_id]
    levels = cpen.request("GET", "/v1/status/routes").json["data"]
    assert route_id in [each["route_id"] for level in levels for each in level["routes"]]


def test_who_refuses_a_request_lifts_no_cap(cpen: World) -> None:
    """A 400 of the provider within the cap is the answer: the one above the cap is for failures."""
    asked = {"max_total_per_1m": "0.30", "continuity_mode": "temporary_escalation"}
    cpen.script(MIDDLE, "fail=400")
    before = len(cpen.received)
    answer = cpen.chat("/v1/chat/completions", model=MIDDLE, models=[DEAR], routing=asked)
    assert answer.status == 400
    assert len(cpen.received) == before + 1
