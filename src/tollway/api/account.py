"""`GET /api/v1/credits`, `/key`, `/auth/key`: what the caller has, and what its key may spend (OPENROUTER.md 8.3)."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.billing.ledger import DAY_MS, window_start
from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.domain.money import Nanodollars, usd
from tollway.storage.keys import DaySpent, spent_by_day
from tollway.storage.ledger import balance, purchased


async def get_credits(house: House, request: Request) -> Response:
    """What was ever credited and used. Both are sums of the ledger's transfers."""
    caller = house.caller(request)
    found = await balance(house.database, caller.workspace_id)
    credited = found.credited if found else 0
    debited = found.debited if found else 0
    data = {"total_credits": usd(credited), "total_usage": usd(debited)}
    return Response(msgspec.json.encode({"data": data}), media_type="application/json")


async def get_key(house: House, request: Request) -> Response:
    """The calling key: its limit, and what it used by day, week and month (UTC)."""
    caller = house.caller(request)
    days = await spent_by_day(house.database, caller.key.id)
    free = not await purchased(house.database, caller.workspace_id)
    body = msgspec.json.encode({"data": key_json(caller.key, days, house.gateway.now_ms(), is_free_tier=free)})
    return Response(body, media_type="application/json")


def key_json(key: Key, days: list[DaySpent], now_ms: int, *, is_free_tier: bool) -> dict[str, Any]:
    """All fields of `GET /key` that the official SDK 1.3.84 requires."""
    today = now_ms // DAY_MS
    in_window = _since(days, window_start(key.limit_reset, today))
    remaining = None if key.limit is None else max(0, key.limit - in_window)
    zero = usd(0)
    budget = None
    if key.limit is not None and remaining is not None:
        budget = {
            "scope": "key_limit",
            "limit_usd": usd(key.limit),
            "spend_usd": usd(in_window),
            "remaining_usd": usd(remaining),
            "reset_interval": key.limit_reset.value if key.limit_reset else None,
            "resets_at": _iso(_window_end_ms(key.limit_reset, today)),
            "include_byok": False,
            "guardrail_id": None,
            "budget_id": None,
        }
    return {
        "label": key.label,
        "limit": None if key.limit is None else usd(key.limit),
        "limit_remaining": None if remaining is None else usd(remaining),
        "limit_reset": key.limit_reset.value if key.limit_reset else None,
        "include_byok_in_limit": False,
        "usage": usd(_since(days, 0)),
        "usage_daily": usd(_since(days, window_start(LimitReset.DAILY, today))),
        "usage_weekly": usd(_since(days, window_start(LimitReset.WEEKLY, today))),
        "usage_monthly": usd(_since(days, window_start(LimitReset.MONTHLY, today))),
        "byok_usage": zero,
        "byok_usage_daily": zero,
        "byok_usage_weekly": zero,
        "byok_usage_monthly": zero,
        "is_free_tier": is_free_tier,
        "is_management_key": key.kind is KeyKind.PROVISIONING,
        "is_provisioning_key": key.kind is KeyKind.PROVISIONING,
        "creator_user_id": key.creator_user_id,
        "expires_at": _iso(key.expires_ms),
        "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
        "organization_id": None,
        "workspace_id": key.workspace_id,
        "allowed_data_regions": ["global"],
        "budgets": [budget] if budget else [],
        "effective_budget": budget,
        "free_model_daily_requests": {"limit": 0, "used": 0, "remaining": 0},
    }


def _since(days: list[DaySpent], day: int) -> Nanodollars:
    return sum(each.spent for each in days if each.day >= day)


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _window_end_ms(reset: LimitReset | None, today: int) -> int | None:
    """When the window of a limit ends (UTC, milliseconds): the first day that belongs to another one. None: never."""
    if reset is None:
        return None
    window, day = window_start(reset, today), today + 1
    while window_start(reset, day) == window:
        day += 1
    return day * DAY_MS
