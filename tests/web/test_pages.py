"""The pages beside the table: a model, a comparison, providers, rankings and the status, as a browser reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.web.site import NOW_S, Looked, app_of, full_market, get, look, site_of
from tollway.domain.health import Outcome
from tollway.routing.health import HealthBoard
from tollway.routing.stats import QUARTER_S, Sample
from tollway.storage.usage_days import AppUse
from tollway.web.assets import Assets
from tollway.web.bars import day_bars
from tollway.web.figures import NONE, percent, seconds
from tollway.web.render import Renderer
from tollway.web.routes import web_routes


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
    assert far[:5] == ["Far & Cotraining not known, retention not known", "$1.234567", "$2.50", "131K", NONE]
    assert far[5].startswith("513 ms")  # a histogram's step: right to 5%
    assert far[6].startswith("80")
    assert "75%" in far[7]
    assert far[8] == "up"
    assert tier == ["prompts of over 200,000 tokens: $3.00 in, $6.00 out"]
    assert (near[0][:7], near[1], near[7], near[8]) == ("NearGPT", "$2.00", "not asked yet", "untried")


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
    """In the order of the URL, each once, four at most; an unknown name is said."""
    names = ["acme/gift", "acme/seer", "acme/gift", "no/such", "acme/brush", "zeta/shut"]
    page = look(app_of(full_market()), "/compare?" + "&".join(f"model={name}" for name in names))
    head, status, price, *_ = cells(page)
    assert head == ["", "Giftacme/gift", "Seeracme/seer", "Brushacme/brush"]
    assert status == ["Status", "untried", "untried", "untried"]
    assert price == ["Input", "free", "$1.234567", "$10.00"]
    [response] = get(app_of(full_market()), "/compare?model=no/such")
    assert "There is no model <code>no/such</code> here." in response.text


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
    app = Starlette(routes=web_routes(site, Renderer(assets), assets))
    [response] = get(app, "/rankings")
    text = " ".join(response.text.split())
    order = [text.index(word) for word in (">Gift<", "old/gone", "Notes", "https://b.example")]
    assert order == sorted(order)
    assert "1.5M <small>tokens" in text
    assert "12 requests" in text
    [empty] = get(app_of(full_market()), "/rankings")
    assert empty.text.count("Nothing was used in this time.") == 2


def test_status() -> None:
    """What is down comes first, with the reason; what nobody asked is counted and not listed."""
    health = HealthBoard()
    health.observe("far:acme/seer", Outcome.SUCCEEDED, NOW_S)
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    page = look(app_of(full_market(), health), "/status")
    rows = cells(page)[1:]
    assert [(row[0], row[1], row[3], row[7]) for row in rows] == [
        ("acme/brush", "NearGPT", "0%", "down"),
        ("acme/seer", "Far & Co", "100%", "up"),
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
