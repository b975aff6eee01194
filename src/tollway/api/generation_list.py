"""`GET /generations`, `/generations.csv`: what was asked and what it cost, page by page, filtered; or as a table."""

import csv
import io
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tollway.api.answers import actor, iso, json_answer, moment, whole
from tollway.api.generations import generation_json
from tollway.api.house import House
from tollway.api.table import WORKSPACE, Parameter, tells
from tollway.domain.cells import cell
from tollway.domain.errors import InvalidRequest
from tollway.domain.generation import Generation
from tollway.domain.money import nanodollars_to_text
from tollway.storage.generations import Place, Wanted

LIMIT_DEFAULT, LIMIT_MAX = 50, 1000
CSV_PAGE = 1000
COLUMNS = (
    "id", "created_at", "status", "model", "provider", "api_key_hash", "app_title", "http_referer", "api_type",
    "finish_reason", "streamed", "cancelled", "tokens_prompt", "tokens_completion", "tokens_reasoning",
    "tokens_cached", "usage_usd", "cache_discount_usd", "latency_ms", "generation_ms", "session_id", "external_user",
    "error",
)  # fmt: skip


_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
FILTERS = (
    WORKSPACE,
    *(Parameter(name, _TEXT) for name in ("api_key_hash", "user_id", "model", "provider")),
    Parameter("app_id", {"type": "integer", "minimum": 0}),
    Parameter("status", {"enum": ["ok", "error"]}),
    Parameter("from", _TIME),
    Parameter("to", _TIME),
)
CURSOR = (
    Parameter("limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}),
    Parameter("cursor", {"type": "string", "pattern": "^[0-9]{1,15}-[A-Za-z0-9_-]{1,100}$"}),
)


@tells(*FILTERS, *CURSOR)
async def list_generations(house: House, request: Request) -> Response:
    """Generations, the newest first: filtered by model, provider, key, app, status and time.

    `limit` of them, from `cursor` on: the answer has the next one. `status`: `ok` or `error`. `to` is not in it.
    """
    asked = request.query_params
    limit = whole(request, "limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    wanted = await _wanted(house, request)
    found, more = await house.records.generations(wanted, _place(asked.get("cursor")), limit)
    cursor = None if more is None else f"{more.created_ms}-{more.id}"
    kept = [(name, value) for name, value in asked.multi_items() if name != "cursor"]
    following = cursor and f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
    data = [_item(house, each) for each in found]
    return json_answer({"data": data, "cursor": cursor, "links": {"next": following}})


@tells(*FILTERS, media="text/csv")
async def generations_csv(house: House, request: Request) -> Response:
    """The same as CSV, all pages at once."""
    wanted = await _wanted(house, request)
    headers = {"content-disposition": 'attachment; filename="generations.csv"', "cache-control": "no-store"}
    return StreamingResponse(_lines(house, wanted), media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(house: House, wanted: Wanted) -> AsyncIterator[bytes]:
    yield _csv([COLUMNS])
    place: Place | None = None
    while True:
        found, place = await house.records.generations(wanted, place, CSV_PAGE)
        yield _csv([_row(each) for each in found])
        if place is None:
            return


def _csv(rows: list[tuple[Any, ...]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _item(house: House, generation: Generation) -> dict[str, Any]:
    item = generation_json(generation, house)
    del item["provider_responses"]
    key = {"api_key_hash": generation.key_id, "app_title": generation.app_title}
    return {**item, **key, "status": _status(generation)}


def _row(generation: Generation) -> tuple[Any, ...]:
    usage = generation.usage
    return (
        generation.id, iso(generation.created_ms), _status(generation), generation.model, generation.provider,
        generation.key_id, generation.app_title, generation.http_referer, generation.api_type,
        generation.finish_reason, generation.streamed, generation.cancelled, usage.prompt, usage.completion,
        usage.reasoning, usage.cache_read, nanodollars_to_text(generation.cost),
        nanodollars_to_text(generation.cache_discount), generation.latency_ms, generation.generation_ms,
        generation.session_id, generation.external_user, generation.error,
    )  # fmt: skip


def _status(generation: Generation) -> str:
    return "error" if generation.finish_reason == "error" else "ok"


async def _wanted(house: House, request: Request) -> Wanted:
    """What the query asks for, within what the actor may see. InvalidRequest: a parameter that can't be read."""
    asked = request.query_params
    status = asked.get("status")
    if status not in (None, "ok", "error"):
        raise InvalidRequest(f"status: `ok` or `error`, not {status[:40]!r}", param="status")
    provider = asked.get("provider")
    if provider is not None:
        provider = house.gateway.market.names.slugs.get(provider.lower(), provider)
    scope = await house.records.scope(
        actor(request),
        asked.get("workspace_id"),
        key_id=asked.get("api_key_hash"),
        user_id=asked.get("user_id"),
    )
    return Wanted(
        workspace_id=scope.workspace_id,
        key_id=scope.key_id,
        creator=scope.creator,
        model=asked.get("model"),
        provider=provider,
        app_id=whole(request, "app_id", 0, 0, 2**53) if "app_id" in asked else None,
        failed=None if status is None else status == "error",
        from_ms=moment(request, "from", 0),
        until_ms=moment(request, "to", 2**53),
    )


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    found = re.fullmatch(r"([0-9]{1,15})-([\w-]{1,100})", cursor, re.ASCII)
    if found is None:
        raise InvalidRequest("cursor: as the page before had it", param="cursor")
    return Place(int(found[1]), found[2])
