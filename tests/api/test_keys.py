"""`/api/v1/keys` and `/account/v1/keys`: made, changed and deleted by whom they belong to, seen at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import Answer, Secret, World, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.storage.audit_log import list_entries

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}


@pytest.fixture(scope="module")
def manager(well: World) -> Secret:
    """A provisioning key of a workspace with credits."""
    return well.new_key("managed", credits_usd="10", **PROVISIONING)


def keys(world: World, manager: Secret, method: str, path: str = "", body: Any = None) -> Answer:
    return request(world.url, method, f"/api/v1/keys{path}", body, headers=manager.headers)


def test_a_key_from_birth_to_death(well: World, manager: Secret) -> None:
    """Made with a limit it calls models; renamed, raised, disabled and deleted it is seen so by the next request."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    asked = {"name": "Ada", "limit": 0.5, "limit_reset": "daily", "include_byok_in_limit": True, "expires_at": tomorrow}
    made = keys(well, manager, "POST", "", asked)
    assert made.status == 201
    secret, data = made.json["key"], made.json["data"]
    headers = {"authorization": f"Bearer {secret}"}
    assert secret.startswith("sk-or-v1-")
    assert (data["name"], data["limit"], data["limit_remaining"], data["limit_reset"]) == ("Ada", 0.5, 0.5, "daily")
    assert (data["workspace_id"], data["disabled"], data["usage"]) == ("managed", False, 0)
    assert (data["last_used_at"], data["updated_at"], data["include_byok_in_limit"]) == (None, None, True)
    assert secret not in keys(well, manager, "GET").text
    assert well.chat(headers=headers).status == 200
    well.settled()
    path = f"/{data['hash']}"
    seen = keys(well, manager, "GET", path).json["data"]
    assert seen["usage"] > 0
    assert seen["usage"] == seen["usage_daily"] == seen["usage_weekly"] == seen["usage_monthly"]
    assert seen["last_used_at"] is not None
    for change, status in (
        ({"disabled": True}, 401),
        ({"disabled": False, "name": "Ada L."}, 200),
        ({"limit": 0}, 402),
    ):
        answer = keys(well, manager, "PATCH", path, change)
        assert answer.status == 200
        assert answer.json["data"] | change == answer.json["data"]
        assert well.chat(headers=headers).status == status, change
    free = keys(well, manager, "PATCH", path, {"limit": None}).json["data"]
    assert (free["limit"], free["limit_reset"], free["limit_remaining"]) == (None, None, None)
    assert well.chat(headers=headers).status == 200
    assert keys(well, manager, "DELETE", path).json == {"deleted": True}
    assert well.chat(headers=headers).status == 401
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert keys(well, manager, method, path, body).status == 404
    assert data["hash"] not in keys(well, manager, "GET", "?include_disabled=true").text
    told = well.run(list_entries(well.house.database, workspace_id="managed"))
    assert [entry.action for entry in told if entry.target == data["hash"]][::-1] == [
        "key.created", *["key.changed"] * 4, "key.deleted",
    ]  # fmt: skip
    assert not any(secret in entry.details for entry in told)


def test_what_a_key_may_ask_for(well: World, manager: Secret) -> None:
    """Its own lists of models and providers, below what its workspace allows; a 404 says that it was the key."""
    lists = {"allowed_models": ["test/model"], "allowed_providers": ["a"]}
    made = keys(well, manager, "POST", "", {"name": "n", **lists}).json
    headers, path = {"authorization": f"Bearer {made['key']}"}, f"/{made['data']['hash']}"
    assert made["data"].items() >= lists.items()
    assert well.chat(headers=headers).status == 200
    for change, said in (
        ({"allowed_providers": ["other"]}, "not in the key's allowed providers"),
        (
            {"allowed_models": ["other/model"], "allowed_providers": None},
            "test/model is not in the key's allowed models",
        ),
    ):
        assert keys(well, manager, "PATCH", path, change).json["data"].items() >= change.items()
        refused = well.chat(headers=headers, provider={"only": ["a"]})
        assert (refused.status, said in refused.error["message"]) == (404, True), refused.text
    listed = request(well.url, "GET", "/api/v1/models/user", headers=headers).json["data"]
    assert listed == []
    assert keys(well, manager, "PATCH", path, {"allowed_models": None}).status == 200
    assert well.chat(headers=headers).status == 200


def test_a_limit_that_is_changed_counts_what_was_spent(well: World, manager: Secret) -> None:
    """Another reset keeps the spending of its window: a key over its new limit is refused."""
    made = keys(well, manager, "POST", "", {"name": "n", "limit": 1}).json
    headers = {"authorization": f"Bearer {made['key']}"}
    assert well.chat(headers=headers).status == 200
    well.settled()
    path = f"/{made['data']['hash']}"
    spent = keys(well, manager, "GET", path).json["data"]["usage"]
    changed = keys(well, manager, "PATCH", path, {"limit": spent, "limit_reset": "weekly"}).json["data"]
    assert (changed["limit_remaining"], changed["limit_reset"]) == (0, "weekly")
    assert well.chat(headers=headers).status == 402


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "n", "allowed_models": []}, "allowed_models"),
        ({"name": "n", "allowed_providers": "a"}, "allowed_providers"),
        ({"name": "n" * 201}, "name"),
        ({"name": "n", "limit": -1}, "limit"),
        ({"name": "n", "limit": 1e30}, "limit"),
        ({"name": "n", "limit": "1e-99999999"}, "limit"),
        ({"name": "n", "limit": "NaN"}, "limit"),
        ({"name": "n", "limit_reset": "daily"}, "limit_reset"),
        ({"name": "n", "limit": 1, "limit_reset": "hourly"}, "limit_reset"),
        ({"name": "n", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "n", "expires_at": "2040-01-01T00:00:00"}, "expires_at"),
        ({"name": "n", "rpm": 0}, "rpm"),
        ({"name": "n", "external": {"user": "u"}}, "external"),
        ({"name": "n", "prefix": "sk-or-prov-v1-"}, "prefix"),
        ([], ""),
    ],
)
def test_bad_keys(well: World, manager: Secret, body: Any, param: str) -> None:
    """A 400 that names the field; nothing is made."""
    before = len(keys(well, manager, "GET").json["data"])
    answer = keys(well, manager, "POST", "", body)
    assert answer.status == 400
    assert param in answer.error["message"]
    assert len(keys(well, manager, "GET").json["data"]) == before


def test_expired_keys_are_listed_when_asked_for(well: World) -> None:
    """`include_expired`, as OpenRouter has it: false unless it is said."""
    manager = well.new_key("over", **PROVISIONING)
    over = well.new_key("over", expires_in_ms=-1)
    later = well.new_key("over", expires_in_ms=3_600_000)
    listed = {each["hash"] for each in keys(well, manager, "GET").json["data"]}
    assert {over.key.id, later.key.id} & listed == {later.key.id}
    assert over.key.id in keys(well, manager, "GET", "?include_expired=true").text
    wrong = keys(well, manager, "GET", "?include_expired=perhaps")
    assert (wrong.status, wrong.error["metadata"]["param"]) == (400, "include_expired")


def test_a_key_stays_in_its_workspace(well: World) -> None:
    """To say where it is changes nothing; another place of one's own is a 400, somebody else's a 404."""
    user = well.new_user("stayer", Role.OWNER, "staying")
    manager, key = well.new_key("staying", creator=user, **PROVISIONING), well.new_key("staying")
    well.new_key("elsewhere")
    made = {"name": "Second", "slug": "second-home"}
    second = well.request("POST", "/api/v1/workspaces", made, headers=manager.headers)
    path = f"/{key.key.id}"
    same = keys(well, manager, "PATCH", path, {"workspace_id": "staying", "name": "Same"})
    assert (same.status, same.json["data"]["name"]) == (200, "Same")
    for place, status in ((second.json["data"]["id"], 400), ("elsewhere", 404)):
        moved = keys(well, manager, "PATCH", path, {"workspace_id": place, "name": "Moved"})
        assert moved.status == status, moved.text
    assert keys(well, manager, "GET", path).json["data"]["name"] == "Same"


def test_pages_of_keys(well: World) -> None:
    """100 at a time, the newest first; disabled ones when asked for; an offset that is none is a 400."""
    manager = well.new_key("many", **PROVISIONING)
    for _ in range(101):
        well.new_key("many")
    off = well.new_key("many", disabled=True)
    first, second = (keys(well, manager, "GET", f"?offset={n}").json["data"] for n in (0, 100))
    assert (len(first), len(second)) == (100, 2)  # with the manager itself
    assert not {each["hash"] for each in first} & {each["hash"] for each in second}
    assert off.key.id not in {each["hash"] for each in first + second}
    assert off.key.id in keys(well, manager, "GET", "?include_disabled=true").text
    for wrong in ("-1", "x", "9999999999", "1.5"):
        assert keys(well, manager, "GET", f"?offset={wrong}").status == 400


def test_another_tenant(well: World, manager: Secret) -> None:
    """A key of another workspace is like an absent one, byte for byte; so is the workspace."""
    mine = keys(well, manager, "POST", "", {"name": "mine"}).json["data"]["hash"]
    stranger = well.new_key("stranger-of-keys", **PROVISIONING)
    for method, body in (("GET", None), ("PATCH", {"disabled": True}), ("DELETE", None)):
        theirs = keys(well, stranger, method, f"/{mine}", body)
        nobodys = keys(well, stranger, method, f"/{'0' * 64}", body)
        assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
        assert theirs.status == 404
    for workspace in ("managed", "none-such"):
        assert keys(well, stranger, "GET", f"?workspace_id={workspace}").status == 404
        assert keys(well, stranger, "POST", "", {"name": "n", "workspace_id": workspace}).status == 404
    assert keys(well, manager, "GET", f"/{mine}").json["data"]["disabled"] is False
    assert keys(well, stranger, "POST", "", {"name": "n", "creator_user_id": "somebody"}).status == 403
    assert keys(well, stranger, "POST", "", {"name": "n", "kind": "provisioning"}).status == 403


def test_roles(well: World) -> None:
    """A member has their own keys, who manages has all, who pays has none; only managers make managing keys."""
    users = {role: well.new_user(f"keys-{role.value}", role, "team") for role in Role}

    def account(role: Role, method: str, path: str = "", body: Any = None) -> Answer:
        headers = well.signed_in(users[role])
        return request(well.url, method, f"/account/v1/keys{path}", body, headers=headers)

    own = account(Role.MEMBER, "POST", "", {"name": "own"}).json["data"]
    assert own["creator_user_id"] == users[Role.MEMBER].id
    other = account(Role.OWNER, "POST", "", {"name": "other"}).json["data"]
    assert {each["hash"] for each in account(Role.ADMIN, "GET").json["data"]} == {own["hash"], other["hash"]}
    assert {each["hash"] for each in account(Role.MEMBER, "GET").json["data"]} == {own["hash"]}
    assert account(Role.MEMBER, "DELETE", f"/{other['hash']}", {}).status == 404
    assert account(Role.BILLING, "GET").status == 403
    assert account(Role.BILLING, "GET", f"/{own['hash']}").status == 404
    managing = {"name": "m", "kind": "provisioning"}
    assert account(Role.MEMBER, "POST", "", managing).status == 403
    made = account(Role.ADMIN, "POST", "", managing)
    assert made.json["key"].startswith("sk-or-prov-v1-")
    headers = {"authorization": f"Bearer {made.json['key']}"}
    assert request(well.url, "GET", "/api/v1/keys", headers=headers).status == 200
    assert well.chat(headers=headers).status == 403
    assert account(Role.ADMIN, "DELETE", f"/{own['hash']}", {}).status == 200


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")  # the package warns of fields that it still requires
def test_the_official_sdk(well: World, manager: Secret) -> None:
    """openrouter 1.3: create, list, get, update, delete, with its strict response types."""
    with openrouter(well, manager) as client:
        made = client.api_keys.create(name="SDK", limit=2.5, limit_reset="monthly", include_byok_in_limit=False)
        assert made.key.startswith("sk-or-v1-")
        assert (made.data.limit, made.data.limit_reset) == (2.5, "monthly")
        hash_ = made.data.hash
        assert hash_ in {each.hash for each in client.api_keys.list(include_disabled=True).data}
        assert client.api_keys.get(hash=hash_).data.name == "SDK"
        assert client.api_keys.update(hash=hash_, disabled=True).data.disabled
        assert client.api_keys.delete(hash=hash_).DELETED
        assert client.api_keys.get_current_key_metadata().data.is_management_key
