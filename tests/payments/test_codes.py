"""Codes: each gives its credits as often as it says, once to an account, whatever races, and is kept as a digest."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, run
from tests.payments.shop import OPERATOR, USD, Shop, inside
from tests.support import Answer, World, request, world
from tollway.cli import codes as code_commands
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, RateLimited
from tollway.domain.people import Actor, Role, User
from tollway.payments.codes import LETTERS, Codes, MadeCode, NewCodes, RedeemCode, new_code
from tollway.storage.audit_log import list_entries, verify
from tollway.storage.keys import create_workspace

USERS = 12


def person(number: int, workspace: str = "home", role: Role = Role.OWNER) -> Actor:
    user = User(f"user-{number}", f"user-{number}@example.com", "", 0)
    return Actor(user.email, {workspace: role}, workspace, user=user)


def codes_of(shop: Shop) -> Codes:
    return Codes(shop.database, shop.books, shop.audit, b"pepper")


async def one(codes: Codes, shop: Shop, **fields: Any) -> MadeCode:
    [made] = await codes.make(OPERATOR, NewCodes(Decimal(5), **fields), shop.now_ms)
    return made


def test_a_code_is_redeemed_once(tmp_path: Path) -> None:
    """However it is written; then never again, by the same user, for the same workspace, or by anybody."""

    async def test(shop: Shop) -> None:
        codes = codes_of(shop)
        made = await one(codes, shop)
        written = f" {made.code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'i')} "
        done = await codes.redeem(person(1), RedeemCode(written), None, shop.now_ms)
        assert (done.workspace_id, done.credits) == ("home", 5 * USD)
        assert await shop.money() == (5 * USD, 0)
        for actor in (person(1), person(1, "away"), person(2), person(2, "away")):
            with pytest.raises(InvalidRequest, match=r"redeemed before|used up"):
                await codes.redeem(actor, RedeemCode(made.code), None, shop.now_ms)
        assert await shop.money() == (5 * USD, 0)
        assert await shop.money("away") == (0, 0)
        assert await shop.broken() == []
        entries = await list_entries(shop.database)
        assert [each.action for each in entries] == ["code.redeemed", "codes.made"]
        assert (await verify(shop.database)).broken == ()
        kept = str(await shop.database.read("SELECT * FROM codes"))
        assert made.code not in kept
        assert made.code.replace("-", "") not in kept
        assert made.code not in str(entries)

    inside(test, tmp_path)


def test_an_account_has_a_code_once(tmp_path: Path) -> None:
    """One that may be redeemed thrice: not twice by a user, nor twice for a workspace; the fourth finds it used up."""

    async def test(shop: Shop) -> None:
        codes = codes_of(shop)
        made = await one(codes, shop, uses=3)
        for number in range(4):
            await create_workspace(shop.database, f"w{number}", f"w{number}", 0)
        for number in range(3):
            await codes.redeem(person(number, f"w{number}"), RedeemCode(made.code), None, shop.now_ms)
            for again in (person(number, "away"), person(9, f"w{number}")):
                with pytest.raises(InvalidRequest, match=r"redeemed before|used up"):
                    await codes.redeem(again, RedeemCode(made.code), None, shop.now_ms)
        with pytest.raises(InvalidRequest, match="used up"):
            await codes.redeem(person(3, "w3"), RedeemCode(made.code), None, shop.now_ms)
        [listed] = await codes.list(offset=0, limit=10)
        assert (listed.uses, listed.uses_max, listed.why_not(shop.now_ms)) == (3, 3, "used")
        assert await shop.broken() == []

    inside(test, tmp_path)


@pytest.mark.parametrize("uses", [1, 5])
@pytest.mark.parametrize("accounts", [1, USERS])
def test_races(tmp_path: Path, uses: int, accounts: int) -> None:
    """Sixty redemptions at once: as many credits as the code has uses, at most one for each account."""

    async def test(shop: Shop) -> None:
        codes = codes_of(shop)
        for number in range(USERS):
            await create_workspace(shop.database, f"w{number}", f"w{number}", 0)
        dice = random.Random(uses)
        for _ in range(3):
            made = await one(codes, shop, uses=uses)
            codes._buckets._empty_at.clear()
            asked = [number % accounts for number in range(60)]
            dice.shuffle(asked)
            outcomes = await asyncio.gather(
                *(
                    codes.redeem(person(number, f"w{number}"), RedeemCode(made.code), None, shop.now_ms)
                    for number in asked
                ),
                return_exceptions=True,
            )
            kinds = Counter(type(each).__name__ for each in outcomes)
            assert kinds["Redeemed"] == min(uses, accounts), kinds
            assert kinds["Redeemed"] + kinds["InvalidRequest"] + kinds["RateLimited"] == 60, kinds
        total = sum([(await shop.money(f"w{number}"))[0] for number in range(USERS)])
        assert total == 3 * min(uses, accounts) * 5 * USD
        assert await shop.broken() == []
        assert (await verify(shop.database)).broken == ()

    inside(test, tmp_path)


def test_a_code_that_ends_while_it_is_redeemed(tmp_path: Path) -> None:
    """Found open, and revoked or used up before the transaction: nothing is credited, and the reason is said."""

    async def test(shop: Shop) -> None:
        codes = codes_of(shop)
        for change, said in (
            ("revoked_ms = 1", "not valid any more"),
            ("expires_ms = 1", "expired"),
            ("uses = uses_max", "used up"),
        ):
            made = await one(codes, shop)
            real = shop.books.credit

            async def late(*args: Any, change: str = change, real: Any = real) -> bool:
                from tollway.storage.database import Statement

                await shop.database.write(Statement(f"UPDATE codes SET {change} WHERE uses = 0"))
                return bool(await real(*args))

            shop.books.credit = late  # type: ignore[assignment]  # something happens in between
            with pytest.raises(InvalidRequest, match=said):
                await codes.redeem(person(1), RedeemCode(made.code), None, shop.now_ms)
            shop.books.credit = real  # type: ignore[method-assign]  # and does not any more
        assert await shop.money() == (0, 0)
        assert [each.action for each in await list_entries(shop.database)] == ["codes.made"] * 3
        assert (await verify(shop.database)).broken == ()

    inside(test, tmp_path)


def test_who_hangs_up(tmp_path: Path) -> None:
    """Cancelled at any moment: both credits and entry are there, or neither, and the audit log's chain is whole."""

    async def test(shop: Shop) -> None:
        codes = codes_of(shop)
        redeemed = 0
        for turns in range(40):
            made = await one(codes, shop)
            actor = person(turns)
            task = asyncio.ensure_future(codes.redeem(actor, RedeemCode(made.code), None, shop.now_ms))
            await asyncio.sleep(turns / 4000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await shop.audit.write(OPERATOR, "test.done", "x", now_ms=1)
        for _ in range(100):
            [[redeemed]] = await shop.database.read("SELECT COUNT(*) FROM redemptions")
            if await shop.money() == (redeemed * 5 * USD, 0):
                break
            await asyncio.sleep(0.05)
        assert await shop.money() == (redeemed * 5 * USD, 0)
        entries = await list_entries(shop.database, limit=1000)
        assert [each.action for each in entries].count("code.redeemed") == redeemed > 0
        assert (await verify(shop.database)).broken == ()
        assert await shop.broken() == []

    inside(test, tmp_path)


def test_codes_that_are_refused(tmp_path: Path) -> None:
    """Unknown, expired, revoked; by a member or a stranger; too many tries; and what can't be made."""

    async def test(shop: Shop) -> None:
        codes = codes_of(shop)
        soon = datetime.fromtimestamp(shop.now_ms / 1000, UTC) + timedelta(hours=1)
        made = await one(codes, shop, expires_at=soon)
        for actor, error in ((person(1, role=Role.MEMBER), Forbidden), (person(1, "away"), NotFound)):
            with pytest.raises(error):
                await codes.redeem(actor, RedeemCode(made.code, "home"), None, shop.now_ms)
        with pytest.raises(InvalidRequest, match="expired"):
            await codes.redeem(person(5), RedeemCode(made.code), None, shop.now_ms + 3_600_000)
        await codes.revoke(OPERATOR, made.about.id, shop.now_ms)
        with pytest.raises(InvalidRequest, match="not valid"):
            await codes.redeem(person(1), RedeemCode(made.code), None, shop.now_ms)
        with pytest.raises(NotFound):
            await codes.revoke(OPERATOR, "no-such", shop.now_ms)
        for number in range(10):
            with pytest.raises(InvalidRequest, match="no such code"):
                await codes.redeem(person(3), RedeemCode(f"x{number}"), "1.2.3.4", shop.now_ms)
        with pytest.raises(RateLimited, match="Too many"):
            await codes.redeem(person(3), RedeemCode("x"), "1.2.3.4", shop.now_ms)
        for number in range(50):
            with pytest.raises(InvalidRequest):
                await codes.redeem(person(10 + number), RedeemCode("x"), "1.2.3.4", shop.now_ms)
        with pytest.raises(RateLimited, match="Too many"):
            await codes.redeem(person(99), RedeemCode("x"), "1.2.3.4", shop.now_ms)
        for amount in ("0", "-1", "NaN", "1e-12", "1e999999", "5000000000"):
            with pytest.raises(InvalidRequest, match="amount"):
                await codes.make(OPERATOR, NewCodes(Decimal(amount)), shop.now_ms)
        for at in (datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1)):  # noqa: DTZ001  # without a zone on purpose
            with pytest.raises(InvalidRequest, match="expires_at"):
                await codes.make(OPERATOR, NewCodes(Decimal(1), expires_at=at), shop.now_ms)

    inside(test, tmp_path)


def test_codes_are_not_guessed() -> None:
    """125 bits each, in letters that are not taken for others."""
    made = {new_code() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(each.replace("-", "")) for each in made} == {25}
    assert set("".join(made)) - {"-"} == set(LETTERS)
    assert len(LETTERS) == 32


@pytest.fixture(scope="module")
def well() -> Iterator[World]:
    with world() as found:
        yield found


def test_over_http(well: World) -> None:
    """Made by an admin, redeemed by a signed-in user, spendable, listed, revoked; a code is seen once."""
    control = {"authorization": f"Bearer {well.house.control_token}"}
    owner = well.new_user("redeemer", Role.OWNER, "redeemers")

    def admin(method: str, path: str = "", body: Any = None) -> Answer:
        return request(well.url, method, f"/admin/v1/codes{path}", body, headers=control)

    made = admin("POST", body={"amount": "2.50", "count": 2, "uses": 1, "note": "for a friend"})
    assert made.status == 201, made.text
    first, second = made.json["data"]
    assert (first["credits"], first["status"], first["uses_max"], first["note"]) == (2.5, "open", 1, "for a friend")

    def redeem(body: Any) -> Answer:
        return request(well.url, "POST", "/account/v1/codes/redeem", body, headers=well.signed_in(owner))

    answer = redeem({"code": first["code"]})
    assert (answer.status, answer.json["data"]) == (200, {"workspace_id": "redeemers", "credits": 2.5})
    again = redeem({"code": first["code"], "workspace_id": "redeemers"})
    assert again.status == 400
    assert again.error["metadata"]["param"] == "code"
    key = well.new_key("redeemers")
    assert request(well.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]["total_credits"] == 2.5
    assert well.chat(headers=key.headers).status == 200
    assert admin("DELETE", f"/{second['id']}").json["data"]["status"] == "revoked"
    assert redeem({"code": second["code"]}).status == 400
    listed = admin("GET")
    assert sorted(each["status"] for each in listed.json["data"]) == ["revoked", "used"]
    for code in (first["code"], second["code"]):
        assert code not in listed.text
        log = request(well.url, "GET", "/admin/v1/audit-log", headers=control).text
        assert code not in log
    for wrong in ({}, {"code": ""}, {"code": "x" * 101}, {"code": "x", "other": 1}, {"code": 5}):
        assert redeem(wrong).status == 400
    assert redeem({"code": "x", "workspace_id": "home"}).status == 404
    for wrong in (
        {},
        {"amount": "x"},
        {"amount": 1, "count": 0},
        {"amount": 1, "count": 1001},
        {"amount": 1, "uses": 0},
    ):
        assert admin("POST", body=wrong).status == 400


@pytest.mark.parametrize("served", [False, True], ids=["alone", "with a server"])
def test_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    """Made, listed and revoked, the same with a running server as without one; a code is printed once."""
    desk = Desk(tmp_path / "desk", capsys)

    async def scene() -> None:
        async with desk.served(served):
            plain: dict[str, Any] = {"count": 1, "uses": 1, "expires": None, "note": "", "as_json": True}
            await code_commands.create(desk.file, amount="7.5", **(plain | {"count": 3, "note": "[bold]gift[/]"}))
            made = desk.json()
            assert len({each["code"] for each in made}) == 3
            await code_commands.create(desk.file, amount="1", **(plain | {"as_json": False}))
            assert "1 of $1 each, shown this once" in desk.said()
            await code_commands.revoke(desk.file, made[0]["id"])
            assert "is revoked; 0 of 1 were redeemed" in desk.said()
            await code_commands.list_codes(desk.file, as_json=True)
            listed = desk.json()
            assert [each["status"] for each in listed if each["id"] == made[0]["id"]] == ["revoked"]
            await code_commands.list_codes(desk.file, as_json=False)
            table = desk.said()
            assert "[bold]gift[/]" in table
            assert not any(each["code"] in table for each in made)
            with pytest.raises(NotFound if not served else Exception, match="no such code"):
                await code_commands.revoke(desk.file, "no-such")
            for amount, expires in (("ten", None), ("5", "soon")):
                with pytest.raises(ValueError, match="write it like"):
                    await code_commands.create(desk.file, amount=amount, **(plain | {"expires": expires}))

    run(scene())
