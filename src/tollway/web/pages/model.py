"""`/models/<author>/<slug>`: one model, its endpoints with prices, speed and uptime, and samples that use it."""

from msgspec import Struct
from starlette.requests import Request

from tollway.domain.catalog import Endpoint, Model, Price
from tollway.domain.errors import NotFound
from tollway.domain.measured import Measured
from tollway.domain.money import Attodollars
from tollway.providers.base import Facts
from tollway.web.bars import Bars, day_bars
from tollway.web.figures import count, dollars, usd_per_million
from tollway.web.page import Site
from tollway.web.samples import Sample, samples

NOBODY = Facts()
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
    measured: Measured
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


async def model(site: Site, request: Request) -> ModelView:
    """One model, by its id or another of its names. NotFound: the catalog has none of this name."""
    market, now_s = site.market(), site.now_s()
    name = request.path_params["model"]
    offer = market.offer(name)
    if offer is None:
        raise NotFound(f"There is no model {name[:200]}.")
    found = offer.model
    chats = "text" in found.input_modalities and "text" in found.output_modalities and offer.live
    return ModelView(
        model=found,
        endpoints=tuple(
            _endpoint_now(site, stall.endpoint, stall.price, market.facts.get(stall.endpoint.provider, NOBODY), now_s)
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
    )


def _endpoint_now(site: Site, endpoint: Endpoint, price: Price, facts: Facts, now_s: float) -> EndpointNow:
    rates = price.rates
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
        measured=site.health.measured(endpoint.id, now_s),
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


def privacy_words(facts: Facts) -> str:
    """What is publicly known of a provider's dealings with prompts."""
    trains = {True: "may train on prompts", False: "does not train", None: "training not known"}[facts.trains]
    if facts.retains is False:
        return f"{trains}, keeps nothing"
    if facts.retention_days:
        return f"{trains}, keeps prompts {count(facts.retention_days, 'day')}"
    return f"{trains}, {'keeps prompts' if facts.retains else 'retention not known'}"
