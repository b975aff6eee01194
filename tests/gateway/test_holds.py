"""The rules of holds under any interleaving, and the books that fill them from the database."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from tests.gateway.clients import broken_promises, run
from tests.gateway.test_last_byte import MoodyDatabase
from tollway.billing.ledger import DAY_MS, Hold, Lease, Meter, available, window_start
from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.gateway.books import Books
from tollway.storage.database import Database, StorageError
from tollway.storage.keys import create_workspace, insert_key
from tollway.storage.ledger import balance, open_accounts
from tollway.storage.migrate import migrate
from tollway.storage.sqlite import SqliteDatabase

RESETS = [None, LimitReset.DAILY, LimitReset.WEEKLY, LimitReset.MONTHLY]
START_DAY = 20_000
AMOUNTS = st.integers(0, 1_000)


OVER = -1
"""The day of a hold that counts in no window."""


class Purse:
    """A key as a plain ledger keeps it: every hold and charge with the day of its admission, summed anew each time."""

    def __init__(self, limit: int | None, reset: LimitReset | None) -> None:
        self.limit = limit
        self.meter = Meter(limit, reset)
        self.open: dict[Hold, int] = {}
        self.charged: list[tuple[int, int]] = []
        self.most = 0
        """What another reset once left above the limit."""

    def in_window(self, day: int) -> int:
        start = window_start(self.meter.reset, day)
        held = sum(hold.amount for hold, when in self.open.items() if when >= start)
        return held + sum(cost for when, cost in self.charged if when >= start)


class Holds(RuleBasedStateMachine):
    """Three keys share a workspace; holds, captures, refusals, failed commits, grants and days interleave."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.purses: list[Purse] = []
        self.day = self.latest = START_DAY
        self.granted = self.spent = 0

    @initialize(
        amount=AMOUNTS, limits=st.tuples(*[st.tuples(st.none() | AMOUNTS, st.sampled_from(RESETS)) for _ in range(3)])
    )
    def begin(self, amount: int, limits: tuple[tuple[int | None, LimitReset | None], ...]) -> None:
        self.lease = Lease(amount)
        self.granted = amount
        self.purses = [Purse(limit, reset) for limit, reset in limits]

    @rule(target=holds, which=st.integers(0, 2), share=st.floats(0, 1))
    def hold(self, which: int, share: float) -> tuple[Purse, Hold]:
        """What fits is given, whatever part of it is asked for."""
        purse = self.purses[which]
        purse.meter.roll(self.day * DAY_MS + 5)
        hold = Hold(self.lease, purse.meter, int(share * max(0, available(self.lease, purse.meter))))
        purse.open[hold] = self.latest
        return purse, hold

    @rule(which=st.integers(0, 2), more=st.integers(1, 10_000))
    def hold_too_much(self, which: int, more: int) -> None:
        """One nanodollar above what is available is refused, and changes nothing."""
        purse = self.purses[which]
        purse.meter.roll(self.day * DAY_MS)
        before = self.lease.held, purse.meter.held
        try:
            Hold(self.lease, purse.meter, max(0, available(self.lease, purse.meter)) + more)
        except ValueError:
            assert (self.lease.held, purse.meter.held) == before
        else:
            raise AssertionError("more was held than there is")

    @rule(taken=consumes(holds), share=st.floats(0, 1), fails=st.booleans())
    def resolve(self, taken: tuple[Purse, Hold], share: float, fails: bool) -> None:
        """A capture of any part; where its commit fails, the money comes back. It can't be resolved again."""
        purse, hold = taken
        cost = int(share * hold.amount)
        when = purse.open.pop(hold)
        hold.resolve(cost)
        for again in (0, cost):
            try:
                hold.resolve(again)
            except RuntimeError:
                continue
            raise AssertionError("a hold was resolved twice")
        if fails:
            hold.give_back(cost)
        else:
            purse.charged.append((when, cost))
            self.spent += cost

    @rule(taken=consumes(holds), more=st.integers(1, 1_000))
    def capture_too_much(self, taken: tuple[Purse, Hold], more: int) -> None:
        """A capture above its hold is refused; the hold stays, and can be voided."""
        purse, hold = taken
        try:
            hold.resolve(hold.amount + more)
        except ValueError:
            hold.resolve(0)
            del purse.open[hold]
        else:
            raise AssertionError("more was captured than was held")

    @rule(which=st.integers(0, 2), reset=st.sampled_from(RESETS))
    def change_reset(self, which: int, reset: LimitReset | None) -> None:
        """What counted goes on counting, in the window of the new reset; what no longer did stays forgotten."""
        purse = self.purses[which]
        purse.meter.roll(self.day * DAY_MS)
        old, new = window_start(purse.meter.reset, self.latest), window_start(reset, self.latest)
        spent = sum(cost for when, cost in purse.charged if when >= new)
        purse.meter = purse.meter.followed_by(reset, new, spent)
        purse.open = {hold: self.latest if when >= old else OVER for hold, when in purse.open.items()}
        purse.most = max(purse.most, purse.in_window(self.latest))

    @rule(amount=AMOUNTS)
    def grant(self, amount: int) -> None:
        self.lease.add(amount)
        self.granted += amount

    @rule(days=st.integers(-3, 40))
    def another_day(self, days: int) -> None:
        """Clocks may also be set back: no window opens twice."""
        self.day = max(START_DAY, self.day + days)
        self.latest = max(self.latest, self.day)
        for purse in self.purses:
            purse.meter.roll(self.day * DAY_MS)

    @invariant()
    @precondition(lambda self: bool(self.purses))
    def never_beyond(self) -> None:
        """held <= lease, held is what is open, the lease is what was granted and not spent; limits hold per window."""
        held = sum(hold.amount for purse in self.purses for hold in purse.open)
        assert self.lease.held == held
        assert 0 <= held <= self.lease.amount
        assert self.lease.amount == self.granted - self.spent
        for purse in self.purses:
            purse.meter.roll(self.day * DAY_MS)
            used = purse.in_window(self.latest)
            assert purse.meter.spent + purse.meter.held == used
            assert min(purse.meter.spent, purse.meter.held) >= 0
            if purse.limit is not None:
                assert used <= max(purse.limit, purse.most)


TestHolds = Holds.TestCase
TestHolds.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def key_of(workspace: str, number: int, limit: int | None = None) -> Key:
    """A key whose secret nobody needs."""
    digest = f"{workspace}-{number}".encode()
    return Key(digest.hex(), digest, workspace, "test", "label", KeyKind.INFERENCE, 0, limit)


async def open_database(folder: Path) -> SqliteDatabase:
    database = SqliteDatabase(folder / "ledger.db")
    await migrate(database)
    await open_accounts(database)
    return database


class Shuffled:
    """A database whose reads and writes take turns in an order that hypothesis draws."""

    def __init__(self, inner: Database, delays: list[int]) -> None:
        self._inner = inner
        self._delays = delays

    async def _wait(self) -> None:
        # Longer than a turn of the disk's thread, or the order would be the same each time.
        await asyncio.sleep(self._delays.pop() / 1000 if self._delays else 0)

    async def read(self, sql: str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        await self._wait()
        answer = await self._inner.read(sql, **parameters)
        await self._wait()
        return answer

    async def write(self, *statements: Any) -> list[list[tuple[Any, ...]]]:
        await self._wait()
        answer = await self._inner.write(*statements)
        await self._wait()
        return answer

    async def close(self) -> None:
        await self._inner.close()


@settings(max_examples=25, deadline=None)
@given(
    delays=st.lists(st.integers(0, 4), min_size=10, max_size=60),
    steps=st.lists(st.sampled_from(["open 0", "open 1", "open 2", "grant", "again"]), min_size=2, max_size=12),
)
def test_grants_race_with_opening(tmp_path_factory: Any, delays: list[int], steps: list[str]) -> None:
    """However grants and first uses of three keys interleave: one lease for all, and it is what the database has."""

    async def scene() -> None:
        real = await open_database(tmp_path_factory.mktemp("books"))
        try:
            await create_workspace(real, "home", "home", 0)
            keys = [key_of("home", number) for number in range(3)]
            for key in keys:
                await insert_key(real, key)
            books = Books(Shuffled(real, list(delays)))

            async def play(number: int, step: str) -> None:
                if step.startswith("open"):
                    await books.open(keys[int(step[-1])])
                else:
                    ref = "the same" if step == "again" else f"grant-{number}"
                    await books.grant("home", 7 if step == "again" else 100 + number, ref, "", 0)

            await asyncio.gather(*(play(number, step) for number, step in enumerate(steps)))
            found = [await books.open(key) for key in keys]
            posted = await balance(real, "home")
            assert posted is not None
            due = sum(100 + number for number, step in enumerate(steps) if step == "grant")
            assert posted.posted == due + (7 if "again" in steps else 0)
            assert {id(book.lease) for book in found} == {id(found[0].lease)}
            assert found[0].lease.amount == posted.posted
            assert await broken_promises(real) == []
        finally:
            await real.close()

    run(scene)


@pytest.mark.parametrize("read_before_ms", [0, 12])
@pytest.mark.parametrize("read_after_ms", [0, 24])
@pytest.mark.parametrize("write_after_ms", [0, 8])
def test_a_grant_beside_the_first_use(
    tmp_path: Path, read_before_ms: int, read_after_ms: int, write_after_ms: int
) -> None:
    """The balance is read just before or just after the grant is posted, and known before or after: counted once."""

    async def scene() -> None:
        real = await open_database(tmp_path)
        try:
            await create_workspace(real, "home", "home", 0)
            key = key_of("home", 0)
            await insert_key(real, key)
            books = Books(Slow(real, read_before_ms, read_after_ms, write_after_ms))
            book, _ = await asyncio.gather(books.open(key), books.grant("home", 100, "grant", "", 0))
            assert book.lease.amount == 100
        finally:
            await real.close()

    run(scene)


class Slow(Shuffled):
    """A disk with a delay of its own before and after each read, and after each write."""

    def __init__(self, inner: Database, read_before_ms: int, read_after_ms: int, write_after_ms: int) -> None:
        super().__init__(inner, [])
        self._read_before_ms = read_before_ms
        self._read_after_ms = read_after_ms
        self._write_after_ms = write_after_ms

    async def read(self, sql: str, /, **parameters: Any) -> list[tuple[Any, ...]]:
        await asyncio.sleep(self._read_before_ms / 1000)
        answer = await self._inner.read(sql, **parameters)
        await asyncio.sleep(self._read_after_ms / 1000)
        return answer

    async def write(self, *statements: Any) -> list[list[tuple[Any, ...]]]:
        answer = await self._inner.write(*statements)
        await asyncio.sleep(self._write_after_ms / 1000)
        return answer


def test_a_grant_whose_outcome_was_unknown(tmp_path: Path) -> None:
    """It was posted and denied: asked for again with the same ref, it is spendable, once; opened later, also once."""

    async def scene() -> None:
        real = await open_database(tmp_path)
        try:
            moody = MoodyDatabase(real)
            books = Books(moody)
            for workspace, opened_first in (("early", True), ("late", False)):
                await create_workspace(real, workspace, workspace, 0)
                key = key_of(workspace, 0)
                if opened_first:
                    await books.open(key)
                await deny_once(books, moody, workspace)
                book = await books.open(key)
                for _ in range(3):
                    assert (await books.grant(workspace, 50, f"ref-{workspace}", "", 0)).posted == 50
                    assert book.lease.amount == 50
        finally:
            await real.close()

    run(scene)


async def deny_once(books: Books, moody: MoodyDatabase, workspace: str) -> None:
    """The grant's second write, its posting, is done and reported as failed."""
    inner = moody._inner.write

    async def write(*statements: Any) -> list[list[tuple[Any, ...]]]:
        answer = await inner(*statements)
        if any(getattr(each, "table", "") == "transfers" for each in statements):
            raise StorageError("the disk did not say", sure=False)
        return answer

    moody._inner.write = write  # type: ignore[method-assign]  # a disk that does the work and denies it
    try:
        await books.grant(workspace, 50, f"ref-{workspace}", "", 0)
    except StorageError:
        pass
    else:
        raise AssertionError("the denial did not reach the caller")
    finally:
        moody._inner.write = inner  # type: ignore[method-assign]  # and one that works again
