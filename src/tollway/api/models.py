"""Catalog answers: `GET .../models`, one model, and a model's endpoints, as OPENROUTER.md 7.1 and 7.2 have them."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.domain.catalog import Endpoint, Model, Price, Rates
from tollway.domain.errors import InvalidRequest, ModelNotFound, NotFound
from tollway.domain.money import price_to_text
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market, Offer

PAGE_MAX = 1000
PAGE_DEFAULT = 500

_RATE_NAMES = (
    ("prompt", "prompt"),
    ("completion", "completion"),
    ("request", "request"),
    ("image", "image"),
    ("audio", "audio"),
    ("audio_output", "audio_output"),
    ("reasoning", "internal_reasoning"),
    ("cache_read", "input_cache_read"),
    ("cache_write", "input_cache_write"),
    ("cache_write_1h", "input_cache_write_1h"),
)


class ModelPages:
    """`GET /models`: the market is encoded once, whenever it changes, not for each request."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._market: Market | None = None
        self._items: list[bytes] = []
        self._texts: list[str] = []
        """What `q` looks at, of each of the items."""
        self._ids: dict[str, bytes] = {}

    async def list(self, request: Request) -> Response:
        """`offset` and `limit` are opt-in; `q` searches ids and names."""
        self._refresh()
        items = self._items
        if query := request.query_params.get("q"):
            words = query.casefold()
            items = [item for item, text in zip(items, self._texts, strict=True) if words in text]
        total = len(items)
        following = "null"
        if {"offset", "limit"} & request.query_params.keys():
            offset = _whole(request, "offset", 0, 10**9)
            limit = _whole(request, "limit", PAGE_DEFAULT, PAGE_MAX)
            items = items[offset : offset + limit]
            if offset + limit < total:
                following = f'"{request.url.path}?{_next_query(request, offset + limit, limit)}"'
        body = b'{"object":"list","data":[' + b",".join(items)
        body += f'],"total_count":{total},"links":{{"next":{following}}}}}'.encode()
        return Response(body, media_type="application/json")

    async def one(self, request: Request) -> Response:
        """One model by its id (which holds a slash) or another of its names. `/v1/models/{id}` answers it bare."""
        self._refresh()
        name = request.path_params["model"]
        bare = request.url.path.startswith("/v1/")
        offer = self._house.gateway.market.offer(name)
        if offer is None or (item := self._ids.get(offer.model.id)) is None:
            # OpenAI's clients look for `model_not_found`; on /api/v1 that error would be a 400 (STOREFRONTS.md).
            kind = ModelNotFound if bare else NotFound
            raise kind(f"There is no model {name[:200]}; GET {'/v1' if bare else '/api/v1'}/models lists them.")
        return Response(item if bare else b'{"data":' + item + b"}", media_type="application/json")

    async def endpoints(self, request: Request) -> Response:
        """Every live endpoint of a model."""
        market = self._house.gateway.market
        name = f"{request.path_params['author']}/{request.path_params['slug']}"
        offer = market.offer(name)
        if offer is None or not offer.live:
            raise NotFound(f"There is no model {name[:200]} with a live endpoint.")
        now_s = self._house.now_s()
        data = {
            "id": offer.model.id,
            "name": offer.model.name,
            "created": offer.model.created_s,
            "description": offer.model.description,
            "architecture": architecture(offer.model),
            "endpoints": [
                endpoint_json(
                    endpoint,
                    offer.model,
                    self._house.provider_name(endpoint.provider),
                    self._house.gateway.health,
                    now_s,
                )
                for endpoint in offer.live
            ],
        }
        return Response(msgspec.json.encode({"data": data}), media_type="application/json")

    def _refresh(self) -> None:
        market = self._house.gateway.market
        if market is self._market:
            return
        self._market = market
        live = [offer for offer in market.offers.values() if offer.live]
        live.sort(key=lambda offer: (-offer.model.created_s, offer.model.id))
        self._ids = {offer.model.id: msgspec.json.encode(model_json(offer)) for offer in live}
        self._items = list(self._ids.values())
        self._texts = [f"{offer.model.id} {offer.model.name}".casefold() for offer in live]


def model_json(offer: Offer) -> dict[str, Any]:
    """A model with every field that the official SDKs require. Its price is that of the cheapest endpoint."""
    model, best = offer.model, offer.live[0]
    widest = max(offer.live, key=lambda endpoint: endpoint.context_tokens)
    outputs = [endpoint.output_tokens_max for endpoint in offer.live if endpoint.output_tokens_max]
    parameters = sorted(set().union(*(endpoint.parameters for endpoint in offer.live)))
    return {
        "id": model.id,
        "object": "model",
        "owned_by": model.author,
        "canonical_slug": model.id,
        "hugging_face_id": model.hugging_face_id,
        "name": model.name,
        "created": model.created_s,
        "description": model.description,
        "context_length": model.context_tokens or widest.context_tokens,
        "architecture": architecture(model),
        "pricing": pricing(best.price),
        "top_provider": {
            "context_length": widest.context_tokens,
            "max_completion_tokens": max(outputs, default=None),
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": parameters,
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": model.knowledge_cutoff,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{model.id}/endpoints"},
    }


def architecture(model: Model) -> dict[str, Any]:
    """Modalities, and the family of the tokenizer."""
    return {
        "modality": "+".join(model.input_modalities) + "->" + "+".join(model.output_modalities),
        "input_modalities": model.input_modalities,
        "output_modalities": model.output_modalities,
        "tokenizer": model.tokenizer,
        "instruct_type": None,
    }


def pricing(price: Price | None) -> dict[str, Any]:
    """Decimal strings in USD per unit; tiers as `overrides`."""
    if price is None:
        return {"prompt": "0", "completion": "0"}
    priced: dict[str, Any] = _rates(price.rates)
    if price.tiers:
        priced["overrides"] = [
            {"min_prompt_tokens": tier.prompt_tokens_over, **_rates(tier.rates)} for tier in price.tiers
        ]
    return priced


def _rates(rates: Rates) -> dict[str, str]:
    return {
        shown: price_to_text(value)
        for name, shown in _RATE_NAMES
        if (value := getattr(rates, name)) is not None and (value or name in {"prompt", "completion", "request"})
    }


def endpoint_json(
    endpoint: Endpoint, model: Model, provider_name: str, health: HealthBoard, now_s: float
) -> dict[str, Any]:
    """One provider's offer. Percentiles come with a later issue: null means "not known"."""
    state, succeeded, failed = health.status(endpoint.id, now_s)
    tried = succeeded + failed
    tools = "tools" in endpoint.parameters
    return {
        "name": f"{provider_name} | {model.id}",
        "tag": endpoint.provider,
        "model_id": model.id,
        "model_name": model.name,
        "provider_name": provider_name,
        "context_length": endpoint.context_tokens,
        "max_completion_tokens": endpoint.output_tokens_max,
        "max_prompt_tokens": None,
        "pricing": pricing(endpoint.price),
        "quantization": endpoint.quantization or "unknown",
        "supported_parameters": sorted(endpoint.parameters),
        "supports_implicit_caching": endpoint.price is not None and endpoint.price.rates.cache_read is not None,
        "status": -1 if state == "down" else 0,
        "uptime_last_5m": None,
        "uptime_last_30m": None,
        "uptime_last_1d": round(100 * succeeded / tried, 2) if tried else None,
        "latency_last_30m": None,
        "throughput_last_30m": None,
        "service_tier": None,
        "native_tools": {},
        "supports_tool_choice": {"auto": tools, "none": tools, "required": tools, "function": tools},
        "supports_diarization": False,
    }


def _next_query(request: Request, offset: int, limit: int) -> str:
    """The query of the next page: whatever else was asked for still holds there."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"offset", "limit"}]
    return urlencode([*kept, ("offset", offset), ("limit", limit)])


def _whole(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= most):
        raise InvalidRequest(f"{name}: a whole number from 0 to {most}, not {text[:40]!r}", param=name)
    return int(text)
