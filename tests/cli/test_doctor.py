"""`tollway doctor`: each thing that can be wrong is found and comes with what to do; and the ledger alone."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace
from rich.console import Console

from tests.cli.desk import Desk, run
from tests.gateway.company import Asked, company
from tests.providers.accounts import service_account
from tollway.cli import checkup, doctor, keys
from tollway.cli import credits as credit_commands
from tollway.cli.checkup import Check, State, check_reach
from tollway.config import Config, Security, load
from tollway.domain.health import Alarm
from tollway.gateway.live import Live
from tollway.providers import PROVIDERS
from tollway.simulator import Simulator
from tollway.storage.database import Statement, StorageError
from tollway.storage.files import DATABASE_FILE, ServerLock
from tollway.storage.sqlite import SqliteReader


async def examined(desk: Desk) -> dict[str, Check]:
    """All checks by name; of several with one name the worst."""
    found: dict[str, Check] = {}
    for check in await checkup.examine(desk.file):
        before = found.get(check.name)
        if before is None or list(State).index(check.state) > list(State).index(before.state):
            found[check.name] = check
    return found


async def furnish(desk: Desk) -> None:
    """A key and ten dollars: the database is there."""
    await keys.create(desk.file, name="k", workspace="default", limit=None, reset=None, expires=None, as_json=True)
    await credit_commands.grant(desk.file, amount="10", workspace="default", reason="", ref="r", as_json=True)
    desk.said()


@asynccontextmanager
async def answering(status: int, body: str = "{}") -> AsyncIterator[str]:
    """The address of a server that always answers the same."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await asyncio.sleep(0.05)  # what was accepted closes in the next turns of the loop


def test_before_the_first_start_nothing_is_broken_and_nothing_is_made(bare_desk: Desk) -> None:
    """Doctor looks and leaves no trace: no directory, no database, no secret."""
    assert run(doctor.run(bare_desk.file, ledger_only=False, as_json=False)) == 0
    assert "0 broken" in bare_desk.said()
    assert not bare_desk.data.exists()
    with pytest.raises(StorageError, match=r"there is no database at .*tollway.db yet"):
        run(doctor.run(bare_desk.file, ledger_only=True, as_json=True))
    assert not bare_desk.data.exists()


@pytest.mark.parametrize("served", [False, True], ids=["alone", "with a server"])
def test_all_is_well(desk: Desk, served: bool) -> None:
    """With a database, a live provider and a server, if one runs, all is in order; the same as JSON."""

    async def scene() -> None:
        simulator = await Simulator.start(models=("acme/one",))
        desk.configure(
            f'[[providers]]\nslug = "acme"\nbase_url = "{simulator.url}/v1"\n'
            '[[providers.models]]\nid = "acme/one"\nfree = true\n'
        )
        async with desk.served():
            await furnish(desk)
        async with desk.served(served):
            found = await examined(desk)
            assert {check.state for check in found.values()} == {State.OK}
            assert found["provider acme"].detail == "answers"
            assert ("is ready" in found["server"].detail) is served
            assert await doctor.run(desk.file, ledger_only=False, as_json=True) == 0
            said = desk.json()
            assert said["ok"] is True
            assert {"name", "state", "detail", "fix"} == said["checks"][0].keys()
            assert await doctor.run(desk.file, ledger_only=True, as_json=True) == 0
            said = desk.json()
            assert said["ok"] is True
            assert said["counts"]["keys"] == 1
            assert {"name", "promise", "broken"} == said["checks"][0].keys()
            assert {each["name"] for each in said["checks"]} >= {"balances", "zero-sum", "overdraft", "captures"}
        assert simulator.stats.requests == 0
        await simulator.close()

    run(scene())


def test_a_broken_ledger_is_found(desk: Desk) -> None:
    """Money that came from nowhere breaks two invariants, which are named with their rows; the exit code is 1."""
    run(furnish(desk))
    connection = apsw.Connection(str(desk.data / DATABASE_FILE))
    connection.execute("UPDATE accounts SET credited = credited + 5 WHERE id = 'default'")
    connection.close()
    assert run(doctor.run(desk.file, ledger_only=True, as_json=True)) == 1
    said = desk.json()
    broken = {each["name"]: each["broken"] for each in said["checks"] if each["broken"]}
    assert said["ok"] is False
    assert broken == {
        "balances": ["default: cached 10000000005, transfers say 10000000000"],
        "zero-sum": ["the balances sum to 5"],
    }
    assert run(doctor.run(desk.file, ledger_only=True, as_json=False)) == 1
    assert "default: cached 10000000005" in desk.said()
    assert run(doctor.run(desk.file, ledger_only=False, as_json=False)) == 1
    assert "tollway doctor --ledger names the rows" in desk.said()


def test_a_reader_can_not_write(desk: Desk) -> None:
    """The connection that doctor reads with is opened for reading, by our rule and by SQLite's own."""
    run(furnish(desk))

    async def scene() -> None:
        reader = SqliteReader(desk.data / DATABASE_FILE)
        with pytest.raises(StorageError, match="only reads"):
            await reader.write(Statement("DELETE FROM keys"))
        with pytest.raises(StorageError, match="readonly"):
            await reader.read("DELETE FROM keys")
        assert await reader.read("SELECT COUNT(*) FROM keys") == [(1,)]
        await reader.close()

    run(scene())


def test_a_configuration_that_does_not_load(desk: Desk) -> None:
    """The mistake is told with its path, and what needs no configuration is checked all the same."""
    desk.configure("[servr]\nport = 1")
    found = run(examined(desk))
    assert found["configuration"].state is State.FAIL
    assert "servr is not a known key; did you mean server?" in found["configuration"].detail
    assert found["tokenizer"].state is State.OK
    assert run(doctor.run(desk.file, ledger_only=False, as_json=True)) == 1
    assert desk.json()["ok"] is False


def test_variables_that_set_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """TOLLWAY_PORT is pointed out."""
    monkeypatch.setenv("TOLLWAY_PORT", "9")
    check = checkup.check_configuration(desk.file, load(desk.file))
    assert (check.state, "TOLLWAY_SERVER__PORT would" in check.detail) == (State.WARN, True)


def test_modes_and_the_secret(desk: Desk) -> None:
    """A directory or a secret that others can read, an empty secret, and one that is gone, each have their line."""
    run(furnish(desk))
    config, secret = load(desk.file), desk.data / "secret_key"
    assert checkup.check_data_dir(config).state is State.OK
    desk.data.chmod(0o755)
    assert checkup.check_data_dir(config).fix == f"chmod 700 {desk.data}"
    secret.chmod(0o644)
    assert checkup.check_secret(config).fix == f"chmod 600 {secret}"
    secret.write_text("")
    assert "is empty" in checkup.check_secret(config).detail
    secret.unlink()
    assert "no key in the database works any more" in checkup.check_secret(config).detail
    assert checkup.check_secret(Config(security=Security("short"))).state is State.WARN
    assert checkup.check_secret(Config(security=Security("0123456789abcdef" * 2))).state is State.OK


def test_a_data_directory_that_is_a_file(bare_desk: Desk) -> None:
    """Not a directory: said, not raised, and nothing is looked for in it; starting there says what to do."""
    bare_desk.data.write_text("")
    found = run(examined(bare_desk))
    assert found["data directory"].state is State.FAIL
    assert found["data directory"].fix.endswith(str(bare_desk.data))
    assert {"configuration", "tokenizer"} < found.keys()
    assert "database" not in found
    with pytest.raises(StorageError, match=r"can't be written to: File exists\. Give it to .* or set storage.data_dir"):
        ServerLock(bare_desk.data)


def test_doctor_on_a_terminal_without_utf_8(bare_desk: Desk) -> None:
    """Marks and arrows have a form that every terminal can show, whatever a check found."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    checks = [Check(state, state, "detail", "fix") for state in State]
    doctor.print_checks(Console(file=shown, width=200), checks)
    shown.flush()
    assert isinstance(shown.buffer, io.BytesIO)
    lines = shown.buffer.getvalue().decode("ascii").splitlines()
    assert lines[:4] == ["+ ok: detail", "  -> fix", "! warn: detail", "  -> fix"]
    assert lines[4] == "x fail: detail"


def test_a_disk_that_is_nearly_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a gigabyte a warning, below a tenth of it an error: on a full disk nothing can be charged."""
    config = load(desk.file)
    assert checkup.check_disk(config).state in {State.OK, State.WARN}
    monkeypatch.setattr(checkup, "DISK_LOW_BYTES", 2**62)
    assert checkup.check_disk(config).state is State.WARN
    monkeypatch.setattr(checkup, "DISK_FULL_BYTES", 2**62)
    assert checkup.check_disk(config).state is State.FAIL


@pytest.mark.parametrize(
    ("content", "state", "detail"),
    [
        (b"this is no database, only some text in its place " * 50, State.FAIL, "not a database"),
        (b"", State.WARN, "migrations are to be applied"),
    ],
)
def test_a_database_that_is_none(bare_desk: Desk, content: bytes, state: State, detail: str) -> None:
    """A file that SQLite can't read is broken; one without our tables waits for its migrations, and is left alone."""
    bare_desk.data.mkdir(mode=0o700)
    file = bare_desk.data / DATABASE_FILE
    file.write_bytes(content)
    found = run(examined(bare_desk))
    assert (found["database"].state, detail in found["database"].detail) == (state, True)
    assert file.read_bytes() == content


ANSWERS = (
    (200, State.OK, "answers"),
    (404, State.OK, "answers (status 404 for the list of models)"),
    (401, State.FAIL, "status 401: the key is missing, wrong or may not do this (Bad key)"),
    (403, State.FAIL, "status 403: the key is missing, wrong or may not do this (Bad key)"),
    (503, State.WARN, "answers with status 503 (Bad key)"),
)


def test_providers_are_reached(desk: Desk) -> None:
    """The answer to GET /models tells of address, TLS and key; what it says is passed on, and no key is shown."""

    async def scene() -> None:
        async with AsyncExitStack() as stack:
            for status, _, _ in ANSWERS:
                url = await stack.enter_async_context(answering(status, '{"error": {"message": "Bad key"}}'))
                desk.configure(
                    f'[[providers]]\nslug = "p{status}"\nbase_url = "{url}"\nkey = "sk-wrong"\n'
                    f'models = [{{id = "a/{status}", free = true}}]\n'
                )
            url = await stack.enter_async_context(answering(401, '{"error": {"message": "Bad key"}}'))
            desk.configure(
                f'[[providers]]\nslug = "several"\nbase_url = "{url}"\nkeys = ["sk-wrong", "sk-wrong-too"]\n'
                'models = [{id = "a/several", free = true}]\n'
            )
            async with desk.served():
                pass
            found = await examined(desk)
            assert [found[f"provider several key {n}"].state for n in (1, 2)] == [State.FAIL] * 2
            for status, state, detail in ANSWERS:
                check = found[f"provider p{status}"]
                assert (check.state, check.detail) == (state, detail)
            assert "sk-wrong" not in json.dumps([check.detail + check.fix for check in found.values()])

    run(scene())


def test_a_provider_that_is_not_there(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection and a silent server are failures, within the time that doctor has."""
    monkeypatch.setattr(checkup, "REACH_S", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for slug, place in (("gone", 1), ("silent", port)):
            desk.configure(
                f'[[providers]]\nslug = "{slug}"\nbase_url = "http://127.0.0.1:{place}"\n'
                f'models = [{{id = "a/{slug}"}}]\n'
            )
        async with desk.served():
            pass
        found = await examined(desk)
        assert {found[f"provider {slug}"].state for slug in ("gone", "silent")} == {State.FAIL}
        assert "0.3 s" in found["provider silent"].detail
        assert found["prices"].detail == "2 endpoints of live providers are off for want of a price"
        server.close()
        await asyncio.sleep(0.05)  # what was accepted closes in the next turns of the loop

    run(scene())


def test_providers_that_are_not_live(desk: Desk) -> None:
    """None live is worth a word, and so is one that the configuration names in vain."""
    desk.configure('[[providers]]\nslug = "opnai"\n')
    run(furnish(desk))
    found = run(examined(desk))
    assert found["providers"].detail == "none is live"
    assert "the catalog has no such provider" in found["provider opnai"].detail
    assert run(doctor.run(desk.file, ledger_only=False, as_json=False)) == 0
    desk.said()


def test_a_lock_without_a_server(bare_desk: Desk) -> None:
    """Held, and nobody answers: doctor says so instead of waiting."""
    lock = ServerLock(bare_desk.data)
    assert lock.acquire()
    found = run(examined(bare_desk))
    assert (found["server"].state, "something holds the lock" in found["server"].detail) == (State.FAIL, True)
    lock.release()


def test_a_server_that_is_not_ready(desk: Desk) -> None:
    """Without a live endpoint /readyz refuses, and doctor passes on which check fails."""

    async def scene() -> None:
        async with desk.served():
            found = await examined(desk)
            assert found["server"].state is State.FAIL
            assert '"endpoints":false' in found["server"].detail

    run(scene())


def test_alarms_of_the_server(desk: Desk) -> None:
    """What the running server has switched off is worth a look, with what to do."""

    async def scene() -> None:
        desk.configure(
            '[[providers]]\nslug = "own"\nbase_url = "http://127.0.0.1:9/v1"\n'
            'models = [{ id = "own/m", free = true }]\n'
        )
        async with desk.served() as house:
            assert house is not None
            assert (await examined(desk))["server"].state is State.OK
            house.gateway.alarms["own"] = Alarm("own", "the provider refuses our credential (401)", 0.0)
            found = (await examined(desk))["server"]
            assert found.state is State.WARN
            assert "own: the provider refuses our credential (401)" in found.detail
            assert found.fix
            house.gateway.alarms.clear()
            house.gateway.drift.alarms["x"] = Alarm("own:m, prompt tokens", "the provider counts 9% more", 0.0)
            found = (await examined(desk))["server"]
            assert (found.state, found.detail) == (
                State.WARN,
                "sees token counts drift: own:m, prompt tokens: the provider counts 9% more",
            )

    run(scene())


def test_no_path_is_needed_for_the_ledger(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`tollway doctor --ledger` finds ./tollway.toml by itself."""
    run(furnish(desk))
    monkeypatch.chdir(tmp_path)
    assert run(doctor.run(None, ledger_only=True, as_json=True)) == 0
    assert desk.json()["counts"]["keys"] == 1


def test_an_account_is_tried(desk: Desk) -> None:
    """For a provider with access tokens the account is exchanged for one; a refusal says what to correct."""

    def google(asked: Asked) -> tuple[int, Any]:
        if asked.method == "GET":
            return 404, {}
        if asked.path != "/good":
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        return 200, {"access_token": "ya29.x", "expires_in": 3600}

    async def scene() -> None:
        async with company(google) as there:
            config = load(desk.file)
            for path, state in (("/good", State.OK), ("/bad", State.FAIL)):
                account = service_account(there.url + path)
                place = replace(PROVIDERS["google-vertex"], base_url=f"{there.url}/v1")
                opened = place.open(place, account, {})
                live = Live({}, {"google-vertex": account}, {}, {})
                [check] = await check_reach(config, [opened.provider], live)
                assert check.state is state, check
                assert ("Invalid JWT Signature" in check.detail) is (state is State.FAIL)
            assert there.asked[1].headers["authorization"] == "Bearer ya29.x"

    run(scene())
