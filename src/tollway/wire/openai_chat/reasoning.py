"""How an endpoint of this format is asked to reason: one of six ways, by what its provider knows."""

from typing import Any

from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, Effort, Reasoning
from tollway.domain.quirks import Quirks
from tollway.wire.efforts import efforts_of, nearest
from tollway.wire.reasoning_budget import Wish, budget_of, effort_of, wish_of

_NAMES = ("reasoning", "reasoning_effort", "include_reasoning")


def ask_to_reason(
    request: ChatRequest,
    *,
    model: str,
    max_tokens: int | None,
    parameters: frozenset[str],
    quirks: Quirks,
) -> dict[str, Any]:
    """The fields that say what the request wishes; none where it says nothing, or the endpoint does not reason.

    `max_tokens` is what is sent; None where nothing bounds the answer.
    """
    wish = wish_of(request)
    if wish is None or (parameters and parameters.isdisjoint(_NAMES)):
        return {}
    fields = _fields(request, wish, max_tokens or request.output_limit, model, quirks)
    return {name: value for name, value in fields.items() if name not in quirks.drop}


def _fields(request: ChatRequest, wish: Wish, bound: int | None, model: str, quirks: Quirks) -> dict[str, Any]:
    match quirks.reasoning_style:
        case "effort":
            return _effort(wish, bound, quirks.efforts or efforts_of(model))
        case "object":
            return _object(request, wish)
        case "enable_thinking":
            return _switch(wish, bound)
        case "thinking":
            return _thinking(wish, bound, quirks.efforts or efforts_of(model))
        case "reasoning_format":
            return _format(wish, bound, model)
        case "chat_template_kwargs":
            return _template(wish, bound, efforts_of(model))


def _word(wish: Wish, bound: int | None) -> Effort | None:
    return effort_of(wish.budget, bound) if wish.effort is None and wish.budget is not None else wish.effort


def _effort(wish: Wish, bound: int | None, known: tuple[Effort, ...]) -> dict[str, Any]:
    word = _word(wish, bound)
    return {} if word is None else {"reasoning_effort": nearest(word, known)}


def _object(request: ChatRequest, wish: Wish) -> dict[str, Any]:
    asked = request.reasoning or Reasoning()
    effort = asked.effort or request.reasoning_effort
    return {"reasoning": replace(asked, effort=effort, exclude=True if wish.hidden else asked.exclude)}


def _switch(wish: Wish, bound: int | None) -> dict[str, Any]:
    if not wish.on:
        return {} if wish.on is None else {"enable_thinking": False}
    budget = wish.budget
    if budget is None and bound is not None and wish.effort is not None:
        budget = budget_of(wish.effort, bound)
    return {"enable_thinking": True} | ({} if budget is None else {"thinking_budget": budget})


def _thinking(wish: Wish, bound: int | None, known: tuple[Effort, ...]) -> dict[str, Any]:
    if not wish.on:
        return {} if wish.on is None else {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"}} | (_effort(wish, bound, known) if known else {})


def _format(wish: Wish, bound: int | None, model: str) -> dict[str, Any]:
    """Models without words for effort put their thoughts into the answer, unless told otherwise."""
    if known := efforts_of(model):
        return _effort(wish, bound, known)
    if wish.on is False:
        return {"reasoning_effort": "none"}
    return {"reasoning_format": "hidden" if wish.hidden else "parsed"}


def _template(wish: Wish, bound: int | None, known: tuple[Effort, ...]) -> dict[str, Any]:
    """Qwen's template reads one of the two, those of DeepSeek and Moonshot the other; what is not read does no harm."""
    if known:
        return _effort(wish, bound, known)
    return {} if wish.on is None else {"chat_template_kwargs": {"enable_thinking": wish.on, "thinking": wish.on}}
