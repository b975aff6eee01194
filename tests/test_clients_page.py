"""docs/clients.md shows what the clients' checks do: their own lines of setup, and a row for each check."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHECKS = sorted([*ROOT.glob("tests/clients/*/check*.py"), *ROOT.glob("tests/clients/*/check*.mjs")])
REPORT = re.compile(r'report\(\s*"([^"]+)",\s*"([^"]+)"')


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """scripts/clients_page.py as a module."""
    spec = importlib.util.spec_from_file_location("clients_page", ROOT / "scripts" / "clients_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_setups_are_fresh(page: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The page shows each client's setup file as it is."""
    assert page.main(["--check"]) == 0, capsys.readouterr().out


def test_every_check_has_its_row() -> None:
    """The table has a row for each check, with its locked version, and no other row."""
    assert len(CHECKS) > 20
    text = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    table = text.partition("<!-- clients:start -->")[2].partition("<!-- clients:end -->")[0]
    found = set(re.findall(r"^\| \[([^\]]+)\]\(#([\w-]+)\) \| ([\d.]+) \| (\w+) \|", table, re.MULTILINE))
    wanted = set()
    for check in CHECKS:
        match = REPORT.search(check.read_text(encoding="utf-8"))
        assert match, check
        wanted.add((match[1], check.parent.name.replace(".", ""), locked(check.parent, match[1]), match[2]))
    assert found == wanted


def locked(folder: Path, package: str) -> str:
    """The version of a package in the client's lock file."""
    if (folder / "package-lock.json").exists():
        text = (folder / "package-lock.json").read_text(encoding="utf-8")
        match = re.search(rf'"node_modules/{re.escape(package)}": {{\s*"version": "([^"]+)"', text)
    else:
        text = (folder / "requirements.txt").read_text(encoding="utf-8")
        match = re.search(rf"^{re.escape(package)}==([\d.]+)", text, re.MULTILINE)
    assert match, (folder, package)
    return match[1]


def test_a_row_says_with_whom(page: ModuleType) -> None:
    """`yes` for all three companies, else their names; what has no column of its own comes last."""
    everyone = ["OpenAI", "Anthropic", "Google"]
    passed = {"whole": everyone, "tools": ["Google"], "cost": ["OpenAI", "Google"], "errors": everyone}
    row = {"folder": "a.b", "client": "@a/b", "version": "1.0", "speaks": "chat", "passed": passed}
    *_, last = page.table([row]).splitlines()
    assert last == "| [@a/b](#ab) | 1.0 | chat | yes | | Google | | | | cost (OpenAI, Google), errors |"


def test_marks_are_needed(page: ModuleType) -> None:
    """A page that lost its marks is an error, and no text is lost."""
    with pytest.raises(ValueError, match="setups:start"):
        page.with_part("# Clients\n", "setups", "x")
    kept = page.with_part("a <!-- setups:start -->old<!-- setups:end --> b", "setups", "new")
    assert kept == "a <!-- setups:start -->\nnew\n<!-- setups:end --> b"
