"""`/admin/site`: what every page says: an announcement and links in the navigation; and who may sign up."""

from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import TollwayError
from tollway.domain.people import Actor, SignUp
from tollway.domain.site_words import SiteWords
from tollway.gateway.sign_up_desk import SetSignUp
from tollway.gateway.site_desk import BANNER_MAX, LINKS_MAX, links_of
from tollway.web.account import go_to
from tollway.web.admin.base import ADMIN, AdminForm, AdminSite, AdminView, Line, page, said, shared
from tollway.web.forms import converted_form, read_form
from tollway.web.meanwhile import Overwritten, undisturbed

PATH = f"{ADMIN}/site"
SAID = {"changed": "Every page says so from now on.", "sign-up": "Whoever comes next meets it."}
CONFIGURED = "configured"
POLICIES: dict[SignUp, str] = {
    "open": "everybody",
    "invite": "who has an invitation",
    "off": "nobody: admins make the users",
}


class SiteForm(AdminForm, kw_only=True):
    """The page's one form."""

    banner: str = ""
    banner_url: str = ""
    links: str = ""
    """A line each: a name, and an address."""


class SignUpForm(AdminForm, kw_only=True):
    """Who may sign up."""

    sign_up: str = ""


class SiteView(AdminView, frozen=True, kw_only=True):
    """What `admin/site.html` shows."""

    form: SiteForm
    policies: tuple[tuple[str, str], ...]
    policy: str
    """The choice that is made."""
    in_force: str
    public_url: str
    banner_max: int = BANNER_MAX
    links_max: int = LINKS_MAX


class SitePages:
    """What is typed wrong comes back with what is wrong."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site
        self._desk = site.house.site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return ((PATH, "GET", self.show), (PATH, "POST", self.change), (f"{PATH}/sign-up", "POST", self.set_sign_up))

    async def show(self, request: Request, actor: Actor) -> Response:
        """As it is now."""
        return self._page(request, actor, self._now())

    def _now(self) -> SiteForm:
        words = self._desk.words()
        links = "\n".join(f"{each.word} {each.url}" for each in words.links)
        return SiteForm(banner=words.banner, banner_url=words.banner_url, links=links)

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

    async def set_sign_up(self, request: Request, actor: Actor) -> Response:
        """For who comes next."""
        form = await read_form(request, SignUpForm)
        try:
            said_ = None if form.sign_up == CONFIGURED else form.sign_up
            ask = converted_form({"sign_up": said_}, SetSignUp)
            over = Overwritten("sign_up", "sign_up.changed", PATH)
            async with undisturbed(self._site.database, form.seen, over, form, actor.name):
                await self._site.house.sign_up.change(actor, ask, self._site.now_ms())
        except TollwayError as error:
            return self._page(request, actor, self._now(), error)
        return go_to(request, f"{PATH}?done=sign-up")

    def _page(self, request: Request, actor: Actor, form: SiteForm, error: TollwayError | None = None) -> Response:
        desk = self._site.house.sign_up
        view = SiteView(
            **shared(self._site, request, actor),
            form=form,
            policies=((CONFIGURED, f"as the configuration says: {POLICIES[desk.file]}"), *POLICIES.items()),
            policy=desk.own or CONFIGURED,
            in_force=POLICIES[desk.policy],
            public_url=self._site.house.config.public_url,
            said="" if error else said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "site.html", view, error.status if error else 200)
