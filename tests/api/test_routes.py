"""Every URL of the table with every kind of credential and the wrong methods: a new route without a row here fails."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.ids import Ids
from tests.api.managed import ADMIN, MANAGED, Row
from tests.api.paid import PAID
from tests.api.passkey_rows import PASSKEYS
from tests.support import Secret, World, ask, request
from tollway.api.gemini import METHODS
from tollway.api.routes import hot_routes, routes
from tollway.api.table import Auth
from tollway.domain.identity import KeyKind
from tollway.storage.database import StorageError
from tollway.storage.keys import delete_key

CHAT = ask()
TEXT = {"model": "test/model", "prompt": "One two."}
ANSWER = {"model": "test/model", "input": "One two."}
EMBED = {"model": "test/embed", "input": "One two."}
RERANK = {"model": "test/rerank", "query": "One?", "documents": ["One.", "Two."]}
MODERATE = {"model": "test/moderate", "input": "One two."}
PERSON = {"email": "new@example.com", "password": "long enough"}
ROWS: dict[tuple[str, str], Row] = {
    **{
        (method, f"/admin/v1{path}"): Row(f"/admin/v1{row.path}", row.body, row.status)
        for (method, path), row in ADMIN.items()
    },
    ("POST", "/api/v1/chat/completions"): Row("/api/v1/chat/completions", CHAT),
    ("POST", "/v1/chat/completions"): Row("/v1/chat/completions", CHAT),
    ("POST", "/api/v1/guest/chat/completions"): Row("/api/v1/guest/chat/completions", CHAT),
    ("POST", "/v1/guest/chat/completions"): Row("/v1/guest/chat/completions", CHAT),
    ("POST", "/api/v1/completions"): Row("/api/v1/completions", TEXT),
    ("POST", "/v1/completions"): Row("/v1/completions", TEXT),
    ("POST", "/api/v1/messages"): Row("/api/v1/messages", {**CHAT, "max_tokens": 20}),
    ("POST", "/v1/messages"): Row("/v1/messages", {**CHAT, "max_tokens": 20}),
    ("POST", "/api/v1/messages/count_tokens"): Row("/api/v1/messages/count_tokens", CHAT),
    ("POST", "/v1/messages/count_tokens"): Row("/v1/messages/count_tokens", CHAT),
    ("POST", "/api/v1/responses"): Row("/api/v1/responses", ANSWER),
    ("POST", "/v1/responses"): Row("/v1/responses", ANSWER),
    ("POST", "/api/v1/responses/compact"): Row("/api/v1/responses/compact", ANSWER),
    ("POST", "/v1/responses/compact"): Row("/v1/responses/compact", ANSWER),
    ("POST", "/api/v1/embeddings"): Row("/api/v1/embeddings", EMBED),
    ("POST", "/v1/embeddings"): Row("/v1/embeddings", EMBED),
    ("POST", "/api/v1/rerank"): Row("/api/v1/rerank", RERANK),
    ("POST", "/v1/rerank"): Row("/v1/rerank", RERANK),
    ("POST", "/api/v1/moderations"): Row("/api/v1/moderations", MODERATE),
    ("POST", "/v1/moderations"): Row("/v1/moderations", MODERATE),
    ("GET", "/api/v1/embeddings/models"): Row("/api/v1/embeddings/models?limit=1"),
    ("GET", "/v1/embeddings/models"): Row("/v1/embeddings/models"),
    ("GET", "/api/v1/models"): Row("/api/v1/models?limit=1"),
    ("GET", "/v1/models"): Row("/v1/models"),
    ("GET", "/api/v1/models/{author}/{slug}/endpoints"): Row("/api/v1/models/test/model/endpoints"),
    ("GET", "/api/v1/datasets/app-rankings"): Row("/api/v1/datasets/app-rankings"),
    ("GET", "/api/v1/models/count"): Row("/api/v1/models/count"),
    ("GET", "/api/v1/models/user"): Row("/api/v1/models/user?limit=1"),
    ("GET", "/api/v1/endpoints/zdr"): Row("/api/v1/endpoints/zdr"),
    ("GET", "/api/v1/model/{model:path}"): Row("/api/v1/model/test/model"),
    ("GET", "/api/v1/models/{model:path}"): Row("/api/v1/models/test/model"),
    ("GET", "/v1/models/{model:path}"): Row("/v1/models/test/model"),
    ("GET", "/v1beta/models"): Row("/v1beta/models?pageSize=1"),
    ("GET", "/v1beta/models/{model:path}"): Row("/v1beta/models/test/model"),
    ("GET", "/api/v1/generations/{id}/trace"): Row("/api/v1/generations/{own}/trace"),
    ("POST", "/api/v1/route"): Row("/api/v1/route", CHAT),
    ("POST", "/v1/extractions"): Row(
        "/v1/extractions", {"model": "test/model", "input": "One two.", "schema": {"type": "object"}}
    ),
    ("POST", "/platform/api/v1/chat/completions"): Row("/platform/api/v1/chat/completions", CHAT),
    ("GET", "/platform/api/v1/models"): Row("/platform/api/v1/models"),
    ("GET", "/platform/api/v1/requests"): Row("/platform/api/v1/requests?limit=1"),
    ("POST", "/platform/api/v1/images/generations"): Row(
        "/platform/api/v1/images/generations", {"model": "test/model", "prompt": "A robot."}, 501
    ),
    ("GET", "/v1/status/routes"): Row("/v1/status/routes"),
    ("GET", "/v1/billing/status"): Row("/v1/billing/status"),
    ("GET", "/api/v1/providers"): Row("/api/v1/providers"),
    ("GET", "/api/v1/generation"): Row("/api/v1/generation?id={own}"),
    ("GET", "/api/v1/generation/content"): Row("/api/v1/generation/content?id={own}", None, 404),  # nothing is kept
    ("GET", "/account/v1/generation"): Row("/account/v1/generation?id={own}"),
    ("GET", "/account/v1/generations/{id}/trace"): Row("/account/v1/generations/{own}/trace"),
    ("GET", "/account/v1/generation/content"): Row("/account/v1/generation/content?id={own}", None, 404),
    ("GET", "/v1/generation"): Row("/v1/generation?id={own}"),
    ("GET", "/api/v1/presets"): Row("/api/v1/presets"),
    ("GET", "/api/v1/presets/{slug}"): Row("/api/v1/presets/kept"),
    ("GET", "/api/v1/presets/{slug}/versions"): Row("/api/v1/presets/kept/versions"),
    ("GET", "/api/v1/presets/{slug}/versions/{version}"): Row("/api/v1/presets/kept/versions/1"),
    ("POST", "/api/v1/presets/{slug}/chat/completions"): Row("/api/v1/presets/made/chat/completions", CHAT),
    ("POST", "/api/v1/presets/{slug}/messages"): Row("/api/v1/presets/made/messages", CHAT),
    ("POST", "/api/v1/presets/{slug}/responses"): Row("/api/v1/presets/made/responses", {"input": "One two."}),
    ("GET", "/api/v1/credits"): Row("/api/v1/credits"),
    ("POST", "/api/v1/credits/coinbase"): Row("/api/v1/credits/coinbase", {"amount": 10}, 410),  # nobody takes crypto
    ("GET", "/api/v1/key"): Row("/api/v1/key"),
    ("GET", "/api/v1/auth/key"): Row("/api/v1/auth/key"),
    ("POST", "/account/v1/setup"): Row("/account/v1/setup", {"token": "x", **PERSON}, 403),
    ("POST", "/account/v1/sign-up"): Row("/account/v1/sign-up", PERSON, 403),  # off by default
    ("POST", "/account/v1/sign-in"): Row("/account/v1/sign-in", {"email": "n@example.com", "password": "wrong"}, 401),
    ("POST", "/account/v1/password/reset"): Row("/account/v1/password/reset", {"token": "x", "new": "x" * 9}, 404),
    ("POST", "/account/v1/sign-out"): Row("/account/v1/sign-out", {}),
    ("GET", "/account/v1/me"): Row("/account/v1/me"),
    ("PATCH", "/account/v1/me"): Row("/account/v1/me", {"name": "Another"}),
    ("DELETE", "/account/v1/me"): Row("/account/v1/me", {"email": "not-mine@example.com"}, 400),
    ("GET", "/account/v1/export"): Row("/account/v1/export"),
    ("DELETE", "/account/v1/sessions"): Row("/account/v1/sessions", {}),
    ("GET", "/account/v1/sessions"): Row("/account/v1/sessions"),
    ("DELETE", "/account/v1/sessions/{id}"): Row("/account/v1/sessions/0123456789abcdef", {}, 404),
    ("POST", "/account/v1/password"): Row("/account/v1/password", {"old": "wrong", "new": "long enough"}, 401),
    ("GET", "/account/v1/notices"): Row("/account/v1/notices"),
    ("DELETE", "/account/v1/notices/{id}"): Row("/account/v1/notices/no-such", {}, 404),
    ("POST", "/account/v1/join"): Row("/account/v1/join", {"invitation": "x"}, 404),
    ("POST", "/account/v1/invitations"): Row("/account/v1/invitations", {"workspace_id": "home"}, 201),
    **PAID,
    **PASSKEYS,
    **{
        (method, door + path): Row(door + row.path, row.body, row.status)
        for door in ("/account/v1", "/api/v1")
        for (method, path), row in MANAGED.items()
    },
    ("POST", "/api/v1/auth/keys"): Row("/api/v1/auth/keys", {"code": ""}, 400),  # a good one works only once
    ("GET", "/health"): Row("/health"),
    ("GET", "/livez"): Row("/livez"),
    ("GET", "/readyz"): Row("/readyz"),
    ("GET", "/metrics"): Row("/metrics"),
    ("GET", "/openapi.json"): Row("/openapi.json"),
    ("GET", "/control/v1"): Row("/control/v1"),
    ("POST", "/control/v1/route"): Row("/control/v1/route", CHAT),
    ("POST", "/control/v1/keys"): Row("/control/v1/keys", {"name": "n", "workspace": "made-by-control"}),
    ("POST", "/control/v1/keys/disable"): Row("/control/v1/keys/disable", {"id": "0" * 64, "disabled": True}, 404),
    ("POST", "/control/v1/workspaces"): Row("/control/v1/workspaces", {"workspace": "no-such"}, 404),
    ("POST", "/control/v1/presets"): Row("/control/v1/presets", {"workspace": "home", "slug": "no-such"}, 404),
    ("POST", "/control/v1/byok/rotate"): Row("/control/v1/byok/rotate", {}),
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
BEST = {
    Auth.NONE: "good",
    Auth.KEY: "good",
    Auth.INFERENCE: "good",
    Auth.PROVISIONING: "provisioning",
    Auth.BROWSER: "nobody",
    Auth.SESSION: "session",
    Auth.ADMIN: "admin",
    Auth.CONTROL: "control",
}
"""The credential that a route is for."""
NONE_OF_OURS = {"none": 401, "nonsense": 401, "mistyped": 401, "disabled": 401, "expired": 401, "deleted": 401}
KEYS_ONLY = {**NONE_OF_OURS, "control": 401, "nobody": 401, "session": 401, "admin": 401}
"""A cookie counts nowhere on the API (FAULTS.md 4.1, CSRF)."""
SESSIONS_ONLY = {
    **NONE_OF_OURS, "control": 401, "nobody": 401, "good": 401, "provisioning": 401, "forged": 403, "ended": 401,
}  # fmt: skip
EXPECTED: dict[Auth, dict[str, int]] = {
    Auth.NONE: {},
    Auth.KEY: KEYS_ONLY | {"x-api-key": 200, "provisioning": 200, "spent": 200},
    Auth.INFERENCE: KEYS_ONLY | {"x-api-key": 200, "provisioning": 403, "spent": 402, "poor": 402},
    Auth.PROVISIONING: KEYS_ONLY | {"good": 403, "x-api-key": 403},
    Auth.BROWSER: {"forged": 403},
    Auth.SESSION: SESSIONS_ONLY,
    Auth.ADMIN: SESSIONS_ONLY | {"control": 200, "session": 403},
    Auth.CONTROL: NONE_OF_OURS | {"good": 401, "provisioning": 401, "x-api-key": 401, "session": 401, "admin": 401},
}
"""What each credential gets: the matrix S-T3 of FAULTS.md. 200 stands for what the best one gets."""


def table(world: World) -> dict[tuple[str, str], Auth]:
    """Every URL of the API with the credential that it wants."""
    found = {(route.method, route.path): route.auth for route in routes(world.house)}
    return found | dict.fromkeys(world.call(hot_routes, world.house), Auth.INFERENCE)


@pytest.fixture(scope="module")
def ids(well: World) -> Ids:
    return Ids(well)


@pytest.fixture(scope="module")
def own(ids: Ids) -> str:
    """The id of a generation of our workspace."""
    return ids.own


Credentials = dict[str, Callable[[], dict[str, str]]]


@pytest.fixture(scope="module")
def credentials(well: World, ids: Ids) -> Credentials:
    """Name -> what makes the headers of a request; a session is a new one each time."""
    secret = well.key.secret
    deleted = well.new_key()
    well.run(well.house.database.write(delete_key(deleted.key.id, 1)))
    fixed = {
        "none": {},
        "nonsense": {"authorization": "Bearer ' OR '1'='1"},
        "mistyped": {"authorization": f"Bearer {secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}"},
        "disabled": well.new_key(disabled=True).headers,
        "expired": well.new_key(expires_in_ms=-1).headers,
        "deleted": deleted.headers,
        "control": {"authorization": f"Bearer {well.house.control_token}"},
        "good": well.key.headers,
        "x-api-key": {"x-api-key": secret},
        "provisioning": well.new_key(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-", creator=ids.member).headers,
        "spent": well.new_key(limit_usd="0").headers,
        "poor": well.new_key("matrix-poor").headers,
        "nobody": {"sec-fetch-site": "same-origin"},
    }
    member, admin = ids.member, well.new_user("admin", admin=True)

    def ended() -> dict[str, str]:
        headers = well.signed_in(member)
        well.run(well.house.people.sessions.end_all(member.id))
        return headers

    return {name: lambda headers=headers: headers for name, headers in fixed.items()} | {
        "session": lambda: well.signed_in(member),
        "admin": lambda: well.signed_in(admin),
        "forged": lambda: well.signed_in(member) | {"sec-fetch-site": "cross-site"},
        "ended": ended,
    }


def test_the_table_is_covered(well: World) -> None:
    """No route without a row, no row without a route."""
    assert ROWS.keys() == table(well).keys()


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_credentials(well: World, ids: Ids, credentials: Credentials, key: tuple[str, str]) -> None:
    """Who is let in, who is refused and how. A refusal says nothing of what is there, and is the same for everybody."""
    (method, path), row, auth = key, ROWS[key], table(well)[key]
    messages = path.removeprefix("/api").startswith("/v1/messages")
    openai = path.startswith("/v1/") and not messages
    in_words = openai or path.startswith("/platform/")
    expected = {**EXPECTED[auth], BEST[auth]: 200}
    if path.endswith("count_tokens"):  # to count costs nothing
        expected |= {"spent": 200, "poor": 200}
    if method == "GET":
        expected.pop("forged", None)  # what changes nothing may be asked for from anywhere
    if auth is Auth.NONE:
        expected = dict.fromkeys(credentials, 200)
    refusals = set()
    for name, status in expected.items():
        answer = request(well.url, method, ids.path(row), ids.body(row), headers=credentials[name]())
        wanted = row.status if status == 200 else 403 if status == 402 and openai else status
        assert answer.status == wanted, (name, answer.text)
        if status == 401 and auth not in (Auth.SESSION, Auth.ADMIN):
            assert answer.headers["www-authenticate"] == "Bearer"
            if messages:
                assert answer.error["type"] == "authentication_error"
            else:
                assert answer.error["code"] == ("invalid_api_key" if in_words or auth is Auth.CONTROL else 401)
        if status == 401 and name not in ("none", "nobody", "session", "admin"):
            refusals.add(answer.text)
    assert len(refusals) <= 1


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_wrong_methods(well: World, ids: Ids, key: tuple[str, str]) -> None:
    """405 in the storefront's format, and nothing happens; HEAD where GET is, without a body; a preflight passes."""
    row = ROWS[key]
    path = ids.path(row)
    known = {method for method, other in table(well) if other == key[1]}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - known:
        answer = request(well.url, method, path, {}, headers=well.key.headers)
        assert answer.status == 405, method
        assert method in answer.error["message"]
        assert known <= set(answer.headers["allow"].split(", "))
    head = request(well.url, "HEAD", path, headers=well.key.headers)
    assert head.body == b""
    if key[0] == "GET" and table(well)[key] in (Auth.NONE, Auth.KEY):
        assert head.status == row.status
    asked = [("origin", "https://page.example"), ("access-control-request-method", key[0])]
    preflight = request(well.url, "OPTIONS", path, headers=asked)
    if path.startswith(("/api/", "/v1/", "/v1beta/", "/platform/")):
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert key[0] in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    else:
        assert preflight.status == 405


@pytest.mark.parametrize("key", ROWS, ids=" ".join)
def test_path_garbage(well: World, ids: Ids, key: tuple[str, str]) -> None:
    """Something behind the path is another path: 404 in the storefront's format, even with the best of keys."""
    path = ids.path(ROWS[key]).partition("?")[0]
    for garbage in ("/x", "/", "//", ";a", "%00", "/../../etc/passwd", "%2e%2e"):
        answer = request(well.url, key[0], f"{path}{garbage}", ROWS[key].body, headers=well.key.headers)
        named = any(path.startswith(f"{key[1]}/{{") or (path == key[1] and path.endswith("}")) for _, path in ROWS)
        assert answer.status in ({400, 401, 403, 404, 405} if named else {400, 404, 405}), garbage
        assert answer.error


def test_unknown_paths(well: World) -> None:
    """404, or 501 where a later release brings it, in the format of the storefront: never a page, never text."""
    for path, status in (
        ("/api/v1/nothing", 404),
        ("/v1/nothing", 404),
        ("/api/v2/models", 404),
        ("/api/v1", 404),
        ("/v1/responses/resp_1", 404),
        ("/api/v1/responses/resp_1/input_items", 404),
        ("/v1/embeddings/none", 404),
        ("/v1/images/generations", 501),
        ("/v1beta/nothing", 404),
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
    for path in ("/api/v1/generation?id={id}", "/v1/generation?id={id}", "/api/v1/generations/{id}/trace"):
        theirs = request(well.url, "GET", path.format(id=own), headers=stranger.headers)
        nobodys = request(well.url, "GET", path.format(id=absent), headers=stranger.headers)
        assert theirs.status == nobodys.status == 404
        assert theirs.text.replace(own, absent) == nobodys.text
        assert theirs.headers.keys() == nobodys.headers.keys()
        assert well.request("GET", path.format(id=own)).status == 200


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
    public |= {("POST", f"/v1beta/models/{{model}}:{method}"): Auth.INFERENCE for method in METHODS}
    public["POST", "/v1/engines/{model}/embeddings"] = Auth.INFERENCE
    assert described.keys() == public.keys()
    for key, auth in public.items():
        assert ("security" in described[key]) == (auth not in (Auth.NONE, Auth.BROWSER)), key


SECRETS = "a stack trace with postgres://user:password@10.0.0.1/"


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/v1/chat/completions", "/api/v1/generation?id=x"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_mistake_of_ours(well: World, monkeypatch: pytest.MonkeyPatch, path: str, streamed: bool) -> None:
    """Whatever breaks inside is a 500 in the storefront's format that tells nothing of what broke."""

    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRETS)

    monkeypatch.setattr("tollway.gateway.chat.open_book", broken)
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
