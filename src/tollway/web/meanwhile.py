"""Two who change the same thing at once: a form that was opened before somebody else's change does not undo it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from tollway.storage.audit_log import AuditEntry, Searched, list_entries, newest_number
from tollway.storage.database import Database

SHOWN_MAX = 20
NUMBER_MAX = 2**62
HIDDEN = frozenset({"csrf", "seen", "newest", "workspace_id", "key", "password", "old", "new", "token"})
"""Fields that say nothing to people, or that no page repeats."""


class Change(Struct, frozen=True):
    """What somebody did after the form was opened."""

    who: str
    what: str
    at: str


class Overwritten(Struct, frozen=True):
    """What a form writes anew as a whole."""

    target: str
    """As the audit log names it."""
    action: str
    """`provider.changed`, or `price` for whatever happens to prices."""
    back: str
    """The page that shows it."""
    detail: tuple[str, str] | None = None
    """Where several things have one target: what its entries say besides, by name and value."""


class ChangedMeanwhile(Exception):
    """409, as a page: nothing was done. `typed`: what the form said, so that nothing is lost."""

    def __init__(self, changes: list[Change], back: str, typed: Struct) -> None:
        super().__init__(back)
        self.changes = changes
        self.back = back
        self.typed = typed


class MeanwhileView(Struct, frozen=True):
    """What `meanwhile.html` shows."""

    changes: tuple[Change, ...]
    back: str
    typed: tuple[tuple[str, str], ...]


_TURNS: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""By target: of two who send a form at once, the second sees what the first did."""


async def newest(database: Database) -> int:
    """What a form carries as `seen`: how long the audit log was before its page was made."""
    return await newest_number(database)


@asynccontextmanager
async def undisturbed(
    database: Database, seen: int | None, it: Overwritten, typed: Struct, me: str
) -> AsyncIterator[None]:
    """What is done inside overwrites nobody else's change. ChangedMeanwhile: it would.

    `seen` None: not sent by a page of ours, and so not compared. `me`: who asks, as the log names them; what one did
    oneself, in another window or before going back, one may undo.
    """
    turn = _TURNS.setdefault(it.target, asyncio.Lock())
    async with turn:
        if seen is not None:
            searched = Searched(
                target=it.target, action=it.action, after=min(max(seen, 0), NUMBER_MAX), not_by=me, detail=it.detail
            )
            found = await list_entries(database, searched=searched, limit=SHOWN_MAX)
            if found:
                raise ChangedMeanwhile([_told(each) for each in found], it.back, typed)
        yield


def view_of(error: ChangedMeanwhile) -> MeanwhileView:
    """The page's."""
    fields = msgspec.structs.asdict(error.typed)
    typed = tuple((name, value) for name, value in fields.items() if isinstance(value, str) and value)
    return MeanwhileView(tuple(error.changes), error.back, tuple(each for each in typed if each[0] not in HIDDEN))


def when(at_ms: int) -> str:
    """To the second: it was just now."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _told(entry: AuditEntry) -> Change:
    fields = msgspec.json.decode(entry.details).get("fields")
    named = f": {', '.join(map(str, fields))}" if isinstance(fields, list) and fields else ""
    return Change(entry.actor, entry.action + named, when(entry.created_ms))
