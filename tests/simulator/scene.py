"""A simulator on a free port, and a client that reads its bytes as they come, for the tests of this folder."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from tollway.simulator import Behaviour, Simulator
from tollway.simulator.connection import Request

PATIENCE_S = 30.0
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
Scene = Callable[[Simulator], Awaitable[None]]


def play(
    scene: Scene,
    *,
    loop: str = "uvloop",
    seed: int = 0,
    models: tuple[str, ...] | None = None,
    defaults: Behaviour | None = None,
    on_request: Callable[[Request], None] | None = None,
) -> None:
    """Runs a scene against a fresh simulator. What the loop would only have logged fails the test."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        simulator = await Simulator.start(
            seed=seed, models=models, defaults=defaults or Behaviour(), on_request=on_request
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(simulator)
        finally:
            await simulator.close()
        assert simulator.stats.connections_open == 0

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    assert complaints == []


def chat(model: str = "test/model", content: Any = "hello there", **fields: Any) -> dict[str, Any]:
    """A chat request with one user message."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


def post(body: Any, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    """The bytes of a POST. Underscores in header names stand for hyphens."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: test", f"content-length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def exchange(simulator: Simulator, sent: bytes) -> tuple[bytes, bool]:
    """Sends bytes on a connection of their own and reads to its end: what came, and whether a reset ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(sent)
    received = bytearray()
    reset = False
    try:
        while data := await reader.read(65_536):
            received += data
    except ConnectionResetError:
        reset = True
    writer.close()
    return bytes(received), reset


async def tell(simulator: Simulator, told: str, body: Any = None, **headers: str) -> tuple[bytes, bool]:
    """What a chat request gets that is told so and so with `x-simulate`, on a connection that is closed after it."""
    return await exchange(simulator, post(body or chat(), connection="close", x_simulate=told, **headers))


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body, out of its chunks as far as they go."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(chunks(body)[0])
    return int(status.split(" ")[1]), headers, body


def body_of(answer: bytes) -> bytes:
    """What follows the head, with its framing."""
    return answer.partition(b"\r\n\r\n")[2]


def chunks(body: bytes) -> tuple[list[bytes], bool]:
    """The chunks of a body, and whether the last one, of no length, was there."""
    found: list[bytes] = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size, 16)
        except ValueError:
            return found, False
        if length == 0:
            return found, True
        found.append(rest[:length])
        body = rest[length + 2 :]
    return found, False


def events(body: bytes) -> list[Any]:
    """The data of each whole event, decoded; `[DONE]` as that text."""
    datas = [
        line[6:] for event in body.split(b"\n\n")[:-1] for line in event.split(b"\n") if line.startswith(b"data: ")
    ]
    return ["[DONE]" if data == b"[DONE]" else json.loads(data) for data in datas]


def content(found: list[Any]) -> str:
    """The text of the first choice."""
    deltas = [event["choices"][0]["delta"] for event in found if isinstance(event, dict) and event.get("choices")]
    return "".join(delta.get("content") or "" for delta in deltas)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another task brings about; the scene's patience is its end."""
    while not condition():  # noqa: ASYNC110  # what is waited for are the simulator's own counters, which signal nothing
        await asyncio.sleep(0.002)
