"""`tollway simulate` runs the simulator as a process until it is interrupted."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.support import PATIENCE_S
from tollway.cli.simulate import simulate

SOURCE = Path(__file__).resolve().parents[2] / "src"


def test_the_command_serves_until_ctrl_c() -> None:
    """It says where it listens, answers there, and on an interrupt ends well and sums up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tollway", "simulate", "--port", "0", "--behaviour", "tokens=3"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Simulated provider at http://127.0.0.1:")
        port = int(line.split("http://127.0.0.1:")[1].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("POST", "/v1/chat/completions", b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
        answer = connection.getresponse()
        assert (answer.status, b'"completion_tokens":3' in answer.read()) == (200, True)
        connection.close()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert said.startswith("1 requests: 1 completed, 0 failed, 0 aborted.")
    finally:
        process.kill()
        process.wait()


def test_a_behaviour_that_makes_no_sense_is_refused_at_once() -> None:
    """The command does not start with a behaviour that it cannot read."""
    with pytest.raises(typer.BadParameter, match="fial"):
        simulate(behaviour="fial=503")
