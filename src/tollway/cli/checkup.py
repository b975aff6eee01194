"""What `tollway doctor` looks at: each check is a function that gives a Check, and none changes anything."""

import asyncio
import os
import shutil
import time
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from tollway.api.control import Hello
from tollway.billing.tokens import Tokenizer
from tollway.cli.control import DEADLINES, find_server
from tollway.config import Config, ConfigError, config_file, load, misnamed
from tollway.domain.catalog import Catalog
from tollway.domain.http import Deadlines, HttpRequest
from tollway.gateway.access_tokens import AccessTokens, NoToken
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.kept_providers import with_kept
from tollway.gateway.live import Live, list_request, live_providers
from tollway.gateway.server_lists import explain_status, send
from tollway.gateway.standings import standings
from tollway.gateway.supply import SPEAKS
from tollway.identity.credentials import ring_at_hand
from tollway.providers import Provider
from tollway.routing.keyring import label
from tollway.routing.market import build_market
from tollway.storage.audit import audit_ledger
from tollway.storage.catalog import load_catalog
from tollway.storage.database import Database, StorageError
from tollway.storage.files import DATABASE_FILE, is_locked, read_control
from tollway.storage.migrate import pending
from tollway.storage.sqlite import SqliteReader, check_version, sqlite_version
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

REACH_S = 5.0
REACH_AT_ONCE = 8
DISK_LOW_BYTES = 1 * 2**30
DISK_FULL_BYTES = 100 * 2**20


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(Struct, frozen=True):
    """One thing that was looked at; `fix`: what to do, where something is to be done."""

    name: str
    state: State
    detail: str
    fix: str = ""


async def examine(file: Path | None) -> list[Check]:
    """All checks, in the order in which one would mend things."""
    try:
        config = load(file)
    except ConfigError as error:
        broken = Check(
            "configuration", State.FAIL, str(error), "correct it; `tollway init` writes a file with every option"
        )
        return [broken, check_sqlite(), check_tokenizer()]
    checks = [check_configuration(file, config), check_data_dir(config)]
    if not _can_look_into(config.data_dir):
        return [*checks, check_sqlite(), check_tokenizer()]
    checks += [check_secret(config), check_sqlite(), check_disk(config)]
    checks += await check_database(config)
    checks.append(await check_server(config))
    checks.append(await asyncio.to_thread(check_tokenizer))
    return checks


def check_configuration(file: Path | None, config: Config) -> Check:
    """The file that is in force, and variables that look like settings and are none."""
    found = config_file(file, config.environment)
    where = f"{found} is in force" if found else "no file: the defaults are in force"
    if stray := misnamed(config.environment):
        return Check("configuration", State.WARN, f"{where}; {'; '.join(stray)}", "rename the variable, or unset it")
    return Check("configuration", State.OK, where)


def check_data_dir(config: Config) -> Check:
    """Ours, writable, and closed to others."""
    place = config.data_dir
    if not _can_look_into(place):
        return Check("data directory", State.FAIL, f"{place} is not a directory that we can look into", _own(place))
    if not place.exists():
        above = next(parent for parent in place.parents if parent.exists())
        if os.access(above, os.W_OK):
            return Check("data directory", State.OK, f"{place} will be made at the first start")
        return Check("data directory", State.FAIL, f"{place} can't be made: {above} is not writable", _own(above))
    if not os.access(place, os.W_OK):
        return Check("data directory", State.FAIL, f"{place} is not writable for us", _own(place))
    if mode := _open_to_others(place):
        return Check(
            "data directory", State.WARN, f"{place} has mode {mode}: others on this machine can look in",
            f"chmod 700 {place}",
        )  # fmt: skip
    return Check("data directory", State.OK, str(place))


def check_secret(config: Config) -> Check:
    """There, long enough not to be guessed, and readable by its owner only."""
    if (secret := config.security.secret_key) is not None:
        if len(secret.strip()) < 32:
            return Check(
                "secret", State.WARN, "security.secret_key is short: it could be guessed",
                "make one with `openssl rand -hex 32`; keys that were made with the old one stop working",
            )  # fmt: skip
        return Check("secret", State.OK, "set by the configuration")
    file = config.data_dir / "secret_key"
    if not file.exists():
        if (config.data_dir / DATABASE_FILE).exists():
            return Check(
                "secret", State.FAIL, f"{file} is gone, so that no key in the database works any more",
                "restore it from a backup; else delete the keys and make new ones",
            )  # fmt: skip
        return Check("secret", State.OK, "will be made at the first start")
    if not file.read_bytes().strip():
        return Check("secret", State.FAIL, f"{file} is empty", "restore it from a backup")
    if mode := _open_to_others(file):
        return Check("secret", State.FAIL, f"{file} has mode {mode}: others can read it", f"chmod 600 {file}")
    return Check("secret", State.OK, f"{file}, readable by its owner only")


def check_sqlite() -> Check:
    """A version without the WAL-reset bug."""
    try:
        check_version()
    except StorageError as error:
        return Check("SQLite", State.FAIL, str(error), "pip install --upgrade apsw")
    return Check("SQLite", State.OK, sqlite_version())


def check_disk(config: Config) -> Check:
    """Space for the database: a full disk stops every charge, and so every request."""
    place = next(each for each in (config.data_dir, *config.data_dir.parents) if each.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / 2**30:,.1f} GiB free at {place}"
    if free < DISK_LOW_BYTES:
        state = State.FAIL if free < DISK_FULL_BYTES else State.WARN
        return Check("disk", state, said, "make room: on a full disk nothing can be charged, so nothing is served")
    return Check("disk", State.OK, said)


def check_tokenizer() -> Check:
    """Its ranks are in the package, and it counts."""
    try:
        tokens = Tokenizer().count("Hello world")
    except (OSError, ValueError, ImportError) as error:
        return Check("tokenizer", State.FAIL, f"does not load: {error}", "install Tollway again")
    if tokens != 2:
        return Check("tokenizer", State.FAIL, f"counts {tokens} tokens in two words", "install Tollway again")
    return Check("tokenizer", State.OK, "o200k_base loads")


async def check_database(config: Config) -> list[Check]:
    """Migrations, the ledger, and what the catalog says of the providers."""
    file = config.data_dir / DATABASE_FILE
    if not file.exists():
        return [Check("database", State.OK, f"{file} will be made at the first start")]
    try:
        reader = SqliteReader(file)
    except StorageError as error:
        return [Check("database", State.FAIL, str(error), "restore it from a backup")]
    try:
        missing = await pending(reader)
        if missing:
            detail = f"{len(missing)} migrations are to be applied: {', '.join(missing)}"
            return [
                Check("database", State.WARN, detail, "the next start of the server applies them: make a backup first")
            ]
        checks = [Check("database", State.OK, f"{file}, at the newest migration"), await check_ledger(reader)]
        merged = await with_kept(config, reader, ring_at_hand(config))
        return checks + await check_providers(merged, await load_catalog(reader, Gateway.now_ms()))
    except StorageError as error:
        return [
            Check("database", State.FAIL, str(error), "see whether the disk is full; else restore it from a backup")
        ]
    finally:
        await reader.close()


async def check_ledger(database: Database) -> Check:
    """All invariants of MONEY.md that a query can see."""
    broken = [finding for finding in await audit_ledger(database) if finding.broken]
    if broken:
        detail = "; ".join(f"{finding.name}: {len(finding.broken)} rows" for finding in broken)
        return Check("ledger", State.FAIL, detail, "tollway doctor --ledger names the rows")
    return Check("ledger", State.OK, "every invariant holds")


async def check_providers(config: Config, catalog: Catalog) -> list[Check]:
    """Who is live, who of these answers, and what they sell without a price."""
    found = standings(catalog, config)
    checks = []
    by_slug = {each.slug: each for each in found}
    for mine in config.providers:
        each = by_slug[mine.slug]
        if not each.live:
            checks.append(Check(f"provider {each.slug}", State.WARN, f"is configured and not live: {each.why}"))
    live = [each.slug for each in found if each.live]
    if not live:
        fix = "set a provider's key, e.g. OPENAI_API_KEY, or add a server: tollway providers add URL"
        return [*checks, Check("providers", State.WARN, "none is live", fix)]
    checks.append(Check("providers", State.OK, f"{len(live)} live: {', '.join(live)}"))
    live_now = live_providers(catalog, config, None)
    market = build_market(catalog, live_now.providers, SPEAKS)
    unpriced = [off.endpoint.id for offer in market.offers.values() for off in offer.off if off.rule == "unpriced"]
    # What a block with `free = true` lists is declared free when the server starts.
    billed = set(live) - {mine.slug for mine in config.providers if mine.free}
    unpriced = [id_ for id_ in unpriced if id_.partition(":")[0] in billed]
    if unpriced:
        fix = f"tollway catalog price '{unpriced[0]}' --prompt ... --completion ..., or `tollway catalog free`"
        checks.append(
            Check("prices", State.WARN, f"{len(unpriced)} endpoints of live providers are off for want of a price", fix)
        )
    checks += [Check(f"provider {slug}", State.WARN, fault) for slug, fault in live_now.faults.items()]
    called = [live_now.providers[slug] for slug in live if slug in live_now.providers]
    return checks + await check_reach(config, called, live_now)


async def check_reach(config: Config, called: list[Provider], live: Live) -> list[Check]:
    """DNS, TCP, TLS and the keys of each provider, by asking for its models: costs nothing, and takes no credits."""
    client = UpstreamClient(proxies=config.upstream.proxies)
    jobs = Jobs()
    tokens = AccessTokens(client, jobs.spawn, time.time)
    turns = asyncio.Semaphore(REACH_AT_ONCE)
    lists = {each.slug: each.models_url for each in config.providers}

    async def one(provider: Provider, secret: str, key: int) -> Check:
        name = f"{provider.slug} {label(key)}" if key else provider.slug
        async with turns:
            try:
                credential = await tokens.for_provider(provider, secret)
            except NoToken as fault:
                return Check(f"provider {name}", State.FAIL, str(fault), "correct its credential")
            request = list_request(provider, credential, lists.get(provider.slug), time.time())
            return await reach(client, name, request)

    def secrets(slug: str) -> list[tuple[int, str]]:
        return list(enumerate(live.keyrings.get(slug, ()), 1)) or [(0, live.credentials.get(slug, ""))]

    try:
        return await asyncio.gather(
            *(one(provider, secret, key) for provider in called for key, secret in secrets(provider.slug))
        )
    finally:
        await client.close()
        await jobs.close()


async def reach(client: UpstreamClient, called: str, request: HttpRequest) -> Check:
    """One provider. A 404 is an answer too: not everyone lists models."""
    name = f"provider {called}"
    deadlines = Deadlines(first_event_s=REACH_S, idle_s=REACH_S, total_s=REACH_S)
    try:
        status, body = await send(client, request, deadlines)
    except UpstreamFault as fault:
        return Check(
            name, State.FAIL, fault.message, "is its address right, is it running, does a firewall or proxy block it?"
        )
    except ValueError as error:
        return Check(name, State.FAIL, str(error), "correct its base_url or its key")
    if status in (401, 403):
        return Check(name, State.FAIL, explain_status(status, body), "put the right key into its variable")
    if status >= 500:
        return Check(
            name, State.WARN, f"answers with {explain_status(status, body)}", "it has trouble; look at its status page"
        )
    return Check(name, State.OK, "answers" if status < 400 else f"answers (status {status} for the list of models)")


async def check_server(config: Config) -> Check:
    """Whether a server runs here, and whether it can serve."""
    if not is_locked(config.data_dir):
        return Check("server", State.OK, "none runs on this data directory")
    client = UpstreamClient()
    try:
        control = await find_server(client, config)
        if isinstance(control, str):
            held = read_control(config.data_dir)
            who = f" (its note names process {held.pid})" if held else ""
            return Check("server", State.FAIL, f"something holds the lock, but {control}{who}", "restart the server")
        status, body = await send(client, HttpRequest("GET", f"{control.url}/readyz"), DEADLINES)
        headers = (("authorization", f"Bearer {control.token}"),)
        _, greeting = await send(client, HttpRequest("GET", f"{control.url}/control/v1", headers), DEADLINES)
    except UpstreamFault as fault:
        return Check("server", State.FAIL, f"does not answer: {fault.message}", "restart the server")
    finally:
        await client.close()
    if status == 200 and (alarms := (hello := msgspec.json.decode(greeting, type=Hello)).alarms + hello.drifts):
        if hello.alarms:
            fix = "put the right key into its variable, pay the provider, or `tollway catalog disable` the endpoint"
            return Check("server", State.WARN, f"has switched off what providers refuse: {'; '.join(alarms)}", fix)
        fix = "compare with the provider's bill, and ask it; docs/money.md says what was compared"
        return Check("server", State.WARN, f"sees token counts drift: {'; '.join(alarms)}", fix)
    if status == 200:
        return Check("server", State.OK, f"runs at {control.url} and is ready")
    return Check(
        "server",
        State.FAIL,
        f"runs at {control.url} and is not ready: {body.decode(errors='replace')}",
        "its log says why",
    )


def _can_look_into(place: Path) -> bool:
    """Whether what lies in a directory, or that it is not there yet, can be seen at all."""
    try:
        return not place.exists() or (place.is_dir() and os.access(place, os.R_OK | os.X_OK))
    except OSError:  # a directory above it is closed to us
        return False


def _open_to_others(path: Path) -> str:
    """The mode, where group or others may do anything; else ""."""
    mode = path.stat().st_mode & 0o777
    return f"{mode:o}" if mode & 0o077 else ""


def _own(path: Path) -> str:
    return f"chown it to the user that runs Tollway, or set storage.data_dir to another place than {path}"
