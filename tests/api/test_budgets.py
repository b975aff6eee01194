"""`/workspaces/{id}/budgets`: set, shown, taken away, and obeyed by the next request of whichever key."""

from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import Answer, Secret, World, ask, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}


@pytest.fixture(scope="module")
def manager(well: World) -> Secret:
    return well.new_key("thrifty", **PROVISIONING)


def budgets(world: World, who: Secret, method: str, interval: str = "", body: Any = None) -> Answer:
    path = f"/api/v1/workspaces/thrifty/budgets{interval and '/'}{interval}"
    return request(world.url, method, path, body, headers=who.headers)


def test_budgets_are_obeyed(well: World, manager: Secret) -> None:
    """Keys of the workspace spend together; the broadest budget that is spent is named; raised, it lets through."""
    one, other = well.new_key("thrifty", credits_usd="5"), well.new_key("thrifty")
    assert well.chat(headers=one.headers).status == 200
    well.settled()
    spent = request(well.url, "GET", f"/api/v1/keys/{one.key.id}", headers=manager.headers).json["data"]["usage"]
    assert budgets(well, manager, "PUT", "monthly", {"limit_usd": spent}).json["data"]["reset_interval"] == "monthly"
    assert budgets(well, manager, "PUT", "daily", {"limit_usd": round(spent / 2, 9)}).status == 200
    for key in (one, other):
        refused = well.chat(headers=key.headers)
        assert (refused.status, "workspace's monthly budget is spent" in refused.error["message"]) == (403, True)
    assert budgets(well, manager, "PUT", "monthly", {"limit_usd": 2}).status == 200
    dry = request(well.url, "POST", "/api/v1/route", ask(), headers=other.headers)
    assert (dry.status, "daily budget" in dry.text) == (200, True)
    assert "daily budget" in well.chat(headers=other.headers).error["message"]
    assert budgets(well, manager, "PUT", "daily", {"limit_usd": 1}).status == 200
    assert well.chat(headers=other.headers).status == 200
    tight = budgets(well, manager, "PUT", "daily", {"limit_usd": round(spent * 2 + 0.000001, 9)})
    assert tight.status == 200
    well.settled()
    could = well.chat(headers=other.headers)
    assert (could.status, "left of the workspace's daily budget" in could.error["message"]) == (403, True)
    assert budgets(well, manager, "DELETE", "daily").json == {"deleted": True}
    assert budgets(well, manager, "DELETE", "daily").json == {"deleted": True}
    assert well.chat(headers=one.headers).status == 200
    assert budgets(well, manager, "GET", "daily").status == 404
    assert [each["reset_interval"] for each in budgets(well, manager, "GET").json["data"]] == ["monthly"]
    assert budgets(well, manager, "DELETE", "monthly").status == 200


@pytest.mark.parametrize(
    ("interval", "body", "said"),
    [
        ("hourly", {"limit_usd": 1}, "interval"),
        ("daily", {}, "limit_usd"),
        ("daily", {"limit_usd": 0}, "limit_usd"),
        ("daily", {"limit_usd": -1}, "limit_usd"),
        ("daily", {"limit_usd": "NaN"}, "limit_usd"),
        ("daily", {"limit_usd": 1e300}, "limit_usd"),
        ("daily", {"limit_usd": 50}, "below the weekly"),
        ("lifetime", {"limit_usd": 50}, "must be below the lifetime"),
        ("daily", {"limit_usd": 1, "include_byok_in_budgets": "often"}, "include_byok"),
        ("daily", {"limit_usd": 1, "include_byok_in_budgets": None}, "include_byok"),
    ],
)
def test_bad_budgets(well: World, manager: Secret, interval: str, body: Any, said: str) -> None:
    """A 400 that names what is wrong; nothing is kept."""
    assert budgets(well, manager, "PUT", "weekly", {"limit_usd": 50}).status == 200
    answer = budgets(well, manager, "PUT", interval, body)
    assert (answer.status, said in answer.error["message"]) == (400, True), answer.text
    assert [each["reset_interval"] for each in budgets(well, manager, "GET").json["data"]] == ["weekly"]


def test_who_may(well: World) -> None:
    """Members see budgets, who manages sets them; to others there is no such workspace."""
    users = {role: well.new_user(f"budgets-{role.value}", role, "thrifty") for role in Role}
    path = "/account/v1/workspaces/thrifty/budgets"
    for role, user in users.items():
        headers = well.signed_in(user)
        may = 200 if role in (Role.OWNER, Role.ADMIN) else 403
        assert request(well.url, "GET", path, headers=headers).status == 200
        assert request(well.url, "PUT", f"{path}/lifetime", {"limit_usd": 100}, headers=headers).status == may
        assert request(well.url, "DELETE", f"{path}/lifetime", {}, headers=headers).status == may
    stranger = well.new_key("strangers-budgets", **PROVISIONING)
    for method, interval in (("GET", ""), ("GET", "weekly"), ("PUT", "weekly"), ("DELETE", "weekly")):
        assert budgets(well, stranger, method, interval, {"limit_usd": 1}).status == 404


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")  # the package warns of fields that it still requires
def test_the_official_sdk(well: World, manager: Secret) -> None:
    """openrouter 1.3: list, set, get and delete budgets, with its strict response types."""
    with openrouter(well, manager) as client:
        made = client.workspaces.set_budget(workspace_ref="thrifty", interval="lifetime", limit_usd=99.5)
        assert (made.data.limit_usd, made.data.reset_interval) == (99.5, None)
        assert client.workspaces.get_budget(workspace_ref="thrifty", interval="lifetime").data.id == made.data.id
        assert made.data.id in {each.id for each in client.workspaces.list_budgets(workspace_ref="thrifty").data}
        assert client.workspaces.delete_budget(workspace_ref="thrifty", interval="lifetime").DELETED
