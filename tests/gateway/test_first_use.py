"""A key's first request while the database fails: a 503 that says so, nothing lost, and the next one is served."""

from typing import Any

import pytest

from tests.gateway.clients import broken_promises, posted
from tests.gateway.test_last_byte import MoodyDatabase
from tests.support import ask, world
from tollway.domain.money import NANO
from tollway.storage.database import Row, StorageError

URLS: dict[str, dict[str, Any]] = {
    "/api/v1/chat/completions": ask(),
    "/v1/chat/completions": ask(stream=True),
    "/v1/messages": {**ask(), "max_tokens": 9},
    "/v1/responses": {"model": "test/model", "input": "Hello."},
    "/v1beta/models/test/model:generateContent": {"contents": [{"parts": [{"text": "Hello."}]}]},
    "/api/v1/route": ask(),
}


class Forgetful(MoodyDatabase):
    """The reads of these numbers, from 0, fail."""

    fails: frozenset[int] = frozenset()
    reads = 0

    async def read(self, sql: str, /, **parameters: Any) -> list[Row]:
        number, self.reads = self.reads, self.reads + 1
        if number in self.fails:
            raise StorageError("the disk can't be read: /secret/path")
        return await super().read(sql, **parameters)


@pytest.mark.parametrize("fails", [{0}, {1}], ids=["balance", "spending"])
def test_a_key_whose_money_cannot_be_read(fails: set[int]) -> None:
    """Every storefront answers 503 with `Retry-After` in its own words; then the key has all that it had."""
    with world() as shop:
        for path, body in URLS.items():
            key = shop.new_key(f"fresh{path}", credits_usd="1")
            shop.house.gateway.books._leases.clear()  # the grant has read the balance, as if it were another start
            database = Forgetful(shop.house.database)
            database.fails = frozenset(fails)
            shop.house.gateway.books._database = database
            first = shop.request("POST", path, body, headers=key.headers)
            assert (first.status, first.headers["retry-after"]) == (503, "2"), path
            assert "try again" in first.error["message"]
            assert "secret" not in first.text
            second = shop.request("POST", path, body, headers=key.headers)
            assert second.status == 200, second.text
            shop.settled()
            book = shop.house.gateway.books.get(key.key)
            assert book is not None
            assert book.lease.available == shop.run(posted(shop.stage, key.key.workspace_id))
            assert (book.lease.available < NANO) is (path != "/api/v1/route")
        assert shop.run(broken_promises(shop.house.database)) == []


def test_a_preset_that_cannot_be_read() -> None:
    """A request that names a preset answers 503 while the database fails, and is served by it afterwards."""
    with world() as shop:
        assert shop.request("POST", "/api/v1/presets/kept/chat/completions", ask(temperature=0.5)).status == 200
        database = Forgetful(shop.house.database)
        database.fails = frozenset({0})
        shop.house.gateway.presets._database = database
        first = shop.chat(preset="kept")
        assert (first.status, first.headers["retry-after"]) == (503, "2")
        assert "secret" not in first.text
        assert shop.chat(preset="kept").status == 200
