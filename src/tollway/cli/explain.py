"""`tollway explain`: who would answer a request and why, at what cost; asked of the running server, or worked out."""

import sys
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec
from msgspec import structs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollway.api.route import read_dry_run, route_json
from tollway.billing.tokens import count_prompt, media_tokens
from tollway.cli.control import ask_server, find_server, reading
from tollway.cli.terminal import console, print_json
from tollway.config import Config, load
from tollway.domain.chat import ChatRequest
from tollway.domain.measured import Measured
from tollway.domain.money import AMOUNT_MAX, Nanodollars, nanodollars_to_text
from tollway.domain.standing import standing_of
from tollway.gateway.base import Gateway
from tollway.gateway.explain import prompt_of
from tollway.gateway.kept_providers import paused, with_kept
from tollway.gateway.live import live_providers
from tollway.gateway.presets import usable
from tollway.gateway.settled import settle
from tollway.gateway.supply import SPEAKS, aliases_of
from tollway.gateway.tokenizer import SharedTokenizer
from tollway.identity.credentials import ring_at_hand
from tollway.routing.auto import AutoRouter, asks_auto
from tollway.routing.explain import Bench, Explanation, explain
from tollway.routing.health import Glance, HealthBoard
from tollway.routing.market import build_market
from tollway.routing.unbuilt import refuse_unbuilt
from tollway.storage.catalog import load_catalog
from tollway.storage.files import Control
from tollway.storage.workspaces import find_settings
from tollway.upstream.client import UpstreamClient

STDIN = "-"
REFUSED = 1


def read(file: str) -> bytes:
    """A file, or standard input. OSError: it can't be read."""
    return sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()


async def run(config_file: Path | None, body: bytes, *, as_json: bool, workspace: str = "default") -> int:
    """Prints the plan. Returns 1 where the request would be refused."""
    config = load(config_file)
    found, measured_by = await _asked(config, body, workspace)
    if as_json:
        print_json(route_json(found))
    else:
        show(console(), found, measured_by)
    return REFUSED if found.refusal else 0


async def _asked(config: Config, body: bytes, workspace: str) -> tuple[Explanation, str]:
    """The explanation, and whose figures it has."""
    client = UpstreamClient()
    try:
        server = await find_server(client, config)
        if isinstance(server, Control):
            path = f"route?workspace={quote(workspace, safe='')}"
            return await ask_server(client, server, path, body, Explanation), f"the server at {server.url}"
    finally:
        await client.close()
    return await _alone(config, body, workspace), "no server runs, so nothing is measured and everyone is presumed well"


async def _alone(config: Config, body: bytes, workspace: str) -> Explanation:
    """From the database and the configuration."""
    request, caps, body_bytes = read_dry_run(body)
    async with reading(config) as database:
        config = await with_kept(config, database, ring_at_hand(config))
        catalog = paused(await load_catalog(database, Gateway.now_ms()), config)
        standing = standing_of(await find_settings(database, workspace))
        request, body_bytes = await settle(
            request,
            body_bytes,
            standing=standing,
            find_preset=partial(usable, database, workspace),
            default_model=config.routing.default_model,
        )
    refuse_unbuilt(request)
    market = build_market(catalog, live_providers(catalog, config, None).providers, SPEAKS, aliases_of(config))
    prompt = await prompt_of(request, body_bytes, _count)
    sight = Glance(HealthBoard(), 0.0)
    rulings = standing.rulings if standing else ()
    choice = None
    if asks_auto(request):
        auto = AutoRouter(config.routing.auto)
        request, choice = auto.route(request, market, sight, prompt_tokens=prompt.estimate, kept=None, rulings=rulings)
    bench = Bench(market=market, sight=sight, policy=config.routing.policy, available=AMOUNT_MAX, rulings=rulings)
    return structs.replace(explain(request, bench, prompt, caps), routed=choice)


async def _count(request: ChatRequest) -> int:
    return count_prompt(SharedTokenizer()(), request) + media_tokens(request)


def show(out: Console, found: Explanation, measured_by: str) -> None:
    """Tables for people."""
    if (chosen := found.routed) is not None:
        tier = f"cost tier {chosen.cost_tier}" if chosen.cost_tier else "no cost tier"
        why = "the conversation's model" if chosen.stays else "the choice"
        out.print(
            f"{chosen.router}: task {chosen.task}, {chosen.difficulty}, {tier}; {why}: {', '.join(chosen.models)}",
            markup=False,
        )
    out.print(
        f"{', '.join(found.models)}: a prompt of {found.prompt.counted} tokens, an answer of {found.answer_tokens}; "
        f"policy {found.policy} ({measured_by})",
        markup=False,
    )
    if found.ranked:
        table = Table(box=None, header_style="bold")
        for name in ("", "endpoint", "share", "cost", "at most", "policy", "first", "tok/s", "errors", "uptime", "why"):
            table.add_column(name, justify="left" if name in ("", "endpoint", "why") else "right")
        for rank, each in enumerate(found.ranked, 1):
            why = each.reason + (f" ({each.listed.why_down})" if each.listed.why_down else "")
            down = [f"{name}: {fault}" for name, fault in each.listed.keys if fault]
            why += f" ({'; '.join(down)})" if down else ""
            table.add_row(
                str(rank),
                Text(each.listed.id),
                f"{each.share:.0%}",
                usd(each.listed.estimated),
                usd(each.most),
                figure(each.listed.policy_cost, "{:.2f}"),
                *figures(each.listed.measured),
                Text(why),
            )
        out.print(table)
        out.print(f"Expected: {usd(found.expected)}")
    if found.left_out:
        table = Table("left out", "rule", "why", box=None, header_style="bold")
        for left in found.left_out:
            table.add_row(Text(left.listed.id), left.rule, Text(left.reason))
        out.print(table)
    if found.caps:
        table = Table("under the cap", "endpoints", "first", "share", "expected", box=None, header_style="bold")
        for cap in found.caps:
            said = Text(msgspec.json.encode(cap.max_price).decode())
            first = Text(cap.first or (cap.refusal.message if cap.refusal else ""))
            table.add_row(said, str(cap.endpoints), first, f"{cap.share:.0%}", usd(cap.expected))
        out.print(table)
    if found.refusal:
        out.print(f"Refused with {found.refusal.status}: {found.refusal.message}", style="red", markup=False)


def figures(measured: Measured) -> tuple[str, str, str, str]:
    """Seconds to the first token, tokens per second, error rate, uptime; "-": not known."""
    return (
        figure(measured.first_s.p50 if measured.first_s else None, "{:.2f} s"),
        figure(measured.speed.p50 if measured.speed else None, "{:.0f}"),
        figure(measured.error_rate if measured.requests else None, "{:.1%}"),
        figure(measured.uptime.minutes_30, "{:.1%}"),
    )


def figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def usd(amount: Nanodollars | None) -> str:
    return "-" if amount is None else f"${nanodollars_to_text(amount)}"
