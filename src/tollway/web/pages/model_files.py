"""`/models/<author>/<slug>.csv` and `.json`: the table of each tab of a model's page, as data."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import NotFound
from tollway.routing.market import Offer
from tollway.web.data import Kind, Sheet, as_file
from tollway.web.figures import usd_per_million
from tollway.web.page import Site
from tollway.web.pages.model import NOBODY, RATES, price_notes, privacy_words, region_words
from tollway.web.pages.model_charts import Columns, columns_of
from tollway.web.pages.model_use import DAYS

DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1)
ENDPOINTS = (
    "provider", "slug", "upstream_model", "region", "quantization", "context_tokens", "output_tokens_max", "status",
    "input_usd_per_million", "output_usd_per_million", "cache_read_usd_per_million", "other_prices",
    "first_token_s_p50", "first_token_s_p75", "first_token_s_p90", "first_token_s_p99",
    "tokens_per_s_p50", "tokens_per_s_p75", "tokens_per_s_p90", "tokens_per_s_p99", "uptime_5m", "uptime_30m",
    "uptime_1d", "parameters", "data_policy",
)  # fmt: skip
HOURS = (
    "begins", "provider", "requests", "failed", "rate_limited", "timed_out", "not_reached", "refused",
    "first_token_s", "tokens_per_s",
)  # fmt: skip
PRICES = ("provider", "upstream_model", "from", *(f"{name}_usd_per_million" for name, _ in RATES), "notes")
APPS = ("name", "url", "tokens", "requests")
USED = ("day", "requests", "failed", "prompt_tokens", "completion_tokens")


def model_file(site: Site, kind: Kind) -> Callable[[Request], Awaitable[Response]]:
    """The handler of one ending. NotFound: the catalog has no such model."""

    async def endpoint(request: Request) -> Response:
        name, params = request.path_params["model"], request.query_params
        offer = site.market().offer(name)
        if offer is None:
            raise NotFound(f"There is no model {name[:200]}.")
        stem = offer.model.id.replace("/", "-")
        match params.get("tab", ""):
            case "performance":
                charts = await columns_of(site, offer.stalls, params.get("span", ""), params.get("p", ""))
                sheet = Sheet(f"{stem}-performance", HOURS, _hours(charts))
            case "pricing":
                sheet = Sheet(f"{stem}-prices", PRICES, await _prices(site, offer))
            case "apps":
                used = await site.model_use(offer.model.id)
                rows = [(each.title, each.url, each.tokens, each.requests) for each in used.apps]
                sheet = Sheet(f"{stem}-apps", APPS, rows)
            case "activity":
                sheet = Sheet(f"{stem}-activity", USED, await _used(site, offer))
            case _:
                sheet = Sheet(f"{stem}-endpoints", ENDPOINTS, _endpoints(site, offer))
        return as_file(request, kind, sheet)

    return endpoint


def _endpoints(site: Site, offer: Offer) -> list[tuple[Any, ...]]:
    now_s, facts, found = site.now_s(), site.market().facts, []
    for stall in offer.stalls:
        each, rates = stall.endpoint, stall.price.rates
        known, measured = facts.get(each.provider, NOBODY), site.health.measured(each.id, now_s)
        lately = site.health.half_hour(each.id, now_s)
        speeds = [
            None if spread is None else round(getattr(spread, name), 3)
            for spread in (lately.first_s, lately.speed)
            for name in ("p50", "p75", "p90", "p99")
        ]
        uptime = measured.uptime
        found.append((
            site.provider_name(each.provider), each.provider, each.upstream_model, region_words(known),
            each.quantization, each.context_tokens, each.output_tokens_max, site.health.status(each.id, now_s)[0],
            usd_per_million(rates.prompt), usd_per_million(rates.completion),
            None if rates.cache_read is None else usd_per_million(rates.cache_read),
            "; ".join(price_notes(stall.price)),
            *speeds, uptime.minutes_5, uptime.minutes_30, uptime.day, tuple(sorted(each.parameters)),
            privacy_words(known),
        ))  # fmt: skip
    return found


def _hours(charts: Columns) -> list[tuple[Any, ...]]:
    return [
        (
            label, name, each.requests, each.failed, each.limited, each.timed_out, each.unreached, each.refused,
            charts.first(each), charts.speed(each),
        )
        for name, columns in charts.merged.items()
        for label, each in zip(charts.labels, columns, strict=True)
        if each.requests
    ]  # fmt: skip


async def _prices(site: Site, offer: Offer) -> list[tuple[Any, ...]]:
    """Every price that each endpoint on offer ever had."""
    kept, found = await site.prices([each.id for each in offer.live]), []
    for stall in offer.stalls:
        each = stall.endpoint
        for price in kept.get(each.id) or (stall.price,):
            values = [getattr(price.rates, name) for name, _ in RATES]
            found.append((
                site.provider_name(each.provider), each.upstream_model, _day(price.effective_ms // DAY_MS),
                *(None if value is None else usd_per_million(value) for value in values), "; ".join(price_notes(price)),
            ))  # fmt: skip
    return found


async def _used(site: Site, offer: Offer) -> list[tuple[Any, ...]]:
    used, today = await site.model_use(offer.model.id), site.now_ms() // DAY_MS
    return [
        (_day(day), each.requests, each.errors, each.prompt_tokens, each.completion_tokens)
        for day, each in sorted(used.days.items())
        if day > today - DAYS
    ]


def _day(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()
