"""`tollway simulate`: runs the simulated provider until Ctrl-C."""

import asyncio
import signal
import sys

import typer

from tollway.simulator.behaviour import BadBehaviour, Behaviour, parse, with_values
from tollway.simulator.server import Simulator


def simulate(
    host: str = "127.0.0.1", port: int = 8081, seed: int = 0, model: list[str] | None = None, behaviour: str = ""
) -> None:
    """Run a simulated provider that speaks OpenAI's chat format, until Ctrl-C."""
    defaults = behaviour_of(behaviour)
    try:
        _run(host, port, seed, model, defaults)
    except OSError as error:
        typer.echo(
            f"The simulator cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port.",
            err=True,
        )
        raise typer.Exit(1) from None


def behaviour_of(text: str) -> Behaviour:
    """What `--behaviour` says. typer.BadParameter: it can't be read."""
    try:
        return with_values(Behaviour(), parse(text))
    except BadBehaviour as error:
        raise typer.BadParameter(str(error)) from None


def _run(host: str, port: int, seed: int, models: list[str] | None, defaults: Behaviour) -> None:
    if sys.platform == "win32":
        asyncio.run(_serve(host, port, seed, models, defaults))
    else:
        import uvloop

        uvloop.run(_serve(host, port, seed, models, defaults))


async def _serve(host: str, port: int, seed: int, models: list[str] | None, defaults: Behaviour) -> None:
    simulator = await Simulator.start(host=host, port=port, seed=seed, models=models, defaults=defaults)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    typer.echo(
        f"Simulated provider at {simulator.url}/v1 (models: {', '.join(simulator.models[:4])} ...). Ctrl-C stops it."
    )
    try:
        await stop.wait()
    finally:
        await simulator.close()
        seen = simulator.stats
        typer.echo(
            f"{seen.requests} requests: {seen.completed} completed, {seen.failed} failed, {seen.aborted} aborted."
        )
