"""`/admin/setup`: the first steps of an operator, each to be skipped and visited again."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import NotFound, TollwayError
from tollway.domain.passkeys import place_of
from tollway.domain.people import Actor
from tollway.gateway.provider_probe import Probe, testable
from tollway.web.account import go_to
from tollway.web.admin.base import ADMIN, AdminSite, AdminView, Line, page, query, shared
from tollway.web.admin.providers import FORMATS, AddForm, ChangeForm, new_provider, price_of
from tollway.web.admin.where_set import WhereSet, where_set
from tollway.web.forms import read_form

PATH = f"{ADMIN}/setup"
STEPS = (
    ("site", "This site"),
    ("people", "Who may come"),
    ("provider", "A first provider"),
    ("models", "Its models"),
    ("done", "A first key"),
)
NAMES = tuple(name for name, _ in STEPS)
FAMOUS = (
    "openai", "anthropic", "google", "openrouter", "groq", "mistral", "deepseek", "xai", "togetherai", "fireworks-ai",
    "cohere", "azure", "amazon-bedrock", "ollama", "vllm",
)  # fmt: skip
"""Shown first among those that can be chosen."""
MODELS_MAX = 30


class Wanted(Struct, kw_only=True):
    """The query: which step, and of which provider."""

    step: str = "site"
    provider: str = ""


class SetupView(AdminView, frozen=True, kw_only=True):
    """What `admin/setup.html` shows."""

    step: str
    steps: tuple[tuple[str, str], ...] = STEPS
    following: str
    """The name of the next step; "": this is the last."""
    public_url: str
    local: bool
    """The address is this machine's alone."""
    where: WhereSet
    passkeys: bool
    """Whether browsers make passkeys for this address."""
    sign_up: str
    sign_up_here: bool
    """An admin said it on the site."""
    launch_credit: str
    live: tuple[str, ...]
    choices: tuple[tuple[str, str], ...]
    """Slugs and names of providers that lack only their key."""
    form: AddForm
    formats: tuple[tuple[str, str], ...] = FORMATS
    provider: str
    provider_name: str
    models: tuple[tuple[str, str, str], ...]
    """Endpoint, model, price."""
    more: int
    probe: Probe | None = None


class SetupPages:
    """Calm steps: what they do is what the other pages do."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return (
            (PATH, "GET", self.show),
            (f"{PATH}/provider", "POST", self.add),
            (f"{PATH}/test", "POST", self.test),
        )

    async def show(self, request: Request, actor: Actor) -> Response:
        """A step. NotFound: there is no such one."""
        wanted = query(request, Wanted)
        if wanted.step not in NAMES:
            raise NotFound("There is no such step.")
        return await self._page(request, actor, wanted, AddForm())

    async def add(self, request: Request, actor: Actor) -> Response:
        """One of the catalog by its key, or a server by its address; on to its models."""
        form = await read_form(request, AddForm)
        try:
            ask = new_provider(form)
            desk, now_ms = self._site.house.providers, self._site.now_ms()
            if ask.base_url.strip():
                slug = (await desk.add(actor, ask, now_ms)).slug
            else:
                slug = ask.slug
                await desk.add_key(actor, slug, ask.keys, now_ms)
        except TollwayError as error:
            form.key = ""
            return await self._page(request, actor, Wanted(step="provider"), form, error=error)
        return go_to(request, f"{PATH}?step=models&provider={slug}")

    async def test(self, request: Request, actor: Actor) -> Response:
        """The smallest chat, and what came back."""
        form, slug = await read_form(request, ChangeForm), request.query_params.get("provider", "")
        wanted = Wanted(step="models", provider=slug)
        try:
            probe = await self._site.house.providers.probe(actor, slug, form.model)
        except TollwayError as error:
            return await self._page(request, actor, wanted, AddForm(), error=error)
        return await self._page(request, actor, wanted, AddForm(), probe=probe)

    async def _page(
        self,
        request: Request,
        actor: Actor,
        wanted: Wanted,
        form: AddForm,
        *,
        probe: Probe | None = None,
        error: TollwayError | None = None,
    ) -> Response:
        house = self._site.house
        market, config = house.gateway.market, house.config
        live = sorted({each.provider for offer in market.offers.values() for each in offer.live})
        chosen = wanted.provider if wanted.provider in market.providers else ""
        endpoints = testable(house.gateway, chosen) if chosen else []
        place = NAMES.index(wanted.step)
        view = SetupView(
            **shared(self._site, request, actor),
            step=wanted.step,
            following=NAMES[place + 1] if place + 1 < len(NAMES) else "",
            public_url=config.public_url,
            local=config.server.public_url is None,
            where=where_set(config),
            passkeys=place_of(config.public_url) is not None,
            sign_up=house.sign_up.policy,
            sign_up_here=house.sign_up.own is not None,
            launch_credit=config.users.launch_credit_usd,
            live=tuple(live),
            choices=self._choices(),
            form=form,
            provider=chosen,
            provider_name=market.providers[chosen].name if chosen else "",
            models=tuple((each.id, each.model_id, price_of(each)) for each in endpoints[:MODELS_MAX]),
            more=max(0, len(endpoints) - MODELS_MAX),
            probe=probe,
            error=error.message if error else "",
        )
        return page(self._site, request, "setup.html", view, error.status if error else 200)

    def _choices(self) -> tuple[tuple[str, str], ...]:
        """Those of the catalog that can't be called yet, the famous first."""
        market = self._site.house.gateway.market
        found = {slug: info.name for slug, info in market.catalog.providers.items() if slug not in market.providers}
        first = [(slug, found.pop(slug)) for slug in FAMOUS if slug in found]
        return (*first, *sorted(found.items(), key=lambda each: each[1].lower()))
