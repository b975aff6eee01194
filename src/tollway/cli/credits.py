"""`tollway credits grant`: credits for a workspace, at once and exactly once."""

import secrets
from pathlib import Path

from tollway.cli.control import office
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.gateway.office import Grant


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
