"""`tollway codes create|list|revoke`: codes that are redeemed for credits; each is shown once."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from rich.table import Table
from rich.text import Text

from tollway.cli.control import cashier, reading
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.domain.money import nanodollars_to_text
from tollway.domain.payments import Code
from tollway.payments.cashier import RevokeCode
from tollway.payments.codes import NewCodes
from tollway.storage.codes import list_codes as newest_codes

LISTED = 1000


async def create(
    config_file: Path | None, *, amount: str, count: int, uses: int, expires: str | None, note: str, as_json: bool
) -> None:
    """Makes codes and prints them. ValueError: no amount or no time; TollwayError: see `Codes.make`."""
    try:
        ask = NewCodes(Decimal(amount), count, uses, datetime.fromisoformat(expires) if expires else None, note)
    except InvalidOperation:
        raise ValueError(f"{amount}: not an amount in USD; write it like 10 or 2.50") from None
    except ValueError:
        raise ValueError(f"--expires {expires}: not a time; write it like 2027-01-31T00:00:00Z") from None
    async with cashier(load(config_file)) as till:
        made = await till.make_codes(ask)
    if as_json:
        print_json([{"code": each.code, **_as_json(each.about)} for each in made.codes])
        return
    out = console()
    for each in made.codes:
        out.print(each.code, markup=False)
    credits_ = nanodollars_to_text(made.codes[0].about.credits)
    out.print(f"{len(made.codes)} of ${credits_} each, shown this once; to be redeemed on the site, at /credits.")


async def list_codes(config_file: Path | None, *, as_json: bool) -> None:
    """Prints the newest thousand; never a code itself, which nobody has."""
    async with reading(load(config_file)) as database:
        codes = await newest_codes(database, limit=LISTED)
    if as_json:
        print_json([_as_json(code) for code in codes])
        return
    out = console()
    if not codes:
        out.print("There is no code yet; make one: tollway codes create 10")
        return
    table = Table("id", "code", "credits", "used", "made", "expires", "state", "note", box=None, header_style="bold")
    for code in codes:
        state = code.why_not(_now_ms()) or "open"
        expires = _iso(code.expires_ms)[:10] if code.expires_ms else "never"
        table.add_row(
            code.id, Text(code.label), f"${nanodollars_to_text(code.credits)}", f"{code.uses} of {code.uses_max}",
            _iso(code.created_ms)[:10], expires, Text(state, style="green" if state == "open" else "red"),
            Text(code.note),
        )  # fmt: skip
    out.print(table)


async def revoke(config_file: Path | None, code_id: str) -> None:
    """Nobody can redeem it from now on. TollwayError: there is none of this id."""
    async with cashier(load(config_file)) as till:
        code = await till.revoke_code(RevokeCode(code_id))
    console().print(f"{code.label} is revoked; {code.uses} of {code.uses_max} were redeemed, and stay.", markup=False)


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _iso(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _as_json(code: Code) -> dict[str, object]:
    return {
        "id": code.id,
        "label": code.label,
        "status": code.why_not(_now_ms()) or "open",
        "credits": nanodollars_to_text(code.credits),
        "uses": code.uses,
        "uses_max": code.uses_max,
        "note": code.note,
        "created_at": _iso(code.created_ms),
        "expires_at": None if code.expires_ms is None else _iso(code.expires_ms),
    }
