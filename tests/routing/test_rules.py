"""The rules: for each, an endpoint that is taken, one that is left out, and the sentence that says why."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.routing.stage import FACTS, MICRO, ask, endpoint, market, order_of, plan, why_not
from tollway.domain.caps import PriceRouting
from tollway.domain.catalog import Endpoint, Rates, Tier
from tollway.domain.chat import (
    AudioPart,
    ChatRequest,
    DocumentPart,
    FileData,
    FilePart,
    ImagePart,
    ImageUrl,
    InputAudio,
    JsonSchema,
    LegacyVideoPart,
    MaxPrice,
    Reasoning,
    ResponseFormat,
    SystemMessage,
    Tool,
    ToolFunction,
    UserMessage,
    VideoPart,
    VideoUrl,
)
from tollway.domain.errors import InvalidRequest
from tollway.routing.rules import RULES, Rule, ask_of

TOOLS = (Tool(function=ToolFunction("f")),)
SCHEMA = ResponseFormat("json_schema", JsonSchema("s", schema={}))
JSON = ResponseFormat("json_object")
IMAGE = ImagePart(ImageUrl("https://example.com/i"))
AUDIO = AudioPart(InputAudio("AAAA", "wav"))
VIDEO = VideoPart(VideoUrl("https://example.com/v"))
OLD_VIDEO = LegacyVideoPart(VideoUrl("https://example.com/v"))
FILE = FilePart(FileData("a.pdf"))
DOCUMENT = DocumentPart("https://example.com/d")
DEARER_LATER = (Tier(20, Rates(3 * MICRO, MICRO)),)


def can(*parameters: str) -> Endpoint:
    """An endpoint that supports these parameters."""
    return endpoint("a", parameters=frozenset(parameters))


def makes(*kinds: str) -> Endpoint:
    """An endpoint whose model makes these."""
    return endpoint("a", output_modalities=frozenset(kinds))


def reads(*kinds: str) -> Endpoint:
    """An endpoint that takes text and these media."""
    return endpoint("a", input_modalities=frozenset({"text", *kinds}))


def holding(*parts: Any) -> ChatRequest:
    """A request with these parts in its second message."""
    return ask(messages=(SystemMessage("x"), UserMessage(parts)))


def capped(**caps: Any) -> ChatRequest:
    """A request with these `max_price` caps."""
    return ask(max_price=MaxPrice(**caps))


TAKEN: tuple[tuple[str, ChatRequest, Endpoint], ...] = (
    ("context fits exactly", ask(), endpoint("a", context_tokens=25)),
    ("output fits exactly", ask(max_tokens=10), endpoint("a", output_tokens_max=10)),
    ("output unknown", ask(max_tokens=10), endpoint("a")),
    ("no max_tokens", ask(max_tokens=None), endpoint("a", output_tokens_max=1)),
    ("tools", ask(tools=TOOLS), can("tools")),
    ("no tools in the list", ask(tools=()), can()),
    ("image", holding(IMAGE), reads("image")),
    ("an image out", ask(modalities=("image", "text")), makes("text", "image", "audio")),
    ("text out", ask(modalities=("text",)), makes("text")),
    ("whatever it makes", ask(modalities=("audio",)), makes()),
    ("video, both names", holding(VIDEO, OLD_VIDEO), reads("video")),
    ("schema", ask(response_format=SCHEMA), can("structured_outputs")),
    ("schema, as well as it can", ask(response_format=SCHEMA), can("response_format")),
    ("schema, where nobody can", ask(response_format=SCHEMA), can()),
    ("any JSON, where nobody can", ask(response_format=JSON), can()),
    ("a schema is promised", ask(response_format=SCHEMA, structured_outputs=True), can("structured_outputs")),
    ("text", ask(response_format=ResponseFormat("text"), structured_outputs=False), can()),
    ("not to reason", ask(reasoning_effort="none"), endpoint("a", model="test/model")),
    ("to reason a little", ask(model="test/o3", reasoning_effort="minimal"), endpoint("a", model="test/o3")),
    (
        "not enabled is no effort",
        ask(model="test/o3", reasoning=Reasoning(enabled=False)),
        endpoint("a", model="test/o3"),
    ),
    ("effort, required", ask(reasoning_effort="low", require_parameters=True), can("reasoning")),
    ("parameters, not required", ask(top_k=3), can()),
    ("parameters, required and there", ask(top_k=3, seed=1, require_parameters=True), can("top_k", "seed")),
    ("only", ask(only=("b", "A")), endpoint("a")),
    ("only: the base of a slug", ask(only=("A",)), endpoint("a/eu")),
    ("ignore: another", ask(ignore=("b", "a/eu", "aa")), endpoint("a")),
    ("ignore: the beginning of a slug", ask(ignore=("a",)), endpoint("ab")),
    ("ignore: nobody", ask(ignore=()), endpoint("a")),
    ("order, strict", ask(order=("A",), allow_fallbacks=False), endpoint("a")),
    ("order with fallbacks", ask(order=("b",)), endpoint("a")),
    ("quantization", ask(quantizations=("fp8", "bf16")), endpoint("a", quantization="bf16")),
    ("fp8 means mxfp8 too", ask(quantizations=("fp8",)), endpoint("a", quantization="mxfp8")),
    ("fp4 means nvfp4 too", ask(quantizations=("fp4",)), endpoint("a", quantization="nvfp4")),
    ("unknown quantization", ask(quantizations=("unknown",)), endpoint("a")),
    ("routing, exactly", ask(routing=PriceRouting(max_input_per_1m="1", max_total_per_1m=2)), endpoint("a")),
    ("routing, the floor exactly", ask(routing=PriceRouting(min_total_per_1m="2.0")), endpoint("a")),
    (
        "routing, a tier out of reach",
        ask(routing=PriceRouting(max_input_per_1m="1")),
        endpoint("a", tiers=(Tier(100, Rates(3 * MICRO, MICRO)),)),
    ),
    ("max_price, exactly", capped(prompt="1", completion=1), endpoint("a")),
    ("max_price as a float", capped(prompt=1.0, request=0.0), endpoint("a")),
    ("max_price, none given", capped(), endpoint("a")),
    ("max_price without a price apart", capped(image="0", audio="0"), endpoint("a")),
    ("max_price of a lot", capped(prompt="1e300", completion=1e308), endpoint("a")),
    ("max_price, the tier is not reached", capped(prompt="1"), endpoint("a", tiers=(Tier(100, Rates(9 * MICRO, 0)),))),
    ("data may be collected", ask(data_collection="allow", zdr=False), endpoint("a")),
    ("data is not collected", ask(data_collection="deny", zdr=True), endpoint("discreet")),
    ("nothing is kept", ask(zdr=True), endpoint("trainer")),
    ("data may be collected", ask(data_collection="allow", zdr=False), endpoint("keeper")),
    ("distillation is not asked for", ask(enforce_distillable_text=False), endpoint("a")),
)

LEFT_OUT: tuple[tuple[str, ChatRequest, Endpoint, str, str], ...] = (
    (
        "context",
        ask(),
        endpoint("a", context_tokens=24),
        "context_too_short",
        "the prompt needs about 25 tokens, its context has 24",
    ),
    (
        "output",
        ask(max_tokens=11),
        endpoint("a", output_tokens_max=10),
        "output_too_short",
        "max_tokens is 11, it gives at most 10",
    ),
    (
        "output, by its newer name",
        ask(max_tokens=1, max_completion_tokens=11),
        endpoint("a", output_tokens_max=10),
        "output_too_short",
        "max_tokens is 11, it gives at most 10",
    ),
    ("tools", ask(tools=TOOLS), can("tool_choice"), "no_tools", "does not support tools"),
    ("image", holding(IMAGE), reads("audio"), "no_modality", "does not take image"),
    ("an image out", ask(modalities=("image", "text")), makes("text"), "no_output_modality", "does not make image"),
    (
        "no text out",
        ask(modalities=("audio", "text")),
        makes("image"),
        "no_output_modality",
        "does not make audio, text",
    ),
    ("a document", holding(DOCUMENT), reads("image"), "no_modality", "does not take file"),
    ("media", holding(VIDEO, AUDIO, IMAGE, FILE), reads("image"), "no_modality", "does not take audio, file, video"),
    (
        "a schema that must be kept to",
        ask(response_format=SCHEMA, structured_outputs=True),
        can("response_format"),
        "no_schema",
        "does not support structured output by a schema, and structured_outputs is set",
    ),
    (
        "not to reason",
        ask(model="test/o3", reasoning=Reasoning(effort="none")),
        endpoint("a", model="test/o3"),
        "must_reason",
        "always reasons",
    ),
    (
        "nor in the shorthand",
        ask(model="test/o3", reasoning_effort="none"),
        endpoint("a", model="test/o3"),
        "must_reason",
        "always reasons",
    ),
    (
        "schema, required",
        ask(response_format=SCHEMA, require_parameters=True),
        can("response_format"),
        "missing_parameter",
        "does not support structured_outputs, and require_parameters is set",
    ),
    (
        "effort, required",
        ask(reasoning_effort="low", require_parameters=True),
        can(),
        "missing_parameter",
        "does not support reasoning, and require_parameters is set",
    ),
    (
        "parameters",
        ask(top_k=3, seed=0, temperature=0.0, require_parameters=True),
        can("temperature"),
        "missing_parameter",
        "does not support top_k, seed, and require_parameters is set",
    ),
    ("only", ask(only=("b", "a/eu", "aa")), endpoint("a"), "not_in_only", "not in provider.only"),
    ("ignore", ask(ignore=("b", "A")), endpoint("a"), "ignored", "in provider.ignore"),
    ("ignore: the base of a slug", ask(ignore=("a",)), endpoint("a/eu"), "ignored", "in provider.ignore"),
    (
        "order, strict",
        ask(order=("b",), allow_fallbacks=False),
        endpoint("a"),
        "not_in_order",
        "not in provider.order, and fallbacks are off",
    ),
    (
        "quantization",
        ask(quantizations=("fp8", "bf16")),
        endpoint("a", quantization="int8"),
        "quantization",
        "is quantized int8, wanted fp8, bf16",
    ),
    (
        "quantization not known",
        ask(quantizations=("fp8",)),
        endpoint("a"),
        "quantization",
        "is quantized unknown, wanted fp8",
    ),
    (
        "fp16 is not fp6",
        ask(quantizations=("fp6",)),
        endpoint("a", quantization="mxfp6"),
        "quantization",
        "is quantized mxfp6, wanted fp6",
    ),
    ("prompt", capped(prompt="0.999999"), endpoint("a"), "max_price", "its prompt price is above max_price.prompt"),
    (
        "completion",
        capped(prompt=2, completion=0.5),
        endpoint("a"),
        "max_price",
        "its completion price is above max_price.completion",
    ),
    (
        "request",
        capped(request="0.000000000000000001"),
        endpoint("a", request=2),
        "max_price",
        "its request price is above max_price.request",
    ),
    (
        "input",
        ask(routing=PriceRouting(max_input_per_1m="0.99")),
        endpoint("a"),
        "price_cap",
        "its price is above routing.max_input_per_1m",
    ),
    (
        "output",
        ask(routing=PriceRouting(max_output_per_1m=0.99)),
        endpoint("a"),
        "price_cap",
        "its price is above routing.max_output_per_1m",
    ),
    (
        "input and output",
        ask(routing=PriceRouting(max_total_per_1m=1)),
        endpoint("a"),
        "price_cap",
        "its price is above routing.max_total_per_1m",
    ),
    (
        "a tier that the prompt may reach",
        ask(routing=PriceRouting(max_input_per_1m="1")),
        endpoint("a", tiers=(Tier(99, Rates(3 * MICRO, MICRO)),)),
        "price_cap",
        "its price is above routing.max_input_per_1m",
    ),
    (
        "too cheap to be good",
        ask(routing=PriceRouting(min_total_per_1m="2.01")),
        endpoint("a"),
        "price_floor",
        "its price is below routing.min_total_per_1m",
    ),
    (
        "a tier that the prompt reaches",
        capped(prompt="1"),
        endpoint("a", tiers=DEARER_LATER),
        "max_price",
        "its prompt price above 20 tokens is above max_price.prompt",
    ),
    (
        "a tier of max_price that the prompt may reach",
        capped(completion="1"),
        endpoint("a", tiers=(Tier(30, Rates(MICRO, MICRO)), Tier(99, Rates(MICRO, 3 * MICRO)))),
        "max_price",
        "its completion price above 99 tokens is above max_price.completion",
    ),
    (
        "data",
        ask(data_collection="deny"),
        endpoint("a"),
        "data_policy",
        "its data policy is not known, and data collection or retention is forbidden",
    ),
    (
        "retention",
        ask(zdr=True),
        endpoint("a"),
        "data_policy",
        "its data policy is not known, and data collection or retention is forbidden",
    ),
    *(
        (f"data: {reason}", ask(**wish), endpoint(slug), "data_policy", reason)
        for wish, slug, reason in (
            ({"zdr": True}, "keeper", "keeps prompts for 30 days"),
            ({"data_collection": "deny"}, "keeper", "keeps prompts for 30 days"),
            ({"zdr": True}, "half-known", "may keep prompts: its retention is not known"),
            ({"data_collection": "deny"}, "trainer", "may train on prompts"),
            ({"data_collection": "deny"}, "forgetter", "may train on prompts: its policy is not known"),
        )
    ),
    (
        "distillation",
        ask(enforce_distillable_text=True),
        endpoint("a"),
        "distillation",
        "whether its author permits distillation is not known, and the request requires it",
    ),
)


@pytest.mark.parametrize(("request_", "offered"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_taken(request_: ChatRequest, offered: Endpoint) -> None:
    """An endpoint that does what is asked is a candidate."""
    found = plan(request_, market(offered))
    assert order_of(found) == [offered.provider]
    assert found.rejections == ()


@pytest.mark.parametrize(
    ("request_", "offered", "rule", "reason"), [row[1:] for row in LEFT_OUT], ids=[row[0] for row in LEFT_OUT]
)
def test_left_out(request_: ChatRequest, offered: Endpoint, rule: str, reason: str) -> None:
    """An endpoint that does not is left out by its rule, with a sentence for the person who asked."""
    found = plan(request_, market(offered))
    assert found.candidates == ()
    assert why_not(found) == {offered.provider: (rule, reason)}


@pytest.mark.parametrize("wanted", [SCHEMA, JSON])
def test_json_goes_to_who_can(wanted: ResponseFormat) -> None:
    """A preference among a model's endpoints (OPENROUTER.md, section 4): who can't is left out where another can."""
    able, unable = endpoint("a", parameters=frozenset({"response_format"})), endpoint("b", prompt=1)
    found = plan(ask(response_format=wanted), market(able, unable))
    assert order_of(found) == ["a"]
    assert why_not(found) == {"b": ("no_structured_output", "does not support structured output")}
    assert order_of(plan(ask(response_format=wanted), market(unable))) == ["b"]
    # A firm rule leaves the able one out: then the other is not held to the preference.
    assert order_of(plan(ask(response_format=wanted, ignore=("a",)), market(able, unable))) == ["b"]


ROWS_APART = {
    "no_token_ids": "of plain requests: test_plain_requests.py",
    "no_structured_output": "leaves nobody out alone: above",
    "distillation": "takes nobody: no author's terms are known",
}


def without_rows(rules: Sequence[Rule]) -> set[str]:
    """Rules that no row takes an endpoint past, or that no row leaves one out by."""
    asked = [ask_of(request, 25, facts=FACTS) for _, request, _ in TAKEN]
    passed = {rule.name for rule in rules if any(rule.concerns(each) for each in asked)}
    left_out = {row[3] for row in LEFT_OUT}
    return {rule.name for rule in rules} - (passed & left_out) - ROWS_APART.keys()


def test_every_rule_has_its_rows() -> None:
    """No rule is without a case of both kinds, and no two rules have one name."""
    assert without_rows(RULES) == set()
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert {row[3] for row in LEFT_OUT} <= set(names)
    assert all(rule.check.__doc__ for rule in RULES)


def test_a_rule_without_rows_is_noticed() -> None:
    """One that is new, and one that no taken request meets."""
    new = Rule("moon_phase", lambda ask: True, lambda ask, endpoint: None)
    unmet = Rule("max_price", lambda ask: False, lambda ask, endpoint: None)
    assert without_rows((*RULES, new)) == {"moon_phase"}
    assert without_rows((unmet,)) == {"max_price"}


@pytest.mark.parametrize("name", ["prompt", "completion", "request", "image", "audio"])
@pytest.mark.parametrize(
    "value", ["", "abc", "-1", -0.5, "NaN", "Infinity", "1e9999", "1e999999", "1_0", "\uff11", " 1", "9" * 41, "0x1"]
)  # fmt: skip
def test_caps_that_are_no_prices(name: str, value: str | float) -> None:
    """A cap that is no sensible decimal number is the caller's mistake, with the field's path, and quickly so."""
    with pytest.raises(InvalidRequest) as caught:
        plan(capped(**{name: value}), market(endpoint("a")))
    assert caught.value.param == f"provider.max_price.{name}"
    assert "decimal number in USD" in caught.value.message
