"""Supply: catalog x configuration x credentials -> the market, and the lists of the operator's own servers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

import structlog
from msgspec import structs

from tollway.catalog.address import fill
from tollway.catalog.diff import compare, compare_provider
from tollway.catalog.listing import read_listing, rows_for
from tollway.catalog.shipped import rows_of, shipped
from tollway.config import Config, ModelConfig, ProviderConfig
from tollway.domain.catalog import Catalog, Model, ProviderInfo, WireFormat
from tollway.domain.catalog_changes import PriceKept, PriceSet
from tollway.domain.catalog_rows import OPERATOR, EndpointRow, PriceRow
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.quirks import Quirks
from tollway.domain.rates import RatesText
from tollway.gateway.base import Gateway
from tollway.providers import QUIRKS, Provider, bearer
from tollway.providers.base import AUTH
from tollway.routing.market import Market, build_market
from tollway.storage.catalog import apply_changes, catalog_version, current_rows, declare_free, load_catalog, prices_due
from tollway.storage.database import Database, StorageError
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault
from tollway.wire.formats import CLIENTS

log = structlog.get_logger(__name__)

SPEAKS = frozenset(CLIENTS)
LIST_DEADLINES = Deadlines(first_event_s=10.0, idle_s=10.0, total_s=20.0)
CONFIGURATION = "configuration"
"""The source of what a `[[providers.models]]` block, or `free = true`, says about an endpoint."""

PRICES_EVERY_S = 30.0
LIST_EVERY_S = 300.0
"""A server of the operator's own is asked for its models at start, and again in this interval."""


class Supply:
    """Where the market comes from. `simulator_url`: every provider of the catalog is played by the simulator there."""

    def __init__(
        self, config: Config, database: Database, client: UpstreamClient, simulator_url: str | None = None
    ) -> None:
        self._config = config
        self._database = database
        self._client = client
        self._simulator_url = simulator_url
        self._listed: dict[str, int] = {}
        """How many models each own server listed last: said in the log when it changes."""

    async def load(self) -> tuple[Market, dict[str, str]]:
        """The market of this moment, and the live providers' credentials by slug."""
        catalog = await load_catalog(self._database, Gateway.now_ms())
        providers, credentials = live_providers(catalog, self._config, self._simulator_url)
        if self._simulator_url:
            catalog = in_chat_format(catalog)
        return build_market(catalog, providers, SPEAKS), credentials

    async def declare(self) -> None:
        """First start: the shipped catalog is applied. Every start: own servers whose models are in the file."""
        now_ms = Gateway.now_ms()
        await first_catalog(self._database, now_ms)
        for provider in self._config.providers:
            if provider.base_url and provider.models is not None:
                endpoints = [declared_endpoint(provider, model) for model in provider.models]
                models = [declared_model(provider, model) for model in provider.models]
                free = {
                    endpoint.id
                    for endpoint, model in zip(endpoints, provider.models, strict=True)
                    if model.free or (provider.free and endpoint.price is None)
                }
                await self._take_over(info_of(provider), models, endpoints, free, now_ms)

    async def list_servers(self, reload: Callable[[], Awaitable[Market]]) -> None:
        """Runs for ever: asks the operator's own servers for their models, and swaps the market when they answered."""
        own = [each for each in self._config.providers if each.base_url and each.models is None]
        while own:
            try:
                found = [await self.list_server(provider) for provider in own]
                if any(found):
                    await reload()
            except StorageError as error:
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
            except StorageError as error:
                log.warning("could not look for prices that are due", error=str(error))

    async def list_server(self, provider: ProviderConfig) -> int:
        """Takes over what the server lists; how many models, 0 where it did not answer."""
        info = info_of(provider)
        key = self._config.provider_key(provider.slug, ())
        headers = bearer(key.reveal() if key else "")
        try:
            url = provider.models_url or f"{info.base_url}/models"
            with self._client.call(HttpRequest("GET", url, headers), LIST_DEADLINES) as call:
                await call.start()
                body = await call.read()
                if call.status != 200:
                    raise ValueError(f"it answered with status {call.status}")
            listing = read_listing(body)
        except (UpstreamFault, ValueError) as error:
            log.warning("could not list models", provider=provider.slug, error=str(error))
            return 0
        now_ms = Gateway.now_ms()
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


async def first_catalog(database: Database, now_ms: int) -> None:
    """A database whose catalog was never written takes the one that came in the package."""
    if await catalog_version(database) == 0:
        changes = compare(await current_rows(database, now_ms), rows_of(shipped())).changes
        await apply_changes(database, changes, now_ms, reason="shipped catalog")


def live_providers(
    catalog: Catalog, config: Config, simulator_url: str | None
) -> tuple[dict[str, Provider], dict[str, str]]:
    """Providers that can be called: those with an address, and a key where they need one; and the keys."""
    providers: dict[str, Provider] = {}
    credentials: dict[str, str] = {}
    own = {provider.slug: provider for provider in config.providers}
    for info in catalog.providers.values():
        mine = own.get(info.slug)
        if simulator_url and not (mine and mine.base_url):
            simulated = structs.replace(info, base_url=f"{simulator_url}/p/{info.slug}/v1")
            providers[info.slug] = provider_of(simulated, mine)
            continue
        key = config.provider_key(info.slug, info.key_env)
        base_url = fill(mine.base_url if mine and mine.base_url else info.base_url, config.environment)
        # A server of the operator's own may need no key; one of the catalog's is live only with one.
        if base_url and (key or (mine and mine.base_url)):
            providers[info.slug] = provider_of(structs.replace(info, base_url=base_url), mine)
            if key:
                credentials[info.slug] = key.reveal()
    return providers, credentials


def provider_of(info: ProviderInfo, mine: ProviderConfig | None) -> Provider:
    """The catalog's facts, our quirks, and what the configuration says over them."""
    quirks = QUIRKS.get(info.slug, Quirks())
    deadlines, whole = Deadlines(), Deadlines(first_event_s=600.0, idle_s=600.0)
    if mine:
        quirks = structs.replace(quirks, cancels=mine.cancels)
        deadlines = Deadlines(first_event_s=mine.first_event_s, idle_s=mine.idle_s, total_s=mine.total_s)
        whole = Deadlines(first_event_s=mine.whole_s, idle_s=mine.whole_s, total_s=mine.total_s)
    return Provider(
        slug=info.slug,
        name=info.name,
        base_url=info.base_url.rstrip("/"),
        speaks=info.wire_format,
        auth=AUTH.get(info.wire_format, bearer),
        key_env=info.key_env,
        quirks=quirks,
        deadlines=deadlines,
        deadlines_whole=whole,
    )


def in_chat_format(catalog: Catalog) -> Catalog:
    """The simulator speaks the chat format for everyone it plays."""
    endpoints = {
        model: tuple(structs.replace(endpoint, wire_format=WireFormat.OPENAI_CHAT) for endpoint in found)
        for model, found in catalog.endpoints.items()
    }
    return structs.replace(catalog, endpoints=endpoints)


def info_of(provider: ProviderConfig) -> ProviderInfo:
    """An own server as the catalog keeps it."""
    name = provider.name or provider.slug
    return ProviderInfo(provider.slug, name, (provider.base_url or "").rstrip("/"), WireFormat.OPENAI_CHAT)


def declared_model(provider: ProviderConfig, model: ModelConfig) -> Model:
    """A model that the configuration names; one that the catalog has under this id stays as it is there."""
    return Model(
        id=model.id,
        name=model.id,
        author=model.id.partition("/")[0],
        description=f"Served by {provider.name or provider.slug}.",
        context_tokens=model.context,
    )


def declared_endpoint(provider: ProviderConfig, model: ModelConfig) -> EndpointRow:
    """An endpoint of the configuration. Every parameter is sent to it: what it takes is not known."""
    price = None
    given = (model.price_prompt, model.price_completion, model.price_request)
    if any(text is not None for text in given):
        rates = RatesText(model.price_prompt or "0", model.price_completion or "0", model.price_request or "0")
        price = PriceRow(rates, source=CONFIGURATION)
    return EndpointRow(
        provider=provider.slug,
        upstream_model=model.upstream or model.id,
        model_id=model.id,
        wire_format=WireFormat.OPENAI_CHAT,
        context_tokens=model.context,
        output_tokens_max=model.output_max,
        parameters=ANY_PARAMETER,
        input_modalities=("text", "image", "audio", "file"),
        source=CONFIGURATION,
        price=price,
    )


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
