"""Guests: without a key, what the operator named and nothing else; closed until then; paid from an allowance only."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import Answer, World, ask, offer, request, world
from tollway.api.routes import hot_routes, routes
from tollway.api.table import Auth
from tollway.config import Server
from tollway.domain.storefronts import Guest
from tollway.identity.guest import COOKIE, new_visitor, visitor_of
from tollway.limits import Limiter, Limits

URL = "/api/v1/guest/chat/completions"
NOBODY: dict[str, str] = {}


@pytest.fixture(scope="module")
def open_house() -> Iterator[World]:
    """A free model and a priced one for guests, another that is not for them; behind a proxy on this machine."""
    models = ("test/free", "test/priced")
    with world(
        offer("test/free", "m@tokens=4", free=True),
        offer("test/priced"),
        offer("test/hidden", free=True),
        guest=Guest(models=models, output_max=100),
        server=Server(port=0, trusted_proxies=("127.0.0.1",)),
    ) as it:
        yield it


def asked(house: World, path: str = URL, address: str = "192.0.2.1", **fields: Any) -> Answer:
    body = ask(fields.pop("model", "test/free"), **fields)
    return request(house.url, "POST", path, body, headers={"x-forwarded-for": address})


def limit(house: World, **set_: Any) -> None:
    house.house.gateway.limiter = Limiter(Limits(**set_))


def test_two_a_minute_for_each_address(open_house: World) -> None:
    """On both URLs together, each in its manners; whole and streamed; with the headers that say so."""
    limit(open_house)
    first, second = asked(open_house), asked(open_house, "/v1/guest/chat/completions", stream=True)
    assert (first.status, second.status) == (200, 200)
    assert first.json["usage"]["cost"] == 0
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
    assert second.events[-1] == "[DONE]"
    third, fourth = asked(open_house), asked(open_house, "/v1/guest/chat/completions")
    assert (third.status, fourth.status) == (429, 429)
    assert "requests per minute without a key. The limit is 2" in third.error["message"]
    assert fourth.json["detail"] == fourth.error["message"]
    assert 25 <= int(third.headers["retry-after"]) <= 30
    assert asked(open_house, address="192.0.2.2").status == 200
    assert asked(open_house, address="203.0.113.5, 192.0.2.1").status == 429


def test_all_guests_together_have_a_day(open_house: World) -> None:
    """Whatever their addresses; what was refused does not count."""
    limit(open_house, guest_rpd=2)
    statuses = [asked(open_house, address=f"192.0.2.{number}").status for number in range(3)]
    assert statuses == [200, 200, 429]
    limit(open_house, guest_rpm=1)
    for _ in range(3):
        assert asked(open_house, model="test/hidden").status == 400
    assert asked(open_house).status == 200


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another model": ({"model": "test/hidden"}, "test/hidden: without a key there are test/free, test/priced"),
    "a variant": ({"model": "test/free:free"}, "test/free:free: without a key there are"),
    "no model": ({"model": None}, "model: without a key there are"),
    "another model besides": ({"models": ["test/hidden"]}, "models: not without a key"),
    "tools": ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools: not without a key"),
    "plugins": ({"plugins": [{"id": "web"}]}, "plugins: not without a key"),
    "several answers": ({"n": 8}, "n: not without a key"),
    "unknown fields": ({"surprise": 1}, "surprise: not without a key"),
    "an image": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://192.0.2.1/a.png"}}]}
            ]
        },
        "messages[0]: without a key only text is taken",
    ),
    "a tool's answer": (
        {"messages": [{"role": "tool", "tool_call_id": "a", "content": "b"}]},
        "messages[0]: without a key only text is taken",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_guests_may_not_ask(open_house: World, name: str) -> None:
    """A 400 that says what is allowed, on either URL; no provider is asked."""
    limit(open_house)
    before = len(open_house.received)
    fields, said = REFUSED[name]
    for path, status in ((URL, 400), ("/v1/guest/chat/completions", 404 if "model" in fields else 400)):
        answer = asked(open_house, path, **fields)
        assert answer.status == status, answer.text
        assert said in answer.error["message"]
    assert len(open_house.received) == before


def test_answers_are_short_and_bodies_small(open_house: World) -> None:
    """`output_max` bounds what is sent to the provider, whatever was asked; a body above 64 KiB is a 413."""
    limit(open_house, guest_rpm=0)
    cases: list[dict[str, Any]] = [{}, {"max_tokens": 5_000}, {"max_completion_tokens": 5_000}, {"max_tokens": 7}]
    for fields in cases:
        assert asked(open_house, **fields).status == 200
        sent = open_house.stage.bodies()[-1]
        assert (sent.get("max_tokens") or sent["max_completion_tokens"]) == min([100, *fields.values()])
    parts = [{"role": "user", "content": [{"type": "text", "text": "Only text."}]}]
    assert asked(open_house, messages=parts, routing={"max_total_per_1m": "1"}).status == 200
    assert asked(open_house, content="x" * 70_000).status == 413


def test_priced_models_are_paid_from_the_allowance(open_house: World) -> None:
    """Without credits of the workspace `guest` there is none; with some there is, until they are spent."""
    limit(open_house, guest_rpm=0)
    assert asked(open_house, model="test/priced").status == 402
    open_house.run(open_house.stage.grant("guest", "0.001"))
    assert asked(open_house, model="test/priced").status == 200
    statuses = [asked(open_house, model="test/priced", content="x" * 500).status for _ in range(12)]
    assert statuses[-1] == 402, "spent"
    open_house.settled()
    assert open_house.house.gateway.books._leases["guest"].available >= 0


def test_nothing_else_is_reached_without_a_key(open_house: World) -> None:
    """Every other URL that wants a key still does, and nothing that can be sent is the guests' key."""
    house = open_house.house
    wanted = [(route.method, route.path) for route in routes(house) if route.auth not in (Auth.NONE, Auth.BROWSER)]
    wanted += [key for key in open_house.call(hot_routes, house) if "/guest/" not in key[1]]
    assert len(wanted) > 30
    for method, path in wanted:
        path = path.replace("{model:path}", "test/free").replace("{id}", "gen-1")
        for headers in (NOBODY, {"authorization": "Bearer guest"}, {"x-api-key": ""}):
            assert request(open_house.url, method, path, ask("test/free"), headers=headers).status == 401, path
    assert request(open_house.url, "POST", "/api/v1/guest/embeddings", {}, headers=NOBODY).status == 404
    assert request(open_house.url, "GET", URL, headers=NOBODY).status == 405


def test_who_has_a_key_is_no_guest(open_house: World) -> None:
    """A key is used as at /chat/completions, with every model and its own limits; a bad one is a 401, and no guest."""
    limit(open_house, guest_rpm=1)
    for _ in range(2):
        answer = open_house.request("POST", URL, ask("test/hidden"))
        assert answer.status == 200
    for headers in ({"authorization": "Bearer nonsense"}, {"x-api-key": "guest"}, {"authorization": ""}):
        assert request(open_house.url, "POST", URL, ask("test/free"), headers=headers).status == 401


def test_the_door_is_closed_without_a_configuration() -> None:
    """No key, no answer; and no workspace of guests is made."""
    with world(offer("test/free", free=True)) as shop:
        for path in (URL, "/v1/guest/chat/completions"):
            assert request(shop.url, "POST", path, ask("test/free"), headers=NOBODY).status == 401
            assert request(shop.url, "POST", path, ask("test/free"), headers=shop.key.headers).status == 200
        assert shop.received
        rows = shop.run(shop.house.database.read("SELECT id FROM workspaces"))
        assert ("guest",) not in rows


def test_a_visitor_is_known_again_elsewhere(open_house: World) -> None:
    """The playground's cookie counts beside the address, whichever comes first; a false one counts nothing."""
    limit(open_house)
    cookie = f"{COOKIE}={new_visitor(open_house.house.pepper)}"

    def status(address: str, sent: str) -> int:
        headers = {"x-forwarded-for": address, "cookie": sent}
        return request(open_house.url, "POST", URL, ask("test/free"), headers=headers).status

    assert [status(f"198.51.100.{number}", cookie) for number in range(3)] == [200, 200, 429]
    assert [status("198.51.100.9", f"{COOKIE}={name}") for name in ("a.b", "x" * 5000, "")] == [200, 200, 429]
    assert visitor_of("a.b", b"pepper") is None
