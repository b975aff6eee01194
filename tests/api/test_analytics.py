"""Analytics, feedback and colleagues: figures that are the ledger's, asked for as OpenRouter's clients do."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sdks import openrouter
from tests.storage.ledgers import DAY_MS, generation
from tests.support import Answer, Secret, World, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role, User
from tollway.storage.ledger import commit_generations

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}
MONDAY = 20_003 * DAY_MS
"""2024-10-07, a Monday of a month that is past."""


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    return well.new_user("analyst", Role.OWNER, "figures")


@pytest.fixture(scope="module")
def manager(well: World, owner: User) -> Secret:
    return well.new_key("figures", creator=owner, **PROVISIONING)


@pytest.fixture(scope="module")
def keys(well: World, owner: User) -> tuple[Secret, Secret]:
    """The owner's key and a member's, with requests on three days: Sunday, Monday and Tuesday."""
    member = well.new_user("reader", Role.MEMBER, "figures")
    mine = well.new_key("figures", credits_usd="10", creator=owner)
    theirs = well.new_key("figures", creator=member)
    made = [
        generation("an-1", mine.key, cost=100, created_ms=MONDAY - 5, model="a/one", endpoint_id="p:one"),
        generation("an-2", mine.key, cost=200, created_ms=MONDAY + 5, model="a/one", endpoint_id="q:one"),
        generation("an-3", theirs.key, cost=400, created_ms=MONDAY + DAY_MS, model="a/two", endpoint_id="q:two"),
        generation("an-4", theirs.key, created_ms=MONDAY + DAY_MS, model="a/two", finish_reason="error"),
    ]
    well.run(commit_generations(well.house.database, made))
    return mine, theirs


RANGE = {"start": "2024-10-01T00:00:00Z", "end": "2024-11-01T00:00:00Z"}


def asked(world: World, who: Secret | User, **body: Any) -> Answer:
    door, headers = ("api", who.headers) if isinstance(who, Secret) else ("account", world.signed_in(who))
    body = {"time_range": RANGE, **body}
    return request(world.url, "POST", f"/{door}/v1/analytics/query", body, headers=headers)


def rows(world: World, who: Secret | User, **body: Any) -> list[dict[str, Any]]:
    answer = asked(world, who, **body)
    assert answer.status == 200, answer.text
    said = answer.json["data"]
    assert said["metadata"]["row_count"] == len(said["data"])
    return list(said["data"])


def test_sums(well: World, manager: Secret, keys: tuple[Secret, Secret]) -> None:
    """All together, by dimension, by time: each request is counted once, to the nanodollar."""
    everything = ["request_count", "error_count", "error_rate", "total_usage", "tokens_total"]
    assert rows(well, manager, metrics=everything) == [
        {"request_count": 4, "error_count": 1, "error_rate": 0.25, "total_usage": 7e-07, "tokens_total": 28}
    ]
    assert rows(well, manager, metrics=["total_usage"], dimensions=["provider"]) == [
        {"provider": "q", "total_usage": 6e-07},
        {"provider": "p", "total_usage": 1e-07},
        {"provider": "a", "total_usage": 0},
    ]
    by_key = rows(well, manager, metrics=["request_count"], dimensions=["api_key_id"])
    assert {each["api_key_id"]: each["request_count"] for each in by_key} == {key.key.id: 2 for key in keys}
    for granularity, dates in (
        ("day", ["2024-10-06", "2024-10-07", "2024-10-08"]),
        ("week", ["2024-09-30", "2024-10-07"]),
        ("month", ["2024-10-01"]),
    ):
        found = rows(well, manager, metrics=["request_count"], granularity=granularity)
        assert [each[f"date__{granularity}"] for each in found] == [f"{date}T00:00:00.000Z" for date in dates]
        assert sum(each["request_count"] for each in found) == 4


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"filters": [{"field": "model", "operator": "eq", "value": "a/one"}]}, 2),
        ({"filters": [{"field": "model", "operator": "neq", "value": "a/one"}]}, 2),
        ({"filters": [{"field": "provider", "operator": "in", "value": ["p", "q"]}]}, 3),
        ({"filters": [{"field": "provider", "operator": "not_in", "value": ["p"]}]}, 3),
        ({"filters": [{"field": "workspace", "operator": "eq", "value": "home"}]}, 0),
        ({"filters": [{"field": "app", "operator": "eq", "value": "0"}]}, 4),
        ({"time_range": {"start": "2024-10-07T00:00:00Z", "end": "2024-10-08T00:00:00Z"}}, 1),
        ({"time_range": {"start": "2024-10-07T12:00:00Z", "end": "2024-10-08T00:00:01Z"}}, 3),
    ],
)
def test_filters(
    well: World, manager: Secret, keys: tuple[Secret, Secret], body: dict[str, Any], expected: int
) -> None:
    found = rows(well, manager, metrics=["request_count"], **body)
    assert sum(each["request_count"] for each in found) == expected


def test_order_and_limits(well: World, manager: Secret, keys: tuple[Secret, Secret]) -> None:
    """As asked for; what was left out is said."""
    named = {"metrics": ["request_count"], "dimensions": ["model"], "granularity": "day"}
    newest = {"order_by": {"field": "date", "direction": "desc"}}
    answer = asked(well, manager, **named, **newest, limit=2).json["data"]
    assert [each["date__day"][:10] for each in answer["data"]] == ["2024-10-08", "2024-10-07"]
    assert answer["metadata"]["truncated"] is True
    once = rows(well, manager, **named, group_limit=1)
    assert [each["model"] for each in once] == ["a/one", "a/two"]
    by_name = rows(well, manager, metrics=["request_count"], dimensions=["model"],
                   order_by={"field": "model", "direction": "asc"})  # fmt: skip
    assert [each["model"] for each in by_name] == ["a/one", "a/two"]


@pytest.mark.parametrize(
    "body",
    [
        {"metrics": []},
        {"metrics": ["luck"]},
        {"metrics": ["request_count"], "dimensions": ["model", "user", "app"]},
        {"metrics": ["request_count"], "dimensions": ["weather"]},
        {"metrics": ["request_count"], "granularity": "minute"},
        {"metrics": ["request_count"], "filters": [{"field": "model", "operator": "gt", "value": 1}]},
        {"metrics": ["request_count"], "filters": [{"field": "model", "operator": "in", "value": "a"}]},
        {"metrics": ["request_count"], "filters": [{"field": "model'--", "operator": "eq", "value": "a"}]},
        {"metrics": ["request_count"], "order_by": {"field": "date", "direction": "asc"}},
        {"metrics": ["request_count"], "time_range": {"start": "2024-01-02T00:00:00Z", "end": "2024-01-01T00:00:00Z"}},
        {"metrics": ["request_count"], "time_range": {"start": "2020-01-01T00:00:00Z", "end": "2024-01-01T00:00:00Z"}},
        {"metrics": ["request_count"], "time_range": {"start": "0001-01-01T00:00:00+14:00", "end": "soon"}},
        {"metrics": ["request_count"], "classifier_filters": {}},
        {"metrics": ["request_count"], "limit": 0},
    ],
)
def test_bad_queries(well: World, manager: Secret, body: dict[str, Any]) -> None:
    """A 400 that names what is wrong, and no word of it is SQL."""
    answer = asked(well, manager, **body)
    assert answer.status == 400, answer.text


def test_whose_figures(well: World, owner: User, keys: tuple[Secret, Secret]) -> None:
    """A member sums their own keys' requests alone; a stranger nobody's; who manages sees all."""
    member = well.run(well.house.database.read("SELECT id FROM users WHERE email = 'reader@example.com'"))
    assert member
    reader = User(member[0][0], "reader@example.com", "reader", 1)
    assert rows(well, reader, metrics=["request_count"])[0]["request_count"] == 2
    assert rows(well, owner, metrics=["request_count"])[0]["request_count"] == 4
    stranger = well.new_key("no-figures", **PROVISIONING)
    assert rows(well, stranger, metrics=["request_count"]) == []
    key = keys[0].key.id
    for wanted in ({"field": "api_key_id", "value": key}, {"field": "workspace", "value": "figures"}):
        assert rows(well, stranger, metrics=["request_count"], filters=[{**wanted, "operator": "eq"}]) == []


def test_feedback(well: World, manager: Secret, owner: User, keys: tuple[Secret, Secret]) -> None:
    """Kept once for each who says it; the operator reads it; of another tenant's generation nothing can be said."""
    path, body = "/api/v1/generation/feedback", {"generation_id": "an-1", "category": "latency", "comment": "Slow."}
    assert request(well.url, "POST", path, body, headers=manager.headers).json == {"data": {"success": True}}
    again = {**body, "comment": "Very slow."}
    assert request(well.url, "POST", path, again, headers=manager.headers).status == 200
    admin = well.new_user("reads-feedback", admin=True)
    shown = request(well.url, "GET", "/admin/v1/feedback", headers=well.signed_in(admin)).json["data"]
    [found] = [each for each in shown if each["generation_id"] == "an-1"]
    assert (found["category"], found["comment"], found["workspace_id"]) == ("latency", "Very slow.", "figures")
    stranger = well.new_key("no-figures", **PROVISIONING)
    theirs = request(well.url, "POST", path, body, headers=stranger.headers)
    nobodys = request(well.url, "POST", path, {**body, "generation_id": "an-0"}, headers=stranger.headers)
    assert (theirs.status, theirs.text) == (404, nobodys.text.replace("an-0", "an-1"))
    for wrong in ({"category": "luck"}, {"comment": "x" * 1001}, {"generation_id": ""}):
        assert request(well.url, "POST", path, body | wrong, headers=manager.headers).status == 400


def test_colleagues(well: World, manager: Secret, owner: User, keys: tuple[Secret, Secret]) -> None:
    """Everybody in the workspaces that one manages, page by page; a member sees nobody."""
    path = "/api/v1/organization/members"
    found = request(well.url, "GET", path, headers=manager.headers).json
    assert {each["email"]: each["role"] for each in found["data"]} == {
        "analyst@example.com": "org:admin",
        "reader@example.com": "org:member",
    }
    one = request(well.url, "GET", f"{path}?offset=1&limit=1", headers=manager.headers).json
    assert (one["data"], one["total_count"]) == (found["data"][1:], 2)
    stranger = well.new_key("no-figures", **PROVISIONING)
    assert request(well.url, "GET", path, headers=stranger.headers).json == {"data": [], "total_count": 0}


def test_the_sdk(well: World, manager: Secret, keys: tuple[Secret, Secret]) -> None:
    """OpenRouter's own client reads all of it with its own types."""
    with openrouter(well, manager) as sdk:
        names = {each.name for each in sdk.analytics.get_analytics_meta().data.metrics}
        assert "request_count" in names
        found = sdk.analytics.query_analytics(
            metrics=["request_count"],
            dimensions=["model"],
            time_range={"start": datetime(2024, 10, 1, tzinfo=UTC), "end": datetime(2024, 11, 1, tzinfo=UTC)},
        )
        assert found.data.metadata.row_count == 2
        assert sdk.organization.list_members().result.total_count == 2
        assert sdk.generations.submit_feedback(generation_id="an-2", category="other").data.SUCCESS
