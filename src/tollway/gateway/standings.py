"""Every provider that is known: whether it can be called, and otherwise what to do about it."""

from msgspec import Struct

from tollway.config import Config, ProviderConfig
from tollway.domain.catalog import Catalog, ProviderInfo
from tollway.gateway.live import Live, info_of, is_own, live_providers, missing, own_servers
from tollway.gateway.supply import SPOKEN
from tollway.providers import PROVIDERS, provider_for


class Standing(Struct):
    """A provider: whether it can be called, and otherwise what to do."""

    slug: str
    name: str
    live: bool
    why: str
    endpoints: int
    priced: int


def standings(catalog: Catalog, config: Config, simulator_url: str | None = None) -> list[Standing]:
    """Every provider of the catalog and of the configuration, live ones first."""
    found_live = live_providers(catalog, config, simulator_url)
    own = {provider.slug: provider for provider in config.providers}
    sold: dict[str, list[bool]] = {}
    for endpoints in catalog.endpoints.values():
        for endpoint in endpoints:
            sold.setdefault(endpoint.provider, []).append(endpoint.price is not None)
    infos = dict(catalog.providers)
    for each in (*config.providers, *own_servers(config), *map(ProviderConfig, PROVIDERS)):
        infos.setdefault(each.slug, info_of(each))
    found = []
    for info in infos.values():
        priced = sold.get(info.slug, [])
        known = info.slug in catalog.providers
        mine = own.get(info.slug)
        live = info.slug in found_live.providers and info.wire_format in SPOKEN
        if live:
            why = found_live.faults.get(info.slug) or _why_live(info.slug, found_live)
        else:
            why = _why_not(info, mine, config, known)
        found.append(Standing(info.slug, info.name, live, why, len(priced), sum(priced)))
    return sorted(found, key=lambda each: (not each.live, each.slug))


def _why_live(slug: str, live: Live) -> str:
    if (deployments := live.providers[slug].deployments) is not None:
        return f"deployments: {len(deployments)}"
    if slug in live.keyrings:
        return f"{len(live.keyrings[slug])} keys are set"
    return "its key is set" if slug in live.credentials else "it needs no key"


def _why_not(info: ProviderInfo, mine: ProviderConfig | None, config: Config, known: bool) -> str:
    """What must be done before this provider can be called."""
    if mine is not None and not mine.enabled:
        return "switched off by the operator"
    if not known and not info.base_url:
        return "the catalog has no such provider: give it a base_url, or correct its slug"
    if info.wire_format not in SPOKEN:
        return f"speaks {info.wire_format.value}, which is not built yet"
    if not info.base_url:
        return f'has no known address: give base_url in a [[providers]] block with slug = "{info.slug}"'
    if not info.key_env and not is_own(mine):
        return f'runs on your own machine: a [[providers]] block with slug = "{info.slug}" is enough'
    try:
        wanted = missing(provider_for(info), mine, config)
    except ValueError as error:
        return str(error)
    if not wanted or (mine is not None and is_own(mine)):
        return "its models are listed when the server starts"
    return f"set {', '.join(wanted)}"
