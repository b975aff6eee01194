"""`tollway explain`: by the running server or alone, as tables or as JSON; and what it says when nobody fits."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, run
from tests.support import ask
from tollway.cli.explain import STDIN, read
from tollway.cli.explain import run as explain
from tollway.domain.errors import InvalidRequest, ModelNotFound, NotBuiltYet, TollwayError
from tollway.domain.health import Outcome
from tollway.routing.breaker import FAILURES_TO_OPEN

OWN = """
[[providers]]
slug = "{slug}"
base_url = "http://127.0.0.1:9/v1"
[[providers.models]]
id = "test/model"
price_prompt = "0.000001"
price_completion = "{completion}"
"""
both = pytest.mark.parametrize("served", [False, True], ids=["alone", "with a server"])


@pytest.fixture
def two(desk: Desk) -> Desk:
    """Two endpoints of one model, the second dearer."""
    desk.configure(OWN.format(slug="one", completion="0.000002"))
    desk.configure(OWN.format(slug="two", completion="0.000004"))
    return desk


def asked(**fields: Any) -> bytes:
    return json.dumps(ask(max_tokens=10, **fields)).encode()


@both
def test_auto(two: Desk, served: bool) -> None:
    """The task that was read and the choice, whoever works it out."""

    async def scene() -> None:
        async with two.served():
            pass
        async with two.served(served):
            body = json.dumps(ask("openrouter/auto", "Refactor this python module")).encode()
            assert await explain(two.file, body, as_json=False) == 0
            assert "openrouter/auto: task code, hard, no cost tier; the choice: test/model" in two.said()
            assert await explain(two.file, body, as_json=True) == 0
            assert json.loads(two.said())["auto"]["task"] == "code"

    run(scene())


@both
def test_a_plan(two: Desk, served: bool) -> None:
    """The same endpoints, costs and caps, whoever works it out."""

    async def scene() -> None:
        async with two.served():  # own servers are written to the catalog when a server starts
            pass
        async with two.served(served):
            assert await explain(two.file, asked(caps=[{"completion": 3}]), as_json=True) == 0
            found = two.json()
            assert [each["endpoint_id"] for each in found["endpoints"]] == ["one:test/model", "two:test/model"]
            assert found["caps"][0]["endpoints"] == 1
            assert await explain(two.file, asked(caps=[{"completion": 3}]), as_json=False) == 0
            said = two.said()
            assert "one:test/model" in said
            assert '{"completion":3}' in said
            assert "drawn by cost" in said
            assert ("no server runs" in said) is not served

    run(scene())


@both
def test_nobody_fits(two: Desk, served: bool) -> None:
    """Exit code 1, with the rule for each and the error that the request would get."""

    async def scene() -> None:
        async with two.served():
            pass
        async with two.served(served):
            assert await explain(two.file, asked(provider={"max_price": {"prompt": 0.1}}), as_json=False) == 1
            said = two.said()
            assert "its prompt price is above max_price.prompt" in said
            assert "Refused with 404: No endpoints found for test/model" in said

    run(scene())


@both
@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (asked() + b"x", InvalidRequest, "not valid JSON"),
        (b'{"model": "test/model"}', InvalidRequest, "messages"),
        (asked(model="no/such"), ModelNotFound, "not a valid model ID"),
        (asked(plugins=[{"id": "web"}]), NotBuiltYet, "not built yet"),
    ],
    ids=["no JSON", "no messages", "no such model", "not built"],
)
def test_what_is_wrong_is_said(desk: Desk, served: bool, body: bytes, kind: type[TollwayError], words: str) -> None:
    """As the request itself would be told."""

    async def scene() -> None:
        async with desk.served(served):
            with pytest.raises(TollwayError, match=words) as caught:
                await explain(desk.file, body, as_json=False)
            assert served or isinstance(caught.value, kind)

    run(scene())


def test_figures_are_the_server_s(two: Desk) -> None:
    """What the running server has measured, and why it avoids an endpoint."""

    async def scene() -> None:
        async with two.served() as house:
            assert house is not None
            now_s = house.now_s()
            # The last one comes later, so that the pause is not over before a busy machine has explained.
            for at_s in (*[now_s] * (FAILURES_TO_OPEN - 1), now_s + 60):
                house.gateway.health.observe("one:test/model", Outcome.TIMED_OUT, at_s)
            await explain(two.file, asked(), as_json=False)
            said = two.said()
            assert "5 failures in a row, the last: timed_out" in said
            assert "100.0%" in said

    run(scene())


def test_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input; a file that is not there is an OSError, which the command line says as a sentence."""
    file = tmp_path / "request.json"
    file.write_bytes(b"{}")
    assert read(str(file)) == b"{}"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"[]")))
    assert read(STDIN) == b"[]"
    with pytest.raises(OSError, match="No such file"):
        read(str(tmp_path / "none.json"))
