"""How the suite runs: files spread over processes, the slow ones first; what tests counted is printed at the end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

SLOW_FIRST = ("browser/test_pages.py", "gateway", "bench", "faults", "chaos", "routing", "cli", "api")
"""Files and folders in this order, then the others: a file that takes minutes is not begun when all else has ended."""
COUNTED = "counted"

pytest_plugins = ("tests.canaries",)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: one process more than cores, for many tests wait. None beside this one for tests that are named."""
    named = all("::" in each or each.endswith(".py") for each in config.args)
    if named or config.option.keyword:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow folders first; the order inside a folder stays. A name with an address is another one in each process."""
    if unstable := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give these parameters ids: {', '.join(unstable)}")
    tests = Path(__file__).parent
    slow = tuple(tests / each for each in SLOW_FIRST)

    def place(path: Path) -> int:
        return next((number for number, each in enumerate(slow) if path.is_relative_to(each)), len(slow))

    places = {path: place(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: places[item.path])


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Has a line printed at the end of the run, in whichever process the test runs."""
    return lambda text: record_property(COUNTED, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, text in report.user_properties:
                if name == COUNTED:
                    terminalreporter.write_line(str(text))
