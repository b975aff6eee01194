"""Whose key the samples of the documentation name: never more of it than its beginning."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from tollway.domain.identity import KeyKind
from tollway.storage.database import Database
from tollway.storage.keys import keys_of_user
from tollway.web.door import Door

Reader = Callable[[Request], Awaitable[str]]
"""The beginning of a key of who is signed in: "sk-or-v1-1a2"; "" for a stranger, and for who has none."""


def reader_of(door: Door, database: Database, now_ms: Callable[[], int]) -> Reader:
    """The newest of one's keys that still works."""

    async def reader(request: Request) -> str:
        actor = await door.signed_in(request)
        if actor is None or actor.user is None:
            return ""
        keys = await keys_of_user(database, actor.user.id)
        good = [each for each in keys if each.kind is KeyKind.INFERENCE and not each.disabled]
        good = [each for each in good if each.expires_ms is None or each.expires_ms > now_ms()]
        return max(good, key=lambda each: each.created_ms).label.partition("...")[0] if good else ""

    return reader
