"""`GET /v1beta/models` and one of them: the catalog in Google's words."""

import base64
import binascii
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.gemini import METHODS
from tollway.api.house import House
from tollway.api.models import live_offers
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.routing.market import Offer

PAGE_DEFAULT = 50
PAGE_MAX = 1000
"""As Google has it (Gemini API, models.list): a larger size is no mistake, it just gets no more."""


async def list_models(house: House, request: Request) -> Response:
    """`pageSize` and `pageToken`; the last page has no `nextPageToken`. InvalidRequest: neither a size nor a token."""
    offers = live_offers(house.gateway.market)
    size, start = _size(request), _start(request)
    page: dict[str, Any] = {"models": [_model(offer) for offer in offers[start : start + size]]}
    if start + size < len(offers):
        page["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return Response(msgspec.json.encode(page), media_type="application/json")


async def get_model(house: House, request: Request) -> Response:
    """One model, by its id or another of its names."""
    name = request.path_params["model"]
    offer = house.gateway.market.offer(name)
    if offer is None or not offer.live:
        raise NotFound(f"There is no model {name[:200]}; GET /v1beta/models lists them.")
    return Response(msgspec.json.encode(_model(offer)), media_type="application/json")


def _model(offer: Offer) -> dict[str, Any]:
    model = offer.model
    context = model.context_tokens or max(endpoint.context_tokens for endpoint in offer.live)
    outputs = [endpoint.output_tokens_max for endpoint in offer.live if endpoint.output_tokens_max]
    return {
        "name": f"models/{model.id}",
        "displayName": model.name,
        "description": model.description,
        "inputTokenLimit": context,
        "outputTokenLimit": max(outputs, default=context),
        "supportedGenerationMethods": METHODS,
        "thinking": any("reasoning" in endpoint.parameters for endpoint in offer.live),
    }


def _size(request: Request) -> int:
    text = request.query_params.get("pageSize") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidRequest(f"pageSize: a whole number of at least 0, not {text[:40]!r}", param="pageSize")
    return min(int(text), PAGE_MAX) or PAGE_DEFAULT


def _start(request: Request) -> int:
    token = request.query_params.get("pageToken") or "MA=="
    try:
        text = base64.urlsafe_b64decode(token.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        text = b""
    if not (text.isdigit() and len(text) <= 12):
        raise InvalidRequest("pageToken: not a token of an earlier page; leave it out to begin", param="pageToken")
    return int(text)
