"""Keys by name: made, changed and deleted by those who may, seen at once by whoever has them in memory."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType, structs

from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.domain.money import Nanodollars, nanodollars_from_text
from tollway.domain.people import Actor, Right
from tollway.gateway.books import Books
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.identity.keys import PREFIXES, PROVISIONING_PREFIX, issue_key, renew_secret
from tollway.storage import keys
from tollway.storage.database import Database, Statement
from tollway.storage.keys import ROOM_LABEL
from tollway.storage.rotated_secrets import end_old_secrets, rotate_secret

PAGE = 100
"""Keys in an answer; `offset` asks for more."""
RPM_MAX = 10**9
NAME_MAX = 200
ROOM_NAME = "Chat room"
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(min_length=1, max_length=1000)]


class NewKey(Struct):
    """`POST /keys` (OPENROUTER.md 8.2). `kind`, `prefix`, `rpm` and `allowed_...` are ours.

    A `label`, which OpenRouter's sample sends, has no meaning there either: a key's label is made of its secret.
    """

    name: Name
    limit: Decimal | None = None
    limit_reset: LimitReset | None = None
    include_byok_in_limit: bool = False
    expires_at: datetime | None = None
    creator_user_id: str | None = None
    workspace_id: str | None = None
    external: Any = None
    """A partner's own user and secret: not built, so refused."""
    kind: KeyKind = KeyKind.INFERENCE
    prefix: str | None = None
    rpm: Annotated[int, Meta(ge=1, le=RPM_MAX)] | None = None
    allowed_models: Names | None = None
    allowed_providers: Names | None = None


class ChangedKey(Struct):
    """`PATCH /keys/{hash}`: what is left out stays, null takes a limit away. `workspace_id`: where it is already."""

    name: Name | UnsetType = UNSET
    workspace_id: str | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    limit: Decimal | UnsetType | None = UNSET
    limit_reset: LimitReset | UnsetType | None = UNSET
    include_byok_in_limit: bool | UnsetType = UNSET
    expires_at: datetime | UnsetType | None = UNSET
    rpm: Annotated[int, Meta(ge=1, le=RPM_MAX)] | UnsetType | None = UNSET
    allowed_models: Names | UnsetType | None = UNSET
    allowed_providers: Names | UnsetType | None = UNSET


Also = Callable[[Key], Sequence[Statement]]
P = ParamSpec("P")
R = TypeVar("R")


def in_turn(
    change: Callable[Concatenate["KeyDesk", P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["KeyDesk", P], Coroutine[Any, Any, R]]:
    """One change of a key after the other: each reads what the one before has made of it, its secret above all."""

    @wraps(change)
    async def waiting(self: "KeyDesk", /, *args: P.args, **kwargs: P.kwargs) -> R:
        async with self.one:
            return await change(self, *args, **kwargs)

    return waiting


def _nothing(_: Key) -> Sequence[Statement]:
    return ()


class KeyDesk:
    """What may be done to keys, and by whom: a member to their own, those who manage a workspace to all of it."""

    def __init__(
        self, database: Database, books: Books, audit: AuditLog, pepper: bytes, forget: Callable[[bytes], None]
    ) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._pepper = pepper
        self._forget = forget
        self._making_room = asyncio.Lock()
        self.one = asyncio.Lock()
        """Held while a key is changed."""

    async def list(
        self,
        actor: Actor,
        workspace_id: str | None,
        *,
        disabled: bool,
        offset: int,
        kind: KeyKind | None = None,
        unexpired_at_ms: int | None = None,
    ) -> list[Key]:
        """The newest first; who does not manage the workspace sees their own. `unexpired_at_ms`: none that is over."""
        workspace_id = actor.workspace(workspace_id, Right.USE)
        creator = None if actor.may(Right.MANAGE, workspace_id) else _user_id(actor)
        return await keys.keys_of_workspace(
            self._database,
            workspace_id,
            creator=creator,
            disabled=disabled,
            offset=offset,
            limit=PAGE,
            kind=kind,
            unexpired_at_ms=unexpired_at_ms,
        )

    async def find(self, actor: Actor, key_id: str) -> Key:
        """NotFound: there is none, or it is not the actor's to see, which is the same."""
        key = await keys.find_key(self._database, key_id)
        if key is None or not self._may(actor, key):
            raise NotFound("There is no such key.")
        return key

    async def create(self, actor: Actor, ask: NewKey, now_ms: int, also: Also = _nothing) -> tuple[Key, str]:
        """The key and its secret, which is returned here and never again.

        What `also` makes of the key is written with it. ConflictError: that was refused, and there is no key.
        """
        key, secret = await self._issue(actor, ask, now_ms)
        await self._audit.write(
            actor, "key.created", key.id, keys.new_key(key), *also(key),
            now_ms=now_ms, workspace_id=key.workspace_id, label=key.label,
        )  # fmt: skip
        return key, secret

    async def of_room(self, actor: Actor, workspace_id: str | None, now_ms: int) -> Key:
        """The key by which somebody's chat room asks in a workspace, as it stands for requests: made at the first one.

        Nobody has its secret, so that it opens nothing else. It is listed, limited and switched off like every other.
        Forbidden: it is switched off or over.
        """
        actor = structs.replace(actor, operator=False)  # admins chat in workspaces of their own
        workspace_id = await workspace_of(self._database, actor, workspace_id, Right.USE)
        async with self._making_room:
            digest = await keys.digest_of_room(self._database, workspace_id, _user_id(actor) or "")
            if digest is None:
                key, _ = await self._issue(actor, NewKey(ROOM_NAME, workspace_id=workspace_id), now_ms)
                key, digest = structs.replace(key, label=ROOM_LABEL), key.digest
                await self._audit.write(
                    actor, "key.created", key.id, keys.new_key(key),
                    now_ms=now_ms, workspace_id=workspace_id, label=ROOM_LABEL,
                )  # fmt: skip
        found = await keys.find_key_by_digest(self._database, digest)
        if found is None or found.disabled or (found.expires_ms is not None and now_ms >= found.expires_ms):
            raise Forbidden(f'Your key "{found.name if found else ROOM_NAME}" is switched off: see the page of keys.')
        return found

    async def check(self, actor: Actor, ask: NewKey, now_ms: int) -> str:
        """Raises what `create` would, and makes nothing; -> the workspace that is meant."""
        key, _ = await self._issue(actor, ask, now_ms)
        return key.workspace_id

    async def _issue(self, actor: Actor, ask: NewKey, now_ms: int) -> tuple[Key, str]:
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.USE)
        if ask.kind is KeyKind.PROVISIONING:
            if actor.key_id is not None:
                raise Forbidden("A provisioning key can't make another one; do it on the site.")
            actor.require(Right.MANAGE, workspace_id)
        if ask.external is not None:
            raise InvalidRequest("external: users of partners are not built here; leave it out", param="external")
        limit = checked_limit(ask.limit)
        check_reset(limit, ask.limit_reset)
        return issue_key(
            workspace_id=workspace_id,
            name=ask.name,
            pepper=self._pepper,
            now_ms=now_ms,
            limit=limit,
            limit_reset=ask.limit_reset,
            rpm=ask.rpm,
            expires_ms=expiry_ms(ask.expires_at, now_ms),
            prefix=_prefix(ask),
            kind=ask.kind,
            creator_user_id=self._creator(actor, ask.creator_user_id),
            include_byok=ask.include_byok_in_limit,
            allowed_models=ask.allowed_models,
            allowed_providers=ask.allowed_providers,
        )

    @in_turn
    async def change(self, actor: Actor, key_id: str, ask: ChangedKey, now_ms: int) -> Key:
        """The next request sees it; requests under way go on unless the key was disabled: then they end."""
        key = await self.find(actor, key_id)
        changes = {name: value for name, value in structs.asdict(ask).items() if value is not UNSET}
        if (place := changes.pop("workspace_id", None)) is not None:
            await self._stays(actor, key, place)
        if "include_byok_in_limit" in changes:
            changes["include_byok"] = changes.pop("include_byok_in_limit")
        if "limit" in changes:
            changes["limit"] = checked_limit(changes["limit"])
        if "expires_at" in changes:
            changes["expires_ms"] = expiry_ms(changes.pop("expires_at"), now_ms)
        new = structs.replace(key, **changes, updated_ms=now_ms)
        if new.limit is None and new.limit_reset is not None:
            check_reset(new.limit, changes.get("limit_reset"))
            new = structs.replace(new, limit_reset=None)
        await self._audit.write(
            actor, "key.changed", key.id, keys.set_key(new),
            now_ms=now_ms, workspace_id=key.workspace_id, fields=sorted(changes),
        )  # fmt: skip
        await self._books.change(key, new)
        if new.disabled:
            self._end(key)
        else:
            self._forget(key.digest)
            self._books.restore(key.id)
        return new

    @in_turn
    async def rotate(self, actor: Actor, key_id: str, overlap_ms: int, now_ms: int) -> tuple[Key, str]:
        """The same key with another secret, which is returned here and never again: its name, limit and what it spent
        stay. The old secret works for `overlap_ms` more; 0: no secret but the new one works from now on.

        Forbidden: a key that manages may do what its maker may, so that nobody else is given its secret.
        ConflictError: somebody else has rotated it just now.
        """
        key = await self.find(actor, key_id)
        if key.kind is KeyKind.PROVISIONING and not self._is_makers(actor, key):
            raise Forbidden("A key that manages can be rotated by who made it, on the site; you may delete it.")
        if key.label == ROOM_LABEL:
            raise InvalidRequest("The chat room makes its key by itself: it has no secret that anybody holds.")
        new, secret = renew_secret(key, self._pepper)
        changes = rotate_secret(key, new, now_ms + overlap_ms, now_ms)
        ended = () if overlap_ms else (end_old_secrets(key.id, now_ms),)
        await self._audit.write(
            actor, "key.rotated", key.id, *changes, *ended,
            now_ms=now_ms, workspace_id=key.workspace_id, label=new.label, overlap_s=overlap_ms // 1000,
        )  # fmt: skip
        self._forget(key.digest)
        if not overlap_ms:
            self._books.cut(key.id)
        return new, secret

    @in_turn
    async def end_old(self, actor: Actor, key_id: str, now_ms: int) -> None:
        """Of a key's secrets only the present one works from now on; answers under way end."""
        key = await self.find(actor, key_id)
        await self._audit.write(
            actor, "key.old_secrets_ended", key.id, end_old_secrets(key.id, now_ms),
            now_ms=now_ms, workspace_id=key.workspace_id,
        )  # fmt: skip
        self._forget(key.digest)
        self._books.cut(key.id)

    @in_turn
    async def delete(self, actor: Actor, key_id: str, now_ms: int) -> None:
        """Refused from now on; its records and what it spent stay."""
        key = await self.find(actor, key_id)
        await self._audit.write(
            actor, "key.deleted", key.id, keys.delete_key(key.id, now_ms), now_ms=now_ms, workspace_id=key.workspace_id
        )
        self._end(key)

    @in_turn
    async def revoke(self, key_id: str, reason: str, now_ms: int) -> None:
        """As `delete`, by nobody's wish: its secret may be in wrong hands. Nothing happens if it is gone."""
        if (key := await keys.find_key(self._database, key_id)) is None:
            return
        await self._audit.write(
            Actor("tollway", {}), "key.revoked", key.id, keys.delete_key(key.id, now_ms),
            now_ms=now_ms, workspace_id=key.workspace_id, reason=reason,
        )  # fmt: skip
        self._end(key)

    @in_turn
    async def disable_leaked(self, key: Key, notice: Statement, where: str, now_ms: int) -> bool:
        """Whether it was disabled now: its secret is known to everybody. `notice`: what its owner is told.

        Told again of the same key, nothing is changed, unless it works again.
        """
        found = await keys.find_key(self._database, key.id)
        if found is None or found.disabled:
            return False
        await self._audit.write(
            Actor("tollway", {}), "key.leaked", key.id,
            keys.set_key(structs.replace(found, disabled=True, updated_ms=now_ms)), notice,
            now_ms=now_ms, workspace_id=key.workspace_id, label=key.label, found_at=where,
        )  # fmt: skip
        self._end(found)
        return True

    async def _stays(self, actor: Actor, key: Key, place: str) -> None:
        """InvalidRequest: the key would change its workspace, and with it who pays for what is under way."""
        if await workspace_of(self._database, actor, place, Right.USE) != key.workspace_id:
            raise InvalidRequest(
                "workspace_id: a key stays in its workspace; make another key there, and delete this one",
                param="workspace_id",
            )

    def _end(self, key: Key) -> None:
        """No request is let in any more, and those under way end."""
        self._forget(key.digest)
        self._books.revoke(key.id)

    def _may(self, actor: Actor, key: Key) -> bool:
        if actor.may(Right.MANAGE, key.workspace_id):
            return True
        own = actor.user is not None and key.creator_user_id == actor.user.id
        return own and actor.may(Right.USE, key.workspace_id)

    def _is_makers(self, actor: Actor, key: Key) -> bool:
        """Whether the maker asks, in a browser, or the operator. What nobody made has its workspace's rights alone."""
        if actor.operator:
            return True
        own = key.creator_user_id is None or (actor.user is not None and actor.user.id == key.creator_user_id)
        return own and actor.key_id is None

    def _creator(self, actor: Actor, wanted: str | None) -> str | None:
        """For whom the key is: the actor, unless an admin names another member. Forbidden: somebody else's name."""
        own = actor.user.id if actor.user else None
        if wanted is None or wanted == own:
            return own
        raise Forbidden("creator_user_id: a key can be made in one's own name only.")


def _user_id(actor: Actor) -> str:
    return actor.user.id if actor.user else ""


def checked_limit(amount: Decimal | None, name: str = "limit") -> Nanodollars | None:
    """An amount in USD. InvalidRequest: it is none, or below 0."""
    if amount is None:
        return None
    if not amount.is_finite() or not -30 < amount.adjusted() < 30:  # written out, it would fill the memory
        raise InvalidRequest(f"{name}: an amount in USD, please", param=name)
    return limit_from_text(format(amount, "f"), name)


def limit_from_text(text: str, name: str = "limit") -> Nanodollars:
    """An amount in USD. InvalidRequest: it is none, or below 0."""
    try:
        limit = nanodollars_from_text(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}", param=name) from None
    if limit < 0:
        raise InvalidRequest(f"{name}: must be 0 or more", param=name)
    return limit


def check_reset(limit: Nanodollars | None, reset: LimitReset | None) -> None:
    """InvalidRequest: a limit that starts again, and there is none."""
    if limit is None and reset is not None:
        raise InvalidRequest("limit_reset: there is no limit that could start again", param="limit_reset")


def expiry_ms(at: datetime | None, now_ms: int) -> int | None:
    """When a key stops working. InvalidRequest: that is over, or it may be in any time zone."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise InvalidRequest("expires_at: say which time zone, e.g. 2027-01-31T00:00:00Z", param="expires_at")
    expires_ms = int(at.astimezone(UTC).timestamp() * 1000)
    if expires_ms <= now_ms:
        raise InvalidRequest(f"expires_at: {at.isoformat()} is over", param="expires_at")
    return expires_ms


def _prefix(ask: NewKey) -> str:
    if ask.kind is KeyKind.PROVISIONING:
        return PROVISIONING_PREFIX
    prefix = ask.prefix or PREFIXES[0]
    if prefix not in PREFIXES or prefix == PROVISIONING_PREFIX:
        raise InvalidRequest(f"prefix: one of {', '.join(each for each in PREFIXES if each != PROVISIONING_PREFIX)}")
    return prefix
