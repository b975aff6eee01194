"""`tollway providers list|add`: who can be called and why not, and taking in a server by its address."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollway.billing.settings import SLUG
from tollway.catalog.changes_told import per_million
from tollway.catalog.listing import rows_for
from tollway.cli.catalog import add_provider
from tollway.cli.catalog_commands import Writer, today
from tollway.cli.control import reading
from tollway.cli.terminal import console, print_json
from tollway.config import CONFIG_FILE, Config, ConfigError, config_file, load
from tollway.domain.catalog import Catalog, ProviderInfo, WireFormat
from tollway.domain.catalog_rows import EndpointRow
from tollway.gateway.base import Gateway
from tollway.gateway.kept_providers import with_kept
from tollway.gateway.server_lists import Server, ask_server, guess_slug
from tollway.gateway.standings import standings
from tollway.gateway.supply import SPOKEN
from tollway.identity.credentials import ring_at_hand
from tollway.storage.catalog import load_catalog
from tollway.storage.files import is_locked
from tollway.upstream.client import UpstreamClient


async def list_providers(config_file: Path | None, *, live: bool, as_json: bool) -> None:
    """Prints the providers, those that can be called first."""
    config = load(config_file)
    async with reading(config) as database:
        config = await with_kept(config, database, ring_at_hand(config))
        catalog = await load_catalog(database, Gateway.now_ms())
    found = [each for each in standings(catalog, config) if each.live or not live]
    if as_json:
        print_json(found)
        return
    table = Table("provider", "name", "live", "endpoints", "priced", "", box=None, header_style="bold")
    for each in found:
        mark = Text("yes", style="green") if each.live else Text("no", style="dim")
        table.add_row(each.slug, Text(each.name), mark, f"{each.endpoints:,}", f"{each.priced:,}", Text(each.why))
    out = console()
    out.print(table)
    out.print(f"{sum(each.live for each in found)} of {len(catalog.providers)} providers are live.")


async def add(
    file: Path | None,
    url: str,
    *,
    slug: str | None,
    name: str | None,
    key: str | None,
    key_env: str | None,
    models_url: str | None,
    speaks: str = "openai_chat",
    free: bool,
    yes: bool,
) -> None:
    """Asks the server for its models, shows them, and after a yes writes a block and takes the models in.

    ValueError: the server does not answer with a list of models, or the slug is taken. The key is never written.
    """
    config = load(file)
    out = console()
    secret = key or (config.environment.get(key_env, "") if key_env else "")
    if key_env and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key_env):
        raise ValueError("--key-env takes the name of a variable, not the key itself")
    if speaks not in {form.value for form in SPOKEN}:
        raise ValueError(f"--speaks takes one of {', '.join(sorted(form.value for form in SPOKEN))}, not {speaks!r}")
    form = WireFormat(speaks)
    client = UpstreamClient(proxies=config.upstream.proxies)
    try:
        server = await ask_server(client, url, secret, models_url, form)
    finally:
        await client.close()
    slug = slug or guess_slug(server.base_url)
    if key and not key_env:
        key_env = re.sub(r"[^A-Z0-9]+", "_", slug.upper()) + "_API_KEY"
    async with reading(config) as database:
        config = await with_kept(config, database, ring_at_hand(config))
        catalog = await load_catalog(database, Gateway.now_ms())
        _check_slug(slug, server, config, catalog)
        info = ProviderInfo(slug, name or slug, server.base_url, form)
        _, endpoints = rows_for(info, server.listing, catalog.models, catalog.aliases, today())
        _show(out, endpoints, catalog, free)
        target = config_file(file, config.environment) or Path(CONFIG_FILE)
        block = block_of(info, key_env=key_env, models_url=server.models_url, free=free)
        text = with_block(target, block)
        if not yes and not _agreed(target, block):
            out.print("Nothing was written.")
            return
        target.write_text(text, encoding="utf-8")
        write = Writer(config)
        await add_provider(database, out, info, server.body, Gateway.now_ms(), today(), free=free, write=write)
    out.print(f"Written to {target}:\n\n{block}", markup=False)
    _say_next(out, config, endpoints, key_env=key_env, free=free)


def block_of(info: ProviderInfo, *, key_env: str | None, models_url: str | None, free: bool) -> str:
    """A `[[providers]]` block. The key is named, never written."""
    lines = ["[[providers]]", f"slug = {_quoted(info.slug)}", f"base_url = {_quoted(info.base_url)}"]
    if models_url:
        lines.append(f"models_url = {_quoted(models_url)}")
    if info.wire_format is not WireFormat.OPENAI_CHAT:
        lines.append(f"speaks = {_quoted(info.wire_format.value)}")
    if info.name != info.slug:
        lines.append(f"name = {_quoted(info.name)}")
    if key_env:
        lines.append(f'key = "${{{key_env}}}"')
    if free:
        lines.append("free = true")
    return "\n".join(lines) + "\n"


def with_block(target: Path, block: str) -> str:
    """The file's text with the block at its end. ConfigError: together they would be no TOML."""
    before = target.read_text(encoding="utf-8") if target.exists() else ""
    text = f"{before.rstrip()}\n\n{block}" if before.strip() else block
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{target}: the block can't be added there ({error}); add it by hand:\n{block}") from None
    return text


def _check_slug(slug: str, server: Server, config: Config, catalog: Catalog) -> None:
    if not re.fullmatch(SLUG, slug):
        raise ValueError(f'"{slug}" can\'t be a slug; use small letters, digits and dashes: --slug NAME')
    if any(provider.slug == slug for provider in config.providers):
        raise ValueError(
            f'there is a [[providers]] block for "{slug}" already, or it was added on the site; choose another --slug'
        )
    known = catalog.providers.get(slug)
    if known is not None and known.base_url.rstrip("/") != server.base_url:
        raise ValueError(f'the catalog has a provider "{slug}" ({known.base_url}); choose another --slug')


def _show(out: Console, endpoints: tuple[EndpointRow, ...], catalog: Catalog, free: bool) -> None:
    table = Table("model of the server", "sold as", "context", "$/M in", "$/M out", box=None, header_style="bold")
    for endpoint in endpoints:
        model = Text(endpoint.model_id, style="" if endpoint.model_id in catalog.models else "cyan")
        prices: tuple[str | Text, ...] = (Text("free", "green") if free else Text("no price", "yellow"), "")
        if endpoint.price is not None:
            rates = endpoint.price.rates
            prices = (per_million(rates.prompt), per_million(rates.completion))
        table.add_row(Text(endpoint.upstream_model), model, f"{endpoint.context_tokens:,}", *prices)
    out.print(table)


def _agreed(target: Path, block: str) -> bool:
    try:
        return typer.confirm(f"\n{block}\nAdd this to {target}?")
    except typer.Abort:
        raise ValueError("Nothing was written: there was no answer. `--yes` writes without asking") from None


def _say_next(
    out: Console, config: Config, endpoints: tuple[EndpointRow, ...], *, key_env: str | None, free: bool
) -> None:
    """What is left to do, in order."""
    steps = []
    unpriced = [] if free else [endpoint.id for endpoint in endpoints if endpoint.price is None]
    if key_env and not config.environment.get(key_env):
        steps.append(f"export {key_env}=...   (the server reads the key there)")
    if unpriced:
        steps.append(
            f"tollway catalog price '{unpriced[0]}' --prompt 0.000001 --completion 0.000002   (USD per token), or\n"
            f"     tollway catalog free '{unpriced[0]}'   for each of the {len(unpriced)} models without a price; or "
            "add free = true to the block"
        )
    started = is_locked(config.data_dir)
    steps.append("restart `tollway serve`: it reads its providers at start" if started else "tollway serve")
    out.print(
        "Next:",
        *(f"  {number}. {step}" for number, step in enumerate(steps, 1)),
        sep="\n",
        markup=False,
        soft_wrap=True,
    )


def _quoted(text: str) -> str:
    """A TOML basic string (toml.io, "String")."""
    escapes: Mapping[str, str] = {"\\": "\\\\", '"': '\\"'}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text) + '"'
