"""Canaries on every address of this machine: whatever URL a user gives, wherever they give it, none is reached."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote, unquote

import pytest

from tests.gateway.clients import run
from tests.providers.accounts import SERVICE_ACCOUNT
from tests.providers.test_opened import ENTRY
from tests.ssrf.corpus import corpus
from tests.support import Answer, Stage, offer, request, staged
from tests.upstream.scripted import Peer, Scripted
from tollway.domain.catalog import WireFormat
from tollway.domain.identity import KeyKind
from tollway.upstream import fetch
from tollway.upstream.dns import system_addresses
from tollway.upstream.fetch import Fetcher

AT_ONCE = 32
"""Files that one request may name by URL."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
NAMES = {
    "inside.test": ["127.0.0.1"],
    "inside6.test": ["::1"],
    "mixed.test": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", "127.0.0.1"],
    "mixed6.test": ["93.184.215.14", "::1"],
    "link.test": ["169.254.1.1"],
    "private.test": ["10.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "outside.test": ["127.0.0.1"],
}


class Canaries:
    """Servers on one port of every address that this machine has, which note who knocks."""

    def __init__(self) -> None:
        self.port = 0
        self.hits: list[str] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Canaries"]:
        servers = [await asyncio.start_server(self._hit, "0.0.0.0", 0)]
        self.port = servers[0].sockets[0].getsockname()[1]
        with suppress(OSError):  # a machine without IPv6 has no address of it that could be reached
            servers.append(await asyncio.start_server(self._hit, "::", self.port))
        try:
            yield self
        finally:
            for server in servers:
                server.close()

    async def _hit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hits.append(str(writer.get_extra_info("sockname")))
        writer.close()


async def names(host: str, port: int) -> list[str]:
    """What a name server says, to which the hosts of this test are known; odd notations as the system reads them."""
    known = NAMES.get(host.lower().rstrip("."))
    if known is not None:
        return known
    if host.isascii() and not any(each.isalpha() for each in host.removeprefix("0x")):
        return await system_addresses(host, port)
    if host.lower().rstrip(".").startswith(("localhost", "ip6-", "0x")):
        return await system_addresses(host, port)
    raise OSError("no such host")


@asynccontextmanager
async def open_house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Stage, Canaries]]:
    """A server whose guard lets the canaries' port pass, so that nothing but their addresses protects them; with every
    proxy of the environment leading to them.
    """
    async with Canaries().listening() as canaries:
        monkeypatch.setattr(fetch, "_PORTS", (80, 443, canaries.port))
        for name in PROXIES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{canaries.port}")
        async with staged(offer(speaks=WireFormat.BEDROCK_CONVERSE)) as stage:
            await stage.house.gateway.fetcher.close()
            stage.house.gateway.fetcher = Fetcher(resolve=names)
            yield stage, canaries


async def send(stage: Stage, path: str, body: Any, key: Any = None, **headers: str) -> Answer:
    headers = {**(key or stage.key).headers, **headers}
    return await asyncio.to_thread(request, stage.url, "POST", path, body, headers=headers)


def chat(urls: list[str]) -> tuple[str, Any]:
    images = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return "/api/v1/chat/completions", {"model": "test/model", "messages": [{"role": "user", "content": images}]}


def chat_files(urls: list[str]) -> tuple[str, Any]:
    files = [{"type": "file", "file": {"filename": "a.pdf", "file_data": url}} for url in urls]
    files += [{"type": "document_url", "document_url": url} for url in urls[:1]]
    return "/api/v1/chat/completions", {"model": "test/model", "messages": [{"role": "user", "content": files}]}


def messages(urls: list[str]) -> tuple[str, Any]:
    parts = [{"type": "image", "source": {"type": "url", "url": url}} for url in urls[::2]]
    parts += [{"type": "document", "source": {"type": "url", "url": url}} for url in urls[1::2]]
    body = {"model": "test/model", "max_tokens": 5, "messages": [{"role": "user", "content": parts}]}
    return "/v1/messages", body


def responses(urls: list[str]) -> tuple[str, Any]:
    parts: list[dict[str, str]] = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in urls[::2]]
    parts += [{"type": "input_file", "file_url": url} for url in urls[1::2]]
    return "/v1/responses", {"model": "test/model", "input": [{"role": "user", "content": parts}]}


def gemini(urls: list[str]) -> tuple[str, Any]:
    parts = [{"fileData": {"mimeType": "image/png", "fileUri": url}} for url in urls]
    return "/v1beta/models/test/model:generateContent", {"contents": [{"role": "user", "parts": parts}]}


FEATURES: list[Callable[[list[str]], tuple[str, Any]]] = [chat, chat_files, messages, responses, gemini]


def test_the_corpus() -> None:
    """At least 300 of them, none twice."""
    urls = corpus(8080)
    assert len(urls) == len(set(urls)) >= 300


def test_the_canaries_sing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is allowed to reach them does so, from each format and over a redirect: silence would be heard."""

    async def scene() -> None:
        async with open_house(monkeypatch) as (stage, canaries):
            stage.house.gateway.fetcher = Fetcher(("127.0.0.0/8", "::1"), resolve=names)
            for place, feature in enumerate(FEATURES):
                url = f"http://inside.test:{canaries.port}/x.png"
                answer = await send(stage, *feature([url]))
                assert (answer.status, len(canaries.hits) > place) == (400, True), answer.text

    run(scene)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda each: str(each.__name__))
def test_no_file_is_fetched_from_inside(feature: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images and files of requests in every format, by every URL: a 400, and no canary was reached."""

    async def scene() -> None:
        async with open_house(monkeypatch) as (stage, canaries):
            urls = corpus(canaries.port)
            for start in range(0, len(urls), AT_ONCE - 1):
                answer = await send(stage, *feature(urls[start : start + AT_ONCE - 1]))
                assert answer.status == 400, answer.text
            assert canaries.hits == []
            assert stage.bodies() == []

    run(scene)


def test_no_redirect_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An allowed host redirects to every URL, in five ways: each step is judged anew."""
    ways = ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")

    async def play(peer: Peer) -> None:
        while True:
            try:
                target = unquote((await peer.request()).split()[1].decode()[1:])
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            way, _, url = target.partition(" ")
            if not way.isdecimal():  # a relative URL leads back to the same host
                await peer.send(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                continue
            safe = quote(url, safe="%/:?#[]@!$&'()*+,;=~\\")
            await peer.send(f"HTTP/1.1 {ways[int(way)]}\r\nlocation: {safe}\r\ncontent-length: 0\r\n\r\n".encode())

    async def scene() -> None:
        async with Scripted(play) as outside, Canaries().listening() as canaries:
            monkeypatch.setattr(fetch, "_PORTS", (80, 443, canaries.port, outside.port))
            fetcher = Fetcher(("outside.test",), resolve=names)
            at = f"http://outside.test:{outside.port}/"
            told = await asyncio.gather(
                *(
                    fetcher.data_url(f"{at}{quote(f'{place % len(ways)} {url}', safe='')}", "image")
                    for place, url in enumerate(corpus(canaries.port))
                ),
                return_exceptions=True,
            )
            assert {type(each).__name__ for each in told} == {"FetchFailed"}
            assert canaries.hits == []
            await fetcher.close()

    run(scene)


def test_own_keys_lead_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's `endpoint_url` and Google's `token_uri` of users' own keys: every URL is a 400, and nobody is asked."""

    async def scene() -> None:
        async with open_house(monkeypatch) as (stage, canaries):
            manager = await stage.new_key("home", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
            account = json.loads(SERVICE_ACCOUNT)
            for url in corpus(canaries.port):
                for provider, secret in (
                    ("azure", ENTRY | {"endpoint_url": url}),
                    ("google-vertex", account | {"token_uri": url}),
                ):
                    body = {"provider": provider, "key": json.dumps(secret)}
                    answer = await send(stage, "/api/v1/byok", body, manager)
                    assert (answer.status, "data" in answer.json) == (400, False), (url, answer.text)
            assert canaries.hits == []

    run(scene)


def test_what_is_only_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`callback_url` of PKCE and `HTTP-Referer` are kept or refused, and never fetched."""

    async def scene() -> None:
        async with open_house(monkeypatch) as (stage, canaries):
            manager = await stage.new_key("home", kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
            for url in corpus(canaries.port):
                code = await send(stage, "/api/v1/auth/keys/code", {"callback_url": url}, manager)
                assert code.status in (200, 400), (url, code.text)
                page = f"/auth?callback_url={quote(url, safe='')}"
                shown = await asyncio.to_thread(request, stage.url, "GET", page)
                assert shown.status < 500
            for url in corpus(canaries.port)[::8]:
                referer = quote(url, safe="%/:?#[]@!$&'()*+,;=~\\")
                body = {"model": "test/model", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
                answer = await send(stage, "/api/v1/chat/completions", body, **{"http-referer": referer})
                assert answer.status == 200, answer.text
            await stage.house.committer.drain()
            assert canaries.hits == []

    run(scene)
