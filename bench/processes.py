"""Every process that the benchmark starts, and their certain end."""

import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
_STOP_S = 10.0


class Absent(Exception):
    """Something is not installed. The message says how to install it."""


class Failed(Exception):
    """Something cannot be measured, or what was measured is wrong. The message says what happened."""


class Processes:
    """Starts processes; on every way out of its `with` they are ended, the last first."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._running: list[subprocess.Popen[bytes]] = []
        # 2,000 streams are 4,000 sockets in a gateway; children inherit the limit.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._running):
            self.stop(process)

    def start(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> subprocess.Popen[bytes]:
        """Start a server; its output goes to `<name>.log` in the working directory."""
        with self.log(name).open("ab") as log:
            # Its own session: Ctrl-C reaches the benchmark alone, which then ends the others in order.
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=self.environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def run(
        self,
        command: Sequence[str | Path],
        stdin: bytes = b"",
        timeout_s: float = 120.0,
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run a command to its end; its standard output. Raises Failed with its standard error."""
        arguments = [str(part) for part in command]
        process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=self.environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._running.append(process)
        try:
            output, errors = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(arguments)} did not end within {timeout_s:g} s.") from None
        finally:
            self.stop(process)
        if process.returncode:
            raise Failed(f"{' '.join(arguments)} ended with {process.returncode}:\n{errors.decode(errors='replace')}")
        return output

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End a process and its children: SIGTERM, and SIGKILL for what is left."""
        if process in self._running:
            self._running.remove(process)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                print(f"{process.args!r} did not end within {_STOP_S:g} s of SIGTERM; it is killed.")
        # Usually nothing is left of its session's group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> Path:
        return self.work / f"{name}.log"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """A small one: no proxies, no keys, and a home of its own, so that every machine measures the same."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.work), "LANG": "C.UTF-8", **(more or {})}


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ask(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
) -> tuple[int, bytes]:
    """One request to 127.0.0.1: status, body. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as wrong:
        raise OSError(f"not an HTTP answer: {wrong!r}") from wrong
    finally:
        connection.close()


def wait_for(
    process: subprocess.Popen[bytes],
    log: Path,
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> float:
    """Ask until the answer is a 200; when that came, as time.perf_counter(). Raises Failed with the end of the log."""
    last = "nothing"
    deadline = time.perf_counter() + timeout_s
    while time.perf_counter() < deadline:
        try:
            status, answer = ask(port, method, path, body, headers)
            if status == 200:
                return time.perf_counter()
            last = f"{status} {answer[:300].decode(errors='replace')}"
        except OSError as refused:
            last = str(refused)
        if process.poll() is not None:
            break
        time.sleep(0.005)
    said = log.read_text(errors="replace")[-2000:]
    state = "is running" if process.poll() is None else f"ended with {process.returncode}"
    raise Failed(
        f"{process.args!r} {state} and never answered {method} {path} with 200; last: {last}\nIts log ends:\n{said}"
    )
