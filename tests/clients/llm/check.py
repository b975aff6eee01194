"""The `llm` command, with the YAML that the page shows: each feature is a command as a person types it."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import scene

FUNCTION = 'def weather(city: str, days: int):\n    "The weather of a city."\n    return "Rain on all days."\n'
PROGRAM = str(Path(sys.executable).with_name("llm"))


def llm(model: str, *arguments: str, prompt: str = scene.WEATHER) -> subprocess.CompletedProcess[str]:
    """`llm -m ...` with a folder of its own, in which the page's YAML names this server and this model."""
    yaml = Path("setup.yaml").read_text(encoding="utf-8")
    assert yaml.count("http://127.0.0.1:8080") == yaml.count("openai/gpt-5.6-luna") == 1
    yaml = yaml.replace("http://127.0.0.1:8080", scene.URL).replace("openai/gpt-5.6-luna", model)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "extra-openai-models.yaml").write_text(yaml, encoding="utf-8")
        Path(folder, "keys.json").write_text(json.dumps({"tollway": scene.KEY}), encoding="utf-8")
        return subprocess.run(
            [PROGRAM, "-m", "luna", prompt, *arguments],
            env=os.environ | {"LLM_USER_PATH": folder},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )


def counted(said: str) -> None:
    """`-u` prints what was counted: `Token usage: 6 input, 72 output`."""
    found = re.search(r"([\d,]+) input, ([\d,]+) output", said)
    assert found, said
    scene.counted(*(int(number.replace(",", "")) for number in found.groups()))


def whole(model: str) -> None:
    done = llm(model, "--no-stream", "-u", prompt=scene.HELLO)
    scene.hello(model, done.stdout.strip())
    counted(done.stderr)


def streamed(model: str) -> None:
    done = llm(model, "-u", prompt=scene.HELLO)
    scene.hello(model, done.stdout.strip())
    counted(done.stderr)


def tools(model: str) -> None:
    done = llm(model, "--no-stream", "--functions", FUNCTION, "--tools-debug")
    assert "Tool call: weather(" in done.stderr, done.stderr
    assert "Rain on all days." in done.stderr, done.stderr
    assert done.stdout.strip()


def tools_streamed(model: str) -> None:
    done = llm(model, "--functions", FUNCTION, "--tools-debug")
    assert "Tool call: weather(" in done.stderr, done.stderr
    assert done.stdout.strip()


def structured(model: str) -> None:
    scene.weather(llm(model, "--schema", json.dumps(scene.PARAMETERS)).stdout)


scene.report("llm", "chat", whole, streamed, tools, tools_streamed, structured)
