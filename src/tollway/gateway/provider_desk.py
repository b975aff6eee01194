"""Providers as an admin adds, changes, tests and removes them: kept in the database, in force without a restart."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from msgspec import Struct, structs

from tollway.billing.settings import SLUG
from tollway.config import Config, ModelConfig, ProviderConfig, odd_provider
from tollway.domain.catalog import WireFormat
from tollway.domain.catalog_changes import Change, EndpointGone, ModelGone, ProviderGone
from tollway.domain.catalog_rows import OPERATOR
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.kept_providers import KeptKey, KeptProvider
from tollway.domain.people import Actor
from tollway.gateway.alarms import mended
from tollway.gateway.base import Gateway
from tollway.gateway.byok_desk import masked
from tollway.gateway.kept_providers import decoded, encoded
from tollway.gateway.live import is_own, live_providers
from tollway.gateway.provider_probe import Probe, probe_provider
from tollway.gateway.server_lists import Server, ask_server, guess_slug
from tollway.gateway.supply import SPOKEN, Supply
from tollway.identity.audit_log import AuditLog
from tollway.identity.credentials import KeyRing
from tollway.identity.ids import new_id
from tollway.providers import PROVIDERS
from tollway.providers.keys import keys_in
from tollway.routing.market import Market
from tollway.storage import kept_providers as rows
from tollway.storage.catalog import change_statements, current_rows
from tollway.storage.database import Database
from tollway.telemetry.logs import redacted

KEYS_MAX = 20
WEIGHT_MAX = 100
METADATA = ("metadata.google.internal", "metadata.goog", "instance-data")


class NewProvider(Struct, kw_only=True):
    """A server by its address, or a key for a provider of the catalog (`base_url` "")."""

    slug: str = ""
    """"" for a server: made from its address."""
    name: str = ""
    base_url: str = ""
    models_url: str = ""
    speaks: WireFormat = WireFormat.OPENAI_CHAT
    keys: str = ""
    """One, or several with commas or line breaks between them."""
    models: tuple[str, ...] = ()
    """As the server calls them, where it has no list of its own."""
    free: bool = False


class Limits(Struct, kw_only=True):
    """What may be changed of one that was added on the site. Seconds."""

    name: str
    base_url: str
    models_url: str
    free: bool
    first_event_s: float
    idle_s: float
    whole_s: float
    total_s: float


class Added(Struct, frozen=True):
    """A provider that can be called now."""

    slug: str
    models: int


class Kept(Struct, frozen=True):
    """A provider that was added on the site, with its keys as the operator knows them."""

    provider: ProviderConfig
    sealed: tuple[KeptKey, ...]
    since_ms: int


class ProviderDesk:
    """For admins who signed in lately: others get a Forbidden. Keys come in here and go out to the provider alone."""

    def __init__(
        self,
        config: Config,
        database: Database,
        audit: AuditLog,
        ring: KeyRing,
        supply: Supply,
        gateway: Gateway,
        reload: Callable[[], Awaitable[Market]],
    ) -> None:
        self._file = config
        self._database = database
        self._audit = audit
        self._ring = ring
        self._supply = supply
        self._gateway = gateway
        self._reload = reload
        self._one = asyncio.Lock()
        """Of two changes, the second sees what the first has done."""

    @property
    def config(self) -> Config:
        """The file's and the site's providers, as they are in force."""
        return self._supply.config

    def from_file(self, slug: str) -> ProviderConfig | None:
        """The block of tollway.toml, if there is one: what it says is changed there."""
        return next((each for each in self._file.providers if each.slug == slug), None)

    async def kept(self, slug: str) -> Kept | None:
        """What was added on the site; None: nothing, or nothing but a switch."""
        found = next((each for each in await rows.list_kept(self._database) if each.slug == slug), None)
        mine = next((each for each in self.config.providers if each.slug == slug), None)
        if found is None or mine is None or self.from_file(slug) is not None:
            return None
        keys = tuple(each for each in await rows.list_kept_keys(self._database) if each.provider == slug)
        return Kept(mine, keys, found.created_ms)

    async def look(self, ask: NewProvider) -> Server:
        """What a server lists, before it is added. InvalidRequest: in words, why there is no list."""
        await check_addresses(ask.base_url, ask.models_url)
        keys = keys_in(ask.keys)
        try:
            return await ask_server(
                self._gateway.client, ask.base_url, keys[0] if keys else "", ask.models_url or None, ask.speaks
            )
        except ValueError as error:
            raise InvalidRequest(redacted(str(error))[:600], param="base_url") from None

    async def add(self, actor: Actor, ask: NewProvider, now_ms: int) -> Added:
        """In force at once, with the models that it lists. InvalidRequest: why it can't be; nothing was added then."""
        _check(actor)
        ask.base_url = ask.base_url.strip()
        if ask.base_url and not ask.models:
            server = await self.look(ask)
            ask.base_url = server.base_url
        elif ask.base_url:
            await check_addresses(ask.base_url, ask.models_url)
            ask.base_url = ask.base_url.rstrip("/")
        async with self._one:
            provider = self._provider(ask)
            secrets = self._checked_keys(provider, ask.keys)
            kept = KeptProvider(provider.slug, encoded(provider), now_ms, now_ms)
            async with self._ring.lock:
                keys = [self._sealed(provider.slug, secret, now_ms) for secret in secrets]
                await self._audit.write(
                    actor, "provider.added", provider.slug, rows.set_kept(kept), *map(rows.new_kept_key, keys),
                    now_ms=now_ms, base_url=provider.base_url, keys=len(keys),
                )  # fmt: skip
            return Added(provider.slug, await self._take_in(provider.slug))

    async def change(self, actor: Actor, slug: str, ask: Limits, now_ms: int) -> None:
        """Another address, of its list too, forgets the keys: they were given for the old one, and go nowhere else."""
        _check(actor)
        async with self._one:
            before = await self._find(slug)
            mine = before.provider
            base_url = ask.base_url.strip().rstrip("/") or None
            if (base_url is None) is not (mine.base_url is None):
                raise InvalidRequest("base_url: a provider of the catalog has its own; add a server by itself.")
            models_url = ask.models_url.strip() or None
            await check_addresses(base_url or "", models_url or "")
            after = structs.replace(
                mine, name=ask.name.strip()[:100] or None, base_url=base_url, models_url=models_url, free=ask.free,
                first_event_s=ask.first_event_s, idle_s=ask.idle_s, whole_s=ask.whole_s, total_s=ask.total_s,
            )  # fmt: skip
            _check_block(after)
            moved = not _places(after) <= _places(mine)
            fields = [name for name in Limits.__struct_fields__ if getattr(after, name) != getattr(mine, name)]
            kept = KeptProvider(slug, encoded(after), before.since_ms, now_ms)
            forgotten = (rows.delete_kept_keys(slug),) if moved else ()
            await self._audit.write(
                actor, "provider.changed", slug, rows.set_kept(kept), *forgotten,
                now_ms=now_ms, fields=fields, keys_forgotten=moved and bool(before.sealed),
            )  # fmt: skip
            await self._take_in(slug)

    async def switch(self, actor: Actor, slug: str, on: bool, now_ms: int) -> None:
        """Off: no new request goes there, and those under way end as they would have. Any provider can be switched."""
        _check(actor)
        async with self._one:
            if self.from_file(slug) is not None and not (self.from_file(slug) or ProviderConfig(slug)).enabled and on:
                raise InvalidRequest("tollway.toml switches it off: change it there.")
            kept = await self._restated(slug, now_ms, enabled=on)
            action = "provider.enabled" if on else "provider.disabled"
            await self._audit.write(actor, action, slug, rows.set_kept(kept), now_ms=now_ms)
            await self._take_in(slug)

    async def weigh(self, actor: Actor, slug: str, weight: float, now_ms: int) -> None:
        """By how much its share of balanced traffic is multiplied from now on. InvalidRequest: by what it can't be."""
        _check(actor)
        async with self._one:
            if (self.from_file(slug) or ProviderConfig(slug)).weight is not None:
                raise InvalidRequest("tollway.toml says its weight: change it there.")
            if not 0 <= weight <= WEIGHT_MAX:
                raise InvalidRequest(f"weight: a number from 0 to {WEIGHT_MAX}", param="weight")
            kept = await self._restated(slug, now_ms, weight=weight)
            await self._audit.write(
                actor, "provider.weighed", slug, rows.set_kept(kept), now_ms=now_ms, weight=f"{weight:g}"
            )
            await self._take_in(slug)

    async def _restated(self, slug: str, now_ms: int, **said: object) -> KeptProvider:
        """What is kept of any provider that is known, with this said of it. NotFound."""
        if slug not in self._gateway.market.catalog.providers.keys() | {each.slug for each in self.config.providers}:
            raise NotFound("There is no such provider.")
        kept = next((each for each in await rows.list_kept(self._database) if each.slug == slug), None)
        # Of what was said here alone: the file's block, copied, would outlive the file's.
        before = ProviderConfig(slug) if kept is None else decoded(kept)
        since_ms = now_ms if kept is None else kept.created_ms
        return KeptProvider(slug, encoded(structs.replace(before, **said)), since_ms, now_ms)

    async def add_key(self, actor: Actor, slug: str, text: str, now_ms: int) -> int:
        """One or several more; how many. A provider of the catalog is taken in with its first."""
        _check(actor)
        before = await self.kept(slug)
        if before is None:
            await self._take_up(actor, slug, text, now_ms)
            return len(keys_in(text.strip()))
        async with self._one:
            before = await self._find(slug)
            secrets = self._checked_keys(before.provider, text)
            if not secrets:
                raise InvalidRequest("key: paste the key first.", param="key")
            if set(secrets) & set(before.provider.keys):
                raise InvalidRequest("key: it has this key already.", param="key")
            if len(before.sealed) + len(secrets) > KEYS_MAX:
                raise InvalidRequest(f"A provider can have {KEYS_MAX} keys.", param="key")
            async with self._ring.lock:
                keys = [self._sealed(slug, secret, now_ms) for secret in secrets]
                await self._audit.write(
                    actor, "provider.key_added", slug, *map(rows.new_kept_key, keys),
                    now_ms=now_ms, keys=[each.label for each in keys],
                )  # fmt: skip
            await self._take_in(slug)
            return len(secrets)

    async def drop_key(self, actor: Actor, slug: str, key_id: str, now_ms: int) -> None:
        """The secret is wiped. NotFound."""
        _check(actor)
        async with self._one:
            found = await self._find(slug)
            key = next((each for each in found.sealed if each.id == key_id), None)
            if key is None:
                raise NotFound("There is no such key.")
            await self._audit.write(
                actor, "provider.key_dropped", slug, rows.delete_kept_key(slug, key_id), now_ms=now_ms, key=key.label
            )
            await self._take_in(slug)

    async def remove(self, actor: Actor, slug: str, now_ms: int) -> None:
        """The provider, its keys, and what only it sold. Records and prices of the past stay."""
        _check(actor)
        async with self._one:
            found = await self._find(slug)
            gone = await self._gone(slug, now_ms) if is_own(found.provider) else ()
            statements = (
                change_statements(gone, now_ms, reason=f"remove provider {slug}", origin=OPERATOR) if gone else ()
            )
            async with self._supply.writing:  # lest a list that is under way brings it back
                await self._audit.write(
                    actor, "provider.removed", slug, *rows.delete_kept(slug), *statements, now_ms=now_ms
                )
                await self._reload()

    async def probe(self, actor: Actor, slug: str, model: str = "") -> Probe:
        """The smallest chat that there is."""
        _check(actor)
        return await probe_provider(self._gateway, slug, model)

    async def list_models(self, actor: Actor, slug: str) -> int:
        """Asks a server for its models now, instead of within five minutes; 0: it did not answer."""
        _check(actor)
        return await self._take_in(slug)

    async def _take_up(self, actor: Actor, slug: str, text: str, now_ms: int) -> None:
        """A provider of the catalog gets its first key here."""
        if self.from_file(slug) is not None:
            raise InvalidRequest("tollway.toml has a block for this provider: its keys are changed there.")
        if not keys_in(text.strip()):
            raise InvalidRequest("key: paste the key first.", param="key")
        await self.add(actor, NewProvider(slug=slug, keys=text), now_ms)

    async def _find(self, slug: str) -> Kept:
        """NotFound: it was not added on the site."""
        found = await self.kept(slug)
        if found is None:
            raise NotFound("No such provider was added on this site; what tollway.toml says is changed there.")
        return found

    def _provider(self, ask: NewProvider) -> ProviderConfig:
        """The block that says the same. InvalidRequest: it would be none."""
        slug = ask.slug.strip() or (guess_slug(ask.base_url) if ask.base_url else "")
        if not re.fullmatch(SLUG, slug):
            raise InvalidRequest("slug: a short name of small letters, digits and dashes", param="slug")
        catalog = self._gateway.market.catalog
        known = catalog.providers.get(slug)
        if any(each.slug == slug and (each.enabled or each.base_url) for each in self.config.providers):
            raise InvalidRequest(f'slug: there is a provider "{slug}" already; choose another name', param="slug")
        if (
            ask.base_url
            and (slug in PROVIDERS or known is not None)
            and not _same(ask.base_url, slug, catalog.providers)
        ):
            raise InvalidRequest(
                f'slug: the catalog has a provider "{slug}" elsewhere; choose another name', param="slug"
            )
        if not ask.base_url and known is None and slug not in PROVIDERS:
            raise InvalidRequest("Choose a provider of the catalog, or give an address.", param="slug")
        if ask.speaks not in SPOKEN:
            raise InvalidRequest(f"speaks: {ask.speaks.value} is not built yet", param="speaks")
        models = tuple(
            ModelConfig(name if "/" in name else f"{slug}/{name}", upstream=name)
            for name in dict.fromkeys(each.strip() for each in ask.models)
            if name
        )
        provider = ProviderConfig(
            slug,
            base_url=ask.base_url or None,
            models_url=ask.models_url.strip() or None,
            name=ask.name.strip()[:100] or None,
            models=models or None,
            free=ask.free,
            speaks=ask.speaks if ask.base_url else None,
        )
        _check_block(provider)
        return provider

    def _checked_keys(self, provider: ProviderConfig, text: str) -> tuple[str, ...]:
        """The keys of a text. InvalidRequest: one is not of its provider's form."""
        keys = keys_in(text.strip())
        if any(not key.isascii() or (not key.isprintable() and not key.startswith(("{", "["))) for key in keys):
            raise InvalidRequest("key: holds a letter that no key has", param="key")
        if keys and not provider.base_url:
            alone = structs.replace(self._file, providers=(structs.replace(provider, keys=keys, key=None),))
            if fault := live_providers(self._gateway.market.catalog, alone, None).faults.get(provider.slug):
                raise InvalidRequest(f"key: {redacted(fault)}", param="key")
        return keys

    def _sealed(self, slug: str, secret: str, now_ms: int) -> KeptKey:
        id_ = new_id(now_ms)
        place = ("the operator", slug, id_, 1)
        return KeptKey(id_, slug, masked(secret), now_ms, self._ring.seal(secret, place))

    async def _take_in(self, slug: str) -> int:
        """Reads it again, asks a server for its models, and swaps the market; how many models it has."""
        await self._supply.refresh()
        mine = next((each for each in self.config.providers if each.slug == slug), None)
        count = 0
        if mine is not None and mine.enabled and is_own(mine):
            if mine.models is None:
                count = await self._supply.list_server(mine)
            else:
                count = await self._supply.declare_server(mine, mine.models)
        market = await self._reload()
        mended(self._gateway, slug, self._gateway.loop.time())
        return count or sum(each.provider == slug for offer in market.offers.values() for each in offer.live)

    async def _gone(self, slug: str, now_ms: int) -> tuple[Change, ...]:
        current = await current_rows(self._database, now_ms)
        mine = [each for each in current.endpoints.values() if each.provider == slug]
        others = {each.model_id for each in current.endpoints.values() if each.provider != slug}
        models = {each.model_id for each in mine} - others
        changes: list[Change] = [EndpointGone(each) for each in mine]
        changes += [ModelGone(current.models[id_]) for id_ in sorted(models) if id_ in current.own]
        if slug in current.own and slug in current.providers:
            changes.append(ProviderGone(current.providers[slug]))
        return tuple(changes)


def _check(actor: Actor) -> None:
    if not actor.operator:
        raise Forbidden("For admins who signed in lately.")


def _check_block(provider: ProviderConfig) -> None:
    if wrong := [each.partition(": ")[2] or each for each in odd_provider(provider, "provider")]:
        raise InvalidRequest("; ".join(wrong))


def _same(base_url: str, slug: str, known: object) -> bool:
    """Whether an address is the one at which a provider is known: its name must not lead a key elsewhere."""
    info = known.get(slug) if isinstance(known, dict) else None
    addresses = {info.base_url.rstrip("/")} if info is not None else set()
    if slug in PROVIDERS:
        addresses.add(PROVIDERS[slug].base_url.rstrip("/"))
    return base_url.rstrip("/") in addresses


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _places(provider: ProviderConfig) -> set[tuple[str, str]]:
    """Where its keys are sent."""
    return {_origin(url) for url in (provider.base_url, provider.models_url) if url}


async def check_addresses(*urls: str) -> None:
    """Of a provider, "" for none, and of its list of models. InvalidRequest: as `check_address`."""
    for url in filter(None, map(str.strip, urls)):
        await check_address(url)


async def check_address(url: str) -> None:
    """InvalidRequest: nobody's server is there. Private addresses and this machine's own are an admin's to name; those
    at which clouds hand out credentials are not (FAULTS.md, SSRF)."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise InvalidRequest(f"base_url: {error}", param="base_url") from None
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidRequest("base_url: an address such as https://api.example.com/v1", param="base_url")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("base_url: no user name and no password in it; give the key by itself", param="base_url")
    if host in METADATA:
        raise InvalidRequest("base_url: clouds hand out credentials there; no provider is", param="base_url")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port or 80, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return  # nobody is there yet: asking for its models says so
    for *_, address in found:
        place = ipaddress.ip_address(str(address[0]).partition("%")[0])
        place = getattr(place, "ipv4_mapped", None) or place
        if place.is_link_local or place.is_multicast or place.is_unspecified or place.is_reserved:
            raise InvalidRequest(f"base_url: {place} is no address of a server", param="base_url")
