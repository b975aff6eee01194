"""Drives the official clients against one server, each in an environment of its own, and fills docs/clients.md with it.

A client is a folder in tests/clients/: what it is made of (`requirements.txt` or `package-lock.json`, written by
`make lock`), `setup*`: the few lines that its users write, which the page shows, and `check*.py` or `check*.mjs`:
scripts that try it. A check finds the server in TOLLWAY_URL and TOLLWAY_KEY, a key that manages others in
TOLLWAY_MANAGER, whom to ask in TOLLWAY_MODELS, exits 0 when everything was as it should be, and prints what passed as
JSON in its last line: `{"client", "version", "speaks", "passed": {feature: [family, ...]}}`.

Arguments: names of folders, else all; `--write`: put what passed into docs/clients.md. Without it, a page that says
anything else is an error.
"""

import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clients_page

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
ENVIRONMENTS = ROOT / ".venv-clients"
NODE = "node"
"""The folder of what runs the JavaScript clients; it is no client itself."""
MODELS = {
    "OpenAI": "openai/gpt-5.6-luna",
    "Anthropic": "anthropic/claude-haiku-5.5",
    "Google": "google/gemini-3.6-flash",
}
"""A model of each family that only its own company offers, so that it is asked in the company's own format."""
BEHAVIOUR = "answer=tools,reasoning=8"
"""The simulated models think, and call a tool whenever they are given some."""
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Says to clients that ask their makers' servers for something at the start that they should not."""
START_S = 60
INSTALL_S = 1200
CHECK_S = 600
STOP_S = 10
PARALLEL = 4


def main(arguments: list[str]) -> int:
    """Run the named clients' checks, or all. -> the number that failed, capped for an exit status."""
    wanted = [each for each in arguments if each != "--write"]
    checks = sorted([*CLIENTS.glob("*/check*.py"), *CLIENTS.glob("*/check*.mjs")])
    names = sorted({check.parent.name for check in checks})
    if unknown := set(wanted) - set(names):
        print(f"no such client: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        return 1
    chosen = [check for check in checks if not wanted or check.parent.name in wanted]
    began = time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        make_environments(sorted({check.parent for check in chosen}), pool)
        installed = time.monotonic()
        with server() as told:
            rows = list(pool.map(lambda check: run(check, told), chosen))
    failed = [f"{check.parent.name}/{check.name}" for check, row in zip(chosen, rows, strict=True) if row is None]
    print(
        f"== {len(chosen) - len(failed)} of {len(chosen)} checks passed"
        + (f"; failed: {', '.join(failed)}" * bool(failed))
        + f" ({installed - began:.0f} s to install, {time.monotonic() - installed:.0f} s to run)"
    )
    if failed or wanted:
        return min(len(failed), 100)
    return clients_page.update([row for row in rows if row], write="--write" in arguments)


def make_environments(folders: list[Path], pool: ThreadPoolExecutor) -> None:
    """Make what is missing or out of date. npm comes with Node.js, which comes first."""
    if any((folder / "package.json").exists() for folder in folders):
        environment(CLIENTS / NODE)
    list(pool.map(environment, folders))


def environment(folder: Path) -> None:
    """Make the client's environment, unless it was made from this very lock. CalledProcessError: it can't be made."""
    place = ENVIRONMENTS / folder.name
    stamp = place / "made-from"
    lock = folder / "package-lock.json"
    if not lock.exists():
        lock = folder / "requirements.txt"
    made_from = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {place}"
    if stamp.exists() and stamp.read_text() == made_from:
        return
    print(f"== installing {folder.name} into {place.relative_to(ROOT)}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    if lock.name == "package-lock.json":
        place.mkdir(parents=True)
        for name in ("package.json", lock.name):
            shutil.copy(folder / name, place)
        npm = [str(binary(NODE, "npm")), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        install(npm, cwd=place, env=os.environ | {"PATH": node_path()})
    else:
        # Our own pip fills it: to put one into each environment would take longer than what is installed there.
        install([sys.executable, "-m", "venv", "--without-pip", str(place)])
        pip = [sys.executable, "-m", "pip", "--python", str(binary(folder.name, "python")), "install", "--no-input"]
        install([*pip, "--no-compile", "--require-hashes", "--requirement", str(lock)])
    stamp.write_text(made_from)


def install(command: list[str], **how: Any) -> None:
    """Run a step of an installation; what it says is shown if it fails. CalledProcessError: it did."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_S,
        check=False,
        **how,
    )
    if done.returncode:
        print(done.stdout, flush=True)
        done.check_returncode()


def binary(name: str, program: str) -> Path:
    """A program of a client's environment."""
    return ENVIRONMENTS / name / "bin" / program


def node_path() -> str:
    """PATH with our Node.js before any other: npm looks for `node` there."""
    return f"{binary(NODE, 'node').parent}{os.pathsep}{os.environ.get('PATH', '')}"


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """Start `tollway demo` on a free port with an empty home, and stop it in the end. -> what checks are told of it."""
    command = shutil.which("tollway", path=str(Path(sys.executable).parent)) or "tollway"
    with tempfile.TemporaryDirectory(prefix="tollway-clients-") as home:
        log_path = Path(home) / "server.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [command, "demo", "--json", "--port", "0", "--behaviour", BEHAVIOUR],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home,
                env=bare_environment(HOME=home),
            )
        try:
            url, api_key = hello(process, log_path)
            yield {"TOLLWAY_URL": url, "TOLLWAY_KEY": api_key, "TOLLWAY_MANAGER": manager_key(command, home)}
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


def manager_key(command: str, home: str) -> str:
    """A provisioning key, made on the command line beside the running server."""
    done = subprocess.run(
        [command, "keys", "create", "--name", "manager", "--workspace", "demo", "--provisioning", "--json"],
        cwd=home,
        env=bare_environment(HOME=home, TOLLWAY_STORAGE__DATA_DIR=".tollway/demo"),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=True,
    )
    return str(json.loads(done.stdout)["key"])


def run(check: Path, server: dict[str, str]) -> dict[str, Any] | None:
    """Run one check, in a folder of its own as home, and show what it prints. -> its last line; None: it failed."""
    name = f"{check.parent.name}/{check.name}"
    with tempfile.TemporaryDirectory(prefix="tollway-client-") as home:
        told = {**server, "TOLLWAY_MODELS": json.dumps(MODELS)}
        told |= {"HOME": home, "PYTHONPATH": str(CLIENTS), "PYTHONPYCACHEPREFIX": str(ENVIRONMENTS / "bytecode")}
        try:
            done = subprocess.run(
                command_of(check),
                cwd=check.parent,
                env=bare_environment(**told),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=CHECK_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            print(f"== {name}: no end within {CHECK_S} s\n{(late.stdout or b'').decode(errors='replace')}", flush=True)
            return None
    *said, last = done.stdout.splitlines() or [""]
    try:
        row: dict[str, Any] = json.loads(last)
        passed = ", ".join(f"{feature} {len(families)}" for feature, families in row["passed"].items())
    except (ValueError, KeyError, TypeError):
        print(f"== {name}: exit status {done.returncode}, and no result in its last line\n{done.stdout}", flush=True)
        return None
    print("\n".join([f"== {name}: {row['client']} {row['version']}: {passed}", *said]), flush=True)
    return row | {"folder": check.parent.name} if done.returncode == 0 else None


def command_of(check: Path) -> list[str]:
    """How a check is run. JavaScript finds packages beside the file that imports them, so it is copied there."""
    if check.suffix == ".py":
        return [str(binary(check.parent.name, "python")), check.name]
    place = ENVIRONMENTS / check.parent.name
    for source in (*check.parent.glob("*.mjs"), CLIENTS / "scene.mjs"):
        shutil.copy(source, place)
    return [str(binary(NODE, "node")), str(place / check.name)]


def bare_environment(**more: str) -> dict[str, str]:
    """Only what a program needs: no keys and no proxies of the person who runs this, so nothing but us is reached."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1", **QUIET, **more}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
