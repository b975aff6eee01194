"""Plans for embeddings, rerank and moderation: which endpoints fit, and what must be held."""

import pytest
from msgspec import structs

from tests.routing.stage import Seen, ask, endpoint, market
from tollway.billing.estimate import input_bound
from tollway.billing.tokens import search_units, search_units_bound
from tollway.domain.catalog import Model, Operation, Price, Rates, WireFormat
from tollway.domain.chat import ImagePart, ImageUrl, TextPart
from tollway.domain.errors import InvalidRequest
from tollway.domain.plain import EmbeddingRequest, Input, ModerationRequest, PlainRequest, RerankRequest
from tollway.domain.routing import Plan
from tollway.routing.market import Market, build_market
from tollway.routing.plan import make_plan

MICRO = 10**12
"""A millionth of a dollar, in attodollars."""
EMBEDDINGS = {Operation.EMBEDDINGS: frozenset({WireFormat.OPENAI_CHAT, WireFormat.GEMINI})}


def offering(*formats: WireFormat, makes: str = "embeddings", rates: Rates = Rates(MICRO, 0)) -> Market:  # noqa: B008  # a frozen value
    """The model "test/model" that makes something else than text, at an endpoint for each of the formats."""
    plain = market(*(endpoint(name) for name, _ in zip("abc", formats, strict=False)))
    catalog = plain.catalog
    (model,) = catalog.models.values()
    offered = tuple(
        structs.replace(each, wire_format=form, price=Price(1, rates))
        for each, form in zip(catalog.endpoints[model.id], formats, strict=True)
    )
    other: Model = structs.replace(model, output_modalities=(makes,))
    changed = structs.replace(catalog, models={model.id: other}, endpoints={model.id: offered})
    return build_market(changed, plain.providers, EMBEDDINGS)


def plan(request: PlainRequest, there: Market, *, bound: int = 10, requests: int = 1, available: int = 10**12) -> Plan:
    named = structs.replace(request, model=next(iter(there.offers)))
    return make_plan(
        named,
        there,
        prompt_tokens=1,
        prompt_bound=bound,
        requests_bound=requests,
        available=available,
        sight=Seen({}, {}),
        policy="price",
        dice=lambda: 0.0,
    )


def embedding(*inputs: Input) -> EmbeddingRequest:
    return EmbeddingRequest(inputs=inputs)


def test_a_model_does_one_thing() -> None:
    """An embedding model takes no chat, a language model no embeddings: 400 that says where to go."""
    embedder = offering(WireFormat.OPENAI_CHAT)
    name = next(iter(embedder.offers))
    for request, there, word in (
        (structs.replace(ask(), model=name), embedder, "an embedding model"),
        (ModerationRequest(inputs=("x",), model=name), embedder, "an embedding model"),
        (structs.replace(embedding("x"), model=name), market(endpoint("a")), "a language model"),
        (structs.replace(embedding("x"), model=name), offering(WireFormat.OPENAI_CHAT, makes="rerank"), "a reranking"),
    ):
        with pytest.raises(InvalidRequest, match=word) as caught:
            make_plan(
                request,
                there,
                prompt_tokens=1,
                prompt_bound=1,
                available=10**12,
                sight=Seen({}, {}),
                policy="price",
                dice=lambda: 0.0,
            )
        assert caught.value.param == "model"


def test_a_format_that_cannot_ask_for_it_is_off() -> None:
    """An endpoint whose dialect has no embeddings is off for everybody, with the reason."""
    found = plan(embedding("x"), offering(WireFormat.ANTHROPIC_MESSAGES, WireFormat.GEMINI))
    assert [each.endpoint.provider for each in found.candidates] == ["b"]
    [off] = found.rejections
    assert (off.rule, off.reason) == ("wire_format", "speaks anthropic_messages, which is not built yet for embeddings")


def test_tokens_go_to_openais_format_only() -> None:
    """Numbers mean nothing to a model of another family."""
    there = offering(WireFormat.GEMINI, WireFormat.OPENAI_CHAT)
    found = plan(embedding((1, 2)), there)
    assert [each.endpoint.provider for each in found.candidates] == ["b"]
    assert [(each.rule, each.reason) for each in found.rejections] == [("no_token_ids", "takes texts, not tokens")]
    assert len(plan(embedding("1, 2"), there).candidates) == 2


def test_media_are_looked_for_in_inputs() -> None:
    """An input with an image needs an endpoint that reads images."""
    image = ImagePart(image_url=ImageUrl(url="data:image/png;base64,AAAA"))
    found = plan(embedding((TextPart(text="x"), image)), offering(WireFormat.OPENAI_CHAT))
    assert found.candidates == ()
    assert found.rejections[0].rule == "no_modality"


def test_what_is_held() -> None:
    """The bound of what goes in, and the price per request as often as it may be due; nothing for output."""
    there = offering(WireFormat.OPENAI_CHAT, rates=Rates(prompt=MICRO, completion=9 * MICRO, request=10**15))
    assert plan(embedding("x"), there, bound=10).hold == 10 * 1_000 + 10**6
    assert plan(embedding("x"), there, bound=10, requests=3).hold == 10 * 1_000 + 3 * 10**6
    exact = plan(embedding("x"), there, bound=10, available=10 * 1_000 + 10**6)
    assert exact.candidates
    poor = plan(embedding("x"), there, bound=10, available=10 * 1_000 + 10**6 - 1)
    assert [each.rule for each in poor.rejections] == ["not_affordable"]
    assert input_bound(Price(1, Rates(1, 0)), prompt_tokens=1, requests=1) == 1, "a bound is rounded upwards"


@pytest.mark.parametrize(
    ("documents", "units", "most"),
    [(("a",), 1, 1), (("a",) * 100, 1, 1), (("a",) * 101, 2, 2), (("a" * 50_000,), 1, 2), (("a" * 500,) * 100, 1, 3)],
)
def test_search_units(documents: tuple[str, ...], units: int, most: int) -> None:
    """A hundred documents are a unit; long ones may count as several, so that more is held."""
    request = RerankRequest(query="one", inputs=documents)
    assert search_units(request) == units
    assert units <= search_units_bound(request) <= most
    assert search_units(embedding(*documents)) == search_units_bound(embedding(*documents)) == 1
