"""Images and PDFs from users' URLs: what is fetched, what is refused; nothing leads inside (FAULTS.md, SSRF)."""

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ssrf.corpus import corpus
from tests.upstream.conftest import Run
from tests.upstream.scripted import Peer, Scripted
from tollway.domain.chat import MediaKind
from tollway.upstream.fetch import Fetcher, FetchFailed, Guard, is_public, sniff

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
PDF = b"%PDF-1.7\n%\xe2\xe3"
MEGABYTE = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
HERE = ("127.0.0.1",)


def answer(body: bytes, status: str = "200 OK", head: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{head}\r\n".encode() + body


async def failure(fetcher: Fetcher, url: str, kind: MediaKind = "image") -> str:
    """What is said of a URL that can't be fetched."""
    with pytest.raises(FetchFailed) as caught:
        await fetcher.data_url(url, kind)
    return str(caught.value)


def site(seen: list[bytes], pages: dict[str, bytes]) -> Callable[[Peer], Awaitable[None]]:
    """A script that answers by path, and keeps the heads that it was sent."""

    async def play(peer: Peer) -> None:
        while True:
            try:
                head = await peer.request()
            except asyncio.IncompleteReadError:
                return
            seen.append(head)
            await peer.send(pages.get(head.split()[1].decode(), answer(b"", "404 Not Found")))

    return play


@pytest.mark.parametrize(
    ("data", "kind", "media_type"),
    [
        (PNG, "image", "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image", "image/jpeg"),
        (b"GIF89arest", "image", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image", "image/webp"),
        (PDF, "file", "application/pdf"),
        (PNG, "file", "image/png"),
    ],
)
def test_what_is_fetched(run: Run, data: bytes, kind: MediaKind, media_type: str) -> None:
    """The type is that of the bytes, whatever the server calls them; nothing of ours goes along."""

    async def main() -> None:
        seen: list[bytes] = []
        pages = {"/a%20b?c=1": answer(data, head="content-type: text/html\r\n")}
        async with Scripted(site(seen, pages)) as server:
            fetcher = Fetcher(HERE)
            found = await fetcher.data_url(server.url("/a b?c=1#part"), kind)
            assert found == f"data:{media_type};base64,{base64.b64encode(data).decode()}"
            names = {line.split(b":")[0].lower() for line in seen[0].split(b"\r\n")[1:] if line}
            assert names == {b"host", b"accept", b"accept-encoding", b"user-agent"}
            await fetcher.close()

    run(main())


def test_what_is_no_image(run_once: Run) -> None:
    """Web pages, PDFs as images, errors, what is too large and what does not end: a sentence each."""

    async def main() -> None:
        pages = {
            "/page": answer(b"<html>"),
            "/pdf": answer(PDF),
            "/large": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + MEGABYTE * 22 + b"0\r\n\r\n",
            "/announced": b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n" + PNG,
        }
        async with Scripted(site([], pages)) as server:
            fetcher = Fetcher(HERE)
            assert "is not a PNG, JPEG, WebP or GIF image" in await failure(fetcher, server.url("/page"))
            assert "is not a PNG, JPEG, WebP or GIF image" in await failure(fetcher, server.url("/pdf"))
            assert "is not a PDF or an image" in await failure(fetcher, server.url("/page"), "file")
            assert "status 404" in await failure(fetcher, server.url("/none"))
            assert "larger than 20 MB" in await failure(fetcher, server.url("/large"))
            assert "larger than 20 MB" in await failure(fetcher, server.url("/announced"))
            assert "could not be fetched" in await failure(fetcher, "http://127.0.0.1:1/x.png")
            await fetcher.close()

    run_once(main())


def test_redirects(run_once: Run) -> None:
    """Three are followed, relative ones too; a fourth is not."""

    async def main() -> None:
        pages = {f"/{step}": answer(b"", "302 Found", f"location: /{step - 1}\r\n") for step in range(1, 5)}
        async with Scripted(site([], {**pages, "/0": answer(PNG)})) as server:
            fetcher = Fetcher(HERE)
            assert (await fetcher.data_url(server.url("/3"), "image")).startswith("data:image/png;")
            assert "redirects more than 3 times" in await failure(fetcher, server.url("/4"))
            await fetcher.close()

    run_once(main())


def test_nothing_leads_inside(run_once: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole corpus, on a port that may be fetched from: not one connection is even tried, with proxies set, too."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tried: list[object] = []

        async def connected(*arguments: object, **_: object) -> None:
            tried.append(arguments)
            raise OSError("a connection was tried")

        async def known(host: str, port: int) -> list[str]:
            # What a system resolver makes of the odd notations; everything else does not exist.
            try:
                return [socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))]
            except OSError:
                return ["127.0.0.1", "::1"]

        fetcher = Fetcher(resolve=known)
        monkeypatch.setattr(type(loop), "create_connection", connected, raising=False)
        try:
            for url in corpus(80):
                assert "could not be fetched" in await failure(fetcher, url), url
            assert tried == []
            await failure(fetcher, "http://8.8.8.8/x.png")
            assert tried, "this test would not have seen a connection"
        finally:
            monkeypatch.undo()
        await fetcher.close()

    run_once(main())


def test_a_redirect_inside(run_once: Run) -> None:
    """Each step is judged anew, and https never becomes http."""

    async def main() -> None:
        seen: list[bytes] = []

        async def names(host: str, port: int) -> list[str]:
            return {"allowed.test": ["127.0.0.1"], "mixed.test": ["93.184.215.14", "10.0.0.1"]}[host]

        async with Scripted(site(seen, {})) as inside:
            pages = {
                "/metadata": answer(b"", "302 Found", f"location: http://127.0.0.1:{inside.port}/secret\r\n"),
                "/file": answer(b"", "302 Found", "location: file:///etc/passwd\r\n"),
            }
            async with Scripted(site([], pages)) as outside:
                fetcher = Fetcher(("allowed.test",), resolve=names)
                at = f"http://allowed.test:{outside.port}"
                assert "ports 80 and 443" in await failure(fetcher, f"{at}/metadata")
                assert "http:// or https://" in await failure(fetcher, f"{at}/file")
                assert "not on the public internet" in await failure(fetcher, "http://mixed.test/x")
                assert seen == []
                await fetcher.close()

    run_once(main())


def test_a_name_that_changes_its_mind(run_once: Run) -> None:
    """Rebinding: the address that was judged is the one that is connected to; the next answer is judged as well."""

    async def main() -> None:
        answers = iter([["93.184.215.14"], ["127.0.0.1"]])

        async def names(host: str, port: int) -> list[str]:
            return next(answers)

        guard = Guard((), names)
        assert await guard.addresses("rebind.test", 80) == ["93.184.215.14"]
        with pytest.raises(Exception, match="not on the public internet"):
            await guard.addresses("rebind.test", 80)

    run_once(main())


@given(st.ip_addresses())
def test_public_addresses(address: object) -> None:
    """Nothing that Python calls private, loopback, link-local, multicast or reserved is public to us."""
    ip = ip_address(str(address))
    ip = getattr(ip, "ipv4_mapped", None) or ip
    closed = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
    assert not (closed and is_public(str(ip)))
    if isinstance(ip, IPv4Address) and not closed and ip not in ip_network("100.64.0.0/10"):
        special = any(ip in ip_network(net) for net in ("192.88.99.0/24", "192.0.0.0/24", "198.18.0.0/15"))
        assert is_public(str(ip)) is not special


def test_plain_public_addresses() -> None:
    """And what is public is."""
    assert all(map(is_public, ("93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8")))
    assert not any(map(is_public, ("", "example.com", "fe80::1%lo", "1.2.3")))


@given(st.binary(max_size=40))
def test_sniffing_never_fails(data: bytes) -> None:
    """Any bytes: a type that we name, or None."""
    assert sniff(data) in (None, "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
