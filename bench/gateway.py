"""A gateway under test: where it listens, what it wants to be sent, and whose CPU time counts as its own."""

import subprocess
import time
from pathlib import Path

from msgspec import Struct

from bench import payload
from bench.processes import Processes, wait_for

DIRECT = "direct"
"""No gateway: the mock upstream itself, where added latency is counted from."""


class Address(Struct, frozen=True, kw_only=True):
    """How a gateway is asked."""

    port: int
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = {}
    model: str = payload.UPSTREAM_MODEL


class Gateway(Struct, kw_only=True):
    """One running gateway, and the count of what it answered."""

    name: str
    version: str
    address: Address
    process: subprocess.Popen[bytes]
    started_s: float
    """From starting the process to its first 200."""
    share: float = 1.0
    """The part of the load that it is asked to bear: a gateway a hundred times slower gets fewer requests."""
    data_dir: Path | None = None
    succeeded: int = 1
    """All requests so far; the first 200 of the start is one."""
    failed: int = 0


def launch(
    processes: Processes,
    name: str,
    version: str,
    address: Address,
    command: list[str | Path],
    *,
    env: dict[str, str] | None = None,
    share: float = 1.0,
    data_dir: Path | None = None,
) -> Gateway:
    """Start a gateway and wait for its first answer to a chat request."""
    before = time.perf_counter()
    process = processes.start(name, command, env)
    body = payload.request_body(address.model, stream=False)
    headers = {"content-type": "application/json"} | address.headers
    answered = wait_for(process, processes.log(name), address.port, "POST", address.path, body, headers)
    return Gateway(
        name=name,
        version=version,
        address=address,
        process=process,
        started_s=answered - before,
        share=share,
        data_dir=data_dir,
    )
