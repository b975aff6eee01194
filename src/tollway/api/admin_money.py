"""`/admin/v1/credits`, `/admin/v1/purchases`: grants, what was bought, and giving back what is unused of it."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, json_answer, page, read_json
from tollway.api.control import office_of
from tollway.api.house import House
from tollway.api.purchases import order_json, refund_json
from tollway.domain.errors import NotFound
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import NO_SUCH_WORKSPACE
from tollway.gateway.office import Grant
from tollway.identity.ids import new_id
from tollway.payments.topup import amount_of
from tollway.storage.keys import workspace_exists
from tollway.storage.orders import list_all_orders

PAGE = 100


class NewGrant(Struct, forbid_unknown_fields=True):
    """`POST /admin/v1/credits`. `ref` makes a repeated call harmless."""

    workspace_id: str
    amount: Decimal
    reason: Annotated[str, Meta(max_length=500)] = ""
    ref: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


async def grant_credits(house: House, request: Request) -> Response:
    """Spendable at once; with the same `ref` again nothing more is granted."""
    ask = await read_json(request, NewGrant)
    if not await workspace_exists(house.database, ask.workspace_id):
        raise NotFound(NO_SUCH_WORKSPACE)
    amount = nanodollars_to_text(amount_of(ask.amount))
    grant = Grant(amount, ask.workspace_id, ask.ref or new_id(house.gateway.now_ms()), ask.reason)
    return json_answer({"data": await office_of(house).grant(grant, actor(request))})


async def list_all_purchases(house: House, request: Request) -> Response:
    """Everybody's, the newest first, by `offset` and `limit`; `workspace_id`: one workspace's."""
    offset, limit = page(request, PAGE)
    wanted = request.query_params.get("workspace_id")
    found = await list_all_orders(house.database, workspace_id=wanted, offset=offset, limit=limit)
    return json_answer({"data": [order_json(each) for each in found]})


async def refund_any_purchase(house: House, request: Request) -> Response:
    """Gives back what is unused of it, however long ago it was."""
    refund = await house.till.refund(actor(request), request.path_params["id"], house.gateway.now_ms())
    return json_answer({"data": refund_json(refund)})
