"""Drives the official clients against one server, each in an environment of its own, as their users have them.

A client is a folder in tests/clients/ with a `requirements.txt` (pinned; `make lock` writes it from `requirements.in`)
and a `check.py`: a plain script that finds BASE_URL (the server's root, without a path) and API_KEY in its environment,
and exits 0 when everything was as it should be.
"""

import hashlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
ENVIRONMENTS = ROOT / ".venv-clients"
START_S = 60
CHECK_S = 120
STOP_S = 10


def main(wanted: list[str]) -> int:
    """Run the named clients' checks, or all. -> the number that failed, capped for an exit status."""
    folders = sorted(path.parent for path in CLIENTS.glob("*/check.py"))
    if unknown := set(wanted) - {folder.name for folder in folders}:
        print(f"no such client: {', '.join(sorted(unknown))}; there are {', '.join(f.name for f in folders)}")
        return 1
    chosen = [folder for folder in folders if not wanted or folder.name in wanted]
    if not chosen:
        print(f"no client in {CLIENTS.relative_to(ROOT)}: each is a folder with requirements.txt and check.py")
        return 1
    pythons = {folder: environment(folder) for folder in chosen}
    failed: list[str] = []
    with server() as (url, api_key):
        for folder, python in pythons.items():
            if not check(folder, python, url, api_key):
                failed.append(folder.name)
    print(
        f"== {len(chosen) - len(failed)} of {len(chosen)} clients passed"
        + (f"; failed: {', '.join(failed)}" * bool(failed))
    )
    return min(len(failed), 100)


def environment(folder: Path) -> Path:
    """Make the client's environment, unless it was made from this very requirements.txt. -> its Python."""
    requirements = folder / "requirements.txt"
    place = ENVIRONMENTS / folder.name
    python, stamp = place / "bin" / "python", place / "made-from"
    made_from = f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {place}"
    if stamp.exists() and stamp.read_text() == made_from:
        return python
    print(f"== installing {folder.name} into {place.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    stamp.write_text(made_from)
    return python


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """Start `tollway demo` on a free port with an empty home, and stop it in the end. -> its URL and a key."""
    command = shutil.which("tollway", path=str(Path(sys.executable).parent)) or "tollway"
    with tempfile.TemporaryDirectory(prefix="tollway-clients-") as home:
        log_path = Path(home) / "server.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [command, "demo", "--json", "--port", str(free_port())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home,
                env=bare_environment(HOME=home),
            )
        try:
            yield hello(process, log_path)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def hello(process: subprocess.Popen[bytes], log_path: Path) -> tuple[str, str]:
    """The server's first line, `{"url": ..., "api_key": ...}`, within START_S; else the end of its log, as an error."""
    output = process.stdout.fileno() if process.stdout else -1
    line, end = b"", time.monotonic() + START_S
    while not line.endswith(b"\n") and time.monotonic() < end:
        if select.select([output], [], [], 0.2)[0]:
            piece = os.read(output, 65536)
            if not piece:
                break
            line += piece
    try:
        said = json.loads(line.splitlines()[0])
        return said["url"].rstrip("/"), said["api_key"]
    except (IndexError, KeyError, ValueError):
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-20:])
        sys.exit(f"`tollway demo --json` printed no line of JSON within {START_S} s, but {line!r}. Its log:\n{tail}")


def check(folder: Path, python: Path, url: str, api_key: str) -> bool:
    """Run one client's check.py and show what it prints. -> whether it passed."""
    print(f"== {folder.name}", flush=True)
    try:
        done = subprocess.run(
            [str(python), "check.py"],
            cwd=folder,
            env=bare_environment(BASE_URL=url, API_KEY=api_key),
            stdin=subprocess.DEVNULL,
            timeout=CHECK_S,
        )
    except subprocess.TimeoutExpired:
        print(f"{folder.name}: no end within {CHECK_S} s")
        return False
    return done.returncode == 0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bare_environment(**more: str) -> dict[str, str]:
    """Only what a program needs: no keys and no proxies of the person who runs this, so nothing but us is reached."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1", **more}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
