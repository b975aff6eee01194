"""`/admin`: the health of everything on one page, and what waits for the operator."""

import json

from starlette.requests import Request
from starlette.responses import Response

from tollway import __version__
from tollway.domain.people import Actor
from tollway.gateway.minutes import Hour
from tollway.gateway.overview import Overview, overview
from tollway.storage.audit_log import AuditEntry
from tollway.storage.files import DATABASE_FILE
from tollway.web.admin.base import ADMIN, AdminSite, AdminView, Line, ago, moment, page, shared
from tollway.web.figures import about

OUTCOMES = {
    "unreachable": "not reached",
    "unknown": "connection lost after sending",
    "timed_out": "timed out",
    "rate_limited": "rate limited (429)",
    "provider_error": "provider error (5xx, broken answer)",
    "credential_rejected": "our key refused (401, 402, 403)",
    "not_offered": "model not there (404)",
    "request_rejected": "request refused (400, 413, 422)",
    "input_unavailable": "an input could not be fetched",
    "cancelled": "the caller left",
}
GIB, MIB = 2**30, 2**20


class OverviewView(AdminView, frozen=True, kw_only=True):
    """What `admin/overview.html` shows."""

    now: Overview
    version: str
    uptime: str
    database: str
    ledger: tuple[str, str]
    """How it stands, and when that was seen."""
    held: str
    revenue: str
    cost: str
    margin: str
    margin_share: str
    """Of what callers paid; "" where they paid nothing."""
    per_minute: str
    faults: tuple[tuple[str, int], ...]
    """What went wrong at providers in the last hour, the most frequent first."""
    refusals: tuple[tuple[int, int], ...]
    """Statuses from 400 on that callers got in the last hour."""
    jobs: tuple[tuple[str, str, str, str], ...]
    """Name, state, last run, last error."""
    span: str
    """How far back the errors go: "hour", or how long the server has been up."""
    fresh: bool
    """No request has come yet and nobody can be called: the setup waits."""


class OverviewPage:
    """It reads memory and a few rows: it may be open all day."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return ((ADMIN, "GET", self.show),)

    async def show(self, request: Request, actor: Actor) -> Response:
        """Everything, as it is now."""
        site, house = self._site, self._site.house
        now_ms = site.now_ms()
        now = await overview(
            house.gateway, house.database, house.config.data_dir / DATABASE_FILE, house.jobs, house.minutes
        )
        today = now.today
        margin = today.cost - today.upstream
        view = OverviewView(
            **shared(site, request, actor),
            now=now,
            version=__version__,
            uptime=ago(now_ms - house.started_ms),
            database=size(now.database_bytes),
            ledger=ledger_state(now.ledger, now_ms),
            held=about(now.held),
            revenue=about(today.cost),
            cost=about(today.upstream),
            margin=f"{'-' if margin < 0 else ''}{about(abs(margin))}",
            margin_share=f"{margin / today.cost:.1%}" if today.cost else "",
            per_minute=f"{now.hour.per_minute:.1f}",
            faults=faults(now.hour),
            refusals=tuple(sorted((status, n) for status, n in now.hour.responses.items() if status >= 400)),
            jobs=tuple(
                (
                    each.name,
                    "failed" if each.error else "on" if each.running else "ended",
                    f"{ago(now_ms - each.last_ms)} ago" if each.last_ms else "not yet",
                    each.error,
                )
                for each in now.jobs
            ),
            span="hour" if now.hour.span_s >= 3500 else ago(int(now.hour.span_s * 1000)),
            fresh=not any(each.up + each.untried for each in now.providers),
        )
        return page(site, request, "overview.html", view)


def faults(hour: Hour) -> tuple[tuple[str, int], ...]:
    """Attempts that failed, by class."""
    found: dict[str, int] = {}
    for (_, outcome), count in hour.attempts.items():
        if outcome != "succeeded":
            found[outcome] = found.get(outcome, 0) + count
    return tuple(sorted(((OUTCOMES.get(name, name), n) for name, n in found.items()), key=lambda each: -each[1]))


def ledger_state(entry: AuditEntry | None, now_ms: int) -> tuple[str, str]:
    """What the last check of the ledger found, and how long ago."""
    if entry is None:
        return "not checked", "nobody has run the check yet"
    broken = json.loads(entry.details).get("broken", 0)
    when = f"{ago(now_ms - entry.created_ms)} ago, {moment(entry.created_ms)}"
    return ("ok" if not broken else f"{broken} promises broken"), when


def size(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / GIB:.2f} GiB" if count >= GIB else f"{count / MIB:.1f} MiB"
