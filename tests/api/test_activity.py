"""`GET /activity`: what was used by day, of one's own workspaces only, and by members of their own keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs
from openrouter.operations import GetUserActivityRequest

from tests.sdks import openrouter
from tests.storage.ledgers import DAY_MS, generation
from tests.support import Answer, Secret, World, request
from tollway.domain.generation import Usage
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.storage.ledger import commit_generations

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}
USAGE = Usage(prompt=10, completion=20, reasoning=5, cache_read=3)


@pytest.fixture(scope="module")
def manager(well: World) -> Secret:
    """A provisioning key of a workspace with credits."""
    return well.new_key("active", credits_usd="10", **PROVISIONING)


def used(world: World, key: Secret, name: str, days_ago: int, **fields: Any) -> None:
    """A request that was finished some days ago."""
    at = world.house.gateway.now_ms() - days_ago * DAY_MS
    values = {"cost": 1_000_000, "usage": USAGE, "endpoint_id": "openai:gpt", "created_ms": at, **fields}
    world.run(commit_generations(world.house.database, [generation(name, key.key, **values)]))


def activity(world: World, manager: Secret, query: str = "") -> Answer:
    return request(world.url, "GET", f"/api/v1/activity{query}", headers=manager.headers)


def day(days_ago: int) -> str:
    return str(datetime.now(UTC).date() - timedelta(days=days_ago))


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")
def test_the_last_30_complete_days(well: World, manager: Secret) -> None:
    """Neither today nor day 31; the last day first; and the official SDK reads it."""
    for number, days_ago in enumerate((0, 1, 1, 30, 31)):
        used(well, manager, f"whole-{number}", days_ago, model="a/model")
    used(well, manager, "whole-nobody", 1, model="a/model", endpoint_id=None, cost=0, finish_reason="error")
    used(well, manager, "whole-failed", 1, model="a/model", cost=0, finish_reason="error")
    found = activity(well, manager).json["data"]
    assert [each["date"] for each in found] == [day(1), day(30)]
    assert found[0] == {
        "date": day(1), "model": "a/model", "model_permaslug": "a/model", "endpoint_id": "openai:gpt",
        "provider_name": "OpenAI", "requests": 3, "errors": 1, "prompt_tokens": 30, "completion_tokens": 60,
        "reasoning_tokens": 15, "cached_tokens": 9, "usage": 0.002, "byok_usage_inference": 0,
    }  # fmt: skip
    assert activity(well, manager, f"?date={day(30)}").json["data"] == found[1:]
    assert activity(well, manager, f"?date={day(2)}").json["data"] == []
    with openrouter(well, manager) as client:
        read = client.analytics.get_user_activity(request=GetUserActivityRequest(group_by="workspace"))
        assert [(each.date_, each.workspace_id, each.usage) for each in read.data] == [
            (day(1), "active", 0.002), (day(30), "active", 0.001),
        ]  # fmt: skip
        assert len(client.analytics.get_user_activity(request={"date_": day(1)}).data) == 1


@pytest.mark.parametrize(
    "query",
    ["date=x", "date=2024-02-30", "date=20240101", "date=2024-W01-1", "date=", "date=0000-00-00", "group_by=key"],
)
def test_bad_queries(well: World, manager: Secret, query: str) -> None:
    """A 400 that names the parameter; so are today and day 31."""
    answer = activity(well, manager, f"?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.error["message"]
    for days_ago in (-1, 0, 31):
        assert activity(well, manager, f"?date={day(days_ago)}").status == 400


def test_another_tenant(well: World, manager: Secret) -> None:
    """A workspace or a key of somebody else is a 404 like an absent one, and nothing of it is summed."""
    used(well, manager, "tenant", 3, model="a/secret")
    stranger = well.new_key("stranger-of-activity", **PROVISIONING)
    for name, theirs, absent in (
        ("workspace_id", "active", "none-such"),
        ("api_key_hash", manager.key.id, "0" * 64),
    ):
        one, other = (activity(well, stranger, f"?{name}={value}") for value in (theirs, absent))
        assert (one.status, one.text) == (404, other.text)
    for query in ("", "?group_by=workspace", "?user_id=somebody"):
        assert activity(well, stranger, query).json["data"] == []
    assert activity(well, manager, f"?api_key_hash={manager.key.id}&date={day(3)}").json["data"]


def test_roles(well: World) -> None:
    """A member sees what their own keys did; who manages, everybody's, or one member's; who pays, nothing."""
    users = {role: well.new_user(f"activity-{role.value}", role, "active-team") for role in Role}
    well.run(well.house.gateway.books.grant("active-team", 10**9, "active-team", "test", 1))

    def account(role: Role, method: str, path: str, body: Any = None) -> Answer:
        return request(well.url, method, f"/account/v1/{path}", body, headers=well.signed_in(users[role]))

    hashes = {}
    for role in (Role.MEMBER, Role.OWNER):
        hashes[role] = account(role, "POST", "keys", {"name": role.value}).json["data"]["hash"]
        values = {"key_id": hashes[role], "workspace_id": "active-team", "model": f"a/{role.value}"}
        made = generation(f"team-{role.value}", well.key.key, cost=5, created_ms=well.house.gateway.now_ms() - DAY_MS)
        made = structs.replace(made, **values)
        well.run(commit_generations(well.house.database, [made]))

    def models(role: Role, query: str = "") -> list[str]:
        answer = account(role, "GET", f"activity{query}")
        assert answer.status == 200
        return sorted(each["model"] for each in answer.json["data"])

    assert models(Role.OWNER) == models(Role.ADMIN, "?group_by=workspace") == ["a/member", "a/owner"]
    assert models(Role.ADMIN, f"?user_id={users[Role.MEMBER].id}") == models(Role.MEMBER) == ["a/member"]
    assert models(Role.OWNER, f"?api_key_hash={hashes[Role.OWNER]}") == ["a/owner"]
    assert account(Role.MEMBER, "GET", f"activity?api_key_hash={hashes[Role.OWNER]}").status == 404
    assert account(Role.MEMBER, "GET", f"activity?user_id={users[Role.OWNER].id}").status == 403
    assert account(Role.BILLING, "GET", "activity").status == 403
    assert account(Role.MEMBER, "DELETE", f"keys/{hashes[Role.MEMBER]}", {}).status == 200
    assert models(Role.ADMIN, f"?api_key_hash={hashes[Role.MEMBER]}") == ["a/member"]
