"""`/preferences`: what a workspace wants of each request, in plain fields or as a `provider` object; and the theme."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from tollway.domain.chat import Preferences, SortBy
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.gateway.rankings import Rankings
from tollway.gateway.wishes import FIELDS
from tollway.gateway.workspace_desk import ChangedWorkspace, WorkspaceDesk
from tollway.routing.market import Market
from tollway.web.forms import converted_form
from tollway.web.meanwhile import Overwritten
from tollway.web.privacy import settings_fields
from tollway.web.render import THEME_COOKIE, THEMES, root_path, theme_of
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit, settings_of

SAID = {
    "defaults": "Saved. The next request obeys.",
    "provider": "Saved. The next request obeys.",
    "theme": "Saved for this browser.",
    "ranked": "Saved. Rankings obey within ten minutes, for the past as well.",
}
SORTS = (
    ("", "no order: by price and health"),
    ("price", "price: the cheapest first"),
    ("throughput", "throughput: the most tokens per second first"),
    ("latency", "latency: the soonest first token first"),
    ("exacto", "exacto: the best at calling tools first"),
)
AS_JSON = "as the JSON says"
THEME_YEARS_S = 365 * 24 * 3600
HELP = {
    "order": "providers to try first, in this order",
    "only": "the only providers allowed; no request widens it",
    "ignore": "providers never used; no request lifts it",
    "allow_fallbacks": "false: only the first one is tried",
    "require_parameters": "true: only who supports every parameter that is sent",
    "data_collection": '"deny": nobody who may train on prompts',
    "zdr": "true: only who keeps no prompts",
    "enforce_distillable_text": "true: only answers that may be trained on",
    "quantizations": 'such as ["fp8", "bf16"]',
    "sort": '"price", "throughput", "latency" or "exacto"',
    "preferred_min_throughput": "tokens per second",
    "preferred_max_latency": "seconds to the first token",
    "max_price": '{"prompt": 1, "completion": 2}, in USD per million tokens; the lower of it and a request\'s',
}
"""What each field of `provider` says, in a line."""


class PreferencesForm(SettingsForm, kw_only=True):
    """The fields of every form of this page; each form has some of them."""

    default_model: str = ""
    sort: str = ""
    only: str = ""
    ignore: str = ""
    provider: str = ""
    theme: str = ""
    ranked: str = ""


class ProviderAsk(Struct):
    """The JSON of a default `provider` object."""

    provider: Annotated[dict[str, Any], Meta(max_length=50)]


class PreferencesView(Struct, frozen=True):
    """What `preferences.html` shows."""

    frame: Frame
    form: PreferencesForm
    sorts: tuple[tuple[str, str], ...]
    models: tuple[str, ...]
    """Names to choose the default from."""
    providers: tuple[str, ...]
    """Slugs of all that the catalog knows."""
    help: tuple[tuple[str, str], ...]
    themes: tuple[tuple[str, str], ...]
    theme: str
    ranked: bool
    """Whether the workspace counts in public rankings of apps."""


class PreferencesPages(SettingsPages[PreferencesForm]):
    """Everybody in a workspace sees its preferences; who manages it changes them. The theme is the browser's."""

    path = "/preferences"
    form = PreferencesForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        workspaces: WorkspaceDesk,
        market: Callable[[], Market],
        rankings: Rankings,
    ) -> None:
        super().__init__(shared)
        self._workspaces = workspaces
        self._rankings = rankings
        self._market = market

    def changes(self) -> Mapping[str, Do[PreferencesForm]]:
        """Each form of the page."""
        return {
            "defaults": self.set_defaults,
            "provider": self.set_provider,
            "ranked": self.set_ranked,
            "theme": self.set_theme,
        }

    def overwritten(self, visit: Visit, name: str, form: PreferencesForm) -> Overwritten | None:
        """The settings of the workspace, or whether it is ranked."""
        if name == "ranked":
            back = f"{self.path}?workspace={visit.workspace.id}"
            return Overwritten(visit.workspace.id, "workspace.ranked", back)
        return settings_of(visit, self.path) if name in ("defaults", "provider") else None

    async def set_defaults(self, visit: Visit, form: PreferencesForm) -> str:
        """Model, order, allowed and ignored providers; the rest of `provider` stays as it is."""
        model = form.default_model.strip()
        if model and self._market().offer(model) is None and model not in self._market().levels:
            raise InvalidRequest(f"Default model: there is no model {model[:100]}.", param="default_model")
        provider = settings_fields(await self._workspaces.settings(visit.workspace))
        for name, text in (("only", form.only), ("ignore", form.ignore)):
            provider.pop(name, None)
            if names := self._providers(name, text):
                provider[name] = names
        if form.sort != AS_JSON:
            provider.pop("sort", None)
            if form.sort:
                provider["sort"] = form.sort
        ask = converted_form({"default_text_model": model or None, "provider": provider}, ChangedWorkspace)
        await self._workspaces.change(visit.actor, visit.workspace.id, ask, visit.now_ms)
        return "defaults"

    async def set_provider(self, visit: Visit, form: PreferencesForm) -> str:
        """The whole object, as a request would send it."""
        try:
            found = msgspec.json.decode(form.provider.strip() or "{}")
        except (msgspec.DecodeError, UnicodeError) as error:
            raise InvalidRequest(f"This is no JSON: {error}.", param="provider") from None
        ask = converted_form({"provider": found}, ProviderAsk)
        for name in ("order", "only", "ignore"):
            if isinstance(names := ask.provider.get(name), list):
                self._check(f"provider.{name}", [each for each in names if isinstance(each, str)])
        await self._workspaces.change(
            visit.actor, visit.workspace.id, ChangedWorkspace(provider=ask.provider), visit.now_ms
        )
        return "provider"

    async def set_ranked(self, visit: Visit, form: PreferencesForm) -> str:
        """InvalidRequest: neither yes nor no."""
        if form.ranked not in ("yes", "no"):
            raise InvalidRequest("ranked: yes or no", param="ranked")
        await self._rankings.take_part(visit.actor, visit.workspace.id, form.ranked == "yes")
        return "ranked"

    async def set_theme(self, visit: Visit, form: PreferencesForm) -> Response:
        """Kept in a cookie, so that pages come in it at once."""
        response = self.back(visit, "theme")
        path = f"{root_path(visit.request)}/"
        if form.theme in THEMES:
            response.set_cookie(THEME_COOKIE, form.theme, THEME_YEARS_S, path=path, httponly=True, samesite="lax")
        elif form.theme:
            raise InvalidRequest("theme: light, dark, or the system's", param="theme")
        else:
            response.delete_cookie(THEME_COOKIE, path=path, httponly=True, samesite="lax")
        return response

    async def page(
        self, visit: Visit, form: PreferencesForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """What is set; after a mistake, what was typed in its place."""
        settings = await self._workspaces.settings(visit.workspace)
        wishes, market = settings.provider or Preferences(), self._market()
        odd = isinstance(wishes.sort, SortBy)
        now = PreferencesForm(
            default_model=settings.default_model or "",
            sort=AS_JSON if odd else wishes.sort if isinstance(wishes.sort, str) else "",
            only=", ".join(wishes.only or ()),
            ignore=", ".join(wishes.ignore or ()),
            provider=msgspec.json.format(msgspec.json.encode(wishes), indent=2).decode(),
        )
        if form is not None and form.provider:
            now.provider = form.provider
        elif form is not None and not form.theme and not form.ranked:
            now = PreferencesForm(
                default_model=form.default_model,
                sort=form.sort,
                only=form.only,
                ignore=form.ignore,
                provider=now.provider,
            )
        view = PreferencesView(
            frame=await self.frame(visit, error),
            form=now,
            sorts=((AS_JSON, AS_JSON), *SORTS) if odd else SORTS,
            models=tuple(sorted(id_ for id_, offer in market.offers.items() if offer.live)),
            providers=tuple(sorted(market.catalog.providers)),
            help=tuple((name, HELP[name]) for name in FIELDS if name in HELP),
            themes=(("", "as the system has it"), ("light", "light"), ("dark", "dark")),
            theme=theme_of(visit.request),
            ranked=(await self._rankings.takes_part(visit.actor, visit.workspace.id))[1],
        )
        return self.answer(visit, "preferences.html", view, error)

    def _providers(self, name: str, text: str) -> list[str]:
        """Names between commas, spaces or lines, as slugs. InvalidRequest: one that the catalog does not know."""
        names = [each for each in text.replace(",", " ").split() if each]
        self._check(name, names)
        return names

    def _check(self, param: str, names: list[str]) -> None:
        """A misspelt name would leave out nobody, or everybody."""
        market = self._market()
        for each in names:
            if not market.names.is_known(each):
                raise InvalidRequest(f"{param}: there is no provider {each[:100]!r}", param=param)
