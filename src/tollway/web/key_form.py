"""What a form says of a key to be made: what it may spend, and for how long."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Protocol

from msgspec import Struct

from tollway.domain.errors import InvalidRequest
from tollway.domain.identity import KeyKind, LimitReset
from tollway.domain.people import Actor, Right
from tollway.gateway.key_desk import NAME_MAX, NewKey
from tollway.storage.database import Database
from tollway.storage.members import find_workspace

LIMIT_USD = "10"
EXPIRES = "90"
"""What is chosen where nobody says otherwise."""
DAYS = {"1": "in a day", "7": "in a week", "30": "in 30 days", "90": "in 90 days", "365": "in a year"}
NEVER = "never"
EXPIRIES = {**DAYS, NEVER: "never"}
RESETS = {"": "in all", "daily": "each day", "weekly": "each week", "monthly": "each month"}


class Place(Struct, frozen=True):
    """A workspace that pays for keys."""

    id: str
    name: str
    chosen: bool


class KeyForm(Protocol):
    """The fields that every such form has, as they were typed."""

    limit: str
    usage_limit_type: str
    expires_at: str
    workspace_id: str


def key_of(form: KeyForm, name: str, now_ms: int, kind: KeyKind = KeyKind.INFERENCE) -> NewKey:
    """The key that the user chose. InvalidRequest: which choice is none."""
    if not name:
        raise InvalidRequest("Give the key a name, so that you know it again.", param="name")
    if len(name) > NAME_MAX:
        raise InvalidRequest(f"name: at most {NAME_MAX} characters", param="name")
    try:
        limit = Decimal(form.limit.strip()) if form.limit.strip() else None
    except InvalidOperation:
        raise InvalidRequest("limit: an amount in USD, please", param="limit") from None
    if form.usage_limit_type not in RESETS:
        raise InvalidRequest("usage_limit_type: daily, weekly or monthly", param="usage_limit_type")
    return NewKey(
        name=name,
        limit=limit,
        limit_reset=LimitReset(form.usage_limit_type) if limit is not None and form.usage_limit_type else None,
        expires_at=expires_of(form.expires_at, now_ms),
        workspace_id=form.workspace_id or None,
        kind=kind,
    )


async def places_of(database: Database, actor: Actor, chosen: str | None, right: Right = Right.USE) -> list[Place]:
    """The workspaces in which somebody may make keys, or do something else."""
    return [
        Place(each, workspace.name, each == chosen)
        for each in actor.roles
        if actor.may(right, each) and (workspace := await find_workspace(database, each)) is not None
    ]


def expires_of(choice: str, now_ms: int) -> datetime | None:
    """A choice of EXPIRIES, or a time. InvalidRequest: neither."""
    if choice == NEVER:
        return None
    if choice in DAYS:
        return datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(days=int(choice))
    try:
        return datetime.fromisoformat(choice)
    except ValueError:
        raise InvalidRequest("expires_at: a time such as 2027-01-31T00:00:00Z", param="expires_at") from None
