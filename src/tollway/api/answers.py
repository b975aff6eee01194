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
    return whole(request, "offset", 0, 0, 10**9), whole(request, "limit", limit, 1, 100)


def whole(request: Request, name: str, usual: int, least: int, most: int) -> int:
    """A number of the query; one that is empty is wrong, as who sent it meant one. InvalidRequest: no such number."""
    text = request.query_params.get(name)
    if text is None:
        return usual
    number = int(text) if text.isdecimal() and text.isascii() and len(text) <= 19 else least - 1
    if not least <= number <= most:
        raise InvalidRequest(f"{name}: a whole number from {least} to {most:,}", param=name)
    return number


def flag(request: Request, name: str) -> bool | None:
    """`true` or `false` of the query; None: it does not say. InvalidRequest: another word."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if text not in ("true", "false"):
        raise InvalidRequest(f"{name}: true or false", param=name)
    return text == "true"


def moment(request: Request, name: str, usual: int) -> int:
    """A time of the query, in milliseconds since 1970. InvalidRequest: it is none."""
    text = request.query_params.get(name)
    if text is None:
        return usual
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0, int(at.timestamp() * 1000))
    except (ValueError, OverflowError):
        told = f"{name}: a day or a time, e.g. 2027-01-31 or 2027-01-31T12:00:00Z; without a zone it is UTC"
        raise InvalidRequest(told, param=name) from None


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
