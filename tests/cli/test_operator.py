"""Keys, credits and the catalog from the command line: the same with a running server as without one."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.cli.desk import Desk, run
from tests.support import PATIENCE_S
from tollway.catalog.shipped import decode_shipped, encode_shipped, shipped
from tollway.cli import catalog_commands, control, keys
from tollway.cli import credits as credit_commands
from tollway.config import load
from tollway.domain.errors import InvalidRequest, TollwayError, Unavailable
from tollway.gateway.office import ChangeCatalog, Grant
from tollway.storage.catalog import SHIPPED
from tollway.storage.files import Control, ServerLock, write_control

ENDPOINT = "openai:gpt-4o-mini"
both = pytest.mark.parametrize("served", [False, True], ids=["alone", "with a server"])


async def make_key(desk: Desk, **said: Any) -> None:
    """`tollway keys create --json` with its defaults."""
    unsaid = {"name": "cli", "workspace": "default", "limit": None, "reset": None, "expires": None, "rpm": None}
    await keys.create(desk.file, as_json=True, **(unsaid | said))


async def give(desk: Desk, amount: str, *, workspace: str = "default", ref: str | None = None) -> None:
    """`tollway credits grant --json`."""
    await credit_commands.grant(desk.file, amount=amount, workspace=workspace, reason="a test", ref=ref, as_json=True)


@both
def test_a_key_is_made_shown_once_listed_and_stopped(desk: Desk, served: bool) -> None:
    """The whole life of a key; a running server obeys at once, though it has the key in memory."""

    async def scene() -> None:
        async with desk.served(served) as house:
            await make_key(
                desk, name="[bold]ci[/]", limit="2.5", reset="weekly", expires="2099-01-31T00:00:00Z", rpm=60
            )
            made = desk.json()
            assert made.keys() == {"key", "id", "label", "workspace"}
            secret = made["key"]

            async def status() -> int:
                if house is None:
                    return 0
                async with httpx.AsyncClient(timeout=PATIENCE_S, base_url=f"http://127.0.0.1:{house.port}") as client:
                    answer = await client.get("/api/v1/key", headers={"Authorization": f"Bearer {secret}"})
                    return answer.status_code

            assert await status() == (200 if served else 0)
            await keys.list_keys(desk.file, as_json=True)
            [shown] = desk.json()
            assert (shown["id"], shown["limit"], shown["limit_reset"], shown["rpm"], shown["disabled"]) == (
                made["id"],
                "2.5",
                "weekly",
                60,
                False,
            )
            await keys.list_keys(desk.file, as_json=False)
            table = desk.said()
            assert "[bold]ci[/]" in table
            assert "works until 2099-01-31T00:00:00Z" in table
            assert secret not in table
            await keys.disable(desk.file, made["id"][:8], disabled=True)
            assert "is disabled" in desk.said()
            assert await status() == (401 if served else 0)
            await keys.disable(desk.file, made["id"], disabled=False)
            assert await status() == (200 if served else 0)

    run(scene())


@both
def test_credits_are_granted_once_for_a_ref(desk: Desk, served: bool) -> None:
    """A repeated grant changes nothing and says so; the same ref for something else is refused."""

    async def scene() -> None:
        async with desk.served(served) as house:
            await give(desk, "10.000000001", ref="invoice 7")
            assert desk.json() == {
                "workspace": "default",
                "granted": "10.000000001",
                "balance": "10.000000001",
                "ref": "invoice 7",
            }
            await give(desk, "10.000000001", ref="invoice 7")
            assert desk.json()["granted"] == "0"
            for amount, workspace in (("11", "default"), ("10.000000001", "other")):
                with pytest.raises(TollwayError, match=r'"invoice 7" was used to grant 10\.000000001 USD to default'):
                    await give(desk, amount, workspace=workspace, ref="invoice 7")
            await give(desk, "1")
            await give(desk, "1")
            assert desk.json_lines()[-1]["balance"] == "12.000000001"
            if house is not None:
                assert house.gateway.books.held == 0

    run(scene())


BAD_GRANTS = (
    ("0", "default", "amount: must be more than 0"),
    ("-5", "default", "amount: must be more than 0"),
    ("ten", "default", "amount: 'ten' is not a decimal number"),
    ("0.0000000001", "default", r"amount: .* finer than a nanodollar"),
    ("5", "platform:revenue", "workspace: 'platform:revenue' can't be one"),
    ("5", "a b", "workspace: 'a b' can't be one"),
    ("5", "", "workspace: '' can't be one"),
)


@both
def test_a_grant_that_makes_no_sense_is_refused(desk: Desk, served: bool) -> None:
    """Nothing is written, and the message is the same on both ways."""

    async def scene() -> None:
        async with desk.served(served):
            for amount, workspace, error in BAD_GRANTS:
                with pytest.raises(TollwayError, match=error):
                    await give(desk, amount, workspace=workspace)
            await give(desk, "1")
            assert desk.json()["balance"] == "1"

    run(scene())


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"limit": "-1"}, "limit: must be 0 or more"),
        ({"limit": "x"}, "limit: 'x' is not a decimal number"),
        ({"rpm": 0}, "rpm: a whole number from 1"),
        ({"reset": "hourly"}, "--reset hourly: it is one of daily, weekly, monthly"),
        ({"reset": "daily"}, "limit_reset: there is no limit"),
        ({"expires": "tomorrow"}, "--expires tomorrow: not a time"),
        ({"expires": "2099-01-31T00:00:00"}, "expires_at: say which time zone"),
        ({"expires": "2020-01-31T00:00:00Z"}, "expires_at: 2020-01-31.* is over"),
        ({"workspace": "platform:promotions"}, "workspace: 'platform:promotions' can't be one"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(desk: Desk, said: dict[str, Any], error: str) -> None:
    """Each mistake is named by its option."""
    with pytest.raises((TollwayError, ValueError), match=error):
        run(make_key(desk, **said))


def test_an_id_must_name_one_key(desk: Desk) -> None:
    """A beginning that fits no key, or several, changes nothing."""
    run(make_key(desk))
    run(make_key(desk))
    for beginning, error in (("zz", 'no key begins with "zz"'), ("", "more than one key begins")):
        with pytest.raises(LookupError, match=error):
            run(keys.disable(desk.file, beginning, disabled=True))


@both
def test_prices_are_set_and_seen_at_once(desk: Desk, served: bool) -> None:
    """A price, free, off and on: by hand, above any file, and in the running server's market with the next request."""

    async def scene() -> None:
        async with desk.served(served) as house:
            await catalog_commands.price(desk.file, ENDPOINT, prompt="0.000001", completion="0.000002", request="0")
            said = desk.said()
            assert ("The running server has it" in said) is served
            assert await listed(desk) == ({"prompt": "0.000001", "completion": "0.000002", "request": "0"}, False)
            await catalog_commands.free(desk.file, ENDPOINT)
            desk.said()
            assert await listed(desk) == ({"prompt": "0", "completion": "0", "request": "0"}, True)
            await catalog_commands.enable(desk.file, ENDPOINT, enabled=False)
            if house is not None:
                offer = house.gateway.market.offer("openai/gpt-4o-mini")
                assert offer is not None
                assert ENDPOINT in {off.endpoint.id for off in offer.off if off.rule == "disabled"}
            await catalog_commands.enable(desk.file, ENDPOINT, enabled=True)
            desk.said()
            for prompt, error in (("2.5", r"above \$10,000 per million"), ("0", "zero must be declared"), ("x", "x")):
                with pytest.raises(TollwayError, match=error):
                    await catalog_commands.price(desk.file, ENDPOINT, prompt=prompt, completion="0", request="0")
            with pytest.raises(TollwayError, match='there is no endpoint "nobody:nothing"'):
                await catalog_commands.free(desk.file, "nobody:nothing")

    run(scene())


async def listed(desk: Desk) -> tuple[dict[str, str], bool]:
    """The price of ENDPOINT in `catalog list --json`, and whether it is free."""
    await catalog_commands.show(
        desk.file, text="gpt-4o-mini", provider="openai", priced=None, live=False, lines_max=9, as_json=True
    )
    [found] = [each for each in desk.json() if each["id"] == ENDPOINT]
    return found["pricing"], found["free"]


@both
def test_a_catalog_file_is_compared_and_applied(desk: Desk, tmp_path: Path, served: bool) -> None:
    """diff shows, apply writes, and beyond the bounds apply refuses until one accepts; a running server has it then."""
    new = shipped()
    dearer = next(row for row in new.endpoints if row.price and row.price.rates.prompt != "0")
    assert dearer.price is not None
    rates = msgspec.structs.replace(dearer.price.rates, prompt=f"{float(dearer.price.rates.prompt) * 100:.12f}")
    changed = msgspec.structs.replace(dearer, price=msgspec.structs.replace(dearer.price, rates=rates, tiers=()))
    rows = tuple(changed if row is dearer else row for row in new.endpoints)
    file = tmp_path / "new.json.gz"
    file.write_bytes(encode_shipped(msgspec.structs.replace(new, endpoints=rows)))
    assert decode_shipped(file.read_bytes()).endpoints == rows

    async def scene() -> None:
        async with desk.served(served) as house:
            assert await catalog_commands.diff(desk.file, file=None, lines_max=9) == 0
            assert await catalog_commands.diff(desk.file, file=file, lines_max=9) == 1
            assert f"~ price {dearer.id}" in desk.said()
            assert await catalog_commands.apply(desk.file, file=file, accept=False, lines_max=9) == 2
            assert "Nothing was changed" in desk.said()
            assert await catalog_commands.apply(desk.file, file=file, accept=True, lines_max=9) == 0
            assert ("The running server has it" in desk.said()) is served
            assert await catalog_commands.diff(desk.file, file=file, lines_max=9) == 0
            if house is not None:
                assert house.gateway.market.catalog.version == 2

    run(scene())


@both
def test_changes_that_were_decided_on_an_older_catalog_are_refused(desk: Desk, served: bool) -> None:
    """Between comparing and writing somebody else may have written: then nothing is."""

    async def scene() -> None:
        async with desk.served(served), control.office(load(desk.file)) as office:
            with pytest.raises(TollwayError, match="The catalog went from version 7 to 1 meanwhile"):
                await office.change_catalog(ChangeCatalog((), "a test", SHIPPED, 7))

    run(scene())


def test_a_lock_whose_server_can_not_be_reached_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No note, a note of a server that died, another program at its address: each is named, and nothing is changed."""
    monkeypatch.setattr(control, "STARTING_S", 0.0)

    async def scene() -> None:
        lock = ServerLock(desk.data)
        assert lock.acquire()
        with pytest.raises(Unavailable, match=r"holds .*control.json is not there. Nothing was changed"):
            await give(desk, "1")
        write_control(desk.data, Control("http://127.0.0.1:1", "token", 1))
        with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1 does not answer"):
            await give(desk, "1")
        other = Desk(desk.folder / "other", desk.capsys)
        async with other.served() as house:
            assert house is not None
            write_control(desk.data, Control(f"http://127.0.0.1:{house.port}", "wrong token", 1))
            with pytest.raises(Unavailable, match="is not that server"):
                await give(desk, "1")
        lock.release()
        await give(desk, "1")
        assert desk.json()["balance"] == "1"

    run(scene())


def test_commands_that_run_at_once_wait_for_each_other(desk: Desk) -> None:
    """Without a server each takes the lock for a moment; none fails because another has it, and all are counted."""

    async def scene() -> None:
        await asyncio.gather(*(give(desk, "1") for _ in range(5)))
        assert max(int(each["balance"]) for each in desk.json_lines()) == 5

    run(scene())


def test_the_control_urls_want_the_token(desk: Desk) -> None:
    """Who can't read the data directory can't grant: not without a token, not with another one, not with a key."""

    async def scene() -> None:
        async with desk.served() as house:
            assert house is not None
            body = msgspec.json.encode(Grant("1", "default", "r"))
            async with httpx.AsyncClient(timeout=PATIENCE_S, base_url=f"http://127.0.0.1:{house.port}") as client:
                for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer"}):
                    for path in ("credits", "keys", "keys/disable", "catalog/changes", "catalog/endpoint"):
                        answer = await client.post(f"/control/v1/{path}", content=body, headers=headers)
                        assert answer.status_code == 401
                good = {"Authorization": f"Bearer {house.control_token}"}
                answer = await client.post("/control/v1/credits", content=b'{"amount": 1}', headers=good)
                assert (answer.status_code, "amount" in answer.text) == (400, True)
            mode = (desk.data / "control.json").stat().st_mode & 0o777
            assert mode == 0o600

    run(scene())


def test_errors_of_the_office_are_invalid_requests(desk: Desk) -> None:
    """The local office raises the caller's mistake as such, so that an API over it can answer 400."""

    async def scene() -> None:
        async with control.office(load(desk.file)) as office:
            with pytest.raises(InvalidRequest, match="ref: needs 1 to 200 characters"):
                await office.grant(Grant("1", "default", ""))

    run(scene())
