"""Workspaces by name: made, changed and deleted by those who may, and what they want of each of their requests."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from tollway.domain.chat import Preferences, Slug
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.ledger import PLATFORM_ACCOUNTS
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import NO_SUCH_WORKSPACE, Actor, Member, Right, Role, Workspace
from tollway.domain.retention import Records
from tollway.domain.standing import Logging, WorkspaceSettings
from tollway.gateway.books import Books
from tollway.gateway.logging_wishes import check_logging, logging_after
from tollway.gateway.wishes import a_model, converted
from tollway.identity.audit_log import AuditLog
from tollway.identity.guest import WORKSPACE as GUESTS
from tollway.identity.ids import new_id
from tollway.storage import members
from tollway.storage.contents import drop_contents_of
from tollway.storage.database import ConflictError, Database
from tollway.storage.keys import active_keys
from tollway.storage.workspaces import NOTHING, find_settings, new_settings

Name = Annotated[str, Meta(min_length=1, max_length=100)]
WorkspaceSlug = Annotated[str, Meta(max_length=50, pattern="^[a-z0-9]+(?:-[a-z0-9]+)*$")]
Description = Annotated[str, Meta(max_length=500)]
LoggedKeys = Annotated[list[int | str], Meta(min_length=1, max_length=100)]
Sampling = Annotated[float, Meta(ge=0.0001, le=1)]
Sort = Literal["price", "throughput", "latency", "exacto"]
UNBUILT: dict[str, tuple[Any, ...]] = {
    "default_image_model": (None,),
    "disabled_server_tools": (None, []),
    "is_observability_broadcast_enabled": (False,),
}
"""OpenRouter's settings of what is not built here, and the values that change nothing: all others are refused."""


class ChangedWorkspace(Struct):
    """`PATCH /workspaces/{id}`: what is left out stays, null takes a setting away. `provider` is ours."""

    name: Name | UnsetType = UNSET
    slug: WorkspaceSlug | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    default_text_model: Slug | UnsetType | None = UNSET
    default_provider_sort: Sort | UnsetType | None = UNSET
    provider: dict[str, Any] | UnsetType | None = UNSET
    """As in a request: defaults, and for `only`, `ignore`, `data_collection`, `zdr`, `enforce_distillable_text` and
    `max_price` rules that no request widens."""
    default_image_model: str | UnsetType | None = UNSET
    disabled_server_tools: list[str] | UnsetType | None = UNSET
    io_logging_api_key_ids: LoggedKeys | UnsetType | None = UNSET
    """Numbers of keys, as OpenRouter has them, or their hashes."""
    io_logging_sampling_rate: Sampling | UnsetType = UNSET
    is_data_discount_logging_enabled: bool | UnsetType = UNSET
    is_observability_broadcast_enabled: bool | UnsetType = UNSET
    is_observability_io_logging_enabled: bool | UnsetType = UNSET


class NewWorkspace(ChangedWorkspace, kw_only=True):
    """`POST /workspaces`."""

    name: Name
    slug: WorkspaceSlug


class WorkspaceDesk:
    """What may be done to workspaces, and by whom."""

    def __init__(
        self,
        database: Database,
        books: Books,
        audit: AuditLog,
        forget_workspace: Callable[[str], None],
        records: Records,
    ) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._forget_workspace = forget_workspace
        """Settings changed: whoever has one of its keys in memory must read it again."""
        self._records = records

    async def list(self, actor: Actor, *, offset: int, limit: int) -> tuple[list[Workspace], int]:
        """The actor's own, oldest first, and how many there are."""
        found = [await members.find_workspace(self._database, id_) for id_ in sorted(actor.roles)]
        mine = sorted((each for each in found if each is not None), key=lambda each: (each.created_ms, each.id))
        return mine[offset : offset + limit], len(mine)

    async def find(self, actor: Actor, id_or_slug: str, right: Right = Right.SEE) -> Workspace:
        """NotFound: there is none, or the actor is no member, which is the same. Forbidden: the role is too low."""
        workspace = await members.find_workspace(self._database, id_or_slug)
        if workspace is None:
            raise NotFound(NO_SUCH_WORKSPACE)
        actor.require(right, workspace.id)
        return workspace

    async def settings(self, workspace: Workspace) -> WorkspaceSettings:
        """What it wants of each of its requests."""
        return await find_settings(self._database, workspace.id)

    async def create(self, actor: Actor, ask: NewWorkspace, now_ms: int) -> Workspace:
        """A workspace that belongs to the actor. Forbidden: a key that no user made has nobody to own it."""
        if actor.user is None:
            raise Forbidden("No user made this key, so that nobody would own the workspace: use a user's key.")
        id_ = new_id(now_ms)
        settings = await self._settled(id_, NOTHING, ask)
        workspace = Workspace(id_, ask.slug, ask.name, now_ms, ask.description or None, created_by=actor.user.id)
        await self._check_slug(workspace)
        changes = [
            *members.new_workspace(workspace),
            members.set_member(Member(workspace.id, actor.user.id, Role.OWNER, now_ms)),
        ]
        if settings != NOTHING:
            changes.append(new_settings(workspace.id, settings, now_ms))
        try:
            await self._audit.write(
                actor, "workspace.created", workspace.id, *changes,
                now_ms=now_ms, workspace_id=workspace.id, slug=workspace.slug,
            )  # fmt: skip
        except ConflictError:
            raise _slug_taken(workspace.slug) from None
        return workspace

    async def change(self, actor: Actor, id_or_slug: str, ask: ChangedWorkspace, now_ms: int) -> Workspace:
        """The next request sees it."""
        workspace = await self.find(actor, id_or_slug, Right.MANAGE)
        if workspace.id == GUESTS:
            raise InvalidRequest("Guests have no settings: their models are `guest.models`.")
        before = await find_settings(self._database, workspace.id)
        settings = await self._settled(workspace.id, before, ask)
        said = {name: value for name, value in structs.asdict(ask).items() if value is not UNSET}
        shown = {name: said[name] for name in ("name", "slug", "description") if name in said}
        new = structs.replace(workspace, **shown, updated_ms=now_ms)
        if new.slug != workspace.slug:
            await self._check_slug(new)
        changes = [members.set_workspace(new)]
        if settings != before:
            changes.append(new_settings(workspace.id, settings, now_ms))
        try:
            await self._audit.write(
                actor, "workspace.changed", workspace.id, *changes,
                now_ms=now_ms, workspace_id=workspace.id, fields=sorted(said),
            )  # fmt: skip
        except ConflictError:
            raise _slug_taken(new.slug) from None
        self._forget_workspace(workspace.id)
        return new

    async def delete(self, actor: Actor, id_or_slug: str, now_ms: int) -> None:
        """Its records stay. InvalidRequest: it is somebody's own, has working keys, or credits."""
        workspace = await self.find(actor, id_or_slug)
        if not await self._owns(actor, workspace.id):
            actor.require(Right.OWN, workspace.id)
        if workspace.personal or workspace.id == GUESTS:
            raise InvalidRequest("This workspace goes with its user; it can't be deleted by itself.")
        if working := await active_keys(self._database, workspace.id):
            raise InvalidRequest(f"This workspace has {working} working keys: delete or disable them first.")
        if left := await self._books.balance(workspace.id):
            raise InvalidRequest(
                f"This workspace has ${nanodollars_to_text(left)} of credits: spend them, or ask the operator."
            )
        await self._audit.write(
            actor, "workspace.deleted", workspace.id, *members.delete_workspace(workspace.id, now_ms),
            now_ms=now_ms, workspace_id=workspace.id, slug=workspace.slug,
        )  # fmt: skip
        self._forget_workspace(workspace.id)

    async def drop_contents(self, actor: Actor, id_or_slug: str, now_ms: int) -> None:
        """Deletes every prompt and answer that is kept for the workspace; its records stay."""
        workspace = await self.find(actor, id_or_slug, Right.MANAGE)
        await self._audit.write(
            actor, "workspace.contents_deleted", workspace.id, drop_contents_of(workspace.id),
            now_ms=now_ms, workspace_id=workspace.id,
        )  # fmt: skip

    async def _settled(self, workspace_id: str, before: WorkspaceSettings, ask: ChangedWorkspace) -> WorkspaceSettings:
        """The settings after a change. InvalidRequest names what can't be set."""
        settings = _settled(before, ask)
        logging = await logging_after(self._database, workspace_id, before.logging or Logging(), ask)
        settings = structs.replace(settings, logging=None if logging == Logging() else logging)
        check_logging(settings, self._records)
        return settings

    async def _owns(self, actor: Actor, workspace_id: str) -> bool:
        """Whether a key's own maker owns the workspace: such a key may delete it, as OpenRouter's may."""
        if actor.key_id is None or actor.user is None:
            return False
        held = await members.memberships_of(self._database, actor.user.id)
        return any(each.workspace_id == workspace_id and each.role is Role.OWNER for each in held)

    async def _check_slug(self, workspace: Workspace) -> None:
        """A slug that is another workspace's id or slug would name two."""
        other = await members.find_workspace(self._database, workspace.slug)
        if workspace.slug in PLATFORM_ACCOUNTS or (other is not None and other.id != workspace.id):
            raise _slug_taken(workspace.slug)


def _slug_taken(slug: str) -> InvalidRequest:
    return InvalidRequest(f"slug: {slug} is taken; choose another", param="slug")


def _settled(settings: WorkspaceSettings, ask: ChangedWorkspace) -> WorkspaceSettings:
    """The settings after a change. InvalidRequest names what can't be set."""
    for name, harmless in UNBUILT.items():
        value = getattr(ask, name)
        if value is not UNSET and value not in harmless:
            raise InvalidRequest(f"{name}: this is not built here; leave it out", param=name)
    model, provider = settings.default_model, settings.provider or Preferences()
    if ask.default_text_model is not UNSET:
        model = a_model(ask.default_text_model, "default_text_model") if ask.default_text_model else None
    if ask.provider is not UNSET:
        provider = converted({name: value for name, value in (ask.provider or {}).items() if value is not None})
    if ask.default_provider_sort is not UNSET:
        provider = structs.replace(provider, sort=ask.default_provider_sort)
    return structs.replace(settings, default_model=model, provider=None if provider == Preferences() else provider)
