"""`/overview` and `/activity`: sums of a workspace that are the ledger's to the digit; nobody else's are in them."""

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.storage.ledgers import DAY_MS, generation
from tests.support import Answer, Secret, World
from tests.web.site import Looked
from tollway.domain.money import NANO
from tollway.domain.people import Role, User
from tollway.storage.ledger import commit_generations
from tollway.web.figures import about

HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    return well.new_user("busy", Role.OWNER, "busy")


@pytest.fixture(scope="module")
def secret(well: World, owner: User) -> Secret:
    return well.new_key("busy", credits_usd="10", creator=owner)


@pytest.fixture(scope="module")
def made(well: World, owner: User, secret: Secret) -> list[Any]:
    """Requests of three models by two keys over forty days, some failed, with costs that no float holds exactly."""
    member = well.new_user("busy-member", Role.MEMBER, "busy")
    theirs = well.new_key("busy", creator=member)
    now_ms = well.house.gateway.now_ms()
    found = []
    for number in range(60):
        key = theirs.key if number % 5 == 0 else secret.key
        found.append(
            generation(
                f"busy-{number}",
                key,
                cost=0 if number % 7 == 0 else 1_000_003 + number,
                created_ms=now_ms - (number % 40) * DAY_MS,
                model=HOSTILE if number % 3 == 2 else f"busy/model-{number % 3}",
                endpoint_id="a:m" if number % 7 else None,
                finish_reason="error" if number % 7 == 0 else "stop",
            )
        )
    well.run(commit_generations(well.house.database, found))
    return found


def browser_of(well: World, user: User) -> Browser:
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    return browser


def usd(nanodollars: int) -> str:
    return f"{Decimal(nanodollars) / NANO:.9f}".rstrip("0").rstrip(".") or "0"


def since(well: World, made: list[Any], days: int) -> list[Any]:
    first = (well.house.gateway.now_ms() // DAY_MS - days + 1) * DAY_MS
    return [each for each in made if each.created_ms >= first]


def lines(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_where_one_lands(well: World, owner: User) -> None:
    """Signing in leads to the overview; who is not signed in signs in first and comes back."""
    assert Browser(well).get("/overview").headers["location"] == "/sign-in?next=%2Foverview"
    browser = browser_of(well, owner)
    assert browser.get("/sign-in").headers["location"] == "/overview"
    query = "/activity?by=key&period=7d"
    stranger = Browser(well).get(query).headers["location"]
    assert browser.get(stranger).headers["location"] == query


def test_a_newcomer_is_led(well: World) -> None:
    """Without a key: to make one. With one: a request to paste, with this server's address. After it: figures."""
    user = well.new_user("fresh", Role.OWNER, "fresh")
    browser = browser_of(well, user)
    page = browser.get("/overview")
    assert page.headers["cache-control"] == "no-store"
    assert "Make a key" in page.text
    assert 'href="/credits?workspace=fresh"' in page.text
    key = well.new_key("fresh", credits_usd="1", creator=user)
    page = browser.get("/overview")
    shown = Looked(page.text).by_id["code-curl"]
    assert key.key.label in page.text
    assert f"{well.house.config.public_url}/api/v1/chat/completions" in shown
    assert "$1.00" in page.text
    assert well.chat(headers=key.headers).status == 200
    well.settled()
    page = browser.get("/overview")
    assert "From here to a first answer" not in page.text
    [(credited, debited)] = well.run(
        well.house.database.read("SELECT credited, debited FROM accounts WHERE id = 'fresh'")
    )
    assert f"<dd>{about(credited - debited)}</dd>" in page.text
    assert f"<dd>{about(debited)}</dd>" in page.text


def test_the_overview_s_figures(well: World, owner: User, made: list[Any]) -> None:
    """Today's, a week's and a month's spend, requests and failures: those of the records."""
    text = browser_of(well, owner).get("/overview").text
    for days in (1, 7, 30):
        assert about(sum(each.cost for each in since(well, made, days))) in text
    month = since(well, made, 30)
    assert f"<dd>{len(month)}</dd>" in text
    [chart, _] = [each for each in Looked(text).all("svg") if each.get("role") == "img" and each.get("aria-label")][:2]
    assert usd(sum(each.cost for each in month)) in str(chart["aria-label"])


@pytest.mark.parametrize("by", ["model", "provider", "key", "app", "user"])
@pytest.mark.parametrize("period", ["7d", "30d", "365d"])
def test_sums_are_the_ledger_s(well: World, owner: User, made: list[Any], by: str, period: str) -> None:
    """The table's last row, the CSV and the JSON come to what the captures of that time come to."""
    browser = browser_of(well, owner)
    query = f"workspace=busy&by={by}&period={period}"
    wanted = since(well, made, int(period.removesuffix("d")))
    cost, requests = sum(each.cost for each in wanted), len(wanted)
    page = browser.get(f"/activity?{query}")
    assert page.status == 200
    footer = Looked(page.text).rows[-1]
    assert footer[1].strip() == f"${usd(cost)}"
    assert footer[3].strip() == f"{requests:,}"
    rows = lines(browser.get(f"/activity.csv?{query}"))
    assert sum(Decimal(row["usage_usd"]) for row in rows) * NANO == cost
    assert sum(int(row["requests"]) for row in rows) == requests
    assert sum(int(row["errors"]) for row in rows) == sum(each.finish_reason == "error" for each in wanted)
    data = browser.get(f"/activity.json?{query}").json["data"]
    assert [each["requests"] for each in data] == [int(row["requests"]) for row in rows]


@pytest.mark.parametrize("then", ["provider", "key", "user", "model"])
@pytest.mark.parametrize("show", ["spend", "errors", "cached", "reasoning"])
def test_a_second_grouping(well: World, owner: User, made: list[Any], then: str, show: str) -> None:
    """Each group is split, and all of them come to the same; what is split by itself is not split."""
    browser = browser_of(well, owner)
    query = f"workspace=busy&by=model&then={then}&show={show}&period=365d"
    page = browser.get(f"/activity?{query}")
    assert page.status == 200
    plain = {row["name"] for row in lines(browser.get("/activity.csv?workspace=busy&by=model&period=365d"))}
    rows = lines(browser.get(f"/activity.csv?{query}"))
    assert sum(Decimal(row["usage_usd"]) for row in rows) * NANO == sum(each.cost for each in made)
    assert sum(int(row["requests"]) for row in rows) == len(made)
    names = {row["name"] for row in rows}
    assert names == plain if then == "model" else all(" \u00b7 " in each for each in names)
    by_model: dict[str, int] = {}
    for row in rows:
        name = row["name"].rpartition(" \u00b7 ")[0] if then != "model" else row["name"]
        by_model[name] = by_model.get(name, 0) + int(row["requests"])
    for model in {each.model for each in made}:
        assert by_model[model] == sum(each.model == model for each in made)
    chosen = [tag["value"] for tag in Looked(page.text).all("option") if "selected" in tag]
    assert (then in chosen) is (then != "model")


def test_hours_have_no_second_grouping(well: World, owner: User, made: list[Any]) -> None:
    """Refused in words; a grouping that is none is no failure of ours either."""
    browser = browser_of(well, owner)
    refused = browser.get("/activity?workspace=busy&period=24h&then=key")
    assert (refused.status, "no second grouping" in refused.text) == (400, True)
    assert browser.get("/activity?workspace=busy&then=love").status == 400


def test_what_routing_saved(well: World) -> None:
    """The tile says it against the mean of the model's endpoints; without a choice it says nothing."""
    person = well.new_user("saver", Role.OWNER, "saver")
    key, now_ms = well.new_key("saver", credits_usd="9", creator=person).key, well.house.gateway.now_ms()
    offer = well.house.gateway.market.offers["openai/gpt-4o"]
    assert len(offer.stalls) > 1
    alone = generation("saver-1", key, cost=5, created_ms=now_ms, model="test/model", endpoint_id="a:m")
    well.run(commit_generations(well.house.database, [alone]))
    browser = browser_of(well, person)
    tile = re.compile(r"<dt>([^<]* by routing)</dt><dd>([^ ]+) ")
    assert tile.findall(browser.get("/activity?workspace=saver").text) == [("Saved by routing", "\u2013")]
    dear = generation("saver-2", key, cost=10**9, created_ms=now_ms, model="openai/gpt-4o", endpoint_id="a:m")
    well.run(commit_generations(well.house.database, [dear]))
    for query in ("", "&by=key", "&by=provider&then=model"):
        [(words, amount)] = tile.findall(browser.get(f"/activity?workspace=saver{query}").text)
        assert words == "Paid more by routing"
        assert amount.startswith("$0.9")


def test_by_the_hour(well: World, owner: User, made: list[Any]) -> None:
    """A day by hours has the requests of the last 24 hours; a month by hours is refused, and the page still there."""
    browser = browser_of(well, owner)
    rows = lines(browser.get("/activity.csv?workspace=busy&period=24h"))
    now_ms = well.house.gateway.now_ms()
    wanted = [each for each in made if each.created_ms > now_ms - DAY_MS + 3_600_000]
    assert sum(int(row["requests"]) for row in rows) == len(wanted)
    assert sum(Decimal(row["usage_usd"]) for row in rows) * NANO == sum(each.cost for each in wanted)
    refused = browser.get("/activity?workspace=busy&period=30d&per=hour")
    assert (refused.status, "choose fewer days" in refused.text, "All" in refused.text) == (400, True, True)


@pytest.mark.parametrize(
    "query",
    ["by=colour", "show=love", "period=7y", "since=yesterday", "since=2026-02-30", "since=2026-01-02&until=2026-01-01",
     "since=1970-01-01&until=2026-01-01", "since=9999-12-01&until=9999-12-31&per=month",
     "per=second", "by=model&by=key"],
)  # fmt: skip
def test_what_can_not_be_asked(well: World, owner: User, query: str) -> None:
    """400 with words, for the page and its files; never a failure of ours."""
    browser = browser_of(well, owner)
    for path in ("/activity", "/activity.csv", "/activity.json"):
        answer = browser.get(f"{path}?workspace=busy&{query}")
        assert answer.status == 400, (path, query, answer.text[:200])


def test_who_sees_what(well: World, owner: User, made: list[Any]) -> None:
    """A member's page has their own keys' use; another tenant's workspace is not there; files need a session."""
    member = well.new_user("busy-second", Role.MEMBER, "busy")
    theirs = browser_of(well, member)
    assert "Nothing was asked for" in theirs.get("/activity?workspace=busy").text
    assert lines(theirs.get("/activity.csv?workspace=busy&period=365d")) == []
    stranger = browser_of(well, well.new_user("busy-stranger", Role.OWNER, "busy-elsewhere"))
    for path in ("/overview", "/activity", "/activity.csv", "/activity.json"):
        answers = [stranger.get(f"{path}?workspace={place}") for place in ("busy", "nobody-s")]
        assert [each.status for each in answers] == [404, 404], path
        assert answers[0].text.replace("busy", "nobody-s") == answers[1].text
    for path in ("/activity.csv", "/activity.json"):
        assert Browser(well).get(path).status == 401


def test_names_stay_text(well: World, owner: User, made: list[Any]) -> None:
    """Whatever a model is called, the page shows it and runs nothing."""
    browser = browser_of(well, owner)
    for path in ("/overview", "/activity?workspace=busy"):
        looked = Looked(browser.get(path).text)
        assert all((tag.get("src") or "").startswith("/static/") for tag in looked.all("script"))
        assert not [name for _, tag in looked.tags for name in tag if name.startswith("on") or name == "style"]
    assert HOSTILE in [row["name"] for row in lines(browser.get("/activity.csv?workspace=busy"))]
