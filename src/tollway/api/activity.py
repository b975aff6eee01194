"""`GET /activity` (OPENROUTER.md 8.5): what was used of each endpoint on the last 30 complete UTC days."""

import re
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, json_answer
from tollway.api.house import House
from tollway.api.table import WORKSPACE, Parameter, tells
from tollway.domain.errors import InvalidRequest
from tollway.domain.money import usd
from tollway.storage.usage_days import DAY_MS, UsageDay

DAYS = 30
EPOCH = date(1970, 1, 1)


FILTERS = (
    Parameter("date", {"type": "string", "format": "date"}),
    Parameter("group_by", {"enum": ["workspace"]}),
    Parameter("api_key_hash", {"type": "string"}),
    Parameter("user_id", {"type": "string"}),
)


@tells(WORKSPACE, *FILTERS)
async def get_activity(house: House, request: Request) -> Response:
    """What was used of each endpoint by day: the last 30 complete days in UTC, or one `date` of them.

    `workspace_id`, or the actor's own place; `group_by=workspace`: every workspace that they may see, told apart.
    `api_key_hash`, `user_id`: of this key, of this user's keys. Requests that nobody answered are not in it.
    """
    asked = request.query_params
    days = _days(asked.get("date"), house.gateway.now_ms() // DAY_MS)
    apart = asked.get("group_by")
    if apart not in (None, "workspace"):
        raise InvalidRequest(f"group_by: only `workspace`, not {apart[:40]!r}", param="group_by")
    who, workspace_id, key_id = actor(request), asked.get("workspace_id"), asked.get("api_key_hash")
    if apart and workspace_id is None and key_id is None:
        found = await house.records.activity_everywhere(who, asked.get("user_id"), days)
    else:
        scope = await house.records.scope(who, workspace_id, key_id=key_id, user_id=asked.get("user_id"))
        found = await house.records.activity(scope, days)
    return json_answer({"data": [_item(house, each, apart=bool(apart)) for each in found]})


def _days(wanted: str | None, today: int) -> range:
    if wanted is None:
        return range(today - DAYS, today)
    try:
        day = (date.fromisoformat(wanted) - EPOCH).days if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", wanted) else 0
    except ValueError:
        day = 0
    if not today - DAYS <= day < today:
        first, last = (EPOCH + timedelta(days=at) for at in (today - DAYS, today - 1))
        raise InvalidRequest(f"date: a complete day of the last {DAYS}, from {first} to {last} (UTC)", param="date")
    return range(day, day + 1)


def _item(house: House, used: UsageDay, *, apart: bool) -> dict[str, Any]:
    item = {
        "date": str(EPOCH + timedelta(days=used.day)),
        "model": used.model,
        "model_permaslug": used.model,
        "endpoint_id": used.endpoint_id,
        "provider_name": house.provider_name(used.endpoint_id.partition(":")[0]),
        "requests": used.requests,
        "errors": used.errors,
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "reasoning_tokens": used.reasoning_tokens,
        "cached_tokens": used.cached_tokens,
        "usage": usd(used.cost),
        "byok_usage_inference": usd(used.byok),
    }
    return item | {"workspace_id": used.workspace_id} if apart else item
