"""What an operator changes: keys, credits, the catalog. The same for the running server and for the command line."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec import Struct, structs

from tollway.catalog.diff import Bounds, check_price
from tollway.domain.catalog_changes import AliasGone, AliasSet, Change
from tollway.domain.catalog_rows import PriceRow
from tollway.domain.chat import Slug
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.identity import KeyKind, LimitReset
from tollway.domain.ledger import PLATFORM_ACCOUNTS, TransferKind
from tollway.domain.money import nanodollars_from_text, nanodollars_to_text
from tollway.domain.people import Actor
from tollway.domain.rates import RatesText
from tollway.gateway.base import Gateway
from tollway.gateway.books import Books
from tollway.gateway.key_desk import RPM_MAX, ChangedKey, KeyDesk, check_reset, expiry_ms, limit_from_text
from tollway.gateway.wishes import PresetSet, SetPreset, SetWorkspace, Workspace, a_model, changed, set_preset
from tollway.identity.actors import OPERATOR
from tollway.identity.audit_log import AuditLog
from tollway.identity.credentials import Rotation
from tollway.identity.guest import WORKSPACE as GUESTS
from tollway.identity.keys import PREFIXES, PROVISIONING_PREFIX, issue_key
from tollway.storage import catalog as rows
from tollway.storage.database import Database
from tollway.storage.keys import create_workspace, new_key, workspace_exists
from tollway.storage.ledger import find_transfer
from tollway.storage.members import find_workspace
from tollway.storage.workspaces import find_settings, new_settings

_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class CreateKey(Struct, forbid_unknown_fields=True):
    """`tollway keys create`. Amounts in USD, decimal strings."""

    name: str
    workspace: str
    limit: str | None = None
    limit_reset: LimitReset | None = None
    expires_at: datetime | None = None
    rpm: int | None = None
    """Requests per minute, at least 1."""
    default_model: Slug | None = None
    """For its requests that name no model."""
    provisioning: bool = False
    """It manages keys and workspaces, and calls no model."""


class CreatedKey(Struct):
    """`key` is the secret: it is here and nowhere else."""

    key: str
    id: str
    label: str
    workspace: str


class Grant(Struct, forbid_unknown_fields=True):
    """`tollway credits grant`. `ref` makes a repeated call harmless."""

    amount: str
    workspace: str
    ref: str
    reason: str = ""


class Granted(Struct):
    """What was granted now ("0" if this `ref` was granted before), and the balance after it; USD."""

    workspace: str
    granted: str
    balance: str
    ref: str


class Disable(Struct, forbid_unknown_fields=True):
    """`tollway keys disable`."""

    id: str
    disabled: bool = True


class ChangeCatalog(Struct, forbid_unknown_fields=True):
    """Changes that were decided by comparing with `version`: if the catalog has moved on, they are refused."""

    changes: tuple[Change, ...]
    reason: str
    origin: str
    version: int


class SetEndpoint(Struct, forbid_unknown_fields=True):
    """One endpoint's price, or that it is free, or whether it is on."""

    id: str
    price: RatesText | None = None
    free: bool = False
    enabled: bool | None = None
    effective_ms: int | None = None
    """When the price comes into force, milliseconds since 1970; not said: now."""


class Changed(Struct):
    """The catalog after a change."""

    version: int
    live_endpoints: int | None = None
    """What can be bought now; None where no server runs, so that nothing can."""


class RotateByok(Struct, forbid_unknown_fields=True):
    """`tollway byok rotate`."""

    drop: bool = False
    """The ring's older keys are taken out of its file."""


class Office:
    """Needs what the one owner of the data directory has: a server, or a command that holds its lock."""

    def __init__(
        self,
        database: Database,
        books: Books,
        audit: AuditLog,
        keys: KeyDesk,
        pepper: bytes,
        *,
        forget_workspace: Callable[[str], None],
        forget_preset: Callable[[str, str], None],
        reload: Callable[[], Awaitable[int | None]],
        rotate: Callable[[bool], Awaitable[Rotation]],
    ) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._keys = keys
        self._pepper = pepper
        self._forget_preset = forget_preset
        """A preset changed: whoever has it in memory must read it again."""
        self._forget_workspace = forget_workspace
        """A workspace's settings changed: whoever has one of its keys must read it again."""
        self._rotate = rotate
        """Puts provider keys of workspaces under another key of the ring; `drop`: the older ones are dropped."""
        self._reload = reload
        """The catalog changed: the number of live endpoints, or None where nothing is served."""

    async def create_key(self, ask: CreateKey) -> CreatedKey:
        """InvalidRequest: a limit or a date that makes no sense."""
        now_ms, workspace_id = Gateway.now_ms(), _workspace(ask.workspace)
        limit = None if ask.limit is None else limit_from_text(ask.limit)
        if ask.rpm is not None and not 1 <= ask.rpm <= RPM_MAX:
            raise InvalidRequest(f"rpm: a whole number from 1 to {RPM_MAX:,}", param="rpm")
        check_reset(limit, ask.limit_reset)
        if (known := await find_workspace(self._database, workspace_id)) is not None:
            workspace_id = known.id
        key, secret = issue_key(
            workspace_id=workspace_id,
            name=ask.name,
            pepper=self._pepper,
            limit=limit,
            limit_reset=ask.limit_reset,
            rpm=ask.rpm,
            default_model=None if ask.default_model is None else a_model(ask.default_model, "default_model"),
            expires_ms=expiry_ms(ask.expires_at, now_ms),
            now_ms=now_ms,
            kind=KeyKind.PROVISIONING if ask.provisioning else KeyKind.INFERENCE,
            prefix=PROVISIONING_PREFIX if ask.provisioning else PREFIXES[0],
        )
        await create_workspace(self._database, workspace_id, workspace_id, now_ms)
        await self._audit.write(
            OPERATOR, "key.created", key.id, new_key(key), now_ms=now_ms, workspace_id=workspace_id, label=key.label
        )
        return CreatedKey(secret, key.id, key.label, key.workspace_id)

    async def disable_key(self, ask: Disable) -> None:
        """The next request sees it. NotFound: there is no such key."""
        try:
            await self._keys.change(OPERATOR, ask.id, ChangedKey(disabled=ask.disabled), Gateway.now_ms())
        except NotFound:
            raise NotFound(f"There is no key {ask.id[:80]}; `tollway keys list` shows them") from None

    async def set_workspace(self, ask: SetWorkspace) -> Workspace:
        """The next request sees it. NotFound: there is no such workspace. InvalidRequest: what can't be set."""
        if ask.workspace == GUESTS:
            raise InvalidRequest("Guests have no settings: their models are `guest.models`", param="workspace")
        if not await workspace_exists(self._database, ask.workspace):
            raise NotFound(f"There is no workspace {ask.workspace[:80]}; a key or a grant makes one")
        settings, now_ms = changed(await find_settings(self._database, ask.workspace), ask.changes), Gateway.now_ms()
        await self._audit.write(
            OPERATOR, "workspace.changed", ask.workspace, new_settings(ask.workspace, settings, now_ms),
            now_ms=now_ms, workspace_id=ask.workspace, fields=sorted(ask.changes),
        )  # fmt: skip
        self._forget_workspace(ask.workspace)
        return Workspace(ask.workspace, settings)

    async def set_preset(self, ask: SetPreset) -> PresetSet:
        """The next request sees it. NotFound: there is no such preset, or no such version of it."""
        done = await set_preset(self._database, ask, Gateway.now_ms())
        self._forget_preset(ask.workspace, ask.slug)
        return done

    async def grant(self, ask: Grant, actor: Actor = OPERATOR) -> Granted:
        """Spendable at once. InvalidRequest: no amount, or a `ref` that was used for another grant."""
        # Shielded: whoever hangs up in the middle must not leave the audit log's chain to another entry.
        return await asyncio.shield(asyncio.ensure_future(self._grant(ask, actor)))

    async def _grant(self, ask: Grant, actor: Actor) -> Granted:
        amount, workspace = _amount(ask.amount, "amount"), _workspace(ask.workspace)
        if (known := await find_workspace(self._database, workspace)) is not None:
            workspace = known.id
        if amount <= 0:
            raise InvalidRequest("amount: must be more than 0", param="amount")
        if not 0 < len(ask.ref) <= 200:
            raise InvalidRequest("ref: needs 1 to 200 characters", param="ref")
        before = await find_transfer(self._database, TransferKind.GRANT, ask.ref)
        if before is not None and (before[1], before[2]) != (workspace, amount):
            raise InvalidRequest(
                f'ref: "{ask.ref}" was used to grant {nanodollars_to_text(before[2])} USD to {before[1]}; '
                "choose another",
                param="ref",
            )
        now_ms = Gateway.now_ms()
        async with self._audit.entry(
            actor, "credits.granted", workspace, now_ms=now_ms, workspace_id=workspace
        ) as entry:
            said = entry(credits=nanodollars_to_text(amount), ref=ask.ref, reason=ask.reason)
            found = await self._books.grant(workspace, amount, ask.ref, ask.reason, now_ms, said)
        granted = nanodollars_to_text(amount) if before is None else "0"
        return Granted(workspace, granted, nanodollars_to_text(found.posted), ask.ref)

    async def rotate_byok(self, ask: RotateByok) -> Rotation:
        """No request sees it: the secrets stay what they were."""
        return await self._rotate(ask.drop)

    async def change_catalog(self, ask: ChangeCatalog, actor: Actor = OPERATOR) -> Changed:
        """Prices of requests under way stay what they were. InvalidRequest: the catalog is at another version."""
        version = await rows.catalog_version(self._database)
        if version != ask.version:
            raise InvalidRequest(
                f"The catalog went from version {ask.version} to {version} meanwhile; nothing was changed: try again"
            )
        now_ms = Gateway.now_ms()
        statements = rows.change_statements(ask.changes, now_ms, reason=ask.reason, origin=ask.origin)
        await self._audit.write(
            actor, "catalog.changed", _target(ask), *statements, now_ms=now_ms, changes=len(ask.changes),
            reason=ask.reason,
        )  # fmt: skip
        return Changed(await rows.catalog_version(self._database), await self._reload())

    async def set_endpoint(self, ask: SetEndpoint, actor: Actor = OPERATOR) -> Changed:
        """InvalidRequest: not a price. NotFound: there is no such endpoint."""
        now_ms = Gateway.now_ms()
        try:
            await rows.check_endpoint(self._database, ask.id)
            if ask.price is not None:
                if doubts := check_price(ask.id, None, PriceRow(ask.price), Bounds()):
                    raise InvalidRequest(f"{doubts[0].reason}; a price is USD per token, e.g. 0.0000025")
                at_ms = max(now_ms, ask.effective_ms or 0)
                statements = rows.price_statements(ask.id, ask.price, now_ms, at_ms)
                await self._audit.write(
                    actor, "price.set", ask.id, *statements, now_ms=now_ms, effective_ms=at_ms,
                    **{name: text for name, text in structs.asdict(ask.price).items() if text is not None},
                )  # fmt: skip
            if ask.free:
                statements = rows.free_statements(ask.id, now_ms)
                await self._audit.write(actor, "price.free", ask.id, *statements, now_ms=now_ms)
            if ask.enabled is not None:
                statements = rows.enabled_statements(ask.id, ask.enabled, now_ms)
                action = "endpoint.enabled" if ask.enabled else "endpoint.disabled"
                await self._audit.write(actor, action, ask.id, *statements, now_ms=now_ms)
        except LookupError as error:
            raise NotFound(str(error.args[0])) from None
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        return Changed(await rows.catalog_version(self._database), await self._reload())

    async def reload(self) -> Changed:
        """Reads the catalog anew."""
        return Changed(await rows.catalog_version(self._database), await self._reload())


def _target(ask: ChangeCatalog) -> str:
    """Of the log's entry: the one name that is given or taken, or else where the changes come from."""
    if len(ask.changes) == 1 and isinstance(each := ask.changes[0], AliasSet | AliasGone):
        return each.alias
    return ask.origin


def _workspace(text: str) -> str:
    if text in PLATFORM_ACCOUNTS or not _WORKSPACE.fullmatch(text):
        raise InvalidRequest(
            f"workspace: {text[:80]!r} can't be one; use letters, digits, '.', '_' and '-', at most 64",
            param="workspace",
        )
    return text


def _amount(text: str, name: str) -> int:
    try:
        return nanodollars_from_text(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}", param=name) from None
