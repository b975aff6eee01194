"""`/keys`, as a browser without scripts uses it: make a key, use it, see what it spent, switch it off, delete it."""

import re

import pytest

from tests.api.browsing import Browser
from tests.support import Answer, Secret, World, request
from tests.web.site import Looked
from tollway.domain.identity import KeyKind
from tollway.domain.money import NANO
from tollway.domain.people import Role, User
from tollway.storage.database import Statement
from tollway.storage.ledger import ADD_KEY_USAGE
from tollway.storage.usage_days import DAY_MS

HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def user(well: World) -> User:
    found = well.new_user("keyed", Role.OWNER, "keyed")
    well.run(well.stage.grant("keyed", "10"))
    return found


def browser_of(well: World, user: User) -> Browser:
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    return browser


def secret_of(page: Answer) -> str:
    return Looked(page.text).by_id["secret"]


def id_of(page: Answer, name: str) -> str:
    """The id of the key with that name: the hidden field of its row."""
    row = page.text[page.text.index(f'<th scope="row">{name}') :]
    found = re.search(r'name="id" value="([^"]+)"', row)
    assert found is not None
    return found[1]


def works(well: World, secret: str) -> int:
    return well.chat(headers={"Authorization": f"Bearer {secret}"}).status


def change(browser: Browser, page: Answer, name: str, what: str) -> Answer:
    return browser.submit(page, "/keys/change", id=id_of(page, name), change=what)


def test_the_life_of_a_key(well: World, user: User) -> None:
    """Shown once, spends within its limit, is switched off and on, and deleted."""
    browser = browser_of(well, user)
    page = browser.get("/keys")
    assert page.headers["cache-control"] == "no-store"
    made = browser.submit(page, "/keys", name="Laptop", limit="2.50", usage_limit_type="monthly", expires_at="30")
    secret = secret_of(made)
    assert works(well, secret) == 200
    well.settled()
    page = browser.get("/keys")
    assert secret not in page.text
    [row] = [row for row in Looked(page.text).rows if row[0].startswith("Laptop")]
    assert row[1].startswith("$0.00")
    assert row[1] != "$0.00"
    assert row[5].startswith("$2.50 each month$2.4")
    assert row[8] == "on"
    assert change(browser, page, "Laptop", "disable").headers["location"] == "/keys?workspace=keyed"
    assert works(well, secret) == 401
    page = browser.get("/keys?workspace=keyed")
    assert change(browser, page, "Laptop", "enable").status == 303
    assert works(well, secret) == 200
    assert change(browser, page, "Laptop", "delete").status == 303
    assert works(well, secret) == 401
    assert "Laptop" not in browser.get("/keys").text


def test_a_key_that_manages(well: World, user: User) -> None:
    """Offered to who manages the workspace; it calls no model."""
    browser = browser_of(well, user)
    made = browser.submit(browser.get("/keys"), "/keys", name="Robot", kind="provisioning")
    secret = secret_of(made)
    assert works(well, secret) == 403
    assert request(well.url, "GET", "/api/v1/keys", headers={"Authorization": f"Bearer {secret}"}).status == 200
    member = well.new_user("keyed-member", Role.MEMBER, "keyed")
    theirs = browser_of(well, member)
    page = theirs.get("/keys?workspace=keyed")
    assert 'name="kind"' not in page.text
    assert "Robot" not in page.text
    refused = theirs.submit(page, "/keys", name="Robot 2", kind="provisioning")
    assert (refused.status, "admin" in refused.text) == (403, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "  "}, "Give the key a name"),
        ({"limit": "much"}, "an amount in USD"),
        ({"limit": "-1"}, "must be 0 or more"),
        ({"usage_limit_type": "hourly"}, "daily, weekly or monthly"),
        ({"expires_at": "soon"}, "a time such as"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "is over"),
        ({"name": "x" * 300}, "at most 200 characters"),
    ],
)
def test_what_is_refused(well: World, user: User, fields: dict[str, str], said: str) -> None:
    """The form comes again with what was typed, and says what is wrong; no key is made."""
    browser = browser_of(well, user)
    page = browser.get("/keys")
    before = len(Looked(page.text).rows)
    answer = browser.submit(page, "/keys", **{"name": "Wrong", **fields})
    assert answer.status == 400
    assert said in answer.text
    assert len(Looked(browser.get("/keys").text).rows) == before


def test_doors(well: World, user: User) -> None:
    """Who is not signed in signs in first; forms of other sites and sessions do nothing; others' keys are not there."""
    stranger = Browser(well)
    assert stranger.get("/keys").headers["location"] == "/sign-in?next=%2Fkeys"
    browser = browser_of(well, user)
    page = browser.get("/keys")
    assert browser.post("/keys", {"content-type": "application/x-www-form-urlencoded"}, name="x").status == 403
    assert browser.post("/keys", name="x", csrf="wrong").status == 403
    other = well.new_user("keyed-other", Role.OWNER, "keyed-other")
    made = secret_of(browser.submit(page, "/keys", name="Mine"))
    mine = id_of(browser.get("/keys"), "Mine")
    theirs = browser_of(well, other)
    form = theirs.submit(theirs.get("/keys"), "/keys", name="Other")
    assert theirs.submit(form, "/keys/change", id=mine, change="delete").status == 404
    assert theirs.submit(form, "/keys/change", id="nobody", change="delete").status == 404
    assert theirs.get("/keys?workspace=keyed").status == 404
    assert theirs.submit(form, "/keys/change", id=mine, change="melt").status == 400
    assert works(well, made) == 200


def test_names_stay_text(well: World, user: User) -> None:
    """Whatever a key is called, the page shows it and runs nothing."""
    browser = browser_of(well, user)
    page = browser.submit(browser.get("/keys"), "/keys", name=HOSTILE)
    looked = Looked(page.text)
    assert all((tag.get("src") or "").startswith("/static/") for tag in looked.all("script"))
    assert any(row[0].startswith(HOSTILE) for row in looked.rows if row)
    assert not [name for _, tag in looked.tags for name in tag if name.startswith("on") or name == "style"]


def test_a_hundred_and_one(well: World) -> None:
    """The older ones are on the next page."""
    crowd = well.new_user("crowd", Role.OWNER, "crowd")
    keys: list[Secret] = [well.new_key("crowd", creator=crowd, kind=KeyKind.INFERENCE) for _ in range(101)]
    browser = browser_of(well, crowd)
    first = browser.get("/keys")
    [following] = [tag["href"] for tag in Looked(first.text).all("a") if tag.get("rel") == "next"]
    rows = Looked(first.text).rows[1:] + Looked(browser.get(str(following)).text).rows[1:]
    assert len(rows) == len(keys)
    data = browser.get("/keys.json?offset=100").json["data"]
    assert len(data) == len(keys), "the file has all of them"
    assert len(browser.get("/keys.csv").text.splitlines()) == len(keys) + 1


def test_what_was_spent_lately(well: World) -> None:
    """Beside all that a key ever spent: today, in 7 days and in 30, on the page and, exactly, in its files."""
    person = well.new_user("lately", Role.OWNER, "lately")
    key = well.new_key("lately", creator=person, limit_usd="3")
    today = well.house.gateway.now_ms() // DAY_MS
    usage = tuple(
        {"key_id": key.key.id, "day": day, "spent": dollars * NANO, "last_ms": day * DAY_MS, "byok": 0}
        for day, dollars in ((today, 1), (today - 6, 20), (today - 7, 300), (today - 29, 4000), (today - 30, 50_000))
    )
    well.run(well.house.database.write(Statement(ADD_KEY_USAGE, usage)))
    browser = browser_of(well, person)
    [row] = Looked(browser.get("/keys").text).rows[1:]
    assert row[1:5] == ["$54,321.00", "$1.00", "$21.00", "$4,321.00"]
    [told] = browser.get("/keys.json").json["data"]
    spent = [told[f"spent_{name}usd"] for name in ("", "today_", "7_days_", "30_days_")]
    assert spent == ["54321", "1", "21", "4321"]
    assert (told["limit_usd"], told["left_usd"], told["state"]) == ("3", "0", "on")
    stranger = browser_of(well, well.new_user("lately-not", Role.OWNER, "lately-else"))
    for kind in ("csv", "json"):
        assert Browser(well).get(f"/keys.{kind}").status == 401
        assert stranger.get(f"/keys.{kind}?workspace=lately").status == 404
        assert browser.get(f"/keys.{kind}?kind=no").status == 400
        assert browser.get(f"/keys.{kind}").headers["cache-control"] == "no-store"
    assert browser.get("/keys.json?kind=provisioning").json["data"] == []
