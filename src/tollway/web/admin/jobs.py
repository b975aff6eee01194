"""`/admin/jobs`: what goes on in the background, when it went well last, and what went wrong."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.people import Actor
from tollway.telemetry.pulse import Pulse
from tollway.web.admin.base import ADMIN, AdminSite, AdminView, Line, ago, as_csv, as_json, moment, page, shared

PATH = f"{ADMIN}/jobs"
COLUMNS = ("job", "state", "rounds", "started", "last_well", "last_error_at", "last_error")


class JobLine(Struct, frozen=True):
    """One job that goes on while the server does."""

    name: str
    state: str
    """`on`, `failed` (its last round), `ended`."""
    rounds: int
    started_ms: int
    last_ms: int | None
    last: str
    """How long ago a round went well."""
    error_ms: int | None
    error: str
    """Of the last round, if that failed."""


class JobsView(AdminView, frozen=True, kw_only=True):
    """What `admin/jobs.html` shows."""

    jobs: tuple[JobLine, ...]
    others: int
    """Jobs under way that end by themselves."""


class JobPages:
    """They only look."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return ((PATH, "GET", self.show), (f"{PATH}.csv", "GET", self.csv), (f"{PATH}.json", "GET", self.json))

    async def show(self, request: Request, actor: Actor) -> Response:
        """Those in trouble first."""
        found = self._found()
        others = max(0, len(self._site.house.jobs) - sum(each.state != "ended" for each in found))
        view = JobsView(**shared(self._site, request, actor), jobs=tuple(found), others=others)
        return page(self._site, request, "jobs.html", view)

    async def csv(self, request: Request, actor: Actor) -> Response:
        """What the page shows."""
        return as_csv(request, "jobs", COLUMNS, self._rows())

    async def json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, COLUMNS, self._rows())

    def _found(self) -> list[JobLine]:
        now_ms = self._site.now_ms()
        found = [job_line(each, now_ms) for each in self._site.house.jobs.pulses.values()]
        return sorted(found, key=lambda each: (("failed", "on", "ended").index(each.state), each.name))

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                each.name, each.state, each.rounds, moment(each.started_ms), moment(each.last_ms),
                moment(each.error_ms), each.error,
            )
            for each in self._found()
        ]  # fmt: skip


def job_line(pulse: Pulse, now_ms: int) -> JobLine:
    """What a job tells of itself."""
    return JobLine(
        name=pulse.name,
        state="ended" if pulse.ended else "failed" if pulse.error else "on",
        rounds=pulse.rounds,
        started_ms=pulse.started_ms,
        last_ms=pulse.last_ms,
        last=f"{ago(now_ms - pulse.last_ms)} ago" if pulse.last_ms else "not yet",
        error_ms=pulse.error_ms,
        error=pulse.error,
    )
