"""The catalog's tables: read as one snapshot, changed by typed changes, prices only ever appended."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, assert_never

import msgspec

from tollway.domain import catalog_changes as changed
from tollway.domain.catalog import Catalog, Endpoint, Model, Price, ProviderInfo
from tollway.domain.catalog_changes import Change
from tollway.domain.catalog_rows import OPERATOR, Builder, EndpointRow, PriceRow, Rows, assemble
from tollway.domain.rates import RatesText, TierText, rates_from_text, tiers_from_text
from tollway.storage.database import Database, Row, Statement

SHIPPED = "shipped"

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_provider = msgspec.json.Decoder(ProviderInfo)
_model = msgspec.json.Decoder(Model)
_endpoint = msgspec.json.Decoder(EndpointRow)
_rates = msgspec.json.Decoder(RatesText)
_tiers = msgspec.json.Decoder(tuple[TierText, ...])

_PRICES_IN_FORCE = """
SELECT endpoint_id, id, effective_ms, rates, tiers, declared_free, source, as_of, agreement, other, other_source
FROM catalog_prices AS price
WHERE effective_ms <= :now_ms AND NOT EXISTS (
    SELECT 1 FROM catalog_prices AS later
    WHERE later.endpoint_id = price.endpoint_id AND later.effective_ms <= :now_ms
        AND (later.effective_ms, later.id) > (price.effective_ms, price.id)
)
"""

_SET_PROVIDER = """
INSERT INTO catalog_providers (slug, origin, gone, record) VALUES (:slug, :origin, 0, :record)
ON CONFLICT (slug) DO UPDATE SET origin = excluded.origin, gone = 0, record = excluded.record
"""
_SET_MODEL = """
INSERT INTO catalog_models (id, origin, gone, record) VALUES (:id, :origin, 0, :record)
ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, gone = 0, record = excluded.record
"""
_SET_ALIAS = """
INSERT INTO catalog_aliases (alias, origin, model_id) VALUES (:alias, :origin, :model_id)
ON CONFLICT (alias) DO UPDATE SET origin = excluded.origin, model_id = excluded.model_id
"""
_SET_ENDPOINT = """
INSERT INTO catalog_endpoints (id, provider, model_id, origin, gone, record)
VALUES (:id, :provider, :model_id, :origin, 0, :record)
ON CONFLICT (id) DO UPDATE SET
    provider = excluded.provider, model_id = excluded.model_id, origin = excluded.origin, gone = 0,
    record = excluded.record
"""
_ADD_PRICE = """
INSERT INTO catalog_prices (
    id, endpoint_id, effective_ms, rates, tiers, declared_free, source, as_of, agreement, other, other_source
) VALUES (
    (SELECT COALESCE(MAX(id), 0) + 1 FROM catalog_prices), :endpoint_id, :effective_ms, :rates, :tiers,
    :declared_free, :source, :as_of, :agreement, :other, :other_source
)
"""
_ADD_VERSION = """
INSERT INTO catalog_versions (version, applied_ms, reason)
VALUES ((SELECT COALESCE(MAX(version), 0) + 1 FROM catalog_versions), :now_ms, :reason) RETURNING version
"""


async def load_catalog(database: Database, now_ms: int) -> Catalog:
    """The catalog with the prices in force at `now_ms`, as the snapshot that routing reads. Empty tables: version 0."""
    builder = Builder()
    prices: dict[str, Price | None] = {}
    for row in await database.read(_PRICES_IN_FORCE, now_ms=now_ms):
        endpoint_id, id_, effective_ms, rates, tiers, free, source = row[:7]
        if rates:
            prices[endpoint_id] = builder.price(
                id_, rates, tiers, declared_free=bool(free), effective_ms=effective_ms, source=source
            )
    endpoints: list[Endpoint] = []
    for id_, enabled, record in await database.read("SELECT id, enabled, record FROM catalog_endpoints WHERE gone = 0"):
        endpoints.append(builder.endpoint(_endpoint.decode(record), prices.get(id_), enabled=bool(enabled)))
    providers = await _records(database, "SELECT slug, record FROM catalog_providers WHERE gone = 0", _provider)
    models = await _records(database, "SELECT id, record FROM catalog_models WHERE gone = 0", _model)
    aliases = dict(await _pairs(database, "SELECT alias, model_id FROM catalog_aliases"))
    return assemble(providers, models, aliases, endpoints, await catalog_version(database))


async def catalog_version(database: Database) -> int:
    """How often the catalog was changed; 0: nothing was ever written."""
    rows = await database.read("SELECT COALESCE(MAX(version), 0) FROM catalog_versions")
    return int(rows[0][0])


async def prices_due(database: Database, after_ms: int, now_ms: int) -> bool:
    """Whether a price comes into force in this time: after `after_ms`, up to `now_ms`."""
    sql = "SELECT 1 FROM catalog_prices WHERE effective_ms > :after_ms AND effective_ms <= :now_ms LIMIT 1"
    return bool(await database.read(sql, after_ms=after_ms, now_ms=now_ms))


_COLUMNS = "endpoint_id, id, effective_ms, rates, tiers, declared_free, source"
_ALL_PRICES = f"SELECT {_COLUMNS} FROM catalog_prices ORDER BY endpoint_id, effective_ms, id"  # noqa: S608 (constants)
_PRICES_OF = f"SELECT {_COLUMNS} FROM catalog_prices WHERE endpoint_id = :id ORDER BY effective_ms, id"  # noqa: S608 (constants)


async def all_prices(database: Database, endpoint_ids: Sequence[str] | None = None) -> dict[str, tuple[Price, ...]]:
    """Every price that an endpoint ever had or will have, by endpoint id, the earliest first; of all, or of these."""
    builder = Builder()
    found: dict[str, list[Price]] = {}
    for only in [None] if endpoint_ids is None else endpoint_ids:
        rows = await (database.read(_ALL_PRICES) if only is None else database.read(_PRICES_OF, id=only))
        for endpoint_id, id_, effective_ms, rates, tiers, free, source in rows:
            price = rates and builder.price(
                id_, rates, tiers, declared_free=bool(free), effective_ms=effective_ms, source=source
            )
            if price:
                found.setdefault(endpoint_id, []).append(price)
    return {endpoint_id: tuple(prices) for endpoint_id, prices in found.items()}


async def find_price(database: Database, price_id: int) -> Price | None:
    """One price row, in force or not; None: there is none."""
    sql = "SELECT rates, tiers, declared_free, effective_ms, source FROM catalog_prices WHERE id = :id"
    for rates, tiers, free, effective_ms, source in await database.read(sql, id=price_id):
        return rates and Builder().price(
            price_id, rates, tiers, declared_free=bool(free), effective_ms=effective_ms, source=source
        )
    return None


async def current_rows(database: Database, now_ms: int) -> Rows:
    """All rows with the prices in force, to compare a file with; `own` names those that no file gave."""
    prices = {row[0]: _price_row(row) for row in await database.read(_PRICES_IN_FORCE, now_ms=now_ms)}
    endpoints = {}
    for id_, record in await database.read("SELECT id, record FROM catalog_endpoints WHERE gone = 0"):
        endpoints[id_] = msgspec.structs.replace(_endpoint.decode(record), price=prices.get(id_))
    own = await database.read(
        """
        SELECT id FROM catalog_endpoints WHERE gone = 0 AND origin <> :shipped
        UNION SELECT slug FROM catalog_providers WHERE gone = 0 AND origin <> :shipped
        UNION SELECT id FROM catalog_models WHERE gone = 0 AND origin <> :shipped
        UNION SELECT alias FROM catalog_aliases WHERE origin <> :shipped
        """,
        shipped=SHIPPED,
    )
    return Rows(
        providers=await _records(database, "SELECT slug, record FROM catalog_providers WHERE gone = 0", _provider),
        models=await _records(database, "SELECT id, record FROM catalog_models WHERE gone = 0", _model),
        aliases=dict(await _pairs(database, "SELECT alias, model_id FROM catalog_aliases")),
        endpoints=endpoints,
        own=frozenset(row[0] for row in own),
        gone_prices={id_: price for id_, price in prices.items() if price is not None and id_ not in endpoints},
    )


async def operators_aliases(database: Database) -> tuple[dict[str, str], int]:
    """The names that no file gave, with the models that they mean, sorted; and how many the files gave."""
    sql = "SELECT alias, model_id FROM catalog_aliases WHERE origin <> :shipped ORDER BY alias"
    given = await database.read(sql, shipped=SHIPPED)
    [[shipped]] = await database.read("SELECT COUNT(*) FROM catalog_aliases WHERE origin = :shipped", shipped=SHIPPED)
    return dict(given), int(shipped)


async def apply_changes(
    database: Database, changes: Iterable[Change], now_ms: int, *, reason: str = "catalog apply", origin: str = SHIPPED
) -> int:
    """Writes the changes in one transaction, prices in force from `now_ms` on. Returns the new version.

    `origin`: who owns the rows from now on, `SHIPPED` (a file may change them) or `OPERATOR` (no file touches them).
    Whether they may be written is decided before (`catalog.diff.Diff.needs_accept`).
    """
    answers = await database.write(*change_statements(changes, now_ms, reason=reason, origin=origin))
    return int(answers[-1][0][0])


def change_statements(
    changes: Iterable[Change], now_ms: int, *, reason: str, origin: str = SHIPPED
) -> tuple[Statement, ...]:
    """The same for somebody else's transaction. The last one returns the new version."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for change in changes:
        sql, row = _statement(change, now_ms, origin)
        if sql:
            rows.setdefault(sql, []).append(row)
    # A price refers to its endpoint, so that every endpoint is written before.
    rows[_ADD_PRICE] = rows.pop(_ADD_PRICE, [])
    statements = [Statement(sql, tuple(found)) for sql, found in rows.items() if found]
    return (*statements, _version(now_ms, reason))


async def declare_free(database: Database, endpoint_id: str, now_ms: int, *, source: str = OPERATOR) -> None:
    """The operator says that this endpoint costs nothing; the only way to zero. LookupError: unknown endpoint.

    `source`: where it was said, by hand (`OPERATOR`) or in the configuration, which may say otherwise tomorrow.
    """
    await check_endpoint(database, endpoint_id)
    await database.write(*free_statements(endpoint_id, now_ms, source=source))


def free_statements(endpoint_id: str, now_ms: int, *, source: str = OPERATOR) -> tuple[Statement, ...]:
    """The same for somebody else's transaction, of an endpoint that is there."""
    price = PriceRow(RatesText("0", "0"), source=source)
    return _price_statements(endpoint_id, price, now_ms, now_ms, free=True)


async def set_price(
    database: Database,
    endpoint_id: str,
    rates: RatesText,
    now_ms: int,
    *,
    tiers: tuple[TierText, ...] = (),
    effective_ms: int | None = None,
) -> None:
    """The operator's price, from `effective_ms` (default: now) on; files never replace it.

    ValueError: not a price, or zero (use `declare_free`). LookupError: unknown endpoint.
    """
    await check_endpoint(database, endpoint_id)
    at_ms = now_ms if effective_ms is None else effective_ms
    await database.write(*price_statements(endpoint_id, rates, now_ms, at_ms, tiers))


def price_statements(
    endpoint_id: str, rates: RatesText, now_ms: int, effective_ms: int, tiers: tuple[TierText, ...] = ()
) -> tuple[Statement, ...]:
    """The same for somebody else's transaction, of an endpoint that is there. ValueError: as `set_price`."""
    rates_from_text(rates)
    tiers_from_text(tiers)
    if rates.is_zero:
        raise ValueError(f"a price of zero must be declared: `tollway catalog free {endpoint_id}`")
    price = PriceRow(rates, tiers, source=OPERATOR)
    return _price_statements(endpoint_id, price, effective_ms, now_ms, free=False)


async def set_enabled(database: Database, endpoint_id: str, enabled: bool, now_ms: int) -> None:
    """Switches an endpoint on or off. LookupError: unknown endpoint."""
    await check_endpoint(database, endpoint_id)
    await database.write(*enabled_statements(endpoint_id, enabled, now_ms))


def enabled_statements(endpoint_id: str, enabled: bool, now_ms: int) -> tuple[Statement, ...]:
    """The same for somebody else's transaction, of an endpoint that is there."""
    sql = "UPDATE catalog_endpoints SET enabled = :enabled WHERE id = :id"
    row = {"enabled": int(enabled), "id": endpoint_id}
    return (Statement(sql, (row,)), _version(now_ms, f"{'enable' if enabled else 'disable'} {endpoint_id}"))


def _statement(change: Change, now_ms: int, origin: str) -> tuple[str, dict[str, Any]]:
    """A change -> one SQL text and its parameters; ("", {}): nothing to write."""
    match change:
        case changed.ProviderSet(after=provider):
            return _SET_PROVIDER, {"slug": provider.slug, "origin": origin, "record": _text(provider)}
        case changed.ProviderGone(before=provider):
            return "UPDATE catalog_providers SET gone = 1 WHERE slug = :slug", {"slug": provider.slug}
        case changed.ModelSet(after=model):
            return _SET_MODEL, {"id": model.id, "origin": origin, "record": _text(model)}
        case changed.ModelGone(before=model):
            return "UPDATE catalog_models SET gone = 1 WHERE id = :id", {"id": model.id}
        case changed.AliasSet(alias=alias, after=target):
            return _SET_ALIAS, {"alias": alias, "origin": origin, "model_id": target}
        case changed.AliasGone(alias=alias):
            return "DELETE FROM catalog_aliases WHERE alias = :alias", {"alias": alias}
        case changed.EndpointSet(after=endpoint):
            return _SET_ENDPOINT, _endpoint_values(endpoint, origin)
        case changed.EndpointGone(before=endpoint):
            return "UPDATE catalog_endpoints SET gone = 1 WHERE id = :id", {"id": endpoint.id}
        case changed.PriceSet(endpoint_id=endpoint_id, after=price):
            return _ADD_PRICE, _price_values(endpoint_id, price, now_ms)
        case changed.PriceKept():
            return "", {}
        case other:
            assert_never(other)


def _endpoint_values(endpoint: EndpointRow, origin: str) -> dict[str, Any]:
    record = _text(msgspec.structs.replace(endpoint, price=None))
    return {
        "id": endpoint.id,
        "provider": endpoint.provider,
        "model_id": endpoint.model_id,
        "origin": origin,
        "record": record,
    }


def _price_values(endpoint_id: str, price: PriceRow | None, effective_ms: int, *, free: bool = False) -> dict[str, Any]:
    return {
        "endpoint_id": endpoint_id,
        "effective_ms": effective_ms,
        "rates": _text(price.rates) if price else "",
        "tiers": _text(price.tiers) if price else "[]",
        "declared_free": int(free),
        "source": price.source if price else "withdrawn",
        "as_of": price.as_of if price else "",
        "agreement": price.agreement if price else "single",
        "other": _text(price.other) if price and price.other else "",
        "other_source": price.other_source if price else "",
    }


def _price_row(row: Row) -> PriceRow | None:
    _, _, _, rates, tiers, _, source, as_of, agreement, other, other_source = row
    if not rates:
        return None
    decoded = _rates.decode(other) if other else None
    return PriceRow(_rates.decode(rates), _tiers.decode(tiers), source, as_of, agreement, decoded, other_source)


def _price_statements(
    endpoint_id: str, price: PriceRow, effective_ms: int, now_ms: int, *, free: bool
) -> tuple[Statement, ...]:
    values = _price_values(endpoint_id, price, effective_ms, free=free)
    reason = f"{'free' if free else 'price'} {endpoint_id}"
    return (Statement(_ADD_PRICE, (values,)), _version(now_ms, reason))


async def check_endpoint(database: Database, endpoint_id: str) -> None:
    """LookupError: there is none."""
    if not await database.read("SELECT 1 FROM catalog_endpoints WHERE id = :id AND gone = 0", id=endpoint_id):
        raise LookupError(f'there is no endpoint "{endpoint_id}"; `tollway catalog list` shows their ids')


def _version(now_ms: int, reason: str) -> Statement:
    return Statement(_ADD_VERSION, ({"now_ms": now_ms, "reason": reason},))


async def _records(database: Database, sql: str, decoder: msgspec.json.Decoder[T]) -> dict[str, T]:
    return {key: decoder.decode(record) for key, record in await database.read(sql)}


async def _pairs(database: Database, sql: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in await database.read(sql)]


def _text(value: object) -> str:
    return _encode(value).decode()
