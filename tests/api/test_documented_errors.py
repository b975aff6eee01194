"""docs/errors.md against the code, and the program of docs/mcp.md against a server: what the pages say happens."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import World
from tollway.api.storefronts.openai import OPENAI
from tollway.api.storefronts.openrouter import OPENROUTER
from tollway.domain.errors import TollwayError

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"

MCP_SERVER = """
import json, sys
TOOL = {"name": "weather", "description": "The weather of a city",
        "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}), flush=True)
        continue
    if asked["method"] == "tools/call":
        sys.stderr.write("called " + asked["params"]["name"] + " " + str(sorted(asked["params"]["arguments"])))
    result = {"initialize": {"capabilities": {}}, "tools/list": {"tools": [TOOL]},
              "tools/call": {"content": [{"type": "text", "text": "Rain on all days."}]}}[asked["method"]]
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


def errors(kind: type[TollwayError] = TollwayError) -> Iterator[type[TollwayError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from errors(below)


def test_every_error_has_its_row() -> None:
    """The table of docs/errors.md has what each error of domain/errors.py says on both families, and no other row."""
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    wanted = set()
    for kind in errors():
        error = kind("x")
        code = OPENAI.error_body(error, 0)["error"]["code"]
        theirs = OPENROUTER.error_body(error, error.status)["error"]["metadata"]["error_type"]
        wanted.add((theirs, str(OPENROUTER.status_of(error)), str(OPENAI.status_of(error)), code))
    assert len(rows) == len({row[:4] for row in rows})
    assert {row[:4] for row in rows} == wanted
    assert all(happened.endswith(".") and do.endswith(".") for *_, happened, do, _ in rows)


def test_the_program_of_the_mcp_page(well: World, tmp_path: Path) -> None:
    """It lists a server's tools, lets the model call one, gives the result back, and prints the last answer."""
    [program] = re.findall(r"^```python\n(.*?)^```", (DOCS / "mcp.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "mcp_chat.py").write_text(program, encoding="utf-8")
    (tmp_path / "server.py").write_text(MCP_SERVER, encoding="utf-8")
    well.script("tools", "answer=tools", "tokens=5")
    told = {"TOLLWAY_URL": well.url, "TOLLWAY_KEY": well.key.secret, "TOLLWAY_MODEL": "test/tools"}
    done = subprocess.run(
        [sys.executable, "mcp_chat.py", sys.executable, "server.py"],
        cwd=tmp_path, env=os.environ | told, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "called weather ['city']" in done.stderr
    assert len(done.stdout.split()) == 5
    given_back = well.received[-1].body
    assert b"Rain on all days." in given_back


def test_tools_that_others_would_run(well: World) -> None:
    """501, as docs/mcp.md says: they are not dropped in silence."""
    tool = {"type": "mcp", "server_label": "x", "server_url": "https://x.example"}
    asked = {"model": "test/model", "input": "One.", "tools": [tool]}
    assert well.request("POST", "/v1/responses", asked).status == 501


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/images/generations"),
        ("POST", "/api/v1/videos"),
        ("POST", "/kling/v1/videos/text2video"),
        ("GET", "/kling/v1/videos/image2video/task-1"),
        ("POST", "/jimeng/?Action=CVSync2AsyncSubmitTask&Version=2022-08-31"),
    ],
)
def test_urls_that_later_releases_bring(well: World, method: str, path: str) -> None:
    """501 on every URL of STOREFRONTS.md that is not built, and it says where chat is; else nothing is there: 404."""
    answer = well.request(method, path, {})
    assert answer.status == 501, answer.text
    base = "/api" if path.startswith("/api") else ""
    assert f"chat completions are at {base}/v1/chat/completions." in answer.error["message"]


@pytest.mark.parametrize("path", ["/klings/v1/videos", "/api/kling/v1", "/v1/kling"])
def test_other_urls_are_nowhere(well: World, path: str) -> None:
    """A 404, as ever."""
    assert well.request("GET", path).status == 404
