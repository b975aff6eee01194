"""A usual request passes by whoever looks for something rare: none of them may have had anything to say of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tollway.domain.chat import ChatRequest, Tool, ToolFunction
from tollway.gateway.entrance import _names_free
from tollway.routing.auto import asks_auto
from tollway.routing.defaults import with_model, with_preferences
from tollway.routing.names import AUTO, FREE_ROUTERS
from tollway.routing.presets import preset_named
from tollway.routing.unbuilt import refuse_unbuilt
from tollway.routing.usual import is_usual
from tollway.routing.variants import VARIANTS

PLAIN_NAMES = ("openai/gpt-4o-mini", "gpt-4o-mini", "~openai/gpt-latest", "cpen/low")
ODD_NAMES = (
    "",
    *sorted(AUTO | FREE_ROUTERS),
    *(f"{name}:{suffix}" for name in ("openai/gpt-4o-mini", *sorted(AUTO)) for suffix in sorted(VARIANTS)),
    "@preset/mine",
    "openai/gpt-4o-mini@preset/mine",
)
NAMES = (None, *PLAIN_NAMES, *ODD_NAMES)
RARE: dict[str, tuple[Any, ...]] = {
    "models": (("openai/gpt-4o",), ("openrouter/free",), ()),
    "preset": ("mine", ""),
    "plugins": (({"id": "web"},), ({"id": "web", "enabled": False},), ()),
    "tools": ((Tool(type="openrouter:web_search"),), (Tool(type="function", function=ToolFunction("look")),), ()),
    "best_of": (1, 3),
    "n": (1, 4),
    "suffix": ("the end", ""),
    "service_tier": ("priority", "flex", "ultrafast"),
    "web_search_options": ({},),
    "deferred_tools": ({},),
    "max_tokens": (5,),
    "stream": (True, False),
}
REQUESTS: st.SearchStrategy[ChatRequest] = st.fixed_dictionaries(
    {"model": st.sampled_from(NAMES)}, optional={name: st.sampled_from(values) for name, values in RARE.items()}
).map(lambda fields: structs.replace(ChatRequest(), **fields))


@given(REQUESTS)
def test_who_is_passed_by_had_nothing_to_say(request: ChatRequest) -> None:
    if not is_usual(request):
        return
    assert preset_named(request) is None
    assert asks_auto(request) is None
    assert not _names_free(request)
    refuse_unbuilt(request)
    assert with_preferences(with_model(request, None, "the/default"), None) is request


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_is_not_usual(name: str) -> None:
    assert not is_usual(ChatRequest(model=name))


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_most_requests_are_usual(name: str) -> None:
    assert is_usual(ChatRequest(model=name, max_tokens=5, temperature=0.2, stream=True, n=2))
