"""The command line: every command in one place, each imported when it is called."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tollway import __version__

app = typer.Typer(
    name="tollway",
    help="A self-hosted router for large language models: one API, every model, many providers, prepaid credits.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="Keys that callers use.", no_args_is_help=True)
credits_app = typer.Typer(help="Credits of workspaces.", no_args_is_help=True)
catalog_app = typer.Typer(help="Models, endpoints and prices.", no_args_is_help=True)
providers_app = typer.Typer(help="Providers, and servers of your own.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(credits_app, name="credits")
app.add_typer(catalog_app, name="catalog")
app.add_typer(providers_app, name="providers")

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="A TOML file; default: ./tollway.toml")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts")]
Workspace = Annotated[str, typer.Option(help="The workspace's id; it is made if it is not there")]


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Run the server."""
    from tollway.cli.serve import serve as run

    run(config)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where to listen")] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its data")] = Path(".tollway/demo"),
    as_json: AsJson = False,
) -> None:
    """Run a server whose providers are all simulated, with a first key: nothing else is needed."""
    from tollway.cli.demo import demo as run

    run(port, data_dir, as_json)


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen")] = 8081,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers")] = 0,
) -> None:
    """Run the simulated provider alone: an OpenAI-compatible server that does what it is told."""
    from tollway.cli.simulate import simulate as run

    run(host=host, port=port, seed=seed)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write")] = Path("tollway.toml"),
    force: Annotated[bool, typer.Option(help="Replace a file that is there")] = False,
) -> None:
    """Write a commented configuration; provider keys that are in the environment are found and named."""
    from tollway.cli.init import init as run

    run(path, force=force)


@app.command()
def doctor(
    config: ConfigFile = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Check every invariant of the ledger")] = False,
    as_json: AsJson = False,
) -> None:
    """Check configuration, database, ledger and providers; each finding says what to do."""
    from tollway.cli.doctor import doctor as run

    raise typer.Exit(asyncio.run(run(config, ledger_only=ledger, as_json=as_json)))


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="What the key is for")] = "cli",
    workspace: Workspace = "default",
    limit: Annotated[str | None, typer.Option(help="USD that it may spend, e.g. 10 or 0.5")] = None,
    reset: Annotated[str | None, typer.Option(help="When the limit starts again: daily, weekly, monthly")] = None,
    expires: Annotated[str | None, typer.Option(help="When it stops working, e.g. 2027-01-31T00:00:00Z")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once."""
    from tollway.cli.keys import create

    asyncio.run(
        create(config, name=name, workspace=workspace, limit=limit, reset=reset, expires=expires, as_json=as_json)
    )


@keys_app.command("list")
def keys_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List keys: never their secrets, which nobody has."""
    from tollway.cli.keys import list_keys

    asyncio.run(list_keys(config, as_json=as_json))


@keys_app.command("disable")
def keys_disable(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `keys list` shows it")],
    enable: Annotated[bool, typer.Option("--enable", help="Let it work again")] = False,
    config: ConfigFile = None,
) -> None:
    """Stop a key at once, or let it work again."""
    from tollway.cli.keys import disable

    asyncio.run(disable(config, key_id, disabled=not enable))


@credits_app.command("grant")
def credits_grant(
    amount: Annotated[str, typer.Argument(help="USD, e.g. 10 or 0.5")],
    workspace: Workspace = "default",
    reason: Annotated[str, typer.Option(help="Why, for the ledger")] = "granted on the command line",
    ref: Annotated[str | None, typer.Option(help="The grant's own id: repeated with the same, nothing more")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give credits to a workspace; a running server has them at once."""
    from tollway.cli.credits import grant

    asyncio.run(grant(config, amount=amount, workspace=workspace, reason=reason, ref=ref, as_json=as_json))


def main() -> None:
    """The entry point: errors that a person can mend are a sentence, not a traceback."""
    from tollway.cli.errors import run_cleanly

    run_cleanly(app)


__all__ = ["app", "catalog_app", "main", "providers_app"]
