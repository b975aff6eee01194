"""The benchmark works from end to end: short runs, whose figures nobody looks at."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import cpu
from bench.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def nginx() -> None:
    """Most runs need nginx; a machine of CI has it, any other may not."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") is None:
        assert os.environ.get("CI") != "true", "CI installs nginx: apt-get install nginx-light"
        pytest.skip("nginx is not installed: apt-get install nginx-light")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "--quick", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    with start(*arguments) as process:
        output, errors = process.communicate(timeout=150)
        return process.returncode, output + errors


@pytest.mark.usefixtures("nginx")
def test_tollway_beside_nginx(tmp_path: Path) -> None:
    """Every scenario gives its figures, all requests succeed, and the ledger agrees with what the callers saw."""
    out = tmp_path / "results.json"
    code, printed = run("--gateways", "tollway,nginx", "--requests", "200", "--held", "40", "--out", str(out))
    assert code == 0, printed
    told: dict[str, Any] = msgspec.json.decode(out.read_bytes())
    rows = told["run"]["rows"]
    assert {row["scenario"] for row in rows if row["gateway"] == "tollway"} == set(SCENARIOS)
    everyones = {name for name, scenario in SCENARIOS.items() if not scenario.of or "nginx" in scenario.of}
    assert {row["scenario"] for row in rows if row["gateway"] == "nginx"} == everyones
    assert all(row["load"]["failed"] == 0 for row in rows if row["load"]), printed
    assert all(row["figures"] for row in rows)
    answered = sum(row["load"]["succeeded"] + row["load"]["warmup_succeeded"] for row in rows if of_tollway(row))
    captures = sum(ledger["captures"] for ledger in told["run"]["ledgers"])
    # Beyond the rows: the first answer of each start, and the warm-up of the held streams.
    assert captures > answered > 200
    assert "| Tollway " in printed


def of_tollway(row: dict[str, Any]) -> bool:
    return row["gateway"] == "tollway" and row["load"] is not None


@pytest.mark.usefixtures("nginx")
def test_ctrl_c_ends_every_process() -> None:
    """A run that is interrupted says so and leaves nothing running."""
    with start("--gateways", "nginx", "--only", "latency,paced", "--rounds", "20") as process:
        assert process.stdout is not None
        process.stdout.readline()  # The first figures: upstream, nginx and load have all been started by now.
        started = cpu.tree(process.pid).keys() - {process.pid}
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert len(started) >= 2
    deadline = time.monotonic() + 5
    while (left := [pid for pid in started if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "chat,nosuch"), "Not known: nosuch."),
        (("--gateways", "tollway", "--only", "chat", "--tollway", "false"), "ended with 1"),
    ],
)
def test_what_cannot_be_run_is_said(arguments: tuple[str, ...], says: str) -> None:
    """A mistake on the command line, or a product that does not start, is exit code 1 and a sentence."""
    code, printed = run(*arguments)
    assert code == 1
    assert says in printed
    assert "Traceback" not in printed
