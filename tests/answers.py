"""An HTTP answer as tests look at it: its JSON, its error, the events of its stream."""

import json
import re
from typing import Any

from msgspec import Struct


class Answer(Struct, frozen=True):
    """An HTTP answer. Header names are in lower case; of several of one name, the last."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()
    """Every Set-Cookie."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> dict[str, Any]:
        """The error object. AssertionError: it is not in the format that every storefront keeps."""
        assert self.headers["content-type"] == "application/json", self.headers
        error = self.json["error"]
        assert isinstance(error["message"], str)
        assert error["message"]
        return dict(error)

    @property
    def events(self) -> list[Any]:
        """The data of each event of a stream, decoded; `[DONE]` as that text; comments left out."""
        assert self.headers["content-type"].startswith("text/event-stream"), self.text[:500]
        found: list[Any] = []
        for block in re.split(r"\n\n", self.text):
            lines = [line for line in block.split("\n") if line and not line.startswith(":")]
            if lines:
                data = "\n".join(line.removeprefix("data:").removeprefix(" ") for line in lines)
                found.append(data if data == "[DONE]" else json.loads(data))
        return found

    @property
    def comments(self) -> list[str]:
        return [line[1:].strip() for line in self.text.split("\n") if line.startswith(":")]


def parse_answer(answer: bytes) -> Answer:
    """The bytes of an answer -> its parts, out of its chunks as far as they go."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    headers = dict(fields)
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    cookies = tuple(value for name, value in fields if name == "set-cookie")
    return Answer(int(status.split(" ")[1]), headers, body, cookies)


def _unchunked(body: bytes) -> bytes:
    found = bytearray()
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        found += rest[:length]
        body = rest[length + 2 :]
    return bytes(found)
