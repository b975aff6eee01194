"""`/admin/providers`: a server is added by its address, tested, priced, asked, switched off and removed; no restart."""

import base64
import json
import re
from collections.abc import Iterator

import pytest
from msgspec import structs

from tests.api.browsing import Browser
from tests.support import Answer, World, offer, request, world
from tests.web.site import Looked
from tollway.config import Config, ProviderConfig
from tollway.domain.byok import ByokSettings
from tollway.domain.people import Role
from tollway.gateway.kept_providers import decoded, merged, with_kept
from tollway.gateway.standings import standings
from tollway.identity.credentials import open_ring, ring_at_hand
from tollway.simulator import Simulator
from tollway.simulator.connection import Request as Seen
from tollway.storage.audit_log import Searched, list_entries
from tollway.storage.database import StorageError
from tollway.storage.kept_providers import list_kept

SECRET = "sk-second-0123456789abcdefghij"
OTHER = "sk-other-9876543210zyxwvutsrq"


class Second:
    """A second provider, on a port of its own, beside the one that the world began with."""

    def __init__(self, town: World) -> None:
        self.seen: list[Seen] = []
        self.simulator = town.run(Simulator.start(models=("tiny", "tiny-chat"), on_request=self.seen.append))

    @property
    def url(self) -> str:
        return f"{self.simulator.url}/v1"

    def bearers(self) -> list[str]:
        """The keys that its requests carried."""
        return [dict(each.headers).get("authorization", "") for each in self.seen]


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server of this file alone: what is on offer changes all the time."""
    with world(offer("test/model"), offer("test/broken", "m@fail=503", at=("b",))) as it:
        yield it


@pytest.fixture(scope="module")
def second(town: World) -> Iterator[Second]:
    found = Second(town)
    yield found
    town.run(found.simulator.close())


@pytest.fixture
def admin(town: World) -> Browser:
    browser = Browser(town)
    name = f"providers-chief-{len(town.run(town.house.database.read('SELECT id FROM users')))}"
    browser.cookie = town.signed_in(town.new_user(name, Role.OWNER, "providers-house", admin=True))["cookie"]
    return browser


def add(admin: Browser, **fields: str) -> Answer:
    """`free`: the box is ticked; a browser sends nothing of one that is not."""
    return admin.submit(admin.get("/admin/providers"), "/admin/providers", **{"free": "", **fields})


def act(admin: Browser, slug: str, what: str, **fields: str) -> Answer:
    where = f"/admin/providers/{slug}"
    return admin.submit(admin.get(where), f"{where}/{what}", **fields)


def reread(town: World) -> None:
    """The market is made anew from what the database says, as a start makes it."""

    async def reload() -> None:
        await town.house.reload()

    town.run(reload())


def sold(town: World, slug: str) -> str:
    """A model that this provider sells."""
    return next(
        id_ for id_, found in town.house.gateway.market.offers.items() for each in found.live if each.provider == slug
    )


def test_a_server_without_a_list(town: World, second: Second, admin: Browser) -> None:
    """Its models are named; without a price they can be tested, and are sold once they have one."""
    assert add(admin, base_url=second.url, slug="unlisted", models="tiny\nacme/tiny-chat\n\ntiny").status == 303
    page = admin.get("/admin/providers/unlisted")
    rows = {row[0]: (row[1], row[3]) for row in Looked(page.text).rows[1:]}
    assert rows == {"tiny": ("unlisted/tiny", "no price"), "acme/tiny-chat": ("acme/tiny-chat", "no price")}
    assert ">ok<" in act(admin, "unlisted", "test", model="unlisted/tiny").text
    assert town.chat(model="unlisted/tiny").status != 200
    price = {"id": "unlisted:tiny", "price": {"prompt": "0.000001", "completion": "0.000002"}}
    token = {"authorization": f"Bearer {town.house.control_token}"}
    assert request(town.url, "POST", "/control/v1/catalog/endpoint", price, headers=token).status == 200
    assert any("unlisted:tiny" in each for each in entries(town, "price.set"))
    assert town.chat(model="unlisted/tiny").status == 200
    assert act(admin, "unlisted", "remove").status == 303


def test_many_models(town: World, second: Second, admin: Browser) -> None:
    """All of them page by page, each once, forward and back; one is found by a part of its name."""
    names = [f"many-{number:03}" for number in range(230)]
    assert add(admin, base_url=second.url, slug="crowd", models="\n".join(names)).status == 303
    where, seen, pages = "/admin/providers/crowd", list[str](), list[str]()
    while where:
        page = admin.get(where)
        pages.append(where)
        seen += [row[0] for row in Looked(page.text).rows[1:] if row[0].startswith("many-")]
        links = {
            tag.get("rel"): tag["href"] for tag in Looked(page.text).all("a") if tag.get("rel") in ("next", "prev")
        }
        if len(pages) > 1:
            back = admin.get(str(links["prev"]))
            assert Looked(back.text).rows[1][0] == seen[100 * (len(pages) - 2)]
        where = str(links.get("next") or "")
    assert (len(pages), sorted(seen)) == (3, names)
    found = admin.get("/admin/providers/crowd?search=MANY-017").text
    assert ("many-017" in found, "1 endpoint," in found, "many-018</code>" in found) == (True, True, False)
    assert "no endpoint of this name" in admin.get("/admin/providers/crowd?search=nothing").text
    for odd, status in (("-5", 200), ("9" * 15, 200), ("x", 400)):
        assert admin.get(f"/admin/providers/crowd?offset={odd}").status == status
    assert act(admin, "crowd", "remove").status == 303


def entries(town: World, action: str) -> list[str]:
    found = town.run(list_entries(town.house.database, limit=50, searched=Searched(action=action)))
    return [f"{each.actor} {each.target} {each.details}" for each in found]


def rows_of(town: World) -> str:
    """Everything of the database that could hold a secret in clear."""
    tables = ("kept_providers", "kept_provider_keys", "audit_log", "catalog_providers", "catalog_versions")
    return "".join(str(town.run(town.house.database.read(f"SELECT * FROM {each}"))) for each in tables)


def test_from_an_address_to_an_answer(town: World, second: Second, admin: Browser) -> None:
    """The whole way, over sockets: add, see its models, test, price, chat with its key, switch off, remove."""
    assert town.chat(model="second/tiny").status == 400
    added = add(admin, base_url=second.simulator.url, slug="second", name="The Second", key=SECRET, free="")
    assert added.headers["location"] == "/admin/providers/second?done=added"
    page = admin.get("/admin/providers/second?done=added")
    assert "It can be called from now on." in page.text
    assert second.url in page.text
    assert SECRET not in page.text
    states = {row[0]: row[3] for row in Looked(page.text).rows if len(row) == 6}
    assert states == {"Endpoint": "State", "tiny": "no price", "tiny-chat": "no price"}

    tested = act(admin, "second", "test", model="second:tiny")
    assert tested.status == 200
    assert ">ok<" in tested.text
    assert re.search(r"<dt>Status</dt><dd>200</dd>", tested.text)
    assert re.search(r"<dt>It took</dt><dd>\d+ ms</dd>", tested.text)
    assert "This is a simulated answer" in tested.text
    assert f"Bearer {SECRET}" in second.bearers()

    price = {"id": "second:tiny", "price": {"prompt": "0.000001", "completion": "0.000002"}}
    token = {"authorization": f"Bearer {town.house.control_token}"}
    assert request(town.url, "POST", "/control/v1/catalog/endpoint", price, headers=token).status == 200
    model = sold(town, "second")
    before = len(second.seen)
    answer = town.chat(model=model)
    assert answer.status == 200, answer.text
    assert len(second.seen) == before + 1
    assert second.bearers()[-1] == f"Bearer {SECRET}"

    assert act(admin, "second", "switch", enabled="off").status == 303
    off = town.chat(model=model)
    assert off.status in (400, 404, 503), off.text
    assert "switched off by the operator" in admin.get("/admin/providers/second").text
    assert act(admin, "second", "switch", enabled="on").status == 303
    assert town.chat(model=model).status == 200

    assert act(admin, "second", "remove").headers["location"] == "/admin/providers?done=removed"
    assert town.chat(model=model).status == 400
    assert admin.get("/admin/providers/second").status == 404
    assert town.run(town.house.database.read("SELECT * FROM kept_provider_keys WHERE provider = 'second'")) == []
    for action in ("provider.added", "provider.disabled", "provider.enabled", "provider.removed"):
        assert any(" second " in each and "providers-chief" in each for each in entries(town, action)), action
    assert SECRET not in rows_of(town)


def test_keys_come_and_go(town: World, second: Second, admin: Browser) -> None:
    """Several share the work; one that is forgotten is sent nowhere any more; none is ever shown or kept in clear."""
    assert add(admin, base_url=second.url, slug="keyed", key=SECRET, free="yes").status == 303
    assert act(admin, "keyed", "key", key=OTHER).status == 303
    page = admin.get("/admin/providers/keyed")
    assert "sk-...ghij" in page.text
    assert "sk-...tsrq" in page.text
    assert town.house.gateway.keyrings["keyed"] == (SECRET, OTHER)
    second.seen.clear()
    for _ in range(8):
        assert town.chat(model=sold(town, "keyed")).status == 200
    assert set(second.bearers()) == {f"Bearer {SECRET}", f"Bearer {OTHER}"}
    assert act(admin, "keyed", "key", key=OTHER).status == 400
    assert act(admin, "keyed", "key", key="").status == 400
    assert act(admin, "keyed", "key", key="not\u00e4key").status == 400
    forms = re.findall(r'name="key_id" value="([^"]+)"', page.text)
    assert admin.submit(page, "/admin/providers/keyed/drop", key_id=forms[0]).status == 303
    second.seen.clear()
    assert town.chat(model=sold(town, "keyed")).status == 200
    assert second.bearers() == [f"Bearer {OTHER}"]
    assert admin.submit(page, "/admin/providers/keyed/drop", key_id=forms[0]).status == 404
    assert SECRET not in rows_of(town)
    assert OTHER not in rows_of(town)
    assert act(admin, "keyed", "remove").status == 303


def test_another_address_forgets_the_keys(town: World, second: Second, admin: Browser) -> None:
    """They were given for one server, and are sent to no other."""
    assert add(admin, base_url=second.url, slug="moving", key=SECRET, free="yes").status == 303
    moved = act(admin, "moving", "change", base_url=f"{second.simulator.url.replace('127.0.0.1', 'localhost')}/v1")
    assert moved.status == 303, moved.text
    assert "It has no key of its own here." in admin.get("/admin/providers/moving").text
    second.seen.clear()
    assert town.chat(model=sold(town, "moving")).status == 200
    assert second.bearers() == [""]
    named = act(admin, "moving", "change", name="Moved <b>on</b>", first_event_s="7.5")
    assert named.status == 303
    page = admin.get("/admin/providers/moving").text
    assert "Moved &lt;b&gt;on&lt;/b&gt;" in page
    assert town.house.gateway.market.providers["moving"].deadlines.first_event_s == 7.5
    for wrong in ("0", "-1", "soon", "1e9", "nan"):
        answer = act(admin, "moving", "change", first_event_s=wrong, name="Typed")
        assert (answer.status, "Typed" in answer.text) == (400, True), wrong
    assert act(admin, "moving", "remove").status == 303


def test_another_address_of_the_list_forgets_them_too(town: World, second: Second, admin: Browser) -> None:
    """Its list is asked for with the key; where clouds hand out credentials, nothing is asked for."""
    assert add(admin, base_url=second.url, slug="listing", key=SECRET, free="yes").status == 303
    refused = act(admin, "listing", "change", models_url="http://169.254.169.254/latest")
    assert (refused.status, "no address of a server" in refused.text) == (400, True)
    same = act(admin, "listing", "change", models_url=f"{second.url}/models")
    assert same.status == 303, same.text
    assert "It has no key of its own here." not in admin.get("/admin/providers/listing").text
    second.seen.clear()
    elsewhere = f"{second.simulator.url.replace('127.0.0.1', 'localhost')}/v1/models"
    assert act(admin, "listing", "change", models_url=elsewhere).status == 303
    assert "It has no key of its own here." in admin.get("/admin/providers/listing").text
    assert set(second.bearers()) <= {""}
    assert act(admin, "listing", "remove").status == 303


def test_a_list_that_comes_late_brings_nothing_back(town: World, second: Second, admin: Browser) -> None:
    """A server that was removed, or moved, while it was asked for its models."""
    assert add(admin, base_url=second.url, slug="gone", free="yes").status == 303
    desk = town.house.providers
    [block] = [each for each in desk.config.providers if each.slug == "gone"]
    assert act(admin, "gone", "remove").status == 303
    before = rows_of(town)
    assert town.run(desk._supply.list_server(block)) == 0
    assert rows_of(town) == before
    assert add(admin, base_url=second.url, slug="gone", free="yes").status == 303
    old = structs.replace(block, base_url=f"{second.simulator.url.replace('127.0.0.1', 'localhost')}/v1")
    assert town.run(desk._supply.list_server(old)) == 0
    assert act(admin, "gone", "remove").status == 303


def test_it_is_there_after_a_restart(town: World, second: Second, admin: Browser) -> None:
    """What is in force is what the database says: read anew, it is the same."""
    assert add(admin, base_url=second.url, slug="lasting", key=SECRET, free="yes").status == 303
    reread(town)
    assert town.house.gateway.credentials["lasting"] == SECRET
    assert town.chat(model=sold(town, "lasting")).status == 200
    assert act(admin, "lasting", "switch", enabled="off").status == 303
    reread(town)
    assert "lasting" not in town.house.gateway.market.providers
    assert act(admin, "lasting", "remove").status == 303


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "No list of models"),
        ({"base_url": "ftp://example.com"}, "an address such as"),
        ({"base_url": "http://[::1"}, "Invalid IPv6 URL"),
        ({"base_url": "http://[abc]/v1"}, "base_url"),
        ({"base_url": "http://localhost:99999/v1", "models": "one"}, "Port out of range"),
        ({"base_url": "SECOND", "slug": "x", "models_url": "http://169.254.169.254/v1"}, "no address of a server"),
        ({"base_url": "http://user:pass@127.0.0.1/v1"}, "no password"),
        ({"base_url": "http://169.254.169.254/latest"}, "no address of a server"),
        ({"base_url": "http://[fe80::1]/v1"}, "no address of a server"),
        ({"base_url": "http://0.0.0.0/v1"}, "no address of a server"),
        ({"base_url": "http://metadata.google.internal/v1"}, "hand out credentials"),
        ({"base_url": "SECOND", "slug": "Not A Slug"}, "small letters, digits and dashes"),
        ({"base_url": "SECOND", "slug": "a"}, "already"),
        ({"base_url": "SECOND", "slug": "openai"}, "the catalog has a provider"),
        ({"base_url": "SECOND", "speaks": "telepathy", "slug": "x"}, "no such format"),
        ({"base_url": "SECOND", "slug": "x", "key": "k\u00e9y"}, "letter that no key has"),
        ({"base_url": "", "slug": "nobody-at-all"}, "Choose a provider of the catalog"),
        ({"base_url": "", "slug": ""}, "small letters, digits and dashes"),
    ],
)
def test_what_can_t_be_added(town: World, second: Second, admin: Browser, fields: dict[str, str], said: str) -> None:
    """The form comes again with what was typed but the key, and says why; nothing was added."""
    before = rows_of(town)
    sent = {**fields, "base_url": fields["base_url"].replace("SECOND", second.url), "name": "Kept as typed"}
    answer = add(admin, **{"key": SECRET, **sent})
    assert answer.status == 400, answer.text
    assert said in answer.text
    assert "Kept as typed" in answer.text
    assert SECRET not in answer.text
    assert rows_of(town) == before


def test_a_provider_of_the_catalog_needs_its_key_alone(town: World, admin: Browser) -> None:
    """It is live with it, at the catalog's own address, and not without."""
    page = admin.get("/admin/providers/groq")
    assert "set GROQ_API_KEY" in page.text
    assert act(admin, "groq", "key", key="gsk_0123456789abcdefghijklmn").status == 303
    assert "groq" in town.house.gateway.market.providers
    shown = admin.get("/admin/providers/groq").text
    assert "Added here" in shown
    assert "gsk_0123456789abcdefghijklmn" not in shown
    assert act(admin, "groq", "change", base_url="http://127.0.0.1:9/v1").status == 400
    assert act(admin, "groq", "remove").status == 303
    assert "groq" not in town.house.gateway.market.providers


def test_what_the_file_says_stays(town: World, admin: Browser) -> None:
    """Read-only, save for the switch, which any provider has."""
    page = admin.get("/admin/providers/a")
    assert "Defined in tollway.toml" in page.text
    assert 'action="/admin/providers/a/change"' not in page.text
    fields = {"first_event_s": "1", "idle_s": "1", "whole_s": "1", "total_s": "1"}
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token is not None
    for what in ("change", "remove", "drop"):
        assert admin.post(f"/admin/providers/a/{what}", csrf=token[1], **fields).status == 404, what
    assert admin.post("/admin/providers/a/key", csrf=token[1], key=SECRET).status == 400
    assert act(admin, "a", "switch", enabled="off").status == 303
    assert town.chat().status != 200
    assert act(admin, "a", "switch", enabled="on").status == 303
    assert town.chat().status == 200


def weights(town: World) -> dict[str, float]:
    """Of the endpoints on offer, by provider."""
    offers = town.house.gateway.market.offers.values()
    return {stall.endpoint.provider: stall.weight for offer in offers for stall in offer.stalls}


def test_weights(town: World, admin: Browser) -> None:
    """In force at once, also after a start; the switch keeps them; what is no weight is refused, and why."""
    assert act(admin, "a", "weight", weight="2,5").headers["location"] == "/admin/providers/a?done=weight"
    assert (weights(town)["a"], weights(town)["b"]) == (2.5, 1.0)
    assert {each["slug"]: each["weight"] for each in admin.get("/admin/providers.json").json["data"]}["a"] == 2.5
    assert any('"weight":"2.5"' in each for each in entries(town, "provider.weighed"))
    for what in ("off", "on"):
        assert act(admin, "a", "switch", enabled=what).status == 303
    reread(town)
    assert weights(town)["a"] == 2.5
    for wrong in ("", "-1", "101", "nan", "inf", "much"):
        refused = act(admin, "a", "weight", weight=wrong)
        assert (refused.status, "from 0 to 100" in refused.text) == (400, True), wrong
    token = re.search(r'name="csrf" value="([^"]+)"', admin.get("/admin/providers/a").text)
    assert token is not None
    assert admin.post("/admin/providers/nobody/weight", csrf=token[1], weight="1").status == 404
    assert act(admin, "a", "weight", weight="0").status == 303
    assert town.chat().status == 200, "the only one that can answer still does"
    assert act(admin, "a", "weight", weight="1").status == 303


def test_what_the_file_said_ends_with_it(town: World, admin: Browser) -> None:
    """Of a provider of the file only what was said here is kept: not its address, nor whether the file has it on."""
    assert act(admin, "b", "weight", weight="2").status == 303
    [kept] = [each for each in town.run(list_kept(town.house.database)) if each.slug == "b"]
    assert decoded(kept) == ProviderConfig("b", weight=2.0)
    off = merged(ProviderConfig("b", base_url="http://127.0.0.1:9/v1", enabled=False), decoded(kept))
    assert (off.enabled, merged(ProviderConfig("b"), decoded(kept)).enabled) == (False, True)
    assert act(admin, "b", "weight", weight="1").status == 303


def test_a_weight_of_the_file_is_the_files() -> None:
    """It wins over the site's; where the file says none, the site's counts."""
    block, kept = ProviderConfig("x", weight=3.0), ProviderConfig("x", weight=2.0)
    assert merged(block, kept).weight == 3.0
    assert merged(ProviderConfig("x"), kept).weight == 2.0
    assert merged(ProviderConfig("x"), ProviderConfig("x")).weight is None


def test_a_test_that_fails_says_why(town: World, admin: Browser) -> None:
    """Status and the provider's own words; no generation is recorded, and nobody is charged."""
    count = town.run(town.house.database.read("SELECT COUNT(*) FROM generations"))
    answer = act(admin, "b", "test", model="b:m@fail=503")
    assert answer.status == 200
    assert ">failed<" in answer.text
    assert "<dd>503</dd>" in answer.text
    town.settled()
    assert town.run(town.house.database.read("SELECT COUNT(*) FROM generations")) == count
    assert act(admin, "b", "test", model="no-such-model").status == 404
    assert admin.submit(admin.get("/admin/providers/a"), "/admin/providers/nobody/test").status == 403


def test_endpoints_are_switched(town: World, admin: Browser) -> None:
    """One alone; another provider's is not there."""
    id_ = next(each.id for each in town.house.gateway.market.offers["test/model"].live)
    assert act(admin, "a", "endpoint", endpoint=id_, enabled="off").status == 303
    assert town.chat().status != 200
    assert any(id_ in each for each in entries(town, "endpoint.disabled"))
    assert act(admin, "a", "endpoint", endpoint=id_, enabled="on").status == 303
    assert town.chat().status == 200
    assert act(admin, "a", "endpoint", endpoint="b:m@fail=503", enabled="off").status == 404
    assert act(admin, "a", "endpoint", endpoint="a:nothing", enabled="off").status == 404


def test_the_list_and_its_files(town: World, admin: Browser) -> None:
    """Those in use; with `show=all` everybody of the catalog; the same rows as data."""
    used = admin.get("/admin/providers.json").json["data"]
    assert {each["slug"]: each["source"] for each in used if each["live"]} == {"a": "tollway.toml", "b": "tollway.toml"}
    everybody = admin.get("/admin/providers.json?show=all").json["data"]
    assert len(everybody) > 50
    assert "openai" in admin.get("/admin/providers.csv?search=openai").text
    assert "None is like that" in admin.get("/admin/providers?search=no-such-provider").text
    assert json.loads(admin.get("/admin/providers.json?search=b").text)["data"]


def test_keys_are_rotated_with_the_ring(town: World, second: Second, admin: Browser) -> None:
    """`tollway byok rotate` puts them under the new key as well, and they go on working."""
    assert add(admin, base_url=second.url, slug="turning", key=SECRET, free="yes").status == 303
    [(before,)] = town.run(
        town.house.database.read("SELECT ring_key FROM kept_provider_keys WHERE provider = 'turning'")
    )
    token = {"authorization": f"Bearer {town.house.control_token}"}
    rotated = request(town.url, "POST", "/control/v1/byok/rotate", {"drop": True}, headers=token)
    assert (rotated.status, rotated.json["unreadable"]) == (200, 0)
    [(after,)] = town.run(
        town.house.database.read("SELECT ring_key FROM kept_provider_keys WHERE provider = 'turning'")
    )
    assert after != before
    reread(town)
    assert town.house.gateway.credentials["turning"] == SECRET
    assert act(admin, "turning", "remove").status == 303


def test_the_command_line_sees_them(town: World, second: Second, admin: Browser) -> None:
    """What reads the configuration reads the site's providers as well, with their keys."""
    assert add(admin, base_url=second.url, slug="listed", key=SECRET, free="yes").status == 303

    async def merged() -> Config:
        config = town.house.config
        return await with_kept(config, town.house.database, ring_at_hand(config))

    found = {each.slug: each for each in town.run(merged()).providers}
    assert found["listed"].keys == (SECRET,)
    assert SECRET not in repr(found["listed"])
    standing = {each.slug: each for each in standings(town.house.gateway.market.catalog, town.run(merged()))}
    assert (standing["listed"].live, standing["listed"].priced) == (True, 2)
    assert act(admin, "listed", "remove").status == 303


def test_a_backup_without_its_ring_is_refused(town: World, second: Second, admin: Browser) -> None:
    """A start whose ring lacks the key of a stored secret says so, instead of calling a provider without a key."""
    assert add(admin, base_url=second.url, slug="ringed", key=SECRET, free="yes").status == 303
    other = structs.replace(town.house.config, byok=ByokSettings(ring=(base64.b64encode(b"r" * 32).decode(),)))

    async def start() -> None:
        await open_ring(other, town.house.database)

    with pytest.raises(StorageError, match="without which keys of providers can't be read"):
        town.run(start())
    assert act(admin, "ringed", "remove").status == 303
