"""What no credential opens: doors tried from the side, and other sites' pages; for every URL there is."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from starlette.routing import Route as Page

from tests.api.conftest import WELL
from tests.api.ids import Ids
from tests.api.test_routes import ROWS, table
from tests.support import World, raw, request, world
from tollway.api.table import Auth, Route
from tollway.app import site_routes
from tollway.domain.people import Role

VARIANTS = 25
"""Of the two hundred of a route, those that a usual run draws: the same ones each time."""
OPEN = (Auth.NONE, Auth.BROWSER)


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server with two tenants, for this file alone."""
    with world(*WELL) as it:
        yield it


@pytest.fixture(scope="module")
def ids(town: World) -> Ids:
    return Ids(town)


def test_a_route_says_its_credential() -> None:
    """Without one, or with one that is none, there is no route, and so no server."""

    async def handle(*_: Any) -> Any:
        raise AssertionError

    with pytest.raises(TypeError):
        Route("GET", "/api/v1/new", handle=handle)  # type: ignore[call-arg]  # that is the mistake
    for auth in (None, "", "none", "session", 0, handle):
        with pytest.raises(TypeError, match="/api/v1/new"):
            Route("GET", "/api/v1/new", auth, handle)  # type: ignore[arg-type]  # that is the mistake


def variants(method: str, path: str, body: bytes) -> list[bytes]:
    """Two hundred ways to ask for the same without a credential: what another part of a chain may read otherwise."""
    hosts = ("HOST", "localhost", "evil.example", "", "a@b", "127.0.0.1", "[::1]", "HOST/admin/v1", "HOST.", "x y")
    casings = (method, method.lower(), method.title(), f"{method[0].lower()}{method[1:]}")
    upper, first = path.upper(), path.split("/")[1]
    paths = (
        path, path + "/", "/" + path, path + "//", path + "/.", path + "/..", path + ";x=1", path + "%20", path + "%00",
        path + "?", path + "#x", path + ".json", upper, path.replace("/", "//"), path.replace("/", "/./"),
        path.replace("/", "%2f"), f"/health/..{path}", f"/%2e%2e{path}", f"/./{path[1:]}", path.replace("a", "%61"),
        path.replace("a", "%2561"), f"/{first}/../{path[1:]}", "http://HOST" + path, "http://evil.example" + path,
        path.replace("v1", "V1"), path.replace("v1", "v1%0d%0aauthorization:%20Bearer%20x"),
    )  # fmt: skip
    extra = (
        "", "x-original-url: /health", "x-rewrite-url: /health", "x-forwarded-prefix: /health",
        "x-http-method-override: GET", "x-forwarded-for: 127.0.0.1", "forwarded: for=127.0.0.1;proto=https",
        "x-forwarded-host: localhost", "AUTHORIZATION: Bearer", "Authorization : Bearer x", "authorization: null",
        "authorization: Basic YWRtaW46YWRtaW4=", "proxy-authorization: Bearer x", "x-api-key:", "X-API-Key: undefined",
        "cookie: tollway=", "cookie: tollway=0; tollway=1", "cookie: __Host-tollway=x", "x-goog-api-key: x",
        "x-user: admin", "x-forwarded-user: admin", "x-csrf-token: x", "connection: authorization", "te: trailers",
    )  # fmt: skip
    made = [(casing, each, "HOST", "") for casing in casings for each in paths]
    made += [(method, path, host, line) for host in hosts for line in extra[:6]]
    made += [(method, each, "HOST", line) for each in paths[:3] for line in extra]
    made = [*dict.fromkeys(made)]
    assert len(made) >= 200
    return [
        f"{how} {where} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{line}{line and chr(13) + chr(10)}\r\n".encode()
        + body
        for how, where, host, line in made[:200]
    ]


def test_no_variant_opens_a_door(town: World, ids: Ids, tell: Callable[[str], None]) -> None:
    """S-T2: 400, 401, 403, 404, 405 or 501, and nothing else, however host, path, method and headers are written."""
    dice, seen = random.Random(5), Counter[int]()
    before = len(town.received)
    protected = [key for key, auth in table(town).items() if auth not in OPEN]
    for key in protected:
        path = ids.path(ROWS[key])
        body = msgspec.json.encode(ids.body(ROWS[key])) if key[0] != "GET" else b""
        tried = variants(key[0], path.partition("?")[0], body)
        for each in dice.sample(tried, VARIANTS):
            sent = each.replace(b"HOST", town.url.removeprefix("http://").encode())
            answer = raw(town.url, sent)
            seen[answer.status] += 1
            assert answer.status in (400, 401, 403, 404, 405, 501), (sent, answer.text[:200])
    assert len(town.received) == before, "a provider was asked"
    assert seen[401] > len(protected)
    tell(f"S-T2: {len(protected)} routes, {seen.total()} variants of requests without a credential: {dict(seen)}")


OTHER_PAGES: dict[str, dict[str, str | None]] = {
    "another site's page": {"sec-fetch-site": "cross-site"},
    "a subdomain's page": {"sec-fetch-site": "same-site"},
    "a page that says nonsense": {"sec-fetch-site": "Same-Origin, none"},
    "another origin": {"sec-fetch-site": None, "origin": "https://evil.example"},
    "an origin that begins alike": {"sec-fetch-site": None, "origin": "ORIGIN.evil.example"},
    "our host in its user": {"sec-fetch-site": None, "origin": "http://HOST@evil.example"},
    "a sandboxed page": {"sec-fetch-site": None, "origin": "null"},
    "no token": {"x-csrf-token": None},
    "an empty token": {"x-csrf-token": ""},
    "another session's token": {"x-csrf-token": "OTHER"},
    "a token that begins alike": {"x-csrf-token": "BEGIN"},
    "a form": {"content-type": "application/x-www-form-urlencoded"},
    "a form with a file": {"content-type": "multipart/form-data; boundary=x"},
    "plain text": {"content-type": "text/plain"},
    "plain text with a word of JSON": {"content-type": "text/plain; application/json"},
    "no type": {"content-type": ""},
}
"""What a page of another site may send along with our cookie."""


def sent_by(
    headers: dict[str, str], change: dict[str, str | None], town: World, other: dict[str, str]
) -> dict[str, str]:
    """Headers of our own page, with what is odd about another's."""
    token, host = headers["x-csrf-token"], town.url.removeprefix("http://")
    words = {"OTHER": other["x-csrf-token"], "BEGIN": token[:-1], "ORIGIN": town.url, "HOST": host}
    found = dict(headers)
    for name, value in change.items():
        found.pop(name, None)
        if value is not None:
            found[name] = re.sub("OTHER|BEGIN|ORIGIN|HOST", lambda match: words[match[0]], value)
    return found


def test_other_sites_pages(town: World, ids: Ids, tell: Callable[[str], None]) -> None:
    """Every change that a cookie may make, in every way that another site's page can ask for it: 403, nothing done."""
    admin = town.new_user("csrf-admin", Role.OWNER, admin=True)
    other = town.signed_in(admin)
    unsafe = [key for key, auth in table(town).items() if key[0] != "GET" and auth in (Auth.SESSION, Auth.ADMIN)]
    assert len(unsafe) >= 29
    for key in unsafe:
        headers, path, body = town.signed_in(admin), ids.path(ROWS[key]), ids.body(ROWS[key])
        log = audited(town)
        for name, change in OTHER_PAGES.items():
            answer = request(town.url, key[0], path, body, headers=sent_by(headers, change, town, other))
            assert answer.status == 403, (key, name, answer.text)
        assert audited(town) == log, key
        allowed = request(town.url, key[0], path, body, headers=headers)
        assert allowed.status == ROWS[key].status, (key, allowed.text)
    tell(f"CSRF: {len(unsafe)} routes, {len(unsafe) * len(OTHER_PAGES)} requests of other sites' pages, none let in")


def audited(town: World) -> int:
    """Entries of the audit log."""
    [(count,)] = town.run(town.house.database.read("SELECT COUNT(*) FROM audit_log"))
    return int(count)


FORMS: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {},
)
"""What a browser says of a page of another site; the last one says nothing."""


def test_other_sites_forms(town: World) -> None:
    """Every page that takes a form: 403 for another site's, whoever is signed in, and nothing is done."""
    admin = town.new_user("forms-admin", Role.OWNER, admin=True)
    pages = [
        each for each in town.call(site_routes, town.house) if isinstance(each, Page) and "POST" in (each.methods or ())
    ]
    assert len(pages) >= 4
    log = audited(town)
    for page in pages:
        path = re.sub(r"{[^}]*}", "x", page.path)
        for change in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {},
        ):
            headers = {"cookie": town.signed_in(admin)["cookie"], "content-type": "application/x-www-form-urlencoded"}
            answer = request(town.url, "POST", path, b"csrf=&email=a&password=b", headers=headers | change)
            assert answer.status == 403, (path, change, answer.text[:300])
    assert audited(town) == log


def test_a_session_is_never_of_the_visitors_choosing(town: World) -> None:
    """Whatever cookie a browser brings to a sign-in, it leaves with another, and what it brought is over."""
    person = {"email": "fixed@example.com", "password": "long enough for this"}
    now_ms = town.house.gateway.now_ms()
    user = town.new_user("fixed", Role.OWNER)
    token = town.run(town.house.people.password_link(user, now_ms))
    mine = {"sec-fetch-site": "same-origin"}
    reset = request(
        town.url, "POST", "/account/v1/password/reset", {"token": token, "new": person["password"]}, headers=mine
    )
    assert reset.status == 200, reset.text
    attacker = town.signed_in(town.new_user("attacker", Role.MEMBER))
    for planted in ("tollway=chosen", attacker["cookie"], reset.headers["set-cookie"].partition(";")[0]):
        answer = request(town.url, "POST", "/account/v1/sign-in", person, headers=mine | {"cookie": planted})
        assert answer.status == 200, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        assert cookie != planted
        old = request(town.url, "GET", "/account/v1/me", headers={"cookie": planted})
        assert old.status == 401
        new = request(town.url, "GET", "/account/v1/me", headers={"cookie": cookie})
        assert new.json["data"]["user"]["email"] == person["email"]
