"""The platform's API: chat with the models of a registry alone, at a fixed price in whole credits for each request."""

from functools import cached_property, partial
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import iso, read_json
from tollway.api.chat import Inference
from tollway.api.exchange import Exchange
from tollway.api.house import House
from tollway.api.storefronts.platform import PLATFORM
from tollway.api.table import Auth, Parameter, Route, tells
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import ApiDisabled, InvalidRequest, ModelNotFound, NoEndpoints, NotBuiltYet
from tollway.domain.generation import Generation
from tollway.domain.money import Nanodollars, nanodollars_from_text
from tollway.domain.storefronts import PlatformModel
from tollway.gateway.chat import complete
from tollway.routing.market import Market
from tollway.routing.tariffs import sold_alone
from tollway.storage.generations import Wanted, list_generations
from tollway.wire.openai_chat import server as openai_chat

BASE = "/platform/api/v1"
CHAT = f"{BASE}/chat/completions"
LOGS_DEFAULT, LOGS_MAX = 50, 500
_DIFFERENT = ("models", "preset", "plugins")
"""Fields by which a request could be answered by other models, or do more than the price is for."""


class NewImage(Struct):
    """`POST .../images/generations`."""

    model: str | None = None
    prompt: str | None = None


class PlatformChat(Inference):
    """Chat completions. What is asked for is looked up in the registry before anything else is done."""

    def __init__(self, house: House) -> None:
        super().__init__(house, PLATFORM, openai_chat, CHAT)
        self._sold: dict[str, tuple[Market, Market | None]] = {}
        """By the registry's id: everybody's market, and the one that was made of it."""

    @cached_property
    def _models(self) -> dict[str, PlatformModel]:
        return {each.id: each for each in self._house.config.platform.models}

    @cached_property
    def _credit(self) -> Nanodollars:
        return nanodollars_from_text(self._house.config.platform.credit_usd)

    async def _answer(self, exchange: Exchange) -> None:
        house = self._house
        caller = await house.authenticator.authenticate_inference(exchange.header, house.proxies.client_of(exchange))
        check_open(house)
        body = await exchange.body(house.config.server.request_max_bytes)
        request = openai_chat.decode_request(body)
        model = self._named(request)
        market = self._market(model)
        if market is None:
            raise NoEndpoints(
                f"No provider is configured for {model.id}.", metadata={"availability": {"code": "no_endpoints"}}
            )
        await self.answer(exchange, caller, request, len(body), partial(complete, market=market))

    def _named(self, request: ChatRequest) -> PlatformModel:
        """The registry's model. InvalidRequest: none is named, or more than one answer of it. ModelNotFound."""
        if not request.model:
            raise InvalidRequest(f"model: name one of GET {BASE}/models", param="model")
        if not request.messages:
            raise InvalidRequest("messages: at least one message is required", param="messages")
        found = self._models.get(request.model)
        if found is None:
            raise ModelNotFound("Model is not available", param="model")
        for field in _DIFFERENT:
            if getattr(request, field):
                raise InvalidRequest(f"{field}: a request is for one model of the registry here", param=field)
        if max(request.n or 1, request.best_of or 1) > 1:
            raise InvalidRequest("n: a request has one answer here, which its price is for", param="n")
        return found

    def _market(self, model: PlatformModel) -> Market | None:
        everybodys = self._house.gateway.market
        made = self._sold.get(model.id)
        if made is None or made[0] is not everybodys:
            sold = sold_alone(everybodys, model.model or model.id, model.id, model.credit_cost, self._credit)
            made = self._sold[model.id] = (everybodys, sold)
        return made[1]


def check_open(house: House) -> None:
    """ApiDisabled: the registry has no model."""
    if not house.config.platform.models:
        raise ApiDisabled("This API is switched off: its registry has no models.")


async def list_models(house: House, request: Request) -> Response:
    """`GET .../models`: the registry, as far as it can be called just now."""
    check_open(house)
    data = [found for each in house.config.platform.models if (found := _model_json(each, house.gateway.market))]
    return _json({"object": "list", "data": data})


def _model_json(model: PlatformModel, market: Market) -> dict[str, Any] | None:
    name = model.model or model.id
    level, offer = market.levels.get(name), market.offer(name)
    if level is None and (offer is None or not offer.stalls):
        return None
    shown = model.id if offer is None else offer.model.name
    return {
        "id": model.id,
        "object": "model",
        "owned_by": name.partition("/")[0],
        "display_name": model.display_name or shown,
        "category": model.category,
        "capabilities": model.capabilities,
        "credit_cost": model.credit_cost,
    }


@tells(Parameter("limit", {"type": "integer", "minimum": 1, "maximum": LOGS_MAX}))
async def list_requests(house: House, request: Request) -> Response:
    """`GET .../requests`: the last requests of the calling key, on every storefront, the newest first."""
    check_open(house)
    text = request.query_params.get("limit", str(LOGS_DEFAULT))
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= LOGS_MAX):
        raise InvalidRequest(f"limit: a whole number from 1 to {LOGS_MAX}", param="limit")
    key = house.caller(request).key
    found, _ = await list_generations(
        house.database, Wanted(workspace_id=key.workspace_id, key_id=key.id), None, int(text)
    )
    return _json({"object": "list", "data": [_log_json(each, key.label) for each in found]})


def _log_json(generation: Generation, key_label: str) -> dict[str, Any]:
    failed = generation.error is not None or generation.finish_reason in (None, "error")
    return {
        "request_id": PLATFORM.show_id(generation.id),
        "created_at": iso(generation.created_ms),
        "key": key_label,
        "model": generation.model,
        "status": "cancelled" if generation.cancelled else "failed" if failed else "completed",
        "latency_ms": generation.latency_ms,
        "credit_cost": generation.credits or 0,
    }


@tells(errors=(501,))
async def make_image(house: House, request: Request) -> Response:
    """`POST .../images/generations`: what is missing is said, and which models there are; then NotBuiltYet."""
    check_open(house)
    ask = await read_json(request, NewImage)
    if not ask.model:
        raise InvalidRequest(f"model: name one of GET {BASE}/models", param="model")
    if not ask.prompt:
        raise InvalidRequest("prompt: say what the image is to show", param="prompt")
    if ask.model not in {each.id for each in house.config.platform.models}:
        raise ModelNotFound("Model is not available", param="model")
    raise NotBuiltYet(f"Images are not built yet; chat completions are at {CHAT}.")


def _json(answer: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


PLATFORM_ROUTES = (
    Route("GET", f"{BASE}/models", Auth.KEY, list_models),
    Route("GET", f"{BASE}/requests", Auth.KEY, list_requests),
    Route("POST", f"{BASE}/images/generations", Auth.KEY, make_image, NewImage),
)
