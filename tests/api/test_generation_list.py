"""`GET /generations` and `.csv`: pages, filters, whose rows one sees, and nothing that a spreadsheet would run."""

import csv
import io
from typing import Any

import pytest

from tests.storage.ledgers import DAY_MS, generation
from tests.support import Answer, Secret, World, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.storage.ledger import commit_generations

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}


@pytest.fixture(scope="module")
def manager(well: World) -> Secret:
    """A provisioning key of a workspace in which three requests were made."""
    manager = well.new_key("listed", **PROVISIONING)
    at = well.house.gateway.now_ms()
    made = [
        generation("gen-old", manager.key, created_ms=at - 40 * DAY_MS, model="a/old", endpoint_id="openai:old"),
        generation("gen-bad", manager.key, created_ms=at - 2, finish_reason="error", endpoint_id=None, provider=None),
        generation(
            "gen-new", manager.key, created_ms=at - 1, model="a/new", app_title="=cmd|' /C calc'!A0", error="+1",
            http_referer="https://app.example/x", external_user="@SUM(A1)", session_id="a,b\n\"c\"",
        ),
    ]  # fmt: skip
    well.run(commit_generations(well.house.database, made))
    return manager


def listed(world: World, manager: Secret, query: str = "", path: str = "generations") -> Answer:
    return request(world.url, "GET", f"/api/v1/{path}{query}", headers=manager.headers)


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.text
    return [each["id"] for each in answer.json["data"]]


def test_pages(well: World, manager: Secret) -> None:
    """The newest first; the link to the next page keeps what was asked; the last page has none."""
    first = listed(well, manager, "?limit=2&status=ok")
    assert ids(first) == ["gen-new", "gen-old"]
    assert (first.json["cursor"], first.json["links"]) == (None, {"next": None})
    found, path = [], "/api/v1/generations?limit=1&workspace_id=listed"
    while path:
        answer = request(well.url, "GET", path, headers=manager.headers)
        found += ids(answer)
        path = answer.json["links"]["next"]
    assert found == ["gen-new", "gen-bad", "gen-old"]
    row = listed(well, manager).json["data"][0]
    assert row["api_key_hash"] == manager.key.id
    assert (row["status"], row["model"], row["tokens_prompt"]) == ("ok", "a/new", 3)
    by_app = listed(well, manager, f"?app_id={row['app_id']}")
    assert ids(by_app) == ["gen-new"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model=a/old", ["gen-old"]),
        ("provider=openai", ["gen-old"]),
        ("provider=OpenAI&status=ok", ["gen-old"]),
        ("status=error", ["gen-bad"]),
        ("to=2020-01-01", []),
        ("from=2020-01-01T00:00:00Z&model=a/new", ["gen-new"]),
        ("from=2100-01-01T00:00:00%2B02:00", []),
        ("model=a/none", []),
    ],
)
def test_filters(well: World, manager: Secret, query: str, expected: list[str]) -> None:
    """Each of them, and together; in the table as in the pages."""
    assert ids(listed(well, manager, f"?{query}")) == expected
    table = list(csv.DictReader(io.StringIO(listed(well, manager, f"?{query}", "generations.csv").text)))
    assert [row["id"] for row in table] == expected


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=1", "cursor=99999999999999999-x", "cursor=1-%00",
        "status=fine", "app_id=-1", "app_id=x", "from=yesterday", "to=2024-13-01", "from=", "to=9999999-01-01",
    ],
)  # fmt: skip
def test_bad_queries(well: World, manager: Secret, query: str) -> None:
    """A 400 that names the parameter, before a table begins too."""
    for path in ("generations", "generations.csv"):
        if path.endswith("csv") and query.startswith(("limit", "cursor")):
            continue
        answer = listed(well, manager, f"?{query}", path)
        assert answer.status == 400
        assert query.partition("=")[0] in answer.error["message"]


def test_the_table(well: World, manager: Secret) -> None:
    """RFC 4180; texts that a spreadsheet would run are made texts, numbers stay numbers."""
    answer = listed(well, manager, path="generations.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["id"] for row in rows] == ["gen-new", "gen-bad", "gen-old"]
    new = rows[0]
    assert new["app_title"] == "'=cmd|' /C calc'!A0"
    assert (new["external_user"], new["error"], new["session_id"]) == ("'@SUM(A1)", "'+1", 'a,b\n"c"')
    assert (new["usage_usd"], new["cache_discount_usd"], new["tokens_prompt"]) == ("0", "-0.000000002", "3")


def test_whose(well: World, manager: Secret) -> None:
    """Another tenant's workspace, key and rows are not there; a member sees what their own keys did."""
    stranger = well.new_key("stranger-of-lists", **PROVISIONING)
    for path in ("generations", "generations.csv"):
        for name, theirs, absent in (("workspace_id", "listed", "none"), ("api_key_hash", manager.key.id, "0" * 64)):
            one, other = (listed(well, stranger, f"?{name}={value}", path) for value in (theirs, absent))
            assert (one.status, one.text) == (404, other.text)
    cursor = listed(well, manager, "?limit=1").json["cursor"]
    assert ids(listed(well, stranger, f"?cursor={cursor}")) == []
    assert len(listed(well, stranger, path="generations.csv").text.splitlines()) == 1
    users = {role: well.new_user(f"lists-{role.value}", role, "list-team") for role in Role}
    well.run(well.house.gateway.books.grant("list-team", 10**9, "list-team", "test", 1))

    def account(role: Role, method: str, path: str, body: Any = None) -> Answer:
        return request(well.url, method, f"/account/v1/{path}", body, headers=well.signed_in(users[role]))

    made = {}
    for role in (Role.MEMBER, Role.OWNER):
        secret = account(role, "POST", "keys", {"name": role.value}).json["key"]
        made[role] = well.chat(headers={"authorization": f"Bearer {secret}"}).json["id"]
    well.settled()
    assert ids(account(Role.MEMBER, "GET", "generations")) == [made[Role.MEMBER]]
    assert set(ids(account(Role.ADMIN, "GET", "generations"))) == set(made.values())
    assert ids(account(Role.ADMIN, "GET", f"generations?user_id={users[Role.MEMBER].id}")) == [made[Role.MEMBER]]
    for path in ("generations", "generations.csv"):
        assert account(Role.BILLING, "GET", path).status == 403
