"""`/admin/v1/...`: for admins who signed in lately, and for the command line: the log, the house's figures, users."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, flag, iso, json_answer, moment, read_json, whole
from tollway.api.house import House
from tollway.api.people import user_json
from tollway.api.table import SPAN, WORKSPACE, flag_of, tells, text_of, whole_of
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import User
from tollway.gateway.admin_desk import ChangedUser, NewUser
from tollway.gateway.registrar import PASSWORD_PAGE, page_link
from tollway.gateway.sign_up_desk import SetSignUp
from tollway.storage.audit_log import AuditEntry, Searched, list_entries, verify
from tollway.storage.keys import keys_by_time
from tollway.storage.members import find_workspace, memberships_of
from tollway.storage.usage_days import DAY_MS, HouseDay, house_by_day
from tollway.storage.users import list_users

PAGE, PAGE_MAX = 100, 1000
DAYS, DAYS_MAX = 30, 400
FURTHEST = 2**62


@tells(
    WORKSPACE, text_of("actor"), text_of("action"), text_of("target"), *SPAN,
    whole_of("before", 0, FURTHEST), whole_of("limit", 1, PAGE_MAX),
)  # fmt: skip
async def list_audit_log(house: House, request: Request) -> Response:
    """The newest first, `limit` (100) below `before`, which `next` tells; filtered by who, what, where and when.

    `action`: `key.created`, or `key` for whatever happened to keys.
    """
    asked, limit = request.query_params, whole(request, "limit", PAGE, 1, PAGE_MAX)
    searched = Searched(
        workspace_id=asked.get("workspace_id"),
        actor=asked.get("actor"),
        action=asked.get("action"),
        target=asked.get("target"),
        from_ms=moment(request, "from", 0),
        until_ms=moment(request, "to", 2**53),
    )
    before = whole(request, "before", FURTHEST, 0, FURTHEST)
    found = await list_entries(house.database, before=before, limit=limit + 1, searched=searched)
    shown = found[:limit]
    return json_answer(
        {"data": [entry_json(each) for each in shown], "next": shown[-1].number if len(found) > limit else None}
    )


async def verify_audit_log(house: House, request: Request) -> Response:
    """Whether any entry was changed or taken out.

    `last` is the newest one's hash: who keeps it elsewhere sees later whether the end was cut off.
    """
    return json_answer({"data": await verify(house.database)})


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """An entry of the audit log."""
    return {
        "number": entry.number,
        "created_at": iso(entry.created_ms),
        "actor": entry.actor,
        "action": entry.action,
        "workspace_id": entry.workspace_id,
        "target": entry.target,
        "details": msgspec.Raw(entry.details.encode()),
        "chain": entry.chain,
    }


@tells(whole_of("days", 1, DAYS_MAX))
async def get_statistics(house: House, request: Request) -> Response:
    """Everybody's requests by UTC day, the last one first: errors, tokens, what callers paid and providers bill.

    `days` (30) up to today. The figures are the books' own, to the last nanodollar; today's are not complete.
    """
    days = whole(request, "days", DAYS, 1, DAYS_MAX)
    today = house.gateway.now_ms() // DAY_MS
    found = await house_by_day(house.database, today - days + 1, today)
    total = {name: sum(getattr(each, name) for each in found) for name in HouseDay.__struct_fields__[1:-1]}
    return json_answer(
        {"data": [{"date": _date(each.day), **_day_json(each), "workspaces": each.workspaces} for each in found],
         "total": _day_json(HouseDay(0, **total, workspaces=0))}
    )  # fmt: skip


def _day_json(day: HouseDay) -> dict[str, Any]:
    """Money as decimal strings in USD: a day's sums need not fit a float."""
    return {
        "requests": day.requests,
        "errors": day.errors,
        "prompt_tokens": day.prompt_tokens,
        "completion_tokens": day.completion_tokens,
        "revenue_usd": nanodollars_to_text(day.cost),
        "cost_usd": nanodollars_to_text(day.upstream),
        "margin_usd": nanodollars_to_text(day.cost - day.upstream),
        "byok_usd": nanodollars_to_text(day.byok),
    }


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


async def get_settings(house: House, request: Request) -> Response:
    """How people come in here; `sign_up_configured`: what the configuration says of it, which an admin may overrule."""
    return json_answer({"data": _settings(house)})


async def change_settings(house: House, request: Request) -> Response:
    """Who may sign up from now on; null: as the configuration says."""
    ask = await read_json(request, SetSignUp)
    await house.sign_up.change(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": _settings(house)})


def _settings(house: House) -> dict[str, Any]:
    users = house.config.users
    return {
        "sign_up": house.sign_up.policy,
        "sign_up_configured": users.sign_up,
        "launch_credit_usd": users.launch_credit_usd,
        "challenges": users.challenges,
        "public_url": house.config.public_url,
    }


@tells(text_of("after"), whole_of("limit", 1, PAGE_MAX), text_of("search"), flag_of("admin"), flag_of("disabled"))
async def list_all_users(house: House, request: Request) -> Response:
    """`limit` (100) users after the id `after`, which `next` tells; `search` in address and name.

    `admin`, `disabled`: only those who are, or are not.
    """
    asked, limit = request.query_params, whole(request, "limit", PAGE, 1, PAGE_MAX)
    found = await list_users(
        house.database,
        after=asked.get("after", ""),
        limit=limit + 1,
        search=asked.get("search", ""),
        admin=flag(request, "admin"),
        disabled=flag(request, "disabled"),
    )
    shown = found[:limit]
    return json_answer(
        {"data": [managed_user_json(each) for each in shown], "next": shown[-1].id if len(found) > limit else None}
    )


@tells(status=201)
async def create_user(house: House, request: Request) -> Response:
    """201: a user without a password, and a link by which they choose one, good once and for a day."""
    ask = await read_json(request, NewUser)
    user, token = await house.admin.create_user(actor(request), ask, house.gateway.now_ms())
    return json_answer({"data": managed_user_json(user), **_link(house, token)}, 201)


async def get_user(house: House, request: Request) -> Response:
    """By id or e-mail address: a user, where they belong, where they are signed in, and their newest keys."""
    user = await house.admin.find_user(request.path_params["id"])
    places = [
        (place, member.role)
        for member in await memberships_of(house.database, user.id)
        if (place := await find_workspace(house.database, member.workspace_id)) is not None
    ]
    keys = await keys_by_time(house.database, creator=user.id)
    shown = managed_user_json(user) | {
        "workspaces": [
            {"id": each.id, "slug": each.slug, "name": each.name, "personal": each.personal, "role": role.value}
            for each, role in places
        ],
        "sessions": len(await house.people.sessions.list(user.id)),
        "keys": [{"hash": key.id, "label": key.label, "name": key.name, "disabled": key.disabled} for key in keys],
    }
    return json_answer({"data": shown})


async def change_user(house: House, request: Request) -> Response:
    """Another `name`; whether they administer this server, or are kept out of it; the last admin stays one."""
    ask = await read_json(request, ChangedUser)
    user = await house.admin.change_user(actor(request), request.path_params["id"], ask, house.gateway.now_ms())
    return json_answer({"data": managed_user_json(user)})


@tells(status=201)
async def create_link(house: House, request: Request) -> Response:
    """201: a link to choose a new password, good once and for a day; for who has lost theirs."""
    user = await house.admin.find_user(request.path_params["id"])
    token = await house.admin.link(actor(request), user, house.gateway.now_ms())
    return json_answer({"data": managed_user_json(user), **_link(house, token)}, 201)


def _link(house: House, token: str) -> dict[str, str]:
    return {"token": token, "url": page_link(house.config.public_url, PASSWORD_PAGE, token)}


def managed_user_json(user: User) -> dict[str, Any]:
    """A user as an admin sees them."""
    return user_json(user) | {"disabled": user.disabled}
