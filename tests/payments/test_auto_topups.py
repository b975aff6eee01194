"""Automatic top-ups: once for each crossing, whatever races or is killed; within the month's limit; off if refused."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.chaos.server import ServerProcess
from tests.gateway.clients import broken_promises
from tests.payments.fake_stripe import KEY, SECRET, fake_stripe
from tests.payments.shop import OWNER, USD, Shop, inside
from tests.support import Answer, World, request, world
from tollway.app import open_database
from tollway.config import load
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound
from tollway.domain.ledger import REVENUE, Transfer, TransferKind
from tollway.domain.payments import AutoTopUp
from tollway.domain.people import Actor, Role
from tollway.payments.auto_topups import REPEAT_MS, AutoStatus, AutoTopUps, SetAutoTopUp, month_ms
from tollway.payments.base import ProviderFailed
from tollway.simulator import Simulator
from tollway.storage.auto_topups import keep_method, set_auto_topup, short_of_credits
from tollway.storage.database import Statement
from tollway.storage.keys import create_workspace
from tollway.storage.ledger import Balance, balance, post_transfers

HOUR_MS = 3_600_000
SAVED = AutoTopUp("home", "stripe", "cus_1", "pm_1")


async def switched_on(shop: Shop, *, amount: int = 10, threshold: int = 5, most: int = 1000) -> AutoStatus:
    """A saved method, and below `threshold` dollars `amount` are bought."""
    await shop.database.write(keep_method(SAVED))
    ask = SetAutoTopUp(True, Decimal(threshold), Decimal(amount), Decimal(most))
    return await shop.auto.set(OWNER, ask, shop.now_ms)


async def spend(shop: Shop, amount: int) -> None:
    """Used up, as by requests."""
    name = f"spent-{shop.now_ms}-{(await shop.money())[0]}"
    await post_transfers(shop.database, [Transfer(TransferKind.DEBT, name, "home", REVENUE, amount, shop.now_ms)])


def charges(shop: Shop) -> int:
    return len(shop.stripe.intents)


def test_once_for_each_crossing(tmp_path: Path) -> None:
    """Twenty look at once, again and again: one charge when the balance falls below; then none until it does again."""

    async def test(shop: Shop) -> None:
        await switched_on(shop)
        others = [AutoTopUps(shop.database, shop.audit, shop.till, shop.events) for _ in range(3)]
        for crossing in range(1, 4):
            for _ in range(3):
                await asyncio.gather(*(each.look(shop.now_ms) for each in (shop.auto, *others) * 5))
            assert charges(shop) == crossing
            assert (await shop.money())[0] == 10 * USD
            told = shop.stripe.event("payment_intent.succeeded", shop.stripe.intents[f"pi_{crossing}"])
            assert await shop.tell(told) == "paid before"
            await spend(shop, 5 * USD)
            await shop.auto.look(shop.now_ms)
            assert charges(shop) == crossing, "five dollars are not below five"
            await spend(shop, 5 * USD)
            shop.now_ms += 1
        [order, *_] = await shop.till.orders(OWNER, None, None)
        assert (order.automatic, order.status, order.credits) == (True, "paid", 10 * USD)

    inside(test, tmp_path)


def test_the_months_limit(tmp_path: Path) -> None:
    """Of 25 dollars two times ten are bought, however often it falls below; in the next month again."""

    async def test(shop: Shop) -> None:
        shop.now_ms = month_ms(shop.now_ms) + 5 * 86_400_000
        await switched_on(shop, most=25)
        for month, most in enumerate((2, 4, 6)):
            for _ in range(4):
                await shop.auto.look(shop.now_ms)
                if (await shop.money())[0]:
                    await spend(shop, 10 * USD)
                shop.now_ms += HOUR_MS
            assert charges(shop) == most, month
            status = await shop.auto.status(OWNER, None, shop.now_ms)
            assert status.bought == 20 * USD
            shop.now_ms = month_ms(shop.now_ms + 31 * 86_400_000) + HOUR_MS

    inside(test, tmp_path)


def test_a_method_that_is_refused(tmp_path: Path) -> None:
    """An hour later again, six hours later again, then it is off, with the reason; switched on, it starts anew."""

    async def test(shop: Shop) -> None:
        await switched_on(shop)
        refused = ProviderFailed("Your card was declined.", sure=True)
        for number, wait_h in enumerate((1, 6, 1000), 1):
            shop.provider.fails = [refused]
            await shop.auto.look(shop.now_ms)
            assert shop.provider.fails == []
            shop.provider.fails = [refused]
            await shop.auto.look(shop.now_ms + wait_h * HOUR_MS - 1)
            assert shop.provider.fails == [refused], "too soon"
            shop.provider.fails = []
            found = (await shop.auto.status(OWNER, None, shop.now_ms)).auto
            assert found is not None
            assert (found.failures, found.failure, found.enabled) == (number, "Your card was declined.", number < 3)
            shop.now_ms += wait_h * HOUR_MS
        await shop.auto.look(shop.now_ms)
        assert charges(shop) == 0
        found = (await switched_on(shop)).auto
        assert found is not None
        assert (found.failures, found.failure) == (0, None)
        await shop.auto.look(shop.now_ms)
        assert await shop.money() == (10 * USD, 0)
        statuses = [str(each.status) for each in await shop.till.orders(OWNER, None, None)]
        assert statuses == ["paid", "failed", "failed", "failed"]
        assert await shop.broken() == []

    inside(test, tmp_path)


def test_a_refusal_counts_once(tmp_path: Path) -> None:
    """The answer says it, and the event says it, twice: one failure. One that only the event tells counts, too."""

    async def test(shop: Shop) -> None:
        await switched_on(shop)
        shop.provider.fails = [ProviderFailed("declined", sure=True)]
        await shop.auto.look(shop.now_ms)
        [order] = await shop.till.orders(OWNER, None, None)
        named = {"tollway_order": order.id, "tollway_automatic": "yes"}
        intent = shop.stripe._new_intent(1000, "usd", named, "requires_payment_method")
        intent["last_payment_error"] = {"message": "declined"}
        for _ in range(2):
            assert await shop.tell(shop.stripe.event("payment_intent.payment_failed", intent)) == "done"
        found = (await shop.auto.status(OWNER, None, shop.now_ms)).auto
        assert found is not None
        assert found.failures == 1
        shop.now_ms += HOUR_MS
        shop.provider.fails = [ProviderFailed("no answer", sure=False)]
        await shop.auto.look(shop.now_ms)
        [order, _] = await shop.till.orders(OWNER, None, None)
        assert order.status == "pending"
        named["tollway_order"] = order.id
        intent = shop.stripe._new_intent(1000, "usd", named, "requires_payment_method")
        assert await shop.tell(shop.stripe.event("payment_intent.payment_failed", intent)) == "done"
        found = (await shop.auto.status(OWNER, None, shop.now_ms)).auto
        assert found is not None
        assert found.failures == 2

    inside(test, tmp_path)


def test_an_outcome_that_is_not_known(tmp_path: Path) -> None:
    """Asked again later with the same order; after 20 hours no more, and an event still brings the credits."""

    async def test(shop: Shop) -> None:
        await switched_on(shop)
        unknown = ProviderFailed("Stripe can't be reached.", sure=False)
        shop.provider.fails = [unknown]
        await shop.auto.look(shop.now_ms)
        await shop.auto.look(shop.now_ms + 1)
        assert await shop.money() == (0, 0)
        await shop.auto.look(shop.now_ms + 10_000)
        assert (await shop.money(), charges(shop)) == ((10 * USD, 0), 1)
        await spend(shop, 10 * USD)
        shop.now_ms += 1
        shop.provider.fails = [unknown]
        await shop.auto.look(shop.now_ms)
        [order, _] = await shop.till.orders(OWNER, None, None)
        await AutoTopUps(shop.database, shop.audit, shop.till, shop.events).look(shop.now_ms + REPEAT_MS + 1)
        assert charges(shop) == 1
        found = (await shop.auto.status(OWNER, None, shop.now_ms)).auto
        assert found is not None
        assert found.failure == "The payment's outcome could not be found out."
        intent = shop.stripe._new_intent(1000, "usd", {"tollway_order": order.id}, "succeeded")
        assert await shop.tell(shop.stripe.event("payment_intent.succeeded", intent)) == "done"
        assert await shop.money() == (10 * USD, 0)

    inside(test, tmp_path)


def test_what_switches_it_off(tmp_path: Path) -> None:
    """A dispute, a method that is gone, or its owner's word: nothing is charged."""

    async def test(shop: Shop) -> None:
        await switched_on(shop)
        await shop.auto.look(shop.now_ms)
        told = shop.stripe.dispute("pi_1")
        assert await shop.tell(shop.stripe.event("charge.dispute.funds_withdrawn", told)) == "done"
        found = (await shop.auto.status(OWNER, None, shop.now_ms)).auto
        assert found is not None
        assert (found.enabled, found.failure) == (False, "A payment was disputed.")
        await shop.auto.look(shop.now_ms)
        await switched_on(shop)
        await shop.auto.forget(OWNER, None, shop.now_ms)
        await shop.auto.look(shop.now_ms)
        assert charges(shop) == 1
        with pytest.raises(InvalidRequest, match="No method"):
            await shop.auto.set(OWNER, SetAutoTopUp(True, Decimal(5), Decimal(10), Decimal(10)), shop.now_ms)
        await shop.database.write(keep_method(SAVED))
        for threshold, amount, most, said in (
            ("0", "10", "10", "threshold"),
            ("25001", "10", "10", "threshold"),
            ("5", "1", "10", "amount"),
            ("5", "10.001", "20", "amount"),
            ("5", "10", "9.99", "monthly_max"),
            ("NaN", "10", "10", "threshold"),
        ):
            ask = SetAutoTopUp(True, Decimal(threshold), Decimal(amount), Decimal(most))
            with pytest.raises(InvalidRequest, match=said):
                await shop.auto.set(OWNER, ask, shop.now_ms)
        for actor, error in (
            (Actor("m", {"home": Role.MEMBER}, "home"), Forbidden),
            (Actor("s", {"away": Role.OWNER}, "away"), NotFound),
        ):
            with pytest.raises(error):
                await shop.auto.status(actor, "home", shop.now_ms)
            with pytest.raises(error):
                await shop.auto.forget(actor, "home", shop.now_ms)

    inside(test, tmp_path)


@pytest.mark.parametrize("column", ["deleted_ms", "disabled_ms"])
def test_nothing_is_bought_for_who_is_gone(tmp_path: Path, column: str) -> None:
    """A workspace that is deleted or stopped is charged no more, also if it is stopped just then."""

    async def test(shop: Shop) -> None:
        await switched_on(shop)
        [auto] = await short_of_credits(shop.database)
        await shop.database.write(Statement(f"UPDATE workspaces SET {column} = 1 WHERE id = 'home'"))
        assert await short_of_credits(shop.database) == []
        assert await shop.auto._order(auto, shop.now_ms) is None
        await shop.auto.look(shop.now_ms)
        assert charges(shop) == 0

    inside(test, tmp_path)


@pytest.mark.parametrize("stall", [("after", "POST"), ("before", "GET")], ids=" ".join)
def test_kill_9_between_order_and_credit(tmp_path: Path, stall: tuple[str, str]) -> None:
    """Killed when Stripe has charged and not said so, or before it is confirmed: charged once, credited once."""

    async def scene() -> None:
        simulator = await Simulator.start()
        async with fake_stripe() as fake:
            keys = {"stripe_key": KEY, "stripe_webhook_secret": SECRET, "stripe_url": fake.url}
            told = "\n".join(f'{name} = "{value}"' for name, value in keys.items())
            server = ServerProcess(tmp_path, simulator, "m", settings=f"\n[payments]\n{told}\n")
            try:
                await server.endow("1")
                await switch_on(tmp_path)
                fake.stall = stall
                await server.start()
                await asyncio.wait_for(fake.stalled.wait(), 30)
                await server.kill()
                fake.stall = None
                await server.start()
                reader = server.reader()
                try:
                    for _ in range(600):
                        if await balance(reader, "home") != Balance(1 * USD, 0):
                            break
                        await asyncio.sleep(0.05)
                    assert await balance(reader, "home") == Balance(11 * USD, 0)
                    assert await broken_promises(reader) == []
                    assert await reader.read("SELECT status, automatic FROM orders") == [("paid", 1)]
                finally:
                    await reader.close()
                assert [each["amount"] for each in fake.intents.values()] == [1000]
            finally:
                await server.stop()
                await simulator.close()

    async def switch_on(folder: Path) -> None:
        database = await open_database(load(folder / "tollway.toml", {}))
        await create_workspace(database, "home", "home", 0)
        on = AutoTopUp("home", "stripe", "cus_1", "pm_1", True, 5 * USD, 10 * USD, 100 * USD)
        await database.write(keep_method(on), set_auto_topup(on))
        await database.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


@pytest.fixture(scope="module")
def well() -> Iterator[World]:
    with world() as found:
        yield found


def test_over_http(well: World) -> None:
    """Nothing is saved at first; set, seen, switched off and forgotten by who pays; a stranger finds nothing."""
    well.new_key("savers")
    payer, member = well.new_user("payer", Role.BILLING, "savers"), well.new_user("saver", Role.MEMBER, "savers")
    stranger = well.new_user("stranger-to-savers", Role.OWNER, "others")

    def asked(method: str, body: Any = None, user: Any = payer, query: str = "") -> Answer:
        return request(well.url, method, f"/account/v1/auto-top-up{query}", body, headers=well.signed_in(user))

    assert asked("GET").json["data"]["method_saved"] is False
    wanted = {"enabled": True, "threshold": 5, "amount": "10", "monthly_max": 50}
    assert "No method" in asked("PUT", wanted).error["message"]
    well.run(well.house.database.write(keep_method(AutoTopUp("savers", "stripe", "cus_1", "pm_1"))))
    done = asked("PUT", wanted).json["data"]
    assert {name: done[name] for name in wanted} == {"enabled": True, "threshold": 5, "amount": 10, "monthly_max": 50}
    assert asked("GET").json["data"] == done
    assert "pm_1" not in asked("GET").text
    for wrong in ({}, wanted | {"amount": "x"}, wanted | {"other": 1}, wanted | {"threshold": -1}):
        assert asked("PUT", wrong).status == 400
    assert asked("GET").json["data"] == done
    assert asked("GET", user=member).status == 403
    theirs, nobodys = (asked("GET", user=stranger, query=f"?workspace_id={id_}") for id_ in ("savers", "no-such"))
    assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
    assert theirs.status == 404
    assert asked("DELETE", {}).status == 200
    assert asked("GET").json["data"]["method_saved"] is False
