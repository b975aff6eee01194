"""Another tenant's id is like one that is not there: each id in a path, a query or a body, of every URL there is."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.api.conftest import WELL
from tests.api.ids import Ids
from tests.api.managed import Row
from tests.api.test_routes import ROWS, table
from tests.support import Answer, World, ask, request, world
from tollway.api.routes import routes
from tollway.api.table import Auth
from tollway.domain.identity import KeyKind
from tollway.domain.money import NANO
from tollway.domain.payments import Order, OrderStatus
from tollway.domain.people import Role, Workspace
from tollway.storage.members import new_workspace
from tollway.storage.orders import new_order

TENANTS = (Auth.KEY, Auth.PROVISIONING, Auth.SESSION)
"""Who asks for things by their ids."""
MAKES = {("POST", f"/api/v1/presets/{{slug}}/{form}") for form in ("chat/completions", "messages", "responses")}
"""Here a slug that is not there is a new one's, and each workspace has its own."""


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server with two tenants, for this file alone."""
    with world(*WELL) as it:
        yield it


@pytest.fixture(scope="module")
def ours(town: World) -> Ids:
    return Ids(town)


@pytest.fixture(scope="module")
def theirs(town: World) -> Ids:
    return Ids(town, "elsewhere")


def headers_of(town: World, who: Ids, auth: Auth) -> dict[str, str]:
    """The credential that may do everything in the tenant's workspace."""
    if auth is Auth.SESSION:
        return town.signed_in(who.member)
    if auth is Auth.PROVISIONING:
        return town.new_key(who.place, kind=KeyKind.PROVISIONING, creator=who.member).headers
    return who.secret.headers


def concrete(town: World, key: tuple[str, str], ours: Ids) -> Row:
    """The row of a route with ids of things that are there. Rows of test_routes.py may name what is not."""
    row = ROWS[key]
    if "/sessions/{id}" in key[1]:
        town.signed_in(ours.member)
        session = town.run(town.house.people.sessions.list(ours.member.id))[0]
        return Row(f"/account/v1/sessions/{session.id}", {}, 200)
    if "/purchases/{id}" in key[1]:
        return Row(
            key[1].replace("{id}", new_purchase(town, ours)), row.body, 400 if "refund" in key[1] else 200
        )  # not paid
    return Row(ours.path(row), ours.body(row), row.status)


def new_purchase(town: World, who: Ids) -> str:
    """An order of the tenant."""
    at_ms = town.house.gateway.now_ms()
    order = Order(
        f"order-{at_ms}", who.place, "stripe", OrderStatus.PENDING, 10 * NANO, 0, 1000, "usd", at_ms, who.member.id
    )
    town.run(town.house.database.write(new_order(order)))
    return order.id


def absent(id_: str) -> str:
    """Of the same shape, and nobody's."""
    return id_[:-1] + ("y" if id_[-1] != "y" else "z") if not re.fullmatch("[0-9a-f]{16,}", id_) else "0" * len(id_)


def alike(one: Answer, other: Answer, ids: dict[str, str]) -> bool:
    """Whether two answers are the same but for these ids."""
    text = one.text
    for ours, nobodys in ids.items():
        text = text.replace(ours, nobodys)
    return (one.status, one.headers.keys(), text) == (other.status, other.headers.keys(), other.text)


def test_ids_in_paths(town: World, ours: Ids, theirs: Ids, tell: Callable[[str], None]) -> None:
    """404 for another tenant, byte for byte as for an id of nobody, and its owner still finds it afterwards."""
    tried = 0
    for key, auth in table(town).items():
        names = re.findall(r"{(\w+)(?::path)?}", key[1])
        if not names or auth not in TENANTS or key in MAKES or key[1].startswith(("/v1beta/", "/api/v1/model")):
            continue
        row = concrete(town, key, ours)
        match = re.fullmatch(re.sub(r"{\w+}", "([^/]+)", key[1]), row.path.partition("?")[0])
        assert match, key
        first = match[1]
        nobodys = absent(first)
        headers = headers_of(town, theirs, auth)
        one = request(town.url, key[0], row.path, row.body, headers=headers)
        if auth is Auth.SESSION:
            headers = headers_of(town, theirs, auth)
        other = request(town.url, key[0], row.path.replace(first, nobodys), row.body, headers=headers)
        assert one.status == 404, (key, one.text)
        assert alike(one, other, {first: nobodys}), (key, one.text, other.text)
        own = request(town.url, key[0], row.path, row.body, headers=headers_of(town, ours, auth))
        assert own.status == row.status, (key, own.text)
        tried += 1
    assert tried >= 40
    tell(f"S-T4: {tried} routes with an id in the path, another tenant's like nobody's")


def test_ids_in_queries(town: World, ours: Ids, theirs: Ids, tell: Callable[[str], None]) -> None:
    """Lists, records and exports (CSV too) of another tenant's workspace, key, user or generation: as of nobody's."""
    ids = {"workspace_id": ours.place, "api_key_hash": ours.secret.key.id, "user_id": ours.member.id, "id": ours.own}
    described = town.request("GET", "/openapi.json").json["paths"]
    tried = 0
    for (method, path), auth in table(town).items():
        if auth not in TENANTS:
            continue

        def at(who: Ids, row: Row = ROWS[method, path]) -> str:
            return who.path(row).partition("?")[0]

        for parameter in described[path.replace(":path}", "}")][method.lower()].get("parameters", ()):
            name = parameter["name"]
            if parameter["in"] != "query" or not name.endswith(("id", "hash")) or name == "app_id":
                continue
            mine, nobodys = ids[name], absent(ids[name])  # a new parameter needs its line above
            headers = headers_of(town, theirs, auth)
            one = request(town.url, method, f"{at(theirs)}?{name}={mine}", headers=headers)
            other = request(town.url, method, f"{at(theirs)}?{name}={nobodys}", headers=headers)
            assert alike(one, other, {mine: nobodys}), (path, name, one.text, other.text)
            assert ours.key not in one.text.replace(mine, "")
            assert ours.own not in one.text.replace(mine, "")
            own = request(town.url, method, f"{at(ours)}?{name}={mine}", headers=headers_of(town, ours, auth))
            assert own.status == 200 or (path.endswith("/content") and own.text != one.text), (path, name, own.text)
            tried += 1
    assert tried >= 20
    tell(f"S-T4: {tried} ids in queries")


def with_ids(body: Any, ids: dict[str, str]) -> Any:
    """A body with ids in place of others."""
    text = msgspec.json.encode(body).decode()
    for here, there in ids.items():
        text = text.replace(f'"{here}"', f'"{there}"')
    return msgspec.json.decode(text)


def test_ids_in_bodies(town: World, ours: Ids, theirs: Ids, tell: Callable[[str], None]) -> None:
    """A thing of one's own, told to take in another tenant's: parent and child of different tenants."""
    tried = 0
    for key, auth in table(town).items():
        row = ROWS[key]
        body = ours.body(row)
        ids = {each: absent(each) for each in (ours.place, ours.key, ours.member.id) if f'"{each}"' in str_of(body)}
        if key[0] == "GET" or auth not in TENANTS or not ids:
            continue
        headers = headers_of(town, theirs, auth)
        path = theirs.path(row)
        one = request(town.url, key[0], path, body, headers=headers)
        other = request(town.url, key[0], path, with_ids(body, ids), headers=headers)
        assert alike(one, other, ids), (key, one.text, other.text)
        assert one.status in (200, 400, 403, 404), (key, one.text)
        assert one.status != 200 or '_count":0' in one.text, (key, one.text)  # to take out what is not in is nothing
        tried += 1
    assert tried >= 6
    tell(f"S-T4: {tried} ids in bodies")


def str_of(body: Any) -> str:
    return msgspec.json.encode(body).decode()


@pytest.mark.parametrize("asked", [ask(preset="kept"), ask("@preset/kept"), ask("test/model@preset/kept")])
def test_presets_in_requests(town: World, ours: Ids, asked: dict[str, Any], theirs: Ids) -> None:
    """Another tenant's preset serves nobody else, whole or streamed."""
    nobodys = with_ids(asked, {"kept": "kepy", "@preset/kept": "@preset/kepy"})
    nobodys["model"] = nobodys["model"].replace("kept", "kepy")
    for stream in (False, True):
        sent = [{**each, "stream": stream} for each in (asked, nobodys)]
        one, other = (town.chat(headers=theirs.secret.headers, **each) for each in sent)
        assert one.status in (400, 404)
        assert alike(one, other, {"kept": "kepy"}), (one.text, other.text)
        own = town.chat(headers=ours.secret.headers, **sent[0])
        assert own.status == 200 or "model" not in str(asked["model"]), own.text


def test_an_admin_names_what_is_not_there(town: World) -> None:
    """For a workspace that there is not, who may do everything gets an error that is theirs, whatever they change."""
    admin = town.new_user("tenants-admin", Role.OWNER, admin=True)
    tried = 0
    for route in town.call(routes, town.house):
        fields = route.body.__struct_fields__ if route.body else ()
        if route.auth is not Auth.SESSION or "workspace_id" not in fields:
            continue
        row = ROWS[route.method, route.path]
        body = {**(row.body or {}), "workspace_id": "nowhere"}
        answer = request(town.url, route.method, row.path, body, headers=town.signed_in(admin))
        assert answer.status in (400, 404), (route.path, answer.text)  # 400: what else is wrong may be said first
        tried += 1
    assert tried >= 7


def test_a_workspace_by_its_slug(town: World) -> None:
    """An admin may name a workspace by its slug: what is made belongs to it by its id."""
    place = Workspace("an-id", "a-slug", "A place", 1)
    town.run(town.house.database.write(*new_workspace(place)))
    headers = town.signed_in(town.new_user("slugs-admin", Role.OWNER, admin=True))
    body = {"name": "by slug", "workspace_id": place.slug}
    for path in ("/account/v1/keys", "/account/v1/guardrails"):
        answer = request(town.url, "POST", path, body, headers=headers)
        assert answer.status == 201, answer.text
        assert answer.json["data"]["workspace_id"] == place.id


def test_the_operator_names_a_workspace_by_its_slug(town: World) -> None:
    """Keys and credits by the command line go to the workspace that has this slug, not to a new one beside it."""
    place = Workspace("operators-id", "operators-slug", "A place", 1)
    town.run(town.house.database.write(*new_workspace(place)))
    control = {"authorization": f"Bearer {town.house.control_token}"}
    for path, body in (
        ("keys", {"name": "n", "workspace": place.slug}),
        ("credits", {"amount": "1", "workspace": place.slug, "ref": "by-slug"}),
        ("credits", {"amount": "1", "workspace": place.slug, "ref": "by-slug"}),
    ):
        answer = request(town.url, "POST", f"/control/v1/{path}", body, headers=control)
        assert answer.status == 200, answer.text
        assert answer.json["workspace"] == place.id
