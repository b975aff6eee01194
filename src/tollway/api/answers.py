"""What handlers of Starlette's routes share: bodies in, JSON and times out, and who asks."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import InvalidRequest
from tollway.domain.people import Actor

Ask = TypeVar("Ask", bound=Struct)


async def read_json(request: Request, kind: type[Ask]) -> Ask:
    """A JSON body as a Struct. InvalidRequest: what is wrong, and where."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(str(error)) from None


def page(request: Request, limit: int) -> tuple[int, int]:
    """`offset`, and `limit` up to 100: `limit` where none is said. InvalidRequest: no such numbers."""
    found = []
    for name, usual, least, most in (("offset", 0, 0, 10**9), ("limit", limit, 1, 100)):
        text = request.query_params.get(name, str(usual))
        number = int(text) if text.isdecimal() and text.isascii() and len(text) <= 10 else -1
        if not least <= number <= most:
            raise InvalidRequest(f"{name}: a whole number from {least} to {most:,}", param=name)
        found.append(number)
    return found[0], found[1]


def json_answer(body: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def iso(at_ms: int) -> str:
    """A time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def iso_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


def actor(request: Request) -> Actor:
    """Who asks for a change: set by the route table."""
    found: Actor = request.state.actor
    return found
