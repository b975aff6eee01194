"""`tollway replay` on a database that a server has written."""

import httpx
import pytest

from tests.cli.desk import Desk, run
from tests.cli.test_explain import OWN
from tests.support import PATIENCE_S, ask
from tollway.cli import credits as credit_commands
from tollway.cli import keys
from tollway.cli.replay import run as replay
from tollway.simulator import Simulator


def test_from_requests_to_the_comparison(desk: Desk) -> None:
    """Ten requests over two endpoints: ten decisions, with their costs; beside the server and after it."""

    async def scene() -> None:
        simulator = await Simulator.start()
        for slug, price in (("one", "0.000002"), ("two", "0.000003")):
            block = OWN.format(slug=slug, completion=price)
            desk.configure(block.replace("http://127.0.0.1:9/v1", f"{simulator.url}/p/{slug}/v1"))
        try:
            async with desk.served() as house:
                assert house is not None
                await keys.create(
                    desk.file, name="x", workspace="default", limit=None, reset=None, expires=None, as_json=True
                )
                secret = desk.json()["key"]
                await credit_commands.grant(
                    desk.file, amount="1", workspace="default", reason="", ref=None, as_json=True
                )
                headers = {"Authorization": f"Bearer {secret}"}
                async with httpx.AsyncClient(
                    timeout=PATIENCE_S, base_url=f"http://127.0.0.1:{house.port}", headers=headers
                ) as client:
                    for _ in range(10):
                        answer = await client.post("/api/v1/chat/completions", json=ask(max_tokens=10))
                        assert answer.status_code == 200
                await house.committer.drain()
                desk.said()
                await replay(desk.file, policy="price", last=100, as_json=True)
                found = desk.json()
                assert (found["drawn"], found["fixed"], found["gone"]) == (10, 0, 0)
                assert found["paid"] > 0
                assert {each["endpoint_id"] for each in found["endpoints"]} == {"one:test/model", "two:test/model"}
        finally:
            await simulator.close()
        await replay(desk.file, policy="traffic", last=4, as_json=False)
        said = desk.said()
        assert "4 decisions by a draw, made anew with policy traffic" in said
        assert "one:test/model" in said
        assert "no record knows" in said

    run(scene())


def test_nothing_recorded_and_no_such_policy(desk: Desk) -> None:
    """Said in a sentence."""
    run(replay(desk.file, policy="price", last=10, as_json=False))
    assert "0 decisions" in desk.said()
    with pytest.raises(ValueError, match="'cheap' is none; traffic or price"):
        run(replay(desk.file, policy="cheap", last=10, as_json=False))
