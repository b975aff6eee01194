"""`/admin/site`: what the operator says on every page: an announcement, and links in the navigation."""

from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import TollwayError
from tollway.domain.people import Actor
from tollway.domain.site_words import SiteWords
from tollway.gateway.site_desk import BANNER_MAX, LINKS_MAX, links_of
from tollway.web.account import go_to
from tollway.web.admin.base import ADMIN, AdminForm, AdminSite, AdminView, Line, page, said, shared
from tollway.web.forms import read_form
from tollway.web.meanwhile import Overwritten, undisturbed

PATH = f"{ADMIN}/site"
SAID = {"changed": "Every page says so from now on."}


class SiteForm(AdminForm, kw_only=True):
    """The page's one form."""

    banner: str = ""
    banner_url: str = ""
    links: str = ""
    """A line each: a name, and an address."""


class SiteView(AdminView, frozen=True, kw_only=True):
    """What `admin/site.html` shows."""

    form: SiteForm
    banner_max: int = BANNER_MAX
    links_max: int = LINKS_MAX


class SitePages:
    """What is typed wrong comes back with what is wrong."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site
        self._desk = site.house.site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return ((PATH, "GET", self.show), (PATH, "POST", self.change))

    async def show(self, request: Request, actor: Actor) -> Response:
        """As it is now."""
        words = self._desk.words()
        links = "\n".join(f"{each.word} {each.url}" for each in words.links)
        return self._page(request, actor, SiteForm(banner=words.banner, banner_url=words.banner_url, links=links))

    async def change(self, request: Request, actor: Actor) -> Response:
        """All of it at once; nothing typed is nothing said."""
        form = await read_form(request, SiteForm)
        try:
            words = SiteWords(form.banner, form.banner_url.strip(), links_of(form.links.splitlines()))
            over = Overwritten("site", "site.changed", PATH)
            async with undisturbed(self._site.database, form.seen, over, form, actor.name):
                await self._desk.change(actor, words, self._site.now_ms())
        except TollwayError as error:
            return self._page(request, actor, form, error)
        return go_to(request, f"{PATH}?done=changed")

    def _page(self, request: Request, actor: Actor, form: SiteForm, error: TollwayError | None = None) -> Response:
        view = SiteView(
            **shared(self._site, request, actor),
            form=form,
            said="" if error else said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "site.html", view, error.status if error else 200)
