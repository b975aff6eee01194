"""The table of models: search, filters, order and pages, all from the URL; and the same rows as JSON and CSV."""

import csv
import io
import json
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.datastructures import QueryParams

from tests.web.site import NOW_S, app_of, endpoint, full_market, get, look, market_of, model, site_of, walk
from tollway.config import Config
from tollway.domain.health import Outcome
from tollway.providers.base import Facts
from tollway.routing.health import HealthBoard
from tollway.routing.stats import Sample
from tollway.web.assets import Assets
from tollway.web.figures import dollars, tokens_short, usd_per_million
from tollway.web.query import Query, api_query, parse
from tollway.web.render import Renderer
from tollway.web.routes import web_routes


def board() -> HealthBoard:
    """Brush is down, but began to answer soon before that; Seer is the one that writes fast."""
    health = HealthBoard()
    health.observe("near:acme/brush", Outcome.SUCCEEDED, NOW_S - 1, sample=Sample(first_s=0.2))
    health.observe("near:acme/seer", Outcome.SUCCEEDED, NOW_S - 1, sample=Sample(first_s=0.4, tokens_per_s=90.0))
    for _ in range(5):
        health.observe("near:acme/brush", Outcome.PROVIDER_ERROR, NOW_S)
    return health


FIRST = ["acme/seer", "acme/brush", "acme/gift"]  # two endpoints; then the newest; then by id


@pytest.mark.parametrize(
    ("query", "expected", "total"),
    [
        ("", [*FIRST, "many/small-000"], 244),
        ("?q=SEER", ["acme/seer"], 1),
        ("?q=acme+gift", ["acme/gift"], 1),
        ("?q=far", ["acme/seer", "acme/gift"], 2),  # by the provider's name
        ("?q=gpt", [], 0),  # NearGPT has no word that starts so
        ("?q=near+seer", ["acme/seer"], 1),
        ("?q=shut", ["zeta/shut"], 1),
        ("?q=shut&live=1", [], 0),
        ("?q=acme&live=1", ["acme/seer", "acme/gift"], 2),
        ("?modality=reads-image", ["acme/seer"], 1),
        ("?modality=writes-image", ["acme/brush"], 1),
        ("?modality=writes-image&live=on", [], 0),
        ("?modality=writes-smells", [], 0),
        ("?modality=nonsense", FIRST, 244),
        ("?sort=newest", ["acme/brush", "acme/seer"], 244),
        ("?sort=context", ["acme/seer", "acme/brush"], 244),
        ("?sort=input", ["acme/gift", "many/small-000"], 244),
        ("?sort=output&q=acme", ["acme/gift", "acme/seer", "acme/brush"], 3),
        ("?sort=name", ["acme/brush", "acme/gift", "acme/seer"], 244),
        ("?sort=price", FIRST, 244),
        ("?provider=far", ["acme/seer", "acme/gift"], 2),
        ("?provider=nobody", [], 0),
        ("?needs=tools", [], 0),
        ("?needs=nonsense", FIRST, 244),
        ("?context=1000000", ["acme/seer"], 1),
        ("?context=7", FIRST, 244),
        ("?max_price=0.5", ["acme/gift"], 1),
        ("?max_price=2.5&q=acme", ["acme/seer", "acme/gift"], 2),
        ("?max_price=1e9", FIRST, 244),
        ("?max_price=-1", FIRST, 244),
        ("?sort=latency&q=acme", ["acme/brush"], 3),
        ("?sort=speed&q=acme", ["acme/seer"], 3),
        ("?page=3", [*(f"many/small-{n}" for n in range(197, 240)), "zeta/shut"], 244),
        ("?page=99", ["many/small-197"], 244),
        ("?page=-1", FIRST, 244),
        ("?page=%C2%B2", FIRST, 244),  # a superscript two is a digit to str.isdigit, and no number to int
        ("?page=" + "9" * 5000, FIRST, 244),
    ],
)
def test_what_a_url_shows(query: str, expected: list[str], total: int) -> None:
    """Each URL shows these models first, and says how many there are; nonsense is left out, never an error."""
    page = look(app_of(full_market(), board()), f"/models{query}")
    assert page.ids_of_models()[: len(expected)] == expected
    said = page.by_id["models-count"]
    assert f"{total} model" in said if total else said == "No model"


def test_pages_hold_every_model_once() -> None:
    """Following "Next" from the first page meets each model once, and keeps the search."""
    pages = list(walk(app_of(full_market()), "/models?q=m"))
    seen = [id_ for page in pages for id_ in page.ids_of_models()]
    assert len(pages) == 3
    assert len(seen) == len(set(seen)) == 243


def test_the_form_says_what_the_url_said() -> None:
    """State is in the URL and back in the form, so that the form works without a script."""
    page = look(app_of(full_market()), "/models?q=a+b&modality=reads-image&live=1&sort=name")
    fields = {tag["name"]: tag for tag in page.all("input") if tag.get("form") != "compare"}
    assert fields["q"]["value"] == "a b"
    assert "checked" in fields["live"]
    assert [tag["value"] for tag in page.all("option") if "selected" in tag] == ["reads-image", "name"]
    assert [(tag["method"], tag["action"]) for tag in page.all("form")] == [("get", "/models"), ("get", "/compare")]
    labelled = {"search", "checkbox", "hidden", None}
    assert {tag.get("type") for tag in page.all("input")} <= labelled


@pytest.mark.parametrize("query", ["", "?q=acme", "?q=small&sort=input", "?live=1&modality=reads-text", "?q=none"])
def test_json_and_csv_are_the_table(query: str) -> None:
    """Both hold the rows of all pages of the same query in the same order, with the same exact prices and states."""
    app = app_of(full_market(), board())
    seen = [row for page in walk(app, f"/models{query}") for row in page.rows[1:]]
    as_json, as_csv = get(app, f"/models.json{query}", f"/models.csv{query}")
    data = as_json.json()
    records = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert data["total"] == len(data["data"]) == len(records) == len(seen)
    for row, one, record in zip(seen, data["data"], records, strict=True):
        assert row[0].endswith(one["id"])
        assert (row[9].rstrip("0123456789.%"), row[7], row[8]) == (
            one["status"],
            str(one["endpoints"]),
            ", ".join(one["providers"]),
        )
        price = one["input_usd_per_million"]
        assert row[3] == ("free" if price == "0" else dollars(price))
        flat = {name: "" if v is None else "; ".join(v) if name == "providers" else v for name, v in one.items()}
        flat = {name: " ".join(v) if isinstance(v, list) else str(v) for name, v in flat.items()}
        assert record == flat


def test_the_page_links_to_its_own_rows() -> None:
    """The CSV and JSON links carry the search of the page, and not its page number."""
    page = look(app_of(full_market()), "/models?q=small&live=1&page=2")
    links = {tag.get("data-export"): tag["href"] for tag in page.all("a") if "data-export" in tag}
    assert links.pop("api") == "/api/v1/models"
    assert links == {"csv": "/models.csv?q=small&live=1", "json": "/models.json?q=small&live=1"}


def test_a_spreadsheet_runs_nothing() -> None:
    """A name that looks like a formula reaches a spreadsheet as text; JSON has it as it is."""
    name = '=HYPERLINK("http://x","y")'
    app = app_of(market_of({model("acme/sum", name): [endpoint("near", "acme/sum", "0.000001", "0.000001")]}))
    as_json, as_csv = get(app, "/models.json", "/models.csv")
    assert json.loads(as_json.text)["data"][0]["name"] == name
    assert next(csv.DictReader(io.StringIO(as_csv.text)))["name"] == f"'{name}"
    assert as_csv.headers["content-disposition"] == 'attachment; filename="models.csv"'


@given(
    st.builds(
        Query,
        q=st.text(max_size=40).map(lambda text: " ".join(text.split())),
        modality=st.sampled_from(["", "reads-text", "writes-a b"]),
        provider=st.text(max_size=20),
        needs=st.sampled_from(["", "tools"]),
        context=st.sampled_from([0, 8_000]),
        max_price=st.sampled_from(["", "0.25", "12"]),
        max_input=st.sampled_from(["", "0.25"]),
        author=st.text(max_size=20),
        quantization=st.sampled_from(["", "fp8"]),
        privacy=st.sampled_from(["", "no-training"]),
        free=st.booleans(),
        live=st.booleans(),
        allowed=st.booleans(),
        workspace=st.sampled_from(["", "home"]),
        sort=st.sampled_from(["", "name", "input", "used"]),
        page=st.integers(1, 9999),
    )
)
@settings(deadline=None)
def test_a_query_survives_its_url(query: Query) -> None:
    """Whatever a query holds comes back from its own URL."""
    assert parse(QueryParams(urlsplit(query.url()).query)) == query


@pytest.mark.parametrize(
    ("price", "written"),
    [
        (0, "$0.00"),
        (200_000_000_000, "$0.20"),
        (75_000_000_000, "$0.075"),
        (1_250_000_000_000, "$1.25"),
        (1, "$0.000000000001"),
        (15 * 10**12, "$15.00"),
        (10**18, "$1,000,000.00"),
        (1_234_567_000_000_000_001, "$1,234,567.000000000001"),
    ],
)
def test_prices_are_written_exactly(price: int, written: str) -> None:
    """Attodollars per token -> dollars per 1M tokens: at least two decimals, and never a digit lost."""
    assert dollars(usd_per_million(price)) == written


@pytest.mark.parametrize(
    ("tokens", "written"),
    [(512, "512"), (8192, "8.19K"), (131_072, "131K"), (999_499, "999K"), (999_500, "1M"), (1_048_576, "1.05M")],
)
def test_context_is_short(tokens: int, written: str) -> None:
    """Three digits, and the right letter on both sides of a million."""
    assert tokens_short(tokens) == written


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("author=acme", ["acme/seer", "acme/brush", "acme/gift"]),
        ("author=acme&free=1", ["acme/gift"]),
        ("author=acme&max_input=1.5", ["acme/seer", "acme/gift"]),
        ("quantization=fp8", ["kept/whole"]),
        ("privacy=no-training", ["acme/seer", "acme/gift"]),
        ("privacy=nothing-kept", []),
        ("privacy=nonsense&author=kept", ["kept/whole"]),
        ("max_input=x&author=kept", ["kept/whole"]),
    ],
)
def test_the_rarer_filters(query: str, found: list[str]) -> None:
    """Author, free, price of input, quantization, what providers promise; the fold is open when one of them is set."""
    exact = msgspec.structs.replace(endpoint("near", "kept/whole", "0.000001", "0.000001"), quantization="fp8")
    offers = {offer.model: offer.live for offer in full_market().offers.values()} | {model("kept/whole"): (exact,)}
    market = msgspec.structs.replace(market_of(offers), facts={"far": Facts(trains=False)})
    page = look(app_of(market), f"/models?{query}")
    assert [id_ for id_ in page.ids_of_models() if not id_.startswith("many/")] == found
    [fold] = [tag for tag in page.all("details") if tag.get("class") == "rarer"]
    assert "open" in fold


def test_flags_and_hours_of_a_row() -> None:
    """Icons say what a row can do, each with its word; the hours of its best endpoint are drawn, with words too."""
    able = msgspec.structs.replace(
        endpoint("near", "kept/able", "0.000001", "0.000001"), parameters=frozenset({"tools", "reasoning", "seed"})
    )
    market = msgspec.structs.replace(
        market_of({model("kept/able"): [able], model("kept/plain"): [endpoint("far", "kept/plain", "0", "0")]}),
        facts={"near": Facts(retains=False)},
    )
    health = HealthBoard()
    for outcome in (Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.PROVIDER_ERROR):
        health.observe("near:kept/able", outcome, NOW_S - 60)
    page = look(app_of(market, health), "/models")
    icons = [tag.get("aria-label") for tag in page.all("svg") if tag.get("class") == "icon" and tag.get("role")]
    assert icons == ["tools", "reasoning", "zero retention"]
    [drawn] = [tag for tag in page.all("svg") if tag.get("class") == "day"]
    assert drawn["aria-label"] == "Uptime of the last day by hours; the worst quarter of an hour had 66.66%"


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", "?output_modalities=all"),
        (
            "needs=tools&modality=reads-image",
            "?output_modalities=all&input_modalities=image&supported_parameters=tools",
        ),
        ("free=1&max_price=3", "?output_modalities=all&max_price=0&max_output_price=0"),
        ("privacy=nothing-kept&sort=used", "?output_modalities=all&zdr=true&sort=top-weekly"),
        ("q=seer", None),
        ("live=1", None),
        ("privacy=no-training", None),
    ],
)
def test_the_same_in_words_of_the_api(query: str, asked: str | None) -> None:
    """A query leads to the request that lists the same models, where there is one."""
    assert api_query(parse(QueryParams(query))) == asked


def test_only_who_is_signed_in_has_settings() -> None:
    """The page leads to the door and back, nobody keeps a copy of it, and data is refused."""
    app = app_of(full_market())
    page, data, file = get(app, "/models?allowed=1&q=acme", "/models.json?allowed=1", "/models.csv?allowed=1")
    assert 'href="/sign-in?next=%2Fmodels%3Fq%3Dacme%26allowed%3D1"' in page.text
    assert "<tbody>" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert (data.status_code, file.status_code) == (401, 401)


def test_most_used_first() -> None:
    """By tokens of the last week; what nobody used follows in the order in which it stood."""
    assets = Assets.of_package()
    site = site_of(full_market, tokens={"acme/gift": 9, "many/small-007": 90})
    app = Starlette(routes=web_routes(site, Renderer(assets), assets, Config()))
    assert look(app, "/models?sort=used").ids_of_models()[:3] == ["many/small-007", "acme/gift", "acme/seer"]
