"""`/models/<id>`: its tabs, the charts over what is kept, the steps of its prices, and who would answer under a cap."""

import csv
import io
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tests.web.site import NOW_MS, Looked, app_of, endpoint, full_market, get, look, market_of, model, site_of
from tollway.config import Config
from tollway.domain.catalog import Price, Rates
from tollway.domain.measured import EndpointHour
from tollway.domain.money import price_from_text
from tollway.storage.usage_days import AppUse, ModelDay, ModelUse
from tollway.web.assets import Assets
from tollway.web.figures import NONE
from tollway.web.lines import HEIGHT, WIDTH, lines, scale
from tollway.web.render import Renderer
from tollway.web.routes import web_routes

HOUR = NOW_MS // 3_600_000
DAY_MS = 86_400_000
SEER = "/models/acme/seer"


def app_with(
    hours: dict[str, dict[int, EndpointHour]] | None = None,
    prices: dict[str, tuple[Price, ...]] | None = None,
    use: dict[str, ModelUse] | None = None,
) -> Starlette:
    assets = Assets.of_package()
    site = site_of(full_market, hours=hours or {}, prices=prices or {}, use=use or {})
    return Starlette(routes=web_routes(site, Renderer(assets), assets, Config()))


def table(page: Looked) -> dict[str, list[str]]:
    """Rows of figures by their first cell."""
    return {row[0]: [cell.strip() for cell in row[1:]] for row in page.rows}


def test_charts_are_what_is_kept() -> None:
    """Percentiles, shares and sums of each hour, by provider, as lines and as a table; the most asked first."""
    kept = {
        "far:acme/seer": {
            HOUR: EndpointHour(requests=10, failed=1, limited=2, timed_out=1, first={-7: 6, 0: 4}, speed={46: 10}),
            HOUR - 23: EndpointHour(requests=30, first={0: 1}),
            HOUR - 24: EndpointHour(requests=99, failed=99),
        },
        "near:acme/seer": {HOUR: EndpointHour(requests=1, first={0: 1})},
    }
    page = look(app_with(kept), f"{SEER}?tab=performance")
    heads = [row[1:] for row in page.rows if row[0] == "Begins (UTC)"]
    assert heads[0] == ["Far & Co", "NearGPT"]
    rows = [row for row in page.rows if re.fullmatch(r"\d\d \w{3} \d\d:00", row[0])]
    assert len(rows) == 5 * 24
    first, speed, uptime, became, mix = (rows[at : at + 24] for at in range(0, 120, 24))
    assert first[-1][1:] == ["513 ms", "1.00 s"]
    assert first[0][1:] == ["1.00 s", NONE]
    assert speed[-1][1:] == ["80", NONE]
    assert uptime[-1][1:] == ["87.5%", "100%"]
    assert [cell.strip() for cell in became[-1][1:]] == ["8", "2", "1", "11"]
    assert [cell.strip() for cell in became[0][1:]] == ["30", "0", "0", "30"]
    kinds = [row[1:] for row in page.rows if row[0] == "Begins (UTC)"][-1]
    assert kinds == ["rate limited (429)", "timed out", "All"]
    assert [cell.strip() for cell in mix[-1][1:]] == ["2", "1", "3"]
    [late] = [row[1] for row in look(app_with(kept), f"{SEER}?tab=performance&p=90").rows if row[0] == first[-1][0]][:1]
    assert late == "1.00 s"


@pytest.mark.parametrize(("span", "columns"), [("168", 42), ("720", 30), ("x", 24)])
def test_longer_times_are_summed(span: str, columns: int) -> None:
    """Hours go together into columns; a word that says nothing is a day."""
    kept = {"far:acme/seer": {HOUR - at: EndpointHour(requests=1, first={0: 1}) for at in range(24 * 31)}}
    page = look(app_with(kept), f"{SEER}?tab=performance&span={span}")
    sums = [row for row in page.rows if row[0] != "Begins (UTC)"][-columns:]
    width = {"168": 4, "720": 24}.get(span, 1)
    totals = [
        int(row[-1].replace(",", ""))
        for row in [row for row in page.rows if len(row) > 1 and row[-1].strip().isdigit()]
    ]
    assert len(sums) == columns
    assert max(totals) == width


def test_nobody_asked() -> None:
    """Says so, and how soon the first requests show; prices that never changed say so too."""
    app = app_with()
    [quiet, same] = get(app, f"{SEER}?tab=performance", f"{SEER}?tab=pricing")
    assert "Nobody has asked this model here in this time." in quiet.text
    assert "No price of output changed" in same.text


def test_prices_step() -> None:
    """A line that holds each price until the next one; an endpoint whose price stood has no line."""

    def at(days_ago: int, usd: str) -> Price:
        return Price(1, Rates(1, price_from_text(usd)), effective_ms=NOW_MS - days_ago * DAY_MS)

    prices = {"far:acme/seer": (at(40, "0.000002"), at(10, "0.000004")), "near:acme/seer": (at(40, "0.000008"),)}
    page = look(app_with(prices=prices), f"{SEER}?tab=pricing")
    heads = [row[1:] for row in page.rows if row[0] == "Begins (UTC)"]
    assert heads == [["Far & Co"]]
    values = [row[1] for row in page.rows if re.fullmatch(r"\d\d \w{3}", row[0])]
    assert (values[0], values[-11], values[-10], values[-1]) == (NONE, "$2.00", "$4.00", "$4.00") or values[
        -1
    ] == "$4.00"
    assert sorted(set(values)) == ["$2.00", "$4.00", NONE]
    [path] = [tag["d"] or "" for tag in page.all("path") if (tag.get("class") or "").startswith("line")]
    assert path.count("M") == 1
    assert "L" not in path


def test_who_would_answer() -> None:
    """The shares of the endpoints that stay under the cap, what it would cost, and whom the cap leaves out."""
    app = app_of(full_market())
    page = look(app, SEER)
    text = " ".join(page.by_id["choice"].split())
    assert "2 endpoints, about" in text
    assert ("Far & Co 84%" in text, "NearGPT 16%" in text) == (True, True)
    capped = " ".join(look(app, f"{SEER}?out=3").by_id["choice"].split())
    assert capped.startswith("Up to $3.00: 1 endpoint of 2, about $0.002484567")
    assert "1 left out" in capped
    none = look(app, f"{SEER}?out=0.01").by_id["choice"]
    assert "max_price" in none
    [slider] = [tag for tag in page.all("input") if tag.get("type") == "range"]
    assert (slider["name"], slider["max"], slider["value"]) == ("out", "8", "8")


@pytest.mark.parametrize("path", ["/models/acme/brush", "/models/zeta/shut", "/models/acme/gift"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?tab=performance&span=%00&p=-1",
        "?tab=pricing",
        "?tab=api",
        "?tab=apps",
        "?tab=activity",
        "?pick=far&pick=%00",
        "?tab=no&out=x",
    ],
)
def test_every_tab_of_every_model(path: str, query: str) -> None:
    """Also of one that is off, that writes images, that is free; whatever the URL says. Nothing is inline."""
    [response] = get(app_with({}), path + query)
    assert response.status_code == 200
    for tag, attributes in Looked(response.text).tags:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_apps_and_days() -> None:
    """Who uses it most, and its tokens and requests by day; where nobody does, the tabs say so."""
    today = NOW_MS // DAY_MS
    days = {today: ModelDay(today, 8, 2, 900, 100), today - 29: ModelDay(today - 29, 2, 0, 40, 60)}
    used = ModelUse(days, (AppUse(1, "https://a.example", "<b>A", 7, 800), AppUse(2, "https://b.example", None, 1, 80)))
    app = app_with(use={"acme/seer": used})
    page = look(app, f"{SEER}?tab=activity")
    rows = [[cell.strip() for cell in row] for row in page.rows if re.fullmatch(r"\d\d \w{3}", row[0])]
    assert len(rows) == 60
    assert (rows[0][1:], rows[29][1:]) == (["40", "60", "100"], ["900", "100", "1,000"])
    assert (rows[30][1:], rows[59][1:]) == (["2", "0", "2"], ["6", "2", "8"])
    [listed, none, quiet] = get(app, f"{SEER}?tab=apps", "/models/acme/gift?tab=apps", "/models/acme/gift?tab=activity")
    assert "&lt;b&gt;A" in listed.text
    assert listed.text.index("https://a.example") < listed.text.index("https://b.example")
    assert "No app has asked" in none.text
    assert "fewer than three keys have asked" in quiet.text


def test_the_ticked_providers_as_a_request_says_it() -> None:
    """Ticks come back, and make the `provider` object, with the cap if there is one; strangers are passed over."""
    app = app_of(full_market())
    page = look(app, f"{SEER}?pick=near&pick=nobody&out=9")
    assert json.loads(page.by_id["wishes-code"]) == {"provider": {"only": ["near"], "max_price": {"completion": "9"}}}
    ticks = {tag["value"]: "checked" in tag for tag in page.all("input") if tag.get("name") == "pick"}
    assert ticks == {"far": False, "near": True}
    assert "wishes-code" not in look(app, f"{SEER}?pick=nobody").by_id


@pytest.mark.parametrize(
    ("query", "columns", "lines"),
    [
        ("", "provider,slug,upstream_model,region,quantization,context_tokens", 2),
        ("?tab=performance", "begins,provider,requests,failed,rate_limited,timed_out", 1),
        ("?tab=pricing", "provider,upstream_model,from,prompt_usd_per_million", 3),
        ("?tab=apps", "name,url,tokens,requests", 1),
        ("?tab=activity", "day,requests,failed,prompt_tokens,completion_tokens", 1),
        ("?tab=nonsense&span=x&p=y", "provider,slug", 2),
    ],
)
def test_every_tab_has_its_files(query: str, columns: str, lines: int) -> None:
    """CSV and JSON hold the same rows; the page leads to them; what is no model has no file."""
    today = NOW_MS // DAY_MS
    price = Price(1, Rates(1, 2), effective_ms=NOW_MS)
    app = app_with(
        {"far:acme/seer": {HOUR: EndpointHour(requests=3, limited=1, first={0: 1})}},
        {"far:acme/seer": (price, price)},
        {"acme/seer": ModelUse({today: ModelDay(today, 1, 0, 2, 3)}, (AppUse(1, "https://a.example", "=A", 7, 800),))},
    )
    as_csv, as_json, page, none = get(
        app, f"{SEER}.csv{query}", f"{SEER}.json{query}", SEER + query, "/models/no/such.json"
    )
    head, *rows = list(csv.reader(io.StringIO(as_csv.text)))
    assert ",".join(head).startswith(columns)
    data = as_json.json()["data"]
    assert len(rows) == len(data) == lines
    assert list(data[0]) == head
    assert f'href="{SEER}.csv' in page.text
    assert none.status_code == 404
    assert "=A" not in {cell for row in rows for cell in row}


def test_names_of_endpoints_are_their_own() -> None:
    """Two endpoints of one provider are told apart by the upstream model."""
    twice = endpoint("near", "acme/two", "0.000001", "0.000001")
    other = msgspec.structs.replace(twice, id="near:other", upstream_model="other")
    market = market_of({model("acme/two"): [twice, other]})
    assets = Assets.of_package()
    hours = {id_: {HOUR: EndpointHour(requests=2, first={0: 1})} for id_ in ("near:acme/two", "near:other")}
    app = Starlette(routes=web_routes(site_of(lambda: market, hours=hours), Renderer(assets), assets, Config()))
    page = look(app, "/models/acme/two?tab=performance")
    assert sorted(next(row for row in page.rows if row[0] == "Begins (UTC)")[1:]) == [
        "NearGPT acme/two", "NearGPT other",
    ]  # fmt: skip


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=60))
def test_lines_stay_in_their_place(values: list[float | None]) -> None:
    """Every point lies in the picture; where nothing was measured the line is broken; the scale holds the largest."""
    found = lines("x", "X", [str(at) for at in range(len(values))], {"a": values}, lambda value: f"{value}")
    known = [value for value in values if value is not None]
    if not known:
        assert found is None
        return
    assert found is not None
    assert scale(max(known)) >= max(known)
    [line] = found.lines
    points = re.findall(r"([ML])([\d.]+) (-?[\d.]+)", line.path + line.dots)
    assert len(points) == len(known)
    assert all(0 <= float(x) <= WIDTH + 0.1 and 0 <= float(y) <= HEIGHT for _, x, y in points)
    runs = sum(value is not None and (at == 0 or values[at - 1] is None) for at, value in enumerate(values))
    assert (line.path + line.dots).count("M") == runs
