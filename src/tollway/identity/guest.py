"""The guest: who asks without a key, where the operator allows it; a workspace of all guests pays, if it can."""

from msgspec import Struct

from tollway.domain.identity import Caller, Key, KeyKind
from tollway.storage.database import Database
from tollway.storage.keys import create_workspace

WORKSPACE = "guest"
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


def guest(address: str | None) -> Caller:
    """Somebody without a key."""
    return Caller(KEY, address=address, guest=True)
