"""A data directory with its tollway.toml, and commands that are called as functions, with a server or without."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.first_start import TOKENIZER
from tollway.api.house import House
from tollway.app import running
from tollway.config import load

PATIENCE_S = 60.0
T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs one coroutine, for a bounded time."""

    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(bounded())


class Desk:
    """Where an operator sits: `file` is the configuration, `said()` what a command printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.file = folder / "tollway.toml"
        self.file.write_text(f'[server]\nport = 0\n[storage]\ndata_dir = "{self.data}"\n')
        self.capsys = capsys

    def configure(self, text: str) -> None:
        """Adds to the configuration."""
        self.file.write_text(self.file.read_text() + "\n" + text)

    def said(self) -> str:
        """Standard output since the last time, with single spaces and without line ends."""
        return " ".join(self.capsys.readouterr().out.split())

    def json(self) -> Any:
        """Standard output since the last time, as JSON: nothing else may be there."""
        return json.loads(self.capsys.readouterr().out)

    def json_lines(self) -> list[Any]:
        """Standard output since the last time, a line of JSON from each command."""
        return [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]

    @asynccontextmanager
    async def served(self, served: bool = True) -> AsyncIterator[House | None]:
        """A server on this data directory, or none: what follows must not notice the difference."""
        if not served:
            yield None
            return
        async with running(load(self.file), tokenizer=TOKENIZER) as (house, _):
            yield house


async def until(condition: Any, patience_s: float = 60.0) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to give
            await asyncio.sleep(0.01)
