"""Fixtures of the upstream tests: both event loops, with everything that they complain about, and a certificate."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.upstream.scripted import Certificate, make_certificate

Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def run_on(loop_name: str, body: Coroutine[Any, Any, None]) -> None:
    """Run `body` for at most 10 s; whatever the loop would only have logged is an error here."""
    complaints: list[dict[str, Any]] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(60):
            await body
        gc.collect(1)  # what this test left is young; a full collection takes longer than most of these tests
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
        runner.run(bounded())
    assert complaints == []


@pytest.fixture(params=sorted(LOOPS))
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on the stock loop and on uvloop."""
    name: str = request.param
    return lambda body: run_on(name, body)


@pytest.fixture
def run_once() -> Run:
    """Run a coroutine on uvloop only, where the loop makes no difference."""
    return lambda body: run_on("uvloop", body)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A self-signed certificate for `localhost`, made now."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
