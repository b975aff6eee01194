"""`/admin/prices`, `/aliases`, `/payments`, `/codes`, `/audit`, `/ledger`, `/settings`, `/setup`, without scripts."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.api.browsing import Browser
from tests.support import World, offer, world
from tests.web.site import Looked
from tollway.domain.money import NANO
from tollway.domain.payments import Order, OrderStatus
from tollway.domain.people import Role
from tollway.identity.actors import OPERATOR
from tollway.simulator import Simulator
from tollway.storage.audit_log import Searched, list_entries
from tollway.storage.database import Statement
from tollway.storage.orders import new_order

PAGES = ("setup", "prices", "prices/diff", "aliases", "payments", "codes", "audit", "ledger", "settings")
FILES = ("providers", "prices", "users", "payments", "codes", "audit")


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server of this file alone."""
    with world(offer("test/model"), offer("test/free", "m", free=True)) as it:
        yield it


@pytest.fixture
def admin(town: World) -> Browser:
    browser = Browser(town)
    count = town.run(town.house.database.read("SELECT COUNT(*) FROM users"))[0][0]
    user = town.new_user(f"money-chief-{count}", Role.OWNER, f"money-{count}", admin=True)
    browser.cookie = town.signed_in(user)["cookie"]
    return browser


def entries(town: World, action: str) -> list[str]:
    found = town.run(list_entries(town.house.database, limit=50, searched=Searched(action=action)))
    return [f"{each.actor} {each.target} {each.details}" for each in found]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_for_admins_alone(town: World, admin: Browser, name: str) -> None:
    """Others sign in, or are refused."""
    assert admin.get(f"/admin/{name}").status == 200
    assert Browser(town).get(f"/admin/{name}").headers["location"].startswith("/sign-in?next=%2Fadmin")
    plain = Browser(town)
    plain.cookie = town.signed_in(town.new_user(f"money-plain-{PAGES.index(name)}", Role.OWNER, "money-plain"))[
        "cookie"
    ]
    assert plain.get(f"/admin/{name}").status == 403


@pytest.mark.parametrize("name", FILES)
def test_files_beside_the_tables(admin: Browser, name: str) -> None:
    """The same rows as CSV and as JSON."""
    rows = admin.get(f"/admin/{name}.json").json["data"]
    lines = admin.get(f"/admin/{name}.csv").text.splitlines()
    assert len(lines) >= 1
    if rows and name != "audit":
        assert lines[0].split(",") == list(rows[0])


def test_a_price_is_set_and_declared_free(town: World, admin: Browser) -> None:
    """In force at once, to the last digit, with its history and its entry; a bad one changes nothing."""
    where = "/admin/prices/endpoint?id=a%3Atest%2Fmodel"
    page = admin.get(where)
    assert "$1 in, $2 out" in page.text
    done = admin.submit(page, "/admin/prices/endpoint", id="a:test/model", prompt="$3.25", completion="10", free="")
    assert done.status == 303
    price = town.house.gateway.market.offers["test/model"].stalls[0].price
    assert (price.rates.prompt, price.rates.completion) == (3_250_000_000_000, 10_000_000_000_000)
    assert "The price is set" in admin.get(done.headers["location"]).text
    history = admin.get(where)
    assert "$3.25 in, $10 out" in history.text
    assert "$1 in, $2 out" in history.text
    assert any("a:test/model" in each and "money-chief" in each for each in entries(town, "price.set"))
    for wrong in ({"prompt": "much"}, {"prompt": "-1"}, {"prompt": "NaN"}, {"prompt": "1e99"}, {"prompt": "20000"},
                  {"prompt": "0", "completion": "0"}, {"since": "soon"}, {"since": "2001-01-01"}):  # fmt: skip
        fields = {"id": "a:test/model", "prompt": "4", "completion": "5", "free": "", **wrong}
        answer = admin.submit(page, "/admin/prices/endpoint", **fields)
        assert answer.status == 400, wrong
        assert 'role="alert"' in answer.text
    assert town.house.gateway.market.offers["test/model"].stalls[0].price == price
    assert (
        admin.submit(page, "/admin/prices/endpoint", id="nobody:x", prompt="1", completion="1", free="").status == 404
    )
    assert admin.get("/admin/prices/endpoint?id=nobody:x").status == 404
    free = admin.submit(page, "/admin/prices/endpoint", id="a:test/model", free="yes")
    assert free.status == 303
    assert town.house.gateway.market.offers["test/model"].stalls[0].price.declared_free
    assert any("a:test/model" in each for each in entries(town, "price.free"))


def test_a_price_for_later(town: World, admin: Browser) -> None:
    """It is in the history, and not in force before its day."""
    page = admin.get("/admin/prices/endpoint?id=a%3Am")
    done = admin.submit(
        page, "/admin/prices/endpoint", id="a:m", prompt="7", completion="8", since="2999-01-01", free=""
    )
    assert done.status == 303
    assert "2999-01-01" in admin.get("/admin/prices/endpoint?id=a%3Am").text
    assert town.house.gateway.market.offers["test/free"].stalls[0].price.declared_free


def test_what_a_new_catalog_changes(town: World, admin: Browser) -> None:
    """What differs is offered; only what is ticked is taken, with an entry; an old page changes nothing."""
    database = town.house.database
    rows = town.run(
        database.read(
            "SELECT id, endpoint_id, rates FROM catalog_prices"
            " WHERE source NOT IN ('operator', 'configuration') LIMIT 2"
        )
    )
    for id_, _, _ in rows:
        wrong = '{"prompt":"0.0009","completion":"0.0009"}'
        town.run(
            database.write(Statement("UPDATE catalog_prices SET rates = :r WHERE id = :id", ({"r": wrong, "id": id_},)))
        )
    first, second = (f"endpoint {endpoint}" for _, endpoint, _ in rows)
    page = admin.get("/admin/prices/diff")
    shown = [tag.get("value") for tag in Looked(page.text).all("input") if tag.get("name") == "pick"]
    assert {first, second} <= set(shown)
    assert admin.post("/admin/prices/diff", csrf=csrf_of(page.text), version=version_of(page.text)).status == 400
    fields = {"csrf": csrf_of(page.text), "version": version_of(page.text), "pick": first}
    # As many boxes as the page shows can be ticked; those that are not there any more change nothing.
    many = [first, *(f"endpoint none-{number}" for number in range(150))]
    done = admin.post("/admin/prices/diff", **{**fields, "pick": many})
    assert done.headers["location"] == "/admin/prices/diff?done=applied"
    left = admin.get("/admin/prices/diff").text
    assert first not in left
    assert second in left
    assert admin.post("/admin/prices/diff", **{**fields, "pick": second}).status == 400, "the catalog has moved on"
    assert any("money-chief" in each for each in entries(town, "catalog.changed"))


def csrf_of(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def version_of(text: str) -> str:
    found = re.search(r'name="version" value="([^"]+)"', text)
    assert found is not None
    return found[1]


def test_names_of_models(town: World, admin: Browser) -> None:
    """Given, changed and taken away; the catalog's own names are not touched."""
    page = admin.get("/admin/aliases")
    assert "cpen/" in page.text
    assert admin.submit(page, "/admin/aliases", alias="money/best", model="test/free").status == 303
    assert town.chat(model="money/best").status == 200
    for alias, model in (("Not A Name", "test/model"), ("money/x", "not/there"), ("test/model", "test/free"), ("", "")):
        answer = admin.submit(page, "/admin/aliases", alias=alias, model=model)
        assert (answer.status, 'role="alert"' in answer.text) == (400, True), alias
    assert admin.submit(admin.get("/admin/aliases"), "/admin/aliases/remove", alias="money/best").status == 303
    assert town.chat(model="money/best").status == 400
    assert admin.post("/admin/aliases/remove", csrf=csrf_of(page.text), alias="money/best").status == 404


def test_codes_are_shown_once(town: World, admin: Browser) -> None:
    """On the page or as a file; listed by their ends; revoked."""
    page = admin.get("/admin/codes")
    made = admin.submit(
        page, "/admin/codes", amount="2.50", number="3", uses="2", expires="2999-12-31", note="fair", file=""
    )
    assert made.status == 200
    codes = Looked(made.text).by_id["made"].split()
    assert len(codes) == 3
    later = admin.get("/admin/codes").text
    assert not any(code in later for code in codes)
    assert later.count("fair") == 3
    file = admin.submit(page, "/admin/codes", amount="1", number="2", uses="1", file="csv")
    assert file.headers["content-disposition"] == 'attachment; filename="new-codes.csv"'
    assert len(file.text.splitlines()) == 3
    for wrong in ({"amount": "x"}, {"amount": "0"}, {"number": "0"}, {"number": "1001"}, {"uses": "many"},
                  {"expires": "never"}, {"expires": "2001-01-01"}, {"note": "x" * 201}):  # fmt: skip
        answer = admin.submit(page, "/admin/codes", **{"amount": "1", "note": "typed", "file": "", **wrong})
        assert (answer.status, 'role="alert"' in answer.text) == (400, True), wrong
    listed = admin.get("/admin/codes.json").json["data"]
    id_ = next(each["id"] for each in listed if each["note"] == "fair")
    assert admin.submit(admin.get("/admin/codes"), "/admin/codes/revoke", id=id_).status == 303
    status = {each["id"]: each["status"] for each in admin.get("/admin/codes.json").json["data"]}
    assert status[id_] == "revoked"
    assert admin.post("/admin/codes/revoke", csrf=csrf_of(page.text), id="none").status == 404


def test_payments_are_listed_and_refused(town: World, admin: Browser) -> None:
    """What was not paid can't be refunded; another workspace's are told apart; nobody's is not there."""
    place = town.new_key("money-buyer").key.workspace_id
    order = Order("order-1", place, "stripe", OrderStatus.PENDING, 5 * NANO, 0, 550, "usd", 1_700_000_000_000)
    town.run(town.house.database.write(new_order(order)))
    page = admin.get(f"/admin/payments?workspace={place}")
    assert "$5.00" in page.text
    assert "$5.50" in page.text
    assert "order-1" not in admin.get("/admin/payments?workspace=elsewhere").text
    refused = admin.post("/admin/payments/refund", csrf=csrf_of(admin.get("/admin/codes").text), id="order-1")
    assert (refused.status, "Only a purchase that was paid" in refused.text) == (400, True)
    missing = admin.post("/admin/payments/refund", csrf=csrf_of(admin.get("/admin/codes").text), id="none")
    assert missing.status == 404


def test_the_log_by_pages_and_filters(town: World, admin: Browser) -> None:
    """Each entry once to the end; by action and target; verified."""
    for number in range(60):
        town.run(town.house.audit.write(OPERATOR, "test.done", f"money-{number}", now_ms=1, n=number))
    numbers: list[str] = []
    path: str | None = "/admin/audit?action=test"
    while path:
        page = Looked(admin.get(path).text)
        numbers += [row[3] for row in page.rows[1:]]
        path = next((tag["href"] for tag in page.all("a") if tag.get("rel") == "next"), None)
    assert numbers == [f"money-{number}" for number in range(59, -1, -1)]
    assert len(Looked(admin.get("/admin/audit?target=money-7").text).rows) == 2
    assert "Nothing like that" in admin.get("/admin/audit?actor=nobody").text
    assert admin.get("/admin/audit?before=x").status == 400
    verified = admin.submit(admin.get("/admin/audit"), "/admin/audit/verify")
    assert ">ok<" in verified.text


def checked(admin: Browser) -> str:
    """The page when the check that was begun is over."""
    for _ in range(200):
        if "It took" in (text := admin.get("/admin/ledger").text):
            return text
        time.sleep(0.05)
    raise AssertionError("the check did not end")


def test_the_ledger_is_checked(town: World, admin: Browser) -> None:
    """Every promise is named, the outcome is kept, and the overview tells it."""
    assert "Nobody has checked yet." in admin.get("/admin/ledger").text
    assert admin.submit(admin.get("/admin/ledger"), "/admin/ledger").headers["location"] == "/admin/ledger"
    text = checked(admin)
    assert "every promise holds" in text
    assert "all balances sum to zero" in text
    assert any('"broken":0' in each for each in entries(town, "ledger.checked"))
    assert ">ok<" in admin.get("/admin").text


def test_a_broken_ledger_is_told(town: World, admin: Browser) -> None:
    """The promise that does not hold, and the row."""
    database = town.house.database
    town.run(database.write(Statement("UPDATE accounts SET credited = credited + 1 WHERE id = 'home'")))
    try:
        admin.submit(admin.get("/admin/ledger"), "/admin/ledger")
        text = checked(admin)
        assert "home: cached" in text
        assert "promises broken" in admin.get("/admin").text
    finally:
        town.run(database.write(Statement("UPDATE accounts SET credited = credited - 1 WHERE id = 'home'")))


def test_settings_mask_secrets(town: World, admin: Browser) -> None:
    """Every value with where it comes from."""
    text = admin.get("/admin/settings").text
    assert "server.port" in text
    assert "routing.policy" in text
    assert town.house.control_token not in text


def test_the_setup_from_nothing_to_a_tested_provider(town: World, admin: Browser) -> None:
    """Each step by itself; a server is added, tested, and its models are there; the end leads to the keys."""
    for step in ("site", "people", "provider", "models", "done"):
        assert admin.get(f"/admin/setup?step={step}").status == 200
    assert admin.get("/admin/setup?step=nowhere").status == 404
    simulator = town.run(Simulator.start(models=("first-model",)))
    try:
        page = admin.get("/admin/setup?step=provider")
        wrong = admin.submit(page, "/admin/setup/provider", slug="mine", base_url="http://127.0.0.1:9", key="sk-typed")
        assert (wrong.status, "No list of models" in wrong.text, "sk-typed" in wrong.text) == (400, True, False)
        keyless = admin.submit(page, "/admin/setup/provider", slug="openai", base_url="", key="")
        assert (keyless.status, "paste the key" in keyless.text) == (400, True)
        url = f"{simulator.url}/v1"
        added = admin.submit(
            page, "/admin/setup/provider", slug="mine", base_url=url, key="sk-mine", models="", free="yes"
        )
        assert added.headers["location"] == "/admin/setup?step=models&provider=mine"
        models = admin.get("/admin/setup?step=models&provider=mine")
        assert "first-model" in models.text
        path = "/admin/setup/test?provider=mine"
        tested = admin.submit(models, path, model="mine:first-model")
        assert ">ok<" in tested.text
        assert admin.submit(models, path, model="no-such").status == 404
        assert 'href="/keys"' in admin.get("/admin/setup?step=done").text
        where = "/admin/providers/mine"
        assert admin.submit(admin.get(where), f"{where}/remove").status == 303
    finally:
        town.run(simulator.close())


def test_the_setup_link_leads_on(town: World) -> None:
    """The first admin lands in the setup; nobody comes in by a wrong link."""
    refused = Browser(town).post("/setup", token="wrong", email="x@example.com", password="long enough here", name="")
    assert refused.status in (400, 403)
