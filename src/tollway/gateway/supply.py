"""Supply: catalog x configuration x credentials -> the market, and the lists of the operator's own servers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime

import structlog

from tollway.catalog.diff import compare, compare_provider
from tollway.catalog.levels import ALIASES
from tollway.catalog.listing import read_listing, rows_for
from tollway.catalog.shipped import rows_of, shipped
from tollway.config import Config, ModelConfig, ProviderConfig
from tollway.domain.aliases import Alias
from tollway.domain.catalog import Model, Operation, ProviderInfo, WireFormat
from tollway.domain.catalog_changes import PriceKept, PriceSet
from tollway.domain.catalog_rows import OPERATOR, EndpointRow, PriceRow
from tollway.domain.http import Deadlines
from tollway.domain.rates import RatesText
from tollway.gateway.access_tokens import AccessTokens, NoToken
from tollway.gateway.base import Gateway
from tollway.gateway.kept_providers import paused, with_kept
from tollway.gateway.live import (
    Live,
    configured,
    info_of,
    list_request,
    live_providers,
    open_provider,
    own_servers,
)
from tollway.identity.credentials import KeyRing
from tollway.providers import provider_for
from tollway.routing.market import Market, Speaks, build_market
from tollway.storage.catalog import apply_changes, catalog_version, current_rows, declare_free, load_catalog, prices_due
from tollway.storage.database import Database, StorageError
from tollway.telemetry import pulse
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault
from tollway.wire.formats import CLIENTS, PLAIN_CLIENTS

log = structlog.get_logger(__name__)

SPEAKS: Speaks = {Operation.CHAT: frozenset(CLIENTS)} | {
    operation: frozenset(clients) for operation, clients in PLAIN_CLIENTS.items()
}
SPOKEN: frozenset[WireFormat] = frozenset().union(*SPEAKS.values())
"""Formats in which anything can be asked for."""
LIST_DEADLINES = Deadlines(first_event_s=10.0, idle_s=10.0, total_s=20.0)
CONFIGURATION = "configuration"
"""The source of what a `[[providers.models]]` block, or `free = true`, says about an endpoint."""

PRICES_EVERY_S = 30.0
LIST_EVERY_S = 300.0
"""A server of the operator's own is asked for its models at start, and again in this interval."""


def aliases_of(config: Config) -> tuple[Alias, ...]:
    """The shipped aliases, and the operator's, which come later and so win."""
    return (*ALIASES, *config.routing.aliases)


class Supply:
    """Where the market comes from. `simulator_url`: the simulator there plays every provider of the catalog, in its own
    wire format."""

    def __init__(
        self,
        config: Config,
        database: Database,
        client: UpstreamClient,
        tokens: AccessTokens,
        simulator_url: str | None = None,
        ring: KeyRing | None = None,
    ) -> None:
        self._base = config
        self.config = config
        """With the providers that the operator added on the site, as they were when it was last read."""
        self._ring = ring
        self._database = database
        self._client = client
        self._tokens = tokens
        self._simulator_url = simulator_url
        self._listed: dict[str, int] = {}
        """How many models each own server listed last: said in the log when it changes."""
        self.writing = asyncio.Lock()
        """Held while what a server lists is written, and by who takes a server away."""

    async def load(self) -> tuple[Market, Live]:
        """The market of this moment, and the live providers with their credentials."""
        await self.refresh()
        catalog = paused(await load_catalog(self._database, Gateway.now_ms()), self.config)
        live = live_providers(catalog, self.config, self._simulator_url)
        for slug, fault in live.faults.items():
            log.warning("provider is not as configured", provider=slug, error=fault)
        mine = {each.slug: each for each in self.config.providers}
        known = {slug: configured(provider_for(info), mine.get(slug)) for slug, info in catalog.providers.items()}
        return build_market(catalog, live.providers, SPEAKS, aliases_of(self.config), known), live

    async def refresh(self) -> None:
        """Reads what was added on the site."""
        self.config = await with_kept(self._base, self._database, self._ring)

    async def declare(self) -> None:
        """First start: the shipped catalog is applied. Every start: own servers whose models are in the file."""
        now_ms = Gateway.now_ms()
        await first_catalog(self._database, now_ms)
        await self.refresh()
        for provider in own_servers(self.config):
            if provider.models is not None:
                await self.declare_server(provider, provider.models)

    async def declare_server(self, provider: ProviderConfig, named: Sequence[ModelConfig]) -> int:
        """Takes over the models that are named for a server; how many."""
        endpoints = [declared_endpoint(provider, model) for model in named]
        models = [declared_model(provider, model) for model in named]
        free = {
            endpoint.id
            for endpoint, model in zip(endpoints, named, strict=True)
            if model.free or (provider.free and endpoint.price is None)
        }
        await self._take_over(info_of(provider), models, endpoints, free, Gateway.now_ms())
        return len(endpoints)

    async def list_servers(self, reload: Callable[[], Awaitable[Market]]) -> None:
        """Runs for ever: asks the operator's own servers for their models, and swaps the market when they answered."""
        while True:
            own = [each.slug for each in own_servers(self.config) if each.models is None]
            try:
                # Each as it is when its turn comes: servers take seconds, and their blocks change meanwhile.
                found = [await self.list_server(now) for slug in own if (now := self._own(slug)) is not None]
                if any(found):
                    await reload()
                pulse.ran()
            except StorageError as error:
                pulse.failed(error)
                log.warning("could not take over what own servers list", error=str(error))
            await asyncio.sleep(LIST_EVERY_S)

    async def watch_prices(self, reload: Callable[[], Awaitable[Market]]) -> None:
        """Runs for ever: when a price that was set for later comes into force, the market is made anew."""
        seen_ms = Gateway.now_ms()
        while True:
            await asyncio.sleep(PRICES_EVERY_S)
            now_ms = Gateway.now_ms()
            try:
                if await prices_due(self._database, seen_ms, now_ms):
                    await reload()
                seen_ms = now_ms
                pulse.ran()
            except StorageError as error:
                pulse.failed(error)
                log.warning("could not look for prices that are due", error=str(error))

    def _own(self, slug: str) -> ProviderConfig | None:
        """A server of the operator's own that lists its models, as it is now; None: it is gone, or off."""
        return next((each for each in own_servers(self.config) if each.slug == slug and each.models is None), None)

    async def list_server(self, provider: ProviderConfig) -> int:
        """Takes over what the server lists; how many models, 0 where it did not answer or is another one by now."""
        info = info_of(provider)
        try:
            opened = open_provider(provider_for(info), provider, self.config)
            if opened is None:
                raise ValueError("a part of its address is not set")
            credential = await self._tokens.for_provider(opened.provider, opened.credential)
            request = list_request(opened.provider, credential, provider.models_url, Gateway.now_ms() / 1000)
            with self._client.call(request, LIST_DEADLINES) as call:
                await call.start()
                body = await call.read()
                if call.status != 200:
                    raise ValueError(f"it answered with status {call.status}")
            listing = read_listing(body)
        except (UpstreamFault, NoToken, ValueError) as error:
            log.warning("could not list models", provider=provider.slug, error=str(error))
            return 0
        now_ms = Gateway.now_ms()
        async with self.writing:
            now = self._own(provider.slug)
            if now is None or now.base_url != provider.base_url:
                return 0
            catalog = await load_catalog(self._database, now_ms)
            day = datetime.now(UTC).date().isoformat()
            models, endpoints = rows_for(info, listing, catalog.models, catalog.aliases, day)
            free = {endpoint.id for endpoint in endpoints if provider.free and endpoint.price is None}
            await self._take_over(info, models, endpoints, free, now_ms)
        if self._listed.get(info.slug) != len(endpoints):
            self._listed[info.slug] = len(endpoints)
            log.info("models listed", provider=info.slug, models=len(endpoints))
        return len(endpoints)

    async def _take_over(
        self, info: ProviderInfo, models: Iterable[Model], endpoints: Iterable[EndpointRow], free: set[str], now_ms: int
    ) -> None:
        """Writes what differs from the catalog, and nothing where nothing differs: a version is a change.

        `free`: ids that the configuration declares free. What it said before and says no more is withdrawn; what a
        person said on the command line stays.
        """
        current = await current_rows(self._database, now_ms)
        said = [endpoint.id for endpoint in endpoints if endpoint.price is not None]
        stale = [
            PriceSet(row.id, row.price, None)
            for row in current.endpoints.values()
            if row.provider == info.slug and row.price and row.price.source == CONFIGURATION
            if row.id not in said and row.id not in free
        ]
        found = compare_provider(current, info, models, endpoints)
        changes = [change for change in (*found, *stale) if not isinstance(change, PriceKept)]
        if changes:
            await apply_changes(self._database, changes, now_ms, reason=f"provider {info.slug}", origin=OPERATOR)
        for id_ in sorted(free):
            row = current.endpoints.get(id_)
            price = row.price if row else None
            if price is None or (price.source != OPERATOR and not price.rates.is_zero):
                await declare_free(self._database, id_, now_ms, source=CONFIGURATION)


def reloads(supply: Supply, gateway: Gateway) -> Callable[[], Awaitable[Market]]:
    """What puts the market of this moment in force. Of two at once, who has read later has the last word."""
    loading = asyncio.Lock()

    async def reload() -> Market:
        async with loading:
            gateway.market, live = await supply.load()
            gateway.credentials, gateway.keyrings = live.credentials, live.keyrings
            return gateway.market

    return reload


async def first_catalog(database: Database, now_ms: int) -> None:
    """A database whose catalog was never written takes the one that came in the package."""
    if await catalog_version(database) == 0:
        changes = compare(await current_rows(database, now_ms), rows_of(shipped())).changes
        await apply_changes(database, changes, now_ms, reason="shipped catalog")


def declared_model(provider: ProviderConfig, model: ModelConfig) -> Model:
    """A model that the configuration names; one that the catalog has under this id stays as it is there."""
    return Model(
        id=model.id,
        name=model.id,
        author=model.id.partition("/")[0],
        description=f"Served by {provider.name or provider.slug}.",
        context_tokens=model.context,
        output_modalities=made_by(model),
    )


def made_by(model: ModelConfig) -> tuple[str, ...]:
    """The word that makes a model one for its operation."""
    return ("text",) if model.operation is Operation.CHAT else (model.operation.value,)


def declared_endpoint(provider: ProviderConfig, model: ModelConfig) -> EndpointRow:
    """An endpoint of the configuration. Every parameter is sent to it: what it takes and makes is not known."""
    price = None
    given = (model.price_prompt, model.price_completion, model.price_request)
    if any(text is not None for text in given):
        rates = RatesText(model.price_prompt or "0", model.price_completion or "0", model.price_request or "0")
        price = PriceRow(rates, source=CONFIGURATION)
    return EndpointRow(
        provider=provider.slug,
        upstream_model=model.upstream or model.id,
        model_id=model.id,
        wire_format=info_of(provider).wire_format,
        context_tokens=model.context,
        output_tokens_max=model.output_max,
        parameters=ANY_PARAMETER,
        input_modalities=("text", "image", "audio", "file"),
        output_modalities=MADE_IN_CHATS if model.operation is Operation.CHAT else made_by(model),
        source=CONFIGURATION,
        price=price,
    )


MADE_IN_CHATS = ("text", "image", "audio")
"""All that `modalities` can ask for."""
ANY_PARAMETER = (
    "frequency_penalty",
    "include_reasoning",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "min_p",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "seed",
    "stop",
    "structured_outputs",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "verbosity",
    "web_search_options",
)
