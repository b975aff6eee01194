"""`/account` and `/password`, as a browser without scripts uses them: name, address, password, browsers, links."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from tests.api.browsing import FORM, Browser, asks_first, fields_of
from tests.support import World, world
from tests.web.site import Looked
from tollway.config import Users
from tollway.domain.issuers import Identity
from tollway.domain.people import User
from tollway.identity.passwords import Passwords
from tollway.storage.audit_log import list_entries
from tollway.storage.database import Statement
from tollway.storage.users import find_user, new_identity

PASSWORD = "correct horse"
POSTS = (
    "/account/profile",
    "/account/password",
    "/account/unlink",
    "/account/sign-out",
    "/account/passkeys/name",
    "/account/passkeys/remove",
)


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    with world(settings={"users": Users("open")}) as it:
        it.house.people.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield it


def be_patient(town: World) -> None:
    """Tests sign in more often than people may."""
    town.house.people.passwords._buckets._empty_at.clear()


@pytest.fixture(autouse=True)
def patient(town: World) -> None:
    be_patient(town)


def a_user(town: World, name: str) -> User:
    people = town.house.people
    return town.run(people.sign_up(f"{name}@example.com", PASSWORD, name, town.house.gateway.now_ms()))


def entered(town: World, email: str, password: str = PASSWORD) -> Browser:
    browser = Browser(town)
    answer = browser.submit(browser.get("/sign-in"), "/sign-in", email=email, password=password, next="/account")
    assert (answer.status, answer.headers.get("location")) == (303, "/account")
    return browser


def make_stale(town: World, user: User) -> None:
    """The user's sessions are 16 minutes old."""
    old = Statement("UPDATE sessions SET fresh_ms = fresh_ms - 960000 WHERE user_id = :id", ({"id": user.id},))
    town.run(town.house.database.write(old))


def test_the_page(town: World) -> None:
    """For who is signed in; nothing inline, kept by no cache; others are sent to sign in and come back."""
    a_user(town, "page")
    stranger = Browser(town).get("/account")
    assert (stranger.status, stranger.headers["location"]) == (303, "/sign-in?next=%2Faccount")
    answer = entered(town, "page@example.com").get("/account")
    assert answer.headers["cache-control"] == "no-store"
    looked = Looked(answer.text)
    assert not [each for each in looked.all("script") if "src" not in each]
    assert not [each for _, each in looked.tags if "style" in each or any(name.startswith("on") for name in each)]
    assert all(url.startswith("/") for url in looked.urls())


@pytest.mark.parametrize("path", POSTS)
def test_forms_of_others(town: World, path: str) -> None:
    """Without a session, without its token, from another site: refused, and nothing is changed."""
    user = town.run(find_user(town.house.database, a_user(town, f"forms{path.rpartition('/')[2]}").id))
    assert user is not None
    browser = entered(town, user.email)
    token = fields_of(browser.get("/account"), "/account/profile")["csrf"]
    fields = {"name": "Eve", "email": "eve@example.com", "new": "another one"}
    assert Browser(town).post(path, csrf=token, **fields).status == 403
    assert browser.post(path, csrf="x", **fields).status == 403
    for headers in ({"sec-fetch-site": "cross-site"}, {}):
        assert browser.post(path, {"content-type": FORM, **headers}, csrf=token, **fields).status == 403
    assert town.run(find_user(town.house.database, user.id)) == user


def test_name_and_address(town: World) -> None:
    """Both change; a new address is not verified, is nobody else's, and wants a sign-in of the last 15 minutes."""
    user = a_user(town, "before")
    a_user(town, "taken")
    browser = entered(town, user.email)
    page = browser.get("/account")
    path = "/account/profile"
    for email, status in (("taken@example.com", 400), ("none", 400)):
        assert browser.submit(page, path, name="B", email=email).status == status
    assert browser.submit(page, path, name="<b>B", email=" After@example.com").status == 303
    found = town.run(find_user(town.house.database, user.id))
    assert found is not None
    assert (found.name, found.email, found.email_verified) == ("<b>B", "after@example.com", False)
    assert "<b>B" not in browser.get("/account").text
    make_stale(town, user)
    assert browser.submit(page, path, name="C", email="after@example.com").status == 303
    refused = browser.submit(page, path, name="C", email="third@example.com")
    assert refused.status == 403
    assert "last 15 minutes" in refused.text
    assert next(each.action for each in town.run(list_entries(town.house.database))) == "user.changed"


def test_password(town: World) -> None:
    """By the old one; other browsers are signed out, this one is not."""
    a_user(town, "words")
    browser, other = entered(town, "words@example.com"), entered(town, "words@example.com")
    page = browser.get("/account")
    wrong = browser.submit(page, "/account/password", old="wrong wrong", new="another one")
    assert (wrong.status, "another one" in wrong.text) == (401, False)
    assert browser.submit(page, "/account/password", old=PASSWORD, new="short").status == 400
    assert other.get("/account").status == 200
    assert browser.submit(page, "/account/password", old=PASSWORD, new="another one").status == 303
    assert (browser.get("/account").status, other.get("/account").status) == (200, 303)
    be_patient(town)
    entered(town, "words@example.com", "another one")


def test_a_first_password(town: World) -> None:
    """Who came by an issuer sets one without an old one, soon after that; then the issuer can be removed."""
    identity = Identity("https://issuer.example", "1", "first@example.com", "First")
    user = town.run(town.house.people.come_in(identity, town.house.gateway.now_ms()))
    headers = town.signed_in(user)
    browser = Browser(town)
    browser.cookie = headers["cookie"]
    page = browser.get("/account")
    assert asks_first(page, "/account/unlink")
    unlink = browser.submit(page, "/account/unlink")
    assert unlink.status == 400
    assert "could not sign in any more" in unlink.text
    make_stale(town, user)
    assert browser.submit(page, "/account/password", new="a first one").status == 401
    browser.cookie = town.signed_in(user)["cookie"]
    page = browser.get("/account")
    assert browser.submit(page, "/account/password", new="a first one").status == 303
    page = browser.get("/account")
    assert browser.submit(page, "/account/unlink", issuer="https://other.example").status == 404
    assert browser.submit(page, "/account/unlink").status == 303
    assert "https://issuer.example" not in browser.get("/account").text
    again = new_identity(user.id, "https://issuer.example", "1", 1)  # free again
    town.run(town.house.database.write(again))


def test_browsers(town: World) -> None:
    """Each is listed and can be signed out, or all but this one; another user's can't."""
    a_user(town, "many")
    mine = [entered(town, "many@example.com") for _ in range(4)]
    stranger = a_user(town, "stranger")
    theirs = entered(town, stranger.email)
    page = mine[0].get("/account")
    assert page.text.count("this one") == 1
    [theirs_id] = [each.id for each in town.run(town.house.people.sessions.list(stranger.id))]
    token = fields_of(page, "/account/profile")["csrf"]
    assert mine[0].post("/account/sign-out", csrf=token, session=theirs_id).status == 303
    assert theirs.get("/account").status == 200
    ids = [each.get("value") for tag, each in Looked(page.text).tags if each.get("name") == "session"]
    assert len(ids) == 4
    own = [each.id for each in town.run(town.house.people.sessions.list(stranger.id))]
    assert not set(own) & set(ids)
    assert mine[0].post("/account/sign-out", csrf=token, session=ids[1]).status == 303
    assert sum(each.get("/account").status == 200 for each in mine) == 3
    assert mine[0].post("/account/sign-out", csrf=token).status == 303
    assert [each.get("/account").status for each in mine] == [200, 303, 303, 303]


def test_a_link_for_a_new_password(town: World) -> None:
    """Works once and for who has it, signs out everywhere else; a wrong one keeps nothing and says what to do."""
    user = a_user(town, "forgot")
    other = entered(town, user.email)
    now_ms = town.house.gateway.now_ms()
    token = town.run(town.house.people.password_link(user, now_ms))
    browser = Browser(town)
    page = browser.get("/password")
    assert "x-secret" in page.text
    for fields, status in (({"token": "x", "new": "a new one!"}, 404), ({"token": token, "new": "short"}, 400)):
        wrong = browser.submit(page, "/password", **fields)
        assert wrong.status == status
        assert token not in wrong.text
    done = browser.submit(page, "/password", token=token, new="a new one!")
    assert (done.status, done.headers["location"]) == (303, "/account")
    assert browser.get("/account").status == 200
    assert other.get("/account").status == 303
    assert Browser(town).submit(page, "/password", token=token, new="a third one").status == 404
    late = town.run(town.house.people.password_link(user, now_ms - 3_600_000))
    assert Browser(town).submit(page, "/password", token=late, new="a third one").status == 404
    entered(town, user.email, "a new one!")
