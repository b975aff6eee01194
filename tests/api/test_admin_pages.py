"""`/admin`, as a browser without scripts uses it: who is let in, the overview, and the users with their money."""

import json
import re

import pytest

from tests.api.browsing import Browser
from tests.support import Answer, World, request
from tests.web.site import Looked
from tollway.domain.people import Role, User
from tollway.identity.sessions import FRESH_MS
from tollway.storage.audit_log import Searched, list_entries
from tollway.storage.database import Statement

HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"
PAGES = ("/admin", "/admin/users", "/admin/users.csv", "/admin/users.json")


@pytest.fixture(scope="module")
def chief(well: World) -> User:
    return well.new_user("pages-chief", Role.OWNER, "pages-house", admin=True)


@pytest.fixture
def admin(well: World, chief: User) -> Browser:
    return signed(well, chief)


def signed(well: World, user: User) -> Browser:
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    return browser


def entries(well: World, action: str) -> list[str]:
    found = well.run(list_entries(well.house.database, limit=50, searched=Searched(action=action)))
    return [f"{each.actor} {each.target} {each.details}" for each in found]


def link_of(page: Answer) -> str:
    return Looked(page.text).by_id["link"].partition("#")[2]


@pytest.mark.parametrize("path", PAGES)
def test_who_is_let_in(well: World, admin: Browser, path: str) -> None:
    """Nobody without a session, no other user, and an admin only with a sign-in of the last 15 minutes."""
    assert Browser(well).get(path).headers["location"].startswith("/sign-in?next=%2Fadmin")
    plain = signed(well, well.new_user(f"pages-plain-{PAGES.index(path)}", Role.OWNER, "pages-other"))
    assert (plain.get(path).status, "For admins only." in plain.get(path).text) == (403, True)
    answer = admin.get(path)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")


def test_an_old_sign_in_is_renewed(well: World) -> None:
    """The page asks for the password and goes on; a form that came too late did nothing, and says so."""
    user = well.new_user("pages-old", Role.OWNER, "pages-old", admin=True)
    token = well.run(well.house.people.password_link(user, well.house.gateway.now_ms()))
    password = "correct horse battery"
    well.run(well.house.people.reset_password(token, password, well.house.gateway.now_ms()))
    browser = signed(well, user)
    page = browser.get("/admin/users")
    old = Statement(
        "UPDATE sessions SET fresh_ms = fresh_ms - :ms WHERE user_id = :id", ({"ms": FRESH_MS + 1, "id": user.id},)
    )
    well.run(well.house.database.write(old))
    asked = browser.get("/admin/users?search=x")
    assert "Confirm that it is you" in asked.text
    late = browser.submit(page, "/admin/users", email="never@example.com")
    assert (late.status, "nothing was done" in late.text) == (403, True)
    assert browser.get("/admin/users.json").text.count("never@example.com") == 0
    again = browser.submit(asked, "/sign-in", password=password)
    assert (again.status, again.headers["location"]) == (303, "/admin/users")
    assert browser.get("/admin/users").status == 200


def test_forms_of_others_do_nothing(well: World, admin: Browser) -> None:
    """Of another site, of another session, of nobody, of somebody who is no admin."""
    other = signed(well, well.new_user("pages-forger", Role.OWNER, "pages-other"))
    page = admin.get("/admin/users")
    before = admin.get("/admin/users.json").json["data"]
    fields = {"email": "forged@example.com"}
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert admin.post("/admin/users", form, **fields).status == 403
    assert admin.post("/admin/users", {**form, "sec-fetch-site": "cross-site"}, **fields).status == 403
    assert admin.post("/admin/users", csrf="0" * 32, **fields).status == 403
    assert Browser(well).post("/admin/users", **fields).status == 403
    assert other.submit(page, "/admin/users", **fields).status == 403
    assert admin.get("/admin/users.json").json["data"] == before


def test_the_overview(well: World, admin: Browser) -> None:
    """What was asked, what it brought, the jobs, and what callers were refused in the last hour."""
    assert well.chat(model="openai/gpt-4o").status == 200
    assert well.chat(model="not/there").status == 400
    well.settled()
    page = admin.get("/admin")
    shown = Looked(page.text)
    assert "0024_notices.sql" in page.text or re.search(r"00\d\d_\w+\.sql", page.text)
    assert "Answers with status 400" in page.text
    assert "not checked" in page.text
    jobs = {row[0]: row[1] for row in shown.rows if len(row) == 4 and row[1] in ("on", "failed", "ended")}
    assert jobs["keep figures"] == jobs["watch prices"] == "on"
    asked = [int(row[1]) for row in shown.rows if len(row) == 5 and row[0] in ("aa", "bb")]
    assert sum(asked) >= 1
    assert "Paid by callers today" in page.text


def test_endpoints_that_are_down_are_named(failing: World) -> None:
    """A breaker that is open, and what went wrong in the last hour by its class."""
    user = failing.new_user("pages-failing", admin=True)
    for _ in range(6):
        failing.chat(model="fail/500")
    failing.chat(model="fail/429")
    failing.settled()
    page = signed(failing, user).get("/admin").text
    assert "rate limited by the provider" in page
    assert "failures in a row" in page
    assert "Attempts: provider error" in page
    assert "Attempts: rate limited (429)" in page


def test_a_user_is_made_and_comes_in(well: World, admin: Browser) -> None:
    """The link is shown once, and leads to a password; the user is found by search, and in both files."""
    made = admin.submit(admin.get("/admin/users"), "/admin/users", email="Fresh@Example.com", name="Fresh")
    assert made.status == 200
    token = link_of(made)
    assert token
    assert token not in admin.get("/admin/users/fresh@example.com").text
    comer = Browser(well)
    taken = comer.post("/password", token=token, new="long enough for this")
    assert taken.headers["location"] == "/account"
    found = admin.get("/admin/users?search=FRESH@").text
    assert "fresh@example.com" in found
    assert "pages-chief" not in Looked(found).rows[1][0]
    assert admin.get("/admin/users.json?search=fresh%40").json["data"][0]["name"] == "Fresh"
    assert "fresh@example.com" in admin.get("/admin/users.csv?search=fresh%40").text
    assert any("fresh" in each or "admin" in each for each in entries(well, "user.created"))


@pytest.mark.parametrize("email", ["", "nobody", "pages-chief@example.com"])
def test_a_user_who_can_t_be_made(well: World, admin: Browser, email: str) -> None:
    """What was typed stays."""
    answer = admin.submit(admin.get("/admin/users"), "/admin/users", email=email, name="Kept as typed")
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert "Kept as typed" in answer.text


def test_pages_of_users(well: World, admin: Browser) -> None:
    """Fifty at a time, each once, with the filters kept."""
    for number in range(52):
        well.new_user(f"pages-many-{number:02}")
    first = admin.get("/admin/users?search=pages-many")
    following = next(tag["href"] for tag in Looked(first.text).all("a") if tag.get("rel") == "next")
    assert following is not None
    second = admin.get(following)
    names = [row[0] for page in (first, second) for row in Looked(page.text).rows[1:]]
    assert len(names) == len(set(names)) == 52
    assert "Nobody is like that" in admin.get("/admin/users?search=no-such-user-at-all").text
    assert admin.get("/admin/users?admin=maybe").status == 400


def test_a_user_is_disabled_and_enabled(well: World, admin: Browser) -> None:
    """Out at once, with the session; back again; each with its entry in the log."""
    user = well.new_user("pages-out", Role.OWNER, "pages-out")
    theirs = signed(well, user)
    where = f"/admin/users/{user.id}"
    assert admin.submit(admin.get(where), f"{where}/disable").headers["location"] == f"{where}?done=disable"
    assert theirs.get("/account").status == 303
    page = admin.get(f"{where}?done=disable")
    assert "signed out everywhere" in page.text
    assert admin.submit(page, f"{where}/link").status == 400
    assert admin.submit(page, f"{where}/enable").status == 303
    assert signed(well, user).get("/account").status == 200
    assert any(user.id in each and "pages-chief" in each for each in entries(well, "user.disabled"))


def test_administration_is_given_and_taken(well: World, admin: Browser) -> None:
    """The next sign-in has it."""
    user = well.new_user("pages-deputy", Role.OWNER, "pages-deputy")
    where = f"/admin/users/{user.id}"
    assert admin.submit(admin.get(where), f"{where}/admin").status == 303
    assert signed(well, user).get("/admin").status == 200
    assert admin.submit(admin.get(where), f"{where}/plain").status == 303
    assert signed(well, user).get("/admin").status == 403
    assert admin.submit(admin.get(where), f"{where}/sign-out").status == 303


def test_credits_are_granted_once(well: World, admin: Browser) -> None:
    """The same form sent twice grants once; the balance and the log show it; a bad amount changes nothing."""
    user = well.new_user("pages-poor", Role.OWNER, "pages-poor")
    where = f"/admin/users/{user.id}"
    page = admin.get(where)
    for _ in range(2):
        done = admin.submit(page, f"{where}/grant", workspace_id="pages-poor", amount="12.5", reason=HOSTILE)
        assert done.headers["location"] == f"{where}?done=grant"
    shown = admin.get(f"{where}?done=grant")
    assert "$12.50" in shown.text
    assert well.run(well.house.gateway.books.balance("pages-poor")) == 12_500_000_000
    [entry] = [each for each in entries(well, "credits.granted") if " pages-poor " in each]
    assert "pages-chief@example.com" in entry
    for amount, said in (
        ("", "an amount in USD"),
        ("-1", "more than 0"),
        ("0", "more than 0"),
        ("1e400", ""),
        ("NaN", ""),
    ):
        wrong = admin.submit(shown, f"{where}/grant", workspace_id="pages-poor", amount=amount, reason="typed before")
        assert wrong.status == 400, amount
        assert said in wrong.text
        assert "typed before" in wrong.text
    assert admin.submit(shown, f"{where}/grant", workspace_id="no-such-place", amount="1").status == 404
    assert well.run(well.house.gateway.books.balance("pages-poor")) == 12_500_000_000


def test_a_workspace_is_stopped_and_goes_on(well: World, admin: Browser) -> None:
    """Its keys are refused at once, and work again."""
    user = well.new_user("pages-stop", Role.OWNER, "pages-stop")
    key = well.new_key("pages-stop", credits_usd="1", creator=user)
    where = f"/admin/users/{user.id}"
    page = admin.get(where)
    assert key.key.label in page.text
    assert well.chat(headers=key.headers).status == 200
    assert admin.submit(page, f"{where}/stop", workspace_id="pages-stop").status == 303
    assert well.chat(headers=key.headers).status == 401
    assert admin.submit(admin.get(where), f"{where}/go", workspace_id="pages-stop").status == 303
    assert well.chat(headers=key.headers).status == 200


def test_nobody_there(admin: Browser) -> None:
    """404, as a page."""
    assert admin.get("/admin/users/nobody@example.com").status == 404
    assert admin.post("/admin/users/nobody/disable", csrf="x").status == 403


def test_hostile_names(well: World, admin: Browser) -> None:
    """They are text, in the page and in the files."""
    user = well.new_user("pages-hostile", Role.OWNER, "pages-hostile")
    rename = Statement("UPDATE users SET name = :name WHERE id = :id", ({"name": HOSTILE, "id": user.id},))
    well.run(well.house.database.write(rename))
    for path in (f"/admin/users/{user.id}", "/admin/users?search=pages-hostile"):
        text = admin.get(path).text
        assert "<script>alert" not in text
        assert "{{ 7 * 7 }}" in text
    assert json.loads(admin.get("/admin/users.json?search=pages-hostile").text)["data"][0]["name"] == HOSTILE


def test_the_account_page_leads_to_it(well: World, admin: Browser) -> None:
    """For admins alone."""
    assert 'href="/admin"' in admin.get("/account").text
    other = signed(well, well.new_user("pages-unled", Role.OWNER, "pages-other"))
    assert 'href="/admin"' not in other.get("/account").text
    assert request(well.url, "GET", "/admin", headers={"accept": "text/html"}).status == 303
