"""The table of docs/balancing.md says what the simulation says."""

import pytest

from balancing_table import main, page


def test_the_table_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """Every figure of the page, for every trouble and both policies."""
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_without_marks_is_refused() -> None:
    """A page whose marks were lost is not overwritten."""
    with pytest.raises(ValueError, match="needs the lines"):
        page("no marks")
