"""Stripe's own SDK over our client against a stand-in for its API, and the URLs that people and Stripe call."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from tests.payments.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe, signed
from tests.support import Answer, World, request, world
from tollway.api.routes import webhooks
from tollway.billing.settings import Payments
from tollway.config import Config, ConfigError, load
from tollway.domain.payments import AutoTopUp, Order, OrderStatus, Paid
from tollway.domain.people import Role
from tollway.payments.base import ProviderFailed
from tollway.payments.stripe import Stripe
from tollway.upstream.client import UpstreamClient

ORDER = Order("order-1", "home", "stripe", OrderStatus.PENDING, 10**10, 0, 1000, "usd", 0, payment_id="pi_1")


@contextmanager
def stripe_beside() -> Iterator[tuple[FakeStripe, asyncio.AbstractEventLoop]]:
    """A stand-in in a loop of its own thread."""
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    manager = fake_stripe()
    fake = asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(5)
    try:
        yield fake, loop
    finally:
        asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.fixture(scope="module")
def selling() -> Iterator[tuple[World, FakeStripe]]:
    """A server that sells by Stripe."""
    with stripe_beside() as (fake, _):
        settings = Payments(stripe_key=KEY, stripe_webhook_secret=f"old {SECRET}", stripe_url=fake.url)
        with world(payments=settings) as found:
            yield found, fake


def told(place: World, event: Any, headers: dict[str, str] | None = None) -> Answer:
    body = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return request(place.url, "POST", "/webhooks/stripe", body, headers=signed(body) if headers is None else headers)


def test_buying_over_http(selling: tuple[World, FakeStripe]) -> None:
    """Ordered by a signed-in owner, paid at Stripe, told by its webhook, spendable, refunded, seen in the list."""
    place, fake = selling
    owner = place.new_user("buyer", Role.OWNER, "shoppers")

    def account(method: str, path: str, body: Any = None) -> Answer:
        return request(place.url, method, f"/account/v1/purchases{path}", body, headers=place.signed_in(owner))

    made = account("POST", "", {"amount": 12.5, "save_method": True, "workspace_id": "shoppers"})
    assert made.status == 201, made.text
    order = made.json["data"]
    assert (order["credits"], order["price"], order["status"]) == (12.5, 12.5, "pending")
    [session_id] = [name for name, each in fake.sessions.items() if each["client_reference_id"] == order["id"]]
    assert order["checkout_url"] == fake.sessions[session_id]["url"]
    asked = next(form for _, path, form, _ in fake.asked if path == "/v1/checkout/sessions")
    assert asked["payment_intent_data[setup_future_usage]"] == "off_session"
    event = fake.pay(session_id)
    fake.intents[event["data"]["object"]["payment_intent"]]["metadata"] = {"tollway_order": order["id"]}
    assert told(place, event).json == {"outcome": "done"}
    assert told(place, event).json == {"outcome": "known"}
    key = place.new_key("shoppers")
    assert request(place.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]["total_credits"] == 12.5
    assert place.chat(headers=key.headers).status == 200
    place.settled()
    refunded = account("POST", f"/{order['id']}/refund", {})
    assert refunded.status == 200, refunded.text
    assert refunded.json["data"]["status"] == "done"
    assert refunded.json["data"]["paid_back"] == 12.49  # what was used, up to a cent, stays
    seen = account("GET", f"/{order['id']}").json["data"]
    assert (seen["status"], [each["status"] for each in seen["refunds"]]) == ("paid", ["done"])
    assert [each["id"] for each in account("GET", "").json["data"]] == [order["id"]]
    again = account("POST", f"/{order['id']}/refund", {})
    assert again.status == 400
    assert "Nothing" in again.error["message"]
    figures = request(place.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]
    assert figures["total_credits"] == pytest.approx(figures["total_usage"])
    stranger = place.new_user("stranger-to-shoppers", Role.OWNER, "elsewhere")
    for path in ("", "/refund"):
        method = "POST" if path else "GET"
        theirs, nobodys = (
            request(place.url, method, f"/account/v1/purchases/{id_}{path}", {} if path else None,
                    headers=place.signed_in(stranger))
            for id_ in (order["id"], "none")
        )  # fmt: skip
        assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
        assert theirs.status == 404
    assert account("GET", "?before=x").status == 400


def test_webhooks_that_are_refused(selling: tuple[World, FakeStripe]) -> None:
    """Unsigned, forged, twice signed, no JSON, too large: refused in words, and the server's memory does not grow."""
    place, _ = selling
    for body, headers, status in (
        (b"{}", {}, 401),
        (b"{}", signed(b"{}", "another"), 401),
        (b"{}", signed(b"{}", at_s=time.time() - 400), 401),
        (b"{", signed(b"{"), 400),
        (b"{}", signed(b"{}"), 400),
        (b"\xff", signed(b"\xff"), 400),
        (b"x" * (256 * 1024 + 1), signed(b"x" * (256 * 1024 + 1)), 413),
        (b"x" * 10 * 2**20, {}, 413),
    ):
        answer = told(place, body, headers)
        assert answer.status == status, (body[:10], answer.text)
        assert SECRET not in answer.text
    twice = [("stripe-signature", signed(b"{}")["stripe-signature"])] * 2
    assert request(place.url, "POST", "/webhooks/stripe", b"{}", headers=twice).status == 401
    assert told(place, {"id": "evt_x", "type": "price.created", "data": {"object": {"id": "p"}}}).json == {
        "outcome": "ignored"
    }
    assert request(place.url, "POST", "/webhooks/coinbase", b"{}").status == 404


def test_no_secret_no_url() -> None:
    """Where nothing is configured, nothing is mounted; a key without a secret, or an empty one, does not start."""
    with world() as well:
        assert webhooks(well.house) == []
        assert well.request("POST", "/webhooks/stripe", {}, headers=signed(b"{}", "")).status == 404
    for named in (
        {"TOLLWAY_PAYMENTS__STRIPE_KEY": KEY},
        {"TOLLWAY_PAYMENTS__STRIPE_KEY": KEY, "TOLLWAY_PAYMENTS__STRIPE_WEBHOOK_SECRET": ""},
        {"TOLLWAY_PAYMENTS__STRIPE_KEY": KEY, "TOLLWAY_PAYMENTS__STRIPE_WEBHOOK_SECRET": " "},
        {"TOLLWAY_PAYMENTS__STRIPE_URL": "http://example.org"},
        {"TOLLWAY_PAYMENTS__COINBASE_KEY": "k", "TOLLWAY_PAYMENTS__COINBASE_WEBHOOK_SECRET": "s"},
    ):
        with pytest.raises(ConfigError, match=r"payments\."):
            load(environment=named)
    shown = repr(Config(payments=Payments(stripe_key=KEY, stripe_webhook_secret=SECRET)))
    assert KEY not in shown
    assert SECRET not in shown


def test_what_stripe_is_asked() -> None:
    """A charge and a refund carry our ids, so that asked twice they are made once; failures say whether it is sure."""

    async def run() -> None:
        async with fake_stripe() as fake:
            client = UpstreamClient()
            provider = Stripe(client, KEY, (SECRET,), fake.url)
            method = AutoTopUp("home", "stripe", "cus_1", "pm_1")
            for _ in range(2):
                await provider.charge(ORDER, method)
            assert list(fake.intents) == ["pi_1"]
            confirmed = await provider.confirm(Paid("e", "order-1", "pi_1", 1000, "usd"))
            assert (confirmed.amount_cents, confirmed.currency, confirmed.method_id) == (1000, "usd", "pm_1")
            assert (await provider.confirm(Paid("e", "another", "pi_1", 1000, "usd"))).amount_cents == 0
            names = [await provider.refund(ORDER, 300, "refund-1") for _ in range(2)]
            assert names == ["re_1", "re_1"]
            assert fake.refunds["re_1"]["metadata"] == {"tollway_refund": "refund-1"}
            assert not any(name.startswith("x-stripe-client") for *_, headers in fake.asked for name in headers)
            told = {"error": {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}}
            for planned, sure, words in (
                ((402, told), True, "declined"),
                ((500, {"error": {"message": "oops"}}), False, "Stripe|oops|slow"),
                ((429, {"error": {"message": "slow down"}}), False, "Stripe|oops|slow"),
                (None, False, "reached"),
            ):
                fake.answer_next = [planned]
                with pytest.raises(ProviderFailed, match=words) as failed:
                    await provider.charge(msgspec.structs.replace(ORDER, id=f"order-{planned}"), method)
                assert failed.value.sure is sure
            wrong = Stripe(client, "sk_wrong", (SECRET,), fake.url)
            with pytest.raises(ProviderFailed) as failed:
                await wrong.charge(ORDER, method)
            assert "sk_wrong" not in str(failed.value)
            await client.close()

    asyncio.run(run())
