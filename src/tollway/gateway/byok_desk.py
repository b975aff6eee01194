"""BYOK: a workspace's own credentials, made, changed and deleted by who manages it, used by the next request."""

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from tollway.domain.byok import Credential, Wishes
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.people import Actor, Right
from tollway.gateway.own_keys import OwnKeys, opened_by
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.identity.credentials import place_of
from tollway.identity.ids import new_id
from tollway.routing.market import Market
from tollway.storage import byok
from tollway.storage.database import Database
from tollway.storage.keys import find_key
from tollway.storage.members import members_of

Name = Annotated[str, Meta(max_length=255)]
Secret = Annotated[str, Meta(min_length=1, max_length=65_536)]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=255)], ...], Meta(max_length=100)]
Hashes = Annotated[tuple[Annotated[str, Meta(pattern="^[a-f0-9]{64}$")], ...], Meta(min_length=1, max_length=100)]
Order = Annotated[int, Meta(ge=-(10**6), le=10**6)]
CREDENTIALS_MAX = 100
"""Of one workspace: each is looked at when one of its keys is read."""
NO_SUCH = "There is no such BYOK credential."


class NewCredential(Struct):
    """`POST /byok` (OPENROUTER.md 8.6)."""

    provider: Annotated[str, Meta(min_length=1, max_length=100)]
    key: Secret
    workspace_id: str | None = None
    name: Name | None = None
    disabled: bool = False
    is_fallback: bool = False
    is_required: bool = False
    is_byok_only: bool = False
    declared_zdr: bool | None = None
    declared_region: Annotated[str, Meta(max_length=64)] | None = None
    allowed_models: Names | None = None
    allowed_api_key_hashes: Hashes | None = None
    allowed_user_ids: Names | None = None
    sort_order: Order = 0


class ChangedCredential(Struct):
    """`PATCH /byok/{id}`: what is left out stays, null takes a restriction away."""

    key: Secret | UnsetType = UNSET
    name: Name | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET
    is_fallback: bool | UnsetType = UNSET
    is_required: bool | UnsetType = UNSET
    is_byok_only: bool | UnsetType = UNSET
    declared_zdr: bool | UnsetType | None = UNSET
    declared_region: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    allowed_models: Names | UnsetType | None = UNSET
    allowed_api_key_hashes: Hashes | UnsetType | None = UNSET
    allowed_user_ids: Names | UnsetType | None = UNSET
    sort_order: Order | UnsetType = UNSET


class ByokDesk:
    """Secrets come in here and go out nowhere; only an attempt opens them."""

    def __init__(
        self,
        database: Database,
        audit: AuditLog,
        own: OwnKeys,
        market: Callable[[], Market],
        forget_workspace: Callable[[str], None],
    ) -> None:
        self._database = database
        self._audit = audit
        self._own = own
        self._market = market
        self._forget_workspace = forget_workspace

    async def list(
        self, actor: Actor, workspace_id: str | None, provider: str | None, *, offset: int, limit: int
    ) -> tuple[list[Credential], int]:
        """A page, and how many there are."""
        workspace_id = actor.workspace(workspace_id, Right.MANAGE)
        found = await byok.credentials_of(self._database, workspace_id)
        if provider is not None:
            slug = self._slug(provider)
            found = [each for each in found if each.provider == slug]
        found.sort(key=lambda each: (each.provider, each.wishes.sort_order, each.created_ms, each.id))
        return found[offset : offset + limit], len(found)

    async def find(self, actor: Actor, credential_id: str) -> Credential:
        """NotFound: there is none, or it is another workspace's, which is the same."""
        found = await byok.find_credential(self._database, credential_id)
        if found is None or not actor.may(Right.SEE, found.workspace_id):
            raise NotFound(NO_SUCH)
        actor.require(Right.MANAGE, found.workspace_id)
        return found

    async def create(self, actor: Actor, ask: NewCredential, now_ms: int) -> Credential:
        """InvalidRequest: an unknown provider, a key that is not of its form, or names that are not known."""
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.MANAGE)
        if len(await byok.credentials_of(self._database, workspace_id)) >= CREDENTIALS_MAX:
            raise InvalidRequest(f"A workspace can have {CREDENTIALS_MAX} keys of its own; delete one first.")
        provider = self._slug(ask.provider)
        wishes = await self._checked(workspace_id, {name: getattr(ask, name) for name in Wishes.__struct_fields__})
        deployed = self._deployed(provider, ask.key)
        id_ = new_id(now_ms)
        async with self._own.ring.lock:
            credential = Credential(
                id=id_,
                workspace_id=workspace_id,
                provider=provider,
                label=masked(ask.key),
                created_ms=now_ms,
                version=1,
                sealed=self._own.ring.seal(ask.key, (workspace_id, provider, id_, 1)),
                wishes=Wishes(**wishes),
                deployed=deployed,
            )
            await self._audit.write(
                actor, "byok.created", id_, byok.new_credential(credential),
                now_ms=now_ms, workspace_id=workspace_id, provider=provider,
            )  # fmt: skip
        self._forget_workspace(workspace_id)
        return credential

    async def change(self, actor: Actor, credential_id: str, ask: ChangedCredential, now_ms: int) -> Credential:
        """The next request sees it. A new secret takes the place of the old one, which is gone."""
        before = await self.find(actor, credential_id)
        changes = {name: value for name, value in structs.asdict(ask).items() if value is not UNSET}
        key = changes.pop("key", None)
        wishes = structs.replace(before.wishes, **await self._checked(before.workspace_id, changes))
        after = structs.replace(before, wishes=wishes)
        if key is not None:
            after = structs.replace(
                after, version=before.version + 1, label=masked(key), deployed=self._deployed(before.provider, key)
            )
            changes["key"] = None
        async with self._own.ring.lock:
            if key is not None:
                after = structs.replace(after, sealed=self._own.ring.seal(key, place_of(after)))
            await self._audit.write(
                actor, "byok.changed", before.id, byok.set_credential(after, secret=key is not None),
                now_ms=now_ms, workspace_id=before.workspace_id, fields=sorted(changes),
            )  # fmt: skip
        self._forget_workspace(before.workspace_id)
        return after

    async def delete(self, actor: Actor, credential_id: str, now_ms: int) -> None:
        """The secret is wiped; requests under way may still use what they have opened."""
        found = await self.find(actor, credential_id)
        await self._audit.write(
            actor, "byok.deleted", found.id, byok.delete_credential(found.id, now_ms),
            now_ms=now_ms, workspace_id=found.workspace_id,
        )  # fmt: skip
        self._forget_workspace(found.workspace_id)

    def _slug(self, provider: str) -> str:
        market = self._market()
        slug = market.names.slugs.get(provider.lower(), provider)
        if slug not in market.known:
            raise InvalidRequest(f"provider: {provider[:100]!r} is no provider of the catalog", param="provider")
        return slug

    def _deployed(self, provider: str, key: str) -> tuple[str, ...] | None:
        """The models that a key names. InvalidRequest: it is not of its provider's form."""
        market = self._market()
        if not key.isprintable() and not key.lstrip().startswith(("{", "[")):
            raise InvalidRequest("key: holds a letter that no key has", param="key")
        try:
            opened = opened_by(market.known[provider], key)
        except ValueError as error:
            raise InvalidRequest(f"key: {error}", param="key") from None
        if opened.deployments is None:
            return None
        models = {model: market.catalog.resolve(model) for model, _, _ in opened.deployments}
        if unknown := [model for model, found in models.items() if found is None]:
            raise InvalidRequest(f"key: the catalog has no model {unknown[0][:100]!r}", param="key")
        return tuple(found.id for found in models.values() if found is not None)

    async def _checked(self, workspace_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The same, with models by their ids. InvalidRequest: a model, a key or a user that is not there."""
        if fields.get("allowed_models"):
            catalog = self._market().catalog
            known = {name: catalog.resolve(name) for name in fields["allowed_models"]}
            if unknown := [name for name, model in known.items() if model is None]:
                raise InvalidRequest(
                    f"allowed_models: the catalog has no model {unknown[0][:100]!r}", param="allowed_models"
                )
            fields = fields | {"allowed_models": tuple(model.id for model in known.values() if model is not None)}
        for key_id in fields.get("allowed_api_key_hashes") or ():
            key = await find_key(self._database, key_id)
            if key is None or key.workspace_id != workspace_id:
                raise InvalidRequest(
                    f"allowed_api_key_hashes: the workspace has no key {key_id[:12]}…", param="allowed_api_key_hashes"
                )
        if fields.get("allowed_user_ids"):
            members = {each.user_id for each in await members_of(self._database, workspace_id)}
            if unknown := [each for each in fields["allowed_user_ids"] if each not in members]:
                raise InvalidRequest(
                    f"allowed_user_ids: {unknown[0][:64]!r} is no member of the workspace", param="allowed_user_ids"
                )
        return fields


def masked(key: str) -> str:
    """A few characters, of a key that is long enough to spare them; nothing of a form in JSON but what it is."""
    key = key.strip()
    if key.startswith(("{", "[")):
        return "JSON"
    return f"{key[:3]}...{key[-4:]}" if len(key) >= 20 else "..."
