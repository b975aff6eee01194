"""Codes: made by an operator and shown once, redeemed for credits by whoever has one; each once for an account."""

import asyncio
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct, structs

from tollway.domain.errors import InvalidRequest, NotFound, RateLimited
from tollway.domain.ledger import PROMOTIONS, Transfer, TransferKind
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.payments import Code
from tollway.domain.people import Actor, Right
from tollway.identity.actors import workspace_of
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.identity.keys import digest_of
from tollway.limits.gcra import MINUTE_NS, Buckets, Want, rate
from tollway.payments.base import Purse
from tollway.payments.topup import amount_of
from tollway.storage.codes import (
    code_by_id,
    find_code,
    has_redeemed,
    list_codes,
    new_codes,
    redeem_code,
    revoke_code,
)
from tollway.storage.database import ConflictError, Database

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: none is taken for another (crockford.com/base32.html)."""
GROUPS, GROUP = 5, 5
"""25 letters are 125 bits."""
MISREAD = str.maketrans("OIL", "011", "- \t\r\n")
OF_A_USER = rate(10, 15 * MINUTE_NS, 15 * 60.0)
OF_AN_ADDRESS = rate(60, 60 * MINUTE_NS, 60 * 60.0)
NONE_SUCH = "There is no such code. Look at its letters again, or ask who gave it to you."
OVER = {
    "revoked": "This code is not valid any more. Ask who gave it to you.",
    "expired": "This code has expired.",
    "used": "This code has been used up.",
    "redeemed": "This code was redeemed before, by you or for this workspace; it counts once.",
}


class NewCodes(Struct, forbid_unknown_fields=True):
    """`POST /admin/v1/codes`: so many codes of an amount in USD, each to be redeemed so often."""

    amount: Decimal
    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    uses: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    """How many accounts may redeem each; an account does so once."""
    expires_at: datetime | None = None
    note: Annotated[str, Meta(max_length=200)] = ""
    """For whom, or why; only operators see it."""


class MadeCode(Struct, frozen=True):
    """`code` is the secret: it is here and nowhere else."""

    code: str
    about: Code


class RedeemCode(Struct, forbid_unknown_fields=True):
    """`POST /account/v1/codes/redeem`."""

    code: Annotated[str, Meta(min_length=1, max_length=100)]
    workspace_id: str | None = None


class Redeemed(Struct, frozen=True):
    """What a code brought, and where."""

    workspace_id: str
    credits: Nanodollars


class Codes:
    """Makes, lists, revokes and redeems codes."""

    def __init__(self, database: Database, purse: Purse, audit: AuditLog, pepper: bytes) -> None:
        self._database = database
        self._purse = purse
        self._audit = audit
        self._pepper = pepper
        self._buckets = Buckets()

    async def make(self, actor: Actor, ask: NewCodes, now_ms: int) -> list[MadeCode]:
        """The only time that they are seen. InvalidRequest: an amount or a time that makes no sense."""
        credits_ = amount_of(ask.amount)
        if credits_ <= 0:
            raise InvalidRequest("amount: must be more than 0", param="amount")
        expires_ms = _expires(ask.expires_at, now_ms)
        made = []
        for _ in range(ask.count):
            text = new_code()
            label, digest = f"{text[:GROUP]}...{text[-2:]}", self._digest(text)
            code = Code(new_id(now_ms), digest, label, credits_, ask.uses, 0, ask.note, now_ms, expires_ms)
            made.append(MadeCode(text, code))
        codes = [each.about for each in made]
        await self._audit.write(
            actor, "codes.made", codes[0].id, new_codes(codes), now_ms=now_ms, count=ask.count, uses=ask.uses,
            credits=nanodollars_to_text(credits_), note=ask.note,
        )  # fmt: skip
        return made

    async def list(self, *, offset: int, limit: int) -> list[Code]:
        """The newest first."""
        return await list_codes(self._database, offset=offset, limit=limit)

    async def revoke(self, actor: Actor, code_id: str, now_ms: int) -> Code:
        """Nobody can redeem it any more; what was redeemed stays. NotFound."""
        code = await code_by_id(self._database, code_id)
        if code is None:
            raise NotFound("There is no such code.")
        await self._audit.write(actor, "code.revoked", code_id, revoke_code(code_id, now_ms), now_ms=now_ms)
        return structs.replace(code, revoked_ms=code.revoked_ms or now_ms)

    async def redeem(self, actor: Actor, ask: RedeemCode, address: str | None, now_ms: int) -> Redeemed:
        """Credits, spendable at once. Code, credits and audit entry change in one transaction.

        InvalidRequest: no code, or one that is over or was redeemed before. RateLimited: too many tries.
        """
        workspace_id = await workspace_of(self._database, actor, ask.workspace_id, Right.PAY)
        if actor.user is None:
            raise InvalidRequest("A code is redeemed by somebody who is signed in.")
        self._count(actor.user.id, address, now_ms * 1_000_000)
        # Shielded: whoever hangs up in the middle must not leave the audit log's chain to another entry.
        done = self._redeem(actor, actor.user.id, workspace_id, ask.code, now_ms)
        return await asyncio.shield(asyncio.ensure_future(done))

    async def _redeem(self, actor: Actor, user_id: str, workspace_id: str, text: str, now_ms: int) -> Redeemed:
        code = await find_code(self._database, self._digest(text))
        if code is None:
            raise InvalidRequest(NONE_SUCH, param="code")
        if why := code.why_not(now_ms):
            raise InvalidRequest(OVER[why], param="code")
        move = Transfer(
            TransferKind.GRANT, f"code {code.id} {user_id}", PROMOTIONS, workspace_id, code.credits, now_ms,
            f"code {code.label}",
        )  # fmt: skip
        async with self._audit.entry(
            actor, "code.redeemed", code.id, now_ms=now_ms, workspace_id=workspace_id
        ) as entry:
            said = entry(credits=nanodollars_to_text(code.credits))
            beside = (*redeem_code(code.id, user_id, workspace_id, now_ms), said)
            try:
                done = await self._purse.credit(move, *beside)
            except ConflictError:
                done = False
        if not done:
            raise InvalidRequest(await self._why_not(code, user_id, workspace_id, now_ms), param="code")
        return Redeemed(workspace_id, code.credits)

    async def _why_not(self, code: Code, user_id: str, workspace_id: str, now_ms: int) -> str:
        """Why a code could not be redeemed that a moment ago could be."""
        if await has_redeemed(self._database, code.id, user_id, workspace_id):
            return OVER["redeemed"]
        found = await code_by_id(self._database, code.id)
        return OVER[(found.why_not(now_ms) if found else None) or "used"]

    def _count(self, user_id: str, address: str | None, now_ns: int) -> None:
        """RateLimited: too many tries of this user or from this address, whether they succeed or not."""
        wants = [Want(("user", user_id), OF_A_USER, "codes of this user")]
        if address is not None:
            wants.append(Want(("address", address), OF_AN_ADDRESS, "codes from this address"))
        if (short := self._buckets.take(wants, now_ns)) is not None:
            wait_s = -(-(short.wait_ns or 0) // 10**9)
            raise RateLimited(f"Too many tries: wait {-(-wait_s // 60)} minutes.", retry_after_s=wait_s)

    def _digest(self, text: str) -> str:
        """Of the letters alone, and of no key: both have the same pepper."""
        return digest_of(f"code:{text.upper().translate(MISREAD)}", self._pepper).hex()


def new_code() -> str:
    """125 random bits in five groups of letters."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def _expires(at: datetime | None, now_ms: int) -> int | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise InvalidRequest("expires_at: say which time zone, e.g. 2027-01-31T00:00:00Z", param="expires_at")
    expires_ms = int(at.astimezone(UTC).timestamp() * 1000)
    if expires_ms <= now_ms:
        raise InvalidRequest(f"expires_at: {at.isoformat()} is over", param="expires_at")
    return expires_ms
