"""`/keys/{id}`: one key: its limits, when they start again, what it may ask for; another secret for it; a test."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.billing.ledger import DAY_MS, window_end, window_start
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.identity import Key, KeyKind
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Right
from tollway.gateway.key_desk import ChangedKey, KeyDesk
from tollway.routing.market import Market
from tollway.storage.database import ConflictError
from tollway.storage.keys import counted_since, spent_by_day
from tollway.storage.rotated_secrets import old_secrets
from tollway.web.account import form_routes, go_to, sign_in_path
from tollway.web.figures import amount, day, moment
from tollway.web.forms import converted_form
from tollway.web.key_form import EXPIRIES, RESETS, expires_of
from tollway.web.meanwhile import Overwritten
from tollway.web.settings import Frame, SettingsForm, SettingsPages, Shared, Visit

HOUR_MS = 3_600_000
OVERLAPS = {"0": ("at once", 0), "1": ("for an hour", HOUR_MS), "24": ("for a day", 24 * HOUR_MS)}
"""What the old secret still works."""
KEEP = "keep"
SAID = {
    "saved": "Saved. The next request sees it.",
    "ended": "Only the present secret works now.",
    "disabled": "Switched off. Requests are refused, and answers under way have ended.",
    "enabled": "Switched on again.",
}


class KeyEditForm(SettingsForm, kw_only=True):
    """The fields of every form of this page; each form has some of them."""

    name: str = ""
    limit: str = ""
    usage_limit_type: str = ""
    expires_at: str = KEEP
    rpm: str = ""
    include_byok: str = ""
    allowed_models: str = ""
    allowed_providers: str = ""
    overlap: str = ""
    change: str = ""


class KeyView(Struct, frozen=True):
    """What `key.html` shows."""

    frame: Frame
    id: str
    name: str
    label: str
    calls_models: bool
    state: str
    created: str
    used: str
    expires: str
    spent: tuple[tuple[str, str], ...]
    """Today, this week and so on, in words -> how much."""
    limit: str
    left: str
    resets: str
    starts_again: str
    """When the limit does; "" if never."""
    olds: tuple[tuple[str, str], ...]
    """Labels of old secrets that still work, and until when."""
    form: KeyEditForm
    resets_offered: tuple[tuple[str, str], ...]
    expiries: tuple[tuple[str, str], ...]
    overlaps: tuple[tuple[str, str], ...]
    base_url: str
    secret: str = ""
    """The new one, this once."""
    overlap: str = ""


class KeyPage(SettingsPages[KeyEditForm]):
    """For who made the key, and who manages its workspace."""

    path = "/keys"
    right = Right.USE
    form = KeyEditForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        desk: KeyDesk,
        market: Callable[[], Market],
        base_url: str,
    ) -> None:
        super().__init__(shared)
        self._desk = desk
        self._market = market
        self._base_url = base_url

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        changes = (("edit", self.edit), ("rotate", self.rotate), ("end-old", self.end_old), ("switch", self.switch))
        posts = tuple((f"{self.path}/{{id}}/{name}", "POST", self.taking(do)) for name, do in changes)
        return form_routes(self.renderer, ((f"{self.path}/{{id}}", "GET", self.show), *posts))

    def overwritten(self, visit: Visit, name: str, form: KeyEditForm) -> Overwritten | None:
        """Everything but the secret."""
        id_ = visit.request.path_params["id"]
        return Overwritten(id_, "key.changed", f"{self.path}/{id_}") if name == "edit" else None

    async def show(self, request: Request) -> Response:
        """NotFound: another's key, which is as one that is not there."""
        actor = await self.door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(self.path))
        key = await self._desk.find(actor, request.path_params["id"])
        visit = await self.visit(request, key.workspace_id)
        return go_to(request, sign_in_path(self.path)) if visit is None else await self.page(visit)

    async def edit(self, visit: Visit, form: KeyEditForm) -> str:
        """Everything but the secret."""
        key = await self._key(visit)
        said: dict[str, Any] = {
            "name": form.name.strip(),
            "limit": form.limit.strip().removeprefix("$") or None,
            "limit_reset": form.usage_limit_type or None,
            "include_byok_in_limit": bool(form.include_byok),
            **narrowed(form.allowed_models, form.allowed_providers, form.rpm, self._market()),
        }
        if said["limit"] is None:
            said["limit_reset"] = None
        if form.expires_at != KEEP:
            said["expires_at"] = expires_of(form.expires_at, visit.now_ms)
        await self._desk.change(visit.actor, key.id, converted_form(said, ChangedKey), visit.now_ms)
        return "saved"

    async def rotate(self, visit: Visit, form: KeyEditForm) -> Response:
        """The page, with the new secret on it this once. Limit and what was spent stay the key's own."""
        if form.overlap not in OVERLAPS:
            raise InvalidRequest("overlap: choose how long the old secret still works", param="overlap")
        words, overlap_ms = OVERLAPS[form.overlap]
        key = await self._key(visit)
        try:
            _, secret = await self._desk.rotate(visit.actor, key.id, overlap_ms, visit.now_ms)
        except ConflictError:
            raise InvalidRequest("Somebody else has rotated this key just now: open the page again.") from None
        return await self.page(visit, secret=secret, overlap=words if overlap_ms else "")

    async def end_old(self, visit: Visit, form: KeyEditForm) -> str:
        """Before the overlap is over."""
        await self._desk.end_old(visit.actor, (await self._key(visit)).id, visit.now_ms)
        return "ended"

    async def switch(self, visit: Visit, form: KeyEditForm) -> str:
        """Off, and on again."""
        if form.change not in ("disable", "enable"):
            raise InvalidRequest("change: disable or enable", param="change")
        off = form.change == "disable"
        await self._desk.change(visit.actor, (await self._key(visit)).id, ChangedKey(disabled=off), visit.now_ms)
        return "disabled" if off else "enabled"

    def back(self, visit: Visit, done: str) -> Response:
        """The key's page, which says what was done."""
        return go_to(visit.request, f"{self.path}/{visit.request.path_params['id']}?done={done}")

    async def _key(self, visit: Visit) -> Key:
        return await self._desk.find(visit.actor, visit.request.path_params["id"])

    async def page(
        self, visit: Visit, form: KeyEditForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """What is set; after a mistake, what was typed in its place."""
        key, now_ms = await self._key(visit), visit.now_ms
        days, today = await spent_by_day(self.database, key.id), visit.now_ms // DAY_MS
        left = starts_again = ""
        if key.limit is not None:
            counted = counted_since(days, window_start(key.limit_reset, today), byok=key.include_byok)
            left = amount(max(0, key.limit - counted))
            if key.limit_reset is not None:
                starts_again = moment(window_end(key.limit_reset, today) * DAY_MS)
        expired = key.expires_ms is not None and key.expires_ms <= now_ms
        last_ms = max((each.last_ms for each in days), default=0)
        view = KeyView(
            frame=await self.frame(visit, error),
            id=key.id,
            name=key.name,
            label=key.label,
            calls_models=key.kind is KeyKind.INFERENCE,
            state="expired" if expired else "off" if key.disabled else "on",
            created=day(key.created_ms),
            used=moment(last_ms) if last_ms else "",
            expires=moment(key.expires_ms) if key.expires_ms is not None else "",
            spent=(
                ("today", amount(counted_since(days, today, byok=False))),
                ("in 7 days", amount(counted_since(days, today - 6, byok=False))),
                ("in 30 days", amount(counted_since(days, today - 29, byok=False))),
                ("in all", amount(counted_since(days, 0, byok=False))),
            ),
            limit=amount(key.limit) if key.limit is not None else "",
            left=left,
            resets=RESETS[key.limit_reset.value] if key.limit_reset else RESETS[""],
            starts_again=starts_again,
            olds=tuple(
                (each.label, moment(each.until_ms)) for each in await old_secrets(self.database, key.id, now_ms)
            ),
            form=form if form is not None and form.name else form_of(key),
            resets_offered=tuple(RESETS.items()),
            expiries=((KEEP, "as it is"), *EXPIRIES.items()),
            overlaps=tuple((value, words) for value, (words, _) in OVERLAPS.items()),
            base_url=self._base_url,
            secret=more.get("secret", ""),
            overlap=more.get("overlap", ""),
        )
        return self.answer(visit, "key.html", view, error)


def form_of(key: Key) -> KeyEditForm:
    """What is set, as the form has it."""
    return KeyEditForm(
        name=key.name,
        limit="" if key.limit is None else nanodollars_to_text(key.limit),
        usage_limit_type=key.limit_reset.value if key.limit_reset else "",
        rpm="" if key.rpm is None else str(key.rpm),
        include_byok="yes" if key.include_byok else "",
        allowed_models=", ".join(key.allowed_models or ()),
        allowed_providers=", ".join(key.allowed_providers or ()),
    )


def narrowed(models: str, providers: str, rpm: str, market: Market) -> dict[str, Any]:
    """What a key may ask for, as a form says it. InvalidRequest: a name that the catalog does not know."""
    found: dict[str, Any] = {"rpm": rpm.strip() or None}
    lists: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
        ("allowed_models", models, lambda each: market.catalog.resolve(each) is not None or each in market.levels),
        ("allowed_providers", providers, market.names.is_known),
    )
    for name, text, known in lists:
        names = [each for each in text.replace(",", " ").split() if each]
        if unknown := [each for each in names if not known(each)]:
            raise InvalidRequest(f"{name}: the catalog does not know {unknown[0][:100]!r}", param=name)
        found[name] = names or None
    return found
