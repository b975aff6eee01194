"""`/admin/prices`: prices in force, what has none, an endpoint's history and a new price; what a new catalog brings."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.catalog.changes_told import rates_told, told
from tollway.catalog.diff import Doubt, compare
from tollway.catalog.shipped import rows_of, shipped
from tollway.domain import catalog_changes as changed
from tollway.domain.catalog import Endpoint
from tollway.domain.catalog_changes import Change
from tollway.domain.catalog_rows import Rows
from tollway.domain.errors import InvalidRequest, NotFound, TollwayError
from tollway.domain.people import Actor
from tollway.domain.rates import RatesText
from tollway.gateway.office import ChangeCatalog, SetEndpoint
from tollway.gateway.overview import unpriced_endpoints
from tollway.storage.catalog import SHIPPED, catalog_version, current_rows
from tollway.storage.price_rows import PriceKnown, price_history
from tollway.web.account import go_to
from tollway.web.admin.base import (
    ADMIN,
    PICKED_BYTES,
    PICKED_MAX,
    AdminForm,
    AdminSite,
    AdminView,
    Line,
    as_csv,
    as_json,
    moment,
    page,
    query,
    said,
    shared,
)
from tollway.web.admin.providers import price_of
from tollway.web.figures import day
from tollway.web.forms import read_fields, read_form
from tollway.web.meanwhile import Overwritten, undisturbed

PATH = f"{ADMIN}/prices"
ONE, DIFF = f"{PATH}/endpoint", f"{PATH}/diff"
PAGE, EXPORT_MAX, DIFF_MAX = 50, 100_000, 100
COLUMNS = ("endpoint", "model", "provider", "price", "source", "since", "enabled")
SAID = {
    "price": "The price is set; requests under way keep the one that they began with.",
    "free": "It costs nothing from now on.",
    "applied": "The chosen changes are in force.",
}


Found = tuple[tuple[tuple[str, str], ...], dict[str, list[Change]], tuple[Doubt, ...]]
"""The sources of this version's catalog, its changes by what is chosen together, and the doubts about them."""


class Wanted(Struct, kw_only=True):
    """The query of the list."""

    search: str = ""
    show: str = ""
    """`unpriced`: of live providers; `own`: what a person set; `live`; "" all."""
    offset: int = 0
    id: str = ""


class PriceForm(AdminForm, kw_only=True):
    """A new price. USD per million tokens, but for the request's."""

    id: str = ""
    prompt: str = ""
    completion: str = ""
    cache_read: str = ""
    request: str = ""
    since: str = ""
    """A day, or nothing: at once."""
    free: str = ""


class Shown(Struct, frozen=True):
    """An endpoint with its price."""

    endpoint: Endpoint
    price: str
    source: str
    since: str


class PricesView(AdminView, frozen=True, kw_only=True):
    """What `admin/prices.html` shows."""

    rows: tuple[Shown, ...]
    total: int
    unpriced: int
    wanted: Wanted
    query: str
    following: int


class HistoryView(AdminView, frozen=True, kw_only=True):
    """What `admin/price.html` shows."""

    endpoint: Endpoint
    now: str
    history: tuple[tuple[PriceKnown, str, str, str], ...]
    """With when it began, what it is, and what the other source says."""
    form: PriceForm


class Choice(Struct, frozen=True):
    """What can be chosen of a diff: one change, or those that go together."""

    key: str
    lines: tuple[tuple[str, str, str], ...]
    doubts: tuple[str, ...]


class DiffView(AdminView, frozen=True, kw_only=True):
    """What `admin/diff.html` shows."""

    choices: tuple[Choice, ...]
    more: int
    version: int
    sources: tuple[tuple[str, str], ...]


class PricePages:
    """A price is a row with the moment from which it holds; none is ever changed."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site
        self._latest: tuple[tuple[int, int], Found] | None = None

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return (
            (PATH, "GET", self.show),
            (f"{PATH}.csv", "GET", self.csv),
            (f"{PATH}.json", "GET", self.json),
            (ONE, "GET", self.one),
            (ONE, "POST", self.set),
            (DIFF, "GET", self.diff),
            (DIFF, "POST", self.apply),
        )

    async def show(self, request: Request, actor: Actor) -> Response:
        """What is wanted, by endpoint."""
        wanted = query(request, Wanted)
        found, offset = self._found(wanted), min(max(0, wanted.offset), 10**9)
        view = PricesView(
            **shared(self._site, request, actor),
            rows=tuple(_shown(each) for each in found[offset : offset + PAGE]),
            total=len(found),
            unpriced=len(unpriced_endpoints(self._site.house.gateway)),
            wanted=wanted,
            query=f"?{request.url.query}" if request.url.query else "",
            following=offset + PAGE if len(found) > offset + PAGE else 0,
            said=said(request, SAID),
        )
        return page(self._site, request, "prices.html", view)

    async def csv(self, request: Request, actor: Actor) -> Response:
        """All that the query finds."""
        return as_csv(request, "prices", COLUMNS, self._data(request))

    async def json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, COLUMNS, self._data(request))

    async def one(self, request: Request, actor: Actor) -> Response:
        """An endpoint's prices of all times. NotFound."""
        wanted = query(request, Wanted)
        return await self._one(request, actor, PriceForm(id=wanted.id))

    async def set(self, request: Request, actor: Actor) -> Response:
        """A new row; what it was before stays in the history."""
        form = await read_form(request, PriceForm)
        try:
            over = Overwritten(form.id, "price", f"{ONE}?{urlencode({'id': form.id})}")
            async with undisturbed(self._site.database, form.seen, over, form, actor.name):
                await self._site.office.set_endpoint(self._asked(form), actor)
        except NotFound:
            raise
        except TollwayError as error:
            return await self._one(request, actor, form, error)
        done = "free" if form.free else "price"
        return go_to(request, f"{PATH}?search={form.id}&done={done}" if form.id.isascii() else PATH)

    async def diff(self, request: Request, actor: Actor) -> Response:
        """What the catalog of this version would change."""
        return await self._diff(request, actor)

    async def apply(self, request: Request, actor: Actor) -> Response:
        """The chosen ones. InvalidRequest: the catalog was changed meanwhile; look again."""
        fields = await read_fields(request, PICKED_BYTES, PICKED_MAX)
        picked = {value for name, value in fields if name == "pick"}
        version = next((value for name, value in fields if name == "version"), "")
        try:
            if not picked:
                raise InvalidRequest("Choose at least one of the changes.")
            _, grouped, _ = await self._changes()
            changes = [change for key, group in grouped.items() if key in picked for change in group]
            if not changes:
                raise InvalidRequest("These changes are not there any more: look again.")
            ask = ChangeCatalog(
                tuple(_once(changes)), "chosen on the site", SHIPPED, int(version) if version.isdecimal() else -1
            )
            await self._site.office.change_catalog(ask, actor)
        except TollwayError as error:
            return await self._diff(request, actor, error)
        return go_to(request, f"{DIFF}?done=applied")

    def _asked(self, form: PriceForm) -> SetEndpoint:
        if form.free:
            return SetEndpoint(form.id, free=True)
        rates = RatesText(
            per_token(form.prompt, "Prompt"),
            per_token(form.completion, "Answer"),
            per_token(form.request, "Request", million=False) if form.request.strip() else "0",
            cache_read=per_token(form.cache_read, "Cached prompt") if form.cache_read.strip() else None,
        )
        return SetEndpoint(form.id, price=rates, effective_ms=_since(form.since))

    def _found(self, wanted: Wanted) -> list[Endpoint]:
        """Thousands, of which a page shows some: their words are made for those alone."""
        gateway, text = self._site.house.gateway, wanted.search.strip().lower()
        unpriced = set(unpriced_endpoints(gateway)) if wanted.show == "unpriced" else set()
        found = []
        for model_id, endpoints in sorted(gateway.market.catalog.endpoints.items()):
            for each in endpoints:
                if text and text not in each.id.lower() and text not in model_id.lower():
                    continue
                if wanted.show == "unpriced" and each.id not in unpriced:
                    continue
                if wanted.show == "own" and (each.price is None or each.price.source != "operator"):
                    continue
                if wanted.show == "live" and each.provider not in gateway.market.providers:
                    continue
                found.append(each)
        return found

    def _data(self, request: Request) -> list[tuple[object, ...]]:
        return [
            (
                each.endpoint.id, each.endpoint.model_id, each.endpoint.provider, each.price or "unpriced",
                each.source, each.since, each.endpoint.enabled,
            )
            for each in map(_shown, self._found(query(request, Wanted))[:EXPORT_MAX])
        ]  # fmt: skip

    async def _one(
        self, request: Request, actor: Actor, form: PriceForm, error: TollwayError | None = None
    ) -> Response:
        catalog = self._site.house.gateway.market.catalog
        found = (each for endpoints in catalog.endpoints.values() for each in endpoints if each.id == form.id)
        endpoint = next(found, None)
        if endpoint is None:
            raise NotFound("There is no such endpoint.")
        history = [
            (
                each,
                moment(each.effective_ms),
                "free" if each.declared_free else rates_told(each.rates) if each.rates else "no price",
                f"{rates_told(each.other)} ({each.other_source})" if each.other else "",
            )
            for each in await price_history(self._site.database, endpoint.id)
        ]
        view = HistoryView(
            **shared(self._site, request, actor),
            endpoint=endpoint,
            now=price_of(endpoint),
            history=tuple(history),
            form=form,
            error=error.message if error else "",
        )
        return page(self._site, request, "price.html", view, error.status if error else 200)

    async def _changes(self) -> Found:
        """Worked out in a thread, as it is thousands of rows, and again when the catalog or the minute is another."""
        now_ms = self._site.now_ms()
        of = await catalog_version(self._site.database), now_ms // 60_000
        if self._latest is None or self._latest[0] != of:
            current = await current_rows(self._site.database, now_ms)
            self._latest = of, await asyncio.to_thread(_compared, current)
        return self._latest[1]

    async def _diff(self, request: Request, actor: Actor, error: TollwayError | None = None) -> Response:
        sources, groups, doubts = await self._changes()
        why: dict[str, list[str]] = {}
        for doubt in doubts:
            why.setdefault(f"endpoint {doubt.about}", []).append(doubt.reason)
        choices = [
            Choice(key, tuple(told(change) for change in group), tuple(why.get(key, ())))
            for key, group in groups.items()
        ]
        view = DiffView(
            **shared(self._site, request, actor),
            choices=tuple(choices[:DIFF_MAX]),
            more=max(0, len(choices) - DIFF_MAX),
            version=await catalog_version(self._site.database),
            sources=sources,
            said=said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "diff.html", view, error.status if error else 200)


def _shown(endpoint: Endpoint) -> Shown:
    price = endpoint.price
    since = day(price.effective_ms) if price and price.effective_ms else ""
    return Shown(endpoint, price_of(endpoint), price.source if price else "", since)


def _compared(current: Rows) -> Found:
    new = shipped()
    found = compare(current, rows_of(new))
    return tuple(new.sources.items()), grouped(found.changes), found.doubts


def grouped(changes: tuple[Change, ...]) -> dict[str, list[Change]]:
    """What is chosen together: an endpoint with its price, and with the model and the provider that are new for it."""
    new: dict[str, Change] = {}
    found: dict[str, list[Change]] = {}
    for change in changes:
        if isinstance(change, changed.ModelSet | changed.ProviderSet) and change.before is None:
            name = change.after.id if isinstance(change, changed.ModelSet) else change.after.slug
            new[f"{'model' if isinstance(change, changed.ModelSet) else 'provider'} {name}"] = change
    for change in changes:
        if isinstance(change, changed.PriceKept):
            continue
        key = told(change)[1]
        if isinstance(change, changed.PriceSet):
            key = f"endpoint {change.endpoint_id}"
        group = found.setdefault(key, [])
        if isinstance(change, changed.EndpointSet):
            needed = (f"provider {change.after.provider}", f"model {change.after.model_id}")
            group += [new[each] for each in needed if each in new]
        group.append(change)
    return found


def _once(changes: list[Change]) -> list[Change]:
    """Each once, those first that others refer to."""
    found = list({told(each): each for each in changes}.values())
    return sorted(found, key=_place)


def _place(change: Change) -> int:
    if isinstance(change, changed.ProviderSet):
        return 0
    return 1 if isinstance(change, changed.ModelSet) else 2


def per_token(text: str, name: str, *, million: bool = True) -> str:
    """USD per million tokens -> USD per token, exactly. InvalidRequest: no number, or a negative one."""
    try:
        value = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise InvalidRequest(f"{name}: an amount in USD, please") from None
    if not value.is_finite() or value < 0 or value.adjusted() > 9 or value.as_tuple().exponent < -12:  # type: ignore[operator]  # finite: a number
        raise InvalidRequest(f"{name}: an amount in USD from 0 on, please")
    return f"{(value / 10**6 if million else value):f}"


def _since(text: str) -> int | None:
    """The beginning of a day, UTC. InvalidRequest: none, or one that is over."""
    if not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidRequest("From: a day such as 2027-01-31", param="since") from None
    if at.date() < datetime.now(UTC).date():
        raise InvalidRequest("From: that day is over; what was charged then stays charged.", param="since")
    return int(at.timestamp() * 1000)
