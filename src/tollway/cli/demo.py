"""`tollway demo`: a server with simulated providers, a first key with credits, and a curl line to paste."""

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.panel import Panel

from tollway.app import running
from tollway.cli.serve import freeze, run_loop
from tollway.cli.simulate import behaviour_of
from tollway.cli.traffic import Month, make_month
from tollway.config import Config, Server, Storage
from tollway.domain.money import nanodollars_from_text
from tollway.domain.storefronts import Guest
from tollway.identity.guest import WORKSPACE as GUESTS
from tollway.identity.issue import create_key
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.server import Simulator
from tollway.storage.catalog import declare_free
from tollway.telemetry.logs import set_up_logs

CREDITS_USD = "10"
WORKSPACE = "demo"
MODEL = "openai/gpt-4o-mini"
GUEST_MODELS = (MODEL, "openai/gpt-4.1-nano", "mistralai/mistral-nemo")
"""What the playground offers."""
GUEST_CREDITS_USD = "1"
MODERATION = "openai:omni-moderation-latest"


def demo(port: int, data_dir: Path, as_json: bool, behaviour: str, traffic: int | None = None) -> None:
    """Starts everything, prints the key, and returns on Ctrl-C. `as_json`: one line on stdout, for scripts.

    `behaviour`: what every request meets at the simulated providers, as `tollway simulate` takes it. `traffic`: the
    seed of the month that an empty server is filled with.
    """
    defaults = behaviour_of(behaviour)
    # Not the configuration of the real server that may lie here: the demo needs no key, and must not fail for one.
    config = Config(server=Server(port=port), storage=Storage(data_dir=str(data_dir)), guest=Guest(models=GUEST_MODELS))
    set_up_logs("warning")
    run_loop(_demo(config, as_json, defaults, traffic))


async def _demo(config: Config, as_json: bool, defaults: Behaviour, traffic: int | None) -> None:
    simulator = await Simulator.start(defaults=defaults)
    try:
        async with running(config, simulator_url=simulator.url) as (house, task):
            now_ms = house.gateway.now_ms()
            month = None if traffic is None else await make_month(house, traffic, now_ms)
            _, secret = await create_key(
                house.database, house.pepper, workspace_id=WORKSPACE, name="demo", now_ms=now_ms
            )
            amount = nanodollars_from_text(CREDITS_USD)
            await house.gateway.books.grant(WORKSPACE, amount, f"demo-{now_ms}", "demo credits", now_ms)
            allowance = nanodollars_from_text(GUEST_CREDITS_USD)
            await house.gateway.books.grant(GUESTS, allowance, f"guests-{now_ms}", "demo credits", now_ms)
            # At OpenAI it costs nothing, which an operator has to declare; here nobody is really asked.
            await declare_free(house.database, MODERATION, now_ms)
            await house.reload()
            url = f"http://127.0.0.1:{house.port}"
            setup = await house.people.setup_token(house.gateway.now_ms())
            if as_json:
                told = {"url": url, "api_key": secret, "setup_url": f"{url}/setup#{setup}" if setup else None}
                told |= {"email": month.email, "password": month.password} if month else {}
                sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
                sys.stdout.flush()
            else:
                _announce(url, secret, setup, month)
            freeze()
            await task
    finally:
        await simulator.close()


def _announce(url: str, secret: str, setup: str | None, month: Month | None) -> None:
    console = Console()
    console.print(
        Panel(
            f"The site        [bold]{url}[/]\n"
            f"Ask a model     [bold]{url}/playground[/]\n"
            f"Your first key  [bold]{secret}[/]\n"
            f"                ${CREDITS_USD} of credits; every provider is simulated"
            + (
                f"\nIts admin       [bold]{url}/setup#{setup}[/]"
                if setup
                else f"\nSign in         [bold]{url}/sign-in[/]"
                + (f" as [bold]{month.email}[/], [bold]{month.password}[/]" if month else "")
            )
            + (f"\nA month of use  {month.generations:,} requests, all made up" if month else ""),
            title="Tollway demo",
            expand=False,
        ),
        highlight=False,
    )
    console.print("Ask it something:\n", highlight=False)
    # Printed without wrapping: a line that is broken can't be pasted.
    curl = (
        f"curl {url}/api/v1/chat/completions \\\n"
        f"  -H 'Authorization: Bearer {secret}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "Hello!"}}]}}\'\n'
    )
    console.print(curl, highlight=False, soft_wrap=True)
