"""`POST /control/v1/...`: how the command line changes money and keys while a server runs; needs this start's token."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.identity import LimitReset
from tollway.domain.money import nanodollars_from_text, nanodollars_to_text
from tollway.identity.issue import create_key as issue
from tollway.storage.keys import set_disabled


Ask = TypeVar("Ask", bound=Struct)


class CreateKey(Struct, forbid_unknown_fields=True):
    """`tollway keys create`. Amounts in USD, decimal strings."""

    name: str
    workspace: str
    limit: str | None = None
    limit_reset: LimitReset | None = None
    expires_at: datetime | None = None


class Grant(Struct, forbid_unknown_fields=True):
    """`tollway credits grant`. `ref` makes a repeated call harmless."""

    amount: str
    workspace: str
    ref: str
    reason: str = ""


class Disable(Struct, forbid_unknown_fields=True):
    """`tollway keys disable`."""

    id: str
    disabled: bool = True


async def create_key(house: House, request: Request) -> Response:
    """Makes a key; its secret is in this answer and nowhere else."""
    ask = await _read(request, CreateKey)
    expires_ms = int(ask.expires_at.astimezone(UTC).timestamp() * 1000) if ask.expires_at else None
    limit = _amount(ask.limit, "limit") if ask.limit is not None else None
    key, secret = await issue(
        house.database,
        house.pepper,
        workspace_id=ask.workspace,
        name=ask.name,
        limit=limit,
        limit_reset=ask.limit_reset,
        expires_ms=expires_ms,
        now_ms=house.gateway.now_ms(),
    )
    return _json({"key": secret, "id": key.id, "label": key.label, "workspace": key.workspace_id})


async def grant(house: House, request: Request) -> Response:
    """Credits to a workspace, spendable at once."""
    ask = await _read(request, Grant)
    amount = _amount(ask.amount, "amount")
    if amount <= 0:
        raise InvalidRequest("amount: must be more than 0", param="amount")
    now_ms = house.gateway.now_ms()
    found = await house.gateway.books.grant(ask.workspace, amount, ask.ref, ask.reason, now_ms)
    return _json({"workspace": ask.workspace, "granted": ask.amount, "balance": nanodollars_to_text(found.posted)})


async def disable_key(house: House, request: Request) -> Response:
    """Disables or enables a key; the next request sees it."""
    ask = await _read(request, Disable)
    digest = await set_disabled(house.database, ask.id, ask.disabled)
    if digest is None:
        raise NotFound(f"There is no key {ask.id[:80]}")
    house.authenticator.forget(digest)
    return _json({"id": ask.id, "disabled": ask.disabled})


async def reload_catalog(house: House, request: Request) -> Response:
    """Reads the catalog anew and swaps the market: prices of requests under way stay what they were."""
    market = await house.reload()
    live = sum(len(offer.live) for offer in market.offers.values())
    return _json({"models": len(market.offers), "live_endpoints": live})


async def _read(request: Request, kind: type[Ask]) -> Ask:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(str(error)) from None


def _amount(text: str, name: str) -> int:
    try:
        return nanodollars_from_text(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}", param=name) from None


def _json(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
