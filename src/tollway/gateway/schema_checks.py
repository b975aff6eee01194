"""Answers checked against callers' schemas by processes apart, which are kept while they are quick and ended if not."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.domain.errors import InvalidRequest, Unavailable
from tollway.wire.extraction import Fault

PROCESSES_MAX = 2
LATE_S = 20.0
"""For a process that is not even given the time that it may take."""
LENGTH_BYTES = 4
TOO_LONG = "it takes too long to check by its schema"


class Checked(Struct):
    """An answer's JSON, and what is wrong with it. `refused`: the schema is none."""

    refused: str | None = None
    output: Raw = Raw(b"null")
    faults: tuple[Fault, ...] = ()


_CHECKED = msgspec.json.Decoder(Checked)


class TooLong(Exception):
    """The process took more than its time, or its memory, and has ended."""


class SchemaChecks:
    """At most PROCESSES_MAX at once, each started when it is first needed."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(PROCESSES_MAX)
        self._idle: list[Process] = []

    async def check_schema(self, schema: dict[str, Any]) -> None:
        """InvalidRequest: it is not a JSON Schema, or too much work."""
        try:
            found = await self._ask(schema, None)
        except TooLong:
            raise InvalidRequest("schema: takes too long to read; send a simpler one", param="schema") from None
        if found.refused is not None:
            raise InvalidRequest(found.refused, param="schema")

    async def check(self, schema: dict[str, Any], answer: str) -> Checked:
        """TooLong: nobody knows whether it is valid."""
        return await self._ask(schema, answer)

    async def close(self) -> None:
        """Ends the processes that wait for work."""
        for process in self._idle:
            await _end(process)
        self._idle.clear()

    async def _ask(self, schema: dict[str, Any], answer: str | None) -> Checked:
        asked = msgspec.json.encode({"schema": schema, "answer": answer})
        async with self._turns:
            process = self._idle.pop() if self._idle else await _start()
            try:
                reply = await asyncio.wait_for(_exchange(process, asked), LATE_S)
            except (asyncio.IncompleteReadError, OSError, TimeoutError):
                await _end(process)
                raise TooLong from None
            except BaseException:  # cancelled: what it will say is for nobody
                await _end(process)
                raise
            self._idle.append(process)
        return _CHECKED.decode(reply)


async def _start() -> Process:
    """Without our environment, which holds secrets. Unavailable: the system gives us no process."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-P", "-m", "tollway.gateway.schema_worker")
    try:
        return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=path)
    except OSError:
        raise Unavailable("No process can be started to check the answer; try again.", retry_after_s=5) from None


async def _exchange(process: Process, asked: bytes) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise OSError("the process has no pipes")
    process.stdin.write(len(asked).to_bytes(LENGTH_BYTES, "big") + asked)
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    return await process.stdout.readexactly(length)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
