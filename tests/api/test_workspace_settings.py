"""What a workspace wants, over HTTP: every kind of request obeys, from the next one on, and says whose wish it was."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import Secret, World, ask, offer, request, world
from tollway.domain.catalog import Operation

HELLO: Any = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def three() -> Iterator[World]:
    """A model at three providers, the first the cheapest; another at one; one for embeddings at two."""
    embed = offer("test/embed", "embed", at=("a", "b"), completion=None, operation=Operation.EMBEDDINGS)
    with world(offer("test/model", at=("a", "b", "c")), offer("test/other", "other", at=("a",)), embed) as it:
        yield it


def settle(where: World, workspace: str, **changes: str) -> Any:
    """Changes a workspace's settings as the command line does."""
    body = {"workspace": workspace, "changes": {name.replace("__", "."): value for name, value in changes.items()}}
    headers = {"authorization": f"Bearer {where.house.control_token}"}
    return request(where.url, "POST", "/control/v1/workspaces", body, headers=headers)


def provider_of(where: World, key: Secret, **fields: Any) -> str:
    """Who answers a request."""
    answer = where.chat(headers=key.headers, **fields)
    assert answer.status == 200, answer.text
    return str(answer.json["provider"])


@pytest.fixture
def key(three: World, request: pytest.FixtureRequest) -> Secret:
    """A key of a workspace of the test's own."""
    return three.new_key(f"w-{request.node.name[:40].replace('[', '-').replace(']', '')}", credits_usd="1")


def test_a_running_server_obeys(three: World, key: Secret) -> None:
    """Set, said otherwise by a request, forbidden, and taken back: each from the next request on."""
    workspace = key.key.workspace_id
    provider_of(three, key)
    assert settle(three, workspace, order="c").status == 200
    assert provider_of(three, key) == "c"
    assert provider_of(three, key, provider={"order": ["b"]}) == "b"
    assert settle(three, workspace, ignore="b, c").json["settings"] == {
        "provider": {"order": ["c"], "ignore": ["b", "c"]}
    }
    assert provider_of(three, key, provider={"order": ["b"]}) == "a"
    refused = three.chat(headers=key.headers, provider={"only": ["b"]})
    assert refused.status == 404
    assert "b, c: in the workspace's ignored providers" in refused.error["message"]
    assert "a: not in provider.only" in refused.error["message"]
    other = three.new_key("w-untouched", credits_usd="1")
    assert provider_of(three, other, provider={"only": ["b"]}) == "b"
    assert settle(three, workspace, ignore="", order="").json["settings"] == {}
    assert provider_of(three, key, provider={"only": ["b"]}) == "b"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/chat/completions", ask()),
        ("/v1/chat/completions", ask(models=["test/other", "test/model"])),
        ("/api/v1/completions", {"model": "test/model", "prompt": "Hello"}),
        ("/api/v1/messages", {"model": "test/model", "messages": HELLO, "max_tokens": 9}),
        ("/v1/responses", {"model": "test/model", "input": "Hello"}),
        ("/v1beta/models/test/model:generateContent", {"contents": [{"parts": [{"text": "Hello"}]}]}),
        ("/v1/extractions", {"model": "test/model", "input": "One.", "schema": {"type": "object"}}),
        ("/api/v1/embeddings", {"model": "test/embed", "input": "Hello"}),
    ],
)
def test_no_way_round(three: World, key: Secret, path: str, body: dict[str, Any]) -> None:
    """Every kind of request: nobody is asked who keeps prompts, or may, and the error says whose policy that is."""
    settle(three, key.key.workspace_id, zdr="true")
    before = len(three.received)
    widened = {**body, "provider": {"zdr": False, "data_collection": "allow"}} if "v1beta" not in path else body
    refused = request(three.url, "POST", path, widened, headers=key.headers)
    assert refused.status == 404, refused.text
    assert "(the workspace's data policy)" in refused.text
    assert len(three.received) == before


def test_the_default_model(three: World, key: Secret) -> None:
    """The key's own, else the workspace's; a request that names one is not asked."""
    workspace = key.key.workspace_id
    refused = three.chat(model=None, headers=key.headers)
    assert refused.status == 400
    settle(three, workspace, default_model="test/other")
    assert three.chat(model=None, headers=key.headers).json["model"] == "test/other"
    assert three.chat(headers=key.headers).json["model"] == "test/model"
    control = {"authorization": f"Bearer {three.house.control_token}"}
    body = {"name": "n", "workspace": workspace, "default_model": "test/model"}
    made = request(three.url, "POST", "/control/v1/keys", body, headers=control).json
    own = {"authorization": f"Bearer {made['key']}"}
    assert three.chat(model=None, headers=own).json["model"] == "test/model"
    body["default_model"] = "@preset/x"
    assert request(three.url, "POST", "/control/v1/keys", body, headers=control).status == 400


def test_the_dry_run_obeys(three: World, key: Secret) -> None:
    """`POST /api/v1/route` plans as the request itself would be, with each reason by name."""
    settle(three, key.key.workspace_id, ignore="a", sort="price")
    found = request(three.url, "POST", "/api/v1/route", ask(), headers=key.headers).json["data"]
    assert [each["provider"] for each in found["endpoints"]] == ["b", "c"]
    assert [(each["provider"], each["rule"]) for each in found["left_out"]] == [("a", "ruling_ignored")]


def test_a_preset_is_below_its_workspace(three: World, key: Secret) -> None:
    """A preset's preferences come before the workspace's defaults, and never before what it rules."""
    settle(three, key.key.workspace_id, order="a", ignore="c")
    made = request(
        three.url, "POST", "/api/v1/presets/below/chat/completions", ask(provider={"order": ["c", "b"]}),
        headers=key.headers,
    )  # fmt: skip
    assert made.status == 200
    assert provider_of(three, key) == "a"
    assert provider_of(three, key, preset="below") == "b"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"color": "red"}, "color is no setting"),
        ({"options": "x"}, "options is no setting"),
        ({"only__x": "y"}, "only.x is no setting"),
        ({"max_price__tea": "1"}, "max_price.tea is no setting"),
        ({"max_price__prompt": "much"}, "decimal number"),
        ({"max_price__prompt": "-1"}, "decimal number"),
        ({"sort": "luck"}, "sort"),
        ({"zdr": "perhaps"}, "zdr"),
        ({"data_collection": "maybe"}, "data_collection"),
        ({"default_model": "@preset/x"}, "can't be the default"),
        ({"default_model": "m" * 300}, "default_model"),
        ({"preferred_min_throughput": "fast"}, "preferred_min_throughput"),
    ],
)
def test_what_can_t_be_set(three: World, key: Secret, changes: dict[str, str], words: str) -> None:
    """A 400 that names the setting; nothing is changed."""
    refused = settle(three, key.key.workspace_id, sort="price", **changes) if "sort" not in changes else settle(
        three, key.key.workspace_id, **changes
    )  # fmt: skip
    assert refused.status == 400
    assert words in refused.error["message"]
    assert settle(three, key.key.workspace_id).json["settings"] == {}


def test_every_setting_can_be_set_and_taken_back(three: World, key: Secret) -> None:
    """Each field in words, and the same by a dot where it is an object."""
    said = {
        "default_model": "test/other", "order": "a,b", "only": "a,b,c", "ignore": "z", "allow_fallbacks": "false",
        "require_parameters": "true", "data_collection": "allow", "zdr": "false", "enforce_distillable_text": "false",
        "quantizations": "fp8,unknown", "sort__by": "price", "sort__partition": "none", "max_price__prompt": "5",
        "preferred_min_throughput": "1.5", "preferred_max_latency__p90": "60",
    }  # fmt: skip
    found = settle(three, key.key.workspace_id, **said)
    assert found.json["settings"] == {
        "default_model": "test/other",
        "provider": {
            "order": ["a", "b"], "only": ["a", "b", "c"], "ignore": ["z"], "allow_fallbacks": False,
            "require_parameters": True, "data_collection": "allow", "zdr": False, "enforce_distillable_text": False,
            "quantizations": ["fp8", "unknown"], "sort": {"by": "price", "partition": "none"},
            "max_price": {"prompt": "5"}, "preferred_min_throughput": 1.5, "preferred_max_latency": {"p90": 60.0},
        },
    }  # fmt: skip
    assert provider_of(three, key) in {"a", "b"}
    assert settle(three, key.key.workspace_id, **dict.fromkeys(said, "")).json["settings"] == {}


def test_guests_have_none(three: World) -> None:
    """Guests have no key that settings are read with: to take some and not to obey would be worse than to refuse."""
    refused = settle(three, "guest", zdr="true")
    assert refused.status == 400
    assert "Guests have no settings" in refused.error["message"]


def test_a_workspace_that_is_not_there(three: World) -> None:
    """It has no settings: a misspelt name is told, not made."""
    refused = settle(three, "no-such-workspace", sort="price")
    assert refused.status == 404
    assert "no workspace" in refused.error["message"]
