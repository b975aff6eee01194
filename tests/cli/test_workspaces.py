"""`tollway workspaces`, `tollway presets` and what `tollway explain` makes of them: with a server, and without one."""

import json
from typing import Any

import httpx
import pytest

from tests.cli.desk import Desk, run
from tests.cli.test_explain import OWN, both
from tests.cli.test_operator import give, make_key
from tests.support import PATIENCE_S, ask
from tollway.cli import presets, workspaces
from tollway.cli.explain import run as explain
from tollway.domain.errors import TollwayError
from tollway.domain.identity import KeyKind
from tollway.gateway.presets import Presets
from tollway.identity.keys import issue_key
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase
from tollway.wire.openai_chat.server import decode_request


@both
def test_a_workspace_s_settings(desk: Desk, served: bool) -> None:
    """Set, shown, listed and taken back; a running server obeys a key that it has in memory."""
    for slug, price in (("one", "0.000002"), ("two", "0.000004")):
        desk.configure(OWN.format(slug=slug, completion=price))

    async def scene() -> None:
        async with desk.served(served) as house:
            await make_key(desk)
            secret = desk.json()["key"]
            await give(desk, "1")
            desk.json()

            async def told() -> Any:
                if house is None:
                    return None
                async with httpx.AsyncClient(timeout=PATIENCE_S, base_url=f"http://127.0.0.1:{house.port}") as client:
                    headers = {"Authorization": f"Bearer {secret}"}
                    return (await client.post("/api/v1/route", json=ask(), headers=headers)).json()

            await told()
            await workspaces.show(desk.file, "default", as_json=False)
            assert "leaves everything to its requests" in desk.said()
            await workspaces.set_workspace(
                desk.file, ["ignore = one", "sort=price", "default_model=test/model"], workspace="default", as_json=True
            )
            settings = {"default_model": "test/model", "provider": {"ignore": ["one"], "sort": "price"}}
            assert desk.json() == {"workspace": "default", "settings": settings}
            if served:
                assert [each["provider"] for each in (await told())["data"]["endpoints"]] == ["two"]
            await workspaces.show(desk.file, "default", as_json=False)
            said = desk.said()
            assert "ignore one may narrow it, never widen it" in said
            assert "sort price may say otherwise" in said
            await workspaces.list_workspaces(desk.file, as_json=True)
            assert desk.json() == [{"workspace": "default", "settings": settings}]
            await workspaces.list_workspaces(desk.file, as_json=False)
            assert "default_model=test/model, ignore=one, sort=price" in desk.said()
            await workspaces.set_workspace(
                desk.file, ["ignore=", "sort=", "default_model="], workspace="default", as_json=True
            )
            assert desk.json()["settings"] == {}
            if served:
                assert len((await told())["data"]["endpoints"]) == 2
            with pytest.raises(TollwayError, match="no workspace"):
                await workspaces.set_workspace(desk.file, ["sort=price"], workspace="none", as_json=True)
            with pytest.raises(ValueError, match="NAME=VALUE"):
                await workspaces.set_workspace(desk.file, ["sort"], workspace="default", as_json=True)
            with pytest.raises(LookupError, match="no workspace"):
                await workspaces.show(desk.file, "none", as_json=True)

    run(scene())


async def keep(desk: Desk, slug: str, **body: Any) -> None:
    """A preset of the workspace "default", written as the server writes it."""
    database = SqliteDatabase(desk.data / "tollway.db")
    try:
        await migrate(database)
        key, _ = issue_key(workspace_id="default", name="n", pepper=b"p", now_ms=0, kind=KeyKind.INFERENCE)
        await Presets(database).keep(key, slug, decode_request(json.dumps(ask(**body)).encode()), 1)
    finally:
        await database.close()


@both
def test_explain_obeys_both(desk: Desk, served: bool) -> None:
    """A preset's preferences and the workspace's rulings are in the plan, whoever works it out."""
    for slug, price in (("one", "0.000002"), ("two", "0.000004"), ("three", "0.000004")):
        desk.configure(OWN.format(slug=slug, completion=price))

    async def scene() -> None:
        async with desk.served():
            await make_key(desk)
        await keep(desk, "dear", model="test/model", provider={"order": ["one", "three"]})
        await workspaces.set_workspace(desk.file, ["ignore=one"], workspace="default", as_json=False)
        desk.said()
        async with desk.served(served):
            body = json.dumps(ask(model="@preset/dear")).encode()
            assert await explain(desk.file, body, as_json=True) == 0
            found = desk.json()
            assert [each["provider"] for each in found["endpoints"]] == ["three", "two"]
            assert [(each["provider"], each["rule"]) for each in found["left_out"]] == [("one", "ruling_ignored")]
            with pytest.raises(TollwayError, match='no preset "dear"'):
                await explain(desk.file, body, as_json=True, workspace="another")

    run(scene())


@both
def test_presets(desk: Desk, served: bool) -> None:
    """Listed, shown, switched off and on, and back to an older version."""

    async def scene() -> None:
        async with desk.served():
            await make_key(desk)
        for seed in (1, 2):
            await keep(desk, "mine", seed=seed, messages=[{"role": "system", "content": "Be brief."}])
        desk.said()
        async with desk.served(served):
            await presets.show_all(desk.file, workspace="default", as_json=False)
            assert "mine active" in desk.said()
            await presets.show_all(desk.file, workspace="default", as_json=True)
            [listed] = desk.json()
            assert (listed["slug"], listed["workspace_id"]) == ("mine", "default")
            await presets.set_preset(desk.file, "mine", workspace="default", status="disabled", version=1, as_json=True)
            assert desk.json() == {"slug": "mine", "status": "disabled", "version": 1}
            await presets.show(desk.file, "mine", workspace="default", as_json=False)
            said = desk.said()
            assert "mine is disabled; version 1 counts." in said
            assert "Be brief." in said
            await presets.show(desk.file, "mine", workspace="default", as_json=True)
            shown = desk.json()
            assert [each["config"]["seed"] for each in shown["versions"]] == [1, 2]
            await presets.set_preset(
                desk.file, "mine", workspace="default", status="active", version=None, as_json=False
            )
            assert desk.said() == "mine is active; version 1 counts."
            await presets.show_all(desk.file, workspace="none", as_json=False)
            assert "none has no preset" in desk.said()
            with pytest.raises(ValueError, match="active, disabled, archived"):
                await presets.set_preset(
                    desk.file, "mine", workspace="default", status="gone", version=None, as_json=True
                )
            with pytest.raises(TollwayError, match="no version 9"):
                await presets.set_preset(desk.file, "mine", workspace="default", status=None, version=9, as_json=True)
            with pytest.raises(TollwayError, match="no preset"):
                await presets.show(desk.file, "none", workspace="default", as_json=True)

    run(scene())
