"""A market made by hand, and plans over it: what a test does not name has a plain value."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollway.domain.catalog import Catalog, Endpoint, Model, Operation, Price, ProviderInfo, Rates, Tier, WireFormat
from tollway.domain.chat import ChatRequest, Preferences, UserMessage
from tollway.domain.measured import NOTHING, Measured
from tollway.domain.money import NANO
from tollway.domain.routing import Plan
from tollway.providers.base import Facts, Provider
from tollway.routing.market import Market, Offer, build_market
from tollway.routing.order import Policy
from tollway.routing.plan import make_plan
from tollway.routing.weigh import Weighed, weigh

MODEL = "test/model"
FACTS = {
    "discreet": Facts(trains=False, retains=False),
    "keeper": Facts(trains=False, retains=True, retention_days=30),
    "trainer": Facts(trains=True, retains=False),
    "forgetter": Facts(retains=False),
    "half-known": Facts(trains=False),
}
"""Providers of which something is known."""
MICRO = 10**12
"""A price of a millionth of a dollar per token, in attodollars: a thousand nanodollars."""


def endpoint(
    provider: str, *, model: str = MODEL, prompt: int = MICRO, completion: int = MICRO, **fields: Any
) -> Endpoint:
    """An endpoint with a price in attodollars per token; `tiers` and `request` belong to the price."""
    rates = Rates(prompt, completion, request=fields.pop("request", 0))
    tiers: tuple[Tier, ...] = fields.pop("tiers", ())
    values: dict[str, Any] = {
        "wire_format": WireFormat.OPENAI_CHAT,
        "context_tokens": 8_000,
        "output_tokens_max": None,
        "price": Price(1, rates, tiers, declared_free=not any((prompt, completion, rates.request))),
        **fields,
    }
    upstream = values.pop("upstream_model", model)
    return Endpoint(id=f"{provider}:{upstream}", model_id=model, provider=provider, upstream_model=upstream, **values)


def market(
    *endpoints: Endpoint,
    live: Sequence[str] | None = None,
    aliases: Mapping[str, str] | None = None,
    shown: Mapping[str, str] | None = None,
) -> Market:
    """A market of these endpoints; all their providers are live, or only those named. `shown`: slug -> display name."""
    names = dict.fromkeys(each.model_id for each in endpoints)
    slugs = dict.fromkeys(each.provider for each in endpoints)
    catalog = Catalog(
        models={name: Model(name, name, name.partition("/")[0]) for name in names},
        endpoints={name: tuple(each for each in endpoints if each.model_id == name) for name in names},
        providers={
            slug: ProviderInfo(
                slug,
                (shown or {}).get(slug, slug),
                "http://127.0.0.1",
                WireFormat.OPENAI_CHAT,
                (f"{slug.upper()}_KEY",),
            )
            for slug in slugs
        },
        aliases=dict(aliases or {}),
    )
    providers = {
        slug: Provider(slug, slug, "http://127.0.0.1", facts=FACTS.get(slug, Facts()))
        for slug in (slugs if live is None else live)
    }
    return build_market(catalog, providers, {Operation.CHAT: frozenset({WireFormat.OPENAI_CHAT})})


def ask(**fields: Any) -> ChatRequest:
    """A request for the model; fields that are preferences go into `provider`."""
    wishes = {name: fields.pop(name) for name in Preferences.__struct_fields__ if name in fields}
    values: dict[str, Any] = {"messages": (UserMessage("Hello"),), "model": MODEL, "max_tokens": 10, **fields}
    return ChatRequest(provider=Preferences(**wishes) if wishes else None, **values)


class Seen:
    """A `Sight` made by hand."""

    def __init__(self, down: Mapping[str, str], figures: Mapping[str, Measured]) -> None:
        self._down = down
        self._figures = figures

    def why_down(self, endpoint_id: str) -> str | None:
        return self._down.get(endpoint_id)

    def measured(self, endpoint_id: str) -> Measured:
        return self._figures.get(endpoint_id.partition(":")[0], NOTHING)

    def load(self, endpoint_id: str) -> float:
        return 0.0

    def badness(self, endpoint_id: str) -> float:
        return 0.0

    def weighed(self, offer: Offer) -> Weighed:
        return weigh(offer, [self.measured(stall.endpoint.id) for stall in offer.stalls], ())


def plan(
    request: ChatRequest,
    on_offer: Market,
    *,
    tokens: int = 25,
    prompt_bound: int = 100,
    available: int = NANO,
    down: Mapping[str, str] | None = None,
    dice: Callable[[], float] = lambda: 0.0,
    policy: Policy = "price",
    measured: Mapping[str, Measured] | None = None,
    kept: Mapping[str, str] | None = None,
) -> Plan:
    """`make_plan`, with `down`: endpoint id -> why, and `measured`: provider -> its figures."""
    return make_plan(
        request,
        on_offer,
        prompt_tokens=tokens,
        prompt_bound=prompt_bound,
        available=available,
        sight=Seen(down or {}, measured or {}),
        policy=policy,
        dice=dice,
        kept=kept or {},
    )


def order_of(found: Plan) -> list[str]:
    """The candidates' providers, in order."""
    return [candidate.endpoint.provider for candidate in found.candidates]


def why_not(found: Plan) -> dict[str, tuple[str, str]]:
    """Provider -> (rule, reason), for those left out."""
    return {each.endpoint.provider: (each.rule, each.reason) for each in found.rejections}
