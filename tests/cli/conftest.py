"""The desk of tests/cli: variables of this machine that would change a command are taken away."""

import os
from pathlib import Path

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A fresh data directory; no provider's key is set, and no TOLLWAY_ variable."""
    for name in os.environ:
        if name.startswith("TOLLWAY_") or name.endswith(("_API_KEY", "_TOKEN", "_KEY_FILE")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capsys)
