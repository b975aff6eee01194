"""What a new catalog file would change, as typed changes, and which of them a person must look at first. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct, structs

from tollway.domain.catalog import Model, ProviderInfo
from tollway.domain.catalog_changes import (
    AliasGone,
    AliasSet,
    Change,
    EndpointGone,
    EndpointSet,
    ModelGone,
    ModelSet,
    PriceKept,
    PriceSet,
    ProviderGone,
    ProviderSet,
)
from tollway.domain.catalog_rows import OPERATOR, EndpointRow, PriceRow, Rows
from tollway.domain.money import price_from_text
from tollway.domain.rates import RatesText


class Bounds(Struct, frozen=True):
    """Beyond these a change waits for `--accept`."""

    price_factor_max: int = 10
    vanished_percent_max: int = 20
    price_per_million_usd_max: int = 10_000


BOUNDS = Bounds()


class Doubt(Struct, frozen=True):
    """Why a person must look. `acceptable` False: the price is left as it was, whatever one accepts."""

    about: str
    """An endpoint's id, or "catalog"."""
    reason: str
    acceptable: bool = True


class Diff(Struct, frozen=True):
    """Changes in the order in which they can be written, and the doubts about them."""

    changes: tuple[Change, ...]
    doubts: tuple[Doubt, ...]

    @property
    def needs_accept(self) -> bool:
        """Some change goes beyond the bounds."""
        return any(doubt.acceptable for doubt in self.doubts)


def compare(current: Rows, new: Rows, bounds: Bounds = BOUNDS) -> Diff:
    """Current rows x new rows -> what would change. Rows that the operator owns are never touched."""
    changes: list[Change] = []
    for slug, provider in new.providers.items():
        if slug not in current.own and current.providers.get(slug) != provider:
            changes.append(ProviderSet(current.providers.get(slug), provider))
    for id_, model in new.models.items():
        if id_ not in current.own and current.models.get(id_) != model:
            changes.append(ModelSet(current.models.get(id_), model))
    doubts: list[Doubt] = []
    for id_, endpoint in new.endpoints.items():
        if id_ not in current.own:
            _compare_endpoint(current, endpoint, bounds, changes, doubts)
    for alias, target in new.aliases.items():
        if alias not in current.own and current.aliases.get(alias) != target:
            changes.append(AliasSet(alias, current.aliases.get(alias), target))
    changes += _gone(current, new)
    doubts += _vanished(current, new, bounds)
    return Diff(tuple(changes), tuple(doubts))


def _compare_endpoint(
    current: Rows, after: EndpointRow, bounds: Bounds, changes: list[Change], doubts: list[Doubt]
) -> None:
    before = current.endpoints.get(after.id)
    bare = structs.replace(after, price=None)
    if before is None or structs.replace(before, price=None) != bare:
        changes.append(EndpointSet(before, bare))
    old = before.price if before else current.gone_prices.get(after.id)
    found = check_price(after.id, old, after.price, bounds)
    doubts += found
    if any(not doubt.acceptable for doubt in found):
        return
    # Zero is never a price in a file: it is an unknown (MONEY.md, Units).
    new = None if after.price is None or after.price.rates.is_zero else after.price
    if old is not None and old.source == OPERATOR:
        if new is not None and new.rates != old.rates:
            changes.append(PriceKept(after.id, old, new))
    elif old != new:
        changes.append(PriceSet(after.id, old, new))


def check_price(about: str, old: PriceRow | None, new: PriceRow | None, bounds: Bounds) -> list[Doubt]:
    """What is odd about a new price: not a number, negative, absurdly high, or far from the one in force."""
    if new is None:
        return []
    doubts = []
    for rates in (new.rates, *(tier.rates for tier in new.tiers)):
        for name, text in _named(rates):
            try:
                price = price_from_text(text)
            except ValueError as error:
                return [Doubt(about, f"{name}: {error}", acceptable=False)]
            if name not in ("request", "image") and price > bounds.price_per_million_usd_max * 10**12:
                doubts.append(Doubt(about, f"{name} is above ${bounds.price_per_million_usd_max:,} per million tokens"))
    before = dict(_named(old.rates)) if old else {}
    for name, text in _named(new.rates):
        was, now = Decimal(before.get(name, "0")), Decimal(text)
        if was and now and max(was / now, now / was) > bounds.price_factor_max:
            doubts.append(
                Doubt(about, f"{name} goes from {was:f} to {now:f}, more than {bounds.price_factor_max} times")
            )
        elif was and not now:
            doubts.append(Doubt(about, f"{name} goes from {was:f} to 0"))
    return doubts


def _named(rates: RatesText) -> list[tuple[str, str]]:
    return [(name, text) for name, text in structs.asdict(rates).items() if text is not None]


def _gone(current: Rows, new: Rows) -> list[Change]:
    own = current.own
    gone: list[Change] = []
    gone += [AliasGone(name, id_) for name, id_ in current.aliases.items() if name not in own | new.aliases.keys()]
    gone += [EndpointGone(row) for id_, row in current.endpoints.items() if id_ not in own | new.endpoints.keys()]
    gone += [ModelGone(row) for id_, row in current.models.items() if id_ not in own | new.models.keys()]
    gone += [ProviderGone(row) for id_, row in current.providers.items() if id_ not in own | new.providers.keys()]
    return gone


def _vanished(current: Rows, new: Rows, bounds: Bounds) -> list[Doubt]:
    shipped = [id_ for id_ in current.endpoints if id_ not in current.own]
    gone = sum(id_ not in new.endpoints for id_ in shipped)
    priced = [id_ for id_ in shipped if current.endpoints[id_].price is not None]
    unpriced = sum(id_ in new.endpoints and new.endpoints[id_].price is None for id_ in priced)
    doubts = []
    if gone * 100 > bounds.vanished_percent_max * len(shipped):
        doubts.append(Doubt("catalog", f"{gone} of {len(shipped)} endpoints would vanish"))
    if unpriced * 100 > bounds.vanished_percent_max * len(priced):
        doubts.append(Doubt("catalog", f"{unpriced} of {len(priced)} priced endpoints would lose their price"))
    return doubts


def compare_provider(
    current: Rows, provider: ProviderInfo, models: Iterable[Model], endpoints: Iterable[EndpointRow]
) -> tuple[Change, ...]:
    """A server that the operator added, and what it lists now -> changes; those it no longer lists go.

    A price that the list names is taken where it differs from the one in force, unless a person set that one; where
    the list names none, the price in force stays. Models that the catalog has stay as they are.
    """
    changes: list[Change] = []
    if current.providers.get(provider.slug) != provider:
        changes.append(ProviderSet(current.providers.get(provider.slug), provider))
    changes += [ModelSet(None, model) for model in models if model.id not in current.models]
    listed = {endpoint.id: endpoint for endpoint in endpoints}
    for id_, endpoint in listed.items():
        before = current.endpoints.get(id_)
        bare = structs.replace(endpoint, price=None)
        if before is None or structs.replace(before, price=None) != bare:
            changes.append(EndpointSet(before, bare))
        old = before.price if before else current.gone_prices.get(id_)
        new = endpoint.price
        if new is None or new.rates.is_zero or (old is not None and (old.rates, old.tiers) == (new.rates, new.tiers)):
            continue
        kept = old is not None and old.source == OPERATOR
        changes.append(PriceKept(id_, old, new) if kept and old is not None else PriceSet(id_, old, new))
    sold = (row for row in current.endpoints.values() if row.provider == provider.slug)
    changes += [EndpointGone(row) for row in sold if row.id not in listed]
    return tuple(changes)
