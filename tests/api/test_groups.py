"""Groups with prices of their own, made and filled while the server runs: by the API, on the page, after a restart."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.support import Answer, Secret, World, offer, request, world
from tests.web.site import Looked
from tollway.billing.settings import Billing
from tollway.domain.people import Role
from tollway.domain.storefronts import Group
from tollway.gateway.group_desk import GroupDesk
from tollway.storage.audit import audit_ledger
from tollway.storage.audit_log import Searched, list_entries
from tollway.storage.generations import last_generations


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    """A server whose file has one group, with one workspace in it."""
    settings = {"billing": Billing(groups=(Group("partners", "1.5", ("partner",)),))}
    with world(
        offer("test/model", "m@tokens=4"), offer("test/slow", "m@tokens=20,tokens_per_s=10"), settings=settings
    ) as it:
        it.new_key("partner", credits_usd="1")
        yield it


@pytest.fixture(scope="module")
def headers(shop: World) -> dict[str, str]:
    return shop.signed_in(shop.new_user("groups-chief", Role.OWNER, "groups-house", admin=True))


@pytest.fixture
def admin(shop: World, headers: dict[str, str]) -> Any:
    """Asks /admin/v1/groups, a group ("s/name") or "-members"."""

    def asks(method: str, path: str = "s", body: Any = None) -> Answer:
        return request(shop.url, method, f"/admin/v1/group{path}", body, headers=headers)

    return asks


def paid(shop: World, key: Secret, model: str = "test/model") -> tuple[float, str | None]:
    """What a request cost of the list's price, and its group; the ledger is sound after it."""
    assert shop.chat(model=model, headers=key.headers).status == 200
    return last(shop)


def last(shop: World) -> tuple[float, str | None]:
    shop.settled()
    found: Any = shop.run(last_generations(shop.house.database, 1))[0]
    assert [each.name for each in shop.run(audit_ledger(shop.house.database)) if each.broken] == []
    return found.cost / (found.usage.prompt * 1000 + found.usage.completion * 2000), found.group


def entries(shop: World, action: str) -> list[tuple[str, str | None, Any]]:
    """Target, workspace and details of the newest."""
    found = shop.run(list_entries(shop.house.database, limit=20, searched=Searched(action=action)))
    return [(each.target, each.workspace_id, json.loads(each.details)) for each in found]


def test_a_group_is_in_force_at_once(shop: World, admin: Any) -> None:
    """Made, filled, changed, left, removed: each time the next request is priced so, and the log says who did it."""
    key = shop.new_key("acme", credits_usd="1")
    assert paid(shop, key) == (1, None)
    made = admin("PUT", "s/half", {"multiplier": "0.5"})
    assert made.json["data"] == {"name": "half", "multiplier": "0.5", "workspaces": [], "keys": [], "from_file": False}
    assert paid(shop, key) == (1, None)
    moved = admin("POST", "-members", {"group": "half", "workspace_id": "acme"})
    assert moved.json["data"] == {"group": "half", "moved": [{"kind": "workspace", "id": "acme"}]}
    assert paid(shop, key) == (0.5, "half")
    assert admin("PUT", "s/half", {"multiplier": "3"}).status == 200
    assert paid(shop, key) == (3, "half")
    assert admin("POST", "-members", {"group": None, "workspace_id": "acme"}).status == 200
    assert paid(shop, key) == (1, None)
    assert admin("POST", "-members", {"group": "half", "workspace_id": "acme"}).status == 200
    assert admin("DELETE", "s/half").status == 200
    assert paid(shop, key) == (1, None)
    assert entries(shop, "group.created") == [("half", None, {"multiplier": "0.5"})]
    assert entries(shop, "group.changed") == [("half", None, {"multiplier": "3", "before": "0.5"})]
    moves = [("acme", "acme", {"group": into, "members": ["workspace acme"]}) for into in ("half", None, "half")]
    assert entries(shop, "group.moved") == moves
    assert entries(shop, "group.deleted") == [("half", None, {})]


def test_a_request_under_way_keeps_its_price(shop: World, admin: Any) -> None:
    """What was admitted before the change is held, charged and recorded as it was admitted."""
    key = shop.new_key("slow", credits_usd="1")
    answers: list[Answer] = []
    asking = threading.Thread(
        target=lambda: answers.append(shop.chat(model="test/slow", stream=True, headers=key.headers))
    )
    held = shop.house.gateway.books
    asking.start()
    while not shop.call(lambda: held.held):
        time.sleep(0.01)
    assert admin("PUT", "s/dear", {"multiplier": "7"}).status == 200
    assert admin("POST", "-members", {"group": "dear", "workspace_id": "slow"}).status == 200
    assert asking.is_alive()
    asking.join()
    assert answers[0].status == 200
    assert last(shop) == (1, None)
    assert paid(shop, key) == (7, "dear")


def test_a_key_goes_before_its_workspace(shop: World, admin: Any) -> None:
    """Another key of the workspace, and a list of what a key sees, follow the workspace's."""
    one, other = shop.new_key("keys", credits_usd="1"), shop.new_key("keys")
    for name, by in (("low", "0.25"), ("high", "2")):
        assert admin("PUT", f"s/{name}", {"multiplier": by}).status == 200
    assert admin("POST", "-members", {"group": "high", "workspace_id": "keys"}).status == 200
    assert admin("POST", "-members", {"group": "low", "key_hash": one.key.id}).status == 200
    assert (paid(shop, one), paid(shop, other)) == ((0.25, "low"), (2, "high"))
    for key, price in ((one, "0.00000025"), (other, "0.000002")):
        seen = shop.request("GET", "/api/v1/models/user", headers=key.headers).json["data"]
        assert {each["pricing"]["prompt"] for each in seen} == {price, "-1"}
    shown = {each["name"]: each for each in admin("GET").json["data"]}
    assert (shown["low"]["keys"], shown["high"]["workspaces"]) == ([one.key.id], ["keys"])
    assert admin("POST", "-members", {"group": None, "key_hash": one.key.id}).status == 200
    assert paid(shop, one) == (2, "high")


def test_a_users_workspaces(shop: World, admin: Any) -> None:
    """Those that they own, in one entry of the log; not those in which they are a member."""
    key, foreign = shop.new_key("own-1", credits_usd="1"), shop.new_key("team", credits_usd="1")
    user = shop.new_user("groups-ada", Role.OWNER, "own-1")
    shop.run(shop.stage.join(user, Role.OWNER, "own-2"))
    shop.run(shop.stage.join(user, Role.MEMBER, "team"))
    assert admin("PUT", "s/friends", {"multiplier": "0.1"}).status == 200
    moved = admin("POST", "-members", {"group": "friends", "user_id": user.email.upper()})
    assert {each["id"] for each in moved.json["data"]["moved"]} == {"own-1", "own-2"}
    assert (paid(shop, key), paid(shop, foreign)) == ((0.1, "friends"), (1, None))
    [(target, place, details), *_] = entries(shop, "group.moved")
    assert (target, place, len(details["members"])) == (user.id, None, 2)


def test_the_files_groups(shop: World, admin: Any) -> None:
    """Others may be moved into them; their multipliers and members are changed in the file alone."""
    [shown] = [each for each in admin("GET").json["data"] if each["name"] == "partners"]
    assert (shown["from_file"], shown["workspaces"]) == (True, ["partner"])
    for method, path, body in (
        ("PUT", "s/partners", {"multiplier": "2"}),
        ("DELETE", "s/partners", None),
        ("POST", "-members", {"group": None, "workspace_id": "partner"}),
    ):
        refused = admin(method, path, body)
        assert (refused.status, "tollway.toml" in refused.error["message"]) == (400, True)
    key = shop.new_key("joiner", credits_usd="1")
    assert admin("POST", "-members", {"group": "partners", "workspace_id": "joiner"}).status == 200
    assert paid(shop, key) == (1.5, "partners")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("PUT", "s/free", {"multiplier": "0"}, 400, "multiplier"),
        ("PUT", "s/free", {"multiplier": "0.000"}, 400, "multiplier"),
        ("PUT", "s/free", {"multiplier": "-1"}, 400, "multiplier"),
        ("PUT", "s/free", {"multiplier": 2}, 400, "multiplier"),
        ("PUT", "s/free", {"multiplier": "1e3"}, 400, "multiplier"),
        ("PUT", "s/free", {}, 400, "multiplier"),
        ("PUT", "s/free", {"multiplier": "1", "more": 1}, 400, "more"),
        ("PUT", "s/" + "x" * 129, {"multiplier": "1"}, 400, "name"),
        ("PUT", "s/%20", {"multiplier": "1"}, 400, "name"),
        ("DELETE", "s/absent", None, 404, "group"),
        ("POST", "-members", {"group": "absent", "workspace_id": "home"}, 404, "group"),
        ("POST", "-members", {"group": None, "workspace_id": "absent"}, 404, "workspace"),
        ("POST", "-members", {"group": None, "key_hash": "absent"}, 404, "key"),
        ("POST", "-members", {"group": None, "user_id": "absent@example.com"}, 404, "user"),
        ("POST", "-members", {"group": None}, 400, "Name one"),
        ("POST", "-members", {"group": None, "workspace_id": "home", "key_hash": "x"}, 400, "Name one"),
        ("POST", "-members", {"workspace_id": "home"}, 400, "group"),
    ],
)
def test_what_is_refused(shop: World, admin: Any, method: str, path: str, body: Any, status: int, told: str) -> None:
    """In words, and nothing has changed."""
    before = admin("GET").json
    refused = admin(method, path, body)
    assert (refused.status, told in refused.error["message"]) == (status, True), refused.text
    assert admin("GET").json == before


def test_a_user_who_owns_nothing(shop: World, admin: Any) -> None:
    """Is told so: nobody would pay another price."""
    user = shop.new_user("groups-guest", Role.MEMBER, "groups-house")
    refused = admin("POST", "-members", {"group": None, "user_id": user.id})
    assert (refused.status, refused.error["message"]) == (400, "This user owns no workspace.")


def test_after_a_restart(shop: World, admin: Any) -> None:
    """What was done is read again from the database; where the file has changed since, the file wins."""
    key = shop.new_key("kept", credits_usd="1")
    assert admin("PUT", "s/kept", {"multiplier": "1.25"}).status == 200
    assert admin("POST", "-members", {"group": "kept", "workspace_id": "kept"}).status == 200
    assert admin("POST", "-members", {"group": "kept", "key_hash": key.key.id}).status == 200
    house = shop.house
    seen: list[Sequence[Group]] = []
    for file, expected in (
        ((), Group("kept", "1.25", ("kept",), (key.key.id,))),
        ((Group("kept", "9", ("home",)),), Group("kept", "9", ("home", "kept"), (key.key.id,))),
        ((Group("new", "2", ("kept",)),), Group("kept", "1.25", (), (key.key.id,))),
    ):
        desk = GroupDesk(house.database, house.audit, file, seen.append)
        shop.run(desk.load())
        assert next(each for each in seen[-1] if each.name == "kept") == expected


def test_the_page(shop: World, headers: dict[str, str]) -> None:
    """The same by forms: made, filled, emptied, removed; a mistake is told beside what was typed."""
    browser = Browser(shop)
    browser.cookie = headers["cookie"]
    base = "/admin/aliases"
    key = shop.new_key("paged", credits_usd="1")
    page = browser.get(base)
    assert browser.submit(page, f"{base}/groups", name="paper", multiplier="0.8").headers["location"].endswith("=group")
    wrong = browser.submit(page, f"{base}/groups", name="paper", multiplier="0")
    assert (wrong.status, 'value="paper"' in wrong.text, "multiplier: such as" in wrong.text) == (400, True, True)
    page = browser.get(base)
    lost = browser.submit(page, f"{base}/groups/move", kind="workspace", who="absent", group="paper")
    assert (lost.status, 'value="absent"' in lost.text, "no such workspace" in lost.text) == (404, True, True)
    done = browser.submit(page, f"{base}/groups/move", kind="workspace", who="paged", group="paper")
    assert done.headers["location"].endswith("?done=moved")
    assert paid(shop, key) == (0.8, "paper")
    [row] = [row for row in Looked(browser.get(base).text).rows if row[0] == "paper"]
    assert (row[1], row[2].strip()) == ("0.8", "paged")
    assert (
        browser.submit(browser.get(base), f"{base}/groups/move", kind="workspace", who="paged", group="").status == 303
    )
    assert paid(shop, key) == (1, None)
    page = browser.get(base)
    assert browser.post(f"{base}/groups/remove", csrf="0" * 32, name="paper").status == 403
    assert browser.submit(page, f"{base}/groups", name="", multiplier="1").status == 400
    assert browser.submit(page, f"{base}/groups/remove", name="partners").status == 400
    assert browser.submit(page, f"{base}/groups/remove", name="paper").status == 303
    assert browser.submit(page, f"{base}/groups/remove", name="paper").status == 404
    assert (
        request(shop.url, "GET", "/pricing.json").json["groups"].count({"name": "partners", "multiplier": "1.5"}) == 1
    )
