"""`/guardrails`: what some keys and members may ask for and spend: made, changed, assigned, deleted."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.content_filters import Action, Builtin, PatternFilter
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.guardrails import ZDR_OF, Guardrail, Guards
from tollway.domain.identity import Key
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Right
from tollway.gateway.guardrail_desk import ChangedGuardrail, GuardrailDesk, NewGuardrail, default_guardrail_id
from tollway.storage.guardrails import Kind
from tollway.storage.keys import find_key, keys_of_workspace
from tollway.storage.members import members_of, people_of
from tollway.web.account import Page, go_to, sign_in_path
from tollway.web.figures import amount, count
from tollway.web.forms import converted_form
from tollway.web.key_form import RESETS
from tollway.web.meanwhile import Overwritten
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit

SAID = {
    "changed": "Saved. The next request obeys.",
    "deleted": "The guardrail is gone, and counts for nobody.",
    "assigned": "Assigned. It counts from the next request on.",
    "unassigned": "It counts for them no more.",
}
KEYS_MAX = 500
"""To choose from on one page."""
FILTERS = {
    "email": (Builtin.EMAIL, "E-mail addresses"),
    "phone": (Builtin.PHONE, "Phone numbers"),
    "ssn": (Builtin.SSN, "US social security numbers"),
    "credit_card": (Builtin.CREDIT_CARD, "Credit card numbers"),
    "ip_address": (Builtin.IP_ADDRESS, "IP addresses"),
    "secrets": (Builtin.SECRETS, "Keys and passwords"),
    "injection": (Builtin.PROMPT_INJECTION, "Prompt injections"),
}
"""A form's field -> the built-in filter, and its name."""
ACTIONS = (
    ("", "let through"),
    ("block", "block: refuse the request"),
    ("redact", "redact: put a label in its place"),
    ("flag", "flag: only note it"),
)
AUTHORS = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google", "xai": "xAI", "other": "all others"}
_PATTERN = re.compile(r"(?P<action>\w+)(?: as (?P<label>[^:]{1,100}))?: ?(?P<pattern>.+)")


class GuardrailForm(SettingsForm, kw_only=True):
    """The fields of every form of these pages; each form has some of them."""

    name: str = ""
    description: str = ""
    allowed_models: str = ""
    ignored_models: str = ""
    allowed_providers: str = ""
    ignored_providers: str = ""
    training: str = ""
    free_training: str = ""
    zdr_openai: str = ""
    zdr_anthropic: str = ""
    zdr_google: str = ""
    zdr_xai: str = ""
    zdr_other: str = ""
    limit: str = ""
    reset: str = ""
    byok: str = ""
    email: str = ""
    phone: str = ""
    ssn: str = ""
    credit_card: str = ""
    ip_address: str = ""
    secrets: str = ""
    injection: str = ""
    injection_user_only: str = ""
    patterns: str = ""
    key: str = ""
    member: str = ""


class GuardrailLine(Struct, frozen=True):
    """A guardrail as the list shows it."""

    id: str
    name: str
    description: str
    default: bool
    rules: tuple[str, ...]
    counts_for: str


class GuardrailsView(Struct, frozen=True):
    """What `guardrails.html` shows."""

    frame: Frame
    lines: tuple[GuardrailLine, ...]
    form: GuardrailForm


class Assigned(Struct, frozen=True):
    """A key or a member that has a guardrail, or might."""

    id: str
    name: str


class GuardrailView(Struct, frozen=True):
    """What `guardrail.html` shows."""

    frame: Frame
    id: str
    name: str
    default: bool
    form: GuardrailForm
    resets: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, str], ...]
    filters: tuple[tuple[str, str, str], ...]
    """Field, name, and the action that is chosen."""
    zdr: tuple[tuple[str, str, bool], ...]
    """Field, author, and whether it is chosen."""
    keys: tuple[Assigned, ...]
    members: tuple[Assigned, ...]
    other_keys: tuple[Assigned, ...]
    other_members: tuple[Assigned, ...]


class GuardrailPages(SettingsPages[GuardrailForm]):
    """For who manages the workspace: the list, and a page for each guardrail."""

    path = "/guardrails"
    right = Right.MANAGE
    form = GuardrailForm
    said = SAID

    def __init__(self, shared: Shared, *, desk: GuardrailDesk) -> None:
        super().__init__(shared)
        self._desk = desk

    def changes(self) -> Mapping[str, Do[GuardrailForm]]:
        """The list's own form."""
        return {"create": self.create}

    def pages(self) -> tuple[tuple[str, str, Page], ...]:
        """Of one guardrail."""
        one = f"{self.path}/{{id}}"
        return (
            (one, "GET", self.show_one),
            (f"{one}/change", "POST", self.taking(self.change)),
            (f"{one}/assign", "POST", self.taking(self.assign)),
            (f"{one}/unassign", "POST", self.taking(self.unassign)),
            (f"{one}/delete", "POST", self.taking(self.delete)),
        )

    def overwritten(self, visit: Visit, name: str, form: GuardrailForm) -> Overwritten | None:
        """A guardrail's rules."""
        if name != "change":
            return None
        id_ = visit.request.path_params["id"]
        return Overwritten(id_, "guardrail.changed", f"{self.path}/{id_}?workspace={visit.workspace.id}")

    async def show_one(self, request: Request) -> Response:
        """NotFound: another workspace's, which is as one that is not there."""
        actor = await self.door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(self.path))
        found = await self._desk.find(actor, request.path_params["id"])
        visit = await self.visit(request, found.workspace_id)
        return go_to(request, sign_in_path(self.path)) if visit is None else await self.page(visit)

    async def create(self, visit: Visit, form: GuardrailForm) -> Response:
        """With a name and no rule yet; its page."""
        said = {"name": form.name.strip(), "description": form.description.strip() or None}
        ask = converted_form({**said, "workspace_id": visit.workspace.id}, NewGuardrail)
        made = await self._desk.create(visit.actor, ask, visit.now_ms)
        return go_to(visit.request, f"{self.path}/{made.id}")

    async def change(self, visit: Visit, form: GuardrailForm) -> Response:
        """All its rules at once."""
        ask = converted_form(asked(form), ChangedGuardrail)
        return self._done(visit, await self._desk.change(visit.actor, _id(visit), ask, visit.now_ms), "changed")

    async def assign(self, visit: Visit, form: GuardrailForm) -> Response:
        """To a key, or to a member: each has one at most, and now this one."""
        found = await self._desk.find(visit.actor, _id(visit))
        await self._desk.assign(visit.actor, *_whom(form, found.id), visit.now_ms)
        return self._done(visit, found, "assigned")

    async def unassign(self, visit: Visit, form: GuardrailForm) -> Response:
        """The other way."""
        found = await self._desk.find(visit.actor, _id(visit))
        await self._desk.unassign(visit.actor, *_whom(form, found.id), visit.now_ms)
        return self._done(visit, found, "unassigned")

    async def delete(self, visit: Visit, form: GuardrailForm) -> str:
        """The default one only loses its rules."""
        await self._desk.delete(visit.actor, _id(visit), visit.now_ms)
        return "deleted"

    def _done(self, visit: Visit, found: Guardrail, done: str) -> Response:
        return go_to(visit.request, f"{self.path}/{found.id}?done={done}")

    async def page(
        self, visit: Visit, form: GuardrailForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """Of one guardrail where the URL names one, else the list."""
        if "id" in visit.request.path_params:
            return await self._one(visit, form, error)
        found = await self._desk.list(visit.actor, visit.workspace.id)
        default = default_guardrail_id(visit.workspace.id)
        if default not in {each.id for each in found}:
            found = [await self._desk.find(visit.actor, default), *found]
        held = {
            kind: [each.guardrail_id for each in await self._desk.assigned(visit.actor, kind, None, visit.workspace.id)]
            for kind in _KINDS
        }
        lines = [
            GuardrailLine(
                id=each.id,
                name=each.name,
                description=each.description or "",
                default=each.default or each.id == default,
                rules=rules_in_words(each.guards),
                counts_for="everybody"
                if each.id == default
                else f"{count(held['keys'].count(each.id), 'key')}, {count(held['members'].count(each.id), 'member')}",
            )
            for each in found
        ]
        view = GuardrailsView(await self.frame(visit, error), tuple(lines), form or GuardrailForm())
        return self.answer(visit, "guardrails.html", view, error)

    async def _one(self, visit: Visit, form: GuardrailForm | None, error: TollwayError | None) -> Response:
        found = await self._desk.find(visit.actor, _id(visit))
        shown = form if form is not None and form.name else form_of(found)
        keys = await self._with_names(visit, found, "keys")
        members = await self._with_names(visit, found, "members")
        people = await people_of(self.database, found.workspace_id)
        offered = await keys_of_workspace(
            self.database, found.workspace_id, creator=None, disabled=True, offset=0, limit=KEYS_MAX
        )
        have = {each.id for each in (*keys, *members)}
        view = GuardrailView(
            frame=await self.frame(visit, error),
            id=found.id,
            name=found.name,
            default=found.id == default_guardrail_id(found.workspace_id),
            form=shown,
            resets=tuple(RESETS.items()),
            actions=ACTIONS,
            filters=tuple((field, words, getattr(shown, field)) for field, (_, words) in FILTERS.items()),
            zdr=tuple((f"zdr_{each}", name, bool(getattr(shown, f"zdr_{each}"))) for each, name in AUTHORS.items()),
            keys=keys,
            members=members,
            other_keys=tuple(Assigned(each.id, _named(each)) for each in offered if each.id not in have),
            other_members=tuple(
                Assigned(each.user_id, people.get(each.user_id, ("", ""))[0])
                for each in await members_of(self.database, found.workspace_id)
                if each.user_id not in have
            ),
        )
        return self.answer(visit, "guardrail.html", view, error)

    async def _with_names(self, visit: Visit, found: Guardrail, kind: Kind) -> tuple[Assigned, ...]:
        """Who has it."""
        held = await self._desk.assigned(visit.actor, kind, found.id, None)
        if kind == "members":
            people = await people_of(self.database, found.workspace_id)
            return tuple(Assigned(each.to, people.get(each.to, ("somebody who left", ""))[0]) for each in held)
        keys = [await find_key(self.database, each.to) for each in held]
        return tuple(Assigned(key.id, _named(key)) for key in keys if key is not None)


_KINDS: tuple[Kind, Kind] = ("keys", "members")


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["id"])


def _named(key: Key) -> str:
    return f"{key.name} ({key.label})"


def _whom(form: GuardrailForm, guardrail_id: str) -> tuple[Kind, str, Sequence[str]]:
    """InvalidRequest: nobody was chosen."""
    if form.key:
        return "keys", guardrail_id, (form.key,)
    if form.member:
        return "members", guardrail_id, (form.member,)
    raise InvalidRequest("Choose a key or a member first.")


def asked(form: GuardrailForm) -> dict[str, Any]:
    """All rules that a form says, as the desk is asked for them. InvalidRequest: a line of patterns that is none."""
    said: dict[str, Any] = {"name": form.name.strip(), "description": form.description.strip() or None}
    for name in ("allowed_models", "ignored_models", "allowed_providers", "ignored_providers"):
        said[name] = [each for each in getattr(form, name).replace(",", " ").split() if each] or None
    limit = form.limit.strip().removeprefix("$").replace(",", "")
    said |= {"limit_usd": limit or None, "reset_interval": form.reset or None if limit else None}
    said["include_byok_in_budgets"] = bool(form.byok)
    said["enable_paid_model_training"] = bool(form.training)
    said["enable_free_model_training"] = bool(form.free_training)
    said |= {f"enforce_zdr_{each}": bool(getattr(form, f"zdr_{each}")) for each in ZDR_OF}
    said["content_filter_builtins"] = [
        {"slug": builtin.value, "action": getattr(form, field)}
        for field, (builtin, _) in FILTERS.items()
        if getattr(form, field)
    ]
    for each in said["content_filter_builtins"]:
        if each["slug"] == Builtin.PROMPT_INJECTION.value and form.injection_user_only:
            each["scan_scope"] = "user_only"
    said["content_filters"] = patterns_of(form.patterns)
    return said


def patterns_of(text: str) -> list[dict[str, str]]:
    """One a line: `block: expression`, or `redact as LABEL: expression`. InvalidRequest: a line that is neither."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        match = _PATTERN.fullmatch(line.strip())
        if match is None or match["action"] not in set(Action):
            raise InvalidRequest(
                f"Own expressions: {line[:80]!r} is none; write block, redact or flag, a colon, and the expression",
                param="patterns",
            )
        found.append({name: value for name, value in match.groupdict().items() if value is not None})
    return found


def pattern_line(found: PatternFilter) -> str:
    """As `patterns_of` reads it."""
    label = f" as {found.label}" if found.label else ""
    return f"{found.action.value}{label}: {found.pattern}"


def form_of(found: Guardrail) -> GuardrailForm:
    """A guardrail's rules, as its form has them."""
    guards = found.guards
    form = GuardrailForm(
        name=found.name,
        description=found.description or "",
        allowed_models=", ".join(guards.allowed_models or ()),
        ignored_models=", ".join(guards.ignored_models),
        allowed_providers=", ".join(guards.allowed_providers or ()),
        ignored_providers=", ".join(guards.ignored_providers),
        training="yes" if guards.training else "",
        free_training="yes" if guards.trains_free else "",
        limit="" if guards.limit is None else nanodollars_to_text(guards.limit),
        reset=guards.reset.value if guards.reset else "",
        byok="yes" if guards.byok else "",
        patterns="\n".join(pattern_line(each) for each in guards.patterns),
    )
    for group in guards.zdr_of:
        setattr(form, f"zdr_{group}", "yes")
    fields = {builtin: field for field, (builtin, _) in FILTERS.items()}
    for each in guards.builtins:
        setattr(form, fields[each.slug], each.action.value)
        if each.user_only:
            form.injection_user_only = "yes"
    return form


def rules_in_words(guards: Guards) -> tuple[str, ...]:
    """What a guardrail says, shortly."""
    found = []
    if guards.limit is not None:
        found.append(f"{amount(guards.limit)} {RESETS[guards.reset.value] if guards.reset else RESETS['']}")
    for names, words in (
        (guards.allowed_models, "allowed"),
        (guards.ignored_models or None, "ignored"),
    ):
        if names is not None:
            found.append(f"{count(len(names), 'model')} {words}")
    for names, words in ((guards.allowed_providers, "allowed"), (guards.ignored_providers or None, "ignored")):
        if names is not None:
            found.append(f"{count(len(names), 'provider')} {words}")
    if not guards.training or not guards.trains_free:
        found.append("no training" if not (guards.training or guards.trains_free) else "training in part")
    if guards.zdr_of:
        found.append("zero retention" if set(guards.zdr_of) == set(ZDR_OF) else "zero retention in part")
    if filters := len(guards.patterns) + len(guards.builtins):
        found.append(count(filters, "content filter"))
    return tuple(found)
