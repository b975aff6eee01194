"""`tollway serve`: the server, until Ctrl-C."""

import asyncio
import gc
from pathlib import Path

from msgspec import structs
from rich.console import Console
from rich.panel import Panel

from tollway.api.house import House
from tollway.app import running
from tollway.config import Config, load
from tollway.gateway.live import own_servers
from tollway.telemetry.logs import set_up_logs


def serve(config_file: Path | None, host: str | None, port: int | None) -> None:
    """Reads the configuration, starts, prints where, and returns when the server has stopped."""
    config = load(config_file)
    asked = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    config = structs.replace(config, server=structs.replace(config.server, **asked))
    if config_file is not None:  # so that the page of settings finds the file that was read
        config = structs.replace(config, environment={**config.environment, "TOLLWAY_CONFIG": str(config_file)})
    set_up_logs(config.environment.get("LOG_LEVEL", "info"))
    run_loop(_serve(config))


def run_loop(main: object) -> None:
    """Runs a coroutine on uvloop where there is one."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main)  # type: ignore[arg-type]  # a coroutine, whatever it gives


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop's loop; None, and with it the stock one, where there is no uvloop (Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


async def _serve(config: Config) -> None:
    async with running(config) as (house, task):
        _announce(house, config, await house.people.setup_token(house.gateway.now_ms()))
        freeze()
        await task


def freeze() -> None:
    """What was built at start lives as long as the process: the garbage collector need not walk through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _announce(house: House, config: Config, setup_token: str | None) -> None:
    offers = house.gateway.market.offers.values()
    models = sum(1 for offer in offers if offer.live)
    endpoints = sum(len(offer.live) for offer in offers)
    url = (config.server.public_url or config.server.local_url(house.port)).rstrip("/")
    lines = [
        f"[bold]{url}[/]  the site",
        f"{url}/api/v1  OpenRouter's API",
        f"{url}/v1  OpenAI's API",
        f"{models} models, {endpoints} endpoints, {len(house.gateway.market.providers)} providers live",
        f"[dim]data in {config.data_dir}[/]",
    ]
    if setup_token is not None:
        lines.append(f"[bold]{url}/setup#{setup_token}[/]  become its admin; works once, for an hour")
    own = tuple(own_servers(config))
    listed = [provider.slug for provider in own if provider.models is None]
    if listed:
        lines.append(f"[dim]the models of {', '.join(listed)} are being listed[/]")
    elif not endpoints:
        lines.append("[yellow]No provider is live: set OPENAI_API_KEY or another, or add a server to tollway.toml.[/]")
    live = house.gateway.market.providers
    # A server of one's own is not there before its models are listed; one of the catalog's is, or has no key.
    dead = [each.slug for each in config.providers if each not in own and each.slug not in live]
    if dead:
        lines.append(f"[yellow]Not live: {', '.join(dead)}; `tollway doctor` says why.[/]")
    Console(stderr=True).print(Panel("\n".join(lines), title="Tollway", expand=False), highlight=False)
