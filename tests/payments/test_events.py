"""Payments that are told of: each credited once, whatever is told how often; nothing without a true signature."""

import asyncio
import os
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.payments.fake_stripe import SECRET, signed
from tests.payments.shop import OWNER, USD, Shop, inside
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from tollway.domain.people import Actor, Role
from tollway.payments.base import ProviderFailed
from tollway.payments.signatures import Forged, check_coinbase, check_stripe
from tollway.payments.topup import NewPurchase, fee_of
from tollway.storage.orders import find_order

DELIVERIES = int(os.environ.get("DELIVERIES", "1000"))
"""FAULTS.md, A8, wants 10,000 of 1,000 payments: DELIVERIES=10000."""


async def bought(shop: Shop, amount: str = "10", workspace: str = "home", **fields: Any) -> tuple[str, dict[str, Any]]:
    """An order that its customer has paid: its id, and the event that tells it."""
    ask = NewPurchase(Decimal(amount), workspace_id=workspace, **fields)
    order = await shop.till.buy(OWNER, ask, shop.now_ms)
    assert order.checkout_id is not None
    return order.id, shop.stripe.pay(order.checkout_id)


def test_a_purchase(tmp_path: Path) -> None:
    """Ordered with its fee, paid, credited; told again by the same and by another event, nothing more."""

    async def test(shop: Shop) -> None:
        order_id, event = await bought(shop)
        order = await find_order(shop.database, order_id)
        assert order is not None
        assert (order.credits, order.fee, order.price_cents, order.status) == (
            10 * USD,
            80 * USD // 100,
            1080,
            "pending",
        )
        assert await shop.money() == (0, 0)
        assert await shop.tell(event) == "done"
        assert await shop.tell(event) == "known"
        again = shop.stripe.event("payment_intent.succeeded", shop.stripe.intents["pi_1"])
        assert await shop.tell(again) == "paid before"
        assert await shop.tell(again) == "known"
        assert await shop.money() == (10 * USD, 0)
        paid = await find_order(shop.database, order_id)
        assert paid is not None
        assert (paid.status, paid.payment_id, paid.paid_ms) == ("paid", "pi_1", shop.now_ms)
        assert await shop.broken() == []

    inside(test, tmp_path, fee_percent="5.5", fee_min_usd="0.80")


def test_deliveries_of_payments(tmp_path: Path) -> None:
    """Ten deliveries of each payment, in any order and many at once, under two event ids each: credited once each."""
    payments = DELIVERIES // 10

    async def test(shop: Shop) -> None:
        dice = random.Random(4)
        deliveries = []
        for number in range(payments):
            _, event = await bought(shop, f"{5 + number % 7}", dice.choice(("home", "away")))
            intent = shop.stripe.intents[event["data"]["object"]["payment_intent"]]
            other = shop.stripe.event("payment_intent.succeeded", intent)
            deliveries += [event] * 6 + [other] * 4
        dice.shuffle(deliveries)
        outcomes: list[str] = []
        for start in range(0, len(deliveries), 20):
            outcomes += await asyncio.gather(*(shop.tell(each) for each in deliveries[start : start + 20]))
        assert len(outcomes) == payments * 10
        assert outcomes.count("done") == payments
        (home, _), (away, _) = await shop.money("home"), await shop.money("away")
        assert home + away == sum(5 + number % 7 for number in range(payments)) * USD
        assert [str(each.kind) for each in await shop.moved()].count("topup") == payments
        assert await shop.broken() == []

    inside(test, tmp_path)


def test_forgeries_credit_nothing(tmp_path: Path) -> None:
    """Unsigned, with another, an old, an empty secret, changed, written anew, old, doubled, from the future."""

    async def test(shop: Shop) -> None:
        _, event = await bought(shop)
        body = msgspec.json.encode(event)
        now_s = shop.now_ms / 1000
        good = signed(body, at_s=now_s)
        stamp, _, mac = good["stripe-signature"].partition(",")
        forged: list[tuple[bytes, dict[str, str]]] = [
            (body, {}),
            (body, {"stripe-signature": ""}),
            (body, {"stripe-signature": stamp}),
            (body, {"stripe-signature": mac}),
            (body, {"stripe-signature": f"{stamp},v0={mac[3:]}"}),
            (body, {"stripe-signature": f"{stamp},{stamp},{mac}"}),
            (body, {"stripe-signature": f"t=x,{mac}"}),
            (body, {"stripe-signature": f"{stamp},v1=\u00e9"}),
            (body, signed(body, "another", now_s)),
            (body, signed(body, "", now_s)),
            (body, signed(body, SECRET + " ", now_s)),
            (body, signed(body, at_s=now_s - 301)),
            (body, signed(body, at_s=now_s + 302)),
            (body + b" ", good),
            (body.replace(b"1000", b"9000"), good),
            (msgspec.json.format(body), good),
        ]
        for content, headers in forged:
            with pytest.raises(Forged):
                await shop.tell_raw(content, headers)
        assert await shop.money() == (0, 0)
        assert await shop.tell_raw(body, signed(body, at_s=now_s - 299)) == "done"
        assert await shop.broken() == []

    inside(test, tmp_path)


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.sampled_from(["", " ", "\t", "one", "two"]), max_size=4), st.booleans())
def test_secrets(body: bytes, secrets: list[str], old: bool) -> None:
    """Any of the secrets that are there will do, so that they can be rotated; an empty one never does."""
    for secret in ("", " ", "one", "two", "three"):
        headers = signed(body, secret, 1_000 - 301 * old)
        fits = secret.strip() != "" and secret in secrets and not old
        try:
            check_stripe(body, lambda _, value=headers["stripe-signature"]: [value], secrets, 1_000.0)  # type: ignore[misc]  # bound here
        except Forged:
            assert not fits
        else:
            assert fits


@settings(deadline=None)
@given(st.text(max_size=100), st.integers(1, 10**11))
def test_signatures_are_those_of_the_sdk(payload: str, at_s: int) -> None:
    """What Stripe's own library signs passes, and it accepts what we sign."""
    header = stripe.WebhookSignature.generate_signature_header(payload, SECRET, at_s)
    assert header == signed(payload.encode(), at_s=at_s)["stripe-signature"]
    check_stripe(payload.encode(), lambda _: [header], [SECRET], float(at_s))


@settings(deadline=None)
@given(st.text(max_size=300), st.binary(max_size=50))
def test_any_signature_header(text: str, body: bytes) -> None:
    """Whatever is in the header: Forged, and nothing else."""
    for check in (check_stripe, check_coinbase):
        with pytest.raises(Forged):
            check(body, lambda _: [text], [SECRET], 1_000.0)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"amount_total": 999}, "another amount than was ordered"),
        ({"amount_total": 100_000}, "another amount than was ordered"),
        ({"currency": "eur"}, "another amount than was ordered"),
        ({"metadata": {"tollway_order": "nobody's"}}, "no such order"),
        ({"metadata": {}, "client_reference_id": None}, "ignored"),
        ({"payment_status": "unpaid"}, "ignored"),
        ({"payment_intent": None}, "ignored"),
    ],
)
def test_events_that_do_not_fit(tmp_path: Path, change: dict[str, Any], outcome: str) -> None:
    """Signed, but about another amount, currency or order, or about nothing that was paid: no credits."""

    async def test(shop: Shop) -> None:
        _, event = await bought(shop)
        event["data"]["object"] |= change
        assert await shop.tell(event) == outcome
        assert await shop.money() == (0, 0)
        assert await shop.broken() == []

    inside(test, tmp_path)


def test_what_stripe_does_not_confirm(tmp_path: Path) -> None:
    """An event is asked back: a no credits nothing, a silence is told again later, and is credited then."""

    async def test(shop: Shop) -> None:
        _, event = await bought(shop)
        shop.provider.fails = [ProviderFailed("away", sure=False)]
        with pytest.raises(Unavailable):
            await shop.tell(event)
        assert await shop.money() == (0, 0)
        assert await shop.tell(event) == "done"
        _, other = await bought(shop)
        shop.provider.confirms = False
        assert await shop.tell(other) == "not confirmed"
        assert await shop.money() == (10 * USD, 0)

    inside(test, tmp_path)


def test_one_payment_pays_one_order(tmp_path: Path) -> None:
    """A second order that names the payment of the first gets nothing."""

    async def test(shop: Shop) -> None:
        _, first = await bought(shop)
        _, second = await bought(shop)
        second["data"]["object"]["payment_intent"] = first["data"]["object"]["payment_intent"]
        assert await shop.tell(first) == "done"
        assert await shop.tell(second) == "conflict"
        assert await shop.money() == (10 * USD, 0)
        assert await shop.broken() == []

    inside(test, tmp_path)


@pytest.mark.parametrize("amount", ["0", "-5", "4.99", "25000.01", "5.001", "NaN", "Infinity", "1e999999", "1e-999999"])
def test_amounts_that_are_not_sold(tmp_path: Path, amount: str) -> None:
    """Too little, too much, finer than a cent, no number: a 400, and no order."""

    async def test(shop: Shop) -> None:
        with pytest.raises(InvalidRequest, match="amount"):
            await shop.till.buy(OWNER, NewPurchase(Decimal(amount)), shop.now_ms)
        assert await shop.till.orders(OWNER, None, None) == []

    inside(test, tmp_path)


def test_who_may_buy(tmp_path: Path) -> None:
    """Who pays for the workspace; a member is told so, a stranger that there is nothing. Packs have their own price."""

    async def test(shop: Shop) -> None:
        for role in (Role.BILLING, Role.ADMIN, Role.OWNER):
            order = await shop.till.buy(Actor("a", {"home": role}, "home"), NewPurchase(pack="starter"), shop.now_ms)
            assert (order.credits, order.price_cents, order.fee) == (12 * USD, 1000, 0)
        with pytest.raises(Forbidden):
            await shop.till.buy(Actor("a", {"home": Role.MEMBER}, "home"), NewPurchase(pack="starter"), shop.now_ms)
        stranger = Actor("s", {"away": Role.OWNER}, "away")
        with pytest.raises(NotFound):
            await shop.till.buy(stranger, NewPurchase(pack="starter", workspace_id="home"), shop.now_ms)
        [order, *_] = await shop.till.orders(OWNER, None, None)
        with pytest.raises(NotFound):
            await shop.till.find(stranger, order.id)
        for ask in (NewPurchase(), NewPurchase(Decimal(5), "starter"), NewPurchase(pack="none")):
            with pytest.raises(InvalidRequest):
                await shop.till.buy(OWNER, ask, shop.now_ms)
        shop.provider.fails = [ProviderFailed("no", sure=True)]
        with pytest.raises(Unavailable):
            await shop.till.buy(OWNER, NewPurchase(pack="starter"), shop.now_ms)
        assert [str(each.status) for each in await shop.till.orders(OWNER, None, None)].count("failed") == 1

    inside(test, tmp_path)


@settings(deadline=None)
@given(st.integers(1, 10**15), st.decimals(0, 20, places=2), st.decimals(0, 3, places=2))
def test_fees(cents: int, percent: Decimal, least: Decimal) -> None:
    """At least the part and the least that are asked, in whole cents, less than a cent more."""
    credits_ = cents * USD // 100
    fee = fee_of(credits_, str(percent), str(least))
    due = max(Decimal(credits_) * percent / 100, least * USD)
    assert fee % (USD // 100) == 0
    assert due <= fee < due + USD // 100
