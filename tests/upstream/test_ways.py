"""The way to a provider: names and their cache, TLS that is always verified, proxies from the configuration."""

import asyncio
import base64
import socket
from contextlib import AsyncExitStack

import pytest

from tests.upstream.conftest import Run
from tests.upstream.scripted import (
    OK,
    PATIENT,
    QUICK,
    Certificate,
    Peer,
    Scripted,
    always,
    black_hole,
    fault_of,
    fetch,
    kind_of,
    none_open,
)
from tollway.domain.http import FaultKind, HttpRequest
from tollway.upstream import connect, dns
from tollway.upstream.client import UpstreamClient
from tollway.upstream.dns import Resolver
from tollway.upstream.faults import UpstreamFault


class NameServer:
    """Answers as told, and counts the questions."""

    def __init__(self, answer: list[str] | None = None, *, delay_s: float = 0.0) -> None:
        self.answer = answer
        self.delay_s = delay_s
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        await asyncio.sleep(self.delay_s)
        if self.answer is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.answer


async def dns_fault(resolver: Resolver, dns_s: float = 1.0) -> str:
    """What the resolver says when it finds nothing."""
    with pytest.raises(UpstreamFault) as caught:
        await resolver.addresses("provider.test", 443, dns_s)
    assert caught.value.kind is FaultKind.DNS
    return caught.value.message


def test_u1_unknown_name(run: Run) -> None:
    """U-1: a name that does not exist is DNS, remembered for FAILED_S, then asked again."""

    async def main() -> None:
        names = NameServer()
        client = UpstreamClient(resolve=names)
        for _ in range(3):
            assert await kind_of(client, "http://nowhere.test/") is FaultKind.DNS
        assert names.asked == [("nowhere.test", 80)]
        assert client.open_connections == 0
        await client.close()

    run(main())


def test_u1_slow_name_server(run: Run) -> None:
    """U-1: no answer within dns_s is DNS too, for all who wait."""

    async def main() -> None:
        names = NameServer(["127.0.0.1"], delay_s=60)
        client = UpstreamClient(resolve=names)
        kinds = await asyncio.gather(*[kind_of(client, "http://slow.test/", QUICK) for _ in range(5)])
        assert set(kinds) == {FaultKind.DNS}
        assert len(names.asked) == 1
        await client.close()

    run(main())


def test_u1_cache_negative_cache_and_last_good(run_once: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """U-1: fresh for FRESH_S, the last good address while the servers fail, for LAST_GOOD_S at most, then DNS."""

    async def main() -> None:
        monkeypatch.setattr(dns, "FRESH_S", 0.05)
        monkeypatch.setattr(dns, "FAILED_S", 0.05)
        monkeypatch.setattr(dns, "LAST_GOOD_S", 0.3)
        names = NameServer(["192.0.2.1"])
        resolver = Resolver(names)
        for _ in range(3):
            assert await resolver.addresses("provider.test", 443, 1.0) == ["192.0.2.1"]
        assert len(names.asked) == 1
        names.answer = None
        await asyncio.sleep(0.06)
        for _ in range(3):
            assert await resolver.addresses("provider.test", 443, 1.0) == ["192.0.2.1"]
        assert len(names.asked) == 2
        await asyncio.sleep(0.06)
        names.delay_s = 60.0
        assert await resolver.addresses("provider.test", 443, 0.02) == ["192.0.2.1"]
        names.delay_s = 0.0
        await asyncio.sleep(0.3)
        assert "provider.test" in await dns_fault(resolver)
        names.answer = ["192.0.2.2"]
        await asyncio.sleep(0.06)
        assert await resolver.addresses("provider.test", 443, 1.0) == ["192.0.2.2"]
        names.answer = []
        await asyncio.sleep(0.4)
        await dns_fault(resolver)

    run_once(main())


def test_constants_are_those_of_the_fault_table() -> None:
    """U-1 says 5 s negative and 10 min last good."""
    assert (dns.FRESH_S, dns.FAILED_S, dns.LAST_GOOD_S) == (60.0, 5.0, 600.0)


def test_one_question_for_all_who_wait(run: Run) -> None:
    """50 calls at once ask once; the one who asked may be cancelled, and another asks in its place."""

    async def main() -> None:
        names = NameServer(["127.0.0.1"], delay_s=0.05)
        resolver = Resolver(names)
        jobs = [asyncio.ensure_future(resolver.addresses("provider.test", 1, 2.0)) for _ in range(50)]
        await asyncio.sleep(0.01)
        jobs[0].cancel()
        jobs[7].cancel()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert results.count(["127.0.0.1"]) == 48
        assert len(names.asked) == 2

    run(main())


def test_literals_are_asked_about_only_where_a_guard_is(run_once: Run) -> None:
    """A resolver from outside sees literals too, so that a guard in it cannot be passed by writing the address."""

    async def main() -> None:
        assert await Resolver().addresses("127.0.0.1", 80, 1.0) == ["127.0.0.1"]
        assert await Resolver().addresses("::1", 80, 1.0) == ["::1"]
        assert "127.0.0.1" in await Resolver().addresses("localhost", 80, 5.0)
        names = NameServer()
        client = UpstreamClient(resolve=names)
        assert await kind_of(client, "http://127.0.0.1:9/") is FaultKind.DNS
        assert names.asked == [("127.0.0.1", 9)]
        await client.close()

    run_once(main())


def test_a_dead_address_does_not_take_all_the_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two addresses drops our SYN: the second gets its half of connect_s."""

    async def main() -> None:
        monkeypatch.setattr(connect, "_TRY_S", 0.05)
        async with Scripted(always(OK)) as server, AsyncExitStack() as stack:
            black_hole(stack, ("127.0.0.2", server.port))
            client = UpstreamClient(resolve=NameServer(["127.0.0.2", "127.0.0.1"]))
            deadlines = PATIENT.__class__(connect_s=0.4)
            assert await fetch(client, f"http://provider.test:{server.port}/", deadlines) == b"ok"
            await client.close()

    run(main())


def test_u4_tls_is_verified(run: Run, certificate: Certificate) -> None:
    """U-4: an unknown issuer, a wrong host, no TLS at all are TLS faults; a context that trusts the issuer works."""

    async def main() -> None:
        local = NameServer(["127.0.0.1"])

        async def speaks_first(peer: Peer) -> None:
            await peer.send(b"HTTP/1.1 400 The plain HTTP request\r\n\r\n")
            await peer.closed()

        async with (
            Scripted(always(OK), ssl_context=certificate.server()) as server,
            Scripted(speaks_first) as plain,
        ):
            url = f"https://localhost:{server.port}/"
            stranger = UpstreamClient(resolve=local)
            fault = await fault_of(stranger, url)
            assert fault.kind is FaultKind.TLS
            assert "self-signed certificate" in fault.message
            friend = UpstreamClient(resolve=local, ssl_context=certificate.trusting())
            wrong = await fault_of(friend, f"https://provider.test:{server.port}/")
            assert wrong.kind is FaultKind.TLS
            assert await kind_of(friend, f"https://localhost:{plain.port}/") is FaultKind.TLS
            await none_open(friend)
            connections = server.connections
            for _ in range(5):
                assert await fetch(friend, url) == b"ok"
            assert server.connections == connections + 1
            assert friend.idle_connections == 1
            for client in (stranger, friend):
                await client.close()
                assert client.open_connections == 0
            await server.all_closed()

    run(main())


def test_u4_tls_that_never_answers(run: Run) -> None:
    """U-4: a handshake that takes longer than tls_s is a TLS fault."""

    async def main() -> None:
        async def silent(peer: Peer) -> None:
            await peer.closed()

        async with Scripted(silent) as server:
            client = UpstreamClient()
            deadlines = PATIENT.__class__(tls_s=0.1)
            assert await kind_of(client, f"https://127.0.0.1:{server.port}/", deadlines) is FaultKind.TLS
            await server.all_closed()
            await client.close()

    run(main())


def test_tls_streams_large_bodies(run: Run, certificate: Certificate) -> None:
    """8 MB each way through TLS, with backpressure, on a connection that is then kept."""

    async def main() -> None:
        body = bytes(range(256)) * 2**15

        async def echo(peer: Peer) -> None:
            while True:
                got = (await peer.request()).split(b"\r\n\r\n", 1)[1]
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(got) + got)

        async with Scripted(echo, ssl_context=certificate.server()) as server:
            client = UpstreamClient(resolve=NameServer(["127.0.0.1"]), ssl_context=certificate.trusting())
            for _ in range(2):
                with client.call(post_body(f"https://localhost:{server.port}/", body), PATIENT) as call:
                    await call.start()
                    got = [await call.chunk()]
                    await asyncio.sleep(0.05)
                    while piece := await call.chunk():
                        got.append(piece)
                assert b"".join(got) == body
            assert server.connections == 1
            await client.close()

    run(main())


def post_body(url: str, body: bytes) -> HttpRequest:
    """A request with a body of that size."""
    return HttpRequest("POST", url, (), body)


class Forwarder:
    """A proxy: `answer` to CONNECT, then bytes both ways to `port`, whatever host was named."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.port = port
        self.answer = answer
        self.heads: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        head = await peer.head()
        self.heads.append(head)
        await peer.send(self.answer[:9])
        await asyncio.sleep(0.01)
        await peer.send(self.answer[9:])
        if b" 200 " not in self.answer:
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        back = asyncio.ensure_future(self._copy(reader, peer.writer))
        try:
            await self._copy(peer.reader, writer)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            writer.close()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


PASSWORD = "p@ss:w/rd"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode())


def test_proxy_for_https(run: Run, certificate: Certificate) -> None:
    """https goes through CONNECT, with credentials for the proxy alone; the certificate is still the provider's."""

    async def main() -> None:
        async with Scripted(always(OK), ssl_context=certificate.server()) as server:
            forwarder = Forwarder(server.port)
            async with Scripted(forwarder) as proxy:
                proxies = {"https": f"http://user:p%40ss%3Aw%2Frd@127.0.0.1:{proxy.port}"}
                client = UpstreamClient(proxies=proxies, ssl_context=certificate.trusting())
                for _ in range(3):
                    assert await fetch(client, "https://localhost/v1/x") == b"ok"
                assert forwarder.heads == [
                    b"CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\nproxy-authorization: Basic "
                    + BASIC + b"\r\n\r\n"
                ]  # fmt: skip
                await client.close()
                stranger = UpstreamClient(proxies=proxies)
                fault = await fault_of(stranger, "https://localhost/v1/x")
                assert fault.kind is FaultKind.TLS
                await stranger.close()

    run(main())


REFUSALS: dict[str, tuple[bytes, FaultKind]] = {
    "407": (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", FaultKind.CONNECT_REFUSED),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", FaultKind.CONNECT_REFUSED),
    "not http": (b"SOCKS what?\r\n\r\n", FaultKind.PROTOCOL),
    "more than a head": (b"HTTP/1.1 200 OK\r\n\r\nsmuggled", FaultKind.PROTOCOL),
    "cut": (b"HTTP/1.1 5", FaultKind.CONNECT_REFUSED),
    "endless": (b"HTTP/1.1 500 " + b"x" * 100_000, FaultKind.CONNECT_REFUSED),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_proxy_that_refuses(run: Run, name: str) -> None:
    """A proxy that opens no way is a fault of connecting; the message holds no password; no socket is left."""
    answer, kind = REFUSALS[name]

    async def main() -> None:
        async with Scripted(Forwarder(9, answer)) as proxy:
            client = UpstreamClient(proxies={"all": f"http://user:p%40ss%3Aw%2Frd@127.0.0.1:{proxy.port}"})
            fault = await fault_of(client, "https://provider.test/v1/x")
            assert fault.kind is kind
            for secret in (PASSWORD, "p%40ss", BASIC.decode(), "user"):
                assert secret not in str(fault)
            await proxy.all_closed()
            await none_open(client)
            await client.close()

    run(main())


def test_proxy_that_is_silent(run: Run) -> None:
    """A proxy that never answers CONNECT is CONNECT_TIMEOUT."""

    async def main() -> None:
        async def silent(peer: Peer) -> None:
            await peer.closed()

        async with Scripted(silent) as proxy:
            client = UpstreamClient(proxies={"all": f"http://127.0.0.1:{proxy.port}"})
            assert await kind_of(client, "https://provider.test/", QUICK) is FaultKind.CONNECT_TIMEOUT
            await proxy.all_closed()
            await client.close()

    run(main())


def test_proxy_for_http(run: Run) -> None:
    """http goes to the proxy with the whole URL in the request line; `""` for a host means directly."""

    async def main() -> None:
        heads: list[bytes] = []

        async def script(peer: Peer) -> None:
            while True:
                heads.append((await peer.request()).split(b"\r\n\r\n")[0])
                await peer.send(OK)

        async with Scripted(script) as proxy, Scripted(always(OK)) as direct:
            client = UpstreamClient(
                proxies={"http": f"http://user:p%40ss%3Aw%2Frd@127.0.0.1:{proxy.port}", "http://127.0.0.1": ""}
            )
            for _ in range(2):
                assert await fetch(client, "http://provider.test:8080/v1/x?y=1") == b"ok"
            assert (proxy.connections, len(heads)) == (1, 2)
            assert heads[0].startswith(
                b"POST http://provider.test:8080/v1/x?y=1 HTTP/1.1\r\nhost: provider.test:8080\r\n"
                b"accept-encoding: identity\r\nproxy-authorization: Basic " + BASIC + b"\r\n"
            )
            assert await fetch(client, direct.url()) == b"ok"
            assert (direct.connections, len(heads)) == (1, 2)
            await client.close()

    run(main())
