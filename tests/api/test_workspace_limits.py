"""A workspace's own requests per minute: set by an admin, in force with the next request, nobody else's business."""

from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.api.test_admin_pages import entries, signed
from tests.support import World, request
from tollway.domain.people import Role


@pytest.fixture(scope="module")
def chief(well: World) -> dict[str, str]:
    """The headers of an admin who signed in just now."""
    return well.signed_in(well.new_user("rate-chief", Role.OWNER, "rate-house", admin=True))


def limit(world: World, headers: dict[str, str], place: str, body: Any) -> Any:
    return request(world.url, "POST", f"/admin/v1/workspaces/{place}/limit", body, headers=headers)


def test_in_force_with_the_next_request(well: World, chief: dict[str, str]) -> None:
    """No limit is configured, and the key is in memory: the admin's is met at once, by all keys of the workspace."""
    one, other = (well.new_key("rated", credits_usd="1") for _ in range(2))
    free = well.new_key("unrated", credits_usd="1")
    assert [well.chat(headers=one.headers).status for _ in range(4)] == [200] * 4
    done = limit(well, chief, "rated", {"rpm": 2})
    assert (done.status, done.json["data"]["rpm"]) == (200, 2)
    statuses = [well.chat(headers=each.headers).status for each in (one, other, one)]
    assert statuses == [200, 200, 429]
    refused = well.chat(headers=other.headers)
    assert "requests per minute for this workspace. The limit is 2" in refused.error["message"]
    shown = request(well.url, "GET", "/api/v1/key", headers=one.headers).json["data"]["rate_limit"]
    assert (shown["requests"], shown["interval"]) == (2, "1m")
    assert well.chat(headers=free.headers).status == 200
    assert limit(well, chief, "rated", {"rpm": None}).json["data"]["rpm"] is None
    assert [well.chat(headers=one.headers).status for _ in range(3)] == [200] * 3
    assert any('"rpm":2' in each and "rated" in each for each in entries(well, "workspace.limited"))


@pytest.mark.parametrize("body", [{}, {"rpm": 0}, {"rpm": "2"}, {"rpm": 1.5}, {"rpm": 10**10}, {"rpm": 1, "x": 1}])
def test_what_is_no_limit(well: World, chief: dict[str, str], body: Any) -> None:
    assert limit(well, chief, "rate-house", body).status == 400


def test_for_admins_alone(well: World, chief: dict[str, str]) -> None:
    """Its owner cannot; no session is a 401, no such workspace a 404."""
    owner = well.signed_in(well.new_user("rate-owner", Role.OWNER, "rate-owned"))
    assert limit(well, owner, "rate-owned", {"rpm": 5}).status == 403
    assert limit(well, {}, "rate-owned", {"rpm": 5}).status == 401
    assert limit(well, chief, "no-such", {"rpm": 5}).status == 404
    assert limit(well, chief, "guests", {"rpm": 5}).status in (400, 404)


def test_on_the_page_of_a_user(well: World) -> None:
    """The form of each workspace; nothing typed takes the limit away; of two admins the second is told (409)."""
    user = well.new_user("rate-shown", Role.OWNER, "rate-shown")
    first, second = (
        signed(well, well.new_user(f"rate-{name}", Role.OWNER, "rate-admins", admin=True)) for name in ("a", "b")
    )
    page = f"/admin/users/{user.id}"
    stale = second.get(page)
    assert "as configured" in stale.text

    def send(browser: Browser, rpm: str) -> int:
        return browser.submit(browser.get(page), f"{page}/limit", rpm=rpm).status

    assert send(first, "120") == 303
    assert ">120</td>" in first.get(page).text
    assert second.submit(stale, f"{page}/limit", rpm="60").status == 409
    assert (send(first, "x"), send(first, "0"), send(first, "")) == (400, 400, 303)
    assert "as configured" in first.get(page).text
