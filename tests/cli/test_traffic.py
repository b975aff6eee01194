"""The demo's month of traffic: as much as it says, believable, the same by its seed, and a ledger without a flaw."""

import random
import time
from collections.abc import Iterator
from statistics import mean

import pytest

from tests.support import World, offer, request, world
from tollway.cli.traffic import ADMIN, DAY_MS, DAYS, Month, make_month
from tollway.cli.traffic_cast import HABITS
from tollway.cli.traffic_draw import Drawer, Sky
from tollway.domain.generation import Generation
from tollway.domain.health import Outcome
from tollway.storage.audit import audit_ledger
from tollway.storage.database import Row

CPU_MAX_S = 20.0


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[World, Month, float]]:
    """A demo, its month, and how long this process computed for it."""
    with world(offer(), whole_catalog=True) as place:
        began_s = time.process_time()
        month = place.run(make_month(place.house, 1, place.house.gateway.now_ms()))
        assert month is not None
        yield place, month, time.process_time() - began_s


def rows(place: World, sql: str) -> list[Row]:
    return place.run(place.house.database.read(sql))


def test_the_ledger_is_clean(filled: tuple[World, Month, float]) -> None:
    """Tens of thousands of requests; every promise of the ledger holds; nobody has less than nothing."""
    place, month, took_s = filled
    assert 20_000 < month.generations < 60_000
    assert [(each.name, each.broken) for each in place.run(audit_ledger(place.house.database)) if each.broken] == []
    assert rows(place, "SELECT COUNT(*) FROM generations") == [(month.generations,)]
    assert took_s < CPU_MAX_S


def test_it_is_believable(filled: tuple[World, Month, float]) -> None:
    """Weekdays have more than weekends; some fail, fall back, read caches; purchases and a code are there."""
    place, month, _ = filled
    daily = rows(place, "SELECT day, SUM(requests) FROM usage_days GROUP BY 1 ORDER BY 1")[:-1]
    work = mean(requests for day, requests in daily if (day + 3) % 7 < 5)
    rest = mean(requests for day, requests in daily if (day + 3) % 7 >= 5)
    assert len(daily) == DAYS
    assert rest < 0.85 * work
    [(failed, cached, reasoned)] = rows(
        place, "SELECT SUM(finish_reason = 'error'), SUM(cached_tokens > 0), SUM(reasoning_tokens > 0) FROM generations"
    )
    assert 0.0005 < failed / month.generations < 0.03
    assert min(cached, reasoned) > month.generations / 20
    [(fell_back,)] = rows(
        place, "SELECT COUNT(*) FROM generations WHERE record LIKE '%rate_limited%' AND cost > 0"
    )  # fmt: skip
    assert fell_back > 20
    assert rows(place, "SELECT COUNT(DISTINCT key_id) FROM generations")[0][0] > 10
    assert rows(place, "SELECT COUNT(*) FROM apps WHERE url IS NOT NULL")[0][0] > 5
    assert rows(place, "SELECT COUNT(*) FROM orders WHERE status = 'paid'")[0][0] >= 4
    assert rows(place, "SELECT SUM(uses) FROM codes") == [(1,)]
    board, now_s = place.house.gateway.health, place.call(place.house.now_s)
    days = [board.day(each, now_s) for each in board._endpoints]
    assert any(uptime is not None and uptime < 0.9 for day in days for uptime in day), "an outage is seen"
    assert any(board.measured(each, now_s).first_s for each in board._endpoints), "speeds of this moment"


def test_the_admin_signs_in(filled: tuple[World, Month, float]) -> None:
    """With the password that was printed; a server that has an admin is not filled again."""
    place, month, _ = filled
    body = {"email": ADMIN, "password": month.password}
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/json"}
    assert request(place.url, "POST", "/account/v1/sign-in", body, headers=headers).status == 200
    assert place.run(make_month(place.house, 1, place.house.gateway.now_ms())) is None


def test_the_same_by_its_seed(filled: tuple[World, Month, float]) -> None:
    """Two drawers with equal dice draw equal requests; other dice draw others."""
    market = filled[0].house.gateway.market

    def draw(seed: int) -> list[Generation]:
        dice = random.Random(seed)
        drawer = Drawer(dice, market, Sky(dice, {}))
        habit = HABITS[0]
        model = next(iter(drawer.known(habit.models)))
        return [drawer.generation(habit, model, "w", "k", DAY_MS + each) for each in range(300)]

    first = draw(7)
    assert first == draw(7)
    assert first != draw(8)
    assert all(each.cost > 0 for each in first if each.finish_reason in ("stop", "tool_calls"))
    assert all(each.attempts[-1].outcome is not Outcome.SUCCEEDED for each in first if each.finish_reason == "error")
