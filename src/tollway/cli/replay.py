"""`tollway replay`: recorded decisions under another balancing policy, and what would have changed."""

from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollway.cli.control import reading
from tollway.cli.terminal import console, print_json
from tollway.config import load
from tollway.domain.money import nanodollars_to_text
from tollway.gateway.base import Gateway
from tollway.gateway.kept_providers import paused, with_kept
from tollway.gateway.live import live_providers
from tollway.gateway.supply import SPEAKS
from tollway.identity.credentials import ring_at_hand
from tollway.routing.market import build_market
from tollway.routing.order import Policy
from tollway.routing.replay import Replay, Sums, replay
from tollway.storage.catalog import all_prices, load_catalog
from tollway.storage.generations import last_generations

NAMES = ("expected cost", "first content, mean", "first tries that fail", "share of who was never tried")
CAVEAT = (
    "Expected from what each endpoint did in this recording, at the prices of then; load, prompt caches and endpoints "
    "that were never tried would have changed it in ways that no record knows."
)


def policy_of(text: str) -> Policy:
    """ValueError: no such policy."""
    for policy in get_args(Policy):
        if text == policy:
            return policy  # type: ignore[no-any-return]  # get_args knows no types
    raise ValueError(f"--policy: {text!r} is none; {' or '.join(get_args(Policy))}")


async def run(config_file: Path | None, *, policy: str, last: int, as_json: bool) -> None:
    """Prints the comparison. ValueError: no such policy."""
    wanted = policy_of(policy)
    config = load(config_file)
    async with reading(config) as database:
        config = await with_kept(config, database, ring_at_hand(config))
        catalog = paused(await load_catalog(database, Gateway.now_ms()), config)
        generations = await last_generations(database, last)
        prices = await all_prices(database)
    market = build_market(catalog, live_providers(catalog, config, None).providers, SPEAKS)
    found = replay(generations, market, wanted, prices)
    if as_json:
        print_json(found)
    else:
        show(console(), found)


def show(out: Console, found: Replay) -> None:
    """Tables for people."""
    out.print(
        f"{found.drawn} decisions by a draw, made anew with policy {found.policy}; {found.fixed} where nothing was "
        f"drawn stay as they were; {found.gone} with an endpoint that is off now are left out",
        markup=False,
    )
    if not found.drawn:
        return
    table = Table("", "recorded shares", f"policy {found.policy}", box=None, header_style="bold")
    for name, before, after in zip(NAMES, _column(found.recorded), _column(found.replayed), strict=True):
        table.add_row(name, before, after)
    out.print(table)
    out.print(f"They did cost ${nanodollars_to_text(found.paid)}")
    table = Table("endpoint", "decisions", "recorded", "replayed", "tries", "failed", "first", box=None)
    for each in found.endpoints:
        failed = "-" if each.failure_rate is None else f"{each.failure_rate:.1%}"
        first = "-" if each.first_ms is None else f"{each.first_ms:.0f} ms"
        shares = (f"{each.recorded:.1%}", f"{each.replayed:.1%}")
        table.add_row(Text(each.endpoint_id), str(each.decisions), *shares, str(each.tries), failed, first)
    out.print(table)
    out.print(CAVEAT, markup=False)


def _column(sums: Sums) -> tuple[str, str, str, str]:
    first = "-" if sums.first_ms is None else f"{sums.first_ms:.0f} ms"
    return f"${nanodollars_to_text(sums.cost)}", first, f"{sums.failed:.1f}", f"{sums.unknown:.1%}"
