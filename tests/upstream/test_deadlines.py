"""Deadlines of an answer: until the first event, between two, and in all; pings do not count, slow callers do not."""

import asyncio

import pytest

from tests.upstream.conftest import Run
from tests.upstream.scripted import OK, PATIENT, QUICK, SSE_HEAD, Peer, Scripted, always, kind_of, none_open, post
from tollway.domain.http import Deadlines, FaultKind
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault


def test_u8_slow_first_byte(run: Run) -> None:
    """U-8: no head, or a head and only meaningless bytes, until first_event_s: FIRST_EVENT_TIMEOUT."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            if peer.number == 2:
                await peer.send(SSE_HEAD)
                while True:
                    await peer.send(b"8\r\n: ping\n\n\r\n")
                    await asyncio.sleep(0.02)
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            loop = asyncio.get_running_loop()
            for _ in range(2):
                began_s = loop.time()
                assert await kind_of(client, server.url(), QUICK) is FaultKind.FIRST_EVENT_TIMEOUT
                assert 0.25 < loop.time() - began_s < 1.0
            await server.all_closed()
            await none_open(client)
            await client.close()

    run(main())


def test_u9_stalled_stream(run: Run) -> None:
    """U-9: after the first event, idle_s without progress() is IDLE_TIMEOUT, however many pings come."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SSE_HEAD)
            for number in range(6):
                await peer.send(b"8\r\ndata: %d\n\r\n" % number)
                await asyncio.sleep(0.1)
            while True:
                await peer.send(b"8\r\n: ping\n\n\r\n")
                await asyncio.sleep(0.02)

        async with Scripted(script) as server:
            client = UpstreamClient()
            events = 0
            with client.call(post(server.url()), QUICK) as call:
                await call.start()
                with pytest.raises(UpstreamFault) as caught:  # noqa: PT012  # the loop is what runs into the fault
                    while piece := await call.chunk():
                        if piece.startswith(b"data"):
                            call.progress()
                            events += 1
            assert (caught.value.kind, events) == (FaultKind.IDLE_TIMEOUT, 6)
            await server.all_closed()
            await client.close()

    run(main())


def test_idle_is_the_providers_silence_not_ours(run_once: Run) -> None:
    """A caller that is slow to take what has arrived does not make the provider time out."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SSE_HEAD + b"8\r\ndata: 1\n\r\n")
            await asyncio.sleep(0.05)
            await peer.send(b"8\r\ndata: 2\n\r\n0\r\n")
            await asyncio.sleep(0.4)
            await peer.send(b"\r\n")
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), QUICK) as call:
                await call.start()
                assert await call.chunk() == b"data: 1\n"
                call.progress()
                await asyncio.sleep(0.35)
                assert await call.chunk() == b"data: 2\n"
                call.progress()
                assert await call.chunk() == b""
            await client.close()

    run_once(main())


def test_total_timeout(run_once: Run) -> None:
    """A stream that makes progress for ever ends at total_s."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SSE_HEAD)
            while True:
                await peer.send(b"2\r\nok\r\n")
                await asyncio.sleep(0.02)

        async with Scripted(script) as server:
            client = UpstreamClient()
            deadlines = Deadlines(first_event_s=0.2, idle_s=0.1, total_s=0.4)
            with client.call(post(server.url()), deadlines) as call:
                await call.start()
                with pytest.raises(UpstreamFault) as caught:  # noqa: PT012  # the loop is what runs into the fault
                    while await call.chunk():
                        call.progress()
            assert caught.value.kind is FaultKind.TOTAL_TIMEOUT
            await client.close()

    run_once(main())


def test_idle_counts_from_a_late_first_event(run_once: Run) -> None:
    """A first event long before first_event_s: the shorter idle_s rules from then on, without a new timer."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await asyncio.sleep(0.15)
            await peer.send(SSE_HEAD + b"8\r\ndata: 1\n\r\n")
            await peer.closed()

        async with Scripted(script) as server:
            client = UpstreamClient()
            loop = asyncio.get_running_loop()
            with client.call(post(server.url()), Deadlines(first_event_s=3.0, idle_s=0.1)) as call:
                await call.start()
                assert await call.chunk() == b"data: 1\n"
                call.progress()
                with pytest.raises(UpstreamFault) as caught:
                    await call.chunk()
            assert caught.value.kind is FaultKind.IDLE_TIMEOUT
            assert loop.time() - call.started_s < 1.5
            await client.close()

    run_once(main())


def test_no_watch_outlives_its_call(run: Run) -> None:
    """At the end of the block nobody looks any more, so that nothing keeps a finished call alive until its deadline."""

    async def main() -> None:
        async with Scripted(always(OK)) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                assert client._watch.calls == {call}
            assert not client._watch.calls
            await client.close()

    run(main())
