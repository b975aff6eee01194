"""Caps hold for what is charged, of each kind of token, on every fallback; only where all within fail, one is above."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.routing.stage import MICRO, Seen, endpoint, market, plan, why_not
from tests.routing.test_caps import SLUGS, down
from tollway.billing.pricing import cost
from tollway.domain.aliases import Alias
from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Endpoint, Operation, Price, Rates, Tier, WireFormat
from tollway.domain.chat import (
    AudioPart,
    CacheControl,
    ChatRequest,
    InputAudio,
    Preferences,
    SortBy,
    TextPart,
    UserMessage,
)
from tollway.domain.generation import Usage
from tollway.domain.health import Outcome
from tollway.domain.money import ATTO_PER_NANO, NANO
from tollway.domain.plain import EmbeddingRequest
from tollway.domain.routing import Candidate, Plan
from tollway.routing.fallback import Failure, NextCandidate, after_failure
from tollway.routing.market import Market, build_market
from tollway.routing.plan import make_plan

ONE, TWO, ALIAS = "test/one", "test/two", "cpen/low"
FORMATS = frozenset({WireFormat.OPENAI_CHAT, WireFormat.ANTHROPIC_MESSAGES})
TENTH = MICRO // 10
PROMPT_MAX = 300

tenths = st.integers(0, 30).map(lambda count: count * TENTH)
some = st.none() | tenths
every_rate = st.builds(
    Rates,
    prompt=tenths,
    completion=tenths,
    request=st.sampled_from([0, 0, 0, MICRO * 1000]),
    cache_read=some,
    cache_write=some,
    cache_write_1h=some,
    reasoning=some,
    audio=some,
    audio_output=some,
)
prices = st.builds(
    lambda rates, over, dear: Price(1, rates, () if over is None else (Tier(over, dear),), declared_free=True),
    every_rate,
    st.none() | st.integers(0, PROMPT_MAX),
    every_rate,
)
caps = st.none() | st.integers(1, 60).map(lambda count: f"{count / 10:.1f}")
routings = st.builds(
    PriceRouting,
    max_input_per_1m=caps,
    max_output_per_1m=caps,
    max_total_per_1m=caps,
    strategy=st.sampled_from(["cheapest", "balanced", "continuity"]),
    continuity_mode=st.sampled_from([None, "stay_within_cap", "temporary_escalation"]),
)
wishes = st.builds(
    Preferences,
    allow_fallbacks=st.sampled_from([None, None, False]),
    order=st.sampled_from([None, None, ("c", "a")]),
    sort=st.sampled_from([None, "price", "throughput", SortBy("latency", "none"), SortBy("price", "none")]),
)
failing = [
    Outcome.UNREACHABLE,
    Outcome.TIMED_OUT,
    Outcome.RATE_LIMITED,
    Outcome.PROVIDER_ERROR,
    Outcome.CREDENTIAL_REJECTED,
]
counts = st.integers(0, PROMPT_MAX)


def market_of(offered: list[tuple[Price, bool]]) -> Market:
    """Endpoints of two models in turn, in two formats, with an alias over both models."""
    endpoints = [
        structs.replace(
            endpoint(slug, model=model),
            price=price,
            wire_format=WireFormat.ANTHROPIC_MESSAGES if marked else WireFormat.OPENAI_CHAT,
            input_modalities=frozenset({"text", "audio"}),
        )
        for slug, model, (price, marked) in zip(SLUGS, [ONE, TWO] * 4, offered, strict=False)
    ]
    base = market(*endpoints)
    return build_market(base.catalog, base.providers, {Operation.CHAT: FORMATS}, [Alias(ALIAS, "low", (ONE, TWO))])


def request_of(names: list[str], marks: str, heard: bool, spoken: bool, **fields: Any) -> ChatRequest:
    """A chat that marks for the cache, holds sound, or asks for it."""
    mark = None if marks == "no" else CacheControl(ttl="1h" if marks == "1h" else None)
    sound = (AudioPart(input_audio=InputAudio(data="UklGRg==", format="wav")),) if heard else ()
    return ChatRequest(
        model=names[0],
        models=tuple(names[1:]) or None,
        messages=(UserMessage((TextPart(text="One.", cache_control=mark), *sound)),),
        modalities=("text", "audio") if spoken else None,
        max_tokens=10,
        **fields,
    )


def walked(found: Plan, outcomes: list[Outcome]) -> list[tuple[Candidate, Outcome]]:
    """Every attempt, where each fails as said and the last outcome goes on for ever."""
    tried: list[tuple[Candidate, Outcome]] = []
    failures: list[tuple[Candidate, Failure]] = []
    index = 0
    while True:
        candidate, outcome = found.candidates[index], outcomes[min(len(tried), len(outcomes) - 1)]
        tried.append((candidate, outcome))
        failures.append((candidate, Failure(outcome, "context: too long")))
        step = after_failure(found, index, failures, attempts_max=99)
        if not isinstance(step, NextCandidate):
            return tried
        index = step.index


def charged_to_the_cap(routing: PriceRouting, usage: Usage) -> float:
    """The most nanodollars that the caps allow for these tokens; without caps, anything."""
    if routing.max_input_per_1m is routing.max_output_per_1m is routing.max_total_per_1m is None:
        return math.inf
    big = 10**9
    read, written, total = (
        float(str(cap)) * 1000 if cap is not None else big
        for cap in (routing.max_input_per_1m, routing.max_output_per_1m, routing.max_total_per_1m)
    )
    return min(read * usage.prompt + written * usage.completion, total * max(usage.prompt, usage.completion))


@settings(max_examples=120, deadline=None)
@given(
    offered=st.lists(st.tuples(prices, st.booleans()), min_size=2, max_size=6),
    routing=routings,
    preferences=wishes,
    names=st.sampled_from([[ONE], [ONE, TWO], [ALIAS], [TWO, ALIAS], [f"{ONE}:floor", TWO], [f"{ALIAS}:nitro"]]),
    marks=st.sampled_from(["no", "5m", "1h"]),
    heard=st.booleans(),
    spoken=st.booleans(),
    ill=st.sets(st.sampled_from(SLUGS[:6])),
    kept=st.sampled_from(SLUGS[:6]),
    outcomes=st.lists(st.sampled_from([*failing, *failing, Outcome.REQUEST_REJECTED]), min_size=1, max_size=6),
    prompt=counts,
    parts=st.tuples(counts, counts, counts, counts, counts, counts, counts),
    dice=st.floats(0, 0.999),
)
def test_no_charge_is_above_its_caps(
    offered: list[tuple[Price, bool]],
    routing: PriceRouting,
    preferences: Preferences,
    names: list[str],
    marks: str,
    heard: bool,
    spoken: bool,
    ill: set[str],
    kept: str,
    outcomes: list[Outcome],
    prompt: int,
    parts: tuple[int, ...],
    dice: float,
) -> None:
    """On every attempt of every fallback, whatever the tokens are: at most what the caps say, or an escalation that
    was asked for, when all that is healthy within the cap was tried and failed."""
    request = request_of(names, marks, heard, spoken, routing=routing, provider=preferences)
    found = plan(
        request,
        market_of(offered),
        prompt_bound=PROMPT_MAX,
        down={**down(*ill, model=ONE), **down(*ill, model=TWO)},
        kept={ONE: f"{kept}:{ONE}", TWO: f"{kept}:{TWO}"},
        dice=lambda: dice,
    )
    if not found.candidates:
        return
    tried = walked(found, outcomes)
    above = [place for place, (candidate, _) in enumerate(tried) if candidate.escalated]
    assert len(above) <= int(routing.continuity_mode == "temporary_escalation")
    for place in above:
        before = tried[:place]
        within = {each.endpoint.id for each in found.candidates if not each.escalated and not each.unwell}
        assert within <= {candidate.endpoint.id for candidate, _ in before}
        assert all(outcome in failing for _, outcome in before)
    for candidate, _ in tried:
        if not candidate.escalated:
            writes = marks != "no" or candidate.endpoint.wire_format is WireFormat.OPENAI_CHAT
            usage = Usage(
                prompt=prompt,
                completion=parts[0],
                cache_read=parts[1],
                cache_write=parts[2] if writes else 0,
                cache_write_1h=parts[3] if marks == "1h" else 0,
                reasoning=parts[4],
                audio_prompt=parts[5] if heard else 0,
                audio_completion=parts[6] if spoken else 0,
            )
            assert cost(usage, candidate.price).total <= charged_to_the_cap(routing, usage) + 1


def priced(slug: str, rates: dict[str, int], wire_format: WireFormat = WireFormat.OPENAI_CHAT) -> Endpoint:
    """Fifty cents for a million of each, and these rates besides."""
    half = MICRO // 2
    made = endpoint(slug, input_modalities=frozenset({"text", "audio"}), wire_format=wire_format)
    return structs.replace(made, price=Price(1, Rates(prompt=half, completion=half, **rates)))


SOUND = (AudioPart(input_audio=InputAudio(data="UklGRg==", format="wav")),)
MARK = (TextPart(text="One.", cache_control=CacheControl()),)


@pytest.mark.parametrize(
    ("rates", "content", "cap", "reason"),
    [
        ({"request": 1}, "One.", "max_total", "it has a price for each request, which no cap of routing bounds"),
        ({"cache_write": MICRO}, "One.", "max_input", "its price for what it writes to a cache is above {}"),
        ({"cache_write_1h": MICRO}, MARK, "max_input", None),
        ({"reasoning": MICRO}, "One.", "max_output", "its price for reasoning is above {}"),
        ({"audio": MICRO}, "One.", "max_input", None),
        ({"audio": MICRO}, SOUND, "max_input", "its price for sound in the prompt is above {}"),
        ({"audio_output": MICRO}, "One.", "max_output", None),
        ({"image": MICRO}, "One.", "max_input", None),
    ],
)
def test_what_else_a_request_may_cost(rates: dict[str, int], content: Any, cap: str, reason: str | None) -> None:
    """What the request can bring counts against the cap, and is named; what it can't does not."""
    routing = msgspec.convert({f"{cap}_per_1m": "1.0" if cap == "max_total" else "0.5"}, PriceRouting)
    asked = ChatRequest(model="test/model", messages=(UserMessage(content),), max_tokens=10, routing=routing)
    said = why_not(plan(asked, market(priced("a", rates))))
    assert said == ({} if reason is None else {"a": ("price_cap", reason.format(f"routing.{cap}_per_1m"))})


def test_a_cache_that_is_written_only_on_request() -> None:
    """Anthropic's: without a mark its dearer price can't be met; the word in a text is no mark."""
    base = market(priced("a", {"cache_write": MICRO}, WireFormat.ANTHROPIC_MESSAGES))
    on_offer = build_market(base.catalog, base.providers, {Operation.CHAT: FORMATS})
    routing = PriceRouting(max_input_per_1m="0.5")
    for content, count in (("One.", 1), ('"cache_control":', 1), (MARK, 0)):
        asked = ChatRequest(model="test/model", messages=(UserMessage(content),), max_tokens=10, routing=routing)
        assert len(plan(asked, on_offer).candidates) == count


def test_a_plain_request_has_caps() -> None:
    """Embeddings under a cap, and one escalation where it is asked for and the rest fails."""
    base = market(endpoint("a"), endpoint("b", prompt=3 * MICRO))
    model = structs.replace(base.catalog.models["test/model"], output_modalities=("embeddings",))
    catalog = structs.replace(base.catalog, models={"test/model": model})
    on_offer = build_market(catalog, base.providers, {Operation.EMBEDDINGS: FORMATS})

    def tried(**fields: Any) -> list[str]:
        routing = PriceRouting(max_input_per_1m="1", **fields)
        found = make_plan(
            EmbeddingRequest(inputs=("One.",), model="test/model", routing=routing),
            on_offer,
            prompt_tokens=1,
            prompt_bound=4,
            available=NANO,
            sight=Seen(down("a"), {}),
            policy="price",
            dice=lambda: 0.0,
        )
        assert all(each.bound <= 4 * 3 * MICRO // ATTO_PER_NANO for each in found.candidates)
        return [each.endpoint.provider for each in found.candidates]

    assert tried() == ["a"]
    assert tried(continuity_mode="temporary_escalation") == ["b", "a"]
