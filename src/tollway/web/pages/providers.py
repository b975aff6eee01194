"""`/providers`: who can be called here, what they offer, and what is publicly known of them."""

from collections import Counter

from msgspec import Struct
from starlette.requests import Request

from tollway.providers.base import Facts, Provider
from tollway.web.page import Site
from tollway.web.pages.model import privacy_words


class ProviderNow(Struct, frozen=True):
    """One provider: how many endpoints it has on offer, in which state."""

    name: str
    slug: str
    endpoints: int
    up: int
    untried: int
    down: int
    uptime: float | None
    """Of the last day, the mean over its endpoints that were asked."""
    privacy: str
    facts: Facts


class ProvidersView(Struct, frozen=True):
    """What `providers.html` shows."""

    providers: tuple[ProviderNow, ...]


async def providers(site: Site, request: Request) -> ProvidersView:
    """Those with most endpoints first."""
    market, now_s = site.market(), site.now_s()
    endpoints: dict[str, list[str]] = {}
    for offer in market.offers.values():
        for endpoint in offer.live:
            endpoints.setdefault(endpoint.provider, []).append(endpoint.id)
    found = [_provider_now(site, each, endpoints.get(each.slug, []), now_s) for each in market.providers.values()]
    return ProvidersView(tuple(sorted(found, key=lambda one: (-one.endpoints, one.name.casefold()))))


def _provider_now(site: Site, provider: Provider, endpoint_ids: list[str], now_s: float) -> ProviderNow:
    states = Counter(site.health.status(each, now_s)[0] for each in endpoint_ids)
    days = [site.health.measured(each, now_s).uptime.day for each in endpoint_ids]
    known = [share for share in days if share is not None]
    return ProviderNow(
        name=provider.name,
        slug=provider.slug,
        endpoints=len(endpoint_ids),
        up=states["up"],
        untried=states["untried"],
        down=states["down"],
        uptime=sum(known) / len(known) if known else None,
        privacy=privacy_words(provider.facts),
        facts=provider.facts,
    )
