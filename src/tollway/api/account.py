"""`GET /api/v1/credits`, `/key`, `/auth/key`: what the caller has, and what its key may spend (OPENROUTER.md 8.3)."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import iso_or_none
from tollway.api.house import House
from tollway.billing.ledger import DAY_MS, Budget, window_start
from tollway.domain.budgets import Scope, SpendingLimit
from tollway.domain.identity import Caller, Key, KeyKind, LimitReset
from tollway.domain.money import Nanodollars, usd
from tollway.gateway.books import Book
from tollway.gateway.entrance import free_per_day, shown_rate
from tollway.storage.keys import DaySpent, counted_since, spent_by_day
from tollway.storage.ledger import balance, purchased
from tollway.storage.marks import taken_back


async def get_credits(house: House, request: Request) -> Response:
    """What was ever credited, less what was taken back or expired, and used: sums of the ledger's transfers."""
    caller = house.caller(request)
    found = await balance(house.database, caller.workspace_id)
    credited = found.credited if found else 0
    debited = found.debited if found else 0
    back = await taken_back(house.database, caller.workspace_id)
    data = {"total_credits": usd(credited - back), "total_usage": usd(debited - back)}
    return Response(msgspec.json.encode({"data": data}), media_type="application/json")


async def get_key(house: House, request: Request) -> Response:
    """The calling key: its limit, and what it used by day, week and month (UTC)."""
    caller = house.caller(request)
    days = await spent_by_day(house.database, caller.key.id)
    free = not await purchased(house.database, caller.workspace_id)
    now_ms = house.gateway.now_ms()
    data = key_json(caller.key, days, now_ms, is_free_tier=free)
    data |= await _limits_json(house, caller, now_ms)
    data |= _budgets_json(await house.gateway.books.open(caller.key), now_ms, data["budgets"])
    return Response(msgspec.json.encode({"data": data}), media_type="application/json")


async def _limits_json(house: House, caller: Caller, now_ms: int) -> dict[str, Any]:
    """What the key may ask for in a time, and what its workspace has left of `:free` models today."""
    gateway = house.gateway
    limiter = gateway.limiter
    book = await gateway.books.open(caller.key)
    book.roll(now_ms)
    rate = shown_rate(limiter.limits, caller.key, book.available)
    requests, interval = rate or (-1, "10s")
    note = "Requests that this key may send in the interval." if rate else "No limit is set."
    allowed = await free_per_day(gateway, caller.workspace_id)
    used = limiter.free_days.used(caller.workspace_id, now_ms // DAY_MS)
    return {
        "rate_limit": {"requests": requests, "interval": interval, "note": note},
        "free_model_daily_requests": {"limit": allowed, "used": used, "remaining": max(0, allowed - used)},
    }


def _budgets_json(book: Book, now_ms: int, of_key: list[dict[str, Any]]) -> dict[str, Any]:
    """Every limit in the order in which they are listed, the key's own last; and the one that leaves the least."""
    today, order = now_ms // DAY_MS, list(Scope)
    rows = [(budget, row) for budget in book.budgets if (row := budget.row) is not None]
    rows.sort(key=lambda each: order.index(each[1].scope))
    listed = [(budget.available or 0, _budget_json(budget, row, today)) for budget, row in rows]
    listed += [(book.meter.available or 0, each) for each in of_key]
    tightest = min(listed, key=lambda each: each[0])[1] if listed else None
    return {"budgets": [each for _, each in listed], "effective_budget": tightest}


def _budget_json(budget: Budget, row: SpendingLimit, today: int) -> dict[str, Any]:
    """What is held for requests under way is not spent, but neither does it remain."""
    of_workspace = row.scope is Scope.WORKSPACE
    return {
        "scope": row.scope.value,
        "limit_usd": usd(row.limit),
        "spend_usd": usd(budget.spent),
        "remaining_usd": usd(budget.available or 0),
        "reset_interval": row.reset.value if row.reset else None,
        "resets_at": iso_or_none(_window_end_ms(row.reset, today)),
        "include_byok": row.byok,
        "guardrail_id": None if of_workspace else row.id,
        "budget_id": row.id if of_workspace else None,
    }


def key_json(key: Key, days: list[DaySpent], now_ms: int, *, is_free_tier: bool) -> dict[str, Any]:
    """All fields of `GET /key` that the official SDK 1.3.84 requires, but for those of rate limits."""
    today = now_ms // DAY_MS
    budget = None
    if key.limit is not None:
        in_window = counted_since(days, window_start(key.limit_reset, today), byok=key.include_byok)
        budget = {
            "scope": "key_limit",
            "limit_usd": usd(key.limit),
            "spend_usd": usd(in_window),
            "remaining_usd": usd(max(0, key.limit - in_window)),
            "reset_interval": key.limit_reset.value if key.limit_reset else None,
            "resets_at": iso_or_none(_window_end_ms(key.limit_reset, today)),
            "include_byok": key.include_byok,
            "guardrail_id": None,
            "budget_id": None,
        }
    return {
        **spending_json(key, days, now_ms),
        "is_free_tier": is_free_tier,
        "is_management_key": key.kind is KeyKind.PROVISIONING,
        "is_provisioning_key": key.kind is KeyKind.PROVISIONING,
        "creator_user_id": key.creator_user_id,
        "expires_at": iso_or_none(key.expires_ms),
        "organization_id": None,
        "workspace_id": key.workspace_id,
        "allowed_data_regions": ["global"],
        "budgets": [budget] if budget else [],
        "effective_budget": budget,
    }


def spending_json(key: Key, days: list[DaySpent], now_ms: int) -> dict[str, Any]:
    """A key's limit, and what it spent: in all, and in the present day, week and month (UTC)."""
    today = now_ms // DAY_MS
    in_window = counted_since(days, window_start(key.limit_reset, today), byok=key.include_byok)
    return {
        "label": key.label,
        "limit": None if key.limit is None else usd(key.limit),
        "limit_remaining": None if key.limit is None else usd(max(0, key.limit - in_window)),
        "limit_reset": key.limit_reset.value if key.limit_reset else None,
        "include_byok_in_limit": key.include_byok,
        "usage": usd(_since(days, 0)),
        "usage_daily": usd(_since(days, window_start(LimitReset.DAILY, today))),
        "usage_weekly": usd(_since(days, window_start(LimitReset.WEEKLY, today))),
        "usage_monthly": usd(_since(days, window_start(LimitReset.MONTHLY, today))),
        "byok_usage": usd(_own_since(days, 0)),
        "byok_usage_daily": usd(_own_since(days, window_start(LimitReset.DAILY, today))),
        "byok_usage_weekly": usd(_own_since(days, window_start(LimitReset.WEEKLY, today))),
        "byok_usage_monthly": usd(_own_since(days, window_start(LimitReset.MONTHLY, today))),
    }


def _since(days: list[DaySpent], day: int) -> Nanodollars:
    return sum(each.spent for each in days if each.day >= day)


def _own_since(days: list[DaySpent], day: int) -> Nanodollars:
    return sum(each.byok for each in days if each.day >= day)


def _window_end_ms(reset: LimitReset | None, today: int) -> int | None:
    """When the window of a limit ends (UTC, milliseconds): the first day that belongs to another one. None: never."""
    if reset is None:
        return None
    window, day = window_start(reset, today), today + 1
    while window_start(reset, day) == window:
        day += 1
    return day * DAY_MS
