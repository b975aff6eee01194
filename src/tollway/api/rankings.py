"""`GET /datasets/app-rankings`, as OpenRouter has it, and `/rankings`: whether a workspace counts in it."""

from datetime import UTC, datetime, timedelta

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, page, read_json
from tollway.api.house import House
from tollway.api.table import WORKSPACE, tells
from tollway.domain.errors import InvalidRequest
from tollway.gateway.rankings import MONTH

ONE_WAY = {"sort": "popular", "category": "", "subcategory": "", "start_date": "", "end_date": ""}
"""Parameters of OpenRouter's that are not built, and the value that changes nothing."""


class TakePart(Struct, forbid_unknown_fields=True):
    """`PATCH /rankings`."""

    ranked: bool
    workspace_id: str | None = None


async def get_apps(house: House, request: Request) -> Response:
    """The most used apps of the last 30 complete days, up to the hundredth."""
    for name, only in ONE_WAY.items():
        if request.query_params.get(name, only) not in (only, ""):
            told = f"{name}: the ranking is of all apps, by tokens, over the last {MONTH} complete days"
            raise InvalidRequest(told, param=name)
    offset, limit = page(request, 50)
    found = await house.rankings.apps()
    now_ms = house.gateway.now_ms()
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    data = [
        {
            "rank": rank,
            "app_id": app.id,
            "app_name": app.title or (app.url or "").partition("://")[2],
            "app_url": app.url,
            "total_requests": app.requests,
            "total_tokens": str(app.tokens),
        }
        for rank, app in enumerate(found, 1)
    ]
    days = {"start_date": str(today - timedelta(days=MONTH)), "end_date": str(today - timedelta(days=1))}
    meta = {"as_of": iso(now_ms), **days, "version": "v1"}
    return json_answer({"data": data[offset : offset + limit], "meta": meta})


@tells(WORKSPACE)
async def get_part(house: House, request: Request) -> Response:
    """Whether what a workspace uses counts in public rankings."""
    asked = request.query_params.get("workspace_id")
    workspace_id, ranked = await house.rankings.takes_part(actor(request), asked)
    return json_answer({"data": {"workspace_id": workspace_id, "ranked": ranked}})


async def change_part(house: House, request: Request) -> Response:
    """Opts a workspace out of public rankings, or in again."""
    ask = await read_json(request, TakePart)
    workspace_id = await house.rankings.take_part(actor(request), ask.workspace_id, ask.ranked)
    return json_answer({"data": {"workspace_id": workspace_id, "ranked": ask.ranked}})
