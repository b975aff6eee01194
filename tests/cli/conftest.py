"""The desk of tests/cli: variables of this machine that would change a command are taken away."""

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.desk import Desk, run
from tollway.cli.control import office
from tollway.config import load


@pytest.fixture(scope="session")
def first_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory after a first start: to write the whole catalog takes longer than most tests here."""
    folder = tmp_path_factory.mktemp("first")
    file = folder / "tollway.toml"
    file.write_text(f'[storage]\ndata_dir = "{folder / "data"}"\n')

    async def start() -> None:
        async with office(load(file, {})):
            pass

    run(start())
    return folder / "data"


@pytest.fixture
def bare_desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """No data directory yet; no provider's key is set, and no TOLLWAY_ variable."""
    for name in os.environ:
        if name.startswith("TOLLWAY_") or name.endswith(("_API_KEY", "_TOKEN", "_KEY_FILE")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capsys)


@pytest.fixture
def desk(bare_desk: Desk, first_data: Path) -> Desk:
    """A data directory with the shipped catalog, and nothing else."""
    shutil.copytree(first_data, bare_desk.data)
    return bare_desk
