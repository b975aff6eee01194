"""Names that stand for whichever model fits, over real sockets: the answer and the record name the model that ran."""

from collections.abc import Iterator

import pytest

from tests.support import World, offer, world
from tollway.billing.ledger import DAY_MS
from tollway.config import Routing
from tollway.limits import Limiter, Limits


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    """A free model and a paid one, which is the default."""
    offers = (offer("test/gift-1", "m", at=("a",), free=True), offer("test/paid-1", "m", at=("b",)))
    with world(*offers, routing=Routing(default_model="test/paid-1:floor")) as there:
        yield there


@pytest.mark.parametrize(
    ("name", "ran"),
    [
        (None, "test/paid-1"),
        ("test/paid-1:nitro:beta", "test/paid-1"),
        ("test/gift-1:free", "test/gift-1"),
        ("openrouter/free", "test/gift-1"),
        ("~test/paid-latest", "test/paid-1"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/chat/completions"])
def test_what_ran(shop: World, path: str, name: str | None, ran: str) -> None:
    """The concrete model, not the name that asked for it."""
    answer = shop.chat(path, model=name)
    assert answer.status == 200
    assert answer.json["model"] == ran
    shop.settled()
    record = shop.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}")
    assert record.json["data"]["model"] == ran


def test_the_plan_of_the_default(shop: World) -> None:
    """`POST /route` asks for it, too."""
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    assert shop.request("POST", "/api/v1/route", body).json["data"]["models"] == ["test/paid-1"]


def test_nothing_free(shop: World) -> None:
    """404 with the reason: nobody is charged instead."""
    answer = shop.chat("/api/v1/chat/completions", model="test/paid-1:free")
    assert answer.status == 404
    assert "is not free" in answer.error["message"]


def test_no_name_and_no_default() -> None:
    """400, as before."""
    with world(offer()) as there:
        assert there.chat("/api/v1/chat/completions", model=None).status == 400


@pytest.mark.parametrize("name", ["test/gift-1:free", "test/gift-1:free:nitro", "openrouter/free"])
def test_every_name_of_a_free_model_counts(shop: World, name: str) -> None:
    """No spelling passes by the limits of free models."""
    used = shop.house.gateway.limiter.free_days.used
    key = shop.new_key(name)
    workspace, today = key.key.workspace_id, shop.house.gateway.now_ms() // DAY_MS
    assert shop.chat(model=name, headers=key.headers).status == 200
    assert used(workspace, today) == 1


def test_every_name_of_a_model_has_its_limit() -> None:
    """A suffix does not pass by what a model may be asked in a minute."""
    with world(offer()) as there:
        there.house.gateway.limiter = Limiter(Limits(models_rpm={"test/model": 1}))
        answers = [there.chat(model=name).status for name in ("test/model", "test/model:nitro", "~test/model-latest")]
    assert answers == [200, 429, 429]
