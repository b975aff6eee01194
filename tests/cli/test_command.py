"""The real command in processes of its own: start to first request, and what a terminal or a pipe gets to see."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support import PATIENCE_S

SOURCE = Path(__file__).resolve().parents[2] / "src"


def command(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`tollway ...` in a folder, with nothing of this machine's environment but the paths."""
    return subprocess.run(
        [sys.executable, "-m", "tollway", *arguments],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """No provider's key, no settings; the data directory below the folder."""
    paths = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
    return paths | {"TOLLWAY_STORAGE__DATA_DIR": str(folder / "data")} | variables


def test_from_init_to_the_first_answer(tmp_path: Path) -> None:
    """init, serve, keys create, credits grant, a request that is charged, doctor: each as a person types it."""
    written = command(tmp_path, "init", OPENAI_API_KEY="sk-x")
    assert (written.returncode, written.stdout.strip().splitlines()[-1]) == (0, "Next:  tollway serve")
    (tmp_path / "tollway.toml").unlink()
    play = [sys.executable, "-m", "tollway", "simulate", "--port", "0"]
    say = subprocess.Popen(play, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
    server = None
    try:
        assert say.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", say.stdout.readline())
        assert found
        (tmp_path / "tollway.toml").write_text(
            f'[server]\nport = 0\n[[providers]]\nslug = "own"\nbase_url = "{found[0]}/v1"\n'
            '[[providers.models]]\nid = "own/m"\nprice_prompt = "0.000001"\nprice_completion = "0.000002"\n'
        )
        server = subprocess.Popen(
            [sys.executable, "-m", "tollway", "serve"],
            cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        control = tmp_path / "data" / "control.json"
        end_s = time.monotonic() + 60
        while not control.exists() and server.poll() is None and time.monotonic() < end_s:
            time.sleep(0.05)
        url = json.loads(control.read_bytes())["url"]
        key = json.loads(command(tmp_path, "keys", "create", "--json").stdout)["key"]
        granted = command(tmp_path, "credits", "grant", "1", "--ref", "first", "--json")
        assert json.loads(granted.stdout)["balance"] == "1"
        body = {"model": "own/m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(f"{url}/api/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE_S)
        assert answer.status_code == 200
        cost = answer.json()["usage"]["cost"]
        assert cost > 0
        assert command(tmp_path, "doctor").returncode == 0
        ledger = json.loads(command(tmp_path, "doctor", "--ledger", "--json").stdout)
        assert (ledger["ok"], ledger["counts"]["captures"]) == (True, 1)
        assert ledger["counts"]["captured"] == round(cost * 10**9)
        second = command(tmp_path, "serve")
        assert (second.returncode, "Another Tollway server uses" in second.stderr) == (1, True)
        server.send_signal(signal.SIGTERM)
        server.wait(10)
        after = json.loads(command(tmp_path, "doctor", "--ledger", "--json").stdout)
        assert after == ledger
    finally:
        for process in (say, server):
            if process is not None:
                process.kill()
                process.wait()
        if say.stdout is not None:
            say.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("credits", "grant", "abc"), "error: amount: 'abc' is not a decimal number"),
        (("keys", "list", "--config", "absent.toml"), "error: absent.toml is not there; `tollway init absent.toml`"),
        (("catalog", "apply", "--from", "tollway.toml"), "error: this is not a catalog file"),
        (("providers", "add", "http://127.0.0.1:1"), "error: No list of models. http://127.0.0.1:1/v1/models: "),
        (("init", "tollway.toml"), "error: tollway.toml is there already"),
    ],
)
def test_an_error_is_a_sentence(tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    """On standard error, without a traceback or colours into a pipe, with exit code 1; nothing on standard output."""
    (tmp_path / "tollway.toml").write_text("[server]\nport = 0\n")
    done = command(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(error)
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert done.stdout == ""


def test_brackets_in_an_error_are_no_markup(tmp_path: Path) -> None:
    """A path like [providers] or a key's [red] arrives as it is written."""
    (tmp_path / "tollway.toml").write_text("[server]\nport = 0\n[[providers]]\nslug = '[red]x[/red]'\n")
    done = command(tmp_path, "keys", "list")
    assert "providers[0].slug" in done.stderr
    (tmp_path / "tollway.toml").write_text("[storage]\n'[red]data_dir' = 1\n")
    assert "storage.[red]data_dir is not a known key" in command(tmp_path, "keys", "list").stderr


def test_colours_only_where_they_are_wanted(tmp_path: Path) -> None:
    """FORCE_COLOR stands in for a terminal: there are colours, and NO_COLOR takes them away."""
    (tmp_path / "data").mkdir(mode=0o700)
    coloured = command(tmp_path, "doctor", FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[32m" in coloured.stdout
    plain = command(tmp_path, "doctor", FORCE_COLOR="1", NO_COLOR="1", TERM="xterm-256color")
    assert "\x1b[32m" not in plain.stdout
    piped = command(tmp_path, "doctor", PYTHONIOENCODING="ascii")
    assert piped.returncode == 0
    assert "+ configuration" in piped.stdout


def test_config_show(tmp_path: Path) -> None:
    """Each value with its origin; keys, the secret and a proxy's password are masked."""
    (tmp_path / "tollway.toml").write_text(
        '[security]\nsecret_key = "0123456789abcdef0123456789abcdef"\n[upstream]\n'
        'proxies = { https = "http://user:pass@proxy:1" }\n[[providers]]\nslug = "groq"\nkey = "${MY_KEY}"\n'
        '[[providers]]\nslug = "openai"\nkeys = ["${MY_KEY}", "sk-other"]\n'
    )
    done = command(tmp_path, "config", "show", "--json", MY_KEY="sk-mine", TOLLWAY_SERVER__PORT="9")
    shown = json.loads(done.stdout)
    assert shown["server.port"] == {"value": 9, "origin": "TOLLWAY_SERVER__PORT"}
    assert shown["server.host"] == {"value": "127.0.0.1", "origin": "default"}
    assert shown["storage.data_dir"]["origin"] == "TOLLWAY_STORAGE__DATA_DIR"
    assert shown["providers[0].key"] == {"value": "***", "origin": "tollway.toml"}
    assert shown["providers[1].keys[1]"] == {"value": "***", "origin": "tollway.toml"}
    assert shown["upstream.proxies.https"]["value"] == "http://***@proxy:1"
    table = command(tmp_path, "config", "show", MY_KEY="sk-mine").stdout
    for secret in ("sk-mine", "sk-other", "0123456789abcdef", "user:pass"):
        assert secret not in done.stdout + table


def test_serve_says_what_does_not_work(tmp_path: Path) -> None:
    """A misspelt provider is named at the start; so is a port in use, and a place that can't hold the data."""
    file = tmp_path / "tollway.toml"
    file.write_text('[server]\nport = 0\n[[providers]]\nslug = "opanai"\nkey = "k"\n')
    server = subprocess.Popen(
        [sys.executable, "-m", "tollway", "serve"],
        cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        assert any("Not live: opanai" in line for line in iter(server.stderr.readline, ""))
    finally:
        server.kill()
        server.communicate()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = command(tmp_path, "serve", TOLLWAY_SERVER__PORT=str(port))
    assert refused.stderr.startswith(f"error: Cannot listen on 127.0.0.1:{port}: Address already in use. Set another")
    refused = command(tmp_path, "serve", TOLLWAY_STORAGE__DATA_DIR=str(file))
    assert refused.stderr.startswith(f"error: The data directory {file} can't be written to: File exists. Give it to")


def test_the_demo_takes_a_behaviour(tmp_path: Path) -> None:
    """What `tollway demo --behaviour` says is what its simulated providers do; what can't be read is refused."""
    wrong = command(tmp_path, "demo", "--behaviour", "no_such=1")
    assert wrong.returncode == 2
    assert "no_such" in wrong.stderr
    words = [sys.executable, "-m", "tollway", "demo", "--json", "--port", "0", "--behaviour", "text=Good morning"]
    with subprocess.Popen(words, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            said = json.loads(server.stdout.readline())
            answer = httpx.post(
                f"{said['url']}/api/v1/chat/completions",
                headers={"Authorization": f"Bearer {said['api_key']}"},
                json={"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]},
                timeout=PATIENCE_S,
            )
            assert answer.json()["choices"][0]["message"]["content"] == "Good morning"
        finally:
            server.terminate()
