"""`/presets`: named configurations of a workspace: made, looked at version by version, changed, switched off and on."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.identity import Key, KeyKind
from tollway.domain.people import Right
from tollway.domain.presets import PresetStatus, PresetVersion
from tollway.gateway.presets import Presets, found_preset
from tollway.gateway.wishes import SetPreset, set_preset
from tollway.storage.presets import count_presets, find_version, list_presets, list_versions
from tollway.storage.users import find_user
from tollway.web.account import Page, go_to, sign_in_path
from tollway.web.figures import moment
from tollway.web.forms import converted_form
from tollway.web.meanwhile import Change, ChangedMeanwhile, Overwritten, undisturbed, when
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit
from tollway.wire.openai_chat import server as openai_chat

SAID = {
    "saved": "Saved as a new version, which counts from the next request on.",
    "version": "This version counts from the next request on.",
    "status": "Saved. The next request sees it.",
}
PAGE = 100
VERSIONS_MAX = 1000
SAMPLE = '{\n  "model": "openai/gpt-4o-mini",\n  "temperature": 0.2\n}'


class PresetForm(SettingsForm, kw_only=True):
    """The fields of every form of these pages; each form has some of them."""

    slug: str = ""
    system: str = ""
    config: str = ""
    version: str = ""
    status: str = ""
    newest: str = ""
    """The newest version when the page was made."""


class ConfigAsk(Struct):
    """The JSON of a configuration."""

    config: dict[str, Any]


class ChoiceAsk(Struct):
    """What counts, or whether the preset does."""

    version: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    status: PresetStatus | None = None


class PresetLine(Struct, frozen=True):
    """A preset as the list shows it."""

    slug: str
    status: str
    changed: str


class PresetsView(Struct, frozen=True):
    """What `presets.html` shows."""

    frame: Frame
    lines: tuple[PresetLine, ...]
    more: int
    """How many are not shown."""
    form: PresetForm
    base_url: str


class VersionLine(Struct, frozen=True):
    """A version as the page shows it."""

    number: int
    made: str
    counts: bool
    shown: bool


class PresetView(Struct, frozen=True):
    """What `preset.html` shows."""

    frame: Frame
    slug: str
    status: str
    statuses: tuple[str, ...]
    versions: tuple[VersionLine, ...]
    newest: str
    number: int
    """Of the version that is shown."""
    form: PresetForm
    base_url: str


class PresetPages(SettingsPages[PresetForm]):
    """For everybody who may use the workspace: its presets are for all its keys."""

    path = "/presets"
    right = Right.USE
    form = PresetForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        presets: Presets,
        base_url: str,
    ) -> None:
        super().__init__(shared)
        self._presets = presets
        self._base_url = base_url

    def changes(self) -> Mapping[str, Do[PresetForm]]:
        """The list's own form, which is that of a preset, too."""
        return {"save": self.save}

    def pages(self) -> tuple[tuple[str, str, Page], ...]:
        """Of one preset."""
        one = f"{self.path}/{{slug}}"
        return ((one, "GET", self.show_one), (f"{one}/set", "POST", self.taking(self.set)))

    async def show_one(self, request: Request) -> Response:
        """NotFound: the workspace has no such preset."""
        visit = await self.visit(request, request.query_params.get("workspace", ""))
        return go_to(request, sign_in_path(self.path)) if visit is None else await self.page(visit)

    async def save(self, visit: Visit, form: PresetForm) -> Response:
        """A new preset, or a new version of the one with this slug."""
        try:
            found = msgspec.json.decode(form.config.strip() or "{}")
        except (msgspec.DecodeError, UnicodeError) as error:
            raise InvalidRequest(f"The configuration is no JSON: {error}.", param="config") from None
        config = converted_form({"config": found}, ConfigAsk).config
        system = [{"role": "system", "content": form.system}] if form.system.strip() else []
        body = {**config, "messages": [*system, {"role": "user", "content": "-"}]}
        asked = openai_chat.decode_request(msgspec.json.encode(body))
        maker = visit.actor.user.id if visit.actor.user else None
        key = Key("site", b"", visit.workspace.id, "site", "", KeyKind.INFERENCE, visit.now_ms, creator_user_id=maker)
        slug = form.slug.strip()
        place = visit.workspace.id
        over = Overwritten(f"{place} {slug}", "preset", f"{self.path}/{slug}?workspace={place}")
        async with undisturbed(self.database, None, over, form, visit.actor.name):
            await self._check_newest(visit, form, over)
            preset, _ = await self._presets.keep(key, slug, asked, visit.now_ms)
        return self._one(visit, preset.slug, "saved")

    async def _check_newest(self, visit: Visit, form: PresetForm, over: Overwritten) -> None:
        """ChangedMeanwhile: there is a newer version than when the form was opened."""
        if not form.newest.isdecimal() or len(form.newest) > 6:
            return
        preset, _ = await found_preset(self.database, visit.workspace.id, form.slug.strip())
        versions = await list_versions(self.database, preset.id, limit=VERSIONS_MAX, offset=0)
        me = visit.actor.user.id if visit.actor.user else ""
        newer = [each for each in reversed(versions) if each.version > int(form.newest) and each.creator_id != me]
        if newer:
            makers = {each.creator_id: await find_user(self.database, each.creator_id) for each in newer}
            names = {id_: user.email if user else "a key" for id_, user in makers.items()}
            raise ChangedMeanwhile(
                [Change(names[each.creator_id], f"version {each.version}", when(each.created_ms)) for each in newer],
                over.back,
                form,
            )

    async def set(self, visit: Visit, form: PresetForm) -> Response:
        """Another version counts, or the preset does not, or does again."""
        slug = visit.request.path_params["slug"]
        said = {name: value for name, value in (("version", form.version), ("status", form.status)) if value}
        ask = converted_form(said, ChoiceAsk)
        await set_preset(self.database, SetPreset(visit.workspace.id, slug, ask.status, ask.version), visit.now_ms)
        self._presets.forget(visit.workspace.id, slug)
        return self._one(visit, slug, "version" if ask.version is not None else "status")

    def _one(self, visit: Visit, slug: str, done: str) -> Response:
        return go_to(visit.request, f"{self.path}/{slug}?workspace={visit.workspace.id}&done={done}")

    async def page(
        self, visit: Visit, form: PresetForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """Of one preset where the URL names one, else the list."""
        if "slug" in visit.request.path_params:
            return await self._page_of_one(visit, form, error)
        found = await list_presets(self.database, visit.workspace.id, limit=PAGE, offset=0)
        view = PresetsView(
            frame=await self.frame(visit, error),
            lines=tuple(PresetLine(each.slug, each.status.value, moment(each.updated_ms)) for each in found),
            more=await count_presets(self.database, visit.workspace.id) - len(found),
            form=form or PresetForm(config=SAMPLE),
            base_url=self._base_url,
        )
        return self.answer(visit, "presets.html", view, error)

    async def _page_of_one(self, visit: Visit, form: PresetForm | None, error: TollwayError | None) -> Response:
        preset, counting = await found_preset(self.database, visit.workspace.id, visit.request.path_params["slug"])
        shown, asked = counting, visit.request.query_params.get("version", "")
        if asked.isascii() and asked.isdecimal() and len(asked) < 6:
            shown = await find_version(self.database, preset.id, int(asked)) or counting
        versions = await list_versions(self.database, preset.id, limit=VERSIONS_MAX, offset=0)
        view = PresetView(
            frame=await self.frame(visit, error),
            slug=preset.slug,
            status=preset.status.value,
            statuses=tuple(each.value for each in PresetStatus),
            versions=tuple(
                VersionLine(each.version, moment(each.created_ms), each.id == counting.id, each.id == shown.id)
                for each in reversed(versions)
            ),
            number=shown.version,
            newest=form.newest if form is not None and form.newest else str(versions[-1].version),
            form=form if form is not None and form.config else form_of(preset.slug, shown),
            base_url=self._base_url,
        )
        return self.answer(visit, "preset.html", view, error)


def form_of(slug: str, version: PresetVersion) -> PresetForm:
    """What a version says, as the form has it."""
    config = msgspec.json.format(msgspec.json.encode(version.config), indent=2).decode()
    return PresetForm(slug=slug, system=version.system_prompt or "", config=config)
