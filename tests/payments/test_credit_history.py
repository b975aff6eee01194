"""`/credits/history`: what moved the credits, in order, page by page; whose it is; the same as files."""

from collections.abc import Iterator

import pytest

from tests.api.browsing import Browser
from tests.support import World, ask, request, world
from tests.web.site import Looked
from tollway.domain.ledger import Mark, TransferKind
from tollway.domain.money import NANO
from tollway.domain.people import Role
from tollway.storage.usage_days import DAY_MS, SpentDay
from tollway.web.credit_history import Cursor, Entry, merged

NOW_DAY = 20_000
NOW_MS = NOW_DAY * DAY_MS + 5000


@pytest.fixture(scope="module")
def bank() -> Iterator[World]:
    with world() as found:
        yield found


def browser_of(bank: World, name: str, place: str, role: Role = Role.OWNER) -> Browser:
    browser = Browser(bank)
    browser.cookie = bank.signed_in(bank.new_user(name, role, place))["cookie"]
    return browser


def mark(kind: TransferKind, amount: int, at_ms: int, ref: str = "", lot: str = "") -> Mark:
    return Mark(kind, ref, lot, amount, 100, 30, at_ms)


def test_two_kinds_in_order() -> None:
    """A day's usage stands at its end; every entry comes once, whatever the size of a page."""
    marks = [
        (3, mark(TransferKind.REFUND, -5, NOW_MS - 1, lot="o")),
        (2, mark(TransferKind.GRANT, 5, (NOW_DAY - 2) * DAY_MS, ref="code c u")),
        (1, mark(TransferKind.TOPUP, 9, (NOW_DAY - 2) * DAY_MS - 1, ref="o")),
    ]
    days = [SpentDay(NOW_DAY, 2, 7, 0), SpentDay(NOW_DAY - 2, 1, 3, 0), SpentDay(NOW_DAY - 3, 1, 4, 0)]
    start = Cursor(9, NOW_DAY + 1)
    whole, following = merged(marks, days, {"o": "R-1"}, start, 99, NOW_MS)
    assert following is None
    assert [(each.what, each.amount, each.balance, each.receipt) for each in whole] == [
        ("Used", -7, None, ""),
        ("Refunded", -5, 70, "R-1"),
        ("Used", -3, None, ""),
        ("Code redeemed", 5, 70, ""),
        ("Used", -4, None, ""),
        ("Bought", 9, 70, "R-1"),
    ]
    for limit in range(1, 7):
        found: list[Entry] = []
        at: Cursor | None = start
        while at is not None:
            left = [each for each in marks if each[0] < at.number], [each for each in days if each.day < at.day]
            part, at = merged(*left, {"o": "R-1"}, at, limit, NOW_MS)
            found += part
        assert found == whole


def test_what_a_workspace_sees(bank: World) -> None:
    """Grants with the balance after them, and what requests cost on a day; the files hold the same, exactly."""
    browser = browser_of(bank, "hist-owner", "hist")
    assert "Nothing has come" in browser.get("/credits/history").text
    key = bank.new_key("hist", credits_usd="5")
    assert request(bank.url, "POST", "/api/v1/chat/completions", ask(), headers=key.headers).status == 200
    bank.settled()
    bank.run(bank.stage.grant("hist", "1.25"))
    page = browser.get("/credits/history")
    assert page.status == 200
    rows = Looked(page.text).rows
    assert [row[1].split("1 ")[0].strip() for row in rows[1:]] == ["Used", "Granted", "Granted"]
    left = bank.run(bank.house.gateway.books.balance("hist"))
    assert rows[2][2] == "+$1.25"
    assert rows[3][2:4] == ["+$5.00", "$5.00"]
    data = browser.get("/credits/history.json?workspace=hist").json["data"]
    assert sum(round(float(each["usd"]) * 1e9) for each in data) == left
    assert data[1]["balance_usd"] == data[1]["balance_usd"].rstrip("0")
    assert round(float(data[1]["balance_usd"]) * 1e9) == left
    lines = browser.get("/credits/history.csv").text.splitlines()
    assert lines[0] == "at,what,note,usd,balance_usd,purchase,receipt"
    assert len(lines) == 4
    assert page.headers["cache-control"] == "no-store"


def test_page_by_page(bank: World) -> None:
    """More than fit: the link leads on, and nothing is missed or told twice."""
    browser = browser_of(bank, "hist-many", "hist-many")
    gateway = bank.house.gateway
    for number in range(1, 54):
        bank.run(gateway.books.grant("hist-many", number * NANO, f"many-{number}", "test", gateway.now_ms()))
    seen, path = [], "/credits/history"
    while path:
        page = browser.get(path)
        looked = Looked(page.text)
        seen += [row[2] for row in looked.rows[1:]]
        path = next((str(tag["href"]) for tag in looked.all("a") if tag.get("rel") == "next"), "")
    assert seen == [f"+${number}.00" for number in range(53, 0, -1)]


def test_who_sees_it(bank: World) -> None:
    """Who pays. A stranger: as if it were not there. A cursor that is none: 400."""
    owner, member = browser_of(bank, "hist-a", "hist-team"), browser_of(bank, "hist-b", "hist-team", Role.MEMBER)
    stranger = browser_of(bank, "hist-c", "hist-else")
    assert Browser(bank).get("/credits/history").headers["location"] == "/sign-in?next=%2Fcredits%2Fhistory"
    for path in ("/credits/history", "/credits/history.csv", "/credits/history.json"):
        assert owner.get(path).status == 200
        assert owner.get(f"{path}?workspace=hist-team").status == 200
        assert member.get(f"{path}?workspace=hist-team").status == 403
        assert stranger.get(f"{path}?workspace=hist-team").status == 404
        assert stranger.get(f"{path}?workspace=no-such").status == 404
    assert Browser(bank).get("/credits/history.csv").status == 401
    for before in ("x", "1", "-1.5", "1." + "9" * 40, "%D9%A1.1", "1.1%0A"):
        assert owner.get(f"/credits/history?before={before}").status == 400
    for before in ("0.0", "999999999999999.999999999"):
        assert owner.get(f"/credits/history?before={before}").status == 200


def test_until_when_it_lasts(bank: World) -> None:
    """Nothing where nothing was used; then what goes in a day, and how long the rest lasts."""
    browser = browser_of(bank, "hist-pace", "hist-pace")
    key = bank.new_key("hist-pace", credits_usd="5")
    assert "At the pace" not in browser.get("/credits").text
    assert request(bank.url, "POST", "/api/v1/chat/completions", ask(), headers=key.headers).status == 200
    bank.settled()
    assert "At the pace of the last 7 days" in browser.get("/credits").text
