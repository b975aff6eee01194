"""`/overview`: a workspace at a glance: what it has, what it spends, how its requests do, and what to do next."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.domain.people import Right
from tollway.gateway.usage import Figures, total
from tollway.storage.keys import keys_of_workspace
from tollway.web.account import PRIVATE
from tollway.web.activity import Asked, Found, find
from tollway.web.charts import Chart
from tollway.web.figures import about, percent
from tollway.web.forms import HOME
from tollway.web.key_form import Place
from tollway.web.periods import DAY_MS
from tollway.web.records import Archive, Visit, record_routes
from tollway.web.samples import Sample, samples

PATH = HOME
TOP = 6


class Spent(Struct, frozen=True):
    """What was used since some day."""

    label: str
    cost: str
    requests: int


class TopRow(Struct, frozen=True):
    """A model, and what it came to in 30 days."""

    name: str
    cost: str
    requests: int
    share: float
    """Of all spend, in percent."""


class OverviewView(Struct, frozen=True):
    """What `overview.html` shows."""

    place: Place
    places: tuple[Place, ...]
    manages: bool
    pays: bool
    balance: str
    reserved: str
    empty: bool
    """There is no money: nothing can be asked that costs any."""
    spent: tuple[Spent, ...]
    month: Figures
    errors: str
    cached: str
    charts: tuple[Chart, ...]
    top: tuple[TopRow, ...]
    key: str
    """A key's label: its first and last characters; "" if there is none."""
    samples: tuple[Sample, ...]
    base_url: str


class OverviewPages:
    """One page."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def routes(self) -> list[BaseRoute]:
        """The URL."""
        return record_routes(self._archive, ((PATH, self.show),))

    async def show(self, request: Request, visit: Visit) -> Response:
        """For a member it shows their own keys' use, and the money of all."""
        archive, place = self._archive, visit.place.id
        found = await find(archive, visit, Asked(period="30d", by="model"))
        month = total(found.used)
        balance, reserved = await archive.books.balance(place), archive.books.held_of(place)
        model = archive.sample_model()
        keys = await keys_of_workspace(
            archive.database, place, creator=visit.scope.creator, disabled=False, offset=0, limit=1
        )
        view = OverviewView(
            place=visit.place,
            places=visit.places,
            manages=visit.manages,
            pays=visit.actor.may(Right.PAY, place),
            balance=about(balance),
            reserved=about(reserved),
            empty=balance <= 0,
            spent=_spent(found, archive.now_ms()),
            month=month,
            errors=percent(month.error_share),
            cached=percent(month.cached_share),
            charts=_charts(found, place) if month.requests else (),
            top=_top(found, month),
            key=keys[0].label if keys else "",
            samples=samples(archive.base_url, model) if model and not month.requests else (),
            base_url=archive.base_url,
        )
        return archive.renderer.page(request, "overview.html", view, headers=PRIVATE)


def _spent(found: Found, now_ms: int) -> tuple[Spent, ...]:
    today = now_ms // DAY_MS
    lines = []
    for days, label in ((1, "today"), (7, "in 7 days"), (30, "in 30 days")):
        figures = total(each for each in found.used if each.at_ms // DAY_MS > today - days)
        lines.append(Spent(label, about(figures.cost), figures.requests))
    return tuple(lines)


def _charts(found: Found, place: str) -> tuple[Chart, ...]:
    csv = f"/activity.csv?workspace={place}&period=30d&by=model"
    return tuple(found.chart(Asked(by="model", show=show), csv) for show in ("spend", "requests"))


def _top(found: Found, month: Figures) -> tuple[TopRow, ...]:
    groups = sorted(found.figures.items(), key=lambda each: (-each[1].cost, -each[1].requests))
    return tuple(
        TopRow(
            found.names[value], about(each.cost), each.requests,
            round(100 * each.cost / month.cost, 1) if month.cost else 0.0,
        )
        for value, each in groups[:TOP]
    )  # fmt: skip
