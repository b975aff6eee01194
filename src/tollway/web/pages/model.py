"""`/models/<author>/<slug>`: one model, its endpoints with prices, speed and uptime, and samples that use it."""

from collections.abc import Collection, Sequence
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from starlette.requests import Request

from tollway.domain.catalog import Endpoint, Model, Operation, Price
from tollway.domain.errors import NotFound
from tollway.domain.measured import HalfHour, Measured
from tollway.domain.money import Attodollars
from tollway.providers.base import Facts
from tollway.routing.market import Stall
from tollway.web.bars import Bars, day_bars
from tollway.web.figures import count, dollars, usd_per_million
from tollway.web.lines import Lines
from tollway.web.page import Personal, Site
from tollway.web.pages.model_charts import Performance, performance, price_steps
from tollway.web.pages.model_choice import PRICE, Choice, choice
from tollway.web.pages.model_use import Activity, ModelApp, activity, apps
from tollway.web.samples import Sample, samples

DAY_MS = 86_400_000
NOBODY = Facts()
TABS = {
    "": "Overview",
    "performance": "Performance",
    "pricing": "Pricing",
    "apps": "Apps",
    "api": "API",
    "activity": "Activity",
}
"""By the word of the URL."""
RATES = (
    ("prompt", "Input"),
    ("completion", "Output"),
    ("cache_read", "Cache read"),
    ("cache_write", "Cache write"),
    ("cache_write_1h", "Cache write, 1 h"),
    ("reasoning", "Reasoning"),
    ("audio", "Audio in"),
    ("audio_output", "Audio out"),
)
"""Prices per token, in the order of the page."""


class EndpointNow(Struct, frozen=True):
    """One provider's offer at this moment."""

    endpoint: Endpoint
    provider: str
    status: str
    """`up`, `down`, `untried`."""
    price_input: str
    """USD per 1M tokens, exact."""
    price_output: str
    extras: tuple[tuple[str, str], ...]
    """Other prices: what for, and USD per 1M tokens."""
    notes: tuple[str, ...]
    """Prices that are not per token, and where others begin."""
    privacy: str
    region: str
    picked: bool
    """Ticked, for the `provider` object."""
    measured: Measured
    lately: HalfHour
    parameters: tuple[str, ...]
    """What its requests may say."""
    day: Bars | None


class OffNow(Struct, frozen=True):
    """An endpoint that can't be called, and why."""

    provider: str
    upstream_model: str
    reason: str


class ModelView(Struct, frozen=True):
    """What `model.html` shows."""

    model: Model
    endpoints: tuple[EndpointNow, ...]
    off: tuple[OffNow, ...]
    parameters: tuple[str, ...]
    samples: tuple[Sample, ...]
    base_url: str
    other_names: tuple[str, ...]
    tab: str
    tabs: dict[str, str]
    choice: Choice | None
    """On the first tab, where there is an endpoint."""
    performance: Performance | None
    """On the second."""
    price_steps: Lines | None
    """On the third, if a price changed."""
    apps: tuple[ModelApp, ...]
    """On the tab of that name; so is `activity`."""
    activity: Activity | None
    wishes: str
    """The `provider` object of a request that asks the ticked providers alone; "" where none is ticked."""
    data: str
    """The query of the files beside the tab."""


async def model(site: Site, request: Request) -> ModelView | Personal:
    """One model, by its id or another of its names. NotFound: the catalog has none of this name."""
    view = await _view(site, request)
    return Personal(view) if view.choice and view.choice.own else view


async def _view(site: Site, request: Request) -> ModelView:
    market, now_s = site.market(), site.now_s()
    name = request.path_params["model"]
    offer = market.offer(name)
    if offer is None:
        raise NotFound(f"There is no model {name[:200]}.")
    found, params = offer.model, request.query_params
    tab = params.get("tab", "")
    tab = tab if tab in TABS else ""
    first = tab == "" and offer.stalls and found.operation is Operation.CHAT
    chats = "text" in found.input_modalities and "text" in found.output_modalities and offer.live
    picked = {slug for slug in params.getlist("pick") if any(stall.endpoint.provider == slug for stall in offer.stalls)}
    used = await site.model_use(found.id) if tab in ("apps", "activity") else None
    data = urlencode({name: value for name in ("tab", "span", "p") if (value := params.get(name, "")[:16])})
    return ModelView(
        model=found,
        endpoints=tuple(
            _endpoint_now(site, stall, market.facts.get(stall.endpoint.provider, NOBODY), now_s, picked)
            for stall in offer.stalls
        ),
        off=tuple(
            OffNow(site.provider_name(each.endpoint.provider), each.endpoint.upstream_model, each.reason)
            for each in offer.off
        ),
        parameters=tuple(sorted(frozenset().union(*(each.parameters for each in offer.live)))),
        samples=samples(site.base_url, found.id) if chats else (),
        base_url=site.base_url,
        other_names=tuple(sorted(alias for alias, id_ in market.catalog.aliases.items() if id_ == found.id)),
        tab=tab,
        tabs=TABS,
        choice=await choice(site, request, found.id, offer.stalls) if first else None,
        apps=apps(used.apps) if used and tab == "apps" else (),
        activity=activity(used.days, site.now_ms() // DAY_MS, f"/models/{quote(found.id)}.csv?tab=activity")
        if used and tab == "activity"
        else None,
        wishes=wishes_of(offer.stalls, picked, params.get("out", "").strip()),
        data=f"?{data}" if data else "",
        performance=await performance(site, offer.stalls, params.get("span", ""), params.get("p", ""))
        if tab == "performance"
        else None,
        price_steps=price_steps(site, offer.stalls, await site.prices([each.id for each in offer.live]))
        if tab == "pricing"
        else None,
    )


def wishes_of(stalls: Sequence[Stall], picked: Collection[str], cap: str) -> str:
    """The ticked providers, cheapest first, and the cap on output if there is one, as a request says it."""
    slugs = list(dict.fromkeys(stall.endpoint.provider for stall in stalls if stall.endpoint.provider in picked))
    wishes = {"only": slugs} | ({"max_price": {"completion": cap}} if PRICE.fullmatch(cap) else {})
    return msgspec.json.format(msgspec.json.encode({"provider": wishes}), indent=2).decode() if slugs else ""


def _endpoint_now(site: Site, stall: Stall, facts: Facts, now_s: float, picked: Collection[str]) -> EndpointNow:
    endpoint, price, rates = stall.endpoint, stall.price, stall.price.rates
    return EndpointNow(
        endpoint=endpoint,
        provider=site.provider_name(endpoint.provider),
        status=site.health.status(endpoint.id, now_s)[0],
        price_input=usd_per_million(rates.prompt),
        price_output=usd_per_million(rates.completion),
        extras=tuple(
            (label, usd_per_million(value)) for name, label in RATES[2:] if (value := getattr(rates, name)) is not None
        ),
        notes=price_notes(price),
        privacy=privacy_words(facts),
        region=region_words(facts),
        picked=endpoint.provider in picked,
        measured=site.health.measured(endpoint.id, now_s),
        lately=site.health.half_hour(endpoint.id, now_s),
        parameters=tuple(sorted(endpoint.parameters)),
        day=day_bars(site.health.day(endpoint.id, now_s)),
    )


def price_notes(price: Price) -> tuple[str, ...]:
    """What a price asks for besides tokens, and the tiers for long prompts."""
    notes = []
    if price.rates.request:
        notes.append(f"{_tag(price.rates.request)} per 1M requests")
    if price.rates.image:
        notes.append(f"{_tag(price.rates.image)} per 1M images")
    notes += [
        f"prompts of over {tier.prompt_tokens_over:,} tokens: {_tag(tier.rates.prompt)} in, "
        f"{_tag(tier.rates.completion)} out"
        for tier in price.tiers
    ]
    return tuple(notes)


def _tag(price: Attodollars) -> str:
    return dollars(usd_per_million(price))


def region_words(facts: Facts) -> str:
    """Countries of the data centres, else of the company: "US, DE", "company in US"; "" where neither is known."""
    if facts.datacenters:
        return ", ".join(facts.datacenters)
    return f"company in {facts.headquarters}" if facts.headquarters else ""


def privacy_words(facts: Facts) -> str:
    """What is publicly known of a provider's dealings with prompts."""
    trains = {True: "may train on prompts", False: "does not train", None: "training not known"}[facts.trains]
    if facts.retains is False:
        return f"{trains}, keeps nothing"
    if facts.retention_days:
        return f"{trains}, keeps prompts {count(facts.retention_days, 'day')}"
    return f"{trains}, {'keeps prompts' if facts.retains else 'retention not known'}"
