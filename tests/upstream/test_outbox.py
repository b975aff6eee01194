"""What waits for the end of the loop's turn: it leaves in order, before a close, or not at all."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.upstream.conftest import Run
from tests.upstream.scripted import OK, PATIENT, Peer, Scripted, fetch, post
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.outbox import Gathered, Outbox


class Recorder(asyncio.Transport):
    """A transport that notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes | str] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.told.append(bytes(data))

    def close(self) -> None:
        self.told.append("close")
        self.closing = True

    def abort(self) -> None:
        self.told.append("abort")
        self.closing = True

    def write_eof(self) -> None:
        self.told.append("eof")

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0


async def turns(count: int = 2) -> None:
    """Lets the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_all_of_a_turn_leaves_at_its_end_in_order(run: Run) -> None:
    async def scenario() -> None:
        told: list[str] = []
        outbox = Outbox()
        outbox.add(lambda: told.append("first"))
        outbox.add(lambda: told.append("second"))
        assert told == []
        await turns()
        assert told == ["first", "second"]
        outbox.add(lambda: told.append("next turn"))
        await turns()
        assert told == ["first", "second", "next turn"]

    run(scenario())


def test_what_is_gathered_is_one_write_and_counts_as_unsent_until_then(run: Run) -> None:
    async def scenario() -> None:
        transport = Recorder()
        gathered = Gathered(transport, Outbox())
        gathered.gather(b"one ")
        gathered.gather(b"two")
        assert transport.told == []
        assert gathered.get_write_buffer_size() == 7
        await turns()
        assert transport.told == [b"one two"]
        assert gathered.get_write_buffer_size() == 0

    run(scenario())


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ("write", [b"waits", b"now"]),
        ("write_eof", [b"waits", "eof"]),
        ("close", [b"waits", "close"]),
        ("abort", ["abort"]),
    ],
)
def test_nothing_overtakes_what_waits_and_only_an_abort_drops_it(ends: str, told: list[bytes | str], run: Run) -> None:
    async def scenario() -> None:
        transport = Recorder()
        gathered = Gathered(transport, Outbox())
        gathered.gather(b"waits")
        getattr(gathered, ends)(*((b"now",) if ends == "write" else ()))
        await turns()
        assert transport.told == told

    run(scenario())


def test_a_closed_transport_is_not_written_to(run: Run) -> None:
    async def scenario() -> None:
        transport = Recorder()
        gathered = Gathered(transport, Outbox())
        gathered.gather(b"late")
        transport.closing = True
        await turns()
        assert transport.told == []

    run(scenario())


def test_a_request_given_up_in_the_turn_in_which_it_was_made_is_never_sent(run: Run) -> None:
    received: list[bytes] = []

    async def answers_once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        received.append(await peer.reader.read(65536))

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(Scripted(answers_once))
            client, url = UpstreamClient(), f"http://127.0.0.1:{server.port}/"
            assert await fetch(client, url) == b"ok"
            with client.call(post(url), PATIENT) as call:
                asking = asyncio.create_task(call.start())
                await asyncio.sleep(0)  # it has taken the idle connection, and the turn is not over
                assert not call.sent
                call.abort()
                with pytest.raises(UpstreamFault):
                    await asking
                await turns()
                assert not call.sent
            await client.close()

    run(scenario())
    assert received == [b""]
