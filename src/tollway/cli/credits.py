"""`tollway credits grant` and `tollway refund`: credits for a workspace, exactly once; and what is unused, back."""

import secrets
from pathlib import Path

from tollway.cli.control import cashier, office
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.domain.money import nanodollars_to_text
from tollway.domain.payments import CENT
from tollway.gateway.office import Grant
from tollway.payments.cashier import RefundPurchase


async def grant(
    config_file: Path | None, *, amount: str, workspace: str, reason: str, ref: str | None, as_json: bool
) -> None:
    """Grants USD and prints the balance. With the same `ref` again nothing more is granted, and it says so."""
    ask = Grant(amount=amount, workspace=workspace, ref=ref or f"cli-{secrets.token_hex(8)}", reason=reason)
    async with office(load(config_file)) as operator:
        done = await operator.grant(ask)
    if as_json:
        print_json(done)
    elif done.granted == "0":
        console().print(
            f'"{done.ref}" was granted before: nothing more. {done.workspace} has ${done.balance}.', markup=False
        )
    else:
        console().print(
            f"${done.granted} granted to {done.workspace}, which now has ${done.balance}. (ref {done.ref})",
            markup=False,
        )


async def refund(config_file: Path | None, purchase: str, *, as_json: bool) -> None:
    """Gives back what is unused of a purchase. TollwayError: see `Till.refund`."""
    async with cashier(load(config_file)) as till:
        done = await till.refund(RefundPurchase(purchase))
    credits_, paid = nanodollars_to_text(done.credits), nanodollars_to_text(done.cents * CENT)
    if as_json:
        print_json({"id": done.id, "purchase": done.order_id, "credits": credits_, "paid_back": paid})
        return
    console().print(
        f"${credits_} of credits were taken back, and ${paid} is paid back. (refund {done.id})", markup=False
    )
