"""Random plans: markets, request bodies, health and money, all drawn from one seed; no two cases share dice."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tests.routing.stage import FACTS, MICRO, Seen
from tollway.domain.aliases import Alias
from tollway.domain.catalog import (
    Catalog,
    Endpoint,
    Model,
    Operation,
    Price,
    ProviderInfo,
    Rates,
    Tier,
    WireFormat,
)
from tollway.domain.measured import Measured, Spread
from tollway.domain.money import NANO
from tollway.domain.routing import Plan
from tollway.providers.base import Facts, Provider
from tollway.routing.market import Market, build_market
from tollway.routing.plan import make_plan
from tollway.wire.openai_chat.server import decode_request

MODELS = ("test/fam-1", "test/fam-2", "test/other", "test/o3")
OTHER_NAME = "shorthand"
"""Another name of `test/other`."""
LEVEL = Alias("cpen/low", "low", ("test/fam-1", "test/other"), max_usd_per_1m="8")
PROVIDERS = ("a", "a/eu", "b", "c", *FACTS)
DISPLAYED = {slug: f"{slug} Company" for slug in PROVIDERS}
PARAMETERS = ("tools", "seed", "top_k", "reasoning", "response_format", "structured_outputs", "temperature")
QUANTIZATIONS = ("fp4", "mxfp4", "fp8", "mxfp8", "bf16", "unknown")
NAMES = (*MODELS, *MODELS, OTHER_NAME, "~test/fam-latest", LEVEL.name, "openrouter/free", "tollway/free")
SUFFIXES = ("", "", "", "", ":free", ":nitro", ":floor", ":exacto", ":thinking", ":free:nitro", ":thinking:floor")
REQUESTS_PER_MARKET = 20
TOOL = {"type": "function", "function": {"name": "f"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
FORMATS = (SCHEMA, {"type": "json_object"}, {"type": "text"})
PARTS: dict[str, dict[str, Any]] = {
    "image": {"type": "image_url", "image_url": {"url": "https://example.com/i"}},
    "audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    "file": {"type": "file", "file": {"filename": "a.pdf"}},
}


class Case(Struct, frozen=True):
    """One request as JSON, and all that a plan for it depends on."""

    market: Market
    endpoints: tuple[Endpoint, ...]
    live: frozenset[str]
    """Providers that can be called."""
    body: dict[str, Any]
    tokens: int
    prompt_bound: int
    available: int
    down: dict[str, str]
    measured: dict[str, Measured]
    """Provider -> its figures."""
    kept: dict[str, str]
    seed: int

    def plan(self) -> Plan:
        """TollwayError: as `make_plan`."""
        return make_plan(
            decode_request(msgspec.json.encode(self.body)),
            self.market,
            prompt_tokens=self.tokens,
            prompt_bound=self.prompt_bound,
            available=self.available,
            sight=Seen(self.down, self.measured),
            policy="price" if self.seed % 2 else "traffic",
            dice=random.Random(self.seed).random,
            kept=self.kept,
        )


def cases(seed: int, count: int) -> Iterator[Case]:
    """So many cases; the same for the same seed."""
    for first in range(0, count, REQUESTS_PER_MARKET):
        dice = random.Random(f"{seed} {first}")
        endpoints = _endpoints(dice)
        live = frozenset(slug for slug in PROVIDERS if dice.random() < 0.85)
        market = _market(endpoints, live)
        for number in range(first, min(count, first + REQUESTS_PER_MARKET)):
            tokens = dice.choice([5, 25, 60, 500, 3_000])
            yield Case(
                market=market,
                endpoints=endpoints,
                live=live,
                body=_body(dice),
                tokens=tokens,
                prompt_bound=tokens * dice.randint(1, 4),
                available=dice.choice([0, 10**6, NANO // 100, 100 * NANO, 100 * NANO, 100 * NANO]),
                down={each.id: "failing" for each in endpoints if dice.random() < 0.15},
                measured={slug: _measured(dice) for slug in PROVIDERS if dice.random() < 0.6},
                kept={model: dice.choice(endpoints).id for model in MODELS if dice.random() < 0.1},
                seed=number,
            )


def _endpoints(dice: random.Random) -> tuple[Endpoint, ...]:
    return tuple(_endpoint(dice, model, provider) for model in MODELS for provider in PROVIDERS if dice.random() < 0.6)


def _endpoint(dice: random.Random, model: str, provider: str) -> Endpoint:
    price = None if dice.random() < 0.06 else _price(dice)
    return Endpoint(
        id=f"{provider}:{model}",
        model_id=model,
        provider=provider,
        upstream_model=model,
        wire_format=WireFormat.GEMINI if dice.random() < 0.06 else WireFormat.OPENAI_CHAT,
        context_tokens=dice.choice([50, 2_000, 100_000, 100_000]),
        output_tokens_max=dice.choice([None, 8, 4_000]),
        price=price,
        parameters=frozenset(name for name in PARAMETERS if dice.random() < 0.75),
        input_modalities=frozenset({"text"} | {kind for kind in PARTS if dice.random() < 0.7}),
        output_modalities=frozenset(dice.choice([(), ("text",), ("text", "image"), ("text", "audio", "image")])),
        quantization=dice.choice([None, "fp4", "mxfp4", "fp8", "mxfp8", "bf16"]),
        enabled=dice.random() > 0.06,
    )


def _price(dice: random.Random) -> Price:
    if dice.random() < 0.15:
        return Price(1, Rates(0, 0), declared_free=True)
    tiers: tuple[Tier, ...] = ()
    if dice.random() < 0.3:
        tiers = (Tier(dice.choice([20, 100]), _rates(dice)),)
    return Price(1, _rates(dice), tiers)


def _rates(dice: random.Random) -> Rates:
    return Rates(
        dice.randint(1, 40) * MICRO // 10,
        dice.randint(1, 200) * MICRO // 10,
        request=dice.choice([0, 0, 10**15, 5 * 10**15]),
        image=dice.choice([None, 10**15]),
        audio=dice.choice([None, 6 * MICRO]),
    )


def _market(endpoints: tuple[Endpoint, ...], live: frozenset[str]) -> Market:
    catalog = Catalog(
        models={name: Model(name, name, "test", created_s=place) for place, name in enumerate(MODELS)},
        endpoints={name: tuple(each for each in endpoints if each.model_id == name) for name in MODELS},
        providers={
            slug: ProviderInfo(slug, DISPLAYED[slug], "http://127.0.0.1", WireFormat.OPENAI_CHAT, ("KEY",))
            for slug in PROVIDERS
        },
        aliases={OTHER_NAME: "test/other"},
    )
    providers = {
        slug: Provider(slug, slug, "http://127.0.0.1", facts=FACTS.get(slug, Facts())) for slug in sorted(live)
    }
    return build_market(catalog, providers, {Operation.CHAT: frozenset({WireFormat.OPENAI_CHAT})}, (LEVEL,))


def _measured(dice: random.Random) -> Measured:
    def spread() -> Spread | None:
        middle = dice.choice([0.5, 2.0, 20.0, 90.0])
        return None if dice.random() < 0.2 else Spread(middle, middle, middle, middle)

    return Measured(requests=dice.choice([10, 500]), first_s=spread(), speed=spread())


def _body(dice: random.Random) -> dict[str, Any]:
    def maybe(chance: float) -> bool:
        return dice.random() < chance

    parts = [part for part in PARTS.values() if maybe(0.06)]
    content: Any = [{"type": "text", "text": "Hello"}, *parts] if parts else "Hello"
    body: dict[str, Any] = {"model": _name(dice), "messages": [{"role": "user", "content": content}]}
    if maybe(0.25):
        body["models"] = [_name(dice) for _ in range(dice.randint(1, 3))]
        if maybe(0.3):
            del body["model"]
    for name, chance, values in (
        ("max_tokens", 0.6, (1, 10, 1_000, 5_000)),
        ("n", 0.1, (1, 2, 4)),
        ("seed", 0.15, (7,)),
        ("top_k", 0.15, (3,)),
        ("temperature", 0.15, (0, 1.5)),
        ("tools", 0.15, ([TOOL], [])),
        ("modalities", 0.08, (["text"], ["image", "text"], ["audio"], [])),
        ("response_format", 0.2, FORMATS),
        ("structured_outputs", 0.06, (True, False)),
        ("reasoning_effort", 0.08, ("none", "low")),
        ("reasoning", 0.06, ({"effort": "none"}, {"enabled": False}, {"max_tokens": 100})),
    ):
        if maybe(chance) and not (name == "reasoning" and "reasoning_effort" in body):
            body[name] = dice.choice(values)
    if maybe(0.8):
        body["provider"] = _preferences(dice)
    if maybe(0.15):
        body["routing"] = _routing(dice)
    return body


def _name(dice: random.Random) -> str:
    return dice.choice(NAMES) + dice.choice(SUFFIXES)


def _slugs(dice: random.Random, least: int) -> list[str]:
    """Providers, named in one of the ways in which they may be."""
    named = [dice.choice([slug, slug.upper(), DISPLAYED[slug], slug.partition("/")[0]]) for slug in PROVIDERS]
    return dice.sample([*named, "nobody"], dice.randint(least, 5))


def _preferences(dice: random.Random) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    by = ("price", "throughput", "latency", "exacto")
    for name, chance, draw in (
        ("order", 0.15, lambda: _slugs(dice, 0)),
        ("only", 0.15, lambda: _slugs(dice, 3)),
        ("ignore", 0.2, lambda: _slugs(dice, 0)),
        ("allow_fallbacks", 0.2, lambda: dice.random() < 0.5),
        ("require_parameters", 0.2, lambda: dice.random() < 0.7),
        ("data_collection", 0.15, lambda: dice.choice(["allow", "deny"])),
        ("zdr", 0.1, lambda: dice.random() < 0.6),
        ("enforce_distillable_text", 0.03, lambda: dice.random() < 0.5),
        ("quantizations", 0.12, lambda: dice.sample(QUANTIZATIONS, dice.randint(0, 4))),
        ("sort", 0.15, lambda: dice.choice(by)),
        ("sort", 0.15, lambda: _sort_by(dice, by)),
        ("max_price", 0.25, lambda: _max_price(dice)),
        ("preferred_min_throughput", 0.1, lambda: dice.choice([1, 30.5, {"p50": 50}, {"p90": 1, "p99": 30}])),
        ("preferred_max_latency", 0.1, lambda: dice.choice([1, 3.5, {"p50": 1}, {"p75": 30, "p90": 1}])),
        ("options", 0.05, lambda: {"a": {"x": 1}}),
    ):
        if dice.random() < chance:
            wishes[name] = draw()  # type: ignore[no-untyped-call]  # lambdas have no types
    return wishes


def _sort_by(dice: random.Random, by: Sequence[str]) -> dict[str, Any]:
    """Both fields may be null, or missing."""
    chosen = {"by": dice.choice([*by, *by, None]), "partition": dice.choice(["model", "none", "none", None])}
    return {name: value for name, value in chosen.items() if value is not None or dice.random() < 0.5}


def _max_price(dice: random.Random) -> dict[str, Any]:
    caps: dict[str, Any] = {}
    for name, values in (
        ("prompt", ("1.5", 2, 0.7, "3e0")),
        ("completion", ("10", 4.5, 15)),
        ("request", ("0.001", 0.004, 0)),
        ("image", ("0.0005", 0.002)),
        ("audio", ("5", 7)),
    ):
        if dice.random() < 0.3:
            caps[name] = dice.choice(values)
    return caps


def _routing(dice: random.Random) -> dict[str, Any]:
    routing: dict[str, Any] = {}
    for name, values in (
        ("max_input_per_1m", ("1.5", 2)),
        ("max_output_per_1m", (8, "15.0")),
        ("max_total_per_1m", ("10", 16)),
        ("min_total_per_1m", ("3", 6.5)),
        ("strategy", ("cheapest", "balanced", "continuity")),
        ("continuity_mode", ("stay_within_cap", "temporary_escalation")),
        ("allow_temporary_high_price", (True, False)),
    ):
        if dice.random() < 0.35:
            routing[name] = dice.choice(values)
    return routing
