"""`openrouter/auto` as a pure function: the task it reads, the models it picks, and what it refuses."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.routing.stage import MICRO, Seen, ask, endpoint, market, plan
from tollway.domain.aliases import Alias
from tollway.domain.auto import AutoSettings
from tollway.domain.catalog import Endpoint
from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    ImagePart,
    ImageUrl,
    MaxPrice,
    Preferences,
    Reasoning,
    ResponseFormat,
    TextPart,
    Tool,
    ToolFunction,
    UserMessage,
)
from tollway.domain.errors import InvalidRequest, NoEndpoints, NotBuiltYet
from tollway.domain.routing import Routed
from tollway.domain.standing import Ruling
from tollway.routing.auto import PICKS_MAX, AutoRouter, asks_auto, router_of, task_of
from tollway.routing.market import Market, build_market
from tollway.routing.names import unknown_model
from tollway.routing.patterns import Patterns
from tollway.routing.unbuilt import refuse_unbuilt

AUTO = "openrouter/auto"
JSON = ResponseFormat("json_object")
TOOL = (Tool(function=ToolFunction("look")),)
IMAGE = UserMessage((TextPart("What is this?"), ImagePart(ImageUrl("https://example.org/a.png"))))


def priced(*prices: int, **fields: Any) -> list[Endpoint]:
    """Models `test/m0`, `test/m1` ... at these prices, in microdollars a token."""
    return [
        endpoint("a", model=f"test/m{number}", prompt=price * MICRO, completion=price * MICRO, **fields)
        for number, price in enumerate(prices)
    ]


PLAIN = AutoSettings()
FIVE = market(*priced(1, 2, 4, 8, 16))


def wants(text: str = "Hello", model: str = AUTO, **plugin: Any) -> ChatRequest:
    plugins = ({"id": "auto-router", **plugin},) if plugin else None
    return ask(model=model, messages=(UserMessage(text),), plugins=plugins)


def pick(
    request: ChatRequest,
    on_offer: Market = FIVE,
    settings: AutoSettings = PLAIN,
    *,
    kept: str | None = None,
    down: dict[str, str] | None = None,
) -> tuple[ChatRequest, Routed]:
    sight = Seen(down or {}, {})
    return AutoRouter(settings).route(request, on_offer, sight, prompt_tokens=25, kept=kept)


def picked(*args: Any, **fields: Any) -> list[str]:
    """The last part of each pick's id."""
    return [id_.partition("/")[2] for id_ in pick(*args, **fields)[1].models]


@pytest.mark.parametrize(
    ("name", "router"),
    [
        ("openrouter/auto", "openrouter/auto"),
        ("tollway/auto", "tollway/auto"),
        ("openrouter/auto-beta", "openrouter/auto-beta"),
        ("openrouter/auto:floor", "openrouter/auto"),
        ("openrouter/auto:free:nitro", "openrouter/auto"),
        ("openrouter/auto:online", None),
        ("openrouter/automatic", None),
        ("test/m0", None),
    ],
)
def test_names(name: str, router: str | None) -> None:
    """With known suffixes or none; also among `models`."""
    assert router_of(name) == router
    assert asks_auto(ask(model=name)) == router
    assert asks_auto(ask(model="test/m0", models=("test/m1", name))) == router


@pytest.mark.parametrize(
    ("fields", "task", "difficulty"),
    [
        ({"messages": (UserMessage("Translate to German: good night"),)}, "translation", "easy"),
        ({"messages": (UserMessage("Write a trie in Python"),)}, "code", "medium"),
        ({"messages": (UserMessage("Refactor this python module"),)}, "code", "hard"),
        ({"messages": (UserMessage("Write a trie in Python. " + "It is long. " * 300),)}, "code", "hard"),
        ({"messages": (UserMessage("Prove it"),)}, "reasoning", "hard"),
        ({"messages": (UserMessage("Write a trie in Python"),), "reasoning_effort": "low"}, "code", "easy"),
        ({"messages": (UserMessage("Hello"),), "reasoning": Reasoning(effort="high")}, "chat", "hard"),
        ({"messages": (UserMessage("Berlin, 3 May"),), "response_format": JSON}, "extraction", "easy"),
        ({"messages": (UserMessage("Hello"),), "tools": TOOL}, "agent", "medium"),
        ({"messages": (IMAGE,)}, "vision", "medium"),
        ({"messages": (IMAGE, AssistantMessage("A cat"), UserMessage("Write a poem about it"))}, "writing", "medium"),
        ({"messages": (UserMessage("Write a trie in Go"), AssistantMessage("."), UserMessage("ok"))}, "code", "medium"),
    ],
)  # fmt: skip
def test_task(fields: dict[str, Any], task: str, difficulty: str) -> None:
    """Tools and images say their task; else what the first and the last message of the user say."""
    assert task_of(ask(**fields)) == (task, difficulty)


def test_nothing_to_read() -> None:
    """A prompt, an empty text, no message of the user: some task all the same."""
    assert task_of(ask(messages=(), prompt="SELECT a FROM b; what does this sql do"))[0] == "code"
    for messages in ((), (AssistantMessage(None),), (UserMessage(""),), (UserMessage(()),)):
        task_of(ask(messages=messages))


@pytest.mark.parametrize(
    ("plugin", "first"),
    [
        ({"cost_tier": "low"}, "m0"),
        ({"cost_tier": "medium"}, "m1"),
        ({"cost_tier": "high"}, "m2"),
        ({"cost_tier": "xhigh"}, "m3"),
        ({"cost_tier": "max"}, "m4"),
        ({"cost_tier": "max", "cost_quality_tradeoff": 10}, "m4"),
        ({"cost_quality_tradeoff": 10}, "m0"),
        ({"cost_tier": "max", "enabled": False}, "m0"),
        ({"cost_tier": "max", "allowed_models": ["test/m1", "test/m2"]}, "m2"),
        ({"cost_tier": "low", "excluded_models": ["test/m0"]}, "m1"),
        ({"allowed_models": ["test/*"], "excluded_models": ["*0", "*/m1*"]}, "m2"),
        ({"allowed_models": []}, "m0"),
    ],
)
def test_cost_and_lists(plugin: dict[str, Any], first: str) -> None:
    """The bands are fifths of the set that the lists leave, by price; the nearest models follow as fallbacks."""
    found = picked(wants(**plugin))
    assert found[0] == first
    assert len(set(found)) == min(PICKS_MAX, 2 if first == "m2" and "m2" in str(plugin) else PICKS_MAX)


def test_by_difficulty() -> None:
    """Where nobody says what it may cost, what is easy is cheap."""
    assert picked(wants("Hello"))[0] == "m0"
    assert picked(wants("Write a trie in Python"))[0] == "m1"
    assert picked(wants("Refactor this python module"))[0] == "m2"
    assert picked(wants("Hello"), settings=AutoSettings(cost_tier="max"))[0] == "m4"
    assert picked(wants("Hello", cost_tier="low"), settings=AutoSettings(cost_tier="max"))[0] == "m0"


def test_the_operators_lists() -> None:
    """They bound the set, and rank it for a task; an alias is its models. What is said of the cost goes first."""
    mine = AutoSettings(models=("test/m1", "test/m3", "test/m4"), excluded=("*4",), tasks={"code": ("*3", "test/m1")})
    assert picked(wants("Hello"), settings=mine) == ["m1", "m3"]
    assert picked(wants("Write a trie in Python"), settings=mine) == ["m3", "m1"]
    assert picked(wants("Write a trie in Python", cost_tier="low"), settings=mine) == ["m1", "m3"]
    catalog, providers = FIVE.catalog, FIVE.providers
    speaks = {offer.operation: frozenset({each.wire_format for each in offer.live}) for offer in FIVE.offers.values()}
    level = build_market(catalog, providers, speaks, [Alias("acme/big", "high", ("test/m4", "test/m3"))])
    assert picked(wants("Hello", allowed_models=["acme/big"]), level) == ["m3", "m4"]


def test_what_is_not_chosen_by_itself() -> None:
    """Variants for speed, previews and `:free` entries: only where they are named, or nothing else is there."""
    odd = ("test/m-fast", "test/m-preview", "test/m:free")
    on_offer = market(endpoint("a", model="test/m"), *(endpoint("a", model=name) for name in odd))
    assert picked(wants(), on_offer) == ["m"]
    assert picked(wants(allowed_models=["test/m-fast"]), on_offer) == ["m-fast"]
    assert picked(wants(allowed_models=["*-preview"]), on_offer) == ["m-preview"]


def test_newness_demand_and_purpose() -> None:
    """In a band the newest first; what more providers offer, and what is made for the task, counts as newer."""

    def on_offer(**created: int) -> Market:
        found = market(
            endpoint("a", model="test/plain"), endpoint("a", model="test/coder"), endpoint("b", model="test/plain")
        )
        models = {
            id_: structs.replace(model, created_s=created.get(id_.partition("/")[2], 0))
            for id_, model in found.catalog.models.items()
        }
        speaks = {each.operation: frozenset({each.live[0].wire_format}) for each in found.offers.values()}
        return build_market(structs.replace(found.catalog, models=models), found.providers, speaks)

    year = 365 * 24 * 3600
    same = on_offer(plain=50 * year, coder=50 * year)
    wide = AutoSettings(cost_tier=None, tasks={"code": ("*",), "chat": ("*",)})
    assert picked(wants("Write a trie in Python"), same, wide)[0] == "coder"
    assert picked(wants("Hello"), same, wide)[0] == "plain"
    assert picked(wants("Write a trie in Python"), on_offer(plain=52 * year, coder=50 * year), wide)[0] == "plain"


def test_every_rule_counts() -> None:
    """Who lacks tools, context, images or the price is passed over, whatever its rank."""
    able = endpoint("a", model="test/able", prompt=9 * MICRO, parameters=frozenset({"tools"}), context_tokens=9_000)
    sees = endpoint("a", model="test/sees", prompt=9 * MICRO, input_modalities=frozenset({"text", "image"}))
    on_offer = market(*priced(1, 2, 3, context_tokens=4_000), able, sees)
    assert picked(structs.replace(wants(), tools=TOOL), on_offer) == ["able"]
    assert picked(structs.replace(wants(), messages=(IMAGE,)), on_offer) == ["sees"]
    found = AutoRouter(AutoSettings()).route(wants(), on_offer, Seen({}, {}), prompt_tokens=8_500, kept=None)
    assert found[1].models == ("test/able",)
    capped = ask(model=AUTO, max_price=MaxPrice(prompt="2"))
    assert picked(capped, on_offer, settings=AutoSettings(cost_tier="max")) == ["m1", "m0"]


def test_what_the_workspace_rules() -> None:
    """Its caps leave a model out like any rule."""
    rulings = (Ruling("the workspace's", Preferences(max_price=MaxPrice(prompt="2"))),)
    route = AutoRouter(AutoSettings(cost_tier="max")).route
    _, found = route(wants(), FIVE, Seen({}, {}), prompt_tokens=25, kept="test/m4", rulings=rulings)
    assert found.models == ("test/m1", "test/m0")


def test_where_nobody_fits_the_plan_says_why() -> None:
    """The picks are asked all the same, so that the refusal has every reason."""
    request, _ = pick(structs.replace(wants(), tools=TOOL), market(*priced(1, 2, parameters=frozenset({"seed"}))))
    found = plan(request, market(*priced(1, 2, parameters=frozenset({"seed"}))))
    assert not found.candidates
    assert {each.rule for each in found.rejections} == {"no_tools"}


def test_the_well_go_before_the_unwell() -> None:
    """A model of which every endpoint is failing is no first choice."""
    assert picked(wants(), down={"a:test/m0": "failing"})[0] == "m1"
    two = market(*priced(1, 2))
    assert picked(wants(), two, down={"a:test/m0": "failing"}) == ["m1", "m0"]


def test_what_a_conversation_had() -> None:
    """Stays while it is allowed, fits and is well."""
    _, found = pick(wants(), kept="test/m4")
    assert found.stays
    assert found.models[0] == "test/m4"
    assert picked(wants(excluded_models=["test/m4"]), kept="test/m4")[0] == "m0"
    assert picked(wants(), kept="test/m4", down={"a:test/m4": "failing"})[0] == "m0"
    assert picked(wants(), kept="test/gone")[0] == "m0"
    assert not pick(wants(), kept="test/gone")[1].stays


def test_pin_model() -> None:
    """The model that the last assistant message names goes before the one that is remembered."""
    said = (UserMessage("Hi"), AssistantMessage("Hello", model="test/m3"), UserMessage("Thanks"))
    request = structs.replace(wants(pin_model=True), messages=said)
    assert picked(request, kept="test/m2")[:2] == ["m3", "m2"]
    assert picked(structs.replace(wants(pin_model=False), messages=said), kept="test/m2")[0] == "m2"
    odd = (UserMessage("Hi"), AssistantMessage("Hello", model="cpen/high"), UserMessage("Thanks"))
    assert picked(structs.replace(wants(pin_model=True), messages=odd))[0] == "m0"


def test_among_other_models_and_with_suffixes() -> None:
    """The picks stand where the router stood, each with its suffixes; no model twice."""
    request, found = pick(ask(model="test/m4", models=("tollway/auto:floor", "test/m0")))
    assert found.router == "tollway/auto"
    assert (request.model, request.models) == (
        "test/m4",
        ("test/m0:floor", "test/m1:floor", "test/m2:floor", "test/m0"),
    )
    assert [model.id for model in plan(request, FIVE).models] == ["test/m4", "test/m0", "test/m1", "test/m2"]


@pytest.mark.parametrize(
    ("plugin", "path"),
    [
        ({"cost_tier": "cheap"}, "plugins[0].cost_tier"),
        ({"cost_quality_tradeoff": 11}, "plugins[0].cost_quality_tradeoff"),
        ({"allowed_models": "test/*"}, "plugins[0].allowed_models"),
        ({"allowed_models": ["a" * 1025]}, "plugins[0].allowed_models[0]"),
        ({"allowed_models": ["a"] * 1025}, "plugins[0].allowed_models"),
        ({"allowed_models": ["a" * 1024] * 65}, "plugins[0]"),
        ({"pin_model": "test/m0"}, "plugins[0].pin_model"),
        ({"allowed": ["test/*"]}, "plugins[0]"),
    ],
)
def test_a_wrong_plugin(plugin: dict[str, Any], path: str) -> None:
    """A 400 that names the field; a misspelt one could be a list that we then would not keep to."""
    with pytest.raises(InvalidRequest) as caught:
        pick(wants(**plugin))
    assert caught.value.param == path


def test_nothing_is_left() -> None:
    """404, by the request's lists or the operator's."""
    for request, settings in (
        (wants(allowed_models=["other/*"]), AutoSettings()),
        (wants(excluded_models=["*"]), AutoSettings()),
        (wants(), AutoSettings(models=("other/*",))),
        (wants("Hello"), AutoSettings(tasks={"chat": ("other/m",)})),
    ):
        with pytest.raises(NoEndpoints, match="no model to choose from"):
            pick(request, settings=settings)


def test_what_is_no_chat_names_no_router() -> None:
    """A router as the name of another kind of model, and plugins that are not built."""
    assert isinstance(unknown_model(AUTO, FIVE), InvalidRequest)
    assert isinstance(unknown_model("openrouter/auto:online", FIVE), NotBuiltYet)
    assert "not a valid model ID" in unknown_model("openrouter/auto:quick", FIVE).message
    refuse_unbuilt(wants(cost_tier="low"))
    with pytest.raises(NotBuiltYet):
        refuse_unbuilt(ask(plugins=({"id": "pareto-router"},)))


PIECES = st.text("ab*/", max_size=6)


@given(PIECES, st.text("ab/", max_size=8))
def test_wildcards(pattern: str, name: str) -> None:
    """As a regular expression in which `*` is any text would say."""
    meant = ".*".join(map(re.escape, pattern.split("*")))
    assert Patterns([pattern]).match(name) is (re.fullmatch(meant, name) is not None)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.text(max_size=60),
    st.sets(st.sampled_from("01234567"), max_size=4),
    st.sampled_from([None, "low", "medium", "high", "xhigh", "max"]),
    st.booleans(),
)
def test_never_who_is_not_eligible(
    models: list[tuple[int, bool, bool]], text: str, out: set[str], tier: str | None, tools: bool
) -> None:
    """Nobody is picked who is excluded, or lacks tools while another has them; the same request gets the same."""
    each = [
        structs.replace(
            priced(*(price for price, _, _ in models))[number],
            parameters=frozenset({"tools", "seed"} if able else {"seed"}),
        )
        for number, (_, able, _) in enumerate(models)
    ]
    on_offer = market(*each)
    down = {f"a:test/m{number}": "failing" for number, (_, _, ill) in enumerate(models) if ill}
    excluded = [f"test/m{number}" for number in out] or ["none"]
    request = structs.replace(wants(text, excluded_models=excluded, cost_tier=tier), tools=TOOL if tools else None)
    left = {f"test/m{number}" for number in range(len(models))} - set(excluded)
    if not left:
        with pytest.raises(NoEndpoints):
            pick(request, on_offer, down=down)
        return
    asked, found = pick(request, on_offer, down=down)
    assert set(found.models) <= left
    assert found == pick(request, on_offer, down=down)[1]
    able = {id_ for id_ in left if models[int(id_[-1])][1]}
    if tools and able:
        assert set(found.models) <= able
    candidates = plan(asked, on_offer, down=down).candidates
    assert bool(candidates) is (bool(able) or not tools)
    well = {id_ for id_ in (able if tools else left) if f"a:{id_}" not in down}
    if well:
        assert found.models[0] in well
