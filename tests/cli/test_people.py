"""`tollway users`, `tollway audit` and who is in a workspace: with a server, and without one."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.desk import Desk, run
from tests.cli.test_explain import both
from tests.cli.test_operator import give, make_key
from tests.support import PATIENCE_S
from tollway.cli import audit, keys, users, workspaces
from tollway.cli.control import owner
from tollway.config import load
from tollway.domain.errors import TollwayError
from tollway.storage.audit_log import Searched
from tollway.storage.database import Statement
from tollway.storage.sqlite import SqliteDatabase

ADA, BOB = "ada@example.com", "bob@example.com"


async def made(desk: Desk, email: str, **fields: Any) -> Any:
    await users.create(desk.file, email, name=fields.get("name", ""), admin=fields.get("admin", False), as_json=True)
    return desk.json()


@both
def test_users_from_the_first_to_the_last_word(desk: Desk, served: bool) -> None:
    """Made with a link that works, listed, searched, shown, made admin, kept out and let in; the same on both ways."""

    async def scene() -> None:
        async with desk.served(served) as house:
            await users.show_all(desk.file, search="", admins=False, disabled=False, as_json=False)
            assert "no such user" in desk.said()
            ada = await made(desk, " Ada@Example.com ", name="[bold]Ada[/]", admin=True)
            assert (ada["user"]["email"], ada["user"]["admin"]) == (ADA, True)
            token = ada["url"].partition("/password#")[2]
            assert len(token) == 43
            if house is not None:
                url = f"http://127.0.0.1:{house.port}/account/v1/password/reset"
                async with httpx.AsyncClient(timeout=PATIENCE_S, headers={"sec-fetch-site": "same-origin"}) as client:
                    answers = [await client.post(url, json={"token": token, "new": "long enough"}) for _ in range(2)]
                assert [each.status_code for each in answers] == [200, 404]
            bob = (await made(desk, BOB))["user"]["id"]
            await users.show_all(desk.file, search="", admins=False, disabled=False, as_json=False)
            said = desk.said()
            assert "[bold]Ada[/]" in said
            assert bob in said
            for user in (BOB, bob):
                await users.set_admin(desk.file, user, admin=True, as_json=True)
                assert desk.json()["admin"] is True
            await users.set_admin(desk.file, ADA, admin=False, as_json=False)
            assert desk.said() == f"{ADA}: user"
            with pytest.raises(TollwayError, match="only admin"):
                await users.set_admin(desk.file, BOB, admin=False, as_json=True)
            with pytest.raises(TollwayError, match="only admin"):
                await users.disable(desk.file, BOB, disabled=True, as_json=True)
            await users.disable(desk.file, ADA, disabled=True, as_json=False)
            assert desk.said() == f"{ADA}: disabled"
            for search, admins, disabled, found in (
                ("ada@", False, False, [ADA]),
                ("", True, False, [BOB]),
                ("", False, True, [ADA]),
            ):
                await users.show_all(desk.file, search=search, admins=admins, disabled=disabled, as_json=True)
                assert [each["email"] for each in desk.json()] == found
            with pytest.raises(TollwayError, match="disabled"):
                await users.link(desk.file, ADA, as_json=True)
            await users.disable(desk.file, ADA, disabled=False, as_json=True)
            assert desk.json()["disabled"] is False
            await users.link(desk.file, ADA, as_json=False)
            assert "chooses a password: once, within a day" in desk.said()
            for user in ("nobody", "nobody@example.com", "a b?c#d"):
                with pytest.raises(TollwayError, match="no such user"):
                    await users.link(desk.file, user, as_json=True)
                with pytest.raises(LookupError, match="no user"):
                    await users.show(desk.file, user, as_json=True)
            with pytest.raises(TollwayError, match="sign in"):
                await made(desk, ADA)
            with pytest.raises(TollwayError, match="not an e-mail address"):
                await made(desk, "none")

    run(scene())


@both
def test_who_is_in_a_workspace(desk: Desk, served: bool) -> None:
    """Taken in, given another role, taken out; the last owner stays; a link to join names the place and the role."""

    async def scene() -> None:
        async with desk.served(served):
            await give(desk, "1", workspace="team")
            desk.said()
            for email in (ADA, BOB):
                await made(desk, email)
            desk.said()
            await workspaces.show_members(desk.file, "team", as_json=False)
            assert "Nobody is in team" in desk.said()
            for email, role in ((ADA, "owner"), (BOB, "member"), (BOB, "billing")):
                await workspaces.set_role(desk.file, email, role, workspace="team", as_json=True)
                assert desk.json() == {"workspace": "team", "user": email, "role": role}
            await workspaces.show_members(desk.file, "team", as_json=True)
            assert [(each["email"], each["role"]) for each in desk.json()] == [(ADA, "owner"), (BOB, "billing")]
            await users.show(desk.file, BOB, as_json=True)
            shown = desk.json()
            assert shown["workspaces"]["team"] == "billing"
            assert sorted(shown["workspaces"].values()) == ["billing", "owner"]
            await users.show(desk.file, BOB, as_json=False)
            assert "billing of workspace team" in desk.said()
            with pytest.raises(TollwayError, match="needs an owner"):
                await workspaces.set_role(desk.file, ADA, "none", workspace="team", as_json=True)
            await workspaces.set_role(desk.file, BOB, "none", workspace="team", as_json=False)
            assert desk.said() == f"{BOB} is not in team any more."
            await workspaces.show_members(desk.file, "team", as_json=False)
            assert BOB not in desk.said()
            await users.invite(desk.file, email=BOB, workspace="team", role="admin", as_json=True)
            assert len(desk.json()["url"].partition("/join#")[2]) == 43
            for ask, error in (
                ({"workspace": "none", "role": "member", "email": None}, "no such workspace"),
                ({"workspace": None, "role": "member", "email": "no address"}, "e-mail"),
            ):
                with pytest.raises(TollwayError, match=error):
                    await users.invite(desk.file, as_json=True, **ask)  # type: ignore[arg-type]  # a table of both
            with pytest.raises(ValueError, match="owner, admin, billing, member"):
                await workspaces.set_role(desk.file, ADA, "king", workspace="team", as_json=True)
            with pytest.raises(LookupError, match="no workspace"):
                await workspaces.show_members(desk.file, "none", as_json=True)

    run(scene())


@both
def test_a_workspace_is_stopped(desk: Desk, served: bool) -> None:
    """A running server refuses its keys at once, though it has them in memory, and lets them work again."""

    async def scene() -> None:
        async with desk.served(served) as house:
            await make_key(desk)
            secret = desk.json()["key"]

            async def status() -> int:
                if house is None:
                    return 0
                async with httpx.AsyncClient(timeout=PATIENCE_S, base_url=f"http://127.0.0.1:{house.port}") as client:
                    return (await client.get("/api/v1/key", headers={"Authorization": f"Bearer {secret}"})).status_code

            assert await status() == (200 if served else 0)
            await workspaces.disable(desk.file, "default", disabled=True, as_json=False)
            assert "default is stopped" in desk.said()
            assert await status() == (401 if served else 0)
            await workspaces.disable(desk.file, "default", disabled=False, as_json=True)
            assert desk.json() == {"workspace": "default", "disabled": False}
            assert await status() == (200 if served else 0)
            with pytest.raises(TollwayError, match="no such workspace"):
                await workspaces.disable(desk.file, "none", disabled=True, as_json=True)
            await workspaces.limit(desk.file, "default", "60", as_json=True)
            assert desk.json() == {"workspace": "default", "rpm": 60}
            await workspaces.limit(desk.file, "default", "none", as_json=False)
            assert "limits.workspace_rpm says" in desk.said()
            for wrong in ("0", "-1", "x", "1.5", "9" * 30):
                with pytest.raises(ValueError, match="is no limit"):
                    await workspaces.limit(desk.file, "default", wrong, as_json=True)
            with pytest.raises(TollwayError, match="no such workspace"):
                await workspaces.limit(desk.file, "none", "60", as_json=True)

    run(scene())


@both
def test_the_audit_log(desk: Desk, served: bool, tmp_path: Path) -> None:
    """What commands change is in it, searched, verified and exported; no secret is."""

    async def scene() -> None:
        async with desk.served(served):
            await make_key(desk)
            key = desk.json()
            await keys.disable(desk.file, key["id"], disabled=True, as_json=True)
            assert desk.json() == {"id": key["id"], "disabled": True}
            await workspaces.set_workspace(desk.file, ["sort=price"], workspace="default", as_json=False)
            desk.said()
            ada = await made(desk, ADA)
            await audit.show(desk.file, Searched(action="key"), limit=9, as_json=True)
            assert [(each["action"], each["actor"]) for each in desk.json()] == [
                ("key.changed", "operator"),
                ("key.created", "operator"),
            ]
            await audit.show(desk.file, Searched(), limit=100, as_json=False)
            said = desk.said()
            for word in ("workspace.changed", "user.created", "password.link_created"):
                assert word in said
            await audit.show(desk.file, Searched(actor="nobody"), limit=1, as_json=False)
            assert "no such entry" in desk.said()
            assert await audit.verify(desk.file, as_json=False) == 0
            assert "each as it was written" in desk.said()
            await audit.export(desk.file, tmp_path / "log.jsonl")
            await audit.export(desk.file, None)
            lines = (tmp_path / "log.jsonl").read_text()
            assert lines == desk.capsys.readouterr().out
            entries = [json.loads(line) for line in lines.splitlines()]
            assert [each["number"] for each in entries] == list(range(1, len(entries) + 1))
            for secret in (key["key"], ada["url"].partition("#")[2]):
                assert secret not in lines
            with pytest.raises(FileExistsError):
                await audit.export(desk.file, tmp_path / "log.jsonl")
        await forge(desk, "UPDATE audit_log SET actor = 'eve' WHERE number = 2")
        assert await audit.verify(desk.file, as_json=True) == 1
        assert [each.split(":")[0] for each in desk.json()["broken"]] == ["2"]
        assert await audit.verify(desk.file, as_json=False) == 1
        assert "by eve" in desk.said()

    run(scene())


async def forge(desk: Desk, sql: str) -> None:
    """As somebody would who can write in the file."""
    async with owner(load(desk.file)) as (_, server):
        assert server is None
        database = SqliteDatabase(desk.data / "tollway.db")
        await database.write(Statement(sql))
        await database.close()
