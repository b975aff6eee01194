"""Levels of models that an admin names on the site: asked for at once, changed, taken away, and read after a start."""

from collections.abc import Iterator

import pytest

from tests.api.browsing import Browser
from tests.api.test_admin_pages import entries, signed
from tests.support import Answer, World, offer, world
from tests.web.site import Looked
from tollway.config import Routing
from tollway.domain.aliases import Alias
from tollway.domain.catalog import Operation
from tollway.domain.people import Role

FILE = Alias("file/low", "low", ("test/model",))
NAMED = {"name": "acme/middle", "level": "middle", "models": "test/model"}


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    offers = (
        offer("test/model"),
        offer("test/other", prompt="0.00002", completion="0.00004"),
        offer("test/embed", "embed", completion=None, operation=Operation.EMBEDDINGS),
    )
    with world(*offers, routing=Routing(aliases=(FILE,))) as it:
        yield it


@pytest.fixture(scope="module")
def admin(town: World) -> Browser:
    return signed(town, town.new_user("level-chief", Role.OWNER, "level-house", admin=True))


def say(admin: Browser, **fields: str) -> Answer:
    return admin.submit(admin.get("/admin/aliases"), "/admin/aliases/levels", **{**NAMED, **fields})


def asked(town: World, name: str) -> int:
    return town.chat(model=name).status


def source(admin: Browser, name: str) -> str:
    return next((row[5] for row in Looked(admin.get("/admin/aliases").text).rows if row[0] == name), "")


def test_in_force_with_the_next_request(town: World, admin: Browser) -> None:
    """It answers at once, as another model when it is changed, is a 503 while planned, and then nobody's again."""
    assert asked(town, "acme/middle") == 404 or asked(town, "acme/middle") == 400
    assert say(admin, family="small ones", max_usd_per_1m="9").status == 303
    assert asked(town, "acme/middle") == 200
    assert town.house.gateway.market.levels["acme/middle"].alias.family == "small ones"
    assert source(admin, "acme/middle") == "added here"
    changing = admin.get("/admin/aliases?level=acme/middle").text
    assert "Change acme/middle" in changing
    assert ">test/model</textarea>" in changing

    async def start() -> None:
        await town.house.reload()

    town.run(start())
    assert asked(town, "acme/middle") == 200
    assert say(admin, models="test/other", max_usd_per_1m="1").status == 303
    assert asked(town, "acme/middle") == 503, "it is dearer than the band"
    assert say(admin, models="test/other, test/model\ntest/other").status == 303
    assert town.house.gateway.market.levels["acme/middle"].alias.models == ("test/other", "test/model")
    assert say(admin, models="", status="planned").status == 303
    assert asked(town, "acme/middle") == 503
    page = admin.get("/admin/aliases")
    assert admin.submit(page, "/admin/aliases/levels/remove", name="acme/middle").status == 303
    assert "acme/middle" not in town.house.gateway.market.levels
    assert admin.submit(page, "/admin/aliases/levels/remove", name="acme/middle").status == 404
    assert len(entries(town, "level")) == 5


def test_a_shipped_one_is_replaced_and_comes_back(town: World, admin: Browser) -> None:
    shipped = town.house.gateway.market.levels["cpen/low"].alias
    assert source(admin, "cpen/low") == "shipped"
    assert say(admin, name="cpen/low").status == 303
    assert source(admin, "cpen/low") == "added here"
    assert asked(town, "cpen/low") == 200
    page = admin.get("/admin/aliases")
    assert admin.submit(page, "/admin/aliases/levels/remove", name="cpen/low").status == 303
    assert town.house.gateway.market.levels["cpen/low"].alias == shipped


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "file/low"}, "tollway.toml"),
        ({"name": "no-slash"}, "name"),
        ({"name": "test/other"}, "a model has this name"),
        ({"level": ""}, "level"),
        ({"models": "test/none"}, "no model"),
        ({"models": "test/embed"}, "not for chat"),
        ({"models": " "}, "name one at least"),
        ({"max_usd_per_1m": "cheap"}, "max_usd_per_1m"),
        ({"min_usd_per_1m": "2", "max_usd_per_1m": "1"}, "more than the most"),
        ({"status": "perhaps"}, "status"),
        ({"family": "x" * 129}, "family"),
    ],
)
def test_what_is_wrong(town: World, admin: Browser, fields: dict[str, str], said: str) -> None:
    """A 400 that says so, with what was typed; the file's stay as they are."""
    answer = say(admin, **{"name": "acme/wrong", **fields})
    assert answer.status == 400
    assert said in answer.text
    assert "acme/wrong" not in town.house.gateway.market.levels
    assert town.house.gateway.market.levels["file/low"].alias == FILE


def test_for_admins_alone(town: World) -> None:
    plain = signed(town, town.new_user("level-plain", Role.OWNER, "level-plain"))
    assert plain.post("/admin/aliases/levels", **NAMED).status == 403
    assert Browser(town).post("/admin/aliases/levels", **NAMED).status == 403
