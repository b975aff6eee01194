"""`/account/v1/codes/redeem`: a code for credits; `/admin/v1/codes`: making, listing and revoking them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, iso_or_none, json_answer, page, read_json
from tollway.api.house import House
from tollway.api.table import PAGES, tells
from tollway.domain.money import usd
from tollway.domain.payments import Code
from tollway.payments.codes import NewCodes, RedeemCode

PAGE = 100


async def redeem_code(house: House, request: Request) -> Response:
    """The credits are there at once."""
    ask = await read_json(request, RedeemCode)
    address = house.proxies.client_of_request(request)
    done = await house.codes.redeem(actor(request), ask, address, house.gateway.now_ms())
    return json_answer({"data": {"workspace_id": done.workspace_id, "credits": usd(done.credits)}})


@tells(status=201)
async def make_codes(house: House, request: Request) -> Response:
    """201 and the codes themselves, which are seen here and nowhere else."""
    ask, now_ms = await read_json(request, NewCodes), house.gateway.now_ms()
    made = await house.codes.make(actor(request), ask, now_ms)
    return json_answer({"data": [{"code": each.code, **code_json(each.about, now_ms)} for each in made]}, 201)


@tells(*PAGES)
async def list_codes(house: House, request: Request) -> Response:
    """The newest first, by `offset` and `limit`."""
    offset, limit = page(request, PAGE)
    now_ms = house.gateway.now_ms()
    return json_answer(
        {"data": [code_json(each, now_ms) for each in await house.codes.list(offset=offset, limit=limit)]}
    )


async def revoke_code(house: House, request: Request) -> Response:
    """What was redeemed of it stays."""
    now_ms = house.gateway.now_ms()
    code = await house.codes.revoke(actor(request), request.path_params["id"], now_ms)
    return json_answer({"data": code_json(code, now_ms)})


def code_json(code: Code, now_ms: int) -> dict[str, Any]:
    return {
        "id": code.id,
        "label": code.label,
        "status": code.why_not(now_ms) or "open",
        "credits": usd(code.credits),
        "uses": code.uses,
        "uses_max": code.uses_max,
        "note": code.note,
        "created_at": iso(code.created_ms),
        "expires_at": iso_or_none(code.expires_ms),
        "revoked_at": iso_or_none(code.revoked_ms),
    }
