"""`/admin/v1`: what admins see and change of the whole server."""

import asyncio
import time
from typing import Any

import pytest

from tests.support import Answer, Secret, World, request
from tollway.domain.errors import InvalidRequest
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role, User
from tollway.gateway.admin_desk import ChangedUser
from tollway.identity.actors import OPERATOR
from tollway.identity.sessions import FRESH_MS
from tollway.storage.audit_log import Searched, list_entries
from tollway.storage.database import Statement
from tollway.storage.keys import create_workspace

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def control(well: World) -> dict[str, str]:
    return {"authorization": f"Bearer {well.house.control_token}"}


@pytest.fixture(scope="module")
def chief(well: World) -> User:
    return well.new_user("boss", admin=True)


@pytest.fixture
def boss(well: World, chief: User) -> dict[str, str]:
    """The headers of an admin who has just signed in."""
    return well.signed_in(chief)


def admin(world: World, headers: dict[str, str], method: str, path: str, body: Any = None) -> Answer:
    return request(world.url, method, f"/admin/v1{path}", body, headers=headers)


def pages(world: World, headers: dict[str, str], path: str, by: str, name: str) -> list[Any]:
    """One thing of everything that is listed, page by page."""
    found, after = [], ""
    while True:
        page = admin(world, headers, "GET", f"{path}{after}").json
        found += [each[name] for each in page["data"]]
        if page["next"] is None:
            return found
        after = f"&{by}={page['next']}"


def last_entry(world: World, action: str) -> Any:
    [found] = world.run(list_entries(world.house.database, limit=1, searched=Searched(action=action)))
    return found


def test_the_audit_log_by_pages(well: World, control: dict[str, str]) -> None:
    """Newest first, each entry once, to the end; one workspace's alone; a `before` that is none is a 400."""
    well.run(create_workspace(well.house.database, "audited", "audited", 1))

    async def write() -> None:
        for number in range(101):
            await well.house.audit.write(OPERATOR, "test.done", str(number), now_ms=1, workspace_id="audited", n=number)

    well.run(write())
    first = admin(well, control, "GET", "/audit-log?workspace_id=audited").json
    second = admin(well, control, "GET", f"/audit-log?workspace_id=audited&before={first['next']}").json
    assert [each["target"] for each in first["data"] + second["data"]] == [str(n) for n in range(100, -1, -1)]
    assert (first["data"][0]["details"], first["data"][0]["actor"]) == ({"n": 100}, "operator")
    assert second["next"] is None
    for wrong in ("before=x", "before=-1", f"before={2**63}", "limit=0", "limit=", "from=yesterday"):
        assert admin(well, control, "GET", f"/audit-log?{wrong}").status == 400, wrong


def test_the_audit_log_is_searched(well: World, control: dict[str, str]) -> None:
    """By who, what, to what and when; a noun finds whatever happened to its things, and no longer noun."""

    async def write() -> None:
        for now_ms, action, target in ((5, "ship.built", "a"), (6, "ship.sunk", "a"), (7, "shipping.paid", "b")):
            await well.house.audit.write(OPERATOR, action, target, now_ms=now_ms)

    well.run(write())
    for query, actions in (
        ("action=ship", ["ship.sunk", "ship.built"]),
        ("action=ship.built", ["ship.built"]),
        ("action=shi", []),
        ("actor=nobody", []),
        ("actor=operator&target=b", ["shipping.paid"]),
        ("action=ship&from=1970-01-01T00:00:00.006Z", ["ship.sunk"]),
        ("action=ship&to=1970-01-01T00:00:00.006Z", ["ship.built"]),
    ):
        found = admin(well, control, "GET", f"/audit-log?{query}").json["data"]
        assert [each["action"] for each in found] == actions, query
    told = admin(well, control, "GET", "/audit-log/verify").json["data"]
    assert (told["broken"], told["last"]) == ([], last_entry(well, "shipping.paid").chain)
    assert told["entries"] >= 3


def test_a_changed_entry_is_found(well: World, control: dict[str, str]) -> None:
    """Whoever writes in the table behind our back shows in the verification, until it is as it was."""
    entry = last_entry(well, "ship.built")
    set_ = "UPDATE audit_log SET actor = :actor WHERE number = :number"
    for actor, broken in (("eve", [f"{entry.number}: ship.built by eve"]), ("operator", [])):
        well.run(well.house.database.write(Statement(set_, ({"actor": actor, "number": entry.number},))))
        assert admin(well, control, "GET", "/audit-log/verify").json["data"]["broken"] == broken


def test_users_by_pages_and_search(well: World, boss: dict[str, str]) -> None:
    """Each once, in order; a search knows no wildcards and no letter case; admins alone."""
    for name in ("Cher Ami", "cher_bono", "CHERYL"):
        well.new_user(name.replace(" ", "-").lower())
    listed = pages(well, boss, "/users?limit=2&search=CHER", "after", "email")
    assert sorted(listed) == ["cher-ami@example.com", "cher_bono@example.com", "cheryl@example.com"]
    assert pages(well, boss, "/users?search=r_b", "after", "email") == ["cher_bono@example.com"]
    assert pages(well, boss, "/users?search=%25", "after", "email") == []
    admins = pages(well, boss, "/users?admin=true", "after", "email")
    assert "boss@example.com" in admins
    assert "cheryl@example.com" not in admins
    everybody = pages(well, boss, "/users?limit=3", "after", "id")
    assert everybody == sorted(set(everybody))
    for wrong in ("admin=yes", "limit=1001", "disabled="):
        assert admin(well, boss, "GET", f"/users?{wrong}").status == 400, wrong


def test_a_user_is_made_and_comes_in(well: World, boss: dict[str, str]) -> None:
    """By an admin, with a workspace of their own; the link sets a password once, and both leave an entry."""
    made = admin(well, boss, "POST", "/users", {"email": " New.One@Example.com", "name": "New One"})
    assert made.status == 201
    user, token = made.json["data"], made.json["token"]
    assert (user["email"], user["name"], user["admin"]) == ("new.one@example.com", "New One", False)
    assert made.json["url"].endswith(f"#{token}")
    assert (last_entry(well, "user.created").actor, last_entry(well, "user.created").target) == (
        "boss@example.com",
        user["id"],
    )
    assert token not in last_entry(well, "password.link_created").details
    chosen = {"token": token, "new": "a long password"}
    page = {"sec-fetch-site": "same-origin"}
    assert request(well.url, "POST", "/account/v1/password/reset", chosen, headers=page).status == 200
    assert request(well.url, "POST", "/account/v1/password/reset", chosen, headers=page).status == 404
    entry = {"email": "new.one@example.com", "password": "a long password"}
    assert request(well.url, "POST", "/account/v1/sign-in", entry, headers=page).status == 200
    shown = admin(well, boss, "GET", "/users/new.one@example.com").json["data"]
    assert [each["role"] for each in shown["workspaces"]] == ["owner"]
    assert shown["sessions"] == 2
    again = admin(well, boss, "POST", f"/users/{user['id']}/link", {})
    assert again.status == 201
    assert again.json["token"] != token
    assert admin(well, boss, "POST", "/users", {"email": "new.one@example.com"}).status == 400
    for wrong in ({"email": "none"}, {"email": "a@b.c", "role": "owner"}, {}, {"email": "a@b.c", "admin": 1}):
        assert admin(well, boss, "POST", "/users", wrong).status == 400, wrong


def test_admins_are_made_and_unmade(well: World, boss: dict[str, str]) -> None:
    """The next request of theirs sees it; an entry says who did it; what is not there is a 404."""
    user = well.new_user("deputy")
    headers = well.signed_in(user)
    for is_admin, status in ((True, 200), (False, 403)):
        headers = well.signed_in(user)
        done = admin(well, boss, "PATCH", f"/users/{user.id}", {"admin": is_admin})
        assert done.json["data"]["admin"] is is_admin
        assert admin(well, headers, "GET", "/users").status == 401, "who is made something else signs in again"
        assert admin(well, well.signed_in(user), "GET", "/users").status == status
        entry = last_entry(well, "user.admin")
        assert (entry.actor, entry.target) == ("boss@example.com", user.id)
        assert f'"admin":{str(is_admin).lower()}' in entry.details
    before = last_entry(well, "user").number
    assert admin(well, boss, "PATCH", f"/users/{user.id}", {"admin": False}).status == 200
    assert last_entry(well, "user").number == before, "what changes nothing leaves no entry"
    for path in ("/users/nobody", "/users/nobody@example.com"):
        assert admin(well, boss, "GET", path).status == 404
        assert admin(well, boss, "PATCH", path, {"admin": True}).status == 404
        assert admin(well, boss, "POST", f"{path}/link", {}).status == 404


def test_a_user_is_kept_out(well: World, boss: dict[str, str]) -> None:
    """Their session ends and their key is refused at once; enabled, they come back; both at once can't be asked for."""
    user = well.new_user("outcast", Role.OWNER, "castle")
    key, headers = well.new_key("castle", credits_usd="1", creator=user), well.signed_in(user)
    assert well.chat(headers=key.headers).status == 200
    for disabled, status in ((True, 401), (False, 200)):
        done = admin(well, boss, "PATCH", f"/users/{user.id}", {"disabled": disabled, "name": f"Out {disabled}"})
        assert (done.json["data"]["disabled"], done.json["data"]["name"]) == (disabled, f"Out {disabled}")
        assert well.chat(headers=key.headers).status == status
        assert request(well.url, "GET", "/account/v1/me", headers=headers).status == 401
        assert admin(well, boss, "POST", f"/users/{user.id}/link", {}).status == (400 if disabled else 201)
    assert last_entry(well, "user.enabled").actor == "boss@example.com"
    assert admin(well, boss, "PATCH", f"/users/{user.id}", {"disabled": True, "admin": True}).status == 400


def test_the_last_admin_stays(well: World, control: dict[str, str]) -> None:
    """Nobody takes the last one away, not even two who do it to each other at the same moment."""
    others = pages(well, control, "/users?admin=true", "after", "id")
    last, second = well.new_user("last", admin=True), well.new_user("second", admin=True)
    for other in others:
        assert admin(well, control, "PATCH", f"/users/{other}", {"admin": False}).status == 200
    desk, gone = well.house.admin, ChangedUser(admin=False)

    async def both_at_once() -> list[Any]:
        ways = (desk.change_user(OPERATOR, each.id, gone, 1) for each in (last, second))
        return await asyncio.gather(*ways, return_exceptions=True)

    try:
        done = well.run(both_at_once())
        assert [isinstance(each, InvalidRequest) for each in done] == [False, True]
        assert admin(well, control, "PATCH", f"/users/{last.id}", {"admin": True}).status == 200
        assert admin(well, control, "PATCH", f"/users/{second.id}", {"admin": False}).status == 200
        refused = admin(well, control, "PATCH", f"/users/{last.id}", {"admin": False})
        assert refused.status == 400
        assert "only admin" in refused.error["message"]
    finally:
        for other in others:
            admin(well, control, "PATCH", f"/users/{other}", {"admin": True})


def test_a_sign_in_of_long_ago_administers_nothing(well: World) -> None:
    """After 15 minutes an admin signs in again, for a look as well (FAULTS.md 4.1); a user hears who may."""
    user = well.new_user("tired", admin=True)
    headers = well.signed_in(user)
    assert admin(well, headers, "GET", "/users").status == 200
    old = Statement(
        "UPDATE sessions SET fresh_ms = fresh_ms - :ms WHERE user_id = :id", ({"ms": FRESH_MS + 1, "id": user.id},)
    )
    well.run(well.house.database.write(old))
    for method, path in (("GET", "/users"), ("PATCH", f"/users/{user.id}"), ("GET", "/audit-log")):
        answer = admin(well, headers, method, path, {})
        assert (answer.status, "15 minutes" in answer.error["message"]) == (403, True)
    plain = well.signed_in(well.new_user("plain"))
    assert "admins only" in admin(well, plain, "GET", "/users").error["message"]


def test_workspaces_of_everybody(well: World, boss: dict[str, str]) -> None:
    """Listed by pages and found by search, with what they have; one is shown with its members and working keys."""
    for name in ("fleet-a", "fleet-b", "fleet-c"):
        well.new_key(name, credits_usd="1.5")
    assert pages(well, boss, "/workspaces?search=FLEET&limit=2", "after", "id") == ["fleet-a", "fleet-b", "fleet-c"]
    owner = well.new_user("captain", Role.OWNER, "fleet-a")
    shown = admin(well, boss, "GET", "/workspaces/fleet-a").json["data"]
    assert (shown["balance_usd"], shown["members"], shown["working_keys"], shown["disabled_at"]) == ("1.5", 1, 1, None)
    assert admin(well, boss, "GET", "/workspaces/none").status == 404
    made = admin(well, boss, "POST", "/workspaces/fleet-a/members/add", {"user_ids": [well.new_user("mate").id]})
    assert made.json["added_count"] == 1
    members = admin(well, boss, "GET", "/workspaces/fleet-a/members").json["data"]
    assert {each["email"]: each["workspace_role"] for each in members} == {
        "captain@example.com": "owner",
        "mate@example.com": "member",
    }
    change = {"user_ids": [members[1]["user_id"]], "role": "owner"}
    assert admin(well, boss, "POST", "/workspaces/fleet-a/members/add", change).status == 200
    assert admin(well, boss, "POST", "/workspaces/fleet-a/members/remove", {"user_ids": [owner.id]}).status == 200
    assert len(admin(well, boss, "GET", "/workspaces/fleet-a/members").json["data"]) == 1


def test_a_workspace_is_stopped(well: World, boss: dict[str, str]) -> None:
    """Every key of it is refused at once, provisioning keys too, and they work again; one's own state stays."""
    key, off = well.new_key("stopped", credits_usd="1"), well.new_key("stopped", disabled=True)
    other = well.new_key("not-stopped", credits_usd="1")
    assert well.chat(headers=key.headers).status == 200
    for disabled, status in ((True, 401), (True, 401), (False, 200)):
        done = admin(well, boss, "POST", "/workspaces/stopped/disable", {"disabled": disabled})
        assert (done.json["data"]["disabled_at"] is not None) is disabled
        assert well.chat(headers=key.headers).status == status
        assert well.chat(headers=off.headers).status == 401
        assert well.chat(headers=other.headers).status == 200
    log = well.run(list_entries(well.house.database, workspace_id="stopped"))
    assert [each.action for each in log] == ["workspace.enabled", "workspace.disabled"]
    assert "stopped" in pages(well, boss, "/workspaces?disabled=false", "after", "id")
    assert admin(well, boss, "POST", "/workspaces/guests/disable", {}).status in (400, 404)


def test_keys_of_everybody(well: World, boss: dict[str, str]) -> None:
    """The newest first, by pages, filtered; any of them is disabled at once, and the entry names the admin."""
    mine: list[Secret] = [well.new_key("keyring", credits_usd="1") for _ in range(3)]
    listed = pages(well, boss, "/keys?limit=2&workspace_id=keyring", "after", "hash")
    assert set(listed) == {each.key.id for each in mine}
    times = pages(well, boss, "/keys?limit=50", "after", "created_at")
    assert times == sorted(times, reverse=True)
    path = f"/keys/{mine[0].key.id}"
    assert well.chat(headers=mine[0].headers).status == 200
    assert admin(well, boss, "PATCH", path, {"disabled": True}).status == 200
    assert well.chat(headers=mine[0].headers).status == 401
    assert last_entry(well, "key.changed").actor == "boss@example.com"
    off = pages(well, boss, "/keys?workspace_id=keyring&disabled=true", "after", "hash")
    assert off == [mine[0].key.id]
    assert len(pages(well, boss, "/keys?workspace_id=keyring&disabled=false", "after", "hash")) == 2
    assert admin(well, boss, "GET", "/keys?after=none").status == 400
    assert mine[0].secret not in admin(well, boss, "GET", path).text
    assert admin(well, boss, "DELETE", path).json == {"deleted": True}
    assert admin(well, boss, "GET", path).status == 404


def test_statistics_are_the_books(well: World, boss: dict[str, str]) -> None:
    """A day's requests, errors, what callers paid and what providers bill: exactly what the records say."""
    well.settled()
    key = well.new_key("counted", credits_usd="1")
    before = admin(well, boss, "GET", "/statistics?days=2").json["total"]
    costs = 0
    for _ in range(3):
        answer = well.chat(headers=key.headers)
        well.settled()
        found = well.request("GET", f"/api/v1/generation?id={answer.json['id']}", headers=key.headers).json["data"]
        costs += round(found["total_cost"] * 10**9)
    seen = admin(well, boss, "GET", "/statistics?days=2").json
    after = seen["total"]
    assert after["requests"] - before["requests"] == 3
    for name in ("revenue_usd", "cost_usd"):
        assert round((float(after[name]) - float(before[name])) * 10**9) == costs, name
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert seen["data"][0]["date"] in (today, time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400)))
    assert seen["data"][0]["workspaces"] >= 1
    for wrong in ("days=0", "days=401", "days=x", "days="):
        assert admin(well, boss, "GET", f"/statistics?{wrong}").status == 400


def test_settings_and_invitations(well: World, boss: dict[str, str]) -> None:
    """How people come in is told; an admin's invitation to the server needs no workspace."""
    assert admin(well, boss, "GET", "/settings").json["data"]["sign_up"] == "off"
    made = admin(well, boss, "POST", "/invitations", {"email": "guest@example.com"})
    assert made.status == 201
    assert made.json["data"]["url"].endswith(f"/join#{made.json['data']['invitation']}")


@pytest.mark.parametrize("path", ["/keys", "/byok", "/presets", "/workspaces", "/guardrails"])
@pytest.mark.parametrize("query", ["offset=", "offset=x", "offset=1e3", "offset=-1"])
def test_an_empty_number_is_none(well: World, path: str, query: str) -> None:
    """Everywhere alike: who sends `offset=` meant a number, and would read the first page for ever."""
    manager = well.new_key(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-") if path != "/presets" else well.key
    answer = request(well.url, "GET", f"/api/v1{path}?{query}", headers=manager.headers)
    assert (answer.status, answer.error["metadata"]["param"]) == (400, "offset")
