"""Names of providers: OpenRouter's and ours, base slugs, variants; in a request's wishes, and in what others rule."""

import pytest

from tests.routing.stage import ask, endpoint, market, order_of, plan, why_not
from tests.routing.test_rulings import ruled
from tollway.catalog.shipped import rows_of, shipped
from tollway.domain.catalog import Endpoint
from tollway.domain.catalog_rows import Builder
from tollway.domain.errors import InvalidRequest
from tollway.providers import PROVIDERS
from tollway.routing.market import Market
from tollway.routing.provider_names import FAMILIES, OTHER_NAMES, SISTERS, means, names_of, tags_of
from tollway.web.key_page import narrowed

VERTEX = ("google-vertex", "google-vertex-anthropic", "google-vertex-openai")
AZURE = ("azure", "azure-anthropic", "azure-openai")
MEANT = (
    # a name, in whatever case; the slugs that it means; those that it is ignored by besides
    ("together", ("togetherai",), ()),
    ("Together", ("togetherai",), ()),
    ("togetherai", ("togetherai",), ()),
    ("Fireworks", ("fireworks-ai",), ("firepass",)),
    ("novita", ("novita-ai",), ()),
    ("google-ai-studio", ("google",), ()),
    ("Google AI Studio", ("google",), ()),
    ("cloudflare", ("cloudflare-workers-ai",), ("cloudflare-ai-gateway",)),
    ("z-ai", ("zai",), ("zhipuai",)),
    ("VoyageAI by MongoDB", ("voyage",), ()),
    ("google-vertex", VERTEX, ()),
    ("Vertex", VERTEX, ()),
    ("Google", ("google", *VERTEX), ()),
    ("google-vertex-anthropic", ("google-vertex-anthropic",), ()),
    ("Azure", AZURE, ()),
    ("azure-openai", ("azure-openai",), ()),
    ("moonshotai", ("moonshotai",), ("moonshotai-cn",)),
    ("moonshotai-cn", ("moonshotai-cn",), ()),
    ("google vertex", (), ()),
    ("nobody", (), ()),
    ("", (), ()),
)
SLUGS = sorted({slug for _, means, ignores in MEANT for slug in (*means, *ignores)})
SHOWN = {"google-vertex": "Vertex", "azure": "Azure", "togetherai": "Together AI"}


def offered(*slugs: str) -> Market:
    """An endpoint of each."""
    return market(*(endpoint(slug) for slug in slugs), shown=SHOWN)


@pytest.mark.parametrize(("name", "means", "ignores"), MEANT)
def test_names(name: str, means: tuple[str, ...], ignores: tuple[str, ...]) -> None:
    """`only`, `order` and `ignore` by every name (OPENROUTER.md 4); rulings, by which others decide, as wishes."""
    on_offer = offered(*SLUGS)
    assert set(order_of(plan(ask(only=(name,)), on_offer))) == set(means)
    assert set(why_not(plan(ask(only=(name,)), on_offer))) == {*SLUGS} - {*means}
    assert set(why_not(plan(ask(ignore=(name,)), on_offer))) == {*means, *ignores}
    first = order_of(plan(ask(order=(name,)), on_offer))[: len(means)]
    assert set(first) == set(means)
    firm = plan(ask(order=(name,), allow_fallbacks=False), on_offer)
    assert set(order_of(firm)) == set(means)
    assert set(why_not(ruled(ask(), on_offer, only=(name,)))) == {*SLUGS} - {*means}
    assert set(why_not(ruled(ask(), on_offer, ignore=(name,)))) == {*means, *ignores}


def test_display_names_and_base_slugs() -> None:
    """A provider of the operator's own is known by its slug, what stands before its slash, and its display name."""
    names = names_of([("acme/eu", "ACME Europe"), ("acme/us", ""), ("Loud", "Loud")])
    assert names.meant["acme/eu"] == {"acme/eu", "acme", "acme europe"}
    assert names.meant["acme/us"] == {"acme/us", "acme"}
    assert names.slugs == {"acme/eu": "acme/eu", "acme europe": "acme/eu", "acme/us": "acme/us", "loud": "Loud",
                           "Loud": "Loud"}  # fmt: skip
    assert [names.is_known(name) for name in ("ACME", "acme/EU", "acme europe", "acm", "")] == [True] * 3 + [False] * 2


def test_forms_take_the_names_that_requests_take() -> None:
    """What a person writes on the page of a key: every name, and no misspelt one, which would leave out everybody."""
    on_offer = offered(*SLUGS)
    found = narrowed("", "Together, google-ai-studio novita/fp8", "", on_offer)
    assert found["allowed_providers"] == ["Together", "google-ai-studio", "novita/fp8"]
    for name in ("togehter", "nobody/fp8"):
        with pytest.raises(InvalidRequest, match="the catalog does not know"):
            narrowed("", name, "", on_offer)


def test_two_of_one_display_name() -> None:
    """Both are meant: the catalog has two that are called StepFun."""
    on_offer = market(endpoint("a"), endpoint("b"), endpoint("c"), shown={"a": "Same", "b": "Same"})
    assert set(order_of(plan(ask(only=("same",)), on_offer))) == {"a", "b"}


def test_the_tables_name_what_there_is() -> None:
    """A slug that neither the catalog nor the registry has would be a slip of the pen."""
    known = {*rows_of(shipped()).providers, *PROVIDERS}
    for table in (OTHER_NAMES, SISTERS):
        assert set(table) <= known
    listed = [slug for table in (FAMILIES, SISTERS) for slugs in table.values() for slug in slugs]
    assert set(listed) <= known
    taken = [name for names in OTHER_NAMES.values() for name in names]
    assert len(set(taken)) == len(taken)
    assert not set(taken) & known


MANY = (
    endpoint("deepinfra", upstream_model="meta/Llama-8B", quantization="fp8"),
    endpoint("deepinfra", upstream_model="meta/Llama-8B-Turbo", quantization="fp8"),
    endpoint("amazon-bedrock", upstream_model="meta.llama-8b-v1:0"),
    endpoint("amazon-bedrock", upstream_model="eu.meta.llama-8b-v1:0"),
    endpoint("togetherai", upstream_model="meta/Llama-8B-FP8", quantization="fp8"),
)
ONE: tuple[tuple[str, set[str]], ...] = (
    ("deepinfra/turbo", {MANY[1].id}),
    ("DeepInfra/FP8", {MANY[0].id, MANY[1].id}),
    ("deepinfra/meta/llama-8b", {MANY[0].id}),
    ("deepinfra", {MANY[0].id, MANY[1].id}),
    ("amazon-bedrock/eu", {MANY[3].id}),
    ("amazon-bedrock/us", set()),
    ("together/fp8", {MANY[4].id}),
    ("togetherai/bf16", set()),
    ("deepinfra/", set()),
)


@pytest.mark.parametrize(("name", "means"), ONE)
def test_one_endpoint_of_several(name: str, means: set[str]) -> None:
    """`provider/variant` means one endpoint where the provider has several of a model; the base slug means all."""
    on_offer = market(*MANY)
    every = {each.id for each in MANY}
    assert {each.endpoint.id for each in plan(ask(only=(name,)), on_offer).candidates} == means
    assert {each.endpoint.id for each in plan(ask(ignore=(name,)), on_offer).candidates} == every - means
    first = plan(ask(order=(name,)), on_offer).candidates[: len(means)]
    assert {each.endpoint.id for each in first} == means
    assert {each.endpoint.id for each in ruled(ask(), on_offer, only=(name,)).candidates} == means


def test_every_tag_of_the_catalog_means_one_endpoint() -> None:
    """Within its model: what `GET .../endpoints` lists as `tag` can be put into `only`."""
    rows = rows_of(shipped())
    names = names_of((info.slug, info.name) for info in rows.providers.values())
    of_model: dict[str, list[Endpoint]] = {}
    builder = Builder()
    for row in rows.endpoints.values():
        of_model.setdefault(row.model_id, []).append(builder.endpoint(row, None))
    several = 0
    for found in of_model.values():
        tags = tags_of(found)
        for each in found:
            tag = tags[each.id]
            if tag == each.provider:
                assert sum(other.provider == tag for other in found) == 1
                continue
            several += 1
            assert [other.id for other in found if means(names.meant, other, (tag.lower(),))] == [each.id], tag
    assert several > 50
