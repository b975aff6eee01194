"""`/pricing`: every figure is the configuration's or the market's, on the page, as JSON and as CSV."""

import csv
import io
from typing import Any

import pytest

from tests.web.site import Looked, app_of, endpoint, full_market, get, look, market_of, model
from tollway.billing.settings import Billing, CreditPack, Payments
from tollway.config import Config, Users
from tollway.domain.aliases import Alias
from tollway.domain.byok import ByokSettings
from tollway.domain.retention import Records
from tollway.domain.storefronts import Group, Guest
from tollway.limits import Limits
from tollway.routing.market import Level, Market

BARE = Config(byok=ByokSettings(fee_percent=0), records=Records(content_discount_percent=0))
SELLING = Config(
    payments=Payments(
        stripe_key="sk_test", stripe_webhook_secret="whsec", fee_percent="5.50", fee_min_usd="0.80", refund_h=12
    ),
    billing=Billing(
        (CreditPack("small", "A <b>small</b> pack", "20", "25"),), (Group("school", "0.5", ("secret-ws",)),)
    ),
    byok=ByokSettings(fee_percent=4.5),
    guest=Guest(("many/small-001",), 256),
    users=Users(sign_up="open", launch_credit_usd="1.5"),
    limits=Limits(guest_rpm=3),
)


def levelled() -> Market:
    """The full market, with an alias whose band holds one model, and one that nobody answers."""
    whole = full_market()
    bands = (
        Alias("cpen/low", "low", ("acme/seer",), "small ones", "0.1", "3"),
        Alias("cpen/high", "high", ("zeta/shut",), "", None, "9", "planned"),
    )
    levels = {each.name: Level(each, whole.offers[each.models[0]]) for each in bands}
    return Market(whole.catalog, whole.providers, whole.offers, levels=levels)


def terms(page: str) -> dict[str, str]:
    """What the lists of the page say: name -> value."""
    looked = Looked(page)
    assert looked.all("dl")
    found: dict[str, str] = {}
    for part in page.split("<dt>")[1:]:
        name, _, rest = part.partition("</dt>")
        found[name] = rest.partition("<b>")[2].partition("</b>")[0]
    return found


def test_fees_are_those_of_the_configuration() -> None:
    """What is configured is on the page; what is not sold, not given or not asked for is not there."""
    [bare, selling] = (get(app_of(full_market(), config=config), "/pricing")[0].text for config in (BARE, SELLING))
    assert terms(bare) == {"Your own keys for providers (BYOK)": "free", "Requests that fail": "free"}
    assert terms(selling) == {
        "Fee on credits bought by card": "5.5%, at least $0.80",
        "A purchase": "$5.00 to $25,000.00",
        "What is left of a purchase expires": "after 365 days",
        "Your own keys for providers (BYOK)": "4.5%",
        "Discount for shared prompts": "1%",
        "Requests that fail": "free",
        "New users get": "$1.50",
        "Without an account": "1 model",
        "A &lt;b&gt;small&lt;/b&gt; pack": "$20.00",
        "school": "\u00d7 0.5",
    }
    assert "3 a minute" in selling
    assert "secret-ws" not in selling


def test_levels_and_models() -> None:
    """An alias with the most that it costs, who answers now and at what price; models at their cheapest endpoint."""
    app = app_of(levelled(), config=BARE)
    page = look(app, "/pricing")
    rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
    assert rows[1] == ["cpen/low", "lowsmall ones", "$3.00", "$2.1203701", "acme/seer", "2 of 2", "up"]
    assert rows[2] == ["cpen/high", "high", "$9.00", "\u2013", "\u2013", "0 of 0", "planned"]
    seer = next(row for row in rows if row[0].startswith("Seer"))
    assert seer[1:] == ["$1.234567", "$2.50", "\u2013", "\u2013", "2", "Far & Co"]
    assert "other prices for prompts of over 200,000 tokens" in seer[0]
    assert not [row for row in rows if row[0] == "Shut"]


def test_the_same_as_data() -> None:
    """JSON has levels, terms and every model; CSV a line for each model, with no formula for a spreadsheet to run."""
    formula = model("acme/sum", '=HYPERLINK("http://x")')
    app = app_of(market_of({formula: [endpoint("near", "acme/sum", "0.000001", "0.000002")]}), config=SELLING)
    as_json, as_csv = get(app, "/pricing.json", "/pricing.csv")
    data: dict[str, Any] = as_json.json()
    assert [one["id"] for one in data["models"]] == ["acme/sum"]
    assert data["groups"] == [{"name": "school", "multiplier": "0.5"}]
    [line] = csv.DictReader(io.StringIO(as_csv.text))
    assert (line["name"], line["input"], line["output"], line["cache_read"]) == (
        "'=HYPERLINK(\"http://x\")", "1", "2", "",
    )  # fmt: skip
    levels = get(app_of(levelled()), "/pricing.json")[0].json()["levels"]
    assert levels[0] == {
        "name": "cpen/low", "level": "low", "status": "available", "at_least": "0.1", "at_most": "3",
        "cheapest_now": "2.1203701", "model_now": "acme/seer", "live_routes": 2,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/pricing", "/pricing?x=%00", "/router/pricing"])
def test_nothing_is_inline(path: str) -> None:
    """Also for an empty market, and below a path."""
    root = "/router" if path.startswith("/router") else ""
    for market in (full_market(), market_of({}, live=())):
        for tag, attributes in look(app_of(market, root=root), path).tags:
            assert tag not in ("style",)
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
