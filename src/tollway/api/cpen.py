"""What CPEN's answers say of their route, and `GET /v1/status/routes`, `/v1/billing/status` (STOREFRONTS.md, CPEN)."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House
from tollway.billing.pricing import rates_for
from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Rates
from tollway.domain.chat import ChatRequest
from tollway.domain.generation import Usage
from tollway.domain.identity import Caller
from tollway.domain.money import Attodollars, price_to_text
from tollway.domain.plain import PlainRequest
from tollway.domain.routing import Candidate, route_id
from tollway.routing.health import Sight
from tollway.routing.market import Level, Market, Stall, seventy_thirty

KEY_PREFIX = "cpen_live_"
FEE_RATE = "0"
"""Customers pay the prices that they see."""
MILLION = 10**6


class Told:
    """What is added to the answer to one request: how it ended, and by which route."""

    __slots__ = ("_market", "_routing", "_task")

    def __init__(self, routing: PriceRouting, market: Market, task: str) -> None:
        self._routing = routing
        self._market = market
        self._task = task

    def completed(self, candidate: Candidate, usage: Usage) -> dict[str, Any]:
        """Who answered, at the prices of the tier that the prompt reached."""
        return {"cpen_status": "completed", "cpen_route": self._route(candidate, usage)}

    def failed(self, candidate: Candidate | None) -> dict[str, Any]:
        """Who broke off; nobody, where no answer had begun."""
        return {"cpen_status": "failed", "cpen_route": candidate and self._route(candidate, Usage())}

    def _route(self, candidate: Candidate, usage: Usage) -> dict[str, Any]:
        return route_json(candidate, usage, self._routing, self._market, self._task)


def told(request: ChatRequest | PlainRequest, caller: Caller, market: Market) -> Told | None:
    """What the answer to this request says of its route. None: nothing, as neither request nor key is CPEN's."""
    if (
        request.routing is None
        and request.model not in market.levels
        and not caller.key.label.startswith(KEY_PREFIX)
        and (request.models is None or not any(name in market.levels for name in request.models))
    ):
        return None
    return Told(request.routing or PriceRouting(), market, request.operation.value)


def route_json(candidate: Candidate, usage: Usage, routing: PriceRouting, market: Market, task: str) -> dict[str, Any]:
    """`cpen_route`. Prices are decimal strings, USD per million tokens, of the tier that the prompt reached."""
    found = market.levels.get(candidate.alias) if candidate.alias else None
    alias = None if found is None else found.alias
    model = candidate.endpoint.model_id
    prices = prices_json(rates_for(candidate.price, usage.prompt))
    level = "" if alias is None else f"{alias.level}-tier "
    where = "above" if candidate.escalated else "inside"
    capped = routing != PriceRouting()
    return {
        "alias": candidate.alias or model,
        "task": task,
        "route_id": route_id(candidate.listed_id),
        "intelligence_level": alias and alias.level,
        "model_family": (alias and alias.family) or model,
        **prices,
        "currency": routing.currency,
        "input_usd_per_1m": prices["input_per_1m"],
        "output_usd_per_1m": prices["output_per_1m"],
        "cpen_fee_rate": FEE_RATE,
        "estimated_total_usd_per_1m": prices["estimated_cost_usd_per_1m"],
        "rpm_cap": routing.rpm_cap,
        "strategy": routing.strategy,
        "continuity_mode": routing.continuity_mode or "stay_within_cap",
        "escalation_allowed": routing.may_escalate,
        "reason": f"Selected a live {level}route{f' {where} the declared cap' if capped else ''}: {candidate.reason}.",
    }


def prices_json(rates: Rates) -> dict[str, str]:
    """Input, output, and the one figure of both."""
    return {
        "input_per_1m": _per_million(rates.prompt),
        "output_per_1m": _per_million(rates.completion),
        "estimated_cost_usd_per_1m": _per_million(seventy_thirty(rates)),
    }


def _per_million(price: Attodollars) -> str:
    return price_to_text(price * MILLION)


async def get_routes(house: House, request: Request) -> Response:
    """Each alias: whether it can be used, how many of its routes are live, which is cheapest, and all of them."""
    market = house.gateway.market
    sight = Sight(house.gateway.health, house.now_s())
    data = [level_json(level, sight) for level in market.levels.values()]
    return Response(msgspec.json.encode({"currency": "USD", "data": data}), media_type="application/json")


def level_json(level: Level, sight: Sight) -> dict[str, Any]:
    """One alias with its routes, cheapest first. `live`: its provider can be called, and is not failing."""
    alias = level.alias
    stalls = sorted(level.offer.stalls, key=lambda stall: seventy_thirty(stall.price.rates))
    live = [stall for stall in stalls if sight.why_down(stall.endpoint.id) is None]
    status = "planned" if alias.status == "planned" else "available" if live else "outage"
    return {
        "alias": alias.name,
        "intelligence_level": alias.level,
        "model_family": alias.family or None,
        "status": status,
        "available": status == "available",
        "band_usd_per_1m": {"min": alias.min_usd_per_1m, "max": alias.max_usd_per_1m},
        "candidates": len(stalls),
        "live_candidates": len(live),
        "cheapest_route": _route(live[0], live=True) if live else None,
        "routes": [_route(stall, live=sight.why_down(stall.endpoint.id) is None) for stall in stalls],
    }


def _route(stall: Stall, *, live: bool) -> dict[str, Any]:
    endpoint = stall.endpoint
    return {
        "route_id": route_id(endpoint.id),
        "model": endpoint.model_id,
        "live": live,
        **prices_json(stall.price.rates),
    }


async def get_billing(house: House, request: Request) -> Response:
    """The credit packs that the operator offers, and where they are bought, if anywhere."""
    packs = [
        {
            "id": pack.id,
            "name": pack.name,
            "price_usd": pack.price_usd,
            "credits_usd": pack.credits_usd or pack.price_usd,
        }
        for pack in house.config.billing.packs
    ]
    checkout = checkout_json(house)
    body = {"currency": "USD", "credit_packs": packs, "checkout": checkout}
    return Response(msgspec.json.encode(body), media_type="application/json")


def checkout_json(house: House) -> dict[str, Any]:
    """Who takes payments here, and on which page; codes are redeemed there in any case."""
    providers, url = list(house.till.providers), f"{house.config.public_url}/credits"
    if "stripe" in providers:
        said, status = "Credits are bought on this page, and paid at Stripe's checkout.", "available"
    elif providers:
        said = "Credits are bought on this page for USDC, or with POST /api/v1/credits/coinbase."
        status = "available"
    else:
        said, status = (
            "There is no checkout on this server; its operator grants credits, or gives codes.",
            "not_configured",
        )
    return {
        "provider": providers[0] if providers else None,
        "status": status,
        "message": said,
        "methods": providers,
        "url": url,
    }
