"""`/chat` and `/playground` as the server sends them: for whom, with what in them, and with which cookie."""

from collections.abc import Iterator

import pytest

from tests.api.browsing import Browser
from tests.support import World, offer, world
from tests.web.site import Looked
from tollway.config import Server
from tollway.domain.people import Role
from tollway.domain.storefronts import Guest
from tollway.identity.guest import COOKIE, visitor_of


@pytest.fixture(scope="module")
def club() -> Iterator[World]:
    """A site that is reached over https, with one model for guests."""
    with world(
        offer("test/model"),
        offer("test/free", free=True),
        guest=Guest(models=("test/free",), output_max=100),
        server=Server(port=0, public_url="https://club.example"),
    ) as it:
        yield it


def room_of(page: str) -> dict[str, str | None]:
    """What the page tells its program."""
    return next(attributes for _, attributes in Looked(page).tags if attributes.get("id") == "chat")


def test_the_room_is_for_who_is_signed_in(well: World) -> None:
    """Signing in leads back, with what was asked for; the page has a proof and no key, and is kept nowhere."""
    nobody = Browser(well)
    away = nobody.get("/chat?model=a/b")
    assert (away.status, away.headers["location"]) == (303, "/sign-in?next=%2Fchat%3Fmodel%3Da%2Fb")
    user = well.new_user("chatter", Role.OWNER, "chatters")
    browser = Browser(well)
    headers = well.signed_in(user)
    browser.cookie = headers["cookie"]
    page = browser.get("/chat")
    assert (page.status, page.headers["cache-control"]) == (200, "no-store")
    room = room_of(page.text)
    assert (room["data-url"], room["data-workspace"]) == ("/chat/completions", "chatters")
    assert (room["data-csrf"], room["data-owner"]) == (headers["x-csrf-token"], user.id)
    assert "data-guest" not in room
    assert "sk-" not in page.text
    assert "require-trusted-types-for 'script'" in page.headers["content-security-policy"]


def test_the_workspace_that_is_named(well: World) -> None:
    """One's own; another's is like one that is not there; a role that may not ask is told so."""
    user = well.new_user("chatter-b", Role.OWNER, "chatters-b")
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    assert room_of(browser.get("/chat?workspace=chatters-b").text)["data-workspace"] == "chatters-b"
    assert [browser.get(f"/chat?workspace={name}").status for name in ("home", "nowhere", "a&workspace=b")] == [
        404, 404, 400,
    ]  # fmt: skip
    payer = well.new_user("chatter-payer", Role.BILLING, "chatters-b")
    browser.cookie = well.signed_in(payer)["cookie"]
    assert browser.get("/chat?workspace=chatters-b").status == 403


def test_the_playground_knows_a_visitor_again(club: World) -> None:
    """A cookie of ours, set once, over https only there; the page names the models and the limits."""
    browser = Browser(club)
    page = browser.get("/playground")
    assert page.status == 200
    cookie = page.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict"))
    value = cookie.partition(";")[0].removeprefix(f"{COOKIE}=")
    assert visitor_of(value, club.house.pepper)
    room = room_of(page.text)
    assert (room["data-models"], room["data-url"]) == ("test/free", "/api/v1/guest/chat/completions")
    assert "data-csrf" not in room
    assert "2 requests a minute, answers of at most 100 tokens" in page.text
    assert "set-cookie" not in browser.get("/playground").headers
    browser.cookie = f"{COOKIE}=0123.forged"
    assert "set-cookie" in browser.get("/playground").headers
    assert "/playground" in browser.get("/").text


def test_no_playground_without_guests(well: World) -> None:
    """Where nobody may ask without an account the page says so: no program, no cookie."""
    page = Browser(well).get("/playground")
    assert page.status == 200
    assert "lets nobody ask without an account" in page.text
    assert "set-cookie" not in page.headers
    assert not [attributes for tag, attributes in Looked(page.text).tags if tag == "script"]
    assert "/playground" not in Browser(well).get("/").text
