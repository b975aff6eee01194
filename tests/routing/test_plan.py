"""The plan: every endpoint is a candidate or has its reason, no wish is broken, and the hold is the worst bound."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.routing.stage import MICRO, MODEL, ask, endpoint, market, order_of, plan, why_not
from tollway.billing.estimate import bound, dearest
from tollway.domain.catalog import Endpoint, Operation, Rates, Tier, WireFormat
from tollway.domain.chat import ChatRequest, ImagePart, ImageUrl, MaxPrice, TextPart, Tool, ToolFunction, UserMessage
from tollway.domain.errors import InvalidRequest, ModelNotFound, NotBuiltYet
from tollway.domain.money import NANO
from tollway.domain.quirks import Quirks
from tollway.providers.base import Provider
from tollway.routing.market import Market, blended_price, build_market

OTHER = "test/other"
SLUGS = ("a", "a/eu", "b", "c", "d")
PARAMETERS = ("tools", "seed", "top_k")


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Up to ten endpoints of two models at five providers, some of them off, free, tiered, small."""
    keys = draw(st.lists(st.tuples(st.sampled_from(SLUGS), st.sampled_from([MODEL, OTHER])), unique=True, max_size=10))
    endpoints = [endpoint("z"), endpoint("z", model=OTHER)]
    for slug, model in keys:
        free = draw(st.integers(0, 9)) == 0
        price = {} if draw(st.integers(0, 9)) else {"price": None}
        endpoints.append(
            endpoint(
                slug,
                model=model,
                prompt=0 if free else draw(st.integers(1, 10 * MICRO)),
                completion=0 if free else draw(st.integers(1, 50 * MICRO)),
                tiers=draw(st.sampled_from([(), (Tier(50, Rates(20 * MICRO, 1)),), (Tier(10, Rates(1, 1)),)])),
                context_tokens=draw(st.sampled_from([20, 1_000, 100_000])),
                output_tokens_max=draw(st.sampled_from([None, 5, 2_000])),
                parameters=frozenset(draw(st.lists(st.sampled_from(PARAMETERS)))),
                input_modalities=frozenset(draw(st.sampled_from([("text",), ("text", "image")]))),
                quantization=draw(st.sampled_from([None, "fp8", "bf16"])),
                enabled=draw(st.integers(0, 9)) > 0,
                wire_format=draw(st.sampled_from([WireFormat.OPENAI_CHAT, WireFormat.OPENAI_CHAT, WireFormat.GEMINI])),
                **price,
            )
        )
    live = draw(st.lists(st.sampled_from(SLUGS), unique=True, max_size=5))
    return market(*endpoints, live=[*live, "z"], aliases={"alias": MODEL})


wish_slugs = st.none() | st.lists(st.sampled_from(["a", "A/EU", "B", "c", "nobody"]), max_size=3).map(tuple)
PICTURE = (UserMessage((TextPart("see"), ImagePart(ImageUrl("https://example.com/i")))),)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """A request with some wishes."""
    return ask(
        model=draw(st.sampled_from([MODEL, OTHER, "alias", None])) or MODEL,
        models=draw(st.none() | st.lists(st.sampled_from([MODEL, OTHER, "alias"]), max_size=3).map(tuple)),
        messages=draw(st.sampled_from([(UserMessage("Hello"),), PICTURE])),
        max_tokens=draw(st.none() | st.integers(1, 3_000)),
        n=draw(st.none() | st.integers(1, 4)),
        seed=draw(st.none() | st.just(1)),
        tools=draw(st.none() | st.just((Tool(function=ToolFunction("f")),))),
        order=draw(wish_slugs),
        only=draw(wish_slugs),
        ignore=draw(wish_slugs),
        allow_fallbacks=draw(st.none() | st.booleans()),
        require_parameters=draw(st.none() | st.booleans()),
        quantizations=draw(st.none() | st.just(("fp8",))),
        sort=draw(st.sampled_from([None, "price", "latency"])),
        max_price=draw(st.none() | st.just(MaxPrice(prompt="5", completion="20"))),
    )


def names(endpoint_: Endpoint, wanted: tuple[str, ...]) -> bool:
    """Whether one of these names means this endpoint: its slug, or the base of its slug."""
    return bool({endpoint_.provider, endpoint_.provider.split("/")[0]} & {each.lower() for each in wanted})


def breaks_a_wish(request: ChatRequest, found: Endpoint, live: set[str], tokens: int) -> str | None:
    """What the request forbids, said again without the product's rules."""
    wish = request.provider
    assert wish is not None
    limit = request.max_tokens
    rates = found.price.rates if found.price else Rates(0, 0)
    for tier in found.price.tiers if found.price else ():
        rates = tier.rates if tokens > tier.prompt_tokens_over else rates
    breaches = {
        "off": not found.enabled or found.price is None or found.provider not in live,
        "format": found.wire_format is not WireFormat.OPENAI_CHAT,
        "context": tokens > found.context_tokens,
        "output": limit is not None and found.output_tokens_max is not None and limit > found.output_tokens_max,
        "tools": request.tools is not None and "tools" not in found.parameters,
        "image": request.messages is PICTURE and "image" not in found.input_modalities,
        "seed": wish.require_parameters is True and request.seed is not None and "seed" not in found.parameters,
        "only": wish.only is not None and not names(found, wish.only),
        "ignore": bool(wish.ignore) and names(found, wish.ignore or ()),
        "order": bool(wish.order) and wish.allow_fallbacks is False and not names(found, wish.order or ()),
        "quantization": wish.quantizations is not None and found.quantization != "fp8",
        "price": wish.max_price is not None and (rates.prompt > 5 * MICRO or rates.completion > 20 * MICRO),
    }
    return next((name for name, broken in breaches.items() if broken), None)


@settings(max_examples=300, deadline=None)
@given(
    on_offer=markets(),
    request=requests(),
    tokens=st.integers(0, 2_000),
    more=st.integers(0, 2_000),
    available=st.sampled_from([0, 10_000, 5_000_000, NANO, 100 * NANO]),
    down=st.frozensets(st.sampled_from([f"{slug}:{MODEL}" for slug in SLUGS])),
    seed=st.integers(0, 100),
)
def test_any_plan(
    on_offer: Market, request: ChatRequest, tokens: int, more: int, available: int, down: frozenset[str], seed: int
) -> None:
    """Candidates and rejections are all endpoints of the named models, each once; no wish broken; the worst is held."""
    found = plan(
        request,
        on_offer,
        tokens=tokens,
        prompt_bound=tokens + more,
        available=available,
        down=dict.fromkeys(down, "unwell"),
        dice=random.Random(seed).random,
    )
    taken = [candidate.endpoint for candidate in found.candidates]
    left = [rejection.endpoint for rejection in found.rejections]
    asked = dict.fromkeys({"alias": MODEL}.get(n, n) for n in (request.model, *(request.models or ())) if n)
    assert [model.id for model in found.models] == list(asked)
    everyone = sorted(each.id for model in asked for each in on_offer.catalog.endpoints[model])
    assert sorted(each.id for each in (*taken, *left)) == everyone
    assert all(candidate.reason for candidate in found.candidates)
    assert all(rejection.reason and rejection.rule for rejection in found.rejections)
    live = set(on_offer.providers)
    for candidate in found.candidates:
        assert breaks_a_wish(request, candidate.endpoint, live, tokens) is None
        assert candidate.price is candidate.endpoint.price
        assert 0 <= candidate.bound <= available
        assert candidate.max_tokens_is_ours or candidate.max_tokens == request.max_tokens
        assert candidate.max_tokens is None or candidate.max_tokens >= 1
    for rejection in found.rejections:
        broken = breaks_a_wish(request, rejection.endpoint, live, tokens)
        assert broken is not None or rejection.rule in {"not_affordable", "fallbacks_off"}
    assert found.hold == max((candidate.bound for candidate in found.candidates), default=0)
    wish = request.provider
    if wish is not None and wish.allow_fallbacks is False and not wish.order:
        assert len(found.candidates) <= 1


@settings(max_examples=200, deadline=None)
@given(
    context=st.integers(1, 10_000),
    output_max=st.none() | st.integers(1, 20_000),
    prompt=st.integers(0, 10_000),
    slack=st.integers(1, 8),
    asked=st.none() | st.integers(1, 20_000),
    dear=st.integers(0, 10 * MICRO),
)
def test_a_short_prompt_may_be_answered_at_length(
    context: int, output_max: int | None, prompt: int, slack: int, asked: int | None, dear: int
) -> None:
    """The bound holds for every split of the context: a prompt of many bytes and few tokens leaves room to answer."""
    offered = endpoint("a", context_tokens=context, output_tokens_max=output_max, completion=MICRO + dear)
    request = ask(max_tokens=asked)
    found = plan(request, market(offered), tokens=0, prompt_bound=prompt * slack, available=10**6 * NANO)
    for candidate in found.candidates:
        sent = candidate.max_tokens if candidate.max_tokens is not None else context
        for real in {0, prompt, min(prompt * slack, context)}:
            completion = max(0, min(sent, context - real, output_max or context))
            assert real * 1_000 + completion * (MICRO + dear) / 10**9 <= candidate.bound + 1e-3


def test_the_bound_is_of_the_plans_own_price() -> None:
    """Each candidate's bound is the estimate's for its price, at the tier that the prompt's bound reaches."""
    tiered = endpoint("a", tiers=(Tier(99, Rates(3 * MICRO, 2 * MICRO)),))
    [candidate] = plan(ask(), market(tiered)).candidates
    assert tiered.price is not None
    expected = bound(
        dearest(tiered.price, 100),
        prompt_tokens=100,
        choices=1,
        asked=10,
        output_max=8_000,
        room=7_950,
        available=NANO,
    )
    assert expected is not None
    assert candidate.bound == expected.amount == 300_000 + 20_000


def test_our_own_max_tokens_is_sent_and_said() -> None:
    """Without max_tokens and little money, the plan says what is sent upstream, and that the number is ours."""
    poor = plan(ask(max_tokens=None), market(endpoint("a")), available=20_000_000).candidates[0]
    assert (poor.max_tokens, poor.max_tokens_is_ours, poor.bound) == (4_900, True, 5_000_000)
    rich = plan(ask(max_tokens=None), market(endpoint("a")), available=NANO).candidates[0]
    assert (rich.max_tokens, rich.max_tokens_is_ours, rich.bound) == (None, False, 8_100_000)


def test_n_and_best_of_count_once_the_larger() -> None:
    """Several choices multiply the output's bound."""
    for fields in ({"n": 3}, {"best_of": 3}, {"n": 3, "best_of": 2}):
        assert plan(ask(**fields), market(endpoint("a"))).hold == 100_000 + 3 * 10_000


def test_what_is_not_affordable_is_left_out_and_the_rest_is_held() -> None:
    """The dear one goes, with its reason; the hold is the worst of those that stay."""
    on_offer = market(endpoint("a"), endpoint("b", prompt=2 * MICRO), endpoint("c", prompt=9 * MICRO))
    found = plan(ask(), on_offer, available=500_000)
    assert order_of(found) == ["a", "b"]
    assert why_not(found) == {"c": ("not_affordable", "could cost more than is available")}
    assert found.hold == 210_000


def test_models_follow_each_other() -> None:
    """The request's `models` are tried after its `model`, each with its own endpoints, each once by whatever name."""
    on_offer = market(endpoint("a", model=OTHER), endpoint("b"), aliases={"alias": MODEL, "again": OTHER})
    found = plan(ask(model="alias", models=("again", MODEL, OTHER)), on_offer)
    assert [model.id for model in found.models] == [MODEL, OTHER]
    assert order_of(found) == ["b", "a"]


@pytest.mark.parametrize("fields", [{"model": "no/such"}, {"models": ("no/such",)}, {"model": "TEST/MODEL"}])
def test_a_model_that_is_not_there(fields: dict[str, object]) -> None:
    """An unknown name is the caller's mistake, told with the name."""
    with pytest.raises(ModelNotFound, match="is not a valid model ID") as caught:
        plan(ask(**fields), market(endpoint("a")))
    assert (caught.value.status, caught.value.param) == (400, "model")


def test_no_model_at_all() -> None:
    """A request that names none is told where names are."""
    with pytest.raises(InvalidRequest, match="GET /api/v1/models"):
        plan(ask(model=None), market(endpoint("a")))


@pytest.mark.parametrize(
    ("offered", "rule", "reason"),
    [
        (endpoint("b", enabled=False), "disabled", "switched off by the operator"),
        (endpoint("b", price=None), "unpriced", "has no price: set one, or declare it free"),
        (endpoint("dark"), "not_live", "no key for dark: set DARK_KEY"),
        (endpoint("b", wire_format=WireFormat.GEMINI), "wire_format", "speaks gemini, which is not built yet"),
    ],
)
def test_why_an_endpoint_is_off(offered: Endpoint, rule: str, reason: str) -> None:
    """What is off in the market is in every plan, with what the operator would have to do."""
    found = plan(ask(), market(offered, endpoint("a"), live=("a", "b")))
    assert order_of(found) == ["a"]
    assert why_not(found) == {offered.provider: (rule, reason)}


def test_the_market_sorts_by_price() -> None:
    """Three prompt tokens to one of output, and a thousandth of the request's price; a stall knows its endpoint's."""
    dear, cheap, flat = endpoint("a", prompt=5 * MICRO), endpoint("b"), endpoint("c", request=10**15)
    offer = market(dear, cheap, flat).offers[MODEL]
    assert [each.provider for each in offer.live] == ["b", "c", "a"]
    assert [stall.blended for stall in offer.stalls] == [blended_price(each) for each in offer.live]
    assert [blended_price(each) for each in offer.live] == [4 * MICRO, 5 * MICRO, 16 * MICRO]
    assert [stall.endpoint for stall in offer.stalls] == list(offer.live)
    assert blended_price(endpoint("a", price=None)) == 0


@pytest.mark.parametrize("name", ["test/model:online", "test/model:free:online", "openrouter/pareto-code"])
def test_routers_and_variants_say_that_they_are_not_built(name: str) -> None:
    """501, not "no such model": OpenRouter's users try these first."""
    with pytest.raises(NotBuiltYet, match="not built yet"):
        plan(ask(model=name), market(endpoint("a")))


@pytest.mark.parametrize(
    ("output_max", "asked", "sent"), [(2_000, None, 2_000), (7_999, None, 7_950), (2_000, 10, 10), (None, None, None)]
)
def test_a_format_that_needs_a_bound(output_max: int | None, asked: int | None, sent: int | None) -> None:
    """Anthropic's: who names no max_tokens gets what the endpoint gives, within its context, not a short default."""
    claude = endpoint("a", wire_format=WireFormat.ANTHROPIC_MESSAGES, output_tokens_max=output_max)
    on_offer = build_market(
        market(claude).catalog, {"a": Provider("a", "a", "http://127.0.0.1")}, {Operation.CHAT: frozenset(WireFormat)}
    )
    (candidate,) = plan(ask(max_tokens=asked), on_offer).candidates
    assert (candidate.max_tokens, candidate.max_tokens_is_ours) == (sent, False)
    chat = market(endpoint("a", output_tokens_max=output_max))
    assert plan(ask(max_tokens=asked), chat).candidates[0].max_tokens == asked


REASONS = frozenset({"reasoning"})


def test_thinking_is_the_model_that_reasons() -> None:
    """`:thinking` takes the endpoints that can reason, and tells them to; the others say why they are left out."""
    on_offer = market(endpoint("a", parameters=REASONS), endpoint("b"))
    found = plan(ask(model=f"{MODEL}:thinking"), on_offer)
    assert [(each.endpoint.provider, each.thinks) for each in found.candidates] == [("a", True)]
    assert why_not(found) == {"b": ("no_reasoning", 'does not reason, as ":thinking" asks')}
    assert [each.thinks for each in plan(ask(), on_offer).candidates] == [False, False]
    assert plan(ask(model=f"{MODEL}:thinking"), market(endpoint("b"))).candidates == ()


def test_thinking_is_asked_of_the_models_that_it_is_said_of() -> None:
    """In a list of models each has its own name; a model by two names counts once, with the first."""
    on_offer = market(endpoint("a", parameters=REASONS), endpoint("b", model="test/other", parameters=REASONS))
    names = ("test/other:thinking", MODEL, "test/other", f"{MODEL}:thinking")
    found = plan(ask(model=None, models=names), on_offer)
    assert [(each.endpoint.provider, each.thinks) for each in found.candidates] == [("b", True), ("a", False)]


def test_a_model_whose_own_name_ends_in_thinking() -> None:
    """Is that model, as the catalog has it."""
    on_offer = market(endpoint("a", model="test/x:thinking"), endpoint("b", model="test/x", parameters=REASONS))
    found = plan(ask(model="test/x:thinking"), on_offer)
    assert [(each.endpoint.provider, each.thinks) for each in found.candidates] == [("a", False)]
    with pytest.raises(ModelNotFound):
        plan(ask(model="nothing/like-it:thinking"), on_offer)


def test_what_a_provider_takes_is_added_to_the_catalog() -> None:
    """The catalog lists too little for some: what all models of a provider take is known from its quirks."""
    listed, unknown = endpoint("a", model="test/one", parameters=frozenset({"seed"})), endpoint("a", model="test/two")
    quirks = Quirks(takes={"": frozenset({"stop"}), "one$": frozenset({"top_k"}), "^one": frozenset({"top_a"})})
    plain = market(listed, unknown)
    found = build_market(
        plain.catalog,
        {"a": Provider("a", "a", "http://127.0.0.1", quirks=quirks)},
        {Operation.CHAT: frozenset(WireFormat)},
    )
    assert found.offers["test/one"].live[0].parameters == {"seed", "stop", "top_k"}
    assert found.offers["test/two"].live == (unknown,)  # nothing is listed, so everything is sent


def test_an_unknown_model_names_its_neighbours() -> None:
    """A typing error is answered with what was probably meant."""
    with pytest.raises(ModelNotFound, match=f"did you mean {MODEL}"):
        plan(ask(model=MODEL[:-1]), market(endpoint("a")))
    with pytest.raises(ModelNotFound, match="GET /api/v1/models lists them"):
        plan(ask(model="nothing/like-it"), market(endpoint("a")))
