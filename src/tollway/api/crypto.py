"""`POST /api/v1/credits/coinbase`: credits for crypto, in the shape that OpenRouter had (seed 003, "Crypto API")."""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import iso, json_answer, read_json
from tollway.api.house import House
from tollway.api.table import tells
from tollway.domain.errors import Gone, InvalidRequest
from tollway.domain.payments import Order
from tollway.payments.base import Checkout
from tollway.payments.coinbase import BASE_CHAIN, USDC_DECIMALS, USDC_ON_BASE

CHAINS = (1, 137, 8453)
"""Ethereum, Polygon, Base."""
HOUR_MS = 3_600_000


class NewCharge(Struct):
    """What is wanted, and from which address on which chain it will be paid."""

    amount: Decimal
    sender: Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}\Z")]
    chain_id: int


@tells(errors=(402, 404, 410))
async def start_charge(house: House, request: Request) -> Response:
    """Gone: nobody takes crypto here. InvalidRequest: an amount, address or chain that can't be."""
    if "coinbase" not in house.till.providers:
        raise Gone("Payments in crypto are not offered here: no provider of them is configured.")
    ask = await read_json(request, NewCharge)
    if ask.chain_id not in CHAINS:
        raise InvalidRequest(f"chain_id: one of {', '.join(map(str, CHAINS))}", param="chain_id")
    if ask.chain_id != BASE_CHAIN:
        raise InvalidRequest(f"chain_id: Coinbase Business is paid on Base ({BASE_CHAIN}) only", param="chain_id")
    caller = house.caller(request)
    order, checkout = await house.till.buy_in_crypto(
        caller.workspace_id, caller.key.creator_user_id, ask.amount, house.gateway.now_ms()
    )
    return json_answer({"data": charge_json(order, checkout, ask)})


def charge_json(order: Order, checkout: Checkout, ask: NewCharge) -> dict[str, Any]:
    """The payment is a plain transfer of USDC to `recipient`, or is made at `checkout_url`.

    Coinbase's own contract of that time is gone with Coinbase Commerce: what only it needed is empty.
    """
    expires_ms = checkout.expires_ms or order.created_ms + HOUR_MS
    return {
        "id": order.id,
        "created_at": iso(order.created_ms),
        "expires_at": iso(expires_ms),
        "checkout_url": checkout.url,
        "web3_data": {
            "transfer_intent": {
                "metadata": {"chain_id": ask.chain_id, "contract_address": USDC_ON_BASE, "sender": ask.sender},
                "call_data": {
                    "recipient_amount": str(order.price_cents * 10 ** (USDC_DECIMALS - 2)),
                    "deadline": str(expires_ms // 1000),
                    "recipient": checkout.address or "",
                    "recipient_currency": USDC_ON_BASE,
                    "refund_destination": ask.sender,
                    "fee_amount": "0",
                    "id": checkout.id,
                    "operator": "",
                    "signature": "",
                    "prefix": "",
                },
            }
        },
    }
