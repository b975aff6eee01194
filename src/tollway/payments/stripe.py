"""Stripe: Checkout, saved methods, refunds and events, by its own SDK over our own HTTP client."""

from collections.abc import AsyncIterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

try:
    import stripe
except ImportError as error:  # the extra is not installed, and whoever imports this module needs it
    raise ModuleNotFoundError("Stripe's library is missing: pip install 'tollway[stripe]'") from error

from tollway.domain.errors import InvalidRequest
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.payments import (
    AutoTopUp,
    Disputed,
    DisputeWon,
    Event,
    NotPaid,
    Order,
    Other,
    Paid,
    ProviderName,
    Refunded,
    RefundFailed,
)
from tollway.payments.base import Checkout, Confirmed, ProviderFailed
from tollway.payments.signatures import Header, check_stripe
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

DEADLINES = Deadlines(first_event_s=30.0, idle_s=30.0, total_s=60.0)
ORDER, REFUND, AUTOMATIC = "tollway_order", "tollway_refund", "tollway_automatic"
"""What our ids and our note are called in the metadata of Stripe's objects."""
NAMED = frozenset({"authorization", "content-type", "idempotency-key", "stripe-version", "user-agent"})
"""Headers of the SDK that go out; the others tell Stripe about the machine."""


class Http(stripe.HTTPClient):  # type: ignore[misc]  # its types are not read (pyproject.toml)
    """The SDK's requests over our own client."""

    name = "tollway"

    def __init__(self, client: UpstreamClient) -> None:
        super().__init__()
        self._client = client

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """stripe.APIConnectionError: no whole answer came."""
        sent = tuple((name.lower(), value) for name, value in headers.items() if name.lower() in NAMED)
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        try:
            with self._client.call(HttpRequest(method.upper(), url, sent, body), DEADLINES) as call:
                await call.start()
                answer = await call.read()
                told = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers}
                return answer, call.status, told
        except (UpstreamFault, ValueError) as error:
            raise stripe.APIConnectionError(str(error), should_retry=False) from None

    async def request_stream_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[AsyncIterable[bytes], int, Mapping[str, str]]:
        raise RuntimeError("nothing that we ask of Stripe is streamed")

    async def close_async(self) -> None:
        """The client is ours, and closed by who made it."""


class Stripe:
    """PaymentProvider."""

    name: ProviderName = "stripe"

    def __init__(self, client: UpstreamClient, key: str, webhook_secrets: tuple[str, ...], url: str) -> None:
        self._secrets = webhook_secrets
        self._api = stripe.StripeClient(
            key, http_client=Http(client), base_addresses={"api": url}, max_network_retries=0
        ).v1

    async def checkout(self, order: Order, *, back_url: str) -> Checkout:
        named = {ORDER: order.id}
        payment: dict[str, Any] = {"metadata": named}
        wanted: dict[str, Any] = {
            "mode": "payment",
            "client_reference_id": order.id,
            "metadata": named,
            "success_url": back_url,
            "cancel_url": back_url,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency,
                        "unit_amount": order.price_cents,
                        "product_data": {"name": "Credits"},
                    },
                }
            ],
        }
        if order.save_method:
            payment["setup_future_usage"] = "off_session"
            wanted["customer_creation"] = "always"
        session = await _asked(
            self._api.checkout.sessions.create_async(
                {**wanted, "payment_intent_data": payment}, {"idempotency_key": order.id}
            )
        )
        return Checkout(session["id"], session["url"], expires_ms=session["expires_at"] * 1000)

    async def charge(self, order: Order, method: AutoTopUp) -> Paid | None:
        wanted = {
            "amount": order.price_cents,
            "currency": order.currency,
            "customer": method.customer_id,
            "payment_method": method.method_id,
            "off_session": True,
            "confirm": True,
            "metadata": {ORDER: order.id, AUTOMATIC: "yes"},
        }
        made = await _asked(self._api.payment_intents.create_async(wanted, {"idempotency_key": order.id}))
        if made["status"] == "processing":
            return None
        if made["status"] != "succeeded":
            raise ProviderFailed("The bank wants its customer to confirm the payment.", sure=True)
        return Paid(f"answer {order.id}", order.id, made["id"], made["amount_received"], made["currency"])

    async def confirm(self, paid: Paid) -> Confirmed:
        intent = await _asked(self._api.payment_intents.retrieve_async(paid.payment_id))
        if intent["status"] != "succeeded" or (intent["metadata"] or {}).get(ORDER) != paid.order_id:
            return Confirmed(0, intent["currency"])
        return Confirmed(
            intent["amount_received"], intent["currency"], intent.get("customer"), intent.get("payment_method")
        )

    async def refund(self, order: Order, cents: int, refund_id: str) -> str:
        wanted = {"payment_intent": order.payment_id, "amount": cents, "metadata": {REFUND: refund_id}}
        made = await _asked(self._api.refunds.create_async(wanted, {"idempotency_key": refund_id}))
        if made["status"] in ("failed", "canceled"):
            raise ProviderFailed("Stripe could not make the refund.", sure=True)
        return str(made["id"])

    def read_event(self, body: bytes, header: Header, now_s: float) -> Event:
        check_stripe(body, header, self._secrets, now_s)
        try:
            told = _EVENT.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"An event that can't be read: {error}") from None
        return _event(told.id, told.type, told.data.object)


async def _asked(answer: Any) -> dict[str, Any]:
    """ProviderFailed, in words that hold no secret."""
    try:
        found: dict[str, Any] = (await answer).to_dict()
        return found
    except stripe.APIConnectionError:
        raise ProviderFailed("Stripe can't be reached.", sure=False) from None
    except stripe.StripeError as error:
        status = error.http_status or 0
        told = error.user_message or "Stripe refused it."
        raise ProviderFailed(str(told)[:300], sure=400 <= status < 500 and status not in (409, 429)) from None


class _Object(Struct):
    """What we read of a Checkout session, a payment intent, a refund and a dispute."""

    id: str
    object: str = ""
    status: str | None = None
    payment_status: str | None = None
    payment_intent: str | None = None
    customer: str | None = None
    amount: int | None = None
    amount_received: int | None = None
    amount_total: int | None = None
    currency: str | None = None
    client_reference_id: str | None = None
    metadata: dict[str, str] | None = None
    last_payment_error: dict[str, Any] | None = None


class _Data(Struct):
    object: _Object


class _Told(Struct):
    id: str
    type: str
    data: _Data


_EVENT = msgspec.json.Decoder(_Told)


def _event(event_id: str, kind: str, about: _Object) -> Event:
    """docs.stripe.com/api/events/types. What is not about one of our orders is `Other`."""
    named = about.metadata or {}
    order_id = named.get(ORDER) or about.client_reference_id
    currency = about.currency or ""
    payment = about.payment_intent
    match kind:
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded":
            if order_id and payment and about.payment_status == "paid":
                return Paid(event_id, order_id, payment, about.amount_total or 0, currency, about.customer)
        case "payment_intent.succeeded" if order_id:
            return Paid(event_id, order_id, about.id, about.amount_received or 0, currency, about.customer)
        case "checkout.session.expired" | "checkout.session.async_payment_failed" if order_id:
            return NotPaid(event_id, order_id)
        case "payment_intent.payment_failed" if order_id and named.get(AUTOMATIC):
            reason = (about.last_payment_error or {}).get("message", "")
            return NotPaid(event_id, order_id, str(reason)[:300])
        case "refund.created" | "refund.updated" | "refund.failed" if payment:
            if about.status in ("failed", "canceled"):
                return RefundFailed(event_id, about.id, named.get(REFUND))
            return Refunded(event_id, payment, about.id, about.amount or 0, currency, named.get(REFUND))
        case "charge.dispute.funds_withdrawn" if payment:
            return Disputed(event_id, payment, about.id, about.amount or 0, currency)
        case "charge.dispute.funds_reinstated" if payment:
            return DisputeWon(event_id, payment, about.id, about.amount or 0, currency)
    return Other(event_id, kind)
