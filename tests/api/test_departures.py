"""Deleting an account, and taking its data along: what goes, what stays, and who may not."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from tests.api.browsing import Browser
from tests.support import Secret, World, request, world
from tollway.config import Users
from tollway.domain.people import Role, User
from tollway.gateway.byok_desk import NewCredential
from tollway.identity.actors import OPERATOR
from tollway.identity.passwords import Passwords
from tollway.storage.audit import audit_ledger
from tollway.storage.audit_log import list_entries, verify
from tollway.storage.database import Statement
from tollway.storage.members import find_workspace, memberships_of
from tollway.storage.users import find_user

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(settings={"users": Users("open", "5")}) as it:
        it.house.people.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield it


def settle(town: World, user: User, key: Secret) -> str:
    """The user asks for something with the key: the id of the generation."""
    answer = town.chat(headers=key.headers | {"user-agent": f"agent of {user.name}"})
    assert answer.status == 200
    town.settled()
    return str(answer.json["id"])


def new_person(town: World, name: str) -> tuple[User, str]:
    """A user who signed up, and the id of their own workspace."""
    now_ms = town.house.gateway.now_ms()
    user = town.run(town.house.people.sign_up(f"{name}@example.com", PASSWORD, f"{name} canary", now_ms))
    [home] = town.run(memberships_of(town.house.database, user.id))
    return user, home.workspace_id


def rows_with(town: World, text: str) -> dict[str, int]:
    """Table -> how many of its rows hold the text."""
    database = town.house.database
    tables = [row[0] for row in town.run(database.read("SELECT name FROM sqlite_master WHERE type = 'table'"))]
    found = {}
    for table in tables:
        columns = [row[1] for row in town.run(database.read(f"PRAGMA table_info({table})"))]
        where = " OR ".join(f"INSTR(CAST({column} AS TEXT), :text) > 0" for column in columns)
        [[count]] = town.run(database.read(f"SELECT COUNT(*) FROM {table} WHERE {where}", text=text))
        if count:
            found[table] = int(count)
    return found


def test_what_goes_and_what_stays(town: World) -> None:
    """Nothing but the audit log knows who they were; the key is refused at once; the ledger is whole."""
    house, database = town.house, town.house.database
    user, home = new_person(town, "goes")
    key = town.new_key(home, creator=user)
    team_key = town.new_key("team", credits_usd="1", creator=user)
    town.new_user("stays", Role.OWNER, "team")
    town.run(join(town, user, Role.MEMBER, "team"))
    own, teams = settle(town, user, key), settle(town, user, team_key)
    town.run(house.byok.create(OPERATOR, NewCredential("a", "sk-canary", workspace_id=home), 1))
    before = town.run(house.gateway.books.balance(home))
    headers = town.signed_in(user)
    answer = request(town.url, "DELETE", "/account/v1/me", {"email": " GOES@example.com"}, headers=headers)
    assert (answer.status, answer.json) == (200, {"data": {"deleted": True}})
    assert town.run(find_user(database, user.id)) is None
    assert town.run(find_workspace(database, home)) is None
    for each in (key, team_key):
        assert town.chat(headers=each.headers).status == 401
    assert request(town.url, "GET", "/account/v1/me", headers=headers).status == 401
    own_record, deadline_s = "?", time.monotonic() + 30
    while own_record and time.monotonic() < deadline_s:
        time.sleep(0.05)
        [[own_record]] = town.run(database.read("SELECT record FROM generations WHERE id = :id", id=own))
    [[teams_record]] = town.run(database.read("SELECT record FROM generations WHERE id = :id", id=teams))
    assert own_record == ""
    assert user.name in teams_record  # the team's
    assert set(rows_with(town, "goes@example.com")) == {"audit_log"}
    assert set(rows_with(town, user.name)) == {"generations"}
    [[secret]] = town.run(database.read("SELECT secret FROM byok_credentials WHERE workspace_id = :id", id=home))
    assert secret is None
    assert town.run(house.gateway.books.balance(home)) == before
    assert not [each for each in town.run(audit_ledger(database)) if each.broken]
    assert town.run(verify(database)).broken == ()
    entry = next(each for each in town.run(list_entries(database)) if each.action == "user.deleted")
    assert (entry.actor, entry.target) == (f"user {user.id}", user.id)
    again, _ = new_person(town, "goes")
    assert again.id != user.id


async def join(town: World, user: User, role: Role, workspace: str) -> None:
    await town.stage.join(user, role, workspace)


def test_who_may_not(town: World) -> None:
    """The only owner of a team, the only admin, who signed in long ago, who does not say who they are."""
    house, database = town.house, town.house.database
    user, _ = new_person(town, "owner")
    town.run(join(town, user, Role.OWNER, "crew"))
    town.run(join(town, town.new_user("mate"), Role.ADMIN, "crew"))
    ask = {"email": user.email}

    def delete(body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
        return request(town.url, "DELETE", "/account/v1/me", body, headers=headers or town.signed_in(user))

    refused = delete(ask)
    assert refused.status == 400
    assert "only owner of crew" in refused.error["message"]
    town.run(join(town, town.new_user("second"), Role.OWNER, "crew"))
    for body in ({"email": "other@example.com"}, {"email": ""}, {}, {"email": user.email, "more": 1}):
        assert delete(body).status == 400, body
    headers = town.signed_in(user)
    old = Statement("UPDATE sessions SET fresh_ms = fresh_ms - 960000 WHERE user_id = :id", ({"id": user.id},))
    town.run(database.write(old))
    assert delete(ask, headers).status == 403
    assert delete(ask, {**town.signed_in(user), "x-csrf-token": "x"}).status == 403
    assert town.run(find_user(database, user.id)) == user
    admin = town.new_user("admin", admin=True)
    only = request(town.url, "DELETE", "/account/v1/me", {"email": admin.email}, headers=town.signed_in(admin))
    assert (only.status, "only admin" in only.error["message"]) == (400, True)
    # An admin deletes somebody else; who is none can't; nobody is a 404.
    path = f"/admin/v1/users/{user.id}"
    assert request(town.url, "DELETE", path, {}, headers=town.signed_in(user)).status == 403
    assert request(town.url, "DELETE", path, {}, headers=town.signed_in(admin)).status == 200
    assert request(town.url, "DELETE", path, {}, headers=town.signed_in(admin)).status == 404
    assert town.run(find_workspace(database, "crew")) is not None
    assert house.ready


def test_on_the_page(town: World) -> None:
    """By typing one's address; the browser is signed out."""
    user, _ = new_person(town, "page")
    browser = Browser(town)
    browser.submit(browser.get("/sign-in"), "/sign-in", email=user.email, password=PASSWORD)
    page = browser.get("/account")
    wrong = browser.submit(page, "/account/delete", email="x@example.com")
    assert wrong.status == 400
    assert "by mistake" in wrong.text
    assert browser.post("/account/delete", csrf="x", email=user.email).status == 403
    done = browser.submit(page, "/account/delete", email=user.email)
    assert (done.status, done.headers["location"]) == (303, "/")
    assert browser.get("/account").status == 303
    assert town.run(find_user(town.house.database, user.id)) is None


def test_the_export(town: World) -> None:
    """One JSON object of what is one's own, and nothing of anybody else's."""
    user, home = new_person(town, "takes")
    other, others_home = new_person(town, "other")
    town.new_user("boss", Role.OWNER, "office")
    for each in (user, other):
        town.run(join(town, each, Role.MEMBER, "office"))
    key, office = town.new_key(home, creator=user), town.new_key("office", credits_usd="1", creator=user)
    ids = {settle(town, user, key), settle(town, user, office)}
    settle(town, other, town.new_key("office", creator=other))
    settle(town, other, town.new_key(others_home, creator=other))
    headers = town.signed_in(user)
    answer = request(town.url, "GET", "/account/v1/export", headers=headers)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith("attachment")
    told = json.loads(answer.body)
    assert told["user"]["email"] == user.email
    assert {each["id"] for each in told["generations"]} == ids
    assert {each["id"]: each["role"] for each in told["workspaces"]} == {home: "owner", "office": "member"}
    assert {each["hash"] for each in told["keys"]} == {key.key.id, office.key.id}
    assert len(told["sessions"]) >= 1
    for secret in (key.secret, other.email, "digest", headers["cookie"].partition("=")[2]):
        assert secret not in answer.text
    assert request(town.url, "GET", "/account/v1/export").status == 401


def test_the_export_has_what_was_said(town: World) -> None:
    """Kept prompts and answers of one's own keys, decrypted; and one's feedback. Nobody else's, of the same team."""
    user, home = new_person(town, "speaks")
    other, _ = new_person(town, "listens")
    for each in (user, other):
        town.run(join(town, each, Role.MEMBER, "studio"))
    owner = town.signed_in(town.new_user("studio-boss", Role.OWNER, "studio"))
    kept = {"is_observability_io_logging_enabled": True}
    assert request(town.url, "PATCH", "/account/v1/workspaces/studio", kept, headers=owner).status == 200
    mine, theirs = (town.new_key("studio", credits_usd="1", creator=each) for each in (user, other))
    own = settle(town, user, town.new_key(home, credits_usd="1", creator=user))
    said, ids = {}, {}
    for name, each, key in (("mine", user, mine), ("theirs", other, theirs)):
        said[name] = f"What {name} asked, and nobody else."
        answer = town.chat(content=said[name], headers=key.headers)
        assert answer.status == 200
        town.settled()
        assert town.house.gateway.contents is not None
        town.run(town.house.gateway.contents.drain())
        ids[name] = answer.json["id"]
        told = {"generation_id": ids[name], "category": "latency", "comment": f"Comment of {name}"}
        posted = request(town.url, "POST", "/account/v1/generation/feedback", told, headers=town.signed_in(each))
        assert posted.status == 200, posted.text
    answer = request(town.url, "GET", "/account/v1/export", headers=town.signed_in(user))
    told = answer.json
    found = {each["id"]: each.get("content") for each in told["generations"]}
    assert set(found) == {own, ids["mine"]}
    assert found[own] is None
    assert said["mine"] in json.dumps(found[ids["mine"]]["input"])
    assert found[ids["mine"]]["output"]
    assert [(each["generation_id"], each["comment"]) for each in told["feedback"]] == [(ids["mine"], "Comment of mine")]
    assert "theirs" not in answer.text
    # Under another address it is still theirs; nothing of the old one is kept beside it.
    moved = request(town.url, "PATCH", "/account/v1/me", {"email": "spoke@example.com"}, headers=town.signed_in(user))
    assert moved.status == 200
    again = request(town.url, "GET", "/account/v1/export", headers=town.signed_in(user)).json
    assert again["feedback"] == told["feedback"]
    assert "generation_feedback" not in rows_with(town, user.email)
    admin = town.signed_in(town.new_user("reads-words", admin=True))
    shown = request(town.url, "GET", "/admin/v1/feedback", headers=admin).json["data"]
    assert {each["actor"] for each in shown} == {"spoke@example.com", other.email}


def test_name_and_address_over_http(town: World) -> None:
    """As on the page; what is left out stays."""
    user, _ = new_person(town, "patch")
    headers = town.signed_in(user)
    answer = request(town.url, "PATCH", "/account/v1/me", {"name": "New"}, headers=headers)
    assert (answer.status, answer.json["data"]["name"], answer.json["data"]["email"]) == (200, "New", user.email)
    answer = request(town.url, "PATCH", "/account/v1/me", {"email": "Patched@example.com"}, headers=headers)
    assert (answer.json["data"]["email"], answer.json["data"]["email_verified"]) == ("patched@example.com", False)
    for body in ({"email": "no"}, {"admin": True}, {"name": 1}):
        assert request(town.url, "PATCH", "/account/v1/me", body, headers=headers).status == 400
    others = [town.signed_in(user) for _ in range(2)]
    assert request(town.url, "DELETE", "/account/v1/sessions", {}, headers=headers).status == 200
    assert [request(town.url, "GET", "/account/v1/me", headers=each).status for each in (headers, *others)] == [
        200,
        401,
        401,
    ]
