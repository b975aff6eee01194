"""What a server makes at its first start and keeps, made once for all tests of a process: the data, the tokenizer."""

import asyncio
import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.canaries import CANARIES
from tollway.app import open_database
from tollway.config import Config, Storage
from tollway.gateway.base import Gateway
from tollway.gateway.supply import first_catalog
from tollway.gateway.tokenizer import SharedTokenizer

TOKENIZER = SharedTokenizer()
"""Loading one takes longer than most tests."""


async def make(data: Path) -> None:
    """An empty directory -> one with the schema and the shipped catalog; the key's secret is each server's own."""
    database = await open_database(Config(storage=Storage(data_dir=str(data))))
    try:
        await first_catalog(database, Gateway.now_ms())
    finally:
        await database.close()


@cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tollway-first-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    asyncio.run(make(folder))
    CANARIES.know(folder)
    return folder


async def copy_first_data(data: Path) -> None:
    """Fills a directory with what a first start would: to write the whole catalog takes a second."""
    shutil.copytree(await asyncio.to_thread(_made), data, dirs_exist_ok=True)
