"""What content filters make of a request before it is planned; long ones are read off the event loop."""

from functools import partial
from typing import TypeVar

from tollway.domain.chat import ChatRequest
from tollway.domain.content_filters import Finding
from tollway.domain.plain import PlainRequest
from tollway.domain.standing import Standing
from tollway.gateway.base import Gateway
from tollway.limits.content_filters import passed

LONG_BYTES = 32_768
Request = TypeVar("Request", ChatRequest, PlainRequest)


async def filtered(
    gateway: Gateway, request: Request, body_bytes: int, standing: Standing | None
) -> tuple[Request, int, tuple[Finding, ...]]:
    """The request as it may be sent, its bytes, and what was found. TollwayError: it may not be sent."""
    if standing is None or not standing.filters:
        return request, body_bytes, ()
    if body_bytes <= LONG_BYTES:
        request, findings, grown = passed(request, standing.filters)
    else:
        request, findings, grown = await gateway.loop.run_in_executor(None, partial(passed, request, standing.filters))
    return request, body_bytes + grown, findings
