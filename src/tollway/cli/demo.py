"""`tollway demo`: a server with simulated providers, a first key with credits, and a curl line to paste."""

import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.panel import Panel

from tollway.app import running
from tollway.cli.serve import freeze, run_loop
from tollway.config import Config, Server, Storage
from tollway.domain.money import nanodollars_from_text
from tollway.identity.issue import create_key
from tollway.simulator.server import Simulator
from tollway.telemetry.logs import set_up_logs

CREDITS_USD = "10"
WORKSPACE = "demo"
MODEL = "openai/gpt-4o-mini"


def demo(port: int, data_dir: Path, as_json: bool) -> None:
    """Starts everything, prints the key, and returns on Ctrl-C. `as_json`: one line on stdout, for scripts."""
    # Not the configuration of the real server that may lie here: the demo needs no key, and must not fail for one.
    config = Config(server=Server(port=port), storage=Storage(data_dir=str(data_dir)))
    set_up_logs("warning")
    run_loop(_demo(config, as_json))


async def _demo(config: Config, as_json: bool) -> None:
    simulator = await Simulator.start()
    try:
        async with running(config, simulator_url=simulator.url) as (house, task):
            now_ms = house.gateway.now_ms()
            _, secret = await create_key(
                house.database, house.pepper, workspace_id=WORKSPACE, name="demo", now_ms=now_ms
            )
            amount = nanodollars_from_text(CREDITS_USD)
            await house.gateway.books.grant(WORKSPACE, amount, f"demo-{now_ms}", "demo credits", now_ms)
            url = f"http://127.0.0.1:{house.port}"
            if as_json:
                sys.stdout.write(msgspec.json.encode({"url": url, "api_key": secret}).decode() + "\n")
                sys.stdout.flush()
            else:
                _announce(url, secret)
            freeze()
            await task
    finally:
        await simulator.close()


def _announce(url: str, secret: str) -> None:
    console = Console()
    console.print(
        Panel(
            f"The site        [bold]{url}[/]\n"
            f"Your first key  [bold]{secret}[/]\n"
            f"                ${CREDITS_USD} of credits; every provider is simulated",
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
