"""How long `make_plan` takes: 60 endpoints of one model, and one endpoint, in a catalog of 5,000; prints JSON."""

import json
import random
import statistics
import time
from collections.abc import Callable

from tollway.domain.catalog import Catalog, Endpoint, Model, Operation, Price, ProviderInfo, Rates, WireFormat
from tollway.domain.chat import ChatRequest, UserMessage
from tollway.domain.money import NANO
from tollway.domain.routing import Plan
from tollway.providers.base import Provider
from tollway.routing.health import HealthBoard, Sight
from tollway.routing.market import Market, build_market
from tollway.routing.plan import make_plan

ENDPOINTS = 5_000
WIDE, NARROW = "bench/wide", "bench/narrow-00000"
WIDE_ENDPOINTS = 60
ROUNDS, PLANS_PER_ROUND = 9, 200


def market() -> Market:
    """5,000 endpoints: 60 of one model, one of each other model; prices drawn with a fixed seed."""
    dice = random.Random(5)
    names = [f"bench/narrow-{number:05}" for number in range(ENDPOINTS - WIDE_ENDPOINTS)]
    slugs = [f"provider-{number:02}" for number in range(WIDE_ENDPOINTS)]
    offers = [(WIDE, slug) for slug in slugs] + [(name, dice.choice(slugs)) for name in names]
    endpoints: dict[str, list[Endpoint]] = {}
    for number, (model, slug) in enumerate(offers):
        rates = Rates(dice.randrange(10**11, 10**13), dice.randrange(10**12, 10**14))
        endpoint = Endpoint(
            id=f"{slug}:{model}",
            model_id=model,
            provider=slug,
            upstream_model=model,
            wire_format=WireFormat.OPENAI_CHAT,
            context_tokens=131_072,
            output_tokens_max=16_384,
            price=Price(number, rates),
        )
        endpoints.setdefault(model, []).append(endpoint)
    catalog = Catalog(
        models={name: Model(name, name, "bench") for name in endpoints},
        endpoints={name: tuple(found) for name, found in endpoints.items()},
        providers={slug: ProviderInfo(slug, slug, "http://127.0.0.1", WireFormat.OPENAI_CHAT) for slug in slugs},
        aliases={},
    )
    providers = {slug: Provider(slug, slug, "http://127.0.0.1") for slug in slugs}
    return build_market(catalog, providers, {Operation.CHAT: frozenset({WireFormat.OPENAI_CHAT})})


def planner(on_offer: Market, model: str) -> Callable[[], Plan]:
    """One plan for one short request, as the gateway asks for it."""
    request = ChatRequest(messages=(UserMessage("Hello, how are you?"),), model=model, max_tokens=256)
    health, dice = HealthBoard(), random.Random(6).random

    def plan() -> Plan:
        return make_plan(
            request,
            on_offer,
            prompt_tokens=25,
            prompt_bound=100,
            available=100 * NANO,
            sight=Sight(health, 1.0),
            policy="traffic",
            dice=dice,
        )

    return plan


def microseconds(plan: Callable[[], Plan], candidates: int) -> float:
    """The median over the rounds of a plan's mean time on the processor; each round checks one plan."""
    rounds = []
    for _ in range(ROUNDS):
        assert len(plan().candidates) == candidates
        began_ns = time.process_time_ns()
        for _ in range(PLANS_PER_ROUND):
            plan()
        rounds.append((time.process_time_ns() - began_ns) / PLANS_PER_ROUND / 1000)
    return round(statistics.median(rounds), 2)


if __name__ == "__main__":
    on_offer = market()
    figures = {
        "make_plan_us": microseconds(planner(on_offer, WIDE), WIDE_ENDPOINTS),
        "make_plan_one_endpoint_us": microseconds(planner(on_offer, NARROW), 1),
    }
    print(json.dumps(figures))
