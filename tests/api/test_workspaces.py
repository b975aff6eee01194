"""`/api/v1/workspaces` and `/account/v1/workspaces`: places, their settings and members, by those who may."""

from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import Answer, Secret, World, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role, User

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    return well.new_user("founder", Role.OWNER, "founders")


@pytest.fixture(scope="module")
def manager(well: World, owner: User) -> Secret:
    """A provisioning key that the owner made."""
    return well.new_key("founders", creator=owner, **PROVISIONING)


def places(world: World, who: Secret | User, method: str, path: str = "", body: Any = None) -> Answer:
    door, headers = ("api", who.headers) if isinstance(who, Secret) else ("account", world.signed_in(who))
    return request(world.url, method, f"/{door}/v1/workspaces{path}", body, headers=headers)


def test_a_workspace_from_birth_to_death(well: World, manager: Secret, owner: User) -> None:
    """Made, found by id and slug, its settings obeyed by the next request, deleted once nothing is left in it."""
    made = places(well, manager, "POST", "", {"name": "Lab", "slug": "lab", "default_text_model": "test/model"})
    assert made.status == 201
    data = made.json["data"]
    assert (data["name"], data["slug"], data["created_by"]) == ("Lab", "lab", owner.id)
    assert places(well, manager, "GET", "/lab").json == places(well, manager, "GET", f"/{data['id']}").json
    listed = places(well, owner, "GET").json
    assert [each["slug"] for each in listed["data"]] == ["founders", "lab"]
    assert listed["total_count"] == 2
    assert [each["slug"] for each in places(well, owner, "GET", "?offset=1&limit=1").json["data"]] == ["lab"]
    key = well.new_key(data["id"], credits_usd="1")
    assert well.chat(model=None, headers=key.headers).status == 200
    change = {"provider": {"ignore": ["a"], "zdr": True}, "default_provider_sort": "price", "name": "Laboratory"}
    changed = places(well, manager, "PATCH", "/lab", change).json["data"]
    assert changed["provider"] == {"ignore": ["a"], "zdr": True, "sort": "price"}
    assert (changed["default_provider_sort"], changed["name"]) == ("price", "Laboratory")
    refused = well.chat(model=None, headers=key.headers)
    assert refused.status == 404
    assert "the workspace's ignored providers" in refused.error["message"]
    assert (
        places(well, manager, "PATCH", "/lab", {"provider": None, "description": "x"}).json["data"]["provider"] is None
    )
    assert well.chat(model=None, headers=key.headers).status == 200
    assert "keys" in places(well, manager, "DELETE", "/lab").error["message"]
    path = f"/api/v1/keys/{key.key.id}"
    assert request(well.url, "PATCH", path, {"disabled": True}, headers=manager.headers).status == 200
    left = places(well, manager, "DELETE", "/lab")
    assert (left.status, "credits" in left.error["message"]) == (400, True)
    assert places(well, manager, "POST", "", {"name": "Empty", "slug": "empty"}).status == 201
    assert places(well, manager, "DELETE", "/empty").json == {"deleted": True}
    assert places(well, manager, "GET", "/empty").status == 404
    assert places(well, manager, "POST", "", {"name": "Again", "slug": "empty"}).status == 201


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"slug": "x"}, "name"),
        ({"name": "", "slug": "x"}, "name"),
        ({"name": "n", "slug": "Not A Slug"}, "slug"),
        ({"name": "n", "slug": "s" * 51}, "slug"),
        ({"name": "n", "slug": "founders"}, "taken"),
        ({"name": "n", "slug": "x", "description": "d" * 501}, "description"),
        ({"name": "n", "slug": "x", "default_text_model": "@preset/x"}, "default_text_model"),
        ({"name": "n", "slug": "x", "default_provider_sort": "luck"}, "default_provider_sort"),
        ({"name": "n", "slug": "x", "provider": {"nothing": 1}}, "provider.nothing"),
        ({"name": "n", "slug": "x", "provider": {"zdr": "maybe"}}, "zdr"),
        ({"name": "n", "slug": "x", "provider": {"max_price": {"prompt": "much"}}}, "max_price"),
        ({"name": "n", "slug": "x", "default_image_model": "a/b"}, "default_image_model"),
        ({"name": "n", "slug": "x", "is_observability_broadcast_enabled": True}, "broadcast"),
    ],
)
def test_bad_workspaces(well: World, manager: Secret, body: Any, said: str) -> None:
    """A 400 that names what is wrong; what is not built is refused and not forgotten."""
    answer = places(well, manager, "POST", "", body)
    assert answer.status == 400
    assert said in answer.error["message"]
    assert places(well, manager, "GET", "/x").status == 404


@pytest.mark.parametrize("query", ["offset=-1", "limit=0", "limit=101", "limit=x", "offset=99999999999"])
def test_bad_pages(well: World, manager: Secret, query: str) -> None:
    for path in ("", "/founders/members"):
        assert places(well, manager, "GET", f"{path}?{query}").status == 400


def test_another_tenant(well: World, manager: Secret) -> None:
    """A workspace that one is not in is like an absent one, byte for byte, for whatever one wants of it."""
    stranger = well.new_key("elsewhere", **PROVISIONING)
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("GET", "/members", None),
        ("POST", "/members/add", {"user_ids": ["x"]}),
        ("POST", "/members/remove", {"user_ids": ["x"]}),
    ):
        theirs = places(well, stranger, method, f"/founders{path}", body)
        nobodys = places(well, stranger, method, f"/none-such{path}", body)
        assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
        assert theirs.status == 404
    assert [each["id"] for each in places(well, stranger, "GET").json["data"]] == ["elsewhere"]
    assert places(well, stranger, "POST", "", {"name": "n", "slug": "nobodys"}).status == 403
    assert places(well, manager, "GET", "/founders").json["data"]["name"] == "founders"


def test_roles(well: World) -> None:
    """Members see, those who manage change; only owners delete and make owners; personal places stay."""
    users = {role: well.new_user(f"places-{role.value}", role, "crew") for role in Role}
    for role in Role:
        assert places(well, users[role], "GET", "/crew").status == 200
        may = 200 if role in (Role.OWNER, Role.ADMIN) else 403
        assert places(well, users[role], "PATCH", "/crew", {"description": role.value}).status == may
        assert places(well, users[role], "GET", "/crew/members").json["total_count"] == 4
    member = users[Role.MEMBER].id
    for role, status in ((Role.MEMBER, 403), (Role.BILLING, 403), (Role.ADMIN, 403), (Role.OWNER, 200)):
        promote = {"user_ids": [member], "role": "owner"}
        assert places(well, users[role], "POST", "/crew/members/add", promote).status == status
        if role is not Role.OWNER:
            assert places(well, users[role], "DELETE", "/crew", {}).status == 403
    assert places(well, users[Role.OWNER], "DELETE", "/crew", {}).status == 200


def test_members(well: World, manager: Secret, owner: User) -> None:
    """Whom one meets elsewhere is added, a stranger is not; who has keys stays, the last owner too; others may go."""
    friend, stranger = well.new_user("friend", Role.MEMBER, "founders"), well.new_user("far", Role.OWNER, "away")
    assert places(well, manager, "POST", "", {"name": "Club", "slug": "club"}).status == 201

    def add(*ids: str, **more: Any) -> Answer:
        return places(well, manager, "POST", "/club/members/add", {"user_ids": ids, **more})

    def remove(*ids: str) -> Answer:
        return places(well, manager, "POST", "/club/members/remove", {"user_ids": ids})

    for wrong in ((stranger.id,), ("no-such-user",), (friend.id, stranger.id)):
        assert add(*wrong).status == 404
    added = add(friend.id, friend.id).json
    assert (added["added_count"], added["data"][0]["role"], added["data"][0]["email"]) == (1, "member", friend.email)
    assert add(friend.id, owner.id).json["added_count"] == 0
    seen = {each["user_id"]: each for each in places(well, friend, "GET", "/club/members").json["data"]}
    assert (seen[owner.id]["role"], seen[owner.id]["workspace_role"]) == ("admin", "owner")
    assert add(friend.id, role="billing").json["data"][0]["workspace_role"] == "billing"
    assert add(friend.id, role="king").status == 400
    assert add(friend.id, role="member").json["added_count"] == 0
    assert add().status == 400
    club = places(well, manager, "GET", "/club").json["data"]["id"]
    key = well.new_key(club, creator=friend)
    assert "keys" in remove(friend.id).error["message"]
    assert "keys" in add(friend.id, role="billing").error["message"]
    path = f"/api/v1/keys/{key.key.id}"
    assert request(well.url, "DELETE", path, headers=manager.headers).status == 200
    assert remove(friend.id, "nobody").json == {"removed_count": 1}
    assert places(well, friend, "GET", "/club").status == 404
    assert remove(owner.id).status == 403  # a key manages; it is no owner
    alone = places(well, owner, "POST", "/club/members/remove", {"user_ids": [owner.id]})
    assert (alone.status, "owner" in alone.error["message"]) == (400, True)
    assert add(friend.id).json["added_count"] == 1
    assert places(well, friend, "POST", "/club/members/remove", {"user_ids": [friend.id]}).json["removed_count"] == 1


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")  # the package warns of fields that it still requires
def test_the_official_sdk(well: World, manager: Secret, owner: User) -> None:
    """openrouter 1.3: workspaces and members, with its strict response types."""
    with openrouter(well, manager) as client:
        made = client.workspaces.create(name="SDK", slug="sdk-place", default_text_model="test/model")
        assert made.data.default_text_model == "test/model"
        listed = client.workspaces.list(limit=100)
        assert listed is not None
        assert made.data.id in {each.id for each in listed.result.data}
        assert client.workspaces.get(id="sdk-place").data.created_by == owner.id
        assert (
            client.workspaces.update(id="sdk-place", name="SDK 2", default_provider_sort="price").data.name == "SDK 2"
        )
        found = client.workspaces.list_members(id="sdk-place")
        assert found is not None
        assert [each.user_id for each in found.result.data] == [owner.id]
        assert client.workspaces.bulk_add_members(id="sdk-place", user_ids=[owner.id]).added_count == 0
        assert client.workspaces.bulk_remove_members(id="sdk-place", user_ids=["nobody"]).removed_count == 0
        assert client.workspaces.delete(id="sdk-place").DELETED
