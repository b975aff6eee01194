"""The golden files' own rules: the two halves, a difference that fails, and writing that never happens in CI."""

from pathlib import Path

import pytest

from tests.golden import check_golden, read_golden


def golden(folder: Path, text: str) -> Path:
    """A golden file of this text."""
    path = folder / "a.golden"
    path.write_text(text)
    return path


def test_two_halves(tmp_path: Path) -> None:
    """The first whole line of dashes parts them; shorter rows, and rows with more on the line, belong to the text."""
    path = golden(tmp_path, "---\n- a ----------\nin\n------------\nout\n------------\nmore\n")
    assert read_golden(path) == ("---\n- a ----------\nin\n", "out\n------------\nmore\n")
    with pytest.raises(ValueError, match="no row of dashes"):
        read_golden(golden(tmp_path, "in\n"))


def test_a_difference_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is produced must be what is expected, to the letter; the file stays as it is."""
    monkeypatch.delenv("GOLDEN", raising=False)
    path = golden(tmp_path, "in\n----------\nIN\n")
    check_golden(path, str.upper)
    with pytest.raises(AssertionError, match="make golden"):
        check_golden(path, str.title)
    assert path.read_text() == "in\n----------\nIN\n"


def test_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make golden` keeps the input and replaces the other half; in CI it is refused."""
    path = golden(tmp_path, "in\n----------\nold\n")
    monkeypatch.setenv("GOLDEN", "write")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI"):
        check_golden(path, str.upper)
    assert read_golden(path) == ("in\n", "old\n")
    monkeypatch.delenv("CI")
    check_golden(path, str.upper)
    assert read_golden(path) == ("in\n", "IN\n")
