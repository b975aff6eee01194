"""`/account/v1/purchases`: buy credits, see what was bought, have the unused part back; and providers' webhooks."""

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, iso_or_none, json_answer, read_json
from tollway.api.house import House
from tollway.api.table import BEFORE, WORKSPACE, Handle, tells
from tollway.domain.errors import InvalidRequest, PayloadTooLarge
from tollway.domain.money import usd
from tollway.domain.payments import CENT, Order, Refund
from tollway.payments.receipts import Buyer
from tollway.payments.topup import NewPurchase

log = structlog.get_logger(__name__)

EVENT_MAX = 256 * 1024
"""Bytes of an event; providers' are a few KB (FAULTS.md, "Webhooks in")."""


def webhook(provider: str) -> Handle:
    """What a payment provider tells; it is told that it was heard when it is booked."""

    async def handle(house: House, request: Request) -> Response:
        body = await _raw(request)
        there = house.till.providers[provider]
        event = there.read_event(body, request.headers.getlist, house.gateway.now_ms() / 1000)
        outcome = await house.payment_events.take(there, event, house.gateway.now_ms())
        return json_answer({"outcome": outcome})

    return handle


async def _raw(request: Request) -> bytes:
    """The body as it came. PayloadTooLarge: as soon as that is seen."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > EVENT_MAX:
            raise PayloadTooLarge("An event has at most 256 KB.")
        pieces.append(piece)
    return b"".join(pieces)


@tells(WORKSPACE, BEFORE)
async def list_purchases(house: House, request: Request) -> Response:
    """100 of `workspace_id`, or one's own place, the newest first; `before`: those that are older (ms since 1970)."""
    asked = request.query_params
    before = asked.get("before")
    if before is not None and not (before.isascii() and before.isdecimal() and len(before) <= 15):
        raise InvalidRequest("before: milliseconds since 1970", param="before")
    found = await house.till.orders(actor(request), asked.get("workspace_id"), int(before) if before else None)
    return json_answer({"data": [order_json(each) for each in found]})


@tells(status=201)
async def start_purchase(house: House, request: Request) -> Response:
    """201 and, in `checkout_url`, the page on which it is paid."""
    ask = await read_json(request, NewPurchase)
    order = await house.till.buy(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": order_json(order)}, 201)


async def get_purchase(house: House, request: Request) -> Response:
    """With its refunds, and its receipt: a number, and a page to be printed."""
    order = await house.till.find(actor(request), request.path_params["id"])
    refunds = [refund_json(each) for each in await house.till.refunds(order)]
    number = await house.receipts.number(order)
    url = f"{house.config.public_url}/credits/receipts/{order.id}"
    receipt = None if number is None else {"number": number, "url": url}
    return json_answer({"data": {**order_json(order), "refunds": refunds, "receipt": receipt}})


async def get_buyer(house: House, request: Request) -> Response:
    """Who buys, as receipts say it."""
    found = await house.receipts.buyer(actor(request), request.query_params.get("workspace_id"))
    return json_answer({"data": dict(zip(("workspace_id", "details"), found, strict=True))})


async def set_buyer(house: House, request: Request) -> Response:
    """For receipts to come, and for those on which nobody stands yet."""
    ask = await read_json(request, Buyer)
    found = await house.receipts.set_buyer(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": dict(zip(("workspace_id", "details"), found, strict=True))})


async def refund_purchase(house: House, request: Request) -> Response:
    """Gives back what is unused of it."""
    refund = await house.till.refund(actor(request), request.path_params["id"], house.gateway.now_ms())
    return json_answer({"data": refund_json(refund)})


def order_json(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "workspace_id": order.workspace_id,
        "provider": order.provider,
        "status": order.status.value,
        "credits": usd(order.credits),
        "fee": usd(order.fee),
        "price": usd(order.price_cents * CENT),
        "currency": order.currency,
        "automatic": order.automatic,
        "created_at": iso(order.created_ms),
        "paid_at": iso_or_none(order.paid_ms),
        "checkout_url": order.checkout_url,
    }


def refund_json(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "status": refund.status,
        "credits": usd(refund.credits),
        "paid_back": usd(refund.cents * CENT),
        "created_at": iso(refund.created_ms),
    }
