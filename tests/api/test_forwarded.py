"""Who the client is behind proxies: what strangers write changes nothing, and a listed proxy is believed."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import Answer, World, offer, request, world
from tollway.api.exchange import Exchange
from tollway.api.forwarded import Proxies, address_in, hops_of_forwarded
from tollway.config import Server
from tollway.limits import Limiter, Limits

OURS = ("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1")


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nobody reads or writes here")


def client(peer: str | None, *lines: str, header: str = "x-forwarded-for", ours: Sequence[str] = OURS) -> str | None:
    scope = {
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "client": None if peer is None else (peer, 1),
        "headers": [(header.encode(), line.encode("latin-1")) for line in lines],
    }
    return Proxies(ours, header).client_of(Exchange(scope, _nothing, _nothing))


TABLE: list[tuple[str | None, list[str], str | None]] = [
    ("198.51.100.7", [], "198.51.100.7"),
    ("198.51.100.7", ["192.0.2.1"], "198.51.100.7"),  # a stranger's own word
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
    ("10.0.0.1", ["203.0.113.9, 192.0.2.1"], "192.0.2.1"),  # the left part is the client's own invention
    ("10.0.0.1", ["127.0.0.1, 192.0.2.1, 10.2.3.4"], "192.0.2.1"),
    ("10.0.0.1", ["192.0.2.1", "10.2.3.4"], "192.0.2.1"),
    ("10.0.0.1", ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),  # a request of our own network
    ("10.0.0.1", ["192.0.2.1, unknown"], "10.0.0.1"),
    ("10.0.0.1", ["192.0.2.1, "], "10.0.0.1"),
    ("10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1"),
    ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
    ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
    ("2001:db8:ffff::9", ["::ffff:192.0.2.1"], "192.0.2.1"),
    ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
    (None, ["192.0.2.1"], None),
]


@pytest.mark.parametrize(("peer", "lines", "expected"), TABLE)
def test_x_forwarded_for(peer: str | None, lines: list[str], expected: str | None) -> None:
    """By the hand; and with nobody listed, it is always who connected."""
    assert client(peer, *lines) == expected
    assert client(peer, *lines, ours=()) == peer
    assert client(peer, *lines, header="forwarded", ours=()) == peer


FORWARDED: list[tuple[list[str], str]] = [
    (["for=192.0.2.1"], "192.0.2.1"),
    (['For="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
    (["for=192.0.2.43;proto=http;by=203.0.113.43"], "192.0.2.43"),
    (["proto=http; by=203.0.113.43 ;FOR=192.0.2.43"], "192.0.2.43"),
    (["for=203.0.113.9, for=192.0.2.1;by=10.0.0.2, for=10.0.0.2"], "192.0.2.1"),
    (["for=192.0.2.1", "for=10.0.0.2"], "192.0.2.1"),
    (['host="a,b;for=203.0.113.9";for=192.0.2.1'], "192.0.2.1"),
    (['for=192.0.2.1;host="a,for=203.0.113.9"'], "192.0.2.1"),
    (["for=_hidden"], "10.0.0.1"),
    (["for=192.0.2.1, by=10.0.0.2"], "10.0.0.1"),  # whoever added that did not say for whom
    (['for="203.0.113.9, for=192.0.2.1'], "192.0.2.1"),  # a stranger's open quote
    (['for="203.0.113.9, for="[2001:db8::1]"'], "2001:db8::1"),
    ([""], "10.0.0.1"),
]


@pytest.mark.parametrize(("lines", "expected"), FORWARDED)
def test_forwarded(lines: list[str], expected: str) -> None:
    """RFC 7239 by the hand."""
    assert client("10.0.0.1", *lines, header="forwarded") == expected


outside = st.one_of(st.ip_addresses(v=4, network="192.0.2.0/24"), st.ip_addresses(v=6, network="2001:db8:1::/48"))
inside = st.one_of(st.ip_addresses(v=4, network="10.0.0.0/8"), st.ip_addresses(v=6, network="2001:db8:ffff::/48"))
anything = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40)
mean = st.lists(st.sampled_from(["for=", '"', ",", ";", "192.0.2.9", "10.0.0.9", "\\", "[", "]", ":", " "])).map(
    "".join
)


def written(address: IPv4Address | IPv6Address, port: int | None, form: str) -> str:
    bare = f"[{address}]" if address.version == 6 and (port is not None or form == "forwarded") else str(address)
    node = bare if port is None else f"{bare}:{port}"
    if form != "forwarded":
        return node
    return f'for="{node}";proto=https' if ":" in node else f"for={node};by=_us"


@given(
    form=st.sampled_from(["x-forwarded-for", "forwarded"]),
    theirs=st.lists(anything | mean, max_size=3),
    first=outside,
    hops=st.lists(inside, max_size=3),
    port=st.none() | st.integers(1, 65535),
    breaks=st.booleans(),
)
def test_what_strangers_write_changes_nothing(
    form: str, theirs: list[str], first: Any, hops: list[Any], port: int | None, breaks: bool
) -> None:
    """Whatever came from outside, in the same line or in lines of its own: the client is who our first proxy saw."""
    added = [written(each, port, form) for each in (first, *hops)]
    lines = [*theirs, ", ".join(added)] if breaks or not theirs else [*theirs[:-1], ", ".join([theirs[-1], *added])]
    assert client("10.0.0.1", *lines, header=form) == str(first)


@given(st.lists(anything | mean, max_size=4), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_nothing_breaks_it(lines: list[str], header: str) -> None:
    """Any text at all: the answer is an address; and for who did not come through a proxy of ours, his own."""
    found = client("10.0.0.1", *lines, header=header)
    assert found is not None
    ip_address(found)
    assert client("198.51.100.7", *lines, header=header) == "198.51.100.7"


def test_a_long_header_costs_no_more_than_its_length() -> None:
    """Quotes and commas by the ten thousand are read once."""
    for unit in ('",', ",", '"', 'for="', ";"):
        assert len(list(hops_of_forwarded([unit * 10_000]))) <= 20_001


@given(st.ip_addresses(), st.none() | st.integers(0, 65535))
def test_addresses_are_read_as_they_are_written(address: IPv4Address | IPv6Address, port: int | None) -> None:
    """With a port and without; IPv4 inside IPv6 is IPv4."""
    found = address_in(written(address, port, "x-forwarded-for"))
    assert found == (getattr(address, "ipv4_mapped", None) or address)
    for odd in (f"{address}x", f"[{address}]x", f"[{address}]:x", f"{address}:x", "", "unknown", "_a", "1.2.3"):
        assert address_in(odd) is None


@pytest.fixture(scope="module")
def behind() -> Any:
    """A server that trusts this machine as its proxy."""
    with world(offer(), server=Server(port=0, trusted_proxies=("127.0.0.1",))) as it:
        yield it


URLS: dict[str, dict[str, Any]] = {
    "/api/v1/chat/completions": {"model": "test/model", "messages": [{"role": "user", "content": "Hi."}]},
    "/v1beta/models/test/model:generateContent": {"contents": [{"parts": [{"text": "Hi."}]}]},
    "/v1/extractions": {"model": "test/model", "input": "Hi.", "schema": {"type": "object"}},
}


@pytest.mark.parametrize("path", URLS)
def test_clients_behind_a_proxy_have_a_limit_each(behind: World, path: str) -> None:
    """One a minute for each address, on every kind of URL; a client that invents others to its left has still one."""
    behind.house.gateway.limiter = Limiter(Limits(address_rpm=1))

    def asked(forwarded: str) -> Answer:
        headers = {**behind.key.headers, "x-forwarded-for": forwarded}
        return request(behind.url, "POST", path, URLS[path], headers=headers)

    assert asked("192.0.2.1").status != 429
    assert asked("192.0.2.2").status != 429
    assert asked("203.0.113.1, 192.0.2.1").status == 429
    assert asked("203.0.113.2, 192.0.2.1").status == 429
    assert asked("2001:db8::1").status != 429
    assert asked("2001:db8::2").status == 429
