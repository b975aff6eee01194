"""Clients that write down what they saw, and leave when a test wants them to; and the ledger, to compare with."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import uvloop
from msgspec import Struct

from tests.support import Secret, Stage, ask
from tollway.domain.generation import Generation
from tollway.storage.audit import audit_ledger
from tollway.storage.database import Database
from tollway.storage.generations import find_generation
from tollway.storage.ledger import balance

CHAT = "/api/v1/chat/completions"
PATIENCE_S = 180.0


class Leave(Struct, frozen=True):
    """When a client hangs up: so long after its request, or once so many bytes of the answer have come."""

    after_s: float | None = None
    after_bytes: int | None = None


class Seen(Struct):
    """The bytes that a client got, and what they say. `ended`: the HTTP answer came to its proper end."""

    raw: bytes = b""
    left_s: float | None = None
    """The loop's time at which it hung up by itself."""

    @property
    def status(self) -> int:
        """0: not even a status line came."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw.startswith(b"HTTP/1.1 ") else 0

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def body(self) -> bytes:
        """Out of its chunks, as far as they go."""
        body = self.raw.partition(b"\r\n\r\n")[2]
        return chunks(body)[0] if self.headers.get("transfer-encoding") == "chunked" else body

    @property
    def ended(self) -> bool:
        _, found, body = self.raw.partition(b"\r\n\r\n")
        if not found:
            return False
        if self.headers.get("transfer-encoding") == "chunked":
            return chunks(body)[1]
        return len(body) == int(self.headers.get("content-length", "-1"))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of each whole event, decoded; `[DONE]` as that text."""
        lines = [line for block in self.body.split(b"\n\n")[:-1] for line in block.split(b"\n")]
        data = [line[6:] for line in lines if line.startswith(b"data: ")]
        return ["[DONE]" if each == b"[DONE]" else json.loads(each) for each in data]

    @property
    def deltas(self) -> list[str]:
        """Every piece of text: the simulator sends one token in each."""
        return [
            text
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", ())
            if (text := (choice.get("delta") or {}).get("content") or (choice.get("delta") or {}).get("reasoning"))
        ]

    @property
    def text(self) -> str:
        if self.streamed:
            return "".join(self.deltas)
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def finish(self) -> str | None:
        """The first finish reason."""
        if not self.streamed:
            return None if self.status != 200 else str(self.json["choices"][0]["finish_reason"])
        reasons = [
            choice["finish_reason"]
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", ())
            if choice.get("finish_reason")
        ]
        return reasons[0] if reasons else None

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of the body, or of the event that ended the stream."""
        if not self.streamed:
            return dict(self.json["error"]) if self.status >= 400 else None
        found = [event["error"] for event in self.events if isinstance(event, dict) and "error" in event]
        return dict(found[0]) if found else None

    @property
    def usage(self) -> dict[str, Any] | None:
        """Usage with its cost: what an answer that came to its end shows."""
        if not self.streamed:
            return dict(self.json["usage"]) if self.status == 200 and self.ended else None
        found = [event["usage"] for event in self.events if isinstance(event, dict) and event.get("usage")]
        return dict(found[0]) if found else None

    @property
    def complete(self) -> bool:
        """The end was seen: usage and `[DONE]`, or the whole JSON body."""
        if not self.ended or self.status != 200 or self.error is not None:
            return False
        return self.usage is not None and (not self.streamed or self.events[-1] == "[DONE]")

    @property
    def failed_in_order(self) -> bool:
        """A status of an error with its body, or an error event that ended the stream."""
        return self.ended and self.error is not None and (not self.streamed or self.events[-1] == "[DONE]")

    @property
    def generation_id(self) -> str:
        return self.headers["x-generation-id"]


def chunks(body: bytes) -> tuple[bytes, bool]:
    """What the chunks hold, and whether the last one, of no length, was there."""
    found = bytearray()
    while body:
        size, complete, rest = body.partition(b"\r\n")
        if not complete:
            break
        length = int(size, 16)
        if length == 0:
            return bytes(found), rest.startswith(b"\r\n")
        found += rest[:length]
        body = rest[length + 2 :]
    return bytes(found), False


def post(secret: Secret, body: dict[str, Any], path: str = CHAT) -> bytes:
    """The bytes of a request on a connection of its own."""
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: test", "connection: close", f"content-length: {len(data)}"]
    lines += ["content-type: application/json", f"authorization: Bearer {secret.secret}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def send(port: int, data: bytes, leave: Leave | None = None, seen: Seen | None = None) -> Seen:
    """Sends a request and reads to the end of the connection, or until it is time to leave. Never raises for a cut."""
    seen = Seen() if seen is None else seen
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    patience_s = PATIENCE_S if leave is None or leave.after_s is None else leave.after_s
    try:
        writer.write(data)
        async with asyncio.timeout(patience_s):
            while data := await reader.read(65_536):
                seen.raw += data
                if leave is not None and leave.after_bytes is not None and len(seen.raw) >= leave.after_bytes:
                    seen.left_s = asyncio.get_running_loop().time()
                    break
    except TimeoutError:
        assert leave is not None, f"no end of the answer within {PATIENCE_S} s: {seen.raw[-500:]!r}"
        seen.left_s = asyncio.get_running_loop().time()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return seen


async def chat(stage: Stage, secret: Secret | None = None, *, leave: Leave | None = None, **fields: Any) -> Seen:
    """A chat request with one user message of 10 characters, unless the fields say otherwise."""
    return await send(stage.house.port, post(secret or stage.key, ask(**fields)), leave)


def run(scene: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Plays a scene on uvloop, as the product runs. What the loop would only have logged fails the test."""
    complaints: list[dict[str, Any]] = []

    async def bounded() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(patience_s):
            await scene()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())
    assert complaints == []


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another task brings about; the scene's patience is its end."""
    while not condition():  # noqa: ASYNC110  # counters of the product are looked at, which signal nothing
        await asyncio.sleep(0.005)


async def settled(stage: Stage) -> None:
    """Returns when no request runs and every finished one is in the database."""
    house = stage.house
    upstream, stats = house.gateway.client, stage.simulator.stats
    await until(lambda: not house.gateway.books.held and stats.connections_open <= upstream.open_connections)
    await house.committer.drain()


async def broken_promises(database: Database) -> list[str]:
    """What the ledger's audit finds; nothing, if all is well."""
    return [f"{each.name}: {row}" for each in await audit_ledger(database) for row in each.broken]


async def generations(stage: Stage) -> list[Generation]:
    """Every generation, oldest first."""
    found: list[Generation] = []
    for workspace, id_ in await stage.house.database.read("SELECT workspace_id, id FROM generations ORDER BY rowid"):
        generation = await find_generation(stage.house.database, workspace, id_)
        assert generation is not None
        found.append(generation)
    return found


async def posted(stage: Stage, workspace: str = "home") -> int:
    """The workspace's balance in the database, in nanodollars."""
    found = await balance(stage.house.database, workspace)
    assert found is not None
    return found.posted
