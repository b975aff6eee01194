"""Every URL of the table with every kind of credential and the wrong methods: a new route without a row here fails."""

from typing import Any

import pytest
from msgspec import Struct

from tests.support import Answer, Secret, World, ask, request
from tollway.api.routes import Auth, hot_routes, routes
from tollway.domain.identity import KeyKind
from tollway.storage.database import StorageError


class Row(Struct, frozen=True):
    """A good request for a route. `status`: what the best credential gets."""

    path: str
    body: Any = None
    status: int = 200


CHAT = ask()
TEXT = {"model": "test/model", "prompt": "One two."}
ROWS: dict[tuple[str, str], Row] = {
    ("POST", "/api/v1/chat/completions"): Row("/api/v1/chat/completions", CHAT),
    ("POST", "/v1/chat/completions"): Row("/v1/chat/completions", CHAT),
    ("POST", "/api/v1/completions"): Row("/api/v1/completions", TEXT),
    ("POST", "/v1/completions"): Row("/v1/completions", TEXT),
    ("POST", "/api/v1/messages"): Row("/api/v1/messages", {**CHAT, "max_tokens": 20}),
    ("POST", "/v1/messages"): Row("/v1/messages", {**CHAT, "max_tokens": 20}),
    ("POST", "/api/v1/messages/count_tokens"): Row("/api/v1/messages/count_tokens", CHAT),
    ("POST", "/v1/messages/count_tokens"): Row("/v1/messages/count_tokens", CHAT),
    ("POST", "/api/v1/responses"): Row("/api/v1/responses", {"model": "test/model", "input": "One two."}),
    ("POST", "/v1/responses"): Row("/v1/responses", {"model": "test/model", "input": "One two."}),
    ("GET", "/api/v1/models"): Row("/api/v1/models?limit=1"),
    ("GET", "/v1/models"): Row("/v1/models"),
    ("GET", "/api/v1/models/{author}/{slug}/endpoints"): Row("/api/v1/models/test/model/endpoints"),
    ("GET", "/api/v1/model/{model:path}"): Row("/api/v1/model/test/model"),
    ("GET", "/api/v1/models/{model:path}"): Row("/api/v1/models/test/model"),
    ("GET", "/v1/models/{model:path}"): Row("/v1/models/test/model"),
    ("GET", "/api/v1/generation"): Row("/api/v1/generation?id={own}"),
    ("GET", "/v1/generation"): Row("/v1/generation?id={own}"),
    ("GET", "/api/v1/credits"): Row("/api/v1/credits"),
    ("GET", "/api/v1/key"): Row("/api/v1/key"),
    ("GET", "/api/v1/auth/key"): Row("/api/v1/auth/key"),
    ("GET", "/health"): Row("/health"),
    ("GET", "/livez"): Row("/livez"),
    ("GET", "/readyz"): Row("/readyz"),
    ("GET", "/metrics"): Row("/metrics"),
    ("GET", "/openapi.json"): Row("/openapi.json"),
    ("GET", "/control/v1"): Row("/control/v1"),
    ("POST", "/control/v1/keys"): Row("/control/v1/keys", {"name": "n", "workspace": "made-by-control"}),
    ("POST", "/control/v1/keys/disable"): Row("/control/v1/keys/disable", {"id": "0" * 64, "disabled": True}, 404),
    ("POST", "/control/v1/credits"): Row(
        "/control/v1/credits", {"amount": "1", "workspace": "made-by-control", "ref": "matrix"}
    ),
    ("POST", "/control/v1/catalog/changes"): Row(
        "/control/v1/catalog/changes", {"changes": [], "reason": "none", "origin": "operator", "version": 0}, 400
    ),  # a version that the catalog no longer has
    ("POST", "/control/v1/catalog/endpoint"): Row(
        "/control/v1/catalog/endpoint", {"id": "no:such", "enabled": False}, 404
    ),
    ("POST", "/control/v1/catalog/reload"): Row("/control/v1/catalog/reload"),
}
CREDENTIALS = ("none", "nonsense", "mistyped", "disabled", "expired", "control")
"""What every route refuses that wants a key; `control` is the right token at the wrong door."""


def table(world: World) -> dict[tuple[str, str], Auth]:
    """Every URL of the API with the credential that it wants."""
    found = {(route.method, route.path): route.auth for route in routes(world.house)}
    return found | dict.fromkeys(world.call(hot_routes, world.house), Auth.INFERENCE)


@pytest.fixture(scope="module")
def own(well: World) -> str:
    """The id of a generation of our workspace."""
    answer = well.chat()
    well.settled()
    return str(answer.json["id"])


@pytest.fixture(scope="module")
def keys(well: World) -> dict[str, dict[str, str]]:
    """Credential -> request headers."""
    secret = well.key.secret
    return {
        "none": {},
        "nonsense": {"authorization": "Bearer ' OR '1'='1"},
        "mistyped": {"authorization": f"Bearer {secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}"},
        "disabled": well.new_key(disabled=True).headers,
        "expired": well.new_key(expires_in_ms=-1).headers,
        "control": {"authorization": f"Bearer {well.house.control_token}"},
        "good": well.key.headers,
        "x-api-key": {"x-api-key": secret},
        "provisioning": well.new_key(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-").headers,
        "spent": well.new_key(limit_usd="0").headers,
        "poor": well.new_key("matrix-poor").headers,
    }


def ask_row(world: World, key: tuple[str, str], row: Row, own: str, headers: dict[str, str]) -> Answer:
    return request(world.url, key[0], row.path.format(own=own), row.body, headers=headers)


def test_the_table_is_covered(well: World) -> None:
    """No route without a row, no row without a route."""
    assert ROWS.keys() == table(well).keys()


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_credentials(well: World, own: str, keys: dict[str, dict[str, str]], key: tuple[str, str]) -> None:
    """Who is let in, who is refused and how. A refusal says nothing of what is there, and is the same for everybody."""
    auth, row = table(well)[key], ROWS[key]
    messages, counts = "/messages" in key[1], key[1].endswith("count_tokens")  # to count costs nothing
    openai = key[1].startswith("/v1/") and not messages
    best = "control" if auth is Auth.CONTROL else "good"
    answer = ask_row(well, key, row, own, keys[best])
    assert answer.status == row.status, answer.text
    if auth is Auth.NONE:
        for name in keys:
            assert ask_row(well, key, row, own, keys[name]).status == 200, name
        return
    refusals = set()
    for name in CREDENTIALS:
        if name == best:
            continue
        refused = ask_row(well, key, row, own, keys[name])
        assert refused.status == 401, name
        assert refused.headers["www-authenticate"] == "Bearer"
        if messages:
            assert refused.error["type"] == "authentication_error"
        else:
            assert refused.error["code"] == ("invalid_api_key" if openai or auth is Auth.CONTROL else 401)
        if name != "none":
            refusals.add(refused.text)
    assert len(refusals) == 1
    expected = {
        Auth.KEY: {"x-api-key": 200, "provisioning": 200, "spent": 200},
        Auth.INFERENCE: {
            "x-api-key": 200,
            "provisioning": 403,
            "spent": 200 if counts else 403 if openai else 402,
            "poor": 200 if counts else 403 if openai else 402,
        },
        Auth.CONTROL: {"good": 401, "provisioning": 401, "x-api-key": 401},
    }[auth]
    for name, status in expected.items():
        assert ask_row(well, key, row, own, keys[name]).status == status, name


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_wrong_methods(well: World, own: str, key: tuple[str, str]) -> None:
    """405 in the storefront's format, and nothing happens; HEAD where GET is, without a body; a preflight passes."""
    row = ROWS[key]
    path = row.path.format(own=own)
    known = {method for method, other in table(well) if other == key[1]}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
        answer = request(well.url, method, path, {}, headers=well.key.headers)
        assert answer.status == 405, method
        assert method in answer.error["message"]
        assert known <= set(answer.headers["allow"].split(", "))
    head = request(well.url, "HEAD", path, headers=well.key.headers)
    assert head.body == b""
    if key[0] == "GET" and table(well)[key] is not Auth.CONTROL:
        assert head.status == row.status
    asked = [("origin", "https://page.example"), ("access-control-request-method", key[0])]
    preflight = request(well.url, "OPTIONS", path, headers=asked)
    if path.startswith(("/api/", "/v1/")):
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert key[0] in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    else:
        assert preflight.status == 405


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_path_garbage(well: World, own: str, key: tuple[str, str]) -> None:
    """Something behind the path is another path: 404 in the storefront's format, even with the best of keys."""
    path = ROWS[key].path.partition("?")[0]
    for garbage in ("/x", "/", "//", ";a", "%00", "/../../etc/passwd", "%2e%2e"):
        answer = request(well.url, key[0], f"{path}{garbage}", ROWS[key].body, headers=well.key.headers)
        assert answer.status in {400, 404, 405}, garbage
        assert answer.error


def test_unknown_paths(well: World) -> None:
    """404, or 501 where a later release brings it, in the format of the storefront: never a page, never text."""
    for path, status in (
        ("/api/v1/nothing", 404),
        ("/v1/nothing", 404),
        ("/api/v2/models", 404),
        ("/api/v1", 404),
        ("/v1/embeddings", 501),
        ("/api/v1/rerank", 501),
        ("/api/v1/embeddings", 501),
        ("/v1/images/generations", 501),
        ("/v1beta/models", 404),
    ):
        for method in ("GET", "POST", "DELETE"):
            answer = request(well.url, method, path, headers=well.key.headers)
            assert answer.status == status, path
            assert answer.error["code"] == status or isinstance(answer.error["code"], str)
            assert type(answer.error["code"]) is (int if path.startswith(("/api/", "/v1beta")) else str)


def test_another_tenant_sees_nothing(well: World, own: str) -> None:
    """Another workspace's generation is answered like one that is not there, byte for byte."""
    stranger: Secret = well.new_key("stranger", credits_usd="1")
    absent = own[:-4] + "zzzz"
    for base in ("/api/v1", "/v1"):
        theirs = request(well.url, "GET", f"{base}/generation?id={own}", headers=stranger.headers)
        nobodys = request(well.url, "GET", f"{base}/generation?id={absent}", headers=stranger.headers)
        assert theirs.status == nobodys.status == 404
        assert theirs.text.replace(own, absent) == nobodys.text
        assert theirs.headers.keys() == nobodys.headers.keys()
        assert well.request("GET", f"{base}/generation?id={own}").status == 200


def test_each_workspace_has_its_own_money(well: World) -> None:
    """Credits and usage are the caller's own; another's spending does not show."""
    one, other = well.new_key("one", credits_usd="1"), well.new_key("other", credits_usd="2")
    assert well.chat(headers=one.headers).status == 200
    well.settled()

    def credits_of(key: Secret) -> Any:
        return request(well.url, "GET", "/api/v1/credits", headers=key.headers).json["data"]

    assert credits_of(one)["total_credits"] == 1
    assert credits_of(one)["total_usage"] > 0
    assert credits_of(other) == {"total_credits": 2, "total_usage": 0}


def test_a_key_is_refused_at_once_when_it_is_disabled(well: World) -> None:
    """The control URL disables a key that has been used: the next request sees it, and enabling it again too."""
    key = well.new_key("switch", credits_usd="1")
    control = {"authorization": f"Bearer {well.house.control_token}"}
    for disabled, status in ((False, 200), (True, 401), (False, 200)):
        body = {"id": key.key.id, "disabled": disabled}
        assert request(well.url, "POST", "/control/v1/keys/disable", body, headers=control).status == 200
        assert well.chat(headers=key.headers).status == status


def test_generation_without_id(well: World) -> None:
    """The query parameter that is missing is named."""
    for query in ("", "?id=", "?ID=x"):
        answer = well.request("GET", f"/api/v1/generation{query}")
        assert answer.status == 400
        assert answer.error["metadata"]["param"] == "id"


def test_openapi_describes_every_route(well: World) -> None:
    """The document lists each public route and no other, and marks those that want a key."""
    paths = well.request("GET", "/openapi.json").json["paths"]
    described = {(method.upper(), path): what for path, found in paths.items() for method, what in found.items()}
    public = {
        (method, path.replace(":path}", "}")): auth
        for (method, path), auth in table(well).items()
        if auth is not Auth.CONTROL
    }
    assert described.keys() == public.keys()
    for key, auth in public.items():
        assert ("security" in described[key]) == (auth is not Auth.NONE), key


SECRETS = "a stack trace with postgres://user:password@10.0.0.1/"


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/chat/completions", "/api/v1/generation?id=x"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_mistake_of_ours(well: World, monkeypatch: pytest.MonkeyPatch, path: str, streamed: bool) -> None:
    """Whatever breaks inside is a 500 in the storefront's format that tells nothing of what broke."""

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRETS)

    monkeypatch.setattr("tollway.api.chat.complete", broken)
    monkeypatch.setattr("tollway.api.generations.find_generation", broken)
    method = "GET" if "generation" in path else "POST"
    answer = well.request(method, path, None if method == "GET" else ask(stream=streamed))
    assert answer.status == 500
    assert answer.error["message"] == "Something went wrong on our side; it has been logged."
    assert type(answer.error["code"]) is (int if path.startswith("/api/") else str)
    assert "password" not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/generation?id=x", "/v1/generation?id=x", "/api/v1/credits", "/api/v1/key"])
def test_the_database_is_away(well: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A database that can't be asked is a 503 that says when to come back: no 404, no 500, no zero balance."""

    async def away(*_: Any, **__: Any) -> None:
        raise StorageError(SECRETS)

    monkeypatch.setattr("tollway.api.generations.find_generation", away)
    monkeypatch.setattr("tollway.api.account.balance", away)
    monkeypatch.setattr("tollway.api.account.spent_by_day", away)
    answer = well.request("GET", path)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "password" not in answer.text


def test_session_id_from_the_header(well: World) -> None:
    """`x-session-id` serves where the body has none; the body's wins; it is bounded alike."""
    for header, body, kept in (("one", None, "one"), ("one", "two", "two"), ("", None, None)):
        headers = well.key.headers | {"x-session-id": header}
        answer = well.chat(headers=headers, session_id=body)
        well.settled()
        found = well.request("GET", f"/api/v1/generation?id={answer.json['id']}").json["data"]
        assert found["session_id"] == kept
    refused = well.chat(headers=well.key.headers | {"x-session-id": "s" * 257})
    assert refused.status == 400
    assert refused.error["metadata"]["param"] == "session_id"
