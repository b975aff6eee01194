"""What an operator does with money on the command line: codes and refunds, with a running server or without one."""

import time

from msgspec import Struct

from tollway.domain.payments import Code, Refund
from tollway.identity.actors import OPERATOR
from tollway.payments.codes import Codes, MadeCode, NewCodes
from tollway.payments.topup import Till


class CodesMade(Struct, frozen=True):
    """The codes themselves are here and nowhere else."""

    codes: list[MadeCode]


class RevokeCode(Struct, forbid_unknown_fields=True):
    """`tollway codes revoke`."""

    id: str


class RefundPurchase(Struct, forbid_unknown_fields=True):
    """`tollway refund`."""

    id: str


class Cashier:
    """Needs what the one owner of the data directory has, as `gateway/office.py` does."""

    def __init__(self, till: Till, codes: Codes) -> None:
        self._till = till
        self._codes = codes

    async def make_codes(self, ask: NewCodes) -> CodesMade:
        """InvalidRequest: an amount or a time that makes no sense."""
        return CodesMade(await self._codes.make(OPERATOR, ask, _now_ms()))

    async def revoke_code(self, ask: RevokeCode) -> Code:
        """NotFound."""
        return await self._codes.revoke(OPERATOR, ask.id, _now_ms())

    async def refund(self, ask: RefundPurchase) -> Refund:
        """What is unused of a purchase, however long ago it was. Errors: as `Till.refund`."""
        return await self._till.refund(OPERATOR, ask.id, _now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)
