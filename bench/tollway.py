"""Tollway as a user starts it: defaults, a fresh data directory, one provider, a key with a limit, credits."""

import shlex
import tempfile
from pathlib import Path

import apsw
import msgspec
from msgspec import Struct

from bench import payload
from bench.gateway import Address, Gateway, launch
from bench.processes import ROOT, Failed, Processes, free_port

NAME = "tollway"

# Everything that the benchmark knows of the product's command line, configuration, URLs and tables is from here ...
_SERVE = "serve --config {config}"
_CREATE_KEY = "keys create --name bench --limit 1000 --config {config} --json"
_GRANT = "credits grant 1000 --config {config} --json"
_VERSION = "version"
_PATH = "/api/v1/chat/completions"
_CONFIG = """\
[server]
host = "127.0.0.1"
port = {port}

[storage]
data_dir = "{data_dir}"

[[providers]]
slug = "mock"
base_url = "http://127.0.0.1:{upstream}/v1"
key = "sk-mock"
models = [{{ id = "{model}", upstream = "{upstream_model}", price_prompt = "0.0000005", \
price_completion = "0.0000015", context = 128000 }}]

[[providers]]
slug = "mock-anthropic"
speaks = "anthropic_messages"
base_url = "http://127.0.0.1:{upstream}/v1"
key = "sk-mock"
models = [{{ id = "{translated_model}", upstream = "{upstream_model}", price_prompt = "0.0000005", \
price_completion = "0.0000015", context = 128000 }}]
"""
_COUNT = """
    SELECT (SELECT COUNT(*) FROM generations) AS generations,
           (SELECT COUNT(*) FROM transfers WHERE kind = 'capture') AS captures
"""


class _Key(Struct):
    """The answer of `keys create --json`."""

    key: str


# ... to here.


class Ledger(Struct, frozen=True):
    """What the product wrote down."""

    generations: int
    captures: int


def start(processes: Processes, upstream_port: int, command: str, data_dir: Path | None = None) -> Gateway:
    """Prepare a fresh Tollway with its own command line, then serve. `command` is how it is called, as in a shell.

    `data_dir`: one that holds a database already.
    """
    program = shlex.split(command)
    work = Path(tempfile.mkdtemp(prefix="tollway-", dir=processes.work))
    data_dir = data_dir or work / "data"
    port = free_port()
    config = work / "tollway.toml"
    config.write_text(
        _CONFIG.format(
            port=port,
            data_dir=data_dir,
            upstream=upstream_port,
            model=payload.MODEL,
            translated_model=payload.TRANSLATED_MODEL,
            upstream_model=payload.UPSTREAM_MODEL,
        )
    )

    def called(arguments: str) -> list[str | Path]:
        return [*program, *shlex.split(arguments.format(config=shlex.quote(str(config))))]

    # What is measured is this checkout, whatever else is installed.
    env = {"PYTHONPATH": str(ROOT / "src")}
    answer = processes.run(called(_CREATE_KEY), env=env)
    try:
        key = msgspec.json.decode(answer, type=_Key).key
    except msgspec.DecodeError as wrong:
        raise Failed(f"`tollway {_CREATE_KEY}` printed no key as JSON ({wrong}): {answer[:300]!r}") from wrong
    processes.run(called(_GRANT), env=env)
    version = processes.run(called(_VERSION), env=env).decode().split()[-1]
    address = Address(port=port, path=_PATH, headers={"authorization": f"Bearer {key}"}, model=payload.MODEL)
    return launch(processes, NAME, version, address, called(_SERVE), env=env, data_dir=data_dir)


def ledger(data_dir: Path) -> Ledger:
    """Count what is durable, reading the database beside the running server. Raises Failed."""
    for file in sorted(data_dir.rglob("*")):
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            if opened.read(16) != b"SQLite format 3\0":
                continue
        database = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            database.set_busy_timeout(5000)
            for generations, captures in database.execute(_COUNT):
                return Ledger(int(str(generations)), int(str(captures)))
        except apsw.SQLError:
            continue  # Another database than the ledger's: it has no such tables.
        finally:
            database.close()
    raise Failed(f"No SQLite database with the tables generations and transfers under {data_dir}.")


def reconcile(gateway: Gateway) -> Ledger:
    """The ledger, if it agrees with what the callers saw. Raises Failed where it does not."""
    if gateway.data_dir is None:
        raise Failed(f"{gateway.name} has no data directory to read a ledger from.")
    found = ledger(gateway.data_dir)
    answered = gateway.succeeded
    # Where a request failed, its caller cannot know whether it was recorded; without failures this is exact.
    possible = range(answered, answered + gateway.failed + 1)
    if found.captures not in possible or found.generations not in possible:
        raise Failed(
            f"The ledger does not agree with the load: {answered} requests succeeded and {gateway.failed} failed, "
            f"but it holds {found.generations} generations and {found.captures} captures."
        )
    return found
