"""`tollway providers list|add`: who can be called and why not, and taking in a server by its address."""

import re
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tollway.billing.settings import SLUG
from tollway.catalog.listing import Listing, read_listing, rows_for
from tollway.cli.catalog import add_provider, per_million
from tollway.cli.catalog_commands import Writer, today
from tollway.cli.control import error_message, reading, send
from tollway.cli.terminal import console, print_json
from tollway.config import CONFIG_FILE, Config, ConfigError, ProviderConfig, config_file, load
from tollway.domain.catalog import Catalog, ProviderInfo, WireFormat
from tollway.domain.catalog_rows import EndpointRow
from tollway.domain.http import Deadlines
from tollway.gateway.base import Gateway
from tollway.gateway.live import Live, info_of, is_own, list_request, live_providers, missing, own_servers
from tollway.gateway.supply import SPOKEN
from tollway.providers import LOCAL, PROVIDERS, Provider, bearer, provider_for
from tollway.providers.base import AUTH
from tollway.storage.catalog import load_catalog
from tollway.storage.files import is_locked
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

LOCAL_SERVERS = {urlsplit(each.base_url).port or 0: (each.slug, each.name) for each in LOCAL}
"""Port -> slug and name of the server that listens there by its own default."""

PATIENCE = Deadlines(first_event_s=10.0, idle_s=10.0, total_s=15.0)


class Standing(Struct):
    """A provider: whether it can be called, and otherwise what to do."""

    slug: str
    name: str
    live: bool
    why: str
    endpoints: int
    priced: int


class Server(Struct, frozen=True):
    """A server that `providers add` asked: where it is, and what it lists."""

    base_url: str
    models_url: str | None
    body: bytes
    listing: Listing


async def list_providers(config_file: Path | None, *, live: bool, as_json: bool) -> None:
    """Prints the providers, those that can be called first."""
    config = load(config_file)
    async with reading(config) as database:
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


def standings(catalog: Catalog, config: Config) -> list[Standing]:
    """Every provider of the catalog and of the configuration, live ones first."""
    found_live = live_providers(catalog, config, None)
    own = {provider.slug: provider for provider in config.providers}
    sold: dict[str, list[bool]] = {}
    for endpoints in catalog.endpoints.values():
        for endpoint in endpoints:
            sold.setdefault(endpoint.provider, []).append(endpoint.price is not None)
    infos = dict(catalog.providers)
    for each in (*config.providers, *own_servers(config), *map(ProviderConfig, PROVIDERS)):
        infos.setdefault(each.slug, info_of(each))
    found = []
    for info in infos.values():
        priced = sold.get(info.slug, [])
        known = info.slug in catalog.providers
        mine = own.get(info.slug)
        live = info.slug in found_live.providers and info.wire_format in SPOKEN
        if live:
            why = found_live.faults.get(info.slug) or _why_live(info.slug, found_live)
        else:
            why = _why_not(info, mine, config, known)
        found.append(Standing(info.slug, info.name, live, why, len(priced), sum(priced)))
    return sorted(found, key=lambda each: (not each.live, each.slug))


def _why_live(slug: str, live: Live) -> str:
    if (deployments := live.providers[slug].deployments) is not None:
        return f"deployments: {len(deployments)}"
    if slug in live.keyrings:
        return f"{len(live.keyrings[slug])} keys are set"
    return "its key is set" if slug in live.credentials else "it needs no key"


def _why_not(info: ProviderInfo, mine: ProviderConfig | None, config: Config, known: bool) -> str:
    """What must be done before this provider can be called."""
    if not known and not info.base_url:
        return "the catalog has no such provider: give it a base_url, or correct its slug"
    if info.wire_format not in SPOKEN:
        return f"speaks {info.wire_format.value}, which is not built yet"
    if not info.base_url:
        return f'has no known address: give base_url in a [[providers]] block with slug = "{info.slug}"'
    if not info.key_env and not is_own(mine):
        return f'runs on your own machine: a [[providers]] block with slug = "{info.slug}" is enough'
    try:
        wanted = missing(provider_for(info), mine, config)
    except ValueError as error:
        return str(error)
    if not wanted or (mine is not None and is_own(mine)):
        return "its models are listed when the server starts"
    return f"set {', '.join(wanted)}"


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
    server = await ask_server(config, url, secret, models_url, form)
    slug = slug or guess_slug(server.base_url)
    if key and not key_env:
        key_env = re.sub(r"[^A-Z0-9]+", "_", slug.upper()) + "_API_KEY"
    async with reading(config) as database:
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


async def ask_server(
    config: Config,
    url: str,
    key: str,
    models_url: str | None = None,
    speaks: WireFormat = WireFormat.OPENAI_CHAT,
) -> Server:
    """Finds the list of models: below URL, else below URL/v1 (for Gemini, /v1beta). ValueError: what came instead."""
    if "://" not in url:
        url = f"http://{url}"
    base = url.rstrip("/").removesuffix("/models").rstrip("/")
    version = "v1beta" if speaks is WireFormat.GEMINI else "v1"
    bases = [base] if models_url or urlsplit(base).path.strip("/") else [f"{base}/{version}", base]
    client = UpstreamClient(proxies=config.upstream.proxies)
    said = []
    try:
        for each in bases:
            server = Provider("", "", each, speaks, auth=AUTH.get(speaks, bearer))
            request = list_request(server, key, models_url, time.time())
            place = request.url
            try:
                status, body = await send(client, request, PATIENCE)
            except UpstreamFault as fault:
                said.append(f"{place}: {fault.message}")
                continue
            if status == 200:
                return Server(each, models_url, body, read_listing(body))
            said.append(f"{place}: {explain_status(status, body)}")
    finally:
        await client.close()
    raise ValueError(f"No list of models. {'; '.join(said)}")


def explain_status(status: int, body: bytes) -> str:
    """A status of GET /models, in words that say what to do."""
    words = error_message(body)
    said = f" ({words[:200]})" if words else ""
    if status in (401, 403):
        return f"status {status}: the key is missing, wrong or may not do this{said}"
    if status == 404:
        return f"status 404: there is no list of models here; the base URL usually ends with /v1{said}"
    return f"status {status}{said}"


def guess_slug(base_url: str) -> str:
    """A short name from the address: a known local port's, else the host without `api.` and its ending."""
    parts = urlsplit(base_url)
    host = parts.hostname or "server"
    local = host in {"localhost", "127.0.0.1", "::1"}
    if local and parts.port in LOCAL_SERVERS:
        return LOCAL_SERVERS[parts.port][0]
    if local or re.fullmatch(r"[0-9a-f.:]+", host):
        return f"server-{parts.port or parts.scheme}"
    labels = [label for label in host.split(".") if label not in {"api", "www"}]
    return re.sub(r"[^a-z0-9-]", "-", (labels[-2] if len(labels) > 1 else labels[0]).lower())


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
        raise ValueError(f'there is a [[providers]] block for "{slug}" already; choose another --slug, or edit it')
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
