"""`POST /v1/extractions` over sockets: 200 schemas, a model that answers badly first, and what it costs."""

import json
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import jsonschema_rs
import pytest

from tests.support import World, offer, world
from tollway.gateway import schema_checks

MIDDLE = "openai/gpt-oss-120b"
PLAIN = "test/plain"
SEEDS = {
    "model": "cpen/middle",
    "input": "Alice paid 12.50 USD for a notebook.",
    "schema": {"type": "object", "properties": {"buyer": {"type": "string"}, "amount_usd": {"type": "number"}}},
    "routing": {
        "currency": "USD",
        "min_total_per_1m": "0.05",
        "max_total_per_1m": "0.30",
        "rpm_cap": 60,
        "strategy": "balanced",
        "continuity_mode": "stay_within_cap",
    },
}
"""CPEN's example, as it stands in the seed."""


@pytest.fixture(scope="module")
def extracting() -> Iterator[World]:
    with world(
        offer(MIDDLE, prompt="0.00000004", completion="0.00000024"),
        offer(PLAIN, prompt="0.000001", completion="0.000002"),
    ) as it:
        yield it


def schema_of(dice: random.Random, depth: int = 0) -> dict[str, Any]:
    """A schema: nested objects, arrays, enums, formats, unions."""
    kinds = ["string", "integer", "number", "boolean", "enum", "format"]
    if depth < 3:
        kinds += ["object", "array", "union"]
    kind = "object" if depth == 0 else dice.choice(kinds)
    if kind == "object":
        names = [f"field_{number}" for number in range(dice.randint(1, 4))]
        inner = {name: schema_of(dice, depth + 1) for name in names}
        return {"type": "object", "properties": inner, "required": names, "additionalProperties": False}
    if kind == "array":
        return {"type": "array", "items": schema_of(dice, depth + 1)}
    if kind == "union":
        return {"anyOf": [schema_of(dice, depth + 1), {"type": "null"}]}
    if kind == "enum":
        return {"type": "string", "enum": ["low", "middle", "high"]}
    if kind == "format":
        return {"type": "string", "format": dice.choice(["date", "date-time", "email", "uuid"])}
    return {"type": kind}


def test_200_schemas(extracting: World) -> None:
    """The first answer is prose, the second is repaired: `output` is valid, and both rounds are paid."""
    for number in range(200):
        schema = schema_of(random.Random(number))
        extracting.script(PLAIN, "answer=echo")
        answer = extracting.request("POST", "/v1/extractions", {"model": PLAIN, "input": "One.", "schema": schema})
        assert answer.status == 200, (schema, answer.text)
        said = answer.json
        checker = jsonschema_rs.validator_for(schema, validate_formats=True)
        assert checker.is_valid(said["output"]), (schema, said)
        assert len(said["rounds"]) == 2


def test_the_seeds_example(extracting: World) -> None:
    """One good round: the same metadata as chat, and the schema went along."""
    answer = extracting.request("POST", "/v1/extractions", SEEDS)
    assert answer.status == 200, answer.text
    said = answer.json
    assert said["cpen_status"] == "completed"
    assert said["model"] == said["cpen_route"]["alias"] == "cpen/middle"
    assert said["cpen_route"]["task"] == "extraction"
    assert said["rounds"] == [said["id"]]
    assert extracting.stage.bodies()[-1]["response_format"]["json_schema"]["schema"]["properties"].keys() == {
        "buyer",
        "amount_usd",
    }


def test_a_model_that_does_not_mend(extracting: World) -> None:
    """422 with the errors, the raw text and what both rounds did cost, which the records say as well."""
    extracting.script(MIDDLE, "answer=echo", "answer=echo")
    answer = extracting.request("POST", "/v1/extractions", SEEDS)
    assert answer.status == 422
    said = answer.json
    assert said["cpen_status"] == "failed"
    assert said["detail"] == said["error"]["message"]
    told = said["error"]["metadata"]
    assert told["errors"][0]["message"].startswith("the answer is not JSON")
    assert told["raw"]
    extracting.settled()
    records = [extracting.request("GET", f"/v1/generation?id={each}").text for each in said["rounds"]]
    costs = [json.loads(each, parse_float=Decimal)["data"]["total_cost"] for each in records]
    assert len(costs) == 2
    assert all(cost > 0 for cost in costs)
    assert json.loads(answer.text, parse_float=Decimal)["usage"]["cost"] == sum(costs)
    # The second round was sent the bad answer and what is wrong with it.
    sent = extracting.stage.bodies()[-1]["messages"]
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "user"]
    assert "not valid against the schema" in sent[-1]["content"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"schema": {"type": "nothing"}}, "schema"),
        ({"schema": {"$ref": "http://127.0.0.1:1/x"}}, "schema"),
        ({"schema": {"pattern": "("}}, "schema"),
        ({"schema": []}, "schema"),
        ({"input": ""}, "input"),
        ({"input": None}, "input"),
        ({"stream": True}, "stream"),
        ({"routing": {"currency": "EUR"}}, "routing.currency"),
    ],
)
def test_a_bad_request_is_not_sent(extracting: World, changes: dict[str, Any], param: str) -> None:
    before = len(extracting.received)
    answer = extracting.request("POST", "/v1/extractions", {**SEEDS, **changes})
    assert answer.status == 400, answer.text
    assert answer.error["param"] == param
    assert len(extracting.received) == before


def test_refusals_are_those_of_chat(extracting: World) -> None:
    over = {**SEEDS, "routing": {"max_total_per_1m": "0.01"}}
    assert extracting.request("POST", "/v1/extractions", over).json["detail"] == "No route available under budget"
    assert extracting.request("POST", "/v1/extractions", SEEDS, headers={}).status == 401
    assert extracting.request("POST", "/v1/extractions", {**SEEDS, "model": "no/such"}).status == 404
    extracting.script(PLAIN, "fail=503")
    assert extracting.request("POST", "/v1/extractions", {**SEEDS, "model": PLAIN, "routing": {}}).status == 502


def test_what_is_no_object(extracting: World) -> None:
    """A schema of a list is told in words: providers take only objects as a response format."""
    extracting.script(MIDDLE, "answer=echo", "answer=echo")
    asked = {**SEEDS, "schema": {"type": "array", "items": {"type": "integer"}}}
    assert extracting.request("POST", "/v1/extractions", asked).status == 422
    sent = extracting.stage.bodies()[-1]
    assert "response_format" not in sent
    assert '"items":{"type":"integer"}' in sent["messages"][0]["content"].replace(" ", "")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be busy: what is counted is the process's own time."""
    monkeypatch.setattr(schema_checks, "LATE_S", 60.0)


def doubled(levels: int) -> dict[str, Any]:
    """Valid, small, and twice the work at each level."""
    names = [f"level_{number}" for number in range(levels + 1)]
    twice = {one: {"allOf": [{"$ref": f"#/$defs/{other}"}] * 2} for one, other in pairwise(names)}
    return {"$defs": {**twice, names[-1]: {"type": "object"}}, "allOf": [{"$ref": "#/$defs/level_0"}]}


@pytest.mark.usefixtures("quick")
def test_a_schema_that_takes_for_ever(extracting: World) -> None:
    """Its process is ended, and what was charged is said; the next one is served."""
    began = time.monotonic()
    extracting.script(PLAIN, "answer=echo")
    answer = extracting.request("POST", "/v1/extractions", {"model": PLAIN, "input": "{}", "schema": doubled(60)})
    assert answer.status == 422, answer.text
    assert time.monotonic() - began < 60
    said = answer.json
    assert said["cpen_status"] == "failed"
    assert said["error"]["metadata"]["cost"] > 0
    assert len(said["rounds"]) == 1, "there is nothing to repair"
    assert "takes too long" in said["error"]["metadata"]["errors"][0]["message"]
    assert extracting.request("POST", "/v1/extractions", SEEDS).status == 200


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)*b", "(x+x+)+y"])
def test_a_pattern_takes_linear_time(extracting: World, pattern: str) -> None:
    """What makes other engines try for years is looked at once."""
    schema = {"type": "string", "pattern": pattern}
    extracting.script(PLAIN, "answer=echo", "answer=echo")
    asked = {"model": PLAIN, "input": "a" * 5_000 + "!", "schema": schema}
    began = time.monotonic()
    assert extracting.request("POST", "/v1/extractions", asked).status == 422
    assert time.monotonic() - began < 20


def test_a_repair_is_no_second_call(extracting: World) -> None:
    """`rpm_cap` counts the call, not its rounds; a repair that fails says so, with what the first round has cost."""
    key = extracting.new_key().headers
    asked = {"model": PLAIN, "input": "One.", "schema": SEEDS["schema"], "routing": {"rpm_cap": 1}}
    extracting.script(PLAIN, "answer=echo")
    answer = extracting.request("POST", "/v1/extractions", asked, headers=key)
    assert (answer.status, len(answer.json["rounds"])) == (200, 2)
    assert extracting.request("POST", "/v1/extractions", asked, headers=key).status == 429
    extracting.script(PLAIN, "answer=echo", "fail=503", "fail=503")
    failed = extracting.request("POST", "/v1/extractions", {**asked, "routing": {}})
    assert failed.status == 422, failed.text
    told = failed.json["error"]
    assert "could not be repaired" in told["message"]
    assert told["metadata"]["cost"] > 0
    assert told["metadata"]["generation_ids"] == failed.json["rounds"]
    assert len(failed.json["rounds"]) == 1
