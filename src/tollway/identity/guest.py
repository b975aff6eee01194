"""The guest: who asks without a key, where the operator allows it; a workspace of all guests pays, if it can."""

import hmac
import secrets
from hashlib import sha256

from msgspec import Struct

from tollway.domain.identity import Caller, Key, KeyKind
from tollway.storage.database import Database
from tollway.storage.keys import create_workspace

WORKSPACE = "guest"
COOKIE = "tollway-visitor"
KEY = Key(
    id=WORKSPACE,
    digest=b"",
    workspace_id=WORKSPACE,
    name=WORKSPACE,
    label=WORKSPACE,
    kind=KeyKind.INFERENCE,
    created_ms=0,
)
"""All guests' own. It is in no table and has no secret, so that nothing that a caller sends is it."""


class GuestRules(Struct, frozen=True):
    """What guests may ask."""

    models: frozenset[str]
    """By the names that they use; none: the door is closed."""
    output_max: int
    """Tokens of an answer."""


async def open_door(database: Database, rules: GuestRules, now_ms: int) -> None:
    """Makes the workspace of the guests, where there is a door."""
    if rules.models:
        await create_workspace(database, WORKSPACE, WORKSPACE, now_ms)


def guest(address: str | None, visitor: str | None = None) -> Caller:
    """Somebody without a key."""
    return Caller(KEY, address=address, guest=True, visitor=visitor)


def new_visitor(pepper: bytes) -> str:
    """A cookie by which the playground knows a visitor again: a random name with our signature, and nothing else."""
    name = secrets.token_hex(8)
    return f"{name}.{_signature(name, pepper)}"


def visitor_of(cookie: str, pepper: bytes) -> str | None:
    """The name in a cookie; None: we have not made it."""
    name, _, shown = cookie.partition(".")
    return name if hmac.compare_digest(_signature(name, pepper).encode(), shown.encode()) else None


def _signature(name: str, pepper: bytes) -> str:
    return hmac.new(pepper, b"visitor:" + name.encode(), sha256).hexdigest()[:32]
