"""The command line: every command in one place, each imported when it is called."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tollway import __version__
from tollway.cli.people_commands import AsJson, ConfigFile, audit_app, groups_app, users_app, workspaces_app

app = typer.Typer(
    name="tollway",
    help="A self-hosted router for large language models: one API, every model, many providers, prepaid credits.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys_app = typer.Typer(help="Keys that callers use.", no_args_is_help=True)
presets_app = typer.Typer(help="Named configurations of workspaces.", no_args_is_help=True)
byok_app = typer.Typer(help="Workspaces' own keys for providers.", no_args_is_help=True)
credits_app = typer.Typer(help="Credits of workspaces.", no_args_is_help=True)
codes_app = typer.Typer(help="Codes that are redeemed for credits.", no_args_is_help=True)
catalog_app = typer.Typer(help="Models, endpoints and prices.", no_args_is_help=True)
providers_app = typer.Typer(help="Providers, and servers of your own.", no_args_is_help=True)
config_app = typer.Typer(help="The configuration.", no_args_is_help=True)
app.add_typer(users_app, name="users")
app.add_typer(audit_app, name="audit")
app.add_typer(keys_app, name="keys")
app.add_typer(workspaces_app, name="workspaces")
app.add_typer(groups_app, name="groups")
app.add_typer(byok_app, name="byok")
app.add_typer(presets_app, name="presets")
app.add_typer(credits_app, name="credits")
app.add_typer(codes_app, name="codes")
app.add_typer(catalog_app, name="catalog")
app.add_typer(providers_app, name="providers")
app.add_typer(config_app, name="config")

Behaviour = Annotated[str, typer.Option(help="What every request meets: latency_ms=200,tokens_per_s=50")]
ForWorkspace = Annotated[str, typer.Option("--workspace", help="Whose: a workspace's id")]
Workspace = Annotated[str, typer.Option(help="The workspace's id; it is made if it is not there")]


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Where to listen, over [server] host")] = None,
    port: Annotated[int | None, typer.Option(help="Where to listen, over [server] port")] = None,
) -> None:
    """Run the server. Where it listens: [server] in tollway.toml, or TOLLWAY_SERVER__HOST and TOLLWAY_SERVER__PORT."""
    from tollway.cli.serve import serve as run

    run(config, host, port)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where to listen")] = 8080,
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its data")] = Path(".tollway/demo"),
    behaviour: Behaviour = "",
    traffic: Annotated[bool, typer.Option("--traffic", help="Fill an empty demo with a month of made-up use")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same month")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run a server with simulated providers and a first key. Nothing else is needed to try it."""
    from tollway.cli.demo import demo as run

    run(port, data_dir, as_json, behaviour, seed if traffic else None)


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes a free port")] = 8081,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answers and failures")] = 0,
    model: Annotated[list[str] | None, typer.Option(help="A model that it knows; repeat it. Default: any")] = None,
    behaviour: Behaviour = "",
) -> None:
    """Run the simulated provider alone. It is an OpenAI-compatible server that does what it is told."""
    from tollway.cli.simulate import simulate as run

    run(host, port, seed, model, behaviour)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write")] = Path("tollway.toml"),
    force: Annotated[bool, typer.Option(help="Replace a file that is there")] = False,
) -> None:
    """Write a commented configuration. Provider keys that are in the environment are found and named."""
    from tollway.cli.init import init as run

    run(path, force=force)


@app.command()
def doctor(
    config: ConfigFile = None,
    ledger: Annotated[bool, typer.Option("--ledger", help="Check every invariant of the ledger")] = False,
    as_json: AsJson = False,
) -> None:
    """Check whether everything is in order. Each finding says what to do."""
    from tollway.cli.doctor import run

    raise typer.Exit(asyncio.run(run(config, ledger_only=ledger, as_json=as_json)))


@app.command()
def explain(
    request: Annotated[str, typer.Argument(help="A file with a chat request's JSON body; - reads standard input")],
    workspace: ForWorkspace = "default",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show who would answer a chat request, why, and at what cost. Exit code 1: it would be refused."""
    from tollway.cli.explain import read, run

    raise typer.Exit(asyncio.run(run(config, read(request), as_json=as_json, workspace=workspace)))


@app.command()
def replay(
    policy: Annotated[str, typer.Option(help="The balancing policy to try: price or traffic")],
    last: Annotated[int, typer.Option(min=1, help="So many of the newest generations")] = 20_000,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make recorded decisions anew with another policy: what would have changed in cost, latency and failures."""
    from tollway.cli.replay import run

    asyncio.run(run(config, policy=policy, last=last, as_json=as_json))


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="What the key is for")] = "cli",
    workspace: Workspace = "default",
    limit: Annotated[str | None, typer.Option(help="USD that it may spend, e.g. 10 or 0.5")] = None,
    reset: Annotated[str | None, typer.Option(help="When the limit starts again: daily, weekly, monthly")] = None,
    expires: Annotated[str | None, typer.Option(help="When it stops working, e.g. 2027-01-31T00:00:00Z")] = None,
    rpm: Annotated[int | None, typer.Option(help="Requests per minute, in place of limits.key_rpm")] = None,
    default_model: Annotated[str | None, typer.Option(help="For its requests that name no model")] = None,
    provisioning: Annotated[bool, typer.Option("--provisioning", help="It manages keys, and calls no model")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once."""
    from tollway.cli.keys import create

    asyncio.run(
        create(
            config,
            name=name,
            workspace=workspace,
            limit=limit,
            reset=reset,
            expires=expires,
            rpm=rpm,
            default_model=default_model,
            provisioning=provisioning,
            as_json=as_json,
        )
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
    as_json: AsJson = False,
) -> None:
    """Stop a key at once, or let it work again."""
    from tollway.cli.keys import disable

    asyncio.run(disable(config, key_id, disabled=not enable, as_json=as_json))


@presets_app.command("list")
def presets_list(workspace: ForWorkspace = "default", config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List a workspace's presets."""
    from tollway.cli.presets import show_all

    asyncio.run(show_all(config, workspace=workspace, as_json=as_json))


Slug = Annotated[str, typer.Argument(help="The preset's slug", show_default=False)]


@presets_app.command("show")
def presets_show(
    slug: Slug, workspace: ForWorkspace = "default", config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show every version of a preset, and which counts."""
    from tollway.cli.presets import show

    asyncio.run(show(config, slug, workspace=workspace, as_json=as_json))


@presets_app.command("set")
def presets_set(
    slug: Slug,
    status: Annotated[str | None, typer.Option(help="active, disabled or archived")] = None,
    version: Annotated[int | None, typer.Option(help="The version that counts from now on")] = None,
    workspace: ForWorkspace = "default",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a preset be used or not, or go back to an older version of it."""
    from tollway.cli.presets import set_preset

    asyncio.run(set_preset(config, slug, workspace=workspace, status=status, version=version, as_json=as_json))


@byok_app.command("rotate")
def byok_rotate(
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Forget the older keys: no older backup opens")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put workspaces' provider keys under a new key of the ring; requests of a running server go on."""
    from tollway.cli.byok import rotate

    asyncio.run(rotate(config, drop_old=drop_old, as_json=as_json))


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


@codes_app.command("create")
def codes_create(
    amount: Annotated[str, typer.Argument(help="USD of each, e.g. 10 or 0.5")],
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many codes")] = 1,
    uses: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many accounts may redeem each")] = 1,
    expires: Annotated[str | None, typer.Option(help="Until when, e.g. 2027-01-31T00:00:00Z")] = None,
    note: Annotated[str, typer.Option(help="For whom, or why; only operators see it")] = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make codes. They are shown once."""
    from tollway.cli.codes import create

    asyncio.run(create(config, amount=amount, count=count, uses=uses, expires=expires, note=note, as_json=as_json))


@codes_app.command("list")
def codes_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List codes and how often each was redeemed: never the codes themselves, which nobody has."""
    from tollway.cli.codes import list_codes

    asyncio.run(list_codes(config, as_json=as_json))


@codes_app.command("revoke")
def codes_revoke(
    code_id: Annotated[str, typer.Argument(help="The code's id, as `codes list` shows it")], config: ConfigFile = None
) -> None:
    """Let nobody redeem a code any more; what was redeemed stays."""
    from tollway.cli.codes import revoke

    asyncio.run(revoke(config, code_id))


@app.command()
def refund(
    purchase: Annotated[str, typer.Argument(help="The purchase's id, as its receipt shows it")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give back what is unused of a purchase, however long ago it was."""
    from tollway.cli.credits import refund as run

    asyncio.run(run(config, purchase, as_json=as_json))


ENDPOINT = typer.Argument(help="An endpoint's id, as `catalog list` shows it: provider:model", show_default=False)
Endpoint = Annotated[str, ENDPOINT]
CatalogFile = Annotated[Path | None, typer.Option("--from", help="A catalog file; default: the one in this package")]
LinesMax = Annotated[int, typer.Option("--max", min=1, help="Lines that are shown; the rest is counted")]


@catalog_app.command("list")
def catalog_list(
    text: Annotated[str, typer.Argument(help="Part of a model's name")] = "",
    provider: Annotated[str, typer.Option(help="Only this provider's")] = "",
    priced: Annotated[
        bool | None, typer.Option("--priced/--unpriced", help="Only with, or only without, a price")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Only of providers that can be called now")] = False,
    lines: LinesMax = 200,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List what can be bought: each endpoint with its price."""
    from tollway.cli.catalog_commands import show

    raise typer.Exit(
        asyncio.run(
            show(config, text=text, provider=provider, priced=priced, live=live, lines_max=lines, as_json=as_json)
        )
    )


@catalog_app.command("diff")
def catalog_diff(file: CatalogFile = None, lines: LinesMax = 200, config: ConfigFile = None) -> None:
    """Show what a catalog file would change. Exit code 1: something."""
    from tollway.cli.catalog_commands import diff

    raise typer.Exit(asyncio.run(diff(config, file=file, lines_max=lines)))


@catalog_app.command("apply")
def catalog_apply(
    file: CatalogFile = None,
    accept: Annotated[bool, typer.Option("--accept", help="Also what goes beyond the bounds")] = False,
    lines: LinesMax = 200,
    config: ConfigFile = None,
) -> None:
    """Write what a catalog file changes; a running server has it at once. Exit code 2: refused, see --accept."""
    from tollway.cli.catalog_commands import apply

    raise typer.Exit(asyncio.run(apply(config, file=file, accept=accept, lines_max=lines)))


@catalog_app.command("price")
def catalog_price(
    endpoint: Endpoint,
    prompt: Annotated[str, typer.Option(help="USD per token of the prompt, e.g. 0.0000025")],
    completion: Annotated[str, typer.Option(help="USD per token of the answer")],
    request: Annotated[str, typer.Option(help="USD per request")] = "0",
    config: ConfigFile = None,
) -> None:
    """Set an endpoint's price; no catalog file replaces it."""
    from tollway.cli.catalog_commands import price

    asyncio.run(price(config, endpoint, prompt=prompt, completion=completion, request=request))


@catalog_app.command("free")
def catalog_free(endpoint: Endpoint, config: ConfigFile = None) -> None:
    """Declare that an endpoint costs nothing: the only way to a price of zero."""
    from tollway.cli.catalog_commands import free

    asyncio.run(free(config, endpoint))


@catalog_app.command("enable")
def catalog_enable(endpoint: Endpoint, config: ConfigFile = None) -> None:
    """Switch an endpoint on."""
    from tollway.cli.catalog_commands import enable

    asyncio.run(enable(config, endpoint, enabled=True))


@catalog_app.command("disable")
def catalog_disable(endpoint: Endpoint, config: ConfigFile = None) -> None:
    """Switch an endpoint off."""
    from tollway.cli.catalog_commands import enable

    asyncio.run(enable(config, endpoint, enabled=False))


@providers_app.command("list")
def providers_list(
    live: Annotated[bool, typer.Option("--live", help="Only those that can be called now")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List providers: which can be called, and what to set for the others."""
    from tollway.cli.providers import list_providers

    asyncio.run(list_providers(config, live=live, as_json=as_json))


@providers_app.command("add")
def providers_add(
    url: Annotated[str, typer.Argument(help="The server's base URL, e.g. http://127.0.0.1:11434/v1")],
    slug: Annotated[str | None, typer.Option(help="A short name; default: from the address")] = None,
    name: Annotated[str | None, typer.Option(help="A name for people")] = None,
    key: Annotated[str | None, typer.Option(help="The key to ask with; it is never written")] = None,
    key_env: Annotated[str | None, typer.Option(help="The variable that holds the key; its name is written")] = None,
    models_url: Annotated[str | None, typer.Option(help="Where models are listed, if not at URL/models")] = None,
    speaks: Annotated[str, typer.Option(help="Its wire format, e.g. anthropic_messages or gemini")] = "openai_chat",
    free: Annotated[bool, typer.Option("--free", help="What has no price costs nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking")] = False,
    config: ConfigFile = None,
) -> None:
    """Ask a server for its models, and add it to the configuration and the catalog."""
    from tollway.cli.providers import add

    wanted = add(
        config,
        url,
        slug=slug,
        name=name,
        key=key,
        key_env=key_env,
        models_url=models_url,
        speaks=speaks,
        free=free,
        yes=yes,
    )
    asyncio.run(wanted)


@config_app.command("show")
def config_show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the configuration in force and where each value comes from; secrets are masked."""
    from tollway.cli.config_show import show

    show(config, as_json=as_json)


def main() -> None:
    """The entry point: errors that a person can mend are a sentence, not a traceback."""
    from tollway.cli.errors import run_cleanly

    run_cleanly(app)


__all__ = ["app", "main"]
