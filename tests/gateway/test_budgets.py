"""Budgets that several keys share: never exceeded, whenever they are made, changed or taken away, over restarts."""

import time
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from tests.gateway.clients import run
from tests.gateway.test_holds import START_DAY, key_of, open_database
from tests.storage.ledgers import generation
from tollway.billing.ledger import DAY_MS, Budget, Hold, Lease, Meter, available, window_start
from tollway.domain.budgets import Budget as Row
from tollway.domain.budgets import Interval
from tollway.gateway.books import Books
from tollway.storage.budgets import set_budget
from tollway.storage.keys import create_workspace, insert_key
from tollway.storage.ledger import commit_generations

AMOUNTS = st.integers(1, 1_000)


class Shared(RuleBasedStateMachine):
    """Two keys of one workspace; budgets come and go while holds are open, and days pass."""

    holds = Bundle("holds")

    @initialize(amount=st.integers(0, 10_000))
    def begin(self, amount: int) -> None:
        self.lease = Lease(amount)
        self.meters = [Meter(None, None), Meter(500, None)]
        self.budgets: dict[Interval, Budget] = {}
        self.open: dict[Hold, int] = {}
        self.charged: list[tuple[int, int]] = []
        self.day = START_DAY
        self.over: dict[Interval, int] = {}
        """What a budget had to bear when it was made or lowered."""

    def used(self, interval: Interval) -> int:
        start = window_start(interval.reset, self.day)
        held = sum(hold.amount for hold, day in self.open.items() if day >= start)
        return held + sum(cost for day, cost in self.charged if day >= start)

    def held(self, budgets: tuple[Budget, ...]) -> list[int]:
        return [self.lease.held, *(each.held for each in (*self.meters, *budgets))]

    @rule(interval=st.sampled_from(Interval), limit=AMOUNTS)
    def set_budget(self, interval: Interval, limit: int) -> None:
        """A new one counts what its window has seen; another limit changes nothing of that."""
        if (budget := self.budgets.get(interval)) is None:
            budget = Budget(interval.value, limit, interval.reset)
            budget.window = window_start(interval.reset, self.day)
            budget.spent = sum(cost for day, cost in self.charged if day >= budget.window)
            for hold, day in self.open.items():
                hold.count_in(budget, day)
            self.budgets = {**self.budgets, interval: budget}
        budget.limit = limit
        self.over[interval] = self.used(interval)

    @rule(interval=st.sampled_from(Interval))
    def take_away(self, interval: Interval) -> None:
        self.budgets = {name: budget for name, budget in self.budgets.items() if name is not interval}

    @rule(target=holds, which=st.integers(0, 1), share=st.floats(0, 1))
    def hold(self, which: int, share: float) -> Hold:
        """What fits all limits at once is given; one more is not, and changes nothing."""
        budgets = tuple(self.budgets.values())
        room = max(0, available(self.lease, self.meters[which], budgets))
        before = self.held(budgets)
        try:
            Hold(self.lease, self.meters[which], room + 1, budgets)
        except ValueError:
            assert self.held(budgets) == before
        else:
            raise AssertionError("more was held than there is")
        hold = Hold(self.lease, self.meters[which], int(share * room), budgets)
        self.open[hold] = self.day
        return hold

    @rule(hold=consumes(holds), share=st.floats(0, 1), fails=st.booleans())
    def resolve(self, hold: Hold, share: float, fails: bool) -> None:
        cost = int(share * hold.amount)
        day = self.open.pop(hold)
        hold.resolve(cost)
        if fails:
            hold.give_back(cost)
        else:
            self.charged.append((day, cost))

    @rule(days=st.integers(0, 40))
    def another_day(self, days: int) -> None:
        self.day += days
        for budget in self.budgets.values():
            budget.roll(self.day * DAY_MS)
        self.over = {interval: self.used(interval) for interval in self.budgets}

    @invariant()
    @precondition(lambda self: hasattr(self, "budgets"))
    def never_beyond(self) -> None:
        for interval, budget in self.budgets.items():
            used = self.used(interval)
            assert budget.spent + budget.held == used
            assert min(budget.spent, budget.held) >= 0
            assert budget.limit is not None
            assert used <= max(budget.limit, self.over[interval])


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_a_restart_and_a_budget_beside_requests(tmp_path: Path) -> None:
    """What was spent is found again; a budget made while a hold is open and a charge is uncommitted counts both."""

    async def scene() -> None:
        database = await open_database(tmp_path)
        try:
            await create_workspace(database, "home", "home", 0)
            keys = [key_of("home", number) for number in range(2)]
            for key in keys:
                await insert_key(database, key)
            books = Books(database)
            now_ms = int(time.time() * 1000)
            await books.grant("home", 1_000, "grant", "", now_ms)
            spent = [
                generation("gen-1", keys[0], cost=100, created_ms=now_ms),
                generation("gen-2", keys[1], cost=30, created_ms=now_ms - 40 * DAY_MS),
            ]
            await commit_generations(database, spent)
            books = Books(database)  # a restart
            first = await books.open(keys[0])
            hold, waiting = Hold(first.lease, first.meter, 50), Hold(first.lease, first.meter, 7)
            waiting.resolve(7)
            first.running.add(Under(hold, now_ms // DAY_MS))
            rows = {Interval.LIFETIME: 500, Interval.DAILY: 200}
            for interval, limit in rows.items():
                await database.write(set_budget(Row(interval.value, "home", interval, limit, 0, 0)))
            await books.change_budgets("home")
            second = await books.open(keys[1])
            assert second.budgets == first.budgets
            lifetime, daily = first.budgets
            assert (lifetime.spent, lifetime.held, daily.spent, daily.held) == (137, 50, 107, 50)
            assert second.available == 200 - 107 - 50
            assert second.tightest() is daily
            hold.resolve(20)
            assert (lifetime.spent, lifetime.held, daily.spent, daily.held) == (157, 0, 127, 0)
            await database.write(set_budget(Row("daily", "home", Interval.DAILY, 150, 0, 0)))
            await books.change_budgets("home")
            assert (first.budgets[1] is daily, daily.limit, second.available) == (True, 150, 23)
            again = await Books(database).open(keys[1])
            assert [budget.spent for budget in again.budgets] == [130, 100]
        finally:
            await database.close()

    run(scene)


class Under:
    """A request under way, as far as Books need it."""

    def __init__(self, hold: Hold, day: int) -> None:
        self.hold = hold
        self.day = day

    def revoke(self) -> None:
        self.hold.resolve(0)
