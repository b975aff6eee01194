"""`/admin/audit`: who changed what; `/admin/ledger`: the books checked; `/admin/settings`: what is configured."""

import json

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.people import Actor
from tollway.gateway.ledger_check import Progress
from tollway.gateway.overview import CHECKED
from tollway.gateway.settings_shown import settings_shown
from tollway.storage.audit_log import AuditEntry, Searched, Verified, list_entries, verify
from tollway.web.account import go_to
from tollway.web.admin.base import ADMIN, AdminSite, AdminView, Line, as_csv, as_json, moment, page, query, shared
from tollway.web.admin.where_set import where_set

AUDIT, LEDGER, SETTINGS = f"{ADMIN}/audit", f"{ADMIN}/ledger", f"{ADMIN}/settings"
PAGE, EXPORT_MAX = 50, 10_000
COLUMNS = ("number", "time", "actor", "action", "workspace", "target", "details", "chain")


class Wanted(Struct, kw_only=True):
    """The query of the log."""

    actor: str = ""
    action: str = ""
    target: str = ""
    workspace: str = ""
    before: int = 0
    """The number below which the page begins; 0: at the newest."""


class AuditView(AdminView, frozen=True, kw_only=True):
    """What `admin/audit.html` shows."""

    entries: tuple[tuple[AuditEntry, str, tuple[tuple[str, str], ...]], ...]
    """With its time and its details."""
    wanted: Wanted
    query: str
    following: int
    verified: Verified | None = None


class LedgerView(AdminView, frozen=True, kw_only=True):
    """What `admin/ledger.html` shows."""

    progress: Progress | None
    last: tuple[str, str, str] | None
    """When, by whom, and with what outcome it was last checked."""


class SettingsView(AdminView, frozen=True, kw_only=True):
    """What `admin/settings.html` shows."""

    groups: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]
    """Section -> setting, value, and where it comes from."""


class RecordPages:
    """Nothing here changes anything; a check of the ledger is an entry in the log."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return (
            (AUDIT, "GET", self.audit),
            (f"{AUDIT}/verify", "POST", self.verify),
            (f"{AUDIT}.csv", "GET", self.audit_csv),
            (f"{AUDIT}.json", "GET", self.audit_json),
            (LEDGER, "GET", self.ledger),
            (LEDGER, "POST", self.check),
            (SETTINGS, "GET", self.settings),
        )

    async def audit(self, request: Request, actor: Actor) -> Response:
        """The newest first, page by page below a number."""
        return await self._audit(request, actor)

    async def verify(self, request: Request, actor: Actor) -> Response:
        """Whether any entry was changed or taken out."""
        return await self._audit(request, actor, await verify(self._site.database))

    async def audit_csv(self, request: Request, actor: Actor) -> Response:
        """What the query finds, up to a limit, below `before`."""
        return as_csv(request, "audit-log", COLUMNS, await self._rows(request))

    async def audit_json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, COLUMNS, await self._rows(request))

    async def ledger(self, request: Request, actor: Actor) -> Response:
        """What was found last; while a check runs, how far it is."""
        found = await list_entries(self._site.database, limit=1, searched=Searched(action=CHECKED))
        last = None
        if found:
            broken = json.loads(found[0].details).get("broken", 0)
            outcome = "every promise holds" if not broken else f"{broken} promises broken"
            last = (moment(found[0].created_ms), found[0].actor, outcome)
        view = LedgerView(
            **shared(self._site, request, actor), progress=self._site.house.ledger_check.progress, last=last
        )
        return page(self._site, request, "ledger.html", view)

    async def check(self, request: Request, actor: Actor) -> Response:
        """Begins; the page shows how far it is."""
        self._site.house.ledger_check.start(actor)
        return go_to(request, LEDGER)

    async def settings(self, request: Request, actor: Actor) -> Response:
        """Every value, secrets masked."""
        config = self._site.house.config
        where = where_set(config)
        groups: dict[str, list[tuple[str, str, str]]] = {}
        for place, (value, origin) in settings_shown(config, dict(where.said)).items():
            text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            groups.setdefault(place.partition(".")[0].partition("[")[0], []).append((place, text, origin))
        view = SettingsView(
            **shared(self._site, request, actor),
            groups=tuple((name, tuple(rows)) for name, rows in groups.items()),
            error=where.trouble,
        )
        return page(self._site, request, "settings.html", view)

    async def _found(self, wanted: Wanted, limit: int) -> list[AuditEntry]:
        searched = Searched(
            workspace_id=wanted.workspace.strip() or None,
            actor=wanted.actor.strip() or None,
            action=wanted.action.strip() or None,
            target=wanted.target.strip() or None,
        )
        before = wanted.before if 0 < wanted.before < 2**62 else 2**62
        return await list_entries(self._site.database, before=before, limit=limit, searched=searched)

    async def _rows(self, request: Request) -> list[tuple[object, ...]]:
        return [
            (
                each.number, moment(each.created_ms), each.actor, each.action, each.workspace_id or "", each.target,
                each.details, each.chain,
            )
            for each in await self._found(query(request, Wanted), EXPORT_MAX)
        ]  # fmt: skip

    async def _audit(self, request: Request, actor: Actor, verified: Verified | None = None) -> Response:
        wanted = query(request, Wanted)
        found = await self._found(wanted, PAGE + 1)
        view = AuditView(
            **shared(self._site, request, actor),
            entries=tuple((each, moment(each.created_ms), details(each)) for each in found[:PAGE]),
            wanted=wanted,
            query=f"?{request.url.query}" if request.url.query else "",
            following=found[PAGE - 1].number if len(found) > PAGE else 0,
            verified=verified,
        )
        return page(self._site, request, "audit.html", view)


def details(entry: AuditEntry) -> tuple[tuple[str, str], ...]:
    """An entry's details, a word and a value each."""
    try:
        found = json.loads(entry.details)
    except ValueError:
        return (("details", entry.details),)
    if not isinstance(found, dict):
        return (("details", str(found)),)
    return tuple((name, value if isinstance(value, str) else json.dumps(value)) for name, value in found.items())
