"""`/admin/providers`: who can be called and why not; servers and keys, limits, a test call, endpoints on and off."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.config import ProviderConfig
from tollway.domain.catalog import Endpoint, WireFormat
from tollway.domain.errors import InvalidRequest, NotFound, TollwayError
from tollway.domain.people import Actor
from tollway.gateway.live import is_own
from tollway.gateway.office import SetEndpoint
from tollway.gateway.provider_desk import Kept, Limits, NewProvider
from tollway.gateway.provider_probe import Probe, testable
from tollway.gateway.standings import Standing, standings
from tollway.gateway.supply import SPOKEN
from tollway.providers import PROVIDERS
from tollway.web.account import go_to
from tollway.web.admin.base import (
    ADMIN,
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
from tollway.web.figures import dollars, usd_per_million
from tollway.web.forms import read_form
from tollway.web.meanwhile import Overwritten, undisturbed

PATH = f"{ADMIN}/providers"
ENDPOINTS_MAX, TESTED_MAX = 100, 300
COLUMNS = ("slug", "name", "live", "source", "endpoints", "priced", "weight", "why")
FORMATS = tuple((each.value, each.value.replace("_", " ")) for each in WireFormat if each in SPOKEN)
SAID = {
    "added": "It can be called from now on.",
    "changed": "The new settings are in force.",
    "key": "The key is in use from now on.",
    "dropped": "The key is wiped, and no request uses it any more.",
    "off": "It gets no new request; those under way end as they would have.",
    "weight": "Requests are shared out by the new weight from now on.",
    "on": "It gets requests again.",
    "removed": "The provider, its keys and what only it sold are gone.",
    "endpoint": "The endpoint is as you see it below.",
    "listed": "It was asked for its models.",
}
FormT = TypeVar("FormT", bound=AdminForm)


class Wanted(Struct, kw_only=True):
    """The query of the list."""

    search: str = ""
    show: str = ""
    """"" those in use; `all`: the whole catalog's."""


class AddForm(AdminForm, kw_only=True):
    """A new provider; also one of the setup."""

    slug: str = ""
    name: str = ""
    base_url: str = ""
    models_url: str = ""
    speaks: str = WireFormat.OPENAI_CHAT.value
    key: str = ""
    models: str = ""
    free: str = ""


class ChangeForm(AdminForm, kw_only=True):
    """The forms of one provider; each has some of the fields."""

    name: str = ""
    base_url: str = ""
    models_url: str = ""
    free: str = ""
    first_event_s: str = ""
    idle_s: str = ""
    whole_s: str = ""
    total_s: str = ""
    key: str = ""
    key_id: str = ""
    model: str = ""
    endpoint: str = ""
    enabled: str = ""
    weight: str = ""


class WantedEndpoints(Struct, kw_only=True):
    """The query of a provider's page."""

    search: str = ""
    """A part of the name at the provider, or of the model's id."""
    offset: int = 0


class ProvidersView(AdminView, frozen=True, kw_only=True):
    """What `admin/providers.html` shows."""

    rows: tuple[tuple[Standing, str], ...]
    """With where it is defined."""
    weights: dict[str, float]
    """Of those that have another weight than 1."""
    wanted: Wanted
    query: str
    live: int
    known: int
    form: AddForm
    formats: tuple[tuple[str, str], ...] = FORMATS


class EndpointLine(Struct, frozen=True):
    """An endpoint of a provider."""

    endpoint: Endpoint
    state: str
    """`up`, `down`, `untried`, `off`, `no price`."""
    why: str
    price: str


class ProviderView(AdminView, frozen=True, kw_only=True):
    """What `admin/provider.html` shows."""

    standing: Standing
    source: str
    mine: ProviderConfig
    kept: Kept | None
    own: bool
    """A server with an address of its own."""
    enabled: bool
    address: str
    since: str
    endpoints: tuple[EndpointLine, ...]
    number: int
    """Endpoints that the query finds."""
    wanted: WantedEndpoints
    before: int
    following: int
    """Offsets of the pages before and after; -1: there is none."""
    models: tuple[str, ...]
    """Those that a test can name."""
    form: ChangeForm
    weight: str
    weight_in_file: bool
    probe: Probe | None = None


class ProviderPages:
    """Each form changes one thing, and the page comes again."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site
        self._desk = site.house.providers

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        one = f"{PATH}/{{slug}}"
        changes: tuple[tuple[str, Callable[[str, Actor, ChangeForm], Awaitable[str]]], ...] = (
            ("change", self._change),
            ("key", self._key),
            ("drop", self._drop),
            ("switch", self._switch),
            ("weight", self._weigh),
            ("endpoint", self._endpoint),
            ("list", self._list_models),
            ("remove", self._remove),
        )
        return (
            (PATH, "GET", self.show),
            (PATH, "POST", self.add),
            (f"{PATH}.csv", "GET", self.csv),
            (f"{PATH}.json", "GET", self.json),
            (one, "GET", self.one),
            (f"{one}/test", "POST", self.test),
            *((f"{one}/{name}", "POST", self._changing(do)) for name, do in changes),
        )

    async def show(self, request: Request, actor: Actor) -> Response:
        """Those in use, or all that are known."""
        return await self._list(request, actor, AddForm())

    async def add(self, request: Request, actor: Actor) -> Response:
        """To its own page, with its models; or the form again, with what is wrong. Its key is not shown again."""
        form = await read_form(request, AddForm)
        try:
            added = await self._desk.add(actor, new_provider(form), self._site.now_ms())
        except TollwayError as error:
            return await self._list(request, actor, form, error=error)
        return go_to(request, f"{PATH}/{added.slug}?done=added")

    async def csv(self, request: Request, actor: Actor) -> Response:
        """What the page shows."""
        return as_csv(request, "providers", COLUMNS, self._data(request))

    async def json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, COLUMNS, self._data(request))

    async def one(self, request: Request, actor: Actor) -> Response:
        """NotFound: nobody knows it."""
        return await self._one(request, actor, request.path_params["slug"], ChangeForm(), done=said(request, SAID))

    async def test(self, request: Request, actor: Actor) -> Response:
        """The smallest chat, now; the page with what came back."""
        slug, form = request.path_params["slug"], await read_form(request, ChangeForm)
        try:
            probe = await self._desk.probe(actor, slug, form.model)
        except TollwayError as error:
            return await self._one(request, actor, slug, form, error=error)
        return await self._one(request, actor, slug, form, probe=probe)

    def _changing(
        self, do: Callable[[str, Actor, ChangeForm], Awaitable[str]]
    ) -> Callable[[Request, Actor], Awaitable[Response]]:
        # A key is for the address that was shown: whoever changed that meanwhile would be sent it.
        overwrites: dict[Callable[[str, Actor, ChangeForm], Awaitable[str]], str] = {
            self._change: "provider.changed",
            self._key: "provider.changed",
            self._weigh: "provider.weighed",
        }

        async def change(request: Request, actor: Actor) -> Response:
            slug, form = request.path_params["slug"], await read_form(request, ChangeForm)
            try:
                if (what := overwrites.get(do)) is not None:
                    over = Overwritten(slug, what, f"{PATH}/{slug}")
                    async with undisturbed(self._site.database, form.seen, over, form, actor.name):
                        done = await do(slug, actor, form)
                else:
                    done = await do(slug, actor, form)
            except NotFound:
                raise
            except TollwayError as error:
                return await self._one(request, actor, slug, form, error=error)
            return go_to(request, f"{PATH}?done=removed" if done == "removed" else f"{PATH}/{slug}?done={done}")

        return change

    async def _change(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        ask = Limits(
            name=form.name,
            base_url=form.base_url,
            models_url=form.models_url,
            free=bool(form.free),
            first_event_s=seconds_of(form.first_event_s, "First token"),
            idle_s=seconds_of(form.idle_s, "Silence"),
            whole_s=seconds_of(form.whole_s, "Whole answer"),
            total_s=seconds_of(form.total_s, "Longest stream"),
        )
        await self._desk.change(actor, slug, ask, self._site.now_ms())
        return "changed"

    async def _key(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        await self._desk.add_key(actor, slug, form.key, self._site.now_ms())
        return "key"

    async def _drop(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        await self._desk.drop_key(actor, slug, form.key_id, self._site.now_ms())
        return "dropped"

    async def _switch(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        on = form.enabled == "on"
        await self._desk.switch(actor, slug, on, self._site.now_ms())
        return "on" if on else "off"

    async def _weigh(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        try:
            weight = float(form.weight.strip().replace(",", "."))
        except ValueError:
            weight = -1.0
        await self._desk.weigh(actor, slug, weight, self._site.now_ms())
        return "weight"

    async def _endpoint(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        if form.endpoint.partition(":")[0] != slug:
            raise NotFound("This provider has no such endpoint.")
        await self._site.office.set_endpoint(SetEndpoint(form.endpoint, enabled=form.enabled == "on"), actor)
        return "endpoint"

    async def _list_models(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        await self._desk.list_models(actor, slug)
        return "listed"

    async def _remove(self, slug: str, actor: Actor, form: ChangeForm) -> str:
        await self._desk.remove(actor, slug, self._site.now_ms())
        return "removed"

    def _standings(self) -> list[Standing]:
        """As they are in force: where the simulator plays, everybody it plays is live."""
        market = self._site.house.gateway.market
        found = standings(market.catalog, self._desk.config)
        for each in found:
            if each.slug in market.providers:
                each.why = each.why if each.live else ""
                each.live = True
        return sorted(found, key=lambda each: (not each.live, each.slug))

    def _weights(self) -> dict[str, float]:
        """Of providers that have one."""
        return {each.slug: each.weight for each in self._desk.config.providers if each.weight is not None}

    def _source(self, standing: Standing) -> str:
        """Where a provider comes from."""
        if self._desk.from_file(standing.slug) is not None:
            return "tollway.toml"
        if any(each.slug == standing.slug for each in self._desk.config.providers):
            return "added here"
        if not standing.live:
            return "catalog"
        return "demo" if self._site.house.simulated else "environment"

    def _found(self, wanted: Wanted) -> list[tuple[Standing, str]]:
        rows = [(each, self._source(each)) for each in self._standings()]
        text = wanted.search.strip().lower()
        return [
            (each, source)
            for each, source in rows
            if (wanted.show == "all" or text or each.live or source in ("tollway.toml", "added here"))
            and (text in each.slug or text in each.name.lower())
        ]

    def _data(self, request: Request) -> list[tuple[object, ...]]:
        found, weights = self._found(query(request, Wanted)), self._weights()
        return [
            (
                each.slug,
                each.name,
                each.live,
                source,
                each.endpoints,
                each.priced,
                weights.get(each.slug, 1.0),
                each.why,
            )
            for each, source in found
        ]

    async def _list(
        self, request: Request, actor: Actor, form: AddForm, *, error: TollwayError | None = None
    ) -> Response:
        wanted = query(request, Wanted)
        rows = self._found(wanted)
        form.key = ""
        view = ProvidersView(
            **shared(self._site, request, actor),
            rows=tuple(rows),
            wanted=wanted,
            query=f"?{request.url.query}" if request.url.query else "",
            weights=self._weights(),
            live=sum(each.live for each, _ in rows),
            known=len(self._site.house.gateway.market.catalog.providers),
            form=form,
            said=said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "providers.html", view, error.status if error else 200)

    async def _one(
        self,
        request: Request,
        actor: Actor,
        slug: str,
        form: ChangeForm,
        *,
        done: str = "",
        probe: Probe | None = None,
        error: TollwayError | None = None,
    ) -> Response:
        standing = next((each for each in self._standings() if each.slug == slug), None)
        if standing is None:
            raise NotFound("There is no such provider.")
        gateway, kept = self._site.house.gateway, await self._desk.kept(slug)
        mine = next((each for each in self._desk.config.providers if each.slug == slug), None)
        info, live = gateway.market.catalog.providers.get(slug), gateway.market.providers.get(slug)
        address = live.base_url if live else info.base_url if info else ""
        wanted = query(request, WantedEndpoints)
        lines = self._endpoints(slug, wanted.search.strip().lower())
        offset = min(max(0, wanted.offset), max(0, len(lines) - 1))
        form.key = ""
        if not form.first_event_s and mine is not None:
            form = filled(mine)
        view = ProviderView(
            **shared(self._site, request, actor),
            standing=standing,
            source=self._source(standing),
            mine=mine or ProviderConfig(slug),
            kept=kept,
            own=is_own(mine),
            enabled=mine is None or mine.enabled,
            address=address or (PROVIDERS[slug].base_url if slug in PROVIDERS else ""),
            since=moment(kept.since_ms) if kept else "",
            endpoints=tuple(lines[offset : offset + ENDPOINTS_MAX]),
            number=len(lines),
            wanted=wanted,
            before=max(0, offset - ENDPOINTS_MAX) if offset else -1,
            following=offset + ENDPOINTS_MAX if offset + ENDPOINTS_MAX < len(lines) else -1,
            models=tuple(each.id for each in testable(gateway, slug)[:TESTED_MAX]),
            form=form,
            weight=form.weight or f"{1.0 if mine is None or mine.weight is None else mine.weight:g}",
            weight_in_file=(self._desk.from_file(slug) or ProviderConfig(slug)).weight is not None,
            probe=probe,
            said=done,
            error=error.message if error else "",
        )
        return page(self._site, request, "provider.html", view, error.status if error else 200)

    def _endpoints(self, slug: str, search: str) -> list[EndpointLine]:
        gateway = self._site.house.gateway
        health, now_s = gateway.health, gateway.loop.time()
        found = []
        for offer in gateway.market.offers.values():
            for endpoint in offer.live:
                if endpoint.provider == slug:
                    why = health.looks_down(endpoint.id, now_s) or ""
                    found.append(EndpointLine(endpoint, health.status(endpoint.id, now_s)[0], why, price_of(endpoint)))
            for each in offer.off:
                if each.endpoint.provider == slug:
                    state = "no price" if each.rule == "unpriced" else "off"
                    found.append(EndpointLine(each.endpoint, state, each.reason, price_of(each.endpoint)))
        found = [each for each in found if search in f"{each.endpoint.id} {each.endpoint.model_id}".lower()]
        order = ("down", "no price", "off", "up", "untried")
        return sorted(found, key=lambda each: (order.index(each.state), each.endpoint.id))


def new_provider(form: AddForm) -> NewProvider:
    """What a form asks for. InvalidRequest: no such format."""
    try:
        speaks = WireFormat(form.speaks)
    except ValueError:
        raise InvalidRequest("speaks: no such format", param="speaks") from None
    return NewProvider(
        slug=form.slug,
        name=form.name,
        base_url=form.base_url,
        models_url=form.models_url,
        speaks=speaks,
        keys=form.key,
        models=tuple(line for line in form.models.splitlines() if line.strip()),
        free=bool(form.free),
    )


def filled(mine: ProviderConfig) -> ChangeForm:
    """A form as the provider is."""
    return ChangeForm(
        name=mine.name or "",
        base_url=mine.base_url or "",
        models_url=mine.models_url or "",
        free="yes" if mine.free else "",
        first_event_s=f"{mine.first_event_s:g}",
        idle_s=f"{mine.idle_s:g}",
        whole_s=f"{mine.whole_s:g}",
        total_s=f"{mine.total_s:g}",
    )


def seconds_of(text: str, name: str) -> float:
    """InvalidRequest: no time from a tenth of a second to a day."""
    try:
        value = float(text.strip())
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 86_400:
        raise InvalidRequest(f"{name}: seconds, from 0.1 to 86400")
    return value


def price_of(endpoint: Endpoint) -> str:
    """USD per million tokens, in and out."""
    price = endpoint.price
    if price is None:
        return ""
    if price.declared_free:
        return "free"
    prompt, completion = usd_per_million(price.rates.prompt), usd_per_million(price.rates.completion)
    return f"{dollars(prompt)} in, {dollars(completion)} out"
