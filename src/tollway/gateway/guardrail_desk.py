"""Guardrails by name: made, changed, assigned to keys and members by those who manage the workspace."""

import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from tollway.domain.content_filters import Action, Builtin, BuiltinFilter, PatternFilter
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.guardrails import ZDR_OF, Assignment, Guardrail, Guards
from tollway.domain.identity import LimitReset
from tollway.domain.people import Actor, Right
from tollway.gateway.books import Books
from tollway.gateway.key_desk import checked_limit
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.limits.content_filters import compiled_pattern
from tollway.storage import guardrails as rows
from tollway.storage.database import Database
from tollway.storage.keys import find_key
from tollway.storage.members import members_of

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(max_length=1000)]
Ids = Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
_DEFAULTS = uuid.UUID("6f1f2f5e-64f2-4d3c-9b9f-7d0f3c1f2a10")
"""Made up once: what ids of default guardrails are derived in."""
Label = Annotated[str, Meta(min_length=1, max_length=100)]
FILTERS_MAX = 100
UNFINDABLE = ("person-name", "address")
"""OpenRouter's built-ins that want a language model."""
NO_SUCH = "There is no such guardrail."
UNBUILT: dict[str, tuple[Any, ...]] = {
    "allow_safety_retention_google": (None, True),
    "allow_safety_retention_other": (None, True),
    "enable_free_model_publication": (None, True),
}
"""OpenRouter's fields of what is not built here, and the values that ask for nothing: all others are refused."""


class AskedPattern(Struct):
    """One of `content_filters`."""

    pattern: str
    action: Action
    label: Label | None = None


class AskedBuiltin(Struct):
    """One of `content_filter_builtins`. A label is taken and ignored, as OpenRouter does."""

    slug: str
    action: Action
    label: str | None = None
    scan_scope: Literal["user_only", "all_messages"] | None = None


class ChangedGuardrail(Struct):
    """`PATCH /guardrails/{id}`: what is left out stays, null takes a rule away."""

    name: Name | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    allowed_models: Names | UnsetType | None = UNSET
    ignored_models: Names | UnsetType | None = UNSET
    allowed_providers: Names | UnsetType | None = UNSET
    ignored_providers: Names | UnsetType | None = UNSET
    enforce_zdr: bool | UnsetType | None = UNSET
    enforce_zdr_anthropic: bool | UnsetType | None = UNSET
    enforce_zdr_google: bool | UnsetType | None = UNSET
    enforce_zdr_openai: bool | UnsetType | None = UNSET
    enforce_zdr_xai: bool | UnsetType | None = UNSET
    enforce_zdr_other: bool | UnsetType | None = UNSET
    enable_free_model_training: bool | UnsetType | None = UNSET
    enable_paid_model_training: bool | UnsetType | None = UNSET
    enable_free_model_publication: bool | UnsetType | None = UNSET
    allow_safety_retention_google: bool | UnsetType | None = UNSET
    allow_safety_retention_other: bool | UnsetType | None = UNSET
    allowed_data_regions: list[Literal["global", "europe", "us"]] | UnsetType | None = UNSET
    limit_usd: Decimal | UnsetType | None = UNSET
    reset_interval: LimitReset | UnsetType | None = UNSET
    include_byok_in_budgets: bool | UnsetType = UNSET
    content_filters: Annotated[list[AskedPattern], Meta(max_length=FILTERS_MAX)] | UnsetType | None = UNSET
    content_filter_builtins: Annotated[list[AskedBuiltin], Meta(max_length=FILTERS_MAX)] | UnsetType | None = UNSET


class NewGuardrail(ChangedGuardrail, kw_only=True):
    """`POST /guardrails`."""

    name: Name
    workspace_id: str | None = None


class Keys(Struct):
    key_hashes: Ids


class Users(Struct):
    member_user_ids: Ids


Found = list[Guardrail]
Assigned = list[Assignment]


class GuardrailDesk:
    """All is for those who manage the workspace. The next request sees each change."""

    def __init__(
        self, database: Database, books: Books, audit: AuditLog, forget_workspace: Callable[[str], None]
    ) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._forget_workspace = forget_workspace

    async def list(self, actor: Actor, workspace_id: str | None) -> Found:
        """Oldest first."""
        return await rows.guardrails_of(self._database, actor.workspace(workspace_id, Right.MANAGE))

    async def find(self, actor: Actor, guardrail_id: str) -> Guardrail:
        """A workspace's default one is there before it is written, and says nothing. NotFound: none, or hidden."""
        found = await rows.find_guardrail(self._database, guardrail_id)
        if found is None:
            for workspace_id in actor.roles:
                if default_guardrail_id(workspace_id) == guardrail_id:
                    found = Guardrail(guardrail_id, workspace_id, "Default", None, Guards(), 0, default=True)
        if found is None or not actor.may(Right.MANAGE, found.workspace_id):
            raise NotFound(NO_SUCH)
        return found

    async def create(self, actor: Actor, ask: NewGuardrail, now_ms: int) -> Guardrail:
        """It counts for nobody until it is assigned."""
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.MANAGE)
        description = ask.description if isinstance(ask.description, str) else None
        guards = _guards(Guards(), ask)
        made = Guardrail(new_id(now_ms), workspace_id, ask.name, description, guards, now_ms)
        await self._write(actor, "guardrail.created", made, now_ms)
        return made

    async def change(self, actor: Actor, guardrail_id: str, ask: ChangedGuardrail, now_ms: int) -> Guardrail:
        found = await self.find(actor, guardrail_id)
        said = {name: getattr(ask, name) for name in ("name", "description") if getattr(ask, name) is not UNSET}
        new = structs.replace(
            found, **said, guards=_guards(found.guards, ask), updated_ms=now_ms, created_ms=found.created_ms or now_ms
        )
        await self._write(actor, "guardrail.changed", new, now_ms)
        return new

    async def delete(self, actor: Actor, guardrail_id: str, now_ms: int) -> None:
        """Whom it was assigned to have none. The default one says nothing any more."""
        found = await self.find(actor, guardrail_id)
        await self._audit.write(
            actor, "guardrail.deleted", found.id, *rows.delete_guardrail(found.id),
            now_ms=now_ms, workspace_id=found.workspace_id,
        )  # fmt: skip
        await self._obey(found.workspace_id)

    async def assigned(self, actor: Actor, kind: rows.Kind, guardrail_id: str | None, wanted: str | None) -> Assigned:
        """Assignments of one guardrail, or of all of a workspace: `wanted`, or the actor's own."""
        if guardrail_id is None:
            return await rows.assignments_of(self._database, kind, actor.workspace(wanted, Right.MANAGE))
        found = await self.find(actor, guardrail_id)
        listed = await rows.assignments_of(self._database, kind, found.workspace_id)
        return [each for each in listed if each.guardrail_id == found.id]

    async def assign(self, actor: Actor, kind: rows.Kind, guardrail_id: str, to: Sequence[str], now_ms: int) -> int:
        """How many have it now that had not. NotFound: a key or member that is not the workspace's."""
        found = await self.find(actor, guardrail_id)
        wanted = list(dict.fromkeys(to))
        await self._check_own(kind, found.workspace_id, wanted)
        held = {each.to for each in await self.assigned(actor, kind, found.id, None)}
        by = actor.user.id if actor.user else None
        new = [Assignment(found.id, each, found.workspace_id, by, now_ms) for each in wanted if each not in held]
        if new:
            changes = [rows.assign(kind, new)]
            if found.created_ms == 0:
                changes.insert(0, rows.set_guardrail(structs.replace(found, created_ms=now_ms)))
            await self._audit.write(
                actor, f"guardrail.{kind}_assigned", found.id, *changes,
                now_ms=now_ms, workspace_id=found.workspace_id, to=[each.to for each in new],
            )  # fmt: skip
            await self._obey(found.workspace_id)
        return len(new)

    async def unassign(self, actor: Actor, kind: rows.Kind, guardrail_id: str, to: Sequence[str], now_ms: int) -> int:
        """How many had it."""
        found = await self.find(actor, guardrail_id)
        held = {each.to for each in await self.assigned(actor, kind, found.id, None)}
        leaving = [each for each in dict.fromkeys(to) if each in held]
        if leaving:
            await self._audit.write(
                actor, f"guardrail.{kind}_unassigned", found.id, rows.unassign(kind, found.id, leaving),
                now_ms=now_ms, workspace_id=found.workspace_id, to=leaving,
            )  # fmt: skip
            await self._obey(found.workspace_id)
        return len(leaving)

    async def _write(
        self, actor: Actor, action: Literal["guardrail.created", "guardrail.changed"], new: Guardrail, now_ms: int
    ) -> None:
        await self._audit.write(
            actor, action, new.id, rows.set_guardrail(new), now_ms=now_ms, workspace_id=new.workspace_id
        )
        await self._obey(new.workspace_id)

    async def _obey(self, workspace_id: str) -> None:
        """The next request does."""
        self._forget_workspace(workspace_id)
        await self._books.change_budgets(workspace_id)

    async def _check_own(self, kind: rows.Kind, workspace_id: str, wanted: Sequence[str]) -> None:
        if kind == "members":
            known = {each.user_id for each in await members_of(self._database, workspace_id)}
            if not known.issuperset(wanted):
                raise NotFound("There is no such member.")
            return
        for key_id in wanted:
            key = await find_key(self._database, key_id)
            if key is None or key.workspace_id != workspace_id:
                raise NotFound("There is no such key.")


def default_guardrail_id(workspace_id: str) -> str:
    """Always the same for a workspace, whether that guardrail was written or not (OPENROUTER.md 8.8)."""
    return str(uuid.uuid5(_DEFAULTS, f"guardrail {workspace_id}"))


def _guards(guards: Guards, ask: ChangedGuardrail) -> Guards:
    """The rules after a change. InvalidRequest: a rule that is not built."""
    for name, harmless in UNBUILT.items():
        value = getattr(ask, name)
        if value is not UNSET and value not in harmless:
            raise InvalidRequest(f"{name}: guardrails have none here; leave it out", param=name)
    changes: dict[str, Any] = {}
    for name in ("allowed_models", "allowed_providers"):
        if (value := getattr(ask, name)) is not UNSET:
            changes[name] = value
    for name in ("ignored_models", "ignored_providers"):
        if (value := getattr(ask, name)) is not UNSET:
            changes[name] = value or ()
    changes |= _budget(guards, ask)
    zdr = set(guards.zdr_of)
    if ask.enforce_zdr is not UNSET:
        zdr = set(ZDR_OF) if ask.enforce_zdr else set()
    for group in ZDR_OF:
        if (value := getattr(ask, f"enforce_zdr_{group}")) is not UNSET:
            zdr = zdr | {group} if value else zdr - {group}
    asked_free, asked_paid = ask.enable_free_model_training, ask.enable_paid_model_training
    free = guards.trains_free if asked_free is UNSET else asked_free is not False
    paid = guards.training if asked_paid is UNSET else asked_paid is not False
    changes |= {"training": paid, "free_training": None if free is paid else free}
    if isinstance(ask.allowed_data_regions, list) and "global" not in ask.allowed_data_regions:
        raise InvalidRequest(
            'allowed_data_regions: this server is one region, "global"; without it nothing would be allowed',
            param="allowed_data_regions",
        )
    changes |= _filters(ask)
    return structs.replace(guards, **changes, zdr_of=tuple(each for each in ZDR_OF if each in zdr))


def _budget(guards: Guards, ask: ChangedGuardrail) -> dict[str, Any]:
    """What a guardrail lets be spent, after a change. InvalidRequest: no amount, or an interval without one."""
    limit = guards.limit
    if ask.limit_usd is not UNSET:
        limit = None if ask.limit_usd is None else checked_limit(ask.limit_usd, "limit_usd")
    reset = guards.reset if ask.reset_interval is UNSET else ask.reset_interval
    if limit is None:
        if isinstance(ask.reset_interval, LimitReset):
            raise InvalidRequest("reset_interval: there is no limit_usd that could start again", param="reset_interval")
        reset = None
    byok = guards.byok if ask.include_byok_in_budgets is UNSET else ask.include_byok_in_budgets
    return {"limit": limit, "reset": reset, "byok": byok}


def _filters(ask: ChangedGuardrail) -> dict[str, Any]:
    """Content filters, after a change. InvalidRequest: an expression or a built-in that there is not."""
    changes: dict[str, Any] = {}
    if ask.content_filters is not UNSET:
        for number, each in enumerate(ask.content_filters or ()):
            compiled_pattern(each.pattern, f"content_filters[{number}].pattern")
        changes["patterns"] = tuple(
            PatternFilter(each.pattern, each.action, each.label) for each in ask.content_filters or ()
        )
    if ask.content_filter_builtins is not UNSET:
        changes["builtins"] = tuple(_builtin(each) for each in ask.content_filter_builtins or ())
    return changes


def _builtin(ask: AskedBuiltin) -> BuiltinFilter:
    try:
        slug = Builtin(ask.slug)
    except ValueError:
        why = (
            "is nothing that expressions can find, and not built" if ask.slug in UNFINDABLE else "is no built-in filter"
        )
        known = ", ".join(Builtin)
        raise InvalidRequest(
            f"content_filter_builtins: {ask.slug[:40]!r} {why}; there are {known}", param="content_filter_builtins"
        ) from None
    user_only = ask.scan_scope == "user_only"
    if user_only and slug is not Builtin.PROMPT_INJECTION:
        raise InvalidRequest(
            f"content_filter_builtins: scan_scope is for {Builtin.PROMPT_INJECTION.value} alone",
            param="content_filter_builtins",
        )
    return BuiltinFilter(slug, ask.action, user_only)
