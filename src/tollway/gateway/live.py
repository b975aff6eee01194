"""Who can be called: providers x configuration x credentials, each opened by its credential's text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tollway.catalog.address import fill, placeholders
from tollway.config import Config, ProviderConfig
from tollway.domain.catalog import Catalog, ProviderInfo, WireFormat
from tollway.domain.http import Deadlines, HttpRequest
from tollway.providers import PROVIDERS, Provider, bearer, provider_for, signed
from tollway.providers.base import AUTH, AUTH_HEADERS, Deployment, Opened, with_query
from tollway.providers.keys import Secret
from tollway.wire.formats import CLIENTS

LIST_PATHS: dict[WireFormat, str] = {
    WireFormat.ANTHROPIC_MESSAGES: "/models?limit=1000",
    WireFormat.GEMINI: "/models?pageSize=1000",
}
"""Where a format's providers list their models, if not at `/models`: these page, and begin with 20 and 50."""


class Live(NamedTuple):
    """Providers that can be called, and why others can't although they are configured."""

    providers: dict[str, Provider]
    credentials: dict[str, str]
    """By provider, or by endpoint where a deployment has a key of its own."""
    faults: dict[str, str]
    """By provider: what is wrong with its credential, or with one of its deployments."""
    keyrings: dict[str, tuple[str, ...]]
    """All credentials of a provider that has two or more."""


def live_providers(catalog: Catalog, config: Config, simulator_url: str | None) -> Live:
    """Providers of the catalog that have an address, and a key where they need one."""
    live = Live({}, {}, {}, {})
    own = {provider.slug: provider for provider in config.providers}
    for info in catalog.providers.values():
        mine = own.get(info.slug)
        if mine is not None and not mine.enabled:
            continue
        if simulator_url and not (mine and mine.base_url):
            provider = configured(provider_for(info), mine)
            live.providers[info.slug] = simulated(provider, f"{simulator_url}/p/{info.slug}/v1")
            continue
        try:
            opened = open_provider(provider_for(info), mine, config)
            keyring = () if opened is None else keyring_of(opened, provider_for(info), mine, config)
        except ValueError as error:
            live.faults[info.slug] = str(error)
            continue
        if opened is not None:
            _take(live, opened, mine.deployments if mine else {}, catalog)
        if keyring:
            live.keyrings[info.slug] = keyring
    return live


def open_provider(provider: Provider, mine: ProviderConfig | None, config: Config) -> Opened | None:
    """A provider as it can be called; None: it lacks a key or part of its address. ValueError: its credential."""
    provider = configured(provider, mine)
    key = config.provider_key(provider.slug, provider.key_env)
    return None if key is None and not is_own(mine) else open_with(provider, key, mine, config)


def open_with(provider: Provider, key: Secret | None, mine: ProviderConfig | None, config: Config) -> Opened | None:
    """A configured provider, with this key; None: it lacks a part of its address. ValueError: its credential."""
    variables = {**config.environment, **(mine.variables if mine else {})}
    opened = provider.open(provider, key.reveal(), variables) if key else Opened(provider, "")
    base_url = fill(opened.provider.base_url, {**variables, **opened.variables})
    return replace(opened, provider=replace(opened.provider, base_url=base_url.rstrip("/"))) if base_url else None


def keyring_of(first: Opened, provider: Provider, mine: ProviderConfig | None, config: Config) -> tuple[str, ...]:
    """All its credentials where it has several, the first as it was opened. ValueError: not all lead to one place."""
    keys = config.provider_keys(provider.slug, provider.key_env)
    if len(keys) < 2:
        return ()
    opened = [open_with(configured(provider, mine), key, mine, config) for key in keys]
    if any(each is None or each.deployments is not None or each.provider != first.provider for each in opened):
        raise ValueError("several keys must open the same address and the same models; these do not")
    return tuple(each.credential for each in opened if each is not None)


def missing(provider: Provider, mine: ProviderConfig | None, config: Config) -> tuple[str, ...]:
    """The variables to set before a provider can be called. ValueError: its credential is of no use, and why."""
    provider = configured(provider, mine)
    key = config.provider_key(provider.slug, provider.key_env)
    variables = {**config.environment, **(mine.variables if mine else {})}
    if key is not None:
        opened = provider.open(provider, key.reveal(), variables)
        provider, variables = opened.provider, {**variables, **opened.variables}
    names = [name for name in placeholders(provider.base_url) if not variables.get(name)]
    if key is not None:
        return tuple(names)
    return (*(name for name in names if name not in provider.inferred), " or ".join(provider.key_env) or "a key")


def configured(provider: Provider, mine: ProviderConfig | None) -> Provider:
    """A provider with what its `[[providers]]` block says over it."""
    if mine is None:
        return provider
    speaks = mine.speaks or provider.speaks
    if speaks is not provider.speaks:
        provider = replace(provider, speaks=speaks, auth=AUTH.get(speaks, bearer), path=None)
    auth = AUTH_HEADERS[mine.auth] if mine.auth else provider.auth
    facts = provider.facts
    if mine.base_url:  # what a company does with prompts says nothing about a server that stands elsewhere
        facts = replace(facts, trains=None, retains=None, retention_days=None)
    if mine.trains is not None:
        facts = replace(facts, trains=mine.trains)
    if mine.retains is not None:
        facts = replace(facts, retains=mine.retains, retention_days=None)
    quirks = provider.quirks if mine.cancels is None else replace(provider.quirks, cancels=mine.cancels)
    return replace(
        provider,
        name=mine.name or provider.name,
        base_url=mine.base_url or provider.base_url,
        auth=auth,
        quirks=quirks,
        facts=facts,
        weight=1.0 if mine.weight is None else mine.weight,
        deadlines=Deadlines(first_event_s=mine.first_event_s, idle_s=mine.idle_s, total_s=mine.total_s),
        deadlines_whole=Deadlines(first_event_s=mine.whole_s, idle_s=mine.whole_s, total_s=mine.total_s),
    )


def own_servers(config: Config) -> Iterator[ProviderConfig]:
    """Those whose models the catalog's sources do not know: servers with an address, and providers with a key."""
    named = {mine.slug: mine for mine in config.providers}
    yield from (mine for mine in config.providers if is_own(mine) and mine.enabled)
    for slug, provider in PROVIDERS.items():
        mine = named.get(slug) or ProviderConfig(slug)
        if provider.listed and mine.enabled and not is_own(mine) and config.provider_key(slug, provider.key_env):
            yield mine


def is_own(mine: ProviderConfig | None) -> bool:
    """Whether a block is about a server that may need no key: one with an address, or one that is known for it."""
    if mine is None:
        return False
    known = PROVIDERS.get(mine.slug)
    return mine.base_url is not None or (known is not None and known.listed and not known.key_env)


def info_of(mine: ProviderConfig) -> ProviderInfo:
    """An own server as the catalog keeps it."""
    known = PROVIDERS.get(mine.slug)
    return ProviderInfo(
        mine.slug,
        mine.name or (known.name if known else mine.slug),
        (mine.base_url or (known.base_url if known else "")).rstrip("/"),
        mine.speaks or (known.speaks if known else WireFormat.OPENAI_CHAT),
        known.key_env if known else (),
    )


def simulated(provider: Provider, url: str) -> Provider:
    """The provider as the simulator plays it: at one address, under the catalog's names, without a credential."""
    return replace(provider, base_url=url, exchange=None)


def list_request(provider: Provider, credential: str, url: str | None, now_s: float) -> HttpRequest:
    """What asks a provider for its models; `url`: where they are, if not where its format has them."""
    wire = CLIENTS.get(provider.speaks)
    place = url or with_query(provider.base_url + LIST_PATHS.get(provider.speaks, "/models"), provider.query)
    request = HttpRequest("GET", place, wire.HEADERS if wire else ())
    return signed(request, provider.auth, credential, now_s)


def _take(live: Live, opened: Opened, named: Mapping[str, str], catalog: Catalog) -> None:
    """Adds a provider with its credential, and its deployments as those of the catalog's endpoints."""
    slug = opened.provider.slug
    deployments = opened.deployments
    if deployments is None and named:
        deployments = tuple((model, Deployment(name), "") for model, name in named.items())
    if opened.credential:
        live.credentials[slug] = opened.credential
    if deployments is None:
        live.providers[slug] = opened.provider
        return
    found: dict[str, Deployment] = {}
    for model, deployment, key in deployments:
        ids = _sold(catalog, slug, model)
        if not ids:
            live.faults[slug] = f'the catalog has no "{model}" at {slug}, so that its deployment is not sold'
        for id_ in ids:
            found.setdefault(id_, deployment)
            if key:
                live.credentials.setdefault(id_, key)
    live.providers[slug] = replace(opened.provider, deployments=found)


def _sold(catalog: Catalog, slug: str, model: str) -> Sequence[str]:
    """The ids of a provider's endpoints of a model."""
    known = catalog.resolve(model)
    endpoints = catalog.endpoints.get(known.id, ()) if known else ()
    return [endpoint.id for endpoint in endpoints if endpoint.provider == slug]
