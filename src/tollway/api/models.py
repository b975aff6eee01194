"""Catalog answers: `GET .../models`, one model, and a model's endpoints, as OPENROUTER.md 7.1 and 7.2 have them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.api.model_feed import feed
from tollway.api.model_names import ROUTERS, UNPRICED, named_offers, target_of
from tollway.api.model_query import BY_USE, Moment, keeps_nothing, ordered, score_of, tests_of
from tollway.domain.catalog import Endpoint, Model, Price, Rates
from tollway.domain.errors import InvalidRequest, ModelNotFound, NotFound
from tollway.domain.measured import Measured, Spread
from tollway.domain.money import price_to_text
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market, Offer
from tollway.routing.names import looked_up
from tollway.routing.provider_names import tags_of
from tollway.routing.reach import left_of

PAGE_MAX = 1000
PAGE_DEFAULT = 500
ZDR_KEPT_S = 30.0
UNKNOWN = {"prompt": "-1", "completion": "-1"}
"""The price of what is priced by what it chooses, as OpenRouter writes it."""

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
        self._live: list[Offer] = []
        self._ids: dict[str, bytes] = {}
        """Models that can be called, as JSON."""
        self._groups: dict[int, tuple[Market, list[Offer], dict[str, bytes]]] = {}
        """The same for markets of groups, which are held here, so that no other takes the place of one."""
        self._zdr: tuple[float, bytes] = (0.0, b"")

    async def list(self, request: Request, makes: str = "") -> Response:
        """`offset` and `limit` are opt-in; filters and orders are those of model_query.py; `use_rss=true` for a feed.

        `output_modalities` says what is listed: `all`, or what the models make, separated by commas. Without it
        /api/v1 lists those that make text (OPENROUTER.md 7.1), /v1 all, as OpenAI does. `makes`: the URL says it.
        """
        self._refresh()
        offers = await self._chosen(request, self._live, makes)
        if request.query_params.get("use_rss", "").lower() == "true":
            body = feed(
                [offer for offer in offers if offer.model.id in self._house.gateway.market.offers],
                self._house.config.public_url,
            )
            return Response(body, media_type="application/rss+xml; charset=utf-8")
        return _listed(request, [self._ids[offer.model.id] for offer in offers])

    async def count(self, request: Request) -> Response:
        """How many of them there are."""
        self._refresh()
        found = len(await self._chosen(request, self._live))
        return Response(b'{"data":{"count":%d}}' % found, media_type="application/json")

    async def of_caller(self, request: Request) -> Response:
        """The same list, of what the caller's workspace allows: other endpoints don't count, nor do their prices.

        Who is in a group sees the group's prices.
        """
        caller = self._house.caller(request)
        market, standing = self._house.gateway.market_of(caller.workspace_id, caller.key.id), caller.key.standing
        every, ids = self._listing(market)
        allowed = left_of(market, every, standing.rulings if standing else ())
        whole = {id(offer) for offer in every}
        items = [
            ids[offer.model.id] if id(offer) in whole else self._encode(offer)
            for offer in await self._chosen(request, allowed)
        ]
        return _listed(request, items)

    async def zdr_endpoints(self, request: Request) -> Response:
        """Every live endpoint of a provider that is known to keep no prompts; half a minute old at most."""
        now_s, market = self._house.now_s(), self._house.gateway.market
        if not self._zdr[1] or market is not self._market or now_s - self._zdr[0] > ZDR_KEPT_S:
            self._refresh()
            found = self._shown(
                [each for offer in live_offers(market) for each in offer.live if keeps_nothing(market, each.provider)],
                market,
            )
            self._zdr = now_s, msgspec.json.encode({"data": found})
        return Response(self._zdr[1], media_type="application/json")

    async def _chosen(self, request: Request, offers: Sequence[Offer], makes: str = "") -> Sequence[Offer]:
        query, gateway = request.query_params, self._house.gateway
        default = "all" if request.url.path.startswith("/v1/") else "text"
        wanted = frozenset((makes or query.get("output_modalities") or default).split(","))
        wall_s = gateway.now_ms() / 1000
        tests = tests_of(query, gateway.market, wall_s)
        tokens = await self._house.rankings.models() if query.get("sort") in BY_USE else {}
        score = score_of(query, Moment(self._house.now_s(), gateway.health, tokens))
        if "all" not in wanted:
            tests.append(lambda offer: not wanted.isdisjoint(offer.model.output_modalities))
        return ordered([offer for offer in offers if all(test(offer) for test in tests)], score)

    async def one(self, request: Request) -> Response:
        """One model by its id (which holds a slash) or whatever else a request may call it by: another name, an alias,
        the newest of a family, with variants. `/v1/models/{id}` answers it bare."""
        self._refresh()
        name = request.path_params["model"]
        bare = request.url.path.startswith("/v1/")
        market = self._house.gateway.market
        offer = looked_up(name, market)
        if offer is None:
            item = self._ids[name] if name in ROUTERS & self._ids.keys() else None
        elif market.offers.get(offer.model.id) is offer:
            item = self._ids[offer.model.id]
        else:
            item = self._encode(offer)
        if item is None:
            # OpenAI's clients look for `model_not_found`; on /api/v1 that error would be a 400 (STOREFRONTS.md).
            kind = ModelNotFound if bare else NotFound
            raise kind(f"There is no model {name[:200]}; GET {'/v1' if bare else '/api/v1'}/models lists them.")
        return Response(item if bare else b'{"data":' + item + b"}", media_type="application/json")

    async def endpoints(self, request: Request) -> Response:
        """Every live endpoint of a model, or of all that an alias means; of those that a variant means. A router's are
        those of whichever model it chooses: none is listed."""
        market = self._house.gateway.market
        name = f"{request.path_params['author']}/{request.path_params['slug']}"
        offer = looked_up(name, market)
        if offer is None and name in ROUTERS:
            self._refresh()
            offer = next((each for each in self._live if each.model.id == name), None)
        if offer is None:
            raise NotFound(f"There is no model {name[:200]} with a live endpoint.")
        data = {
            "id": offer.model.id,
            "name": offer.model.name,
            "created": offer.model.created_s,
            "description": offer.model.description,
            "architecture": architecture(offer.model),
            "endpoints": self._shown(() if offer.model.id in ROUTERS else offer.live, market),
        }
        return Response(msgspec.json.encode({"data": data}), media_type="application/json")

    def _shown(self, endpoints: Sequence[Endpoint], market: Market) -> Sequence[Mapping[str, Any]]:
        """Endpoints as JSON. Tags are worked out among all that the catalog has of a model, so that they stay."""
        house, now_s = self._house, self._house.now_s()
        tags: dict[str, str] = {}
        for id_ in {each.model_id for each in endpoints}:
            tags |= tags_of(market.catalog.endpoints[id_])
        return [
            endpoint_json(
                each,
                market.offers[each.model_id].model,
                house.provider_name(each.provider),
                tags[each.id],
                house.gateway.health,
                now_s,
            )
            for each in endpoints
        ]

    def _refresh(self) -> None:
        market = self._house.gateway.market
        if market is self._market:
            return
        self._market = market
        self._live, self._ids = _encoded(market, self._encode)
        self._groups.clear()
        self._zdr = (0.0, b"")

    def _listing(self, market: Market) -> tuple[Sequence[Offer], Mapping[str, bytes]]:
        """The models of everybody's market, or of a group's, and their JSON; each market's is made once."""
        self._refresh()
        if market is self._market:
            return self._live, self._ids
        kept = self._groups.get(id(market))
        if kept is None or kept[0] is not market:
            kept = self._groups[id(market)] = (market, *_encoded(market, self._encode))
        return kept[1:]

    def _encode(self, offer: Offer) -> bytes:
        moderation = self._house.gateway.moderation
        known = self._house.gateway.market.offers
        model = known[target].model if (target := target_of(offer)) is not None else offer.model
        is_moderated = moderation is not None and moderation.is_required_by(model)
        return msgspec.json.encode(
            model_json(offer, is_moderated=is_moderated)
            | ({} if target is None else {"alias_target": {"slug": target, "name": known[target].model.name}})
        )


def _encoded(market: Market, encode: Callable[[Offer], bytes]) -> tuple[list[Offer], dict[str, bytes]]:
    live = [*live_offers(market), *named_offers(market)]
    return live, {offer.model.id: encode(offer) for offer in live}


def live_offers(market: Market) -> list[Offer]:
    """The models that can be called just now, the newest first."""
    live = [offer for offer in market.offers.values() if offer.live]
    return sorted(live, key=lambda offer: (-offer.model.created_s, offer.model.id))


def model_json(offer: Offer, *, is_moderated: bool = False) -> dict[str, Any]:
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
        "pricing": UNKNOWN if model.id in UNPRICED else pricing(best.price),
        "top_provider": {
            "context_length": widest.context_tokens,
            "max_completion_tokens": max(outputs, default=None),
            "is_moderated": is_moderated,
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
    endpoint: Endpoint, model: Model, provider_name: str, tag: str, health: HealthBoard, now_s: float
) -> dict[str, Any]:
    """One provider's offer. Percentiles are of the last 5 minutes, whatever their names say: null means "not known"."""
    state, _, _ = health.status(endpoint.id, now_s)
    measured, lately = health.measured(endpoint.id, now_s), health.half_hour(endpoint.id, now_s)
    tools = "tools" in endpoint.parameters
    return {
        "name": f"{provider_name} | {model.id}",
        "tag": tag,
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
        "uptime_last_5m": _percent(measured.uptime.minutes_5),
        "uptime_last_30m": _percent(measured.uptime.minutes_30),
        "uptime_last_1d": _percent(measured.uptime.day),
        "latency_last_30m": _spread(lately.first_s),
        "throughput_last_30m": _spread(lately.speed),
        "service_tier": None,
        "native_tools": {},
        "supports_tool_choice": {"auto": tools, "none": tools, "required": tools, "function": tools},
        "supports_diarization": False,
    }


def measured_json(measured: Measured) -> dict[str, Any]:
    """What was measured of an endpoint lately; shares from 0 to 1, null where nobody asked it."""
    return {
        "requests_last_30m": measured.requests,
        "error_rate": round(measured.error_rate, 4),
        "rate_limited_rate": round(measured.limited_rate, 4),
        "malformed_tool_call_rate": round(measured.malformed_rate, 4),
        "first_token_s": _spread(measured.first_s),
        "tokens_per_s": _spread(measured.speed),
        "uptime_last_5m": _percent(measured.uptime.minutes_5),
        "uptime_last_30m": _percent(measured.uptime.minutes_30),
        "uptime_last_1d": _percent(measured.uptime.day),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _spread(found: Spread | None) -> dict[str, float] | None:
    return None if found is None else {name: round(getattr(found, name), 4) for name in Spread.__struct_fields__}


def _listed(request: Request, items: Sequence[bytes]) -> Response:
    """A page of them, or all."""
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


def _next_query(request: Request, offset: int, limit: int) -> str:
    """The query of the next page: whatever else was asked for still holds there."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"offset", "limit"}]
    return urlencode([*kept, ("offset", offset), ("limit", limit)])


def _whole(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= most):
        raise InvalidRequest(f"{name}: a whole number from 0 to {most}, not {text[:40]!r}", param=name)
    return int(text)
