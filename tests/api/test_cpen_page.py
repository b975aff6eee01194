"""CPEN's page against the server, word for word: its samples, its tables and its answers (tests/clients/cpen/page.txt).

Its JavaScript runs in `make test-clients`.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.api.test_cpen import MIDDLE
from tests.support import World, offer, world
from tollway.domain.caps import ContinuityMode, PriceRouting, Strategy

PAGE = (Path(__file__).parents[1] / "clients" / "cpen" / "page.txt").read_text(encoding="utf-8")
HOST, KEY = "https://cpenrouter.space", "cpen_live_..."


@pytest.fixture(scope="module")
def cpen() -> Iterator[World]:
    with world(
        offer(MIDDLE, prompt="0.00000004", completion="0.00000024"),
        offer("openai/gpt-oss-20b", prompt="0.00000002", completion="0.00000004"),
    ) as it:
        yield it


def cut(pattern: str) -> str:
    """A piece of the page, which has it once."""
    [found] = re.findall(pattern, PAGE, re.DOTALL)
    return str(found)


CURL = cut(r"(curl https://.*?\n}')")


def told(answer: Any) -> Any:
    assert answer["model"] == answer["cpen_route"]["alias"] == "cpen/middle"
    assert answer["cpen_status"] == "completed"
    return answer["cpen_route"]


def test_its_curl_runs(cpen: World) -> None:
    """With our host and key, and nothing else changed: by bash where curl is installed, and as it would be sent."""
    command = CURL.replace(HOST, cpen.url).replace(KEY, cpen.key.secret)
    words = shlex.split(command.replace("\\\n", " "))
    headers = dict(word.split(": ", 1) for flag, word in pairwise(words) if flag == "-H")
    answer = cpen.request(
        "POST", words[1].removeprefix(cpen.url), words[words.index("-d") + 1].encode(), headers=headers
    )
    assert answer.status == 200, answer.text
    said = [answer.json]
    if shutil.which("curl") and shutil.which("bash"):
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=60)
        said.append(json.loads(done.stdout))
    for each in said:
        assert told(each)["rpm_cap"] == 60


def test_an_answer_has_every_field_that_its_example_has(cpen: World) -> None:
    """Also inside, with values of the same types; and at its prices, the same figures."""
    example = json.loads(cut(r"(\{\n\"id\": \"chatcmpl_.*?\n\})\|"))
    body = json.loads(cut(r"(\{\n\"model\": \"cpen/middle\",\n\"messages\".*?\n\})'"))
    said = cpen.request("POST", "/v1/chat/completions", body).json
    _same_shape(example, said, "")
    assert said["id"].startswith("chatcmpl_")
    for name in ("alias", "task", "intelligence_level", "model_family", "rpm_cap", "strategy", "continuity_mode"):
        assert said["cpen_route"][name] == example["cpen_route"][name]
    assert {name: value for name, value in said["cpen_route"].items() if "per_1m" in name} == {
        name: value for name, value in example["cpen_route"].items() if "per_1m" in name
    }


def _same_shape(example: Any, said: Any, where: str) -> None:
    assert type(said) is type(example), where
    if isinstance(example, dict):
        assert example.keys() <= said.keys(), where
        for name, value in example.items():
            _same_shape(value, said[name], f"{where}.{name}")
    elif isinstance(example, list):
        for number, value in enumerate(example):
            _same_shape(value, said[number], f"{where}[{number}]")


def test_its_extraction(cpen: World) -> None:
    said = cpen.request("POST", "/v1/extractions", cut(r"POST /v1/extractions\n(\{.*\})").encode()).json
    assert told(said)["task"] == "extraction"
    assert said["output"].keys() == {"buyer", "amount_usd"}


def test_its_fields_of_routing_are_ours() -> None:
    """Each of its table and no other, with the words that it knows."""
    names = re.findall(r"^(\w+) \| (?:string|decimal|integer|enum|boolean) \|", PAGE, re.MULTILINE)
    assert tuple(names) == PriceRouting.__struct_fields__
    for name, ours in (("strategy", Strategy), ("continuity_mode", ContinuityMode)):
        assert tuple(cut(rf"\n{name} \| enum \| (.*?) \|\n").split(" | ")) == get_args(ours)


def test_its_caps_over_budget(cpen: World) -> None:
    """Its sample of caps is kept, and where nobody fits the answer holds the very body that it shows."""
    caps = json.loads("{" + cut(r"(\"routing\": \{\n\"currency\": \"USD\",\n\"max_input_per_1m\".*?\n\})") + "}")
    asked = {"model": "cpen/middle", "messages": [{"role": "user", "content": "One."}], **caps}
    shown = json.loads(cut(r"(\{\n\"detail\".*?\n\})"))
    answer = cpen.request("POST", "/v1/chat/completions", asked)
    assert answer.status == 402, "0.04 and 0.24 are above 0.03 and 0.15"
    assert {name: answer.json[name] for name in shown} == shown
    low = cpen.request("POST", "/v1/chat/completions", {**asked, "model": "cpen/low"})
    assert low.status == 200, low.text


def test_its_aliases_and_endpoints(cpen: World) -> None:
    """Bands and levels of its table; each endpoint is there, and wants a key where it should."""
    levels = {each["alias"]: each for each in cpen.request("GET", "/v1/status/routes").json["data"]}
    rows = re.findall(r"^\| (cpen/\w+) \| (\w+) \| .* \| \$([\d.]+) . \$([\d.]+) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for alias, level, least, most, status in rows:
        said = levels[alias]
        assert said["intelligence_level"] == level.lower()
        assert said["band_usd_per_1m"] == {"min": least, "max": most}
        assert said["status"] == status
    for method, path in re.findall(r"^\| (GET|POST) \| (/\S+) \|", PAGE, re.MULTILINE):
        status = cpen.request(method, path, {} if method == "POST" else None, headers={}).status
        assert status == (200 if path == "/health" else 401), path
