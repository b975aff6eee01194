"""The first page: what it shows for a full market, an empty one and a hostile one."""

import re
from pathlib import Path
from urllib.parse import quote, urljoin

import pytest
from starlette.applications import Starlette

import tollway.web
from tests.web.site import (
    BROWSER,
    NOW_S,
    ORIGIN,
    Looked,
    app_of,
    endpoint,
    full_market,
    get,
    look,
    market_of,
    model,
    site_of,
)  # fmt: skip
from tollway.config import Config
from tollway.domain.catalog import Catalog
from tollway.domain.health import Outcome
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market
from tollway.web.assets import Assets
from tollway.web.render import Renderer
from tollway.web.routes import web_routes

STATIC = Path(tollway.web.__file__).parent / "static"
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{ 7 * 7 }}"


def test_key_figures_are_counted() -> None:
    """The figures are those of the market: offers with a live endpoint, providers that have one, endpoints by state."""
    health = HealthBoard()
    health.observe("near:acme/seer", Outcome.SUCCEEDED, NOW_S)
    health.observe("far:acme/seer", Outcome.RATE_LIMITED, NOW_S, 60)
    [response] = get(app_of(full_market(), health), "/")
    figures = dict(re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)", response.text))
    assert figures == {"Models on offer": "243", "Live providers": "2", "Live endpoints": "244", "Right now": "1"}
    assert "242 untried" in response.text
    assert "1 down" in response.text


def test_a_row_says_what_a_model_costs_and_how_it_does() -> None:
    """Exact prices of the cheapest endpoint, with what they leave out; context, modalities, endpoints, status."""
    health = HealthBoard()
    health.observe("near:acme/seer", Outcome.SUCCEEDED, NOW_S)
    page = look(app_of(full_market(), health), "/models?q=seer")
    header, row = page.rows
    assert [" ".join(cell.split()) for cell in row] == [
        "Seeracme/seer",
        "reads text, image; writes text→",
        "1.05M",
        "$1.234567",
        "$2.50+",
        "\u2013",
        "\u2013",
        "2",
        "Far & Co, NearGPT",
        "up100%",
    ]
    assert len(header) == len(row)
    assert {"title": "other prices for prompts of over 200,000 tokens"} in page.all("abbr")
    assert {"class": "c-end", "title": "1 up, 1 untried, 0 down"} in page.all("td")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/models?q=gift", "untried"), ("/models?q=brush", "down"), ("/models?q=shut", "off")],
)
def test_status_of_a_model(path: str, status: str) -> None:
    """A model is untried, down or off when the best of its endpoints is; a free one says so; an off one says why."""
    health = HealthBoard()
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    page = look(app_of(full_market(), health), path)
    [row] = page.rows[1:]
    assert re.sub(r"[\d.]+%$", "", row[-1]) == status
    assert (row[3] == "free") is ("gift" in path)
    assert any(tag.get("title") == "no key for dark: set DARK_KEY" for tag in page.all("span")) is (status == "off")


@pytest.mark.parametrize("with_catalog", [True, False])
def test_an_empty_market_teaches(with_catalog: bool) -> None:
    """Without a live provider the page says three ways to get one, shows no sample, and invents no figure."""
    offers = {model("zeta/shut"): [endpoint("dark", "zeta/shut", "0.000001", "0.000001")]} if with_catalog else {}
    page = look(app_of(market_of(offers, live=())))
    assert page.by_id["teach"] == "Nothing is on offer yet"
    assert page.by_id["teach-env"] == "OPENAI_API_KEY=sk-… tollway serve"
    assert page.by_id["teach-toml"].count("\n") == 2
    assert page.by_id["teach-demo"] == "tollway demo"
    assert "code-curl" not in page.by_id
    assert (len(page.rows) == 2) is with_catalog


def test_hostile_names_stay_text() -> None:
    """Names from a provider's listing or a file can't make elements, attributes or template code."""
    offers = {
        model(f"evil/{HOSTILE}", HOSTILE, input_modalities=("text", HOSTILE)): [
            endpoint("near", f"evil/{HOSTILE}", "0.1", "0.1")
        ]
    }
    app = app_of(market_of(offers), notice=HOSTILE)
    paths = (
        "/",
        f"/models?q={HOSTILE}&modality={HOSTILE}&provider={HOSTILE}",
        f"/models/evil/{quote(HOSTILE)}",
        f"/compare?model=evil/{quote(HOSTILE)}&model={quote(HOSTILE)}",
        "/explore?model=" + quote(HOSTILE) + "&tokens=" + quote(HOSTILE) + "&in=" + quote(HOSTILE),
        "/providers",
        "/rankings",
        "/status",
        f"/nothing/{HOSTILE}",
    )
    for path in paths:
        [response] = get(app, path)
        page = Looked(response.text)
        assert not page.all("img")
        assert all(tag.get("src", "").startswith("/static/") for tag in page.all("script"))  # type: ignore[union-attr]  # an empty src fails too
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert "{{ 7 * 7 }}" in response.text or path in {"/providers", "/rankings"}
    assert f"evil/{HOSTILE}" in look(app).ids_of_models()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/models?q=nothing-like-it",
        "/models?page=2&sort=input",
        "/models/acme/one",
        "/compare?model=acme/one",
        "/compare",
        "/explore?model=acme/seer&out=3&tools=1",
        "/explore?out=0",
        "/explore?model=" + quote(HOSTILE) + "&tokens=" + quote(HOSTILE) + "&in=" + quote(HOSTILE),
        "/providers",
        "/rankings",
        "/status",
        "/missing",
    ],
)
@pytest.mark.parametrize("live", [("near", "far"), ()])
def test_nothing_is_inline(path: str, live: tuple[str, ...]) -> None:
    """No inline script, style or handler: all would be refused by the page's own policy."""
    offers = {model("acme/one"): [endpoint("near", "acme/one", "0.000001", "0.000001")]}
    [response] = get(app_of(market_of(offers, live)), path)
    for tag, attributes in Looked(response.text).tags:
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert not [value for value in attributes.values() if value and "javascript:" in value.lower()]


@pytest.mark.parametrize("root", ["", "/router/here"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/models?q=small&page=2&sort=name&live=1",
        "/models/acme/seer",
        "/compare?model=acme/seer&model=acme/gift",
        "/explore?model=" + quote(HOSTILE) + "&tokens=" + quote(HOSTILE) + "&in=" + quote(HOSTILE),
        "/providers",
        "/rankings",
        "/status",
        "/missing",
    ],
)
def test_every_url_of_a_page_answers(root: str, path: str) -> None:
    """Whatever a page loads or links to is there, on this server, also where the site is mounted below a path."""
    app = app_of(full_market(), root=root)
    [response] = get(app, root + path)
    page = Looked(response.text)
    urls = page.urls()
    assert all(url.startswith(f"{root}/") and not url.startswith("//") for url in urls), urls
    names = [url for url in urls if "/static/" in url or url.endswith((".json", ".csv", ".svg", "/health"))]
    rest = sorted(urls - set(names))
    assert {200} == {answer.status_code for answer in get(app, *names, *rest[:3])}
    fragments = {tag["href"] for _, tag in page.tags if (tag.get("href") or "").startswith("#")}
    assert {str(one)[1:] for one in fragments} <= {str(tag.get("id")) for _, tag in page.tags}


OURS = [file for file in STATIC.rglob("*") if file.is_file() and "vendor" not in file.relative_to(STATIC).parts]
"""What others wrote is in test_vendor.py."""
IMPORTED = re.compile(r"""\bimport\s*(?:[\w{}*,\s]+\sfrom\s*|\()?["'](\.[^"']+)["']""")


def test_assets_name_nothing_else() -> None:
    """No asset loads another host or another's file: what a page needs, it names itself; modules import their own."""
    for file in OURS:
        text = IMPORTED.sub("", file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", ""))
        assert not re.search(r"https?:|//cdn|@import|url\(|\bimport\b|\beval\b|innerHTML", text), file.name
    sizes = {file.name: file.stat().st_size for file in OURS if file.suffix == ".css"}
    assert sizes.pop("app.css") <= 26_000
    assert all(size <= 20_000 for size in sizes.values()), sizes


def test_every_asset_is_used() -> None:
    """Each file of ours is on the first page, or named by another's template, or imported: nothing lies about."""
    urls = look(app_of(full_market())).urls()
    named = {re.sub(r"^/(static/[0-9a-f]{12}/)?", "", url) for url in urls}
    for template in (STATIC.parent / "templates").rglob("*.html"):
        named |= set(re.findall(r"asset\('([^']+)'\)", template.read_text(encoding="utf-8")))
    for file in OURS:
        found = IMPORTED.findall(file.read_text(encoding="utf-8"))
        named |= {(file.parent / path).resolve().relative_to(STATIC).as_posix() for path in found}
    assert {file.relative_to(STATIC).as_posix() for file in OURS} <= named


def test_the_first_page_follows_the_market() -> None:
    """A market that was swapped is seen at once; while it stands, its rows are made once."""
    markets = [market_of({model("acme/one"): [endpoint("near", "acme/one", "0.000001", "0.000001")]}), full_market()]
    asked: list[str] = []

    def name(slug: str) -> str:
        asked.append(slug)
        return slug

    current = markets[0]
    assets = Assets.of_package()
    app = Starlette(routes=web_routes(site_of(lambda: current, provider_name=name), Renderer(assets), assets, Config()))
    assert look(app).ids_of_models() == ["acme/one"]
    assert look(app).ids_of_models() == ["acme/one"]
    assert asked == ["near"]
    current = markets[1]
    assert len(look(app, "/models").ids_of_models()) == 100


def test_a_notice_stands_above_every_page() -> None:
    """What the demo has to say is on the first page and on the page for what is missing."""
    app = app_of(Market(Catalog({}, {}, {}, {}), {}, {}), notice="Answers here are made up.")
    for response in get(app, "/", "/missing"):
        assert '<aside class="notice">Answers here are made up.</aside>' in response.text


def test_what_a_browser_gets_where_there_is_nothing() -> None:
    """A page for browsers; the application's own answer for programs; 405 stays 405."""
    app = app_of(full_market())
    page, deep = get(app, "/missing", "/static/app.000000000000.css")
    assert [page.status_code, deep.status_code] == [404, 404]
    assert "This server has no page at <code>/missing</code>" in page.text
    [program] = get(app, "/missing", headers={"accept": "*/*"})
    assert (program.status_code, program.text) == (404, "Not Found")
    [posted] = get(app, "/missing", method="POST")
    assert (posted.status_code, posted.text) == (404, "Not Found")
    [other_method] = get(app, "/api/v1/chat/completions", headers=BROWSER)
    assert other_method.status_code == 405


def test_robots_and_favicon() -> None:
    """Search engines are kept from the API; the icon is the page's own file."""
    app = app_of(full_market())
    robots, icon = get(app, "/robots.txt", "/favicon.svg")
    assert robots.text.startswith("User-agent: *\nDisallow: /api/")
    assert robots.headers["content-type"] == "text/plain; charset=utf-8"
    assert icon.headers["content-type"] == "image/svg+xml"
    assert icon.content == (STATIC / "favicon.svg").read_bytes()
    assert urljoin(ORIGIN, "/favicon.svg") == str(icon.url)
