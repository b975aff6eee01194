"""Giving up: abort and cancellation at every place where a call can wait, and nothing is left behind."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.upstream.conftest import Run
from tests.upstream.scripted import (
    OK,
    PATIENT,
    QUICK,
    SSE_HEAD,
    Certificate,
    Peer,
    Scripted,
    always,
    black_hole,
    fetch,
    none_open,
    post,
)
from tollway.domain.http import FaultKind
from tollway.upstream.call import Call
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

STAGES = ("name", "tcp", "proxy", "tls", "queue", "head", "chunk", "read")


async def silent(peer: Peer) -> None:
    """Take whatever comes and say nothing."""
    await peer.closed()


async def begins(peer: Peer) -> None:
    """Begin an answer and never end it."""
    await peer.request()
    await peer.send(SSE_HEAD + b"2\r\nok\r\n")
    await peer.closed()


async def never_resolves(host: str, port: int) -> list[str]:
    """A name server that does not answer."""
    await asyncio.sleep(3600)
    return []


async def stage(name: str, stack: AsyncExitStack) -> tuple[UpstreamClient, str]:
    """A client and a URL with which a call comes to wait at the place of that name, and no further."""
    if name == "name":
        return UpstreamClient(resolve=never_resolves), "http://provider.test/"
    if name == "tcp":
        return UpstreamClient(), f"http://127.0.0.1:{black_hole(stack)}/"
    server = await stack.enter_async_context(Scripted(begins if name in ("chunk", "read") else silent))
    if name == "proxy":
        return UpstreamClient(proxies={"all": f"http://127.0.0.1:{server.port}"}), "https://provider.test/"
    if name == "tls":
        return UpstreamClient(), f"https://127.0.0.1:{server.port}/"
    if name == "queue":
        client = UpstreamClient(connections_per_origin=1)
        holder = stack.enter_context(client.call(post(server.url()), PATIENT))
        holding = asyncio.ensure_future(holder.start())
        stack.push_async_callback(asyncio.wait, [holding])
        stack.callback(holding.cancel)
        await asyncio.sleep(0.01)
        return client, server.url()
    return UpstreamClient(), server.url()


async def go_through(call: Call, name: str) -> None:
    """Do what a caller does, up to the place where it waits."""
    await call.start()
    if name == "read":
        await call.read()
    while await call.chunk():
        pass


@pytest.mark.parametrize("name", STAGES)
def test_abort_at_each_stage(run: Run, name: str) -> None:
    """abort() from a callback wakes whoever waits, at once, with the fault given; the task itself is not cancelled."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            client, url = await stage(name, stack)
            before = client.open_connections
            mine = UpstreamFault(FaultKind.ABORTED, "the client of the client went away")
            began_s = loop.time()
            with client.call(post(url), PATIENT) as call:
                loop.call_later(0.02, call.abort, mine)
                loop.call_later(0.02, call.abort, UpstreamFault(FaultKind.PROTOCOL, "the first abort counts"))
                with pytest.raises(UpstreamFault) as caught:
                    await go_through(call, name)
            assert caught.value is mine
            assert loop.time() - began_s < 1.0
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            await asyncio.sleep(0.01)  # would raise if a cancellation were still to come
            assert client.open_connections == before
            await client.close()
            await none_open(client)

    run(main())


@pytest.mark.parametrize("name", STAGES)
def test_cancellation_at_each_stage(run: Run, name: str) -> None:
    """A cancelled task stays cancelled, and its connection, slot and timer are gone."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            client, url = await stage(name, stack)
            before = client.open_connections

            async def caller() -> None:
                with client.call(post(url), PATIENT) as call:
                    await go_through(call, name)

            job = asyncio.ensure_future(caller())
            await asyncio.sleep(0.02)
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job
            assert len(client._watch.calls) == (1 if name == "queue" else 0)  # the holder of the connection
            await asyncio.sleep(0.01)
            assert client.open_connections == before
            await client.close()
            await none_open(client)

    run(main())


@pytest.mark.parametrize("name", STAGES)
def test_close_at_each_stage(run: Run, name: str) -> None:
    """Closing the client ends every call with ABORTED and returns when the sockets have closed."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            client, url = await stage(name, stack)

            async def caller() -> FaultKind:
                with client.call(post(url), PATIENT) as call, pytest.raises(UpstreamFault) as caught:
                    await go_through(call, name)
                return caught.value.kind

            job = asyncio.ensure_future(caller())
            await asyncio.sleep(0.02)
            await client.close()
            assert client.open_connections == 0
            assert await job is FaultKind.ABORTED

    run(main())


def test_abort_and_cancellation_together(run: Run) -> None:
    """When the task is cancelled as well, the cancellation wins, and no exception is left unread."""

    async def main() -> None:
        for name in STAGES:
            for abort_first in (True, False):
                async with AsyncExitStack() as stack:
                    client, url = await stage(name, stack)
                    calls: list[Call] = []

                    async def caller(
                        client: UpstreamClient = client, url: str = url, name: str = name, calls: list[Call] = calls
                    ) -> None:
                        with client.call(post(url), PATIENT) as call:
                            calls.append(call)
                            await go_through(call, name)

                    job = asyncio.ensure_future(caller())
                    await asyncio.sleep(0.02)
                    if abort_first:
                        calls[0].abort()
                    job.cancel()
                    if not abort_first:
                        calls[0].abort()
                    with pytest.raises(asyncio.CancelledError):
                        await job
                    await client.close()

    run(main())


def test_abort_before_start_and_after_the_end(run: Run) -> None:
    """Before start() it fails at once and opens nothing; after the answer it closes; after the block it is nothing."""

    async def main() -> None:
        async with Scripted(always(OK)) as server:
            client = UpstreamClient()
            with client.call(post(server.url()), PATIENT) as call:
                call.abort()
                with pytest.raises(UpstreamFault) as caught:
                    await call.start()
            assert caught.value.kind is FaultKind.ABORTED
            assert (server.connections, client.open_connections) == (0, 0)
            with client.call(post(server.url()), PATIENT) as call:
                await call.start()
                call.abort()
                with pytest.raises(UpstreamFault):
                    await call.read()
                with pytest.raises(UpstreamFault):
                    await call.chunk()
            await none_open(client)
            assert await fetch(client, server.url()) == b"ok"
            call.abort()
            call.abort()
            assert client.idle_connections == 1
            await client.close()

    run(main())


@pytest.mark.parametrize("found", [["127.0.0.1"], []], ids=["found", "not found"])
def test_abort_from_inside_the_connecting_task(run: Run, found: list[str]) -> None:
    """A resolver that aborts the call it works for: the abort counts, and no stray cancellation hits the task later."""

    async def main() -> None:
        calls: list[Call] = []

        async def resolve(host: str, port: int) -> list[str]:
            calls[0].abort()
            return found

        async with Scripted(always(OK)) as server:
            client = UpstreamClient(resolve=resolve)
            with client.call(post(server.url()), PATIENT) as call:
                calls.append(call)
                with pytest.raises(UpstreamFault) as caught:
                    await call.start()
            assert caught.value.kind is FaultKind.ABORTED
            await asyncio.sleep(0.01)
            await none_open(client)
            await client.close()

    run(main())


def test_cancelled_in_the_moment_of_success(run: Run) -> None:
    """A turn that was handed over to a task which is cancelled in the same moment goes to the next in the queue."""

    async def main() -> None:
        async with Scripted(always(OK)) as server:
            client = UpstreamClient(connections_per_origin=1)
            first = client.call(post(server.url()), PATIENT)
            with first:
                await first.start()
                await first.read()
                jobs = [asyncio.ensure_future(fetch(client, server.url())) for _ in range(3)]
                await asyncio.sleep(0.01)
            jobs[0].cancel()  # the block's end has just handed the connection to it
            with pytest.raises(asyncio.CancelledError):
                await jobs[0]
            assert await asyncio.gather(*jobs[1:]) == [b"ok", b"ok"]
            assert server.connections == 1
            await client.close()

    run(main())


def test_cancelled_at_any_turn_of_the_loop(run: Run, certificate: Certificate) -> None:
    """Cancelled after 0, 1, 2 ... turns of the loop, connecting with TLS: never a socket left, on either side."""

    async def main() -> None:
        async with Scripted(always(OK), ssl_context=certificate.server()) as server:

            async def resolve(host: str, port: int) -> list[str]:
                return ["127.0.0.1"]

            url = f"https://localhost:{server.port}/"
            for turns in range(40):
                client = UpstreamClient(ssl_context=certificate.trusting(), resolve=resolve)
                job = asyncio.ensure_future(fetch(client, url))
                for _ in range(turns):
                    await asyncio.sleep(0)
                job.cancel()
                await asyncio.gather(job, return_exceptions=True)
                await client.close()
                assert client.open_connections == 0
            await server.all_closed()

    run(main())


def test_deadline_while_connecting(run: Run) -> None:
    """first_event_s ends a call that is still connecting, and says so."""

    async def main() -> None:
        client = UpstreamClient(resolve=never_resolves)
        slow_names = QUICK.__class__(dns_s=5.0, first_event_s=0.1, idle_s=5.0)
        with client.call(post("http://provider.test/"), slow_names) as call, pytest.raises(UpstreamFault) as caught:
            await call.start()
        assert caught.value.kind is FaultKind.FIRST_EVENT_TIMEOUT
        assert "waiting for a connection" in caught.value.message
        assert client.open_connections == 0
        await client.close()

    run(main())
