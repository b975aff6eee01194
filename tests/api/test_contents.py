"""Kept prompts and answers: who has them kept, who sees them, what they take off a price, and where they are not."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import Answer, Secret, World, ask, offer, request, world
from tollway.domain.identity import KeyKind, key_number
from tollway.domain.people import Role, User
from tollway.domain.retention import Records
from tollway.gateway.retention import drop_old_contents
from tollway.identity.credentials import open_ring, rotate
from tollway.storage.audit import audit_ledger
from tollway.storage.database import Statement
from tollway.storage.members import delete_workspace

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}
PRIVATE, SHARED = "is_observability_io_logging_enabled", "is_data_discount_logging_enabled"
RATE, KEYS = "io_logging_sampling_rate", "io_logging_api_key_ids"
CANARY = "canary-of-prompts"
CHAT = "/api/v1/chat/completions"


class Place:
    """A workspace with credits, its owner, a provisioning key and a key for models."""

    def __init__(self, it: World, name: str, **settings: Any) -> None:
        self.world, self.name = it, name
        self.owner = it.new_user(f"owner-{name}", Role.OWNER, name)
        self.manager = it.new_key(name, creator=self.owner, **PROVISIONING)
        self.key = it.new_key(name, credits_usd="10", creator=self.owner)
        if settings:
            assert self.change(**settings).status == 200

    def change(self, **settings: Any) -> Answer:
        path = f"/api/v1/workspaces/{self.name}"
        return request(self.world.url, "PATCH", path, settings, headers=self.manager.headers)

    def asked(self, key: Secret | None = None, path: str = CHAT, **fields: Any) -> str:
        """The id of a request that was answered."""
        answer = self.world.chat(path, headers=(key or self.key).headers, **fields)
        assert answer.status == 200, answer.text
        return str((answer.events[0] if fields.get("stream") else answer.json)["id"])

    def content(self, id_: str, who: Secret | User | None = None) -> Answer:
        self.world.settled()
        contents = self.world.house.gateway.contents
        assert contents is not None
        self.world.run(contents.drain())
        who = who or self.key
        door, headers = ("api", who.headers) if isinstance(who, Secret) else ("account", self.world.signed_in(who))
        return request(self.world.url, "GET", f"/{door}/v1/generation/content?id={id_}", headers=headers)


@pytest.fixture(scope="module")
def private(well: World) -> Place:
    return Place(well, "keeps", **{PRIVATE: True})


@pytest.mark.parametrize("stream", [False, True])
def test_prompt_and_answer(well: World, private: Place, stream: bool) -> None:
    """As the OpenAPI file has it; whole and streamed alike, reasoning apart, as the key that asked sees it."""
    id_ = private.asked(model="test/reasoning", content="Think.", stream=stream)
    data = private.content(id_).json["data"]
    assert set(data) == {"input", "output", "error"}
    assert data["input"] == {"messages": [{"role": "user", "content": "Think."}]}
    assert data["error"] is None
    whole = well.chat(model="test/reasoning", content="Think.").json["choices"][0]["message"]
    assert len(data["output"]["completion"].split()) == len(whole["content"].split())
    assert data["output"]["reasoning"]


def test_tools_and_several_answers(private: Place) -> None:
    """Tool calls are kept as OpenAI writes them; of several answers the first, and all of them."""
    called = private.content(private.asked(model="test/tools", tools=TOOLS)).json["data"]["output"]
    assert [call["function"]["name"] for call in called["tool_calls"]] == ["look"]
    streamed = private.content(private.asked(model="test/tools", tools=TOOLS, stream=True)).json["data"]["output"]
    assert [call["function"] for call in streamed["tool_calls"]] == [call["function"] for call in called["tool_calls"]]
    twice = private.content(private.asked(n=2)).json["data"]["output"]
    assert twice["choices"][0]["completion"] == twice["completion"]
    assert len(twice["choices"]) == 2


TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/api/v1/completions", {"model": "test/model", "prompt": "Once."}, {"prompt": "Once."}),
        ("/api/v1/embeddings", {"model": "test/embed", "input": "One."}, {"prompt": "One."}),
        (
            "/api/v1/embeddings",
            {"model": "test/embed", "input": ["One.", "Two."]},
            {"messages": [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]},
        ),
        (
            "/api/v1/messages",
            {"model": "test/model", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]},
            {"messages": [{"role": "user", "content": "Hi."}]},
        ),
    ],
)
def test_other_formats(well: World, private: Place, path: str, body: Any, expected: Any) -> None:
    """What was asked, in whichever format; of embeddings there is no answer to keep."""
    answer = request(well.url, "POST", path, body, headers=private.key.headers)
    assert answer.status == 200
    id_ = answer.headers["x-generation-id"]
    data = private.content(id_).json["data"]
    assert data["input"] == expected
    assert bool(data["output"]["completion"]) is ("embeddings" not in path)


def test_a_failure(failing: World) -> None:
    """What the caller was told, and what each provider that was tried had said."""
    place = Place(failing, "keeps-failures", **{PRIVATE: True})
    answer = failing.chat(model="fail/500", headers=place.key.headers)
    assert answer.status == 502
    data = place.content(answer.headers["x-generation-id"]).json["data"]
    assert data["output"] == {"completion": None, "reasoning": None}
    assert (data["error"]["status"], data["error"]["message"]) == (502, answer.error["message"])
    assert data["error"]["provider_name"] == "a"
    assert data["error"]["previous_errors"]
    assert {each["code"] for each in data["error"]["previous_errors"]} == {500}


def test_nothing_without_a_wish(well: World) -> None:
    """Off by default; a workspace that has it off again keeps what it had until its time is over."""
    place = Place(well, "silent")
    assert place.content(place.asked()).status == 404
    place.change(**{PRIVATE: True})
    kept = place.asked()
    assert place.content(kept).status == 200
    place.change(**{PRIVATE: False})
    assert "had not switched that on" in place.content(place.asked()).error["message"]
    assert place.content(kept).status == 200


@pytest.fixture(scope="module")
def discreet() -> Iterator[World]:
    """A world whose provider keeps nothing and trains on nothing."""
    with world(offer(), provider={"retains": False, "trains": False}) as it:
        yield it


@pytest.mark.parametrize("provider", [{"zdr": True}, {"data_collection": "deny"}])
def test_a_request_forbids_it(discreet: World, provider: dict[str, Any]) -> None:
    """Zero retention and no collection, when a request says so, are about us as well; and the price is the full one."""
    place = Place(discreet, f"forbids-{'zdr' in provider}", **{PRIVATE: True, SHARED: True})
    answer = discreet.chat(headers=place.key.headers, provider=provider)
    assert answer.status == 200, answer.text
    assert place.content(answer.json["id"]).status == 404
    usage = answer.json["usage"]
    assert usage["cost"] == (usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000) / 10**9
    assert place.content(place.asked(provider={"zdr": False})).status == 200


@pytest.mark.parametrize("ruled", [{"zdr": True}, {"data_collection": "deny"}])
def test_what_is_ruled_for_providers(discreet: World, ruled: dict[str, Any]) -> None:
    """A workspace that lets no provider keep anything may keep its own records, and shares nothing."""
    place = Place(discreet, f"ruled-{'zdr' in ruled}", **{PRIVATE: True, "provider": ruled})
    assert place.content(place.asked()).status == 200
    assert "nothing would be shared" in place.change(**{SHARED: True}).error["message"]
    guarded = Place(discreet, f"guarded-{'zdr' in ruled}", **{SHARED: True})
    rule = {"enforce_zdr": True} if "zdr" in ruled else {"enable_paid_model_training": False}
    rule |= {} if "zdr" in ruled else {"enable_free_model_training": False}
    made = request(
        discreet.url, "POST", "/api/v1/guardrails", {"name": "Strict", **rule}, headers=guarded.manager.headers
    )
    assert made.status == 201, made.text
    path = f"/api/v1/guardrails/{made.json['data']['id']}/assignments/keys"
    assign = {"key_hashes": [guarded.key.key.id]}
    assert request(discreet.url, "POST", path, assign, headers=guarded.manager.headers).status == 200
    assert guarded.content(guarded.asked()).status == 404


def test_of_some_keys(well: World) -> None:
    """Keys are named by OpenRouter's numbers or by their hashes; only theirs is kept, only they have the discount."""
    place = Place(well, "some-keys", **{PRIVATE: True})
    other = well.new_key("some-keys", creator=place.owner)
    for named in (key_number(other.key.id), other.key.id):
        shown = place.change(**{KEYS: [named]}).json["data"]
        assert (shown[KEYS], shown["io_logging_api_key_hashes"]) == ([key_number(other.key.id)], [other.key.id])
        assert place.content(place.asked()).status == 404
        assert place.content(place.asked(other), other).status == 200
    assert place.change(**{KEYS: None}).json["data"][KEYS] is None
    assert place.content(place.asked()).status == 200


def test_a_sample(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dice decide, request by request."""
    place = Place(well, "sampled", **{PRIVATE: True, RATE: 0.25})
    monkeypatch.setattr(well.house.gateway, "dice", lambda: 0.24)
    assert place.content(place.asked()).status == 200
    monkeypatch.setattr(well.house.gateway, "dice", lambda: 0.25)
    assert place.content(place.asked()).status == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({RATE: 0}, RATE),
        ({RATE: 1.01}, RATE),
        ({KEYS: []}, KEYS),
        ({KEYS: [7]}, "no key 7"),
        ({KEYS: ["0" * 64]}, "no key 0"),
        ({PRIVATE: "yes"}, PRIVATE),
        ({SHARED: True, "provider": {"zdr": True}}, "nothing would be shared"),
        ({SHARED: True, "provider": {"data_collection": "deny"}}, "nothing would be shared"),
    ],
)
def test_bad_wishes(well: World, body: dict[str, Any], said: str) -> None:
    """A 400 that names it, and nothing is changed."""
    place = Place(well, f"bad-{abs(hash(str(body)))}")
    answer = place.change(**body)
    assert answer.status == 400
    assert said in answer.error["message"]
    shown = request(well.url, "GET", f"/api/v1/workspaces/{place.name}", headers=place.manager.headers).json["data"]
    assert (shown[PRIVATE], shown[SHARED], shown[RATE], shown[KEYS]) == (False, False, 1, None)


def test_who_sees_it(well: World, private: Place) -> None:
    """The key that asked, provisioning keys and people who manage the workspace; nobody else, and no other tenant."""
    id_ = private.asked()
    member = well.new_user("member-keeps", Role.MEMBER, "keeps")
    of_member = well.new_key("keeps", creator=member)
    theirs = private.asked(of_member)
    for who in (private.key, private.manager, private.owner):
        assert private.content(id_, who).status == 200, who
    for mine in (of_member, member):
        assert private.content(theirs, mine).status == 200
    assert private.content(id_, of_member).status == 403
    assert private.content(theirs, private.key).status == 403
    assert private.content(id_, member).status == 404
    stranger = Place(well, "stranger")
    for who in (stranger.key, stranger.manager, stranger.owner):
        hidden, absent = stranger.content(id_, who), stranger.content("gen-1-none", who)
        assert (hidden.status, hidden.text.replace(id_, "gen-1-none")) == (404, absent.text)
    assert request(well.url, "GET", f"/api/v1/generation/content?id={id_}").status == 401
    assert private.content("").status == 400


def test_the_discount(well: World) -> None:
    """Sharing takes 1% off each price: the caller's cost, the ledger and the dry run say the same, to the digit."""
    place = Place(well, "shares", **{SHARED: True})
    answer = well.chat(headers=place.key.headers)
    usage = answer.json["usage"]
    due = (usage["prompt_tokens"] * 990 + usage["completion_tokens"] * 1980) / 10**9
    assert usage["cost"] == due
    shown = request(well.url, "GET", f"/api/v1/generation?id={answer.json['id']}", headers=place.key.headers)
    assert shown.json["data"]["usage"] == due
    credits_ = request(well.url, "GET", "/api/v1/credits", headers=place.manager.headers).json["data"]
    assert credits_["total_usage"] == due
    assert place.content(answer.json["id"]).status == 200
    dry = request(well.url, "POST", "/api/v1/route", ask(), headers=place.key.headers).json
    full = request(well.url, "POST", "/api/v1/route", ask(), headers=well.key.headers).json
    prices, listed = (each["data"]["endpoints"][0]["pricing"] for each in (dry, full))
    assert (prices["prompt"], prices["completion"]) == ("0.00000099", "0.00000198")
    assert all(Decimal(prices[name]) == Decimal(listed[name]) * Decimal("0.99") for name in listed)
    assert not any(finding.broken for finding in well.run(audit_ledger(well.house.database)))


def test_no_discount_where_nothing_is_lower(well: World) -> None:
    """The platform's price is fixed: nothing is shared there."""
    place = Place(well, "shares-apart", **{SHARED: True})
    answer = well.chat("/platform/api/v1/chat/completions", headers=place.key.headers)
    assert answer.status == 200
    assert place.content(answer.json["id"]).status == 404


def test_long_ones_are_cut() -> None:
    """What is kept is bounded: long texts are cut with a word about it, then the first messages are left out."""
    with world(offer(), settings={"records": Records(content_max_bytes=4096)}) as it:
        place = Place(it, "long", **{PRIVATE: True})
        data = place.content(place.asked(content="x" * 50_000)).json["data"]
        [message] = data["input"]["messages"]
        assert message["content"].startswith("x" * 100)
        assert "more characters are not kept" in message["content"]
        assert len(message["content"]) < 4096
        many = [{"role": "user", "content": f"{n} " + "y" * 60} for n in range(500)]
        data = place.content(place.asked(messages=many)).json["data"]
        assert 1 <= len(data["input"]["messages"]) < 100
        assert data["input"]["messages"][-1]["content"].startswith("499 ")


@pytest.fixture
def kept() -> Iterator[World]:
    with world(offer(at=("a",))) as it:
        yield it


def test_at_rest(kept: World) -> None:
    """No word of prompt or answer is in any file, log of names or metric; moved to another place it does not open."""
    place = Place(kept, "canaries", **{PRIVATE: True})
    id_ = place.asked(content=CANARY)
    assert CANARY in place.content(id_).text
    house = kept.house
    for file in house.config.data_dir.iterdir():
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), file.name
    assert "tollway_contents_kept 1" in kept.request("GET", "/metrics").text
    other = place.asked(content="another")
    assert place.content(other).status == 200
    swap = "UPDATE generation_contents SET generation_id = :to WHERE generation_id = :id"
    for id_from, id_to in ((id_, "x"), (other, id_), ("x", other)):
        kept.run(house.database.write(Statement(swap, ({"id": id_from, "to": id_to},))))
    assert place.content(id_).status == 404
    assert place.content(other).status == 404


def test_rotation_and_retention(kept: World) -> None:
    """Another key of the ring, the same contents; old ones go by their time, all of them with their workspace."""
    place = Place(kept, "rotated", **{PRIVATE: True})
    ids = [place.asked(content=f"number {n}") for n in range(3)]
    assert all(place.content(id_).status == 200 for id_ in ids)
    house = kept.house
    before = house.gateway.own.ring.current
    done = kept.run(rotate(house.config, house.database, house.gateway.own.ring, drop=True))
    assert (done.secrets, done.unreadable) == (3, 0)
    assert house.gateway.own.ring.current != before
    fresh = kept.run(open_ring(house.config, house.database))
    assert before not in fresh.ids
    assert [place.content(id_).json["data"]["input"]["messages"][0]["content"] for id_ in ids] == [
        f"number {n}" for n in range(3)
    ]
    now_ms = house.gateway.now_ms()
    kept.run(drop_old_contents(house.database, now_ms - 60_000))
    assert place.content(ids[0]).status == 200
    kept.run(drop_old_contents(house.database, now_ms + 60_000))
    assert [place.content(id_).status for id_ in ids] == [404] * 3
    assert request(kept.url, "GET", f"/api/v1/generation?id={ids[0]}", headers=place.key.headers).status == 200


def test_a_deleted_workspace(kept: World) -> None:
    """Nothing that was said in it stays."""
    place = Place(kept, "leaving")
    made = request(
        kept.url,
        "POST",
        "/api/v1/workspaces",
        {"name": "Gone", "slug": "gone", PRIVATE: True},
        headers=place.manager.headers,
    ).json["data"]
    assert made[PRIVATE] is True
    key = kept.new_key(made["id"], credits_usd="0.00002", creator=place.owner)
    answer = kept.chat(headers=key.headers, max_tokens=5)
    count = "SELECT COUNT(*) FROM generation_contents WHERE workspace_id = :id"
    place.content(answer.headers["x-generation-id"], key)
    [[there]] = kept.run(kept.house.database.read(count, id=made["id"]))
    assert there == 1
    kept.run(kept.house.database.write(*delete_workspace(made["id"], 1)))
    [[there]] = kept.run(kept.house.database.read(count, id=made["id"]))
    assert there == 0


def test_a_lost_one_costs_nothing(kept: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded, and so is patience: what does not fit is counted, and the answer is as it always is."""
    place = Place(kept, "crowded", **{PRIVATE: True})
    monkeypatch.setattr("tollway.gateway.contents.QUEUE_MAX", 0)
    id_ = place.asked()
    assert place.content(id_).status == 404
    assert "tollway_contents_lost 1" in kept.request("GET", "/metrics").text
    shown = request(kept.url, "GET", f"/api/v1/generation?id={id_}", headers=place.key.headers)
    assert shown.json["data"]["usage"] > 0


def test_a_server_that_keeps_nothing() -> None:
    """Where the operator keeps no content or gives no discount, who asks for it hears so."""
    with world(offer(), settings={"records": Records(content_keep_days=0)}) as it:
        place = Place(it, "hopeful")
        assert "keeps no prompts" in place.change(**{PRIVATE: True}).error["message"]
        id_ = place.asked()
        answer = request(it.url, "GET", f"/api/v1/generation/content?id={id_}", headers=place.key.headers)
        assert answer.status == 404
    with world(offer(), settings={"records": Records(content_discount_percent=0)}) as it:
        place = Place(it, "hopeful", **{PRIVATE: True})
        assert "no discount" in place.change(**{SHARED: True}).error["message"]
        assert place.content(place.asked()).status == 200


def test_the_sdk_reads_it(well: World, private: Place) -> None:
    """OpenRouter's own client, with the types that it insists on."""
    id_ = private.asked(content="For the SDK.")
    private.content(id_)
    with openrouter(well, private.key) as client:
        found = client.generations.list_generation_content(id=id_)
        assert found.data.output.completion
        assert found.data.error is None
        shown = client.generations.get_generation(id=id_)
        assert shown.data.id == id_
    with openrouter(well, private.manager) as client:
        changed = client.workspaces.update(id="keeps", io_logging_sampling_rate=1)
        assert changed.data.is_observability_io_logging_enabled
