"""`/credits/history`: what came to a workspace's credits and what left them, the latest first; as CSV and JSON too."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.errors import InvalidRequest, Unauthenticated
from tollway.domain.ledger import Mark, TransferKind
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.people import Actor, Workspace
from tollway.payments.receipts import Receipts
from tollway.storage.database import Database
from tollway.storage.marks import marks_before
from tollway.storage.members import find_workspace
from tollway.storage.usage_days import DAY_MS, SpentDay, spent_on
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.credits import paid_places, usd
from tollway.web.data import Kind, Sheet, as_file
from tollway.web.door import Door
from tollway.web.figures import count, day, moment
from tollway.web.key_form import Place
from tollway.web.render import Renderer

PATH = "/credits/history"
ROWS_PER_PAGE, ROWS_MAX = 50, 10_000
WINDOW = 90
"""Days that are asked for at once."""
WORDS = {
    TransferKind.GRANT: "Granted",
    TransferKind.TOPUP: "Bought",
    TransferKind.REFUND: "Refunded",
    TransferKind.CHARGEBACK: "Taken back by the bank",
    TransferKind.SETTLEMENT: "Paid a debt",
    TransferKind.RETURN: "Came back",
    TransferKind.EXPIRY: "Expired",
}
CODE, USED = "Code redeemed", "Used"
CURSOR = re.compile(r"([0-9]{1,15})\.([0-9]{1,9})", re.ASCII)
COLUMNS = ("at", "what", "note", "usd", "balance_usd", "purchase", "receipt")


class Cursor(Struct, frozen=True):
    """Everything before these: marks by their number, usage by its day (since 1970)."""

    number: int
    day: int

    def __str__(self) -> str:
        return f"{self.number}.{self.day}"


class Entry(Struct, frozen=True):
    """Something that moved the balance."""

    at_ms: int
    """Of a day's usage: when the day ended."""
    what: str
    note: str
    amount: Nanodollars
    """Negative: it left."""
    balance: Nanodollars | None
    """After it. None: not known exactly, as of a day's usage, in which something else may have come between."""
    order_id: str = ""
    receipt: str = ""


class HistoryRow(Struct, frozen=True):
    """An entry as the page shows it."""

    when: str
    what: str
    note: str
    amount: str
    came: bool
    balance: str
    order_id: str
    receipt: str


class HistoryView(Struct, frozen=True):
    """What `credit_history.html` shows."""

    place: Place
    places: tuple[Place, ...]
    rows: tuple[HistoryRow, ...]
    following: str
    """The `before` of the next page; "": there is none."""


class HistoryPages:
    """The page, and its files."""

    def __init__(
        self, renderer: Renderer, door: Door, database: Database, receipts: Receipts, now_ms: Callable[[], int]
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._database = database
        self._receipts = receipts
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        files = tuple((f"{PATH}.{kind}", "GET", partial(self.file, kind)) for kind in ("csv", "json"))
        return form_routes(self._renderer, ((PATH, "GET", self.show), *files))

    async def show(self, request: Request) -> Response:
        """One page, of `workspace` or of the visitor's own. NotFound, Forbidden: as the credits."""
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(PATH))
        place, places = await paid_places(self._database, actor, request.query_params.get("workspace", ""))
        before = cursor_of(request.query_params.get("before", ""))
        entries, following = await self._read(place.id, before, ROWS_PER_PAGE)
        view = HistoryView(place, places, tuple(map(_row, entries)), str(following) if following else "")
        return self._renderer.page(request, "credit_history.html", view, headers=PRIVATE)

    async def file(self, kind: Kind, request: Request) -> Response:
        """All of it, up to ROWS_MAX entries, with exact amounts. Unauthenticated; NotFound, Forbidden: as the page."""
        actor: Actor | None = await self._door.signed_in(request)
        if actor is None:
            raise Unauthenticated("Sign in first, then ask for this file again.")
        place, _ = await paid_places(self._database, actor, request.query_params.get("workspace", ""))
        entries, _ = await self._read(place.id, None, ROWS_MAX)
        return as_file(request, kind, Sheet("credits-history", COLUMNS, [_cells(each) for each in entries]), PRIVATE)

    async def _read(self, workspace_id: str, before: Cursor | None, limit: int) -> tuple[list[Entry], Cursor | None]:
        now_ms = self._now_ms()
        workspace = await find_workspace(self._database, workspace_id)
        start = before or Cursor(10**15, now_ms // DAY_MS + 1)
        start = Cursor(start.number, min(start.day, now_ms // DAY_MS + 1))
        marks = await marks_before(self._database, workspace_id, start.number, limit + 1)
        days = await self._days(workspace, workspace_id, start.day, limit + 1)
        receipts = await self._receipts.numbers(workspace_id)
        return merged(marks, days, receipts, start, limit, now_ms)

    async def _days(self, workspace: Workspace | None, workspace_id: str, before: int, limit: int) -> list[SpentDay]:
        """Days before one, the latest first, on which something was used."""
        # Usage that was brought from elsewhere, and the demo's, is older than its workspace.
        first = workspace.created_ms // DAY_MS - WINDOW if workspace else before
        found: list[SpentDay] = []
        while before > first and len(found) < limit:
            asked = range(max(first, before - WINDOW), before)
            found += await spent_on(self._database, workspace_id, asked)
            before = asked.start
        return found[:limit]


def cursor_of(text: str) -> Cursor | None:
    """None: from the latest on. InvalidRequest: no cursor of ours."""
    if not text:
        return None
    found = CURSOR.fullmatch(text)
    if found is None:
        raise InvalidRequest("before: as the page before has it", param="before")
    return Cursor(int(found[1]), int(found[2]))


def merged(
    marks: Sequence[tuple[int, Mark]],
    days: Sequence[SpentDay],
    receipts: Mapping[str, str],
    start: Cursor,
    limit: int,
    now_ms: int,
) -> tuple[list[Entry], Cursor | None]:
    """The latest `limit` of both, each in its own order, and where to go on; None: there is no more."""
    found: list[Entry] = []
    taken_marks = taken_days = 0
    while len(found) < limit and (taken_marks < len(marks) or taken_days < len(days)):
        mark = marks[taken_marks][1] if taken_marks < len(marks) else None
        day = days[taken_days] if taken_days < len(days) else None
        ended_ms = min(now_ms, (day.day + 1) * DAY_MS - 1) if day else -1
        if day is not None and (mark is None or ended_ms >= mark.created_ms):
            found.append(_of_day(day, ended_ms))
            taken_days += 1
        elif mark is not None:
            found.append(_of_mark(mark, receipts))
            taken_marks += 1
    if taken_marks == len(marks) and taken_days == len(days):
        return found, None
    return found, Cursor(
        marks[taken_marks - 1][0] if taken_marks else start.number,
        days[taken_days - 1].day if taken_days else start.day,
    )


def _of_mark(mark: Mark, receipts: Mapping[str, str]) -> Entry:
    order_id = mark.ref if mark.kind is TransferKind.TOPUP else mark.lot
    receipt = receipts.get(order_id, "")
    code = mark.kind is TransferKind.GRANT and mark.ref.startswith("code ")
    return Entry(
        at_ms=mark.created_ms,
        what=CODE if code else WORDS.get(mark.kind, mark.kind.value),
        note="",
        amount=mark.amount,
        balance=mark.credited - mark.debited,
        order_id=order_id if receipt else "",
        receipt=receipt,
    )


def _of_day(day: SpentDay, at_ms: int) -> Entry:
    note = count(day.requests, "request")
    if day.byok:
        note += f", of which {usd(day.byok)} at list price over own provider keys: their fee is in it"
    return Entry(at_ms, USED, note, -day.cost, None)


def _row(entry: Entry) -> HistoryRow:
    return HistoryRow(
        when=day(entry.at_ms) if entry.what == USED else moment(entry.at_ms).removesuffix(" UTC"),
        what=entry.what,
        note=entry.note,
        amount=usd(entry.amount),
        came=entry.amount > 0,
        balance="" if entry.balance is None else usd(entry.balance),
        order_id=entry.order_id,
        receipt=entry.receipt,
    )


def _cells(entry: Entry) -> tuple[str, ...]:
    at = datetime.fromtimestamp(entry.at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    balance = "" if entry.balance is None else text_of(entry.balance)
    return at, entry.what, entry.note, text_of(entry.amount), balance, entry.order_id, entry.receipt


def text_of(amount: Nanodollars) -> str:
    """USD, exactly, as programs read it: "-0.25"."""
    return f"{'-' if amount < 0 else ''}{nanodollars_to_text(abs(amount))}"
