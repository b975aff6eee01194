"""Requests that mean harm, or nothing at all: always a 4xx in clear words, never a 5xx, and memory stays flat."""

import json
import resource
from typing import Any

import pytest
from msgspec.structs import fields as struct_fields

from tests.support import Answer, World, ask, raw, request
from tollway.domain.chat import ChatRequest

CHATS = ("/api/v1/chat/completions", "/v1/chat/completions", "/api/v1/completions", "/v1/completions")
PEAK_GROWTH_MAX_KB = 120_000
FIELDS = sorted(each.encode_name for each in struct_fields(ChatRequest))
WRONG: tuple[tuple[str, str], ...] = (
    # name, JSON text
    ("true", "true"),
    ("minus-one", "-1"),
    ("2^70", str(2**70)),
    ("half", "1.5"),
    ("1e308", "1e308"),
    ("text", '"x"'),
    ("empty-text", '""'),
    ("control", '"\\u0000\\r\\n\\u001b[31m"'),
    ("long-text", '"' + "A" * 100_000 + '"'),
    ("list", "[1]"),
    ("lists", "[[[]]]"),
    ("object", '{"a": {"b": 1}}'),
    ("type-only", '{"type": "\\u2028"}'),
    ("nan", "NaN"),
    ("infinity", "-Infinity"),
    ("surrogate", '"\\ud800"'),
    ("half-text", '"abc'),
)


def clear(answer: Answer, *words: str) -> str:
    """A refusal in the storefront's format that says something and gives nothing away; its message."""
    assert 400 <= answer.status < 500, answer.text[:500]
    message = str(answer.error["message"])
    assert len(message) < 1000
    assert "Traceback" not in answer.text
    assert "msgspec" not in message.lower()
    assert all(word in message for word in words), message
    return message


def body_with(field: str, value: str, path: str) -> bytes:
    """A good request with one field's JSON text put in."""
    good: dict[str, Any] = {"model": "test/free", "max_tokens": 3}
    good |= {"prompt": "Hi."} if path.endswith("/v1/completions") else {"messages": ask()["messages"]}
    good.pop(field, None)
    return (json.dumps(good)[:-1] + f", {json.dumps(field)}: {value}}}").encode()


@pytest.mark.parametrize("path", [CHATS[0], CHATS[3]])
@pytest.mark.parametrize("field", FIELDS)
def test_wrong_types(well: World, field: str, path: str) -> None:
    """Each field of a chat request with each kind of nonsense: taken where it fits, else a 400 that names the field."""
    for name, value in WRONG:
        answer = well.request("POST", path, body_with(field, value, path))
        if answer.status == 501:  # a plain word that a later release brings it
            assert "not built yet" in answer.error["message"]
            continue
        assert answer.status in {200, 400, 404, 402}, (name, answer.status, answer.text[:300])
        if name in {"nan", "infinity", "surrogate", "half-text"}:
            clear(answer, "JSON")
        elif answer.status == 400:
            message = clear(answer)
            named = answer.error.get("param") or (answer.error.get("metadata") or {}).get("param") or message
            assert field in str(named) or "is not a valid model ID" in message or "provider refused" in message, name


BODIES: tuple[tuple[str, bytes, tuple[str, ...]], ...] = (
    ("empty", b"", ("empty",)),
    ("space", b" \n", ("empty",)),
    ("null", b"null", ("expected an object",)),
    ("list", b"[]", ("expected an object",)),
    ("text", b'"hello"', ("expected an object",)),
    ("form", b"model=x&messages=y", ("not valid JSON",)),
    ("deep lists", b"[" * 100_000, ("nests",)),
    ("very deep lists", b"[" * 1_000_000, ("more than 500000",)),
    ("deep objects", b'{"a":' * 200_000, ("nests",)),
    ("deep and closed", b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}", ("nests",)),
    ("deep in extra", b'{"x":' + b'{"a":' * 500 + b"1" + b"}" * 501, ("nests",)),
    ("utf-16", '{"model": "x"}'.encode("utf-16"), ("byte order mark",)),
    ("bom", b'\xef\xbb\xbf{"model": "x"}', ("byte order mark",)),
    ("latin-1", b'{"model": "\xe9"}', ("UTF-8",)),
    ("overlong", b'{"model": "\xc0\xaf"}', ("UTF-8",)),
    ("raw surrogate", b'{"model": "\xed\xa0\x80"}', ("UTF-8",)),
    ("nul", b'{"model": "x"}\x00', ("NUL",)),
    ("many keys", json.dumps({f"k{number}": 1 for number in range(20_000)}).encode(), ()),
    ("many messages", json.dumps(ask(messages=[{"role": "user", "content": "a"}] * 10_001)).encode(), ("messages",)),
    ("many tools", json.dumps(ask(tools=[{"type": "x"}] * 513)).encode(), ("tools",)),
    ("unknown role", json.dumps(ask(messages=[{"role": "root", "content": "a"}])).encode(), ("role",)),
    ("no role", json.dumps(ask(messages=[{"content": "a"}])).encode(), ("role",)),
    ("unknown part", json.dumps(ask(content=[{"type": "exec", "text": "a"}])).encode(), ("type",)),
    ("huge number", b'{"model": "test/free", "messages": [], "seed": 1' + b"0" * 5000 + b"}", ()),
    ("huge exponent", b'{"model": "test/free", "messages": [], "temperature": 1e999999999}', ()),
)


@pytest.mark.parametrize(("body", "words"), [each[1:] for each in BODIES], ids=[each[0] for each in BODIES])
@pytest.mark.parametrize("path", CHATS)
def test_bodies(well: World, path: str, body: bytes, words: tuple[str, ...]) -> None:
    """Bodies that are no request: refused in words; the server goes on."""
    if path.endswith("/v1/completions") and words in {("messages",), ("tools",), ("role",), ("type",)}:
        words = ("prompt: is required",)  # messages are not read there
    clear(well.request("POST", path, body), *words)


def test_duplicate_keys(well: World) -> None:
    """The last of two keys wins, with us and behind us alike: what was checked is what is sent."""
    body = b'{"model": "no/such", "max_tokens": 999999, "messages": [{"role": "user", "content": "a"}], '
    body += b'"model": "test/free", "max_tokens": 2}'
    assert well.request("POST", CHATS[0], body).status == 200
    sent = well.received[-1].body
    assert sent.count(b'"max_tokens"') == sent.count(b'"model"') == 1
    assert json.loads(sent)["max_tokens"] == 2


def test_large_bodies(well: World) -> None:
    """30 MB are refused by their length, or where the limit is reached if they come in chunks; memory stays flat."""
    large = b'{"model": "test/free", "messages": "' + b"a" * 30_000_000 + b'"}'
    head = f"POST {CHATS[0]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {well.key.secret}\r\nconnection: close\r\n"
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    chunked = head.encode() + b"transfer-encoding: chunked\r\n\r\n" + chunk * 480 + b"0\r\n\r\n"
    well.request("POST", CHATS[0], large)
    raw(well.url, chunked)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(4):
        clear(well.request("POST", CHATS[0], large), "larger than")
        clear(raw(well.url, chunked), "larger than")
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert growth < PEAK_GROWTH_MAX_KB
    assert well.chat(model="test/free").status == 200


def test_large_body_without_a_key(well: World) -> None:
    """Whoever has no key is refused before the body counts."""
    assert request(well.url, "POST", CHATS[0], b"a" * 3_000_000).status == 401


def test_many_hostile_bodies_leave_memory_flat(well: World) -> None:
    """Hundreds of deep, wide and broken bodies: the peak of memory hardly moves."""
    bodies = [body for _, body, _ in BODIES]
    for body in bodies:
        well.request("POST", CHATS[0], body)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5):
        for body in bodies:
            well.request("POST", CHATS[0], body)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < PEAK_GROWTH_MAX_KB // 2


CREDENTIALS: tuple[dict[str, str], ...] = (
    {"authorization": "Bearer ' OR '1'='1"},
    {"authorization": "Bearer " + "A" * 8000},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": "Basic dXNlcjpwYXNz"},
    {"authorization": "\xff\xfe\xfd"},
    {"authorization": "Bearer sk-or-v1-\xe9"},
    {"authorization": "Bearer null"},
    {"authorization": "Bearer sk-or-v1-../../etc/passwd"},
    {"x-api-key": "' UNION SELECT digest FROM keys --"},
    {"x-api-key": ""},
    {"authorization": "", "x-api-key": "x"},
)


@pytest.mark.parametrize("headers", CREDENTIALS, ids=lambda headers: next(iter(headers.values()))[:20])
@pytest.mark.parametrize("path", [*CHATS[:2], "/api/v1/key", "/api/v1/generation?id=x"])
def test_hostile_credentials(well: World, path: str, headers: dict[str, str]) -> None:
    """Nothing that can be sent as a key is more than a wrong key."""
    method = "POST" if "completions" in path else "GET"
    answer = request(well.url, method, path, ask() if method == "POST" else None, headers=headers)
    assert answer.status == 401
    assert clear(answer) in {"Invalid API key", "No API key: send it as `Authorization: Bearer <key>`"}


def test_two_credentials(well: World) -> None:
    """The first Authorization counts; a second one can't smuggle itself in."""
    good, bad = ("authorization", f"Bearer {well.key.secret}"), ("authorization", "Bearer nobody")
    assert request(well.url, "GET", "/api/v1/key", headers=[bad, good]).status == 401


def test_large_headers(well: World) -> None:
    """100 KB in one header, or in a thousand: 431, or 400 from the parser; never more than a refusal."""
    for headers in ([("x-title", "A" * 100_000)], [(f"x-{number}", "a" * 100) for number in range(1000)]):
        answer = request(well.url, "POST", CHATS[0], ask(), headers=[*well.key.headers.items(), *headers])
        assert answer.status == 431
        clear(answer, "header")


TITLES = ("a\rb", "a\nb", "a\x00b", "a\x0bb")


@pytest.mark.parametrize("title", TITLES, ids=repr)
def test_line_breaks_in_headers(well: World, title: str) -> None:
    """A bare CR, LF or NUL in a title can't make a header, or a request, of its own; nothing is answered twice."""
    data = json.dumps(ask()).encode()
    head = f"POST {CHATS[0]} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {well.key.secret}\r\n"
    head += f"content-length: {len(data)}\r\nx-title: {title}\r\n\r\n"
    answer = raw(well.url, head.encode("latin-1") + data)
    assert answer.status in {200, 400}
    if answer.status == 200:
        well.settled()
        record = well.request("GET", f"/api/v1/generation?id={answer.json['id']}")
        assert title not in record.text


def test_injected_headers_stay_outside(well: World) -> None:
    """What a caller sends as attribution is kept printable and bounded, and never reaches a provider as a header."""
    headers = well.key.headers | {
        "http-referer": "https://app.example/\x85\xa0" + "x" * 5000,
        "x-title": "<script>\x9b31m",
        "user-agent": "agent\x9f",
        "x-simulate": "fail=500",
        "x-forwarded-host": "evil.example",
        "x-forwarded-for": "1.2.3.4",
    }
    answer = well.chat(headers=headers)
    assert answer.status == 200
    sent = well.received[-1].headers
    assert not {"http-referer", "referer", "x-title", "x-simulate", "x-forwarded-for", "user-agent"} & (
        {name for name, value in sent.items() if value in headers.values()}
    )
    assert "evil.example" not in str(sent)
    well.settled()
    record = well.request("GET", f"/api/v1/generation?id={answer.json['id']}").json["data"]
    assert record["http_referer"].startswith("https://app.example/")
    assert len(record["http_referer"]) <= 256
    assert record["http_referer"].isprintable()
    assert record["user_agent"] == "agent"


ORDERS = {
    "api_base": "http://169.254.169.254/",
    "base_url": "http://evil.example/v1",
    "api_key": "sk-stolen",
    "api_version": "1",
    "organization": "org",
    "extra_headers": {"authorization": "Bearer sk-stolen"},
    "extra_body": {"a": 1},
    "headers": {"x": "y"},
    "mock_response": "hacked",
    "timeout": 1,
    "fallbacks": ["x"],
    "custom_llm_provider": "evil",
    "litellm_params": {"api_base": "http://evil.example"},
    "aws_secret_access_key": "x",
    "vertex_credentials": "x",
    "model_list": [],
    "proxy": "http://evil.example",
    "user_id": "x",
}


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize("streamed", [False, True])
def test_orders_in_the_body(well: World, path: str, streamed: bool) -> None:
    """Fields that other gateways obey (FAULTS.md C-8) change nothing and go nowhere; nor does the caller's key."""
    fields: dict[str, Any] = {**ORDERS, "stream": streamed, "max_tokens": 3}
    if path.endswith("/v1/completions"):
        fields["prompt"] = "Hi."
    before = len(well.received)
    answer = well.request("POST", path, ask("test/free", **fields))
    assert answer.status == 200
    assert len(well.received) == before + 1
    got = well.received[-1]
    assert got.path.startswith("/p/a/v1/")
    assert not ORDERS.keys() & json.loads(got.body).keys()
    for told in ("evil", "stolen", "169.254", "hacked", well.key.secret):
        assert told not in got.body.decode()
        assert told not in str(got.headers)


IDS = (
    "' OR '1'='1",
    "gen-' OR '1'='1",
    "../../etc/passwd",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "gen-" + "A" * 5000,
    "%0d%0aSet-Cookie:%20a=b",
    "%F0%9F%92%A3",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "$%7Bjndi:ldap://evil.example%7D",
    "-1",
    "1e999",
)


@pytest.mark.parametrize("id_", IDS, ids=lambda value: value[:20])
def test_hostile_ids(well: World, id_: str) -> None:
    """Ids, model names and query parameters may be anything: a 4xx, no header of the caller's making, no page."""
    quoted = id_.replace(" ", "%20").replace("<", "%3C").replace(">", "%3E").replace("'", "%27")
    quoted = quoted.replace("{", "%7B").replace("}", "%7D")
    for path in (
        f"/api/v1/generation?id={quoted}",
        f"/v1/generation?id=chatcmpl_{quoted}",
        f"/api/v1/models/{quoted}",
        f"/api/v1/model/{quoted}",
        f"/v1/models/{quoted}",
        f"/api/v1/models/{quoted}/x/endpoints",
        f"/api/v1/models?limit={quoted}",
        f"/api/v1/models?offset={quoted}",
    ):
        answer = well.request("GET", path)
        clear(answer)
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-type"] == "application/json"
    assert well.request("GET", f"/api/v1/models?q={quoted}").status == 200


@pytest.mark.parametrize("digits", ["9" * 13, "0" * 5000, "1" * 5000, "٣", "+1", "1.0", " 1", "0x1", "1_0", ""])
def test_hostile_numbers_in_queries(well: World, digits: str) -> None:
    """A page's number is digits, few of them; Python's own limit on digits is never met."""
    quoted = "".join(f"%{byte:02x}" for byte in digits.encode())
    for name in ("limit", "offset"):
        answer = well.request("GET", f"/api/v1/models?{name}={quoted}")
        clear(answer, name)


@pytest.mark.parametrize("model", ["x", "a" * 256, "a/b/c/d", "a/b:free:nitro", "é/è", "💣"])
@pytest.mark.parametrize("path", CHATS[:2])
def test_hostile_models(well: World, path: str, model: str) -> None:
    """A model's name may be any text: it is unknown, and said so."""
    answer = well.chat(path, model=model)
    assert answer.status == (400 if path.startswith("/api/") else 404)
    clear(answer, "is not a valid model ID")


def test_content_encoding(well: World) -> None:
    """A compressed body is a 415 before it is read: no bomb is unpacked."""
    headers = well.key.headers | {"content-encoding": "gzip"}
    answer = well.request("POST", CHATS[0], b"\x1f\x8b" + b"\0" * 100, headers=headers)
    assert answer.status == 415
    clear(answer, "Content-Encoding")
