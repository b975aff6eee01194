"""The catalog's commands: from which database each reads, and who writes for it while a server runs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tollway.catalog.shipped import Shipped, decode_shipped, shipped
from tollway.cli.catalog import apply_catalog, diff_catalog, list_catalog
from tollway.cli.control import office, reading
from tollway.cli.terminal import console, print_json
from tollway.config import Config, load
from tollway.domain.catalog_changes import Change
from tollway.domain.rates import RatesText, rates_to_text
from tollway.gateway.base import Gateway
from tollway.gateway.kept_providers import with_kept
from tollway.gateway.live import live_providers
from tollway.gateway.office import ChangeCatalog, Changed, SetEndpoint
from tollway.gateway.supply import SPEAKS
from tollway.identity.credentials import ring_at_hand
from tollway.routing.market import build_market
from tollway.storage.catalog import catalog_version, load_catalog
from tollway.storage.database import Database


class Writer:
    """Writes through the office: a drop-in for `apply_changes`, whose `database` only reads here."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.changed: Changed | None = None

    async def __call__(
        self, database: Database, changes: Iterable[Change], now_ms: int, /, *, reason: str, origin: str
    ) -> int:
        """Returns the new version. InvalidRequest: somebody else changed the catalog since `database` was read."""
        ask = ChangeCatalog(tuple(changes), reason, origin, await catalog_version(database))
        async with office(self._config) as operator:
            self.changed = await operator.change_catalog(ask)
        return self.changed.version


async def show(
    config_file: Path | None,
    *,
    text: str,
    provider: str,
    priced: bool | None,
    live: bool,
    lines_max: int,
    as_json: bool,
) -> int:
    """`catalog list`. `live`: only what can be bought now."""
    config = load(config_file)
    now_ms = Gateway.now_ms()
    async with reading(config) as database:
        config = await with_kept(config, database, ring_at_hand(config))
        catalog = await load_catalog(database, now_ms)
        providers = live_providers(catalog, config, None).providers
        if not as_json:
            only = providers.keys() if live else None
            return await list_catalog(
                database, console(), now_ms, text=text, provider=provider, priced=priced, live=only, lines_max=lines_max
            )
    market = build_market(catalog, providers, SPEAKS)
    why = {off.endpoint.id: off.reason for offer in market.offers.values() for off in offer.off}
    print_json(
        [
            {
                "id": endpoint.id,
                "model": endpoint.model_id,
                "context": endpoint.context_tokens,
                "free": bool(endpoint.price and endpoint.price.declared_free),
                "pricing": None if endpoint.price is None else rates_to_text(endpoint.price.rates),
                "live": endpoint.id not in why,
                "why_not": why.get(endpoint.id),
            }
            for found in catalog.endpoints.values()
            for endpoint in found
            if text.lower() in f"{endpoint.model_id} {endpoint.upstream_model}".lower()
            and provider in ("", endpoint.provider)
            and (priced is None or priced == (endpoint.price is not None))
            and not (live and endpoint.id in why)
        ]
    )
    return 0


async def diff(config_file: Path | None, *, file: Path | None, lines_max: int) -> int:
    """`catalog diff`: 0 nothing would change, 1 something would."""
    new = _read(file)
    async with reading(load(config_file)) as database:
        return await diff_catalog(database, console(), new, Gateway.now_ms(), lines_max=lines_max)


async def apply(config_file: Path | None, *, file: Path | None, accept: bool, lines_max: int) -> int:
    """`catalog apply`: 0 done, 2 refused. A running server sells by the new catalog from its next request on."""
    new, config = _read(file), load(config_file)
    write = Writer(config)
    async with reading(config) as database:
        code = await apply_catalog(
            database, console(), new, Gateway.now_ms(), accept=accept, lines_max=lines_max, write=write
        )
    if write.changed:
        console().print(_seen_by(write.changed), markup=False)
    return code


async def price(config_file: Path | None, endpoint: str, *, prompt: str, completion: str, request: str) -> None:
    """`catalog price`: USD per token, decimal strings."""
    rates = RatesText(prompt, completion, request)
    await _set(config_file, SetEndpoint(endpoint, price=rates), f"{endpoint} costs ${prompt} and ${completion} a token")


async def free(config_file: Path | None, endpoint: str) -> None:
    """`catalog free`: the only way to a price of zero."""
    await _set(config_file, SetEndpoint(endpoint, free=True), f"{endpoint} is declared free")


async def enable(config_file: Path | None, endpoint: str, *, enabled: bool) -> None:
    """`catalog enable|disable`."""
    await _set(config_file, SetEndpoint(endpoint, enabled=enabled), f"{endpoint} is {'on' if enabled else 'off'}")


async def _set(config_file: Path | None, ask: SetEndpoint, said: str) -> None:
    async with office(load(config_file)) as operator:
        changed = await operator.set_endpoint(ask)
    console().print(f"{said}. {_seen_by(changed)}", markup=False)


def _seen_by(changed: Changed) -> str:
    if changed.live_endpoints is None:
        return f"The catalog is at version {changed.version}; the next start of the server reads it."
    return f"The running server has it: {changed.live_endpoints:,} endpoints are live."


def _read(file: Path | None) -> Shipped:
    return shipped() if file is None else decode_shipped(file.read_bytes())


def today() -> str:
    """The day in UTC, `YYYY-MM-DD`, as rows of the catalog note it."""
    return datetime.now(UTC).date().isoformat()
