"""`tollway serve` as a process of its own, over a simulator in this one: it can be killed, stopped, started again."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

from tests.support import Secret
from tollway.app import open_database
from tollway.config import Config, load
from tollway.domain.money import nanodollars_from_text
from tollway.gateway.books import Books
from tollway.identity.issue import create_key
from tollway.simulator import Simulator
from tollway.storage.files import DATABASE_FILE, load_secret, read_control
from tollway.storage.sqlite import SqliteReader

PATIENCE_S = 90.0
WORKSPACE = "home"
LIMIT = 300_000
"""What the limited key may spend: some hundredths of a cent."""
SRC = Path(__file__).resolve().parents[2] / "src"
TOML = """
[server]
port = 0
shutdown_grace_s = {grace_s}

[storage]
data_dir = {data_dir}

[[providers]]
slug = "a"
base_url = "{url}/p/a/v1"
models = [
  {{ id = "test/model", upstream = "{upstream}", price_prompt = "0.000001", price_completion = "0.000002" }},
  {{ id = "test/beyond", upstream = "beyond@tokens=2000", price_prompt = "1", price_completion = "1" }},
]

[[providers]]
slug = "b"
base_url = "{url}/p/b/v1"
models = [
  {{ id = "test/model", upstream = "{upstream}", price_prompt = "0.000001", price_completion = "0.000002" }},
]
"""


class ServerProcess:
    """One data directory and the server that uses it. `stop` it in any case: it must not outlive the test."""

    def __init__(
        self, folder: Path, simulator: Simulator, upstream: str, grace_s: float = 30.0, settings: str = ""
    ) -> None:
        self.simulator = simulator
        self.data_dir = folder / "data"
        self.port = 0
        self.started_in_s = 0.0
        self.key: Secret
        self.limited: Secret
        self._config_file = folder / "tollway.toml"
        self._log_file = folder / "server.log"
        self._process: Process | None = None
        told = TOML.format(
            grace_s=grace_s, data_dir=json.dumps(str(self.data_dir)), url=simulator.url, upstream=upstream
        )
        self._config_file.write_text(told + settings)

    @property
    def config(self) -> Config:
        return load(self._config_file, {})

    async def endow(self, usd: str) -> None:
        """A key, another that may spend some hundredths of a cent, and credits, before the first start."""
        database = await open_database(self.config)
        try:
            now_ms = int(time.time() * 1000)
            pepper = load_secret(self.data_dir, None, has_keys=False)
            key, secret = await create_key(database, pepper, workspace_id=WORKSPACE, name="chaos", now_ms=now_ms)
            await Books(database).grant(WORKSPACE, nanodollars_from_text(usd), "first", "", now_ms)
            self.key = Secret(key, secret)
            key, secret = await create_key(
                database, pepper, workspace_id=WORKSPACE, name="limited", limit=LIMIT, now_ms=now_ms
            )
            self.limited = Secret(key, secret)
        finally:
            await database.close()

    async def start(self) -> None:
        """Returns when it listens. AssertionError: it ended, or takes too long; with its log."""
        began_s = time.monotonic()
        (self.data_dir / "control.json").unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOLLWAY_")}
        with self._log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tollway", "serve", "--config", str(self._config_file)),
                env={**environment, "PYTHONPATH": str(SRC)},
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
            )
        while (control := read_control(self.data_dir)) is None:
            assert self._process.returncode is None, self.log()
            assert time.monotonic() - began_s < PATIENCE_S, self.log()
            await asyncio.sleep(0.02)
        self.port = int(control.url.rpartition(":")[2])
        self.started_in_s = time.monotonic() - began_s

    async def kill(self) -> None:
        """SIGKILL: nothing in it gets a chance to do anything."""
        assert self._process is not None
        assert self._process.returncode is None, self.log()
        self._process.kill()
        assert await self._process.wait() == -signal.SIGKILL

    def terminate(self) -> None:
        """SIGTERM, as a service manager stops it."""
        assert self._process is not None
        self._process.terminate()

    async def ended(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def stop(self) -> None:
        """Whatever state it is in."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def reader(self) -> SqliteReader:
        """The ledger, seen from outside."""
        return SqliteReader(self.data_dir / DATABASE_FILE)

    def log(self) -> str:
        return self._log_file.read_text(errors="replace")[-5000:]
