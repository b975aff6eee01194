"""So many requests of a month over a workspace's own keys cost no fee: exactly as many, also after a restart."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.api.test_workspace_page import browser_of
from tests.gateway.test_byok import Tenant
from tests.support import World, offer, world
from tollway.domain.byok import ByokSettings
from tollway.domain.money import nanodollars_from_text
from tollway.domain.people import Role
from tollway.gateway.byok_allowance import ByokAllowance
from tollway.storage.audit import audit_ledger
from tollway.storage.byok_months import add_requests, month_of, requests_of
from tollway.storage.generations import find_generation
from tollway.storage.ledger import void_generation

FREE = 3


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    settings = {"byok": ByokSettings(free_requests_monthly=FREE)}
    with world(offer("test/one", "one@tokens=8", at=("a",)), settings=settings) as it:
        yield it


def ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def costs(tenant: Tenant, requests: int) -> list[int]:
    """What so many requests cost, one after the other, each durable before the next."""
    found = []
    for _ in range(requests):
        answer = tenant.chat()
        assert answer.json["usage"]["is_byok"] is True
        found.append(nanodollars_from_text(f"{answer.json['usage']['cost']:.12f}"))
        tenant.town.settled()
    return found


def test_the_first_ones_cost_no_fee(town: World) -> None:
    """Three of them; then the fee. Another workspace has its own three; a restart forgets nothing."""
    tenant, other = Tenant(town, "allowed"), Tenant(town, "allowed-too")
    tenant.own()
    other.own()
    first = costs(tenant, FREE + 2)
    assert first[:FREE] == [0] * FREE
    assert min(first[FREE:]) > 0
    assert costs(other, 1) == [0]
    house = town.house
    month = month_of(house.gateway.now_ms())
    assert town.run(requests_of(house.database, "allowed", month)) == FREE + 2
    house.gateway.own.allowance = ByokAllowance(house.database, FREE)
    assert costs(tenant, 1)[0] > 0
    assert costs(other, FREE) == [0, 0, first[-1]]
    assert [each for each in town.run(audit_ledger(house.database)) if each.broken] == []


def test_little_credit(town: World) -> None:
    """Who has no credits at all may use what costs nothing, and no more."""
    tenant = Tenant(town, "penniless", usd=None)
    tenant.own()
    assert [tenant.chat().status for _ in range(FREE + 1)] == [200] * FREE + [402]


def test_a_charge_that_was_taken_back_does_not_count(town: World) -> None:
    """The request cost nothing after all, whatever the allowance said of it."""
    tenant = Tenant(town, "taken-back")
    tenant.own()
    database, month = town.house.database, month_of(town.house.gateway.now_ms())
    assert costs(tenant, FREE + 1)[-1] > 0
    assert town.run(requests_of(database, "taken-back", month)) == FREE + 1
    [[newest]] = town.run(database.read("SELECT id FROM generations WHERE workspace_id = 'taken-back' AND cost > 0"))
    charged = town.run(find_generation(database, "taken-back", newest))
    assert charged is not None
    town.run(void_generation(database, charged, "taken back"))
    assert town.run(requests_of(database, "taken-back", month)) == FREE
    assert tenant.balance() == 10**9


def test_months(town: World) -> None:
    """Each has its own allowance, by UTC; what was asked in the last one counts there."""
    database = town.house.database
    january, february = ms(2027, 1, 31), ms(2027, 2, 1)
    assert (month_of(february) - month_of(january), month_of(february - 1)) == (1, month_of(january))
    town.run(database.write(add_requests({("months", month_of(january)): 2})))
    town.run(database.write(add_requests({("months", month_of(january)): 1})))
    allowance = ByokAllowance(database, 5)
    assert allowance.left("months", january) == 0, "nobody has read it yet"
    town.run(allowance.open("months", january))
    assert allowance.left("months", january) == 2
    allowance.count("months", january)
    town.run(allowance.open("months", january))
    assert (allowance.left("months", january), allowance.left("months", february)) == (1, 0)
    town.run(allowance.open("months", february))
    allowance.count("months", january)
    allowance.count("nobody", february)
    assert (allowance.left("months", february), allowance.left("nobody", february)) == (5, 0)


def test_it_is_told(town: World) -> None:
    """On the page of own keys, in a dry run, and among the prices."""
    user = town.new_user("told", Role.OWNER, "told")
    tenant = Tenant(town, "told")
    tenant.own()
    browser = browser_of(town, user)
    assert f"The first {FREE} requests of each calendar month (UTC) cost no fee: {FREE} are left." in (
        browser.get("/byok?workspace=told").text
    )
    costs(tenant, 1)
    assert f"{FREE - 1} are left" in browser.get("/byok?workspace=told").text
    body = {"model": "test/one", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    dry = town.request("POST", "/api/v1/route", body, headers=tenant.key.headers).json["data"]
    assert (dry["endpoints"][0]["is_byok"], dry["endpoints"][0]["most_cost"]) == (True, 0)
    assert f"The first {FREE} requests of a workspace in a month cost no fee." in browser.get("/pricing").text
