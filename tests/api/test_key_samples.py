"""The samples of OpenRouter's documentation of keys (tests/clients/keys/page.txt), run with only host and key changed.

Its JavaScript runs in `make test-clients`.
"""

import re
import shlex
import shutil
import subprocess
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import PATIENCE_S, Secret, World
from tollway.domain.identity import KeyKind

PAGE = (Path(__file__).parents[1] / "clients" / "keys" / "page.txt").read_text(encoding="utf-8")
HOST, TOKEN = "https://openrouter.ai", "<token>"
[PYTHON] = re.findall(r"```python title=\"Python\"\n(.*?)```", PAGE, re.DOTALL)
SHELL = re.findall(r"```shell\n(.*?)```", PAGE, re.DOTALL)
REFERENCE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
STATUSES = {"get": 200, "post": 201, "patch": 200, "delete": 200}


@pytest.fixture
def manager(well: World) -> Secret:
    return well.new_key("samples", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[requests.Response]:
    """What the samples were answered, in order."""
    answers: list[requests.Response] = []
    real = requests.Session.request

    def request(self: requests.Session, method: str, url: str, **named: Any) -> requests.Response:
        named.setdefault("timeout", PATIENCE_S)
        answers.append(real(self, method, url, **named))
        return answers[-1]

    monkeypatch.setattr(requests.Session, "request", request)
    return answers


def test_its_python_runs(well: World, manager: Secret, sent: list[requests.Response]) -> None:
    """The page's program, from listing to deleting; its POST has a slash at the end."""
    key = well.new_key("samples")
    program = textwrap.dedent(PYTHON).replace(HOST, well.url).replace("your-provisioning-key", manager.secret)
    exec(compile(program.replace("<YOUR_KEY_HASH>", key.key.id), "page.txt", "exec"), {})  # noqa: S102 (the page's own)
    assert [answer.status_code for answer in sent] == [200, 200, 201, 200, 200, 200]
    first, following, created, found, changed, deleted = (answer.json() for answer in sent)
    assert key.key.id in [each["hash"] for each in first["data"]]
    assert following["data"] == []
    assert (created["data"]["name"], created["data"]["limit"]) == ("Customer Instance Key", 1000)
    assert found["data"]["hash"] == key.key.id
    assert (changed["data"]["name"], changed["data"]["disabled"]) == ("Updated Key Name", True)
    assert deleted == {"deleted": True}


@pytest.mark.parametrize("number", range(5))
def test_its_reference_runs(well: World, manager: Secret, sent: list[requests.Response], number: int) -> None:
    """One program for each operation."""
    key = well.new_key("samples")
    program = REFERENCE[number].replace(HOST, well.url).replace(TOKEN, manager.secret)
    exec(compile(program.replace("/hash", f"/{key.key.id}"), "page.txt", "exec"), {})  # noqa: S102 (the page's own)
    [answer] = sent
    assert answer.status_code == STATUSES[str(answer.request.method).lower()], answer.text


@pytest.mark.parametrize("number", range(5))
def test_its_curl_runs(well: World, manager: Secret, number: int) -> None:
    """By bash where curl is installed, and as it would be sent."""
    key = well.new_key("samples")
    command = SHELL[number].replace(HOST, well.url).replace(TOKEN, manager.secret).replace("/hash", f"/{key.key.id}")
    words = shlex.split(command.replace("\\\n", " "))
    flags = dict(pairwise(words))
    headers = dict(word.split(": ", 1) for flag, word in pairwise(words) if flag == "-H")
    [url] = [word for word in words if word.startswith(well.url)]
    method = flags.get("-X", "GET")
    body = flags["-d"].encode() if "-d" in flags else None
    if shutil.which("curl") and shutil.which("bash"):
        asked = command.replace("curl ", "curl -sS -o /dev/null -w '%{http_code}' ", 1)
        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        assert int(done.stdout) == STATUSES[method.lower()]
        expected = 404 if method == "DELETE" else STATUSES[method.lower()]  # it is gone already
    else:
        expected = STATUSES[method.lower()]
    answer = well.request(method, url.removeprefix(well.url), body, headers=headers)
    assert answer.status == expected, answer.text


def test_every_sample_is_one_of_these() -> None:
    """List, make, look up, delete, change: each in both languages."""
    assert (len(SHELL), len(REFERENCE)) == (5, 5)
