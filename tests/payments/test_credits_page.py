"""`/credits` and receipts, as a browser without scripts uses them: buy, redeem, top up by itself, refund, print."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.api.browsing import Browser, asks_first, fields_of
from tests.payments.fake_stripe import KEY, SECRET, FakeStripe
from tests.payments.test_stripe import stripe_beside, told
from tests.support import Answer, World, request, world
from tollway.billing.settings import Billing, CreditPack, Payments
from tollway.domain.people import Role, User
from tollway.identity.actors import OPERATOR
from tollway.payments.codes import NewCodes
from tollway.payments.jobs import expire_credits
from tollway.payments.receipts import tax_within
from tollway.web.figures import day

SELLER = "Example <Ltd>\n1 High Street\nVAT GB123"


@pytest.fixture(scope="module")
def selling() -> Iterator[tuple[World, FakeStripe]]:
    with stripe_beside() as (fake, _):
        payments = Payments(
            stripe_key=KEY, stripe_webhook_secret=SECRET, stripe_url=fake.url, fee_percent="5.5", fee_min_usd="0.80",
            seller=SELLER, tax_name="MwSt", tax_percent="19",
        )  # fmt: skip
        packs = Billing(packs=(CreditPack("starter", "Starter", "10", "12"),))
        with world(payments=payments, settings={"billing": packs}) as found:
            yield found, fake


def browser_of(place: World, user: User) -> Browser:
    browser = Browser(place)
    browser.cookie = place.signed_in(user)["cookie"]
    return browser


def bought(place: World, fake: FakeStripe, browser: Browser, **fields: Any) -> str:
    """By the page's form, paid and told: the order's id."""
    page = browser.get("/credits")
    done = browser.submit(page, "/credits/buy", **fields)
    assert done.status == 303, done.text
    order_id = str(done.headers["location"].partition("order=")[2].partition("&")[0])
    asking = browser.get(done.headers["location"])
    assert "Go to the checkout" in asking.text
    [session] = [name for name, each in fake.sessions.items() if each["client_reference_id"] == order_id]
    assert fake.sessions[session]["url"] in asking.text
    event = fake.pay(session)
    fake.intents[event["data"]["object"]["payment_intent"]]["metadata"] = {"tollway_order": order_id}
    assert told(place, event).json == {"outcome": "done"}
    return order_id


def test_the_whole_page(selling: tuple[World, FakeStripe]) -> None:
    """Bought with a fee, seen with its receipt, topped up by itself, refunded; each step by the page's own form."""
    place, fake = selling
    owner = place.new_user("page-owner", Role.OWNER, "page")
    browser = browser_of(place, owner)
    first = browser.get("/credits")
    assert first.status == 200
    assert "Nothing was bought yet" in first.text
    assert "$0.00 to be used" in first.text
    assert "Starter: $10" in first.text
    assert "Automatic top-ups" not in first.text, "no method is saved"
    order_id = bought(place, fake, browser, amount="10", pack="", save_method="yes")
    page = browser.get("/credits")
    assert "$10.00 to be used" in page.text
    assert "R-00000" in page.text
    assert asks_first(page, "/credits/forget")
    assert asks_first(page, "/credits/refund")
    wrong = browser.submit(page, "/credits/auto", threshold="5", amount="10", monthly_max="1", enabled="yes")
    assert wrong.status == 400
    assert "monthly_max" in wrong.text
    done = browser.submit(page, "/credits/auto", threshold="5", amount="10", monthly_max="50", enabled="yes")
    assert (done.status, "done=auto" in done.headers["location"]) == (303, True)
    page = browser.get(done.headers["location"])
    assert fields_of(page, "/credits/auto")["threshold"] == "5"
    assert "Automatic top-ups are set" in page.text
    done = browser.submit(page, "/credits/buyer", details="Ada <b>Lovelace</b>\nLondon")
    assert done.status == 303
    receipt = browser.get(f"/credits/receipts/{order_id}")
    for said in (
        "Example &lt;Ltd&gt;", "1 High Street", "Ada &lt;b&gt;Lovelace", "$10.00", "$0.80", "$10.80", "(19%)", "$1.72",
    ):  # fmt: skip
        assert said in receipt.text, said
    assert receipt.headers["cache-control"] == "no-store"
    done = browser.submit(page, "/credits/refund", id=order_id)
    assert done.status == 303
    assert "Refunded" in browser.get(f"/credits/receipts/{order_id}").text
    assert "/keys?workspace=" in browser.get(f"/credits/receipts/{order_id}").text
    assert "-$10.00" in browser.get(f"/credits/receipts/{order_id}").text
    again = browser.submit(page, "/credits/refund", id=order_id)
    assert again.status == 400
    assert "Nothing of this purchase is left" in again.text
    place.run(place.house.auto_topups.look(place.house.gateway.now_ms()))
    page = browser.get("/credits")
    assert "by itself" in page.text
    assert "$10.00 to be used" in page.text
    assert "$10.00 in this month so far" in page.text
    assert browser.submit(page, "/credits/forget").status == 303
    assert "Automatic top-ups" not in browser.get("/credits").text


def test_the_last_automatic_top_up(selling: tuple[World, FakeStripe]) -> None:
    """How much, and when; nothing where there was none."""
    place, fake = selling
    browser = browser_of(place, place.new_user("page-auto", Role.OWNER, "page-auto"))
    bought(place, fake, browser, amount="10", pack="", save_method="yes")
    page = browser.get("/credits")
    assert "The last one:" not in page.text
    browser.submit(page, "/credits/auto", threshold="20", amount="15", monthly_max="50", enabled="yes")
    now_ms = place.house.gateway.now_ms()
    place.run(place.house.auto_topups.look(now_ms))
    assert f"The last one: $15.00 on {day(now_ms)}." in browser.get("/credits").text


def test_the_workspace_stays(selling: tuple[World, FakeStripe]) -> None:
    """The navigation leads on within the workspace that is shown, and offers the others that one pays for."""
    place, _ = selling
    user = place.new_user("page-two", Role.OWNER, "page-one")
    place.run(place.stage.join(user, Role.OWNER, "page-other"))
    browser = browser_of(place, user)
    page = browser.get("/credits?workspace=page-other")
    assert 'href="/keys?workspace=page-other"' in page.text
    assert 'href="/credits?workspace=page-one"' in page.text
    assert fields_of(page, "/credits/redeem")["workspace_id"] == "page-other"


def test_a_code_by_the_form(selling: tuple[World, FakeStripe]) -> None:
    """Redeemed by the form; a second time it says why not, with the page around it."""
    place, _ = selling
    browser = browser_of(place, place.new_user("page-coder", Role.OWNER, "page-codes"))
    house = place.house
    [made] = place.run(house.codes.make(OPERATOR, NewCodes(Decimal("2.5")), house.gateway.now_ms()))
    page = browser.get("/credits")
    done = browser.submit(page, "/credits/redeem", code=made.code.lower())
    assert done.status == 303
    assert "$2.50 to be used" in browser.get(done.headers["location"]).text
    for code, said in ((made.code, "used up"), ("x", "no such code"), ("", "Enter the code")):
        wrong = browser.submit(page, "/credits/redeem", code=code)
        assert wrong.status == 400
        assert said in wrong.text
        assert made.code not in wrong.text


def test_receipts_are_numbered_without_gaps(selling: tuple[World, FakeStripe]) -> None:
    """Whoever buys: one number after the other; an order that is not paid has none."""
    place, fake = selling
    before = place.run(place.house.database.read("SELECT COALESCE(MAX(number), 0) FROM receipts"))[0][0]
    for number in range(3):
        browser = browser_of(place, place.new_user(f"numbered-{number}", Role.OWNER, f"numbered-{number}"))
        page = browser.get("/credits")
        unpaid = browser.submit(page, "/credits/buy", amount="", pack="starter")
        id_ = unpaid.headers["location"].partition("order=")[2].partition("&")[0]
        assert browser.get(f"/credits/receipts/{id_}").status == 404
        order_id = bought(place, fake, browser, amount="20", pack="")
        assert f"R-{before + number + 1:06}" in browser.get(f"/credits/receipts/{order_id}").text
    found = place.run(place.house.database.read("SELECT number FROM receipts ORDER BY number"))
    assert [row[0] for row in found] == list(range(1, len(found) + 1))


def test_what_expired_is_on_the_receipt(selling: tuple[World, FakeStripe]) -> None:
    """The rest of a purchase, a year later."""
    place, fake = selling
    browser = browser_of(place, place.new_user("expiring", Role.OWNER, "expiring"))
    order_id = bought(place, fake, browser, amount="20", pack="")
    house = place.house
    later = house.gateway.now_ms() + 366 * 86_400_000
    place.run(expire_credits(house.database, house.gateway.books, house.config.payments, later))
    receipt = browser.get(f"/credits/receipts/{order_id}").text
    assert "Expired" in receipt
    assert "-$20.00" in receipt


def test_who_sees_what(selling: tuple[World, FakeStripe]) -> None:
    """Nobody: to the sign-in. A member: nothing to pay for. A stranger: as if it were not there. Another site: no."""
    place, fake = selling
    owner, member = place.new_user("seen", Role.OWNER, "seen"), place.new_user("unseeing", Role.MEMBER, "seen")
    stranger = place.new_user("page-stranger", Role.OWNER, "page-elsewhere")
    browser = browser_of(place, owner)
    order_id = bought(place, fake, browser, amount="10", pack="")
    for path in ("/credits", f"/credits/receipts/{order_id}"):
        answer = Browser(place).get(path)
        assert (answer.status, answer.headers["location"]) == (303, "/sign-in?next=%2Fcredits")
    assert browser_of(place, member).get("/credits").status == 403
    other = browser_of(place, stranger)
    theirs, nobodys = (other.get(f"/credits/receipts/{id_}") for id_ in (order_id, "no-such"))
    assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
    assert theirs.status == 404
    assert browser_of(place, member).get(f"/credits/receipts/{order_id}").status == 404
    assert other.get("/credits?workspace_id=seen").status == other.get("/credits?workspace_id=no-such").status == 404
    page = browser.get("/credits")
    form = fields_of(page, "/credits/redeem")
    for headers in ({"sec-fetch-site": "cross-site", "content-type": "application/x-www-form-urlencoded"}, {}):
        assert browser.post("/credits/redeem", headers, **form).status == 403
    assert browser.post("/credits/redeem", **(form | {"csrf": "x"})).status == 403
    own = fields_of(other.get("/credits"), "/credits/redeem")
    for workspace in ("seen", "no-such", own["workspace_id"]):
        for name in ("buy", "redeem", "auto", "forget", "buyer", "refund"):
            fields = {"id": order_id, "amount": "10", "code": "x", "threshold": "5", "monthly_max": "10"}
            known = name != "refund" and workspace == own["workspace_id"]
            answer = other.post(f"/credits/{name}", **fields, csrf=own["csrf"], workspace_id=workspace)
            assert answer.status in ((303, 400) if known else (404,)), (name, workspace, answer.text)
    assert Browser(place).post("/credits/redeem", **form).status == 303
    for path in ("/credits/buy", "/credits/auto"):
        assert browser.submit(page, path, amount="x", pack="", csrf=form["csrf"]).status in (400, 403)


def test_over_http(selling: tuple[World, FakeStripe]) -> None:
    """Who buys is set over the API; admins see all purchases, refund any, and grant; each is in the audit log."""
    place, fake = selling
    owner = place.new_user("api-buyer", Role.OWNER, "api-buyers")
    control = {"authorization": f"Bearer {place.house.control_token}"}

    def asked(method: str, path: str, body: Any = None, *, admin: bool = False) -> Answer:
        headers = control if admin else place.signed_in(owner)
        return request(place.url, method, f"/{'admin' if admin else 'account'}/v1{path}", body, headers=headers)

    assert asked("PUT", "/buyer", {"details": " Ada \r\n London "}).json["data"]["details"] == "Ada\nLondon"
    assert asked("GET", "/buyer").json["data"] == {"workspace_id": "api-buyers", "details": "Ada\nLondon"}
    for wrong in ({}, {"details": 5}, {"details": "x" * 501}, {"details": "", "workspace_id": "home"}):
        assert asked("PUT", "/buyer", wrong).status in (400, 404)
    order_id = bought(place, fake, browser_of(place, owner), amount="10", pack="")
    receipt = asked("GET", f"/purchases/{order_id}").json["data"]["receipt"]
    assert receipt["number"].startswith("R-")
    assert receipt["url"].endswith(f"/credits/receipts/{order_id}")
    listed = asked("GET", "/purchases?workspace_id=api-buyers", admin=True).json["data"]
    assert [each["id"] for each in listed] == [order_id]
    assert asked("POST", f"/purchases/{order_id}/refund", {}, admin=True).json["data"]["paid_back"] == 10
    grant = {"workspace_id": "api-buyers", "amount": "2.5", "reason": "sorry", "ref": "sorry-1"}
    for granted in ("2.5", "0"):
        done = asked("POST", "/credits", grant, admin=True).json["data"]
        assert (done["granted"], done["balance"]) == (granted, "2.5")
    for body, status in (
        (grant | {"workspace_id": "no-such"}, 404),
        (grant | {"amount": 0, "ref": "r"}, 400),
        (grant | {"amount": "1e99", "ref": "r"}, 400),
        (grant | {"amount": 3}, 400),
        ({}, 400),
    ):
        assert asked("POST", "/credits", body, admin=True).status == status, body
    log = asked("GET", "/audit-log?workspace_id=api-buyers", admin=True).json["data"]
    actions = [each["action"] for each in log]
    assert actions[:2] == ["credits.granted", "purchase.refunded"]
    assert actions.count("credits.granted") == 1
    assert "buyer.set" in actions
    said = place.request("GET", "/v1/billing/status").json["checkout"]
    assert (said["provider"], said["status"], said["methods"]) == ("stripe", "available", ["stripe"])
    assert said["url"].endswith("/credits")


@pytest.mark.parametrize(
    ("cents", "percent", "tax"), [(1080, "19", 172), (1080, "0", 0), (12_000, "20", 2000), (1, "19", 0), (105, "5", 5)]
)
def test_tax(cents: int, percent: str, tax: int) -> None:
    """Within the price, in whole cents."""
    assert tax_within(cents, percent) == tax
