"""`/byok`: a workspace's own keys for providers: made, tested, put in order, switched off, deleted; never shown."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import groupby
from typing import Any, Literal

from msgspec import Struct
from starlette.responses import Response

from tollway.domain.byok import Credential, Wishes
from tollway.domain.errors import TollwayError
from tollway.domain.people import Right
from tollway.gateway.byok_desk import CREDENTIALS_MAX, ByokDesk, ChangedCredential, NewCredential
from tollway.gateway.byok_probe import Probed
from tollway.gateway.own_keys import OwnKeys
from tollway.routing.market import Market
from tollway.web.figures import day, seconds
from tollway.web.forms import converted_form
from tollway.web.meanwhile import Overwritten
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit

SAID = {
    "created": "The key is kept, encrypted; the next request may use it. Test it below.",
    "changed": "Saved. The next request sees it.",
    "disabled": "Switched off. Requests go on without it.",
    "enabled": "Switched on again.",
    "deleted": "The key is wiped.",
}
HERE = "our keys, your credits"
YOURS = "your key"
USES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "first",
        "Before your credits",
        (YOURS, HERE),
        "If your key hits a rate limit or encounters a failure, the request is tried again with your credits.",
    ),
    (
        "fallback",
        "As a fallback",
        (HERE, YOURS),
        "If that hits a rate limit or encounters a failure, the request is tried again with your key.",
    ),
    ("always", "Always, for its models", (YOURS,), "For the models that it serves, nothing else is tried."),
    (
        "only",
        "Nothing but own keys",
        (YOURS,),
        "For no model of any provider are your credits used in place of own keys.",
    ),
)
"""Value, word, who is tried in which order, and what happens then."""
JSON_FORMS: tuple[tuple[str, str, str], ...] = (
    (
        "Azure",
        '{"model_slug": "openai/gpt-4o",\n "endpoint_url": "https://<resource>.openai.azure.com/openai/deployments/<name>'
        '/chat/completions?api-version=<version>",\n "api_key": "...",\n "model_id": "<name>"}',
        "An object for each deployment, or a list of them. The host must be that of Azure.",
    ),
    (
        "Amazon Bedrock",
        '{"accessKeyId": "...",\n "secretAccessKey": "...",\n "region": "us-east-1"}',
        "Keys of a user who may invoke models and nothing else.",
    ),
    (
        "Google Vertex",
        '{"type": "service_account",\n "project_id": "...",\n "client_email": "...",\n "private_key": "...",\n'
        ' "token_uri": "https://oauth2.googleapis.com/token"}',
        "The file of the service account, as Google gives it.",
    ),
)


class ByokForm(SettingsForm, kw_only=True):
    """The fields of every form of this page; each form has some of them."""

    id: str = ""
    provider: str = ""
    key: str = ""
    name: str = ""
    use: str = "first"
    sort_order: str = ""
    allowed_models: str = ""
    declared_zdr: str = ""
    change: str = ""


class UseAsk(Struct):
    """How a key is used."""

    use: Literal["first", "fallback", "always", "only"]
    sort_order: int = 0


class SwitchAsk(Struct):
    """Which way a switch goes."""

    change: Literal["enable", "disable"]


class KeyLine(Struct, frozen=True):
    """A key as the page shows it."""

    id: str
    name: str
    label: str
    use: str
    use_word: str
    disabled: bool
    order: int
    models: str
    """Those that it is limited to, with commas; "" if to none."""
    deployed: tuple[str, ...]
    for_whom: str
    """Keys or members that it is limited to, in words; "" if to none."""
    declared_zdr: bool
    since: str
    last: str
    works: bool | None
    """When it was used last; None: not since the start."""


class ProviderKeys(Struct, frozen=True):
    """A provider with keys, and who is tried in which order for its models."""

    slug: str
    name: str
    keys: tuple[KeyLine, ...]
    steps: tuple[str, ...]


class ByokView(Struct, frozen=True):
    """What `byok.html` shows."""

    frame: Frame
    groups: tuple[ProviderKeys, ...]
    providers: tuple[tuple[str, str], ...]
    """Slugs and names of all that may have a key."""
    uses: tuple[tuple[str, str, tuple[str, ...], str], ...]
    use_words: tuple[tuple[str, str], ...]
    forms: tuple[tuple[str, str, str], ...]
    fee: str
    free: int
    """Requests of a month without a fee, and how many of them are left."""
    free_left: int
    most: int
    form: ByokForm
    tested: str = ""
    """The id of the key that was just tested."""
    result: str = ""
    result_works: bool = False


class ByokPages(SettingsPages[ByokForm]):
    """For who manages the workspace."""

    path = "/byok"
    right = Right.MANAGE
    form = ByokForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        desk: ByokDesk,
        market: Callable[[], Market],
        probe: Callable[[Credential], Awaitable[Probed]],
        own: OwnKeys,
    ) -> None:
        super().__init__(shared)
        self._desk = desk
        self._market = market
        self._probe = probe
        self._own_keys = own

    def changes(self) -> Mapping[str, Do[ByokForm]]:
        """Each form of the page."""
        return {
            "create": self.create,
            "change": self.change,
            "switch": self.switch,
            "test": self.test,
            "delete": self.delete,
        }

    def overwritten(self, visit: Visit, name: str, form: ByokForm) -> Overwritten | None:
        """A key, and how it is used."""
        if name != "change" or not form.id:
            return None
        return Overwritten(form.id, "byok.changed", f"{self.path}?workspace={visit.workspace.id}")

    async def create(self, visit: Visit, form: ByokForm) -> str:
        """The key is sealed and goes into no answer."""
        said = {"provider": form.provider, "key": form.key.strip(), "workspace_id": visit.workspace.id, **_wishes(form)}
        await self._desk.create(visit.actor, converted_form(said, NewCredential), visit.now_ms)
        return "created"

    async def change(self, visit: Visit, form: ByokForm) -> str:
        """An empty key leaves the one that is there."""
        await self._own(visit, form.id)
        said = _wishes(form)
        if form.key.strip():
            said["key"] = form.key.strip()
        await self._desk.change(visit.actor, form.id, converted_form(said, ChangedCredential), visit.now_ms)
        return "changed"

    async def switch(self, visit: Visit, form: ByokForm) -> str:
        """Off, and on again."""
        await self._own(visit, form.id)
        off = converted_form({"change": form.change}, SwitchAsk).change == "disable"
        await self._desk.change(visit.actor, form.id, ChangedCredential(disabled=off), visit.now_ms)
        return "disabled" if off else "enabled"

    async def test(self, visit: Visit, form: ByokForm) -> Response:
        """One real call; the page with what came back."""
        credential = await self._own(visit, form.id)
        done = await self._probe(credential)
        status = f"status {done.status}" if done.status is not None else "no answer"
        took = seconds(done.took_ms / 1000)
        if done.works:
            told = f"It works: {done.model} answered in {took} ({status})"
            told += f": “{done.said}”." if done.said else "."
        else:
            told = f"It does not work: {done.model}, {status} after {took}: {done.said}"
        return await self.page(visit, tested=credential.id, result=told, works="yes" if done.works else "")

    async def delete(self, visit: Visit, form: ByokForm) -> str:
        """For ever: the secret is wiped."""
        await self._own(visit, form.id)
        await self._desk.delete(visit.actor, form.id, visit.now_ms)
        return "deleted"

    async def _own(self, visit: Visit, id_: str) -> Credential:
        """NotFound: another's, which is as one that is not there."""
        return await self._desk.find(visit.actor, id_)

    async def page(
        self, visit: Visit, form: ByokForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """Never with a key: what was typed as one is typed again."""
        found, _ = await self._desk.list(visit.actor, visit.workspace.id, None, offset=0, limit=CREDENTIALS_MAX)
        market = self._market()
        names = {slug: provider.name for slug, provider in market.known.items()}
        groups = []
        for slug, keys in groupby(found, lambda each: each.provider):
            held = list(keys)
            lines = tuple(self._line(each) for each in held)
            groups.append(ProviderKeys(slug, names.get(slug, slug), lines, steps_of(held)))
        shown = form or ByokForm()
        shown.key = ""
        free = self._own_keys.settings.free_requests_monthly
        await self._own_keys.allowance.open(visit.workspace.id, visit.now_ms)
        view = ByokView(
            frame=await self.frame(visit, error),
            groups=tuple(groups),
            providers=tuple(sorted(names.items(), key=lambda each: each[1].lower())),
            uses=USES,
            use_words=tuple((value, word) for value, word, _, _ in USES),
            forms=JSON_FORMS,
            fee=f"{self._own_keys.settings.fee_percent:g}",
            free=free,
            free_left=self._own_keys.allowance.left(visit.workspace.id, visit.now_ms),
            most=CREDENTIALS_MAX,
            form=shown,
            tested=more.get("tested", ""),
            result=more.get("result", ""),
            result_works=bool(more.get("works")),
        )
        return self.answer(visit, "byok.html", view, error)

    def _line(self, credential: Credential) -> KeyLine:
        wishes, use = credential.wishes, self._own_keys.last_use(credential.id)
        limited = [
            f"{len(names)} {what}"
            for names, what in ((wishes.allowed_api_key_hashes, "API keys"), (wishes.allowed_user_ids, "members"))
            if names is not None
        ]
        last = ""
        if use is not None:
            said = "worked" if use.works else use.outcome.value.replace("_", " ")
            last = f"{said}{f' ({use.status})' if use.status and not use.works else ''}, {day(use.at_ms)}"
        value = use_of(wishes)
        return KeyLine(
            id=credential.id,
            name=wishes.name or "",
            label=credential.label,
            use=value,
            use_word=next(word for each, word, _, _ in USES if each == value),
            disabled=wishes.disabled,
            order=wishes.sort_order,
            models=", ".join(wishes.allowed_models or ()),
            deployed=credential.deployed or (),
            for_whom=" and ".join(limited),
            declared_zdr=bool(wishes.declared_zdr),
            since=day(credential.created_ms),
            last=last,
            works=None if use is None else use.works,
        )


def use_of(wishes: Wishes) -> str:
    """Which of `USES` a key has."""
    if wishes.is_byok_only:
        return "only"
    return "always" if wishes.is_required else "fallback" if wishes.is_fallback else "first"


def steps_of(keys: list[Credential]) -> tuple[str, ...]:
    """Who is tried in which order for a model that all these keys serve, as `routing/own.py` orders them."""
    on = [each for each in keys if not each.wishes.disabled]
    first = [_named(each) for each in on if not each.wishes.is_fallback]
    last = [_named(each) for each in on if each.wishes.is_fallback]
    ours = [] if any(each.wishes.is_required or each.wishes.is_byok_only for each in on) else [HERE]
    return (*first, *ours, *last)


def _named(credential: Credential) -> str:
    return credential.wishes.name or credential.label


def _wishes(form: ByokForm) -> dict[str, Any]:
    """What a form says of a key. InvalidRequest: a choice that is none."""
    ask = converted_form({"use": form.use, "sort_order": form.sort_order.strip() or 0}, UseAsk)
    models = [each for each in form.allowed_models.replace(",", " ").split() if each]
    return {
        "name": form.name.strip() or None,
        "is_fallback": ask.use == "fallback",
        "is_required": ask.use == "always",
        "is_byok_only": ask.use == "only",
        "sort_order": ask.sort_order,
        "allowed_models": models or None,
        "declared_zdr": True if form.declared_zdr else None,
    }
