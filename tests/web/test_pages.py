"""The pages beside the table: a model, a comparison, providers, rankings and the status, as a browser reads them."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.web.site import NOW_MS, NOW_S, PUBLIC_URL, Looked, app_of, full_market, get, look, site_of
from tollway.config import Config
from tollway.domain.chat import ChatRequest, MaxPrice, Preferences
from tollway.domain.health import Outcome
from tollway.domain.measured import EndpointHour
from tollway.routing.health import HealthBoard
from tollway.routing.stats import QUARTER_S, Sample
from tollway.storage.usage_days import AppUse
from tollway.web.assets import Assets
from tollway.web.bars import day_bars, many_day_bars
from tollway.web.figures import NONE, percent, seconds
from tollway.web.pages.explore import request_of, wishes_of
from tollway.web.render import Renderer
from tollway.web.routes import web_routes
from tollway.wire.openai_chat.server import decode_request


def cells(page: Looked) -> list[list[str]]:
    """The rows of a page's tables, white space as a reader sees it."""
    return [[" ".join(cell.split()) for cell in row] for row in page.rows]


def test_a_model_has_its_endpoints() -> None:
    """Cheapest first, with exact prices, tiers, speed and uptime; what nobody asked says so."""
    health = HealthBoard()
    for _ in range(3):
        health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S, sample=Sample(first_s=0.5, tokens_per_s=80.0))
    health.observe("far:acme/seer", Outcome.PROVIDER_ERROR, NOW_S)
    page = look(app_of(full_market(), health), "/models/acme/seer")
    header, far, tier, near = cells(page)
    assert header[:4] == ["Provider", "Input", "Output", "Context"]
    assert far[:6] == ["Far & Cotraining not known, retention not known", "$1.234567", "$2.50", "131K", NONE, NONE]
    assert far[6].startswith("513 ms")  # a histogram's step: right to 5%
    assert far[7].startswith("80")
    assert "75%" in far[8]
    assert far[9] == "up"
    assert tier == ["prompts of over 200,000 tokens: $3.00 in, $6.00 out"]
    assert (near[0][:7], near[1], near[8], near[9]) == ("NearGPT", "$2.00", "not asked yet", "untried")


def test_a_model_that_is_off_says_why() -> None:
    """No endpoint, no sample; each reason as the market has it."""
    [response] = get(app_of(full_market()), "/models/zeta/shut")
    assert "No endpoint of this model can be called just now." in response.text
    assert "no key for dark: set DARK_KEY" in response.text


@pytest.mark.parametrize("path", ["/models/acme/none", "/models/acme", "/models/" + "x" * 5000])
def test_no_such_model(path: str) -> None:
    """A page that says so, with 404."""
    [response] = get(app_of(full_market()), path)
    assert response.status_code == 404
    assert "Nothing here" in response.text


def test_side_by_side() -> None:
    """In the order of the URL, each once, four at most; an unknown name is said, and how many are left out."""
    names = ["acme/gift", "acme/seer", "acme/gift", "no/such", "acme/brush", "zeta/shut"]
    page = look(app_of(full_market()), "/compare?" + "&".join(f"model={name}" for name in names))
    head, status, price, *_ = cells(page)
    assert head == ["", "Giftacme/gift", "Seeracme/seer", "Brushacme/brush"]
    assert status == ["Status", "untried", "untried", "untried"]
    assert price == ["Input", "free", "$1.234567", "$10.00"]
    [response, many] = get(
        app_of(full_market()), "/compare?model=no/such", "/compare?" + "&".join(f"model=a{each}" for each in range(5))
    )
    assert "There is no model <code>no/such</code> here." in response.text
    assert "more than fit" not in response.text
    assert "1 model more than fit side by side: these are the first." in many.text


def test_providers() -> None:
    """Those that can be called, the largest first, with their endpoints' state; who has no key is not there."""
    health = HealthBoard()
    health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S)
    rows = cells(look(app_of(full_market(), health), "/providers"))[1:]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("NearGPTnear", "242", NONE),
        ("Far & Cofar", "2", "100%"),
    ]


def test_rankings() -> None:
    """By tokens; a model that the catalog lost is still named, an app without a title by its address."""
    assets = Assets.of_package()
    tokens = {"acme/gift": 1_500_000, "old/gone": 3000}
    apps = (AppUse(1, "https://a.example", "Notes", 12, 9000), AppUse(2, "https://b.example", None, 1, 90))
    site = site_of(full_market, tokens=tokens, apps=apps)
    app = Starlette(routes=web_routes(site, Renderer(assets), assets, Config()))
    [response] = get(app, "/rankings")
    text = " ".join(response.text.split())
    order = [text.index(word) for word in (">Gift<", "old/gone", "Notes", "https://b.example")]
    assert order == sorted(order)
    assert "1.5M <small>tokens" in text
    assert "12 requests" in text
    [empty] = get(app_of(full_market()), "/rankings")
    assert empty.text.count("Nothing was used by enough keys in this time.") == 4
    assert ("▲" in response.text, "new</small>" in response.text) == (False, False)
    paths = {tag["href"] for tag in Looked(response.text).all("a")}
    assert {"/models/acme/gift", "/models?author=acme", "/models?provider=near"} <= paths
    data, lines = get(app, "/rankings.json?period=day", "/rankings.csv?period=%00")
    assert (data.json()["period"], data.json()["providers"][0]["tokens"]) == ("day", 1_503_000)
    assert [line.split(",")[:3] for line in lines.text.splitlines()[1:3]] == [
        ["models", "1", "Gift"],
        ["models", "2", "old/gone"],
    ]


def test_rankings_by_requests_and_movers() -> None:
    """By requests the order is theirs; who rose, fell or is new since the time before says so, here and as data."""
    assets = Assets.of_package()
    site = site_of(
        full_market,
        tokens={"acme/gift": 900, "old/gone-long": 500, "new/one": 100},
        before={"old/gone-long": 9, "acme/gift": 5},
    )
    app = Starlette(routes=web_routes(site, Renderer(assets), assets, Config()))
    page, data, by_requests = get(app, "/rankings", "/rankings.json", "/rankings.json?by=requests")
    assert [each["moved"] for each in data.json()["models"]] == [1, -1, None]
    assert ("▲ 1" in page.text, "▼ 1" in page.text, page.text.count("new</small>")) == (True, True, 3)
    names = [each["name"] for each in by_requests.json()["models"]]
    assert names[0] == "old/gone-long"
    [odd] = get(app, "/rankings?by=%00&period=%00")
    assert odd.status_code == 200


def test_status() -> None:
    """What is down comes first, with the reason; what nobody asked is counted and not listed."""
    health = HealthBoard()
    health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S)
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    page = look(app_of(full_market(), health), "/status")
    providers, rows = cells(page)[1:3], cells(page)[4:]
    assert [row[:2] + row[4:] for row in providers] == [
        ["NearGPT", "1", "0%", NONE, NONE],
        ["Far & Co", "1", "100%", NONE, NONE],
    ]
    assert [(row[0], row[1], row[3], row[7]) for row in rows] == [
        ("acme/brush", "NearGPTnear:acme/brush", "0%", "down"),
        ("acme/seer", "Far & Cofar:acme/seer", "100%", "up"),
    ]
    [response] = get(app_of(full_market(), health), "/status")
    assert "1 endpoint down" in response.text
    [quiet] = get(app_of(full_market()), "/status")
    assert "Nothing was asked yet" in quiet.text


def test_a_day_of_an_endpoint() -> None:
    """A value for each quarter of an hour, the present one last; two of them are one bar, as bad as the worse."""
    health = HealthBoard()
    now_s = 200 * QUARTER_S
    health.observe("e", Outcome.SUCCEEDED, now_s - 3 * QUARTER_S)
    for outcome in (Outcome.SUCCEEDED, Outcome.PROVIDER_ERROR):
        health.observe("e", outcome, now_s)
    day = health.day("e", now_s)
    assert (len(day), day[-4:]) == (96, [1.0, None, None, 0.5])
    assert health.day("nobody", now_s) == []
    bars = day_bars(day)
    assert bars is not None
    assert (bars.good.count("M"), bars.bad.count("M"), bars.none.count("M")) == (1, 1, 46)
    assert bars.label.endswith("50%")
    assert day_bars([None] * 96) is None


@given(st.floats(0, 1))
def test_only_all_is_100_percent(share: float) -> None:
    """A share is never said to be more than it is."""
    said = float(percent(share).removesuffix("%"))
    assert said <= 100 * share + 1e-9
    assert said > 100 * share - 0.011


def test_times() -> None:
    """Milliseconds below a second."""
    assert [seconds(value) for value in (None, 0.0004, 0.42, 0.9994, 0.9995, 12.345)] == [
        NONE,
        "0 ms",
        "420 ms",
        "999 ms",
        "1.00 s",
        "12.35 s",
    ]


def test_where_a_request_would_go() -> None:
    """The shares of those that would be tried, what it would cost, and the rule that leaves others out."""
    page = look(app_of(full_market()), "/explore?model=acme/seer&tokens=1000&out=3")
    tried, out = cells(page)[1], cells(page)[3]
    assert tried[:5] == ["Far & Coacme/seer", "100% 100%", "$1.234567", "$2.50", "$0.002484567"]
    assert out[:2] == ["NearGPTacme/seer", "max_price"]
    assert page.by_id["tried-title"] == "1 endpoint would be tried, in this order"
    asked = msgspec.json.decode(page.by_id["body"], type=ChatRequest)
    assert asked.model == "acme/seer"
    assert asked.provider == Preferences(max_price=MaxPrice(completion="3"))
    assert "of your workspace" not in get(app_of(full_market()), "/explore?model=acme/seer")[0].text
    both = look(app_of(full_market()), "/explore?model=acme/seer")
    [plan] = [tag for _, tag in both.tags if tag.get("id") == "plan"]
    assert (plan["data-in"], plan["data-out"]) == ("1.234567 2", "2.5 8"), "where the sliders stop"
    assert [row[1] for row in cells(both)[1:]] == ["84% 84%", "16% 16%"]  # 1 / 1.55², 1 / 3.50²


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("model=no/such", "no/such"),
        ("model=acme/seer&out=0", "max_price"),
        ("model=acme/seer&tools=1&json=1", "tools"),
        ("model=", "model"),
        ("model=" + "x" * 1000, "xxx"),
        ("model=acme/seer&tokens=9000000", "context"),
    ],
)
def test_where_nothing_would_go(query: str, said: str) -> None:
    """The error that the request would get is on the page, which is still there to be mended."""
    [response] = get(app_of(full_market()), f"/explore?{query}")
    assert response.status_code == 200
    wrong = re.search(r'<p class="wrong" role="alert">(.*?)</p>', response.text, re.DOTALL)
    assert wrong is not None
    assert said in wrong[1]
    assert not [row for row in cells(Looked(response.text)) if "%" in "".join(row)]


@given(st.dictionaries(st.sampled_from(["model", "tokens", "in", "out", "sort", "tools"]), st.text(max_size=30)))
@settings(deadline=None)
def test_any_wish_is_read(params: dict[str, str]) -> None:
    """Whatever a URL says, there is a request, and its JSON is one that the API takes."""
    wishes = wishes_of(params, "acme/seer")
    assert 1 <= wishes.prompt_tokens < 10_000_000
    if wishes.model:
        assert decode_request(msgspec.json.encode(request_of(wishes))).model == wishes.model


def test_ninety_days_of_a_provider() -> None:
    """A bar for each day, those on which nobody asked among them; the worst is told to who can't see them."""
    health = HealthBoard()
    health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S)
    today = NOW_MS // 86_400_000
    days = {
        "far": {today: (200, 1), today - 3: (10, 5), today - 89: (4, 0), today - 90: (9, 9)},
        "near": {today: (1, 0)},
    }
    assets = Assets.of_package()
    site = site_of(full_market, health, days=days)
    page = look(Starlette(routes=web_routes(site, Renderer(assets), assets, Config())), "/status")
    labels = {tag.get("aria-label") for tag in page.all("svg")}
    assert [row[:2] for row in cells(page)[1:3]] == [["Far & Co", "1"], ["NearGPT", "0"]], "asked long ago, and today"
    assert "90 days; on the worst of them 50% of requests did not fail" in labels
    shares = {day: 1 - failed / asked for day, (asked, failed) in days["far"].items()}
    drawn = many_day_bars([shares.get(day) for day in range(today - 89, today + 1)])
    assert drawn is not None
    assert [path.count("M") for path in (drawn.good, drawn.fair, drawn.bad, drawn.none)] == [2, 0, 1, 87]


def test_status_counts_what_it_does_not_list() -> None:
    """Beyond what fits on the page: all are counted and judged, the worst are listed."""
    health = HealthBoard()
    for number in range(205):
        health.observe(f"near:many/small-{number:03}", Outcome.SUCCEEDED, NOW_S)
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    page, told = get(app_of(full_market(), health), "/status", "/status.json")
    assert "206 asked in the last day" in page.text
    assert "200 of 206, the worst first" in page.text
    data = told.json()
    assert (data["asked"], data["down"], data["status"]) == (206, 1, "degraded")
    assert (len(data["endpoints_asked"]), data["endpoints_asked"][0]["model"]) == (200, "acme/brush")
    for number in range(240):
        for _ in range(5):
            health.observe(f"near:many/small-{number:03}", Outcome.PROVIDER_ERROR, NOW_S)
    for endpoint in ("far:acme/seer", "near:acme/seer", "far:acme/gift"):
        health.observe(endpoint, Outcome.SUCCEEDED, NOW_S)
    [told] = get(app_of(full_market(), health), "/status.json")
    assert told.json()["status"] == "degraded", "the listed ones are all down, and three others are up"


def told_hour(hour: int) -> str:
    """Hours since 1970, as files for programs say them."""
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%dT%H:00:00Z")


def test_incidents() -> None:
    """On the page, as JSON and in the feed, with their own times; the kind of error is by provider, of the last day."""
    now = NOW_MS // 3_600_000
    bad = EndpointHour(requests=10, failed=6, timed_out=6)
    troubles = [
        (("near:acme/brush", now - 40), EndpointHour(requests=9, failed=9, unreached=9)),
        (("near:acme/brush", now - 3), bad),
        (("near:acme/brush", now - 2), bad),
        (("near:gone", now - 2), bad),
        (("far:acme/seer", now), bad),
        (("far:acme/seer", now - 1), EndpointHour(requests=50, limited=20)),
    ]
    health = HealthBoard()
    health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S)
    health.observe("near:acme/brush", Outcome.SUCCEEDED, NOW_S)
    assets, site = Assets.of_package(), site_of(full_market, health, troubles=troubles)
    app = Starlette(routes=web_routes(site, Renderer(assets), assets, Config()))
    page, told, feed = get(app, "/status", "/status.json", "/status.atom")
    shown = cells(Looked(page.text))
    assert {row[0]: row[6] for row in shown[1:3]} == {
        "Far & Co": "rate limited (429)20 in a day",
        "NearGPT": "timed out18 in a day",
    }
    incidents = told.json()["incidents"]
    assert [(each["provider"], each["models"], each["kind"], each["failed"]) for each in incidents] == [
        ("Far & Co", ["acme/seer"], "timed out", 6),
        ("NearGPT", ["acme/brush", "near:gone"], "timed out", 18),
        ("NearGPT", ["acme/brush"], "not reached", 9),
    ]
    times = [told_hour(hour) for hour in (now - 3, now - 1, now)]
    assert (incidents[1]["began_at"], incidents[1]["ended_at"]) == (times[0], times[1])
    assert (incidents[0]["began_at"], incidents[0]["ended_at"]) == (times[2], None)
    near = next(each for each in told.json()["providers"] if each["name"] == "NearGPT")
    assert (near["top_error"], near["top_error_count"], len(near["days"])) == ("timed out", 18, 90)
    atom = "{http://www.w3.org/2005/Atom}"
    entries = list(ElementTree.fromstring(feed.text).iter(f"{atom}entry"))  # noqa: S314 (what our own page just wrote)
    ended = entries[1]
    assert ended.findtext(f"{atom}id") == f"{PUBLIC_URL}/status#incident:near:{now - 3}"
    assert (ended.findtext(f"{atom}published"), ended.findtext(f"{atom}updated")) == (times[0], times[1])
    assert "goes on" in (entries[0].findtext(f"{atom}summary") or "")


def test_status_for_programs() -> None:
    """JSON, an Atom feed with an entry for each outage, a badge: all say what the page says."""
    health = HealthBoard()
    health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S)
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    app = app_of(full_market(), health)
    told, feed, badge = get(app, "/status.json", "/status.atom", "/status.svg")
    data = told.json()
    assert (data["status"], data["endpoints"], data["asked"], data["down"]) == ("degraded", 244, 2, 1)
    assert [(each["name"], each["down"], each["uptime_day"]) for each in data["providers"]] == [
        ("NearGPT", 1, 0.0),
        ("Far & Co", 0, 1.0),
    ]
    atom = "{http://www.w3.org/2005/Atom}"
    root = ElementTree.fromstring(feed.text)  # noqa: S314 (what our own page just wrote)
    titles = [entry.findtext(f"{atom}title") for entry in root.iter(f"{atom}entry")]
    assert titles == ["acme/brush at NearGPT is down"]
    assert feed.headers["content-type"] == "application/atom+xml; charset=utf-8"
    image = ElementTree.fromstring(badge.text)  # noqa: S314 (what our own page just wrote)
    assert image.attrib["aria-label"] == "tollway: degraded"
    hour = told_hour(NOW_MS // 3_600_000)
    assert [entry.findtext(f"{atom}updated") for entry in root.iter(f"{atom}entry")] == [hour]
    [quiet] = get(app_of(full_market()), "/status.svg")
    assert "tollway: quiet" in quiet.text
    health = HealthBoard()
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    assert get(app_of(full_market(), health), "/status.json")[0].json()["status"] == "down"
