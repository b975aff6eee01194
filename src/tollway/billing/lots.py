"""Lots: what is left of each grant and purchase, derived first-in-first-out from cumulative sums (MONEY.md)."""

from collections.abc import Iterable, Sequence

from tollway.domain.ledger import Mark, TransferKind
from tollway.domain.money import Nanodollars

GIVEN, BOUGHT = TransferKind.GRANT, TransferKind.TOPUP
BEFORE = "before"
"""The lot of what an account had before its first mark: given, as far as anybody knows, and without an age."""


class Lot:
    """Credits that came at once. `left` is what nobody has used or taken back."""

    __slots__ = ("amount", "bought", "created_ms", "left", "ref", "returned", "used")

    def __init__(self, ref: str, amount: Nanodollars, created_ms: int | None, *, bought: bool) -> None:
        self.ref = ref
        self.amount = amount
        self.created_ms = created_ms
        """None: not known, so that it never expires."""
        self.bought = bought
        self.left = amount
        self.used: Nanodollars = 0
        self.returned: Nanodollars = 0
        """Refunded and charged back; a refund that failed counts no more."""


def lots_of(marks: Sequence[Mark], credited: Nanodollars, debited: Nanodollars) -> list[Lot]:
    """Every lot of an account, the oldest first. `credited` and `debited`: the account's sums as they are now.

    What was used between two marks comes out of the lots that were there then: what was given before what was
    bought, the older before the younger. So a grant never gives back what a purchase paid for.
    """
    lots: list[Lot] = []
    before = (0, 0)
    for mark in marks:
        came, went = max(0, mark.amount), max(0, -mark.amount)
        now = (mark.credited - came, mark.debited - went)
        if not lots and now != (0, 0) and before == (0, 0):
            lots.append(Lot(BEFORE, now[0] - now[1], None, bought=False))
        else:
            _use(lots, (now[1] - before[1]) - (now[0] - before[0]))
        _apply(lots, mark)
        before = (mark.credited, mark.debited)
    if marks:
        _use(lots, (debited - before[1]) - (credited - before[0]))
    elif credited > debited:
        lots.append(Lot(BEFORE, credited - debited, None, bought=False))
    return lots


def _apply(lots: list[Lot], mark: Mark) -> None:
    lot = next((each for each in lots if each.ref == mark.lot), None)
    match mark.kind:
        case TransferKind.GRANT | TransferKind.TOPUP:
            lots.append(Lot(mark.ref, mark.amount, mark.created_ms, bought=mark.kind is BOUGHT))
        case TransferKind.RETURN if lot is not None:
            lot.left += mark.amount
            lot.returned = max(
                0, lot.returned - mark.amount
            )  # with a dispute that was won, the debt for it is back too
        case TransferKind.REFUND | TransferKind.CHARGEBACK | TransferKind.EXPIRY if lot is not None:
            own = min(lot.left, -mark.amount)
            lot.left -= own
            if mark.kind is not TransferKind.EXPIRY:
                lot.returned -= mark.amount
            _use(lots, -mark.amount - own)  # a bank takes back what was spent as well: others have to pay for it
        case _:
            _use(lots, -mark.amount)


def _use(lots: Iterable[Lot], amount: Nanodollars) -> None:
    """Takes `amount` out of the lots, given ones first; a negative one gives back what was used last."""
    ordered = sorted(lots, key=lambda lot: lot.bought)  # stable: the older first
    for lot in ordered if amount >= 0 else reversed(ordered):
        part = min(lot.left, amount) if amount >= 0 else -min(lot.used, -amount)
        lot.left -= part
        lot.used += part
        amount -= part
