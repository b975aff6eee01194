"""The recorded exchanges with real providers, where they lie beside the repository; by default chat completions."""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "cassettes"


@cache
def exchanges(api: str = "chat_completions") -> tuple[dict[str, Any], ...]:
    """Every exchange of this api, of every provider. Skips where there are none, but never in CI."""
    if not FOLDER.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{FOLDER} is missing, and CI must not pass without the recordings")
        pytest.skip(f"{FOLDER} is missing: the recordings of real providers are not part of the repository")
    return tuple(
        record
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if (record := json.loads(line))["api"] == api
    )


def requests(api: str = "chat_completions") -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, request body)."""
    for record in exchanges(api):
        if "json" in record["request"]:
            yield _name(record), record["request"]["json"]


def bodies(api: str = "chat_completions") -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, body) of whole answers of status 200."""
    for record in exchanges(api):
        if record["response"]["status"] == 200 and "json" in record["response"]:
            yield _name(record), record["response"]["json"]


def streams(api: str = "chat_completions") -> Iterator[tuple[str, bytes]]:
    """(name, SSE text) of streamed answers."""
    for record in exchanges(api):
        if record["response"]["status"] == 200 and "text" in record["response"]:
            yield _name(record), record["response"]["text"].encode()


def refusals(api: str = "chat_completions") -> Iterator[tuple[str, int, dict[str, str], Any]]:
    """(name, status, headers, body) of answers of another status."""
    for record in exchanges(api):
        if record["response"]["status"] != 200:
            response = record["response"]
            yield _name(record), response["status"], response["headers"], response["json"]


def _name(record: dict[str, Any]) -> str:
    return f"{record['provider']} {record['case']}"
