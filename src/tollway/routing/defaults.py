"""Where a request says nothing its key, its workspace and the operator may: preferences, and which model."""

from collections.abc import Sequence
from typing import TypeVar

from msgspec import structs

from tollway.domain.chat import ChatRequest, Preferences, sort_filled, sort_open
from tollway.domain.plain import PlainRequest
from tollway.domain.standing import DEFAULTS, Standing
from tollway.routing.variants import VARIANTS

R = TypeVar("R", bound=ChatRequest | PlainRequest)

NONE = Preferences()
_ORDERS = ("order", "sort")
"""One choice said in two ways: who says one of them is not given the other."""
_SORTING = frozenset(name for name, variant in VARIANTS.items() if variant.sort is not None)


def with_preferences(request: R, standing: Standing | None) -> R:
    """The request with its workspace's defaults where its own `provider` object leaves them open."""
    if standing is None or standing.defaults is None:
        return request
    own = request.provider or NONE
    names: Sequence[str] = DEFAULTS
    if own.order is not None or not sort_open(own.sort) or _asks_for_an_order(request):
        names = [name for name in names if name not in _ORDERS]
    found = {
        name: value
        for name in names
        if (value := getattr(standing.defaults, name)) is not None and getattr(own, name) is None
    }
    if own.sort is not None and "sort" in names and standing.defaults.sort is not None:
        found["sort"] = sort_filled(own.sort, standing.defaults.sort)
    return structs.replace(request, provider=structs.replace(own, **found)) if found else request


def with_model(request: ChatRequest, standing: Standing | None, default_model: str | None) -> ChatRequest:
    """The request, asking for the default model where it names none: its key's, its workspace's, the operator's."""
    if request.model or request.models:
        return request
    model = default_model if standing is None or standing.default_model is None else standing.default_model
    return request if model is None else structs.replace(request, model=model)


def _asks_for_an_order(request: ChatRequest | PlainRequest) -> bool:
    """Elsewhere than in `provider`: by the strategy of `routing`, or by what follows a model's name."""
    if request.routing is not None:
        return True
    names = (request.model or "", *(request.models or ()))
    return any(not _SORTING.isdisjoint(name.split(":")[1:]) for name in names)
