"""`/analytics/meta`, `/analytics/query`: sums of usage as OpenRouter's clients ask for them."""

import time

from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, json_answer, read_json
from tollway.api.house import House
from tollway.gateway.analytics import Query, meta


async def get_meta(house: House, request: Request) -> Response:
    """The metrics, dimensions, operators and granularities that a query may name."""
    return json_answer({"data": meta()})


async def query(house: House, request: Request) -> Response:
    """Usage of the last 30 days, or of a `time_range`, summed by up to two dimensions and by time."""
    ask = await read_json(request, Query)
    began = time.perf_counter()
    rows, truncated = await house.analytics.query(actor(request), ask, house.gateway.now_ms())
    took_ms = round(1000 * (time.perf_counter() - began), 1)
    said = {"query_time_ms": took_ms, "row_count": len(rows), "truncated": truncated}
    return json_answer({"data": {"data": rows, "metadata": said}})
