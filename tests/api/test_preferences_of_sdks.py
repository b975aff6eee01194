"""Every field of `provider` as the official packages send it, over a socket; what counts is the plan that it makes."""

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from msgspec import structs
from openrouter import components, errors

from tests.sdks import openrouter
from tests.support import World, offer, world
from tollway.domain.catalog import Endpoint
from tollway.domain.health import Outcome
from tollway.providers.base import Facts
from tollway.routing.stats import Sample

HELLO: Any = [{"role": "user", "content": "Hello"}]
PRICES = {"a": "0.000001", "b": "0.000002", "c": "0.000003"}
QUANTIZED = {"a": "fp8", "b": "bf16", "c": None}
TAKES = {"a": frozenset({"seed"}), "b": frozenset({"top_k"}), "c": frozenset({"top_k"})}
FACTS = {"b": Facts(trains=True, retains=False), "c": Facts(trains=False, retains=False)}
PACE = {"a": Sample(first_s=2.0, tokens_per_s=10.0), "b": Sample(first_s=0.1, tokens_per_s=20.0),
        "c": Sample(first_s=1.0, tokens_per_s=90.0)}  # fmt: skip

Sent = Callable[[dict[str, Any], dict[str, Any]], list[str]]
"""Preferences and other fields -> the providers of the plan, in order."""


def told_apart(endpoint: Endpoint) -> Endpoint:
    slug = endpoint.provider
    return structs.replace(endpoint, quantization=QUANTIZED.get(slug), parameters=TAKES.get(slug, endpoint.parameters))


@pytest.fixture(scope="module")
def town() -> Iterator[World]:
    offers = [offer(at=(slug,), prompt=price, completion=price) for slug, price in PRICES.items()]
    with world(*offers, offer("test/other", at=("d",), prompt="0.0000015", completion="0.0000015")) as found:
        found.call(found.stage.change_endpoints, told_apart)
        gateway = found.house.gateway
        gateway.market = structs.replace(gateway.market, facts=FACTS)
        for slug, sample in PACE.items():
            for _ in range(20):
                now_s = found.call(found.house.now_s)
                found.call(gateway.health.observe, f"{slug}:test/model", Outcome.SUCCEEDED, now_s, None, sample)
        yield found


def by_openai(town: World) -> Sent:
    """What the package does not know goes into `extra_body`, and what it gets back is in `model_extra`."""
    client = openai.OpenAI(base_url=f"{town.url}/api/v1", api_key=town.key.secret, max_retries=0)

    def send(provider: dict[str, Any], fields: dict[str, Any]) -> list[str]:
        answer = client.chat.completions.create(
            model="test/model",
            messages=HELLO,
            extra_headers={"X-OpenRouter-Metadata": "enabled"},
            extra_body={"provider": provider, **fields},
        )
        assert answer.model_extra is not None
        return [each["provider"] for each in answer.model_extra["openrouter_metadata"]["endpoints"]["available"]]

    return send


def by_openrouter(town: World) -> Sent:
    """Fields with types: its own models check what is sent before it is."""
    client = openrouter(town)

    def send(provider: dict[str, Any], fields: dict[str, Any]) -> list[str]:
        wishes = components.ProviderPreferences.model_validate(provider)
        answer = client.chat.send(
            model="test/model", messages=HELLO, provider=wishes, x_open_router_metadata="enabled", **fields
        )
        assert answer.openrouter_metadata is not None
        return [each.provider for each in answer.openrouter_metadata.endpoints.available]

    return send


@pytest.fixture(scope="module", params=[by_openai, by_openrouter])
def send(request: pytest.FixtureRequest, town: World) -> Sent:
    made: Sent = request.param(town)
    return made


ROWS: tuple[tuple[dict[str, Any], dict[str, Any], list[str]], ...] = (
    ({"order": ["c", "a"]}, {}, ["c", "a", "b"]),
    ({"order": ["C", "a"], "allow_fallbacks": False}, {}, ["c", "a"]),
    ({"sort": "price", "allow_fallbacks": False}, {}, ["a"]),
    ({"sort": "price", "allow_fallbacks": True}, {}, ["a", "b", "c"]),
    ({"sort": "price", "only": ["b", "c"]}, {}, ["b", "c"]),
    ({"sort": "price", "ignore": ["b"]}, {}, ["a", "c"]),
    ({"require_parameters": True}, {"seed": 1}, ["a"]),
    ({"sort": "price", "require_parameters": False}, {"seed": 1}, ["a", "b", "c"]),
    ({"data_collection": "deny"}, {}, ["c"]),
    ({"sort": "price", "data_collection": "allow"}, {}, ["a", "b", "c"]),
    ({"sort": "price", "zdr": True}, {}, ["b", "c"]),
    ({"sort": "price", "enforce_distillable_text": False}, {}, ["a", "b", "c"]),
    ({"quantizations": ["bf16"]}, {}, ["b"]),
    ({"sort": "price", "quantizations": ["fp8", "unknown"]}, {}, ["a", "c"]),
    ({"sort": "throughput"}, {}, ["c", "b", "a"]),
    ({"sort": "latency"}, {}, ["b", "c", "a"]),
    ({"sort": {"by": "latency", "partition": "model"}}, {}, ["b", "c", "a"]),
    ({"sort": {"by": "latency", "partition": None}}, {}, ["b", "c", "a"]),
    ({"sort": {"by": None, "partition": "none"}, "order": ["c", "b"]}, {}, ["c", "b", "a"]),
    ({"sort": {"partition": "none"}, "order": ["b", "c"]}, {}, ["b", "c", "a"]),
    ({"sort": {}, "order": ["b", "c"]}, {}, ["b", "c", "a"]),
    ({"sort": {"by": "price", "partition": "none"}}, {"models": ["test/other"]}, ["a", "d", "b", "c"]),
    ({"sort": "price"}, {"models": ["test/other"]}, ["a", "b", "c", "d"]),
    ({"sort": "price", "max_price": {"prompt": "2"}}, {}, ["a", "b"]),
    ({"sort": "price", "max_price": {"completion": "1", "request": "0", "image": "0", "audio": "0"}}, {}, ["a"]),
    ({"sort": "price", "preferred_min_throughput": 15}, {}, ["b", "c", "a"]),
    ({"sort": "price", "preferred_min_throughput": {"p50": 50}}, {}, ["c", "a", "b"]),
    ({"sort": "price", "preferred_max_latency": 0.5}, {}, ["b", "a", "c"]),
    ({"sort": "price", "preferred_max_latency": {"p90": 1.5}}, {}, ["b", "c", "a"]),
    ({"sort": "price", "options": {}}, {}, ["a", "b", "c"]),
)


@pytest.mark.parametrize(("provider", "fields", "plan"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_the_plan_obeys(send: Sent, provider: dict[str, Any], fields: dict[str, Any], plan: list[str]) -> None:
    """The very endpoints, in the very order, that the field asks for."""
    assert send(provider, fields) == plan


def test_nobody_is_left(send: Sent) -> None:
    """Where a field leaves nobody, the error is the package's own 404."""
    for provider in ({"enforce_distillable_text": True}, {"only": ["nobody"]}, {"max_price": {"prompt": "0.1"}}):
        with pytest.raises((openai.NotFoundError, errors.NotFoundResponseError)):
            send(provider, {})


def test_no_field_is_forgotten() -> None:
    """Each that the package has a type for is in a row."""
    asked = {name for provider, _, _ in ROWS for name in provider}
    assert asked == set(components.ProviderPreferences.model_fields)
