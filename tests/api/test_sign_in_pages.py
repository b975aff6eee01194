"""Pages through which people come in, as a browser without scripts uses them: setup, sign-up, sign-in, join."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from tests.api.browsing import FORM, Browser, fields_of
from tests.support import World, request, world
from tests.web.site import Looked
from tollway.domain.people import Actor, Role, SignUp
from tollway.identity.passwords import Passwords
from tollway.identity.people import Welcome
from tollway.storage.database import StorageError
from tollway.storage.members import memberships_of

PASSWORD = "correct horse"
ADMIN = Actor("admin", {}, operator=True)
PAGES = ("/setup", "/sign-up", "/sign-in", "/join")


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server of its own, for the first admin; passwords cost nothing."""
    with world() as it:
        it.house.people.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield it


@pytest.fixture(autouse=True)
def patient(town: World) -> None:
    """Tests sign in more often than people may."""
    town.house.people.passwords._buckets._empty_at.clear()


@pytest.fixture(scope="module")
def admin(town: World) -> str:
    """The first admin's e-mail address: their browser came by the setup's link."""
    browser = Browser(town)
    token = town.run(town.house.people.setup_token(town.house.gateway.now_ms()))
    page = browser.get("/setup")
    assert "x-secret" in page.text
    wrong = browser.submit(page, "/setup", token="x", email="ada@example.com", password=PASSWORD)
    assert wrong.status == 403
    assert fields_of(wrong, "/setup")["email"] == "ada@example.com"
    assert PASSWORD not in wrong.text
    done = browser.submit(wrong, "/setup", token=token, password=PASSWORD, name="<b>Ada</b>")
    assert (done.status, done.headers["location"]) == (303, "/admin/setup")
    assert browser.get("/sign-in").status == 303
    return "ada@example.com"


def signed_in(town: World, email: str) -> Browser:
    browser = Browser(town)
    answer = browser.submit(browser.get("/sign-in"), "/sign-in", email=email, password=PASSWORD)
    assert answer.status == 303, answer.text
    return browser


def invitation(town: World, welcome: Welcome) -> str:
    return town.run(town.house.people.invite(ADMIN, welcome, town.house.gateway.now_ms()))


@pytest.mark.parametrize("path", PAGES)
def test_pages(town: World, path: str) -> None:
    """Kept by no cache, with the site's policy; nothing inline; every field has a label; no foreign address."""
    for answer in (Browser(town).get(path), request(town.url, "HEAD", path)):
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "form-action 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "same-origin"
    looked = Looked(Browser(town).get(path).text)
    assert not [each for each in looked.all("script") if "src" not in each]
    assert not [each for _, each in looked.tags if "style" in each or any(name.startswith("on") for name in each)]
    assert all(url.startswith("/") for url in looked.urls())
    for url in looked.urls():
        assert request(town.url, "GET", url, headers={"accept": "text/html"}).status in (200, 303, 405), url
    assert request(town.url, "DELETE", path).status == 405


def test_signing_in_and_out(town: World, admin: str) -> None:
    """The cookie is for us alone; a wrong password keeps the address; signing out ends the session on our side."""
    browser = Browser(town)
    page = browser.get("/sign-in?next=%2Fauth%3Fx%3D1")
    wrong = browser.submit(page, "/sign-in", email=admin, password="wrong wrong")
    assert (wrong.status, browser.cookie) == (401, "")
    assert "The e-mail address or the password is wrong." in wrong.text
    right = browser.submit(wrong, "/sign-in", password=PASSWORD)
    assert (right.status, right.headers["location"]) == (303, "/auth?x=1")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(right.headers["set-cookie"].split("; "))
    [first] = [each for each in (browser.cookie,) if each]
    again = browser.submit(page, "/sign-in", email=admin, password=PASSWORD)
    assert again.status == 303
    assert browser.cookie != first
    old = Browser(town, {"cookie": first})
    assert old.get("/sign-in").status == 200
    token = fields_of(browser.get("/join"), "/sign-out")["csrf"]
    assert browser.post("/sign-out", csrf="x").status == 403
    cookie = browser.cookie
    out = browser.post("/sign-out", csrf=token, next="/join")
    assert (out.headers["location"], browser.cookie) == ("/sign-in?next=%2Fjoin", "")
    assert Browser(town, {"cookie": cookie}).get("/sign-in").status == 200


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/auth\\x", "/nowhere", "javascript:x", "/auth\r\nx"],
)
def test_where_it_goes_on(town: World, admin: str, wanted: str) -> None:
    """Only to a page of ours that is on the list."""
    browser = Browser(town)
    answer = browser.post("/sign-in", email=admin, password=PASSWORD, next=wanted)
    assert (answer.status, answer.headers["location"]) == (303, "/overview")


def test_forms_of_other_sites(town: World, admin: str) -> None:
    """A form that the browser says is another site's, or says nothing of, or of another kind, is refused."""
    fields = {"email": admin, "password": PASSWORD}
    host = town.url.removeprefix("http://")
    for headers, status in (
        ({"content-type": FORM, "sec-fetch-site": "cross-site"}, 403),
        ({"content-type": FORM, "sec-fetch-site": "same-site"}, 403),
        ({"content-type": FORM}, 403),
        ({"content-type": FORM, "origin": "null"}, 403),
        ({"content-type": FORM, "origin": "https://evil.example"}, 403),
        ({"content-type": "text/plain", "sec-fetch-site": "same-origin"}, 403),
        ({"content-type": FORM, "origin": f"http://{host}"}, 303),
    ):
        answer = Browser(town).post("/sign-in", headers, **fields)
        assert answer.status == status, headers
        assert "tollway" not in answer.headers.get("set-cookie", "") or status == 303


def test_forms_that_are_none(town: World) -> None:
    """A field twice, no UTF-8, too much of it: a page that says so."""
    headers = {"content-type": FORM, "sec-fetch-site": "same-origin"}
    for body, status in ((b"email=a&email=b", 400), (b"\xff", 400), (b"a=b&" * 60, 400), (b"a" * 20_000, 413)):
        answer = request(town.url, "POST", "/sign-in", body, headers=headers)
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize("sign_up", ["open", "invite", "off"])
def test_signing_up(town: World, monkeypatch: pytest.MonkeyPatch, sign_up: SignUp) -> None:
    """Open: a form. By invitation: with its secret. Off: no form; an invitation lets in all the same."""
    monkeypatch.setattr(town.house.people, "policy", sign_up)
    email = f"{sign_up}@example.com"
    person = {"email": email, "password": PASSWORD, "name": "N"}
    browser = Browser(town)
    alone = browser.post("/sign-up", **person)
    assert alone.status == (303 if sign_up == "open" else 403)
    if sign_up == "open":
        assert browser.submit(browser.get("/join"), "/join", token="x").status == 404
        assert Browser(town).post("/sign-up", **person).status == 400
        return
    page = browser.get("/join")
    assert "token" in fields_of(page, "/sign-up")
    assert browser.submit(page, "/sign-up", token="x", **person).status == 403
    answer = browser.submit(page, "/sign-up", token=invitation(town, Welcome(email=email)), **person)
    assert answer.status == 303
    assert answer.headers["location"] == "/overview"
    assert browser.get("/sign-in").status == 303


def test_joining(town: World, admin: str) -> None:
    """Who is signed in takes an invitation with a click, once; who is not is asked to come in first."""
    user = town.new_user("joiner", Role.OWNER, "joiners")
    browser = Browser(town)
    browser.cookie = town.signed_in(user)["cookie"]
    town.new_user("host", Role.OWNER, "hosts")
    token = invitation(town, Welcome(workspace_id="hosts", role=Role.BILLING))
    page = browser.get("/join")
    assert "Join as joiner@example.com" in page.text
    assert browser.submit(page, "/join", token=token, csrf="x").status == 403
    assert Browser(town).post("/join", token=token).headers["location"] == "/sign-in?next=%2Fjoin"
    assert browser.submit(page, "/join", token=token).status == 303
    roles = {each.workspace_id: each.role for each in town.run(memberships_of(town.house.database, user.id))}
    assert roles["hosts"] is Role.BILLING
    again = browser.submit(page, "/join", token=token)
    assert again.status == 404
    assert 'role="alert"' in again.text


def test_the_database_is_away(town: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with a 503, not a 500."""

    async def away(*_: object, **__: object) -> None:
        raise StorageError("postgres://user:password@10.0.0.1/")

    monkeypatch.setattr(town.house.people, "sign_in", away)
    answer = Browser(town).post("/sign-in", email="a@example.com", password=PASSWORD)
    assert answer.status == 503
    assert "10.0.0.1" not in answer.text
