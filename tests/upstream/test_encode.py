"""Requests as bytes and URLs as addresses: what is written, and what is refused without showing a secret."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.http import HttpRequest
from tollway.upstream.address import Address, Proxy, parse_proxy, parse_url, proxy_for
from tollway.upstream.encode import encode_request, head_of

HERE = Address("https", "api.example.com", 443, None)
SECRET = "sk-secret"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v1/chat", ("https", "api.example.com", 443, "/v1/chat")),
        ("http://API.example.com:8080", ("http", "api.example.com", 8080, "/")),
        ("http://[::1]:8080/x?y=1&z=%20#part", ("http", "::1", 8080, "/x?y=1&z=%20")),
        ("https://h/p?", ("https", "h", 443, "/p")),
    ],
)
def test_urls(url: str, expected: tuple[str, str, int, str]) -> None:
    """A URL's parts; the fragment is never sent."""
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://h/?key={SECRET}", f"https:///?key={SECRET}", f"https://u:{SECRET}@h/", f"https://h/ ?key={SECRET}",
        f"https://h/\r\nx: {SECRET}", f"https://h/\x00{SECRET}", f"https://h/é{SECRET}", f"/v1?key={SECRET}",
        f"https://h:port/{SECRET}", f"https://h:99999/{SECRET}", f"https://[::1/{SECRET}",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    """A URL that cannot be sent is a ValueError that does not repeat what may be a key."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # any words will do but the secret ones
        parse_url(url)
    assert SECRET not in str(caught.value)


def test_proxies_are_chosen_by_the_nearest_rule() -> None:
    """`https://host:port`, `https://host`, `https`, `all`, in this order; empty means directly."""
    near, wide = parse_proxy("http://near:1"), parse_proxy("http://wide")
    assert (near, wide) == (Proxy("near", 1, ""), Proxy("wide", 80, ""))
    rules = {"all": wide, "https": near, "https://open.test": None, "http://[::1]:81": near}
    assert proxy_for(rules, "http", "a.test", 80) is wide
    assert proxy_for(rules, "https", "a.test", 443) is near
    assert proxy_for(rules, "https", "open.test", 443) is None
    assert proxy_for(rules, "http", "::1", 81) is near
    assert proxy_for({}, "https", "a.test", 443) is None


@pytest.mark.parametrize("url", [f"socks5://u:{SECRET}@h", f"https://u:{SECRET}@h", f"http://u:{SECRET}@"])
def test_proxies_that_are_refused(url: str) -> None:
    """A proxy that we cannot speak to is refused when the client is built, without its password."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # any words will do but the secret ones
        parse_proxy(url)
    assert SECRET not in str(caught.value)


def test_a_proxy_does_not_show_its_password() -> None:
    """Neither repr nor str of a proxy, or of an address through one, holds the credential."""
    proxy = parse_proxy(f"http://u:{SECRET}@h:3128")
    assert proxy is not None
    address = HERE._replace(proxy=proxy)
    for text in (repr(proxy), str(proxy), repr(address), str(address)):
        assert "h:3128" in text
        assert proxy.authorization.split()[1] not in text


def test_lengths_and_agents() -> None:
    """An empty POST says that it is empty, a GET says nothing; a caller's own user-agent is kept."""
    head = head_of(HERE, "/x")
    assert encode_request(HttpRequest("GET", ""), head) == (
        b"GET /x HTTP/1.1\r\nhost: api.example.com\r\naccept-encoding: identity\r\nuser-agent: tollway\r\n\r\n"
    )
    assert b"\r\ncontent-length: 0\r\n\r\n" in encode_request(HttpRequest("POST", ""), head)
    own = encode_request(HttpRequest("GET", "", (("User-Agent", "me"),)), head)
    assert own.count(b"ser-") == 1


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "\r\n\r\nGET /", "ключ"])
def test_values_that_are_refused(value: str) -> None:
    """CR, LF, NUL and letters outside Latin-1 in a value: ValueError, which names the header and hides the value."""
    with pytest.raises(ValueError, match="x-key") as caught:
        encode_request(HttpRequest("POST", "", (("x-ok", "1"), ("x-key", value))), head_of(HERE, "/"))
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a\r\nb", "é", "Host", "content-length", "Transfer-Encoding", "accept-encoding"]
)
def test_names_that_are_refused(name: str) -> None:
    """A name that is no token, or that the client writes itself: ValueError, each time."""
    for _ in range(2):
        with pytest.raises(ValueError, match="header"):
            encode_request(HttpRequest("POST", "", ((name, "x"),)), head_of(HERE, "/"))


def test_methods_that_are_refused() -> None:
    """CONNECT, TRACE and anything that is no method."""
    for method in ("CONNECT", "TRACE", "get", "GET /x HTTP/1.1\r\n"):
        with pytest.raises(ValueError, match="not a method"):
            encode_request(HttpRequest(method, ""), head_of(HERE, "/"))


class Seen:
    """What a server's parser makes of our bytes."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.requests = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.requests += 1


@given(st.lists(st.tuples(st.from_regex(r"x-[a-z0-9]{1,8}", fullmatch=True), st.text(max_size=30))), st.binary())
def test_whatever_goes_out_is_one_request(headers: list[tuple[str, str]], body: bytes) -> None:
    """For any values: refused, or read by a server as exactly one request with exactly these fields and this body."""
    request = HttpRequest("POST", "", tuple(headers), body)
    try:
        data = encode_request(request, head_of(HERE, "/x"))
    except ValueError:
        assert any(set(value) & set("\r\n\0") or max(value, default=" ") > "\xff" for _, value in headers)
        return
    seen = Seen()
    try:
        httptools.HttpRequestParser(seen).feed_data(data)
    except httptools.HttpParserError:
        # A strict server refuses other control characters; that harms nobody but the one who sent them.
        assert any(ord(letter) < 32 or ord(letter) == 127 for _, value in headers for letter in value)
        return
    assert (seen.requests, seen.body) == (1, body)
    sent = [(name.encode(), value.strip(" \t").encode("latin-1")) for name, value in headers]
    assert [(name, value.strip(b" \t")) for name, value in seen.headers if name.startswith(b"x-")] == sent
