"""Hostile text in every place that takes text (S-T1): what the URL table and the rows of test_routes.py name."""

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import WELL
from tests.api.ids import Ids
from tests.api.test_routes import BEST, ROWS, table
from tests.support import World, request, world
from tollway.api.table import Auth
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role

PAYLOADS = (
    "' OR '1'='1", "'; DROP TABLE keys; --", "1 UNION SELECT digest FROM keys", "') OR 1=1 --",
    "\" OR \"\"=\"", "%", "_", "%%%%%%%%%%%%%%%%%%%%_", "*", "\\", "\\'", "{{7*7}}", "${7*7}",
    "{0.__class__}", "%(x)s", "%s%n", "<%= 7 %>", "#{7}", "../../../../etc/passwd", "..\\..\\windows",
    "/etc/passwd", "file:///etc/passwd", "http://169.254.169.254/", "\r\nset-cookie: a=b", "\r\n\r\n<html>",
    "\n", "\0", "a\0b", "\x1b[31m", "\u202e", "\ufeff", "\u2028", "é" * 300, "💣", "\ud7ff", "a" * 5000,
    "<script>alert(1)</script>", "javascript:alert(1)", "=cmd|'/c calc'!A1", "`id`", "$(id)", "|id",
    "() { :;}; id", "${jndi:ldap://x/}", "true", "null", "-1", "0", "1e400", "NaN", "9" * 30, "[]", "{}",
    '{"$ne":1}', "2027-13-45", "0000-01-01", "9999-12-31T23:59:59+23:59", "😀" * 200, "ﷺ", "İ", "ß" * 90,
    "\u0000\u0001", " ", "",
)  # fmt: skip
DRAWN = 6
"""Of the payloads, so many for each place in a usual run: others in each place, the same ones each time."""
HEADERS = (
    "user-agent", "http-referer", "x-title", "x-openrouter-title", "x-session-id", "accept", "accept-language",
    "origin", "referer", "x-forwarded-for", "forwarded", "x-request-id", "if-none-match", "anthropic-beta", "range",
)  # fmt: skip


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    """A server for this file alone: what is hostile may also be kept."""
    with world(*WELL) as it:
        yield it


def places(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a body has text: the way there."""
    if isinstance(body, str):
        yield at
    steps = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for step, inner in steps:
        yield from places(inner, (*at, step))


def put(body: Any, at: tuple[Any, ...], text: str) -> Any:
    """The body with this text there."""
    if not at:
        return text
    changed = copy.deepcopy(body)
    inner = changed
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = text
    return changed


def test_no_text_breaks_anything(town: World, tell: Callable[[str], None]) -> None:
    """Each part of a path, query parameter, text in a body and header, with the best credential: never a 5xx.

    Nor does text get into a header of an answer. What a body's Struct knows and a row leaves out is tried as well.
    """
    ids, dice, seen = Ids(town), random.Random(5), Counter[int]()
    admin = town.new_user("payloads", Role.OWNER, admin=True)
    described = town.request("GET", "/openapi.json").json
    provisioning = town.new_key(kind=KeyKind.PROVISIONING, creator=ids.member).headers
    given: dict[str, Callable[[], dict[str, str]]] = {
        "good": lambda: town.key.headers, "provisioning": lambda: provisioning,
        "nobody": lambda: {"sec-fetch-site": "same-origin"}, "session": lambda: town.signed_in(admin),
        "admin": lambda: town.signed_in(admin),
        "control": lambda: {"authorization": f"Bearer {town.house.control_token}"},
    }  # fmt: skip

    def asked(key: tuple[str, str], path: str, body: Any, headers: dict[str, str]) -> None:
        answer = request(town.url, key[0], path, body, headers=headers)
        seen[answer.status] += 1
        assert answer.status < 500 or "/images/" in path, (key, path, body, headers, answer.text[:500])
        assert "set-cookie" not in answer.headers or "sign" in path, (key, path)

    for key, auth in table(town).items():
        row, headers = ROWS[key], given[BEST[auth]]()
        path, body = ids.path(row), ids.body(row)
        bare, _, _ = path.partition("?")
        operation = described["paths"].get(key[1].replace(":path}", "}"), {}).get(key[0].lower(), {})
        queries = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
        parts = bare.split("/")[1:]
        named = [at for at, part in enumerate(key[1].split("/")[1:]) if part.startswith("{")]
        known = body_fields(described, operation)

        def draw() -> list[str]:
            return dice.sample(PAYLOADS, DRAWN)

        for at in named:
            for text in draw():
                changed = "/".join([*parts[:at], quote(text, safe=""), *parts[at + 1 :]])
                asked(key, f"/{changed}", body, headers)
        for name in queries:
            for text in draw():
                asked(key, f"{bare}?{name}={quote(text, safe='')}", body, headers)
        if isinstance(body, dict):
            for way in [*places(body), *((name,) for name in known if name not in body)]:
                for text in draw():
                    asked(key, path, put(body, way, text), headers)
            for text in draw():
                asked(key, path, {**body, text: text}, headers)
        for name in dice.sample(HEADERS, 3):
            text = dice.choice([each for each in PAYLOADS if each.isprintable() and len(each) < 400])
            asked(key, path, body, {**headers, name: text.encode().decode("latin-1")})
    assert {200, 400, 404} <= seen.keys()
    tell(f"S-T1: {seen.total()} hostile texts at {len(table(town))} routes: {dict(sorted(seen.items()))}")


def body_fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """Names of the fields that the document says of a body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return [*document["components"]["schemas"].get(name, {}).get("properties", {})]


assert set(BEST) >= {auth for auth in Auth if auth is not Auth.WEBHOOK}
