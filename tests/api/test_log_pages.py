"""`/logs` and `/logs/{id}`: what was asked for, filtered and paged; and one request with its bill to the last digit."""

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.api.browsing import Browser
from tests.storage.ledgers import DAY_MS, generation
from tests.support import Answer, Secret, World, request
from tests.web.site import Looked
from tollway.domain.identity import KeyKind
from tollway.domain.money import NANO, nanodollars_to_text
from tollway.domain.people import Role, User
from tollway.storage.ledger import commit_generations
from tollway.web.log_columns import COLUMNS

HOSTILE = "\"><script>alert(1)</script>'{{ 7 * 7 }}"
KEPT = "is_observability_io_logging_enabled"


@pytest.fixture(scope="module")
def owner(well: World) -> User:
    return well.new_user("logged", Role.OWNER, "logged")


@pytest.fixture(scope="module")
def secret(well: World, owner: User) -> Secret:
    return well.new_key("logged", credits_usd="10", creator=owner)


@pytest.fixture(scope="module")
def made(well: World, owner: User, secret: Secret) -> list[Any]:
    """120 requests of the last ten days, by two keys, some of which failed; two share a millisecond."""
    member = well.new_user("logged-member", Role.MEMBER, "logged")
    theirs = well.new_key("logged", creator=member)
    now_ms = well.house.gateway.now_ms()
    found = [
        generation(
            f"logged-{number}",
            theirs.key if number % 4 == 0 else secret.key,
            cost=0 if number % 6 == 0 else 1_000_000 * number + 7,
            created_ms=now_ms - number // 2 * (DAY_MS // 6),
            model=HOSTILE if number % 5 == 4 else f"logged/model-{number % 5}",
            endpoint_id=None if number % 6 == 0 else f"{'ab'[number % 2]}:m",
            finish_reason="error" if number % 6 == 0 else "stop",
            error=HOSTILE if number % 6 == 0 else None,
        )
        for number in range(120)
    ]
    well.run(commit_generations(well.house.database, found))
    return found


def browser_of(well: World, user: User) -> Browser:
    browser = Browser(well)
    browser.cookie = well.signed_in(user)["cookie"]
    return browser


def ids(page: Answer) -> list[str]:
    return [str(tag["href"]).rpartition("/")[2] for tag in Looked(page.text).all("a") if "data-drawer" in tag]


def lines(answer: Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


def everything(browser: Browser, path: str) -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    while path:
        page = browser.get(path)
        assert page.status == 200, page.text[:500]
        found += ids(page)
        path = next((str(tag["href"]) for tag in Looked(page.text).all("a") if tag.get("rel") == "next"), "")
    return found


FILTERS: dict[str, Callable[[Any, Secret], bool]] = {
    "": lambda it, secret: True,
    "status=error": lambda it, secret: it.finish_reason == "error",
    "status=ok": lambda it, secret: it.finish_reason != "error",
    "model=logged/model-1": lambda it, secret: it.model == "logged/model-1",
    "provider=a": lambda it, secret: (it.endpoint_id or "").startswith("a:"),
    "key=KEY": lambda it, secret: it.key_id == secret.key.id,
    "cost=0.05": lambda it, secret: it.cost >= 50_000_000,
    "cost=$0.05&provider=b&status=ok": lambda it, secret: it.cost >= 50_000_000 and it.endpoint_id == "b:m",
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters_and_pages(well: World, owner: User, secret: Secret, made: list[Any], query: str) -> None:
    """All pages together have what was asked for, each once; the totals, the CSV and the records say the same."""
    browser = browser_of(well, owner)
    asked = f"workspace=logged&period=30d&{query.replace('KEY', secret.key.id)}"
    wanted = [each for each in made if FILTERS[query](each, secret)]
    found = everything(browser, f"/logs?{asked}")
    assert sorted(found) == sorted(each.id for each in wanted)
    rows = lines(browser.get(f"/logs.csv?{asked}"))
    data = browser.get(f"/logs.json?{asked}").json["data"]
    assert [each["id"] for each in data] == [each["id"] for each in rows]
    assert [row["id"] for row in rows] == found
    cost = sum(each.cost for each in wanted)
    assert sum(Decimal(row["cost"]) for row in rows) * NANO == cost
    text = browser.get(f"/logs?{asked}").text
    assert f"<strong>{len(wanted):,} request" in text
    assert f"<strong>${nanodollars_to_text(cost)}" in text


def test_columns(well: World, owner: User, made: list[Any]) -> None:
    """Those that are chosen are shown and exported; every one can be."""
    browser = browser_of(well, owner)
    query = "workspace=logged&columns=cost&columns=model"
    header = Looked(browser.get(f"/logs?{query}").text).rows[0]
    chart = Looked(browser.get(f"/logs?{query}").text)
    assert header
    heads = [row for row in chart.rows if row[:2] == ["Model", "Cost"]]
    assert len(heads) == 1
    assert browser.get(f"/logs.csv?{query}").text.partition("\r\n")[0] == "id,model,cost"
    assert {tuple(each) for each in browser.get(f"/logs.json?{query}").json["data"]} <= {("id", "model", "cost")}
    every = "&".join(f"columns={word}" for word in COLUMNS)
    assert browser.get(f"/logs?workspace=logged&{every}").status == 200
    assert browser.get(f"/logs.csv?workspace=logged&{every}").text.partition("\r\n")[0] == f"id,{','.join(COLUMNS)}"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("cost=much", "amount in USD"),
        ("key=nobody-s", "no such key"),
        ("app=x", "one of the list"),
        ("since=yesterday", "a day such as"),
        ("period=1y", "period"),
        ("after=x", "as the page before had it"),
        ("status=maybe", "Invalid"),
        ("model=a&model=b", "twice"),
    ],
)
def test_what_can_not_be_asked(well: World, owner: User, made: list[Any], query: str, said: str) -> None:
    """400 that says why; what was typed stays in the form."""
    browser = browser_of(well, owner)
    answer = browser.get(f"/logs?workspace=logged&{query}")
    assert (answer.status, said in answer.text) == (400, True), answer.text[-2000:]
    if query.startswith("cost"):
        assert 'value="much"' in answer.text
    if not query.startswith("after"):
        assert browser.get(f"/logs.csv?workspace=logged&{query}").status == 400


def asked(well: World, secret: Secret, **fields: Any) -> str:
    answer = well.chat(headers=secret.headers, **fields)
    well.settled()
    return answer.headers["x-generation-id"]


def test_a_bill(well: World, owner: User, secret: Secret, made: list[Any]) -> None:
    """The page's lines come to what the ledger has, to the digit; the plan, the attempts and a request to repeat it."""
    id_ = asked(well, secret, model="openai/gpt-4o", provider={"order": ["a", "b"]})
    page = browser_of(well, owner).get(f"/logs/{id_}")
    assert page.status == 200
    [(amount,)] = well.run(well.house.database.read("SELECT amount FROM transfers WHERE ref = :ref", ref=id_))
    shown = f"${nanodollars_to_text(amount)}"
    rows = {row[0]: row for row in Looked(page.text).rows}
    assert rows["Charged"][3] == shown
    total = sum(
        int(row[1].replace(",", "")) * Decimal(row[2].removeprefix("$"))
        for name, row in rows.items()
        if name in ("prompt tokens", "output tokens")
    )
    assert total * NANO == amount
    assert "provider.order, place 1" in page.text
    assert Looked(page.text).by_id["again"].startswith(f"curl {well.house.config.public_url}/api/v1/chat/completions")
    assert page.text.count('<rect class="w-first"') >= 1
    assert id_ in ids(browser_of(well, owner).get("/logs?workspace=logged"))


def test_attempts_that_failed(well: World, owner: User, secret: Secret) -> None:
    """The first fails, the second answers: both are drawn, with what each said; what was left out says why."""
    well.script("a", "latency_ms=30,fail=503")
    id_ = asked(well, secret, model="openai/gpt-4o", provider={"order": ["a", "b"]})
    text = browser_of(well, owner).get(f"/logs/{id_}").text
    assert "status 503" in text
    assert text.count('class="w-failed"') >= 2
    assert "succeeded" in text
    id_ = asked(well, secret, model="openai/gpt-4o", provider={"ignore": ["b"]})
    text = browser_of(well, owner).get(f"/logs/{id_}").text
    assert "in provider.ignore" in text


def test_kept_content(well: World, owner: User, secret: Secret) -> None:
    """Shown where the workspace has it kept, as text; and the request can be repeated with it."""
    id_ = asked(well, secret, content=HOSTILE)
    text = browser_of(well, owner).get(f"/logs/{id_}").text
    assert "What was said" not in text
    manager = well.new_key("logged", creator=owner, kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    changed = request(well.url, "PATCH", "/api/v1/workspaces/logged", {KEPT: True}, headers=manager.headers)
    assert changed.status == 200, changed.text
    id_ = asked(well, secret, content=HOSTILE)
    contents = well.house.gateway.contents
    assert contents is not None
    well.run(contents.drain())
    page = browser_of(well, owner).get(f"/logs/{id_}")
    looked = Looked(page.text)
    assert "What was said" in page.text
    assert "alert(1)" in looked.by_id["again"]
    assert all((tag.get("src") or "").startswith("/static/") for tag in looked.all("script"))


def test_who_sees_what(well: World, owner: User, secret: Secret, made: list[Any]) -> None:
    """A member sees their own keys' requests; another tenant's is like nobody's; without a session: sign in first."""
    stranger = browser_of(well, well.new_user("logged-stranger", Role.OWNER, "logged-elsewhere"))
    answers = [stranger.get(f"/logs/{id_}") for id_ in (made[1].id, "logged-nobody")]
    assert [each.status for each in answers] == [404, 404]
    assert answers[0].text == answers[1].text.replace("logged-nobody", made[1].id)
    for path in ("/logs", "/logs.csv", "/logs.json"):
        assert stranger.get(f"{path}?workspace=logged").status == 404
        assert stranger.get(f"{path}?key={secret.key.id}").status == 400
    second = well.new_user("logged-second", Role.MEMBER, "logged")
    theirs = browser_of(well, second)
    assert ids(theirs.get("/logs?workspace=logged")) == []
    assert theirs.get(f"/logs/{made[1].id}").status == 404
    assert theirs.get(f"/logs?workspace=logged&key={secret.key.id}").status == 400
    assert Browser(well).get("/logs.csv").status == Browser(well).get("/logs.json").status == 401
    assert Browser(well).get(f"/logs/{made[1].id}").headers["location"] == "/sign-in?next=%2Flogs"
    wanted = Browser(well).get("/logs?status=error").headers["location"]
    assert browser_of(well, owner).get(wanted).headers["location"] == "/logs?status=error"


@pytest.mark.parametrize(
    "path",
    ["/logs/%00", "/logs/%ff", "/logs/..%2f", "/logs/" + "x" * 3000, "/logs?model=%ff&workspace=logged",
     "/logs?workspace=%00", "/logs?workspace=logged&model=%00", "/logs?workspace=logged&app=9999999999999999",
     "/logs?workspace=logged&cost=1e40", "/logs?workspace=logged&cost=-1", "/logs?workspace=logged&columns=%ff",
     "/logs.csv?workspace=logged&since=9999-12-31", "/activity?workspace=%ff", "/overview?workspace=%00"],
)  # fmt: skip
def test_odd_addresses(well: World, owner: User, made: list[Any], path: str) -> None:
    """Whatever stands in the address: an answer that knows it, never a failure of ours."""
    assert browser_of(well, owner).get(path).status in (200, 400, 404)


def test_names_stay_text(well: World, owner: User, made: list[Any]) -> None:
    """Whatever a model or an error is called, the pages show it and run nothing."""
    browser = browser_of(well, owner)
    failed = next(each for each in made if each.error and each.model == HOSTILE)
    for path in ("/logs?workspace=logged", f"/logs/{failed.id}"):
        looked = Looked(browser.get(path).text)
        assert all((tag.get("src") or "").startswith("/static/") for tag in looked.all("script"))
        assert not [name for _, tag in looked.tags for name in tag if re.match("on|style$", name)]
