"""What a new file would change, and what a person must look at first."""

import pytest

from tests.catalog.rows import ACME, MODEL, endpoint, price, rows
from tollway.catalog.diff import Bounds, compare, compare_provider
from tollway.domain.catalog import Model
from tollway.domain.catalog_changes import (
    AliasGone,
    AliasSet,
    EndpointGone,
    EndpointSet,
    ModelGone,
    ModelSet,
    PriceKept,
    PriceSet,
    ProviderGone,
    ProviderSet,
)
from tollway.domain.catalog_rows import OPERATOR, PriceRow, Rows
from tollway.domain.rates import RatesText, TierText

NOTHING = Rows({}, {}, {}, {})


def test_everything_is_new_to_an_empty_catalog() -> None:
    """Providers and models before endpoints, endpoints before their prices; nothing to doubt."""
    diff = compare(NOTHING, rows(endpoint(cost=price())))
    assert [type(change) for change in diff.changes] == [ProviderSet, ModelSet, EndpointSet, PriceSet, AliasSet]
    assert not diff.doubts


def test_equal_catalogs_do_not_differ() -> None:
    """No change, no doubt."""
    both = rows(endpoint(cost=price()))
    assert compare(both, both).changes == ()


def test_everything_vanishes() -> None:
    """Rows that the file no longer has go, and losing them all is doubted."""
    diff = compare(rows(endpoint(cost=price())), NOTHING)
    assert {type(change) for change in diff.changes} == {ProviderGone, ModelGone, EndpointGone, AliasGone}
    assert diff.needs_accept


@pytest.mark.parametrize(
    ("old", "new", "doubted"),
    [
        (price("0.000001"), price("0.00001"), False),
        (price("0.000001"), price("0.0000101"), True),
        (price("0.00001"), price("0.000001"), False),
        (price("0.00001"), price("0.0000009"), True),
        (price("0.000001", "0.000002"), price("0.000001", "0.00003"), True),
        (None, price("0.01"), False),
        (None, price("0.0100001"), True),
        (price("0.000001", "0.000002"), price("0.000001", "0"), True),
    ],
)
def test_bounds_of_a_price(old: PriceRow | None, new: PriceRow, doubted: bool) -> None:
    """Up to ten times, up to $10,000 a million; what goes beyond waits for --accept but is among the changes."""
    diff = compare(rows(endpoint(cost=old)), rows(endpoint(cost=new)))
    assert diff.needs_accept is doubted
    assert diff.changes == (PriceSet("acme:one", old, new),)


def test_bounds_are_a_setting() -> None:
    """A narrower factor doubts more."""
    before, after = rows(endpoint(cost=price("0.000001"))), rows(endpoint(cost=price("0.000003")))
    assert not compare(before, after).needs_accept
    assert compare(before, after, Bounds(price_factor_max=2)).needs_accept


@pytest.mark.parametrize("text", ["-0.000001", "cheap", "NaN", "1e-30"])
def test_what_is_no_price_is_left_as_it_was(text: str) -> None:
    """A negative price, or none at all, is not written, whatever one accepts; also inside a tier."""
    before = rows(endpoint(cost=price()))
    diff = compare(before, rows(endpoint(cost=price(text))))
    assert diff.changes == ()
    assert not diff.needs_accept
    assert [doubt.about for doubt in diff.doubts] == ["acme:one"]
    tier = PriceRow(price().rates, (TierText(1000, RatesText("0.1", text)),))
    assert compare(before, rows(endpoint(cost=tier))).changes == ()


def test_unpriced_never_becomes_free() -> None:
    """Zero in a file is an unknown: for an endpoint without a price nothing changes, for another the price goes."""
    zero = rows(endpoint(cost=price("0", "0")))
    assert compare(rows(endpoint()), zero).changes == ()
    assert compare(rows(endpoint(cost=price())), zero).changes == (PriceSet("acme:one", price(), None),)


def test_the_operators_price_stays() -> None:
    """A price that a person set is kept, and the file's is shown beside it."""
    mine = price("0.5", source=OPERATOR)
    diff = compare(rows(endpoint(cost=mine)), rows(endpoint(cost=price())))
    assert diff.changes == (PriceKept("acme:one", mine, price()),)
    assert compare(rows(endpoint(cost=mine)), rows(endpoint())).changes == ()


def test_the_operators_rows_stay() -> None:
    """A server that somebody added is neither changed nor removed by a file."""
    own = frozenset({"acme", "maker/one", "one", "acme:one"})
    mine = rows(endpoint(cost=price()), own=own)
    assert compare(mine, NOTHING).changes == ()
    assert compare(mine, rows(endpoint(cost=price("0.000002"), context=9))).changes == ()


@pytest.mark.parametrize(("kept", "doubted"), [(8, False), (7, True)])
def test_many_vanishing_endpoints_are_doubted(kept: int, doubted: bool) -> None:
    """More than a fifth of the endpoints gone needs a look; so does more than a fifth of the prices."""
    ten = [endpoint(f"m{number}", price()) for number in range(10)]
    unpriced = [endpoint(f"m{number}", price() if number < kept else None) for number in range(10)]
    assert compare(rows(*ten), rows(*ten[:kept])).needs_accept is doubted
    assert compare(rows(*ten), rows(*unpriced)).needs_accept is doubted


def test_a_changed_endpoint() -> None:
    """What differs besides the price is a change of the endpoint alone."""
    diff = compare(rows(endpoint(cost=price())), rows(endpoint(cost=price(), context=16_000)))
    assert diff.changes == (EndpointSet(endpoint(cost=price()), endpoint(context=16_000)),)


def test_a_server_of_the_operators() -> None:
    """Its list brings models, endpoints and prices, takes away what it no longer lists, and never sets zero."""
    other = Model("acme/two", "Two", "acme")
    listed = [endpoint("one", price("0.1")), endpoint("two", price("0", "0"))]
    changes = compare_provider(rows(endpoint("gone"), endpoint("one", price())), ACME, [MODEL, other], listed)
    assert changes == (
        ModelSet(None, other),
        PriceSet("acme:one", price(), price("0.1")),
        EndpointSet(None, endpoint("two")),
        EndpointGone(endpoint("gone")),
    )


def test_a_list_without_prices_keeps_them() -> None:
    """A server that names no price does not take one away; the operator's own stays against the list's."""
    assert compare_provider(rows(endpoint(cost=price())), ACME, [], [endpoint()]) == ()
    mine = price("0.5", source=OPERATOR)
    changes = compare_provider(rows(endpoint(cost=mine)), ACME, [], [endpoint(cost=price())])
    assert changes == (PriceKept("acme:one", mine, price()),)
