"""What may be taken of a workspace's credits, and by which transfers: refunds, chargebacks, expiry. Pure."""

from collections.abc import Callable, Sequence

from tollway.billing.lots import BEFORE, Lot
from tollway.domain.ledger import PROMOTIONS, REFUNDS, REVENUE, Transfer, TransferKind, debt_of
from tollway.domain.money import Nanodollars
from tollway.domain.payments import Order

Decide = Callable[[Sequence[Lot]], Sequence[Transfer]]


def refund_part(order: Order, wanted: Nanodollars | None, ref: str, now_ms: int) -> Decide:
    """At most what is unused of the purchase; None: all of that."""

    def decide(lots: Sequence[Lot]) -> Sequence[Transfer]:
        lot = lot_of(lots, order.id)
        amount = min(lot.left, lot.amount - lot.returned) if lot else 0
        if wanted is not None:
            amount = min(amount, wanted)
        if amount <= 0:
            return ()
        move = Transfer(TransferKind.REFUND, ref, order.workspace_id, REFUNDS, amount, now_ms, order.id, order.id)
        return (move,)

    return decide


def charge_back(order: Order, wanted: Nanodollars, ref: str, now_ms: int) -> Decide:
    """All that the bank took and was not refunded before: what is there now, and a debt for the rest."""

    def decide(lots: Sequence[Lot]) -> Sequence[Transfer]:
        lot = lot_of(lots, order.id)
        amount = min(wanted, lot.amount - lot.returned) if lot else 0
        taken = min(amount, max(0, sum(each.left for each in lots)))
        home, why = order.workspace_id, order.id
        moves = []
        if taken > 0:
            moves.append(Transfer(TransferKind.CHARGEBACK, ref, home, REFUNDS, taken, now_ms, why, order.id))
        if amount > taken:
            moves.append(Transfer(TransferKind.DEBT, ref, debt_of(home), REFUNDS, amount - taken, now_ms, why))
        return moves

    return decide


def expire(workspace_id: str, given_before_ms: int | None, bought_before_ms: int | None, now_ms: int) -> Decide:
    """The rest of every lot that came before its time; None: such lots don't expire."""

    def decide(lots: Sequence[Lot]) -> Sequence[Transfer]:
        moves = []
        for lot in lots:
            before_ms = bought_before_ms if lot.bought else given_before_ms
            if lot.left <= 0 or lot.created_ms is None or before_ms is None or lot.created_ms > before_ms:
                continue
            to = REVENUE if lot.bought else PROMOTIONS
            ref = f"{lot.ref} at {now_ms}"
            moves.append(
                Transfer(TransferKind.EXPIRY, ref, workspace_id, to, lot.left, now_ms, "credits expired", lot.ref)
            )
        return moves

    return decide


def lot_of(lots: Sequence[Lot], order_id: str) -> Lot | None:
    """The lot that a purchase brought."""
    return next((each for each in lots if each.bought and each.ref == order_id and each.ref != BEFORE), None)
