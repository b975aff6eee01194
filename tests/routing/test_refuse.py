"""The error for a plan without candidates: no money, no endpoint ever, or none just now; with text and numbers."""

import pytest

from tests.routing.stage import MICRO, MODEL, ask, endpoint, market, plan
from tollway.domain.catalog import Model
from tollway.domain.chat import Tool, ToolFunction
from tollway.domain.errors import InvalidRequest, NoEndpoints, PaymentRequired, PromptTooLong, TollwayError
from tollway.domain.routing import Plan, Rejection
from tollway.routing.plan import refuse

TOOLS = (Tool(function=ToolFunction("f")),)


def refusal(found: Plan, available: int = 0, choices: int = 1) -> TollwayError:
    """What a caller is told of this plan."""
    assert found.candidates == ()
    return refuse(found, prompt_tokens=100, prompt_bound=100, choices=choices, available=available)


def test_no_money_names_what_is_affordable() -> None:
    """402 with the largest max_tokens that would be admitted, at the cheapest of the endpoints that did not fit."""
    on_offer = market(endpoint("a"), endpoint("b", prompt=5 * MICRO, completion=5 * MICRO))
    error = refusal(plan(ask(max_tokens=500), on_offer, available=350_000), available=350_000)
    assert isinstance(error, PaymentRequired)
    assert error.message == (
        "This request could cost more than the $0.00035 that is available. "
        "Add credits, or set max_tokens to 250 or less."
    )
    assert error.metadata == {"affordable_max_tokens": 250}
    assert plan(ask(max_tokens=250), on_offer, available=350_000).candidates
    assert not plan(ask(max_tokens=251), on_offer, available=350_000).candidates


@pytest.mark.parametrize(("available", "shown"), [(99_999, "0.000099999"), (0, "0"), (-5, "0")])
def test_not_even_the_prompt(available: int, shown: str) -> None:
    """Where no number of tokens would do, none is named, and a negative balance is shown as none."""
    error = refusal(plan(ask(), market(endpoint("a")), available=available), available)
    assert error.message == (f"This request could cost more than the ${shown} that is available. Add credits.")
    assert error.metadata == {"affordable_max_tokens": 0}


def test_choices_share_what_is_affordable() -> None:
    """With n answers, each may have an n-th."""
    found = plan(ask(max_tokens=500, n=4), market(endpoint("a")), available=350_000)
    assert refusal(found, 350_000, choices=4).metadata == {"affordable_max_tokens": 62}


def test_money_is_told_before_other_reasons() -> None:
    """Where one endpoint is too dear and others do not fit, credits would help, so that is what is said."""
    on_offer = market(endpoint("a", parameters=frozenset({"tools"})), endpoint("b"))
    assert isinstance(refusal(plan(ask(tools=TOOLS), on_offer, available=0)), PaymentRequired)


def test_nothing_fits() -> None:
    """404 with every reason, by provider."""
    on_offer = market(endpoint("a"), endpoint("b", enabled=False))
    error = refusal(plan(ask(tools=TOOLS), on_offer))
    assert (type(error), error.status) == (NoEndpoints, 404)
    assert error.message == (
        f"No endpoints found for {MODEL} that fit this request; 2 left out: "
        "a: does not support tools; b: switched off by the operator"
    )
    assert error.metadata["availability"] == {
        "code": "constraint_filtered",
        "retryable": False,
        "requested_models": [MODEL],
        "affected_providers": ["a"],
        "excluded_by": ["require_parameters"],
        "constraint": {"field": "tools", "detail": "does not support tools"},
    }


def test_too_long_a_prompt() -> None:
    """400 where some endpoint would answer a shorter one, with the longest of their contexts; else 404 as ever."""
    narrow = (endpoint("a", context_tokens=50), endpoint("b", context_tokens=80))
    found = plan(ask(), market(*narrow, endpoint("c", enabled=False)), tokens=100)
    error = refusal(found)
    assert (type(error), error.status) == (PromptTooLong, 400)
    assert error.message == (
        f"The prompt is too long: 100 tokens > 80 maximum context length of what can answer for {MODEL}. "
        "Send less, or name a model with a longer context."
    )
    wide = endpoint("c", context_tokens=1000)
    assert type(refusal(plan(ask(ignore=("c",)), market(*narrow, wide), tokens=100))) is PromptTooLong
    assert type(refusal(plan(ask(only=("c",), tools=TOOLS), market(*narrow, wide), tokens=100))) is NoEndpoints
    assert type(refusal(plan(ask(only=("d",)), market(*narrow), tokens=100))) is NoEndpoints


def test_a_model_that_always_reasons() -> None:
    """400: no endpoint of it could do what is asked (OPENROUTER.md 9.1)."""
    error = refusal(plan(ask(model="test/o3", reasoning_effort="none"), market(endpoint("a", model="test/o3"))))
    assert (type(error), error.status) == (InvalidRequest, 400)
    assert error.message == 'reasoning.effort: test/o3 always reasons; "none" is not possible'


def test_a_reason_is_said_once() -> None:
    """Providers that one reason concerns stand before it, the first four by name: an error stays readable."""
    error = refusal(plan(ask(tools=TOOLS), market(*(endpoint(f"p{n:02}") for n in range(11)))))
    assert error.message.endswith("; 11 left out: p00, p01, p02, p03 and 7 more: does not support tools")


def test_many_reasons_are_counted() -> None:
    """Eight reasons are given, those that the caller's wishes made before the operator's; the rest are counted."""
    off = tuple(Rejection(endpoint(f"p{n}"), "not_live", f"no key for p{n}") for n in (0, *range(11)))
    wish = Rejection(endpoint("q"), "only", "not in provider.only")
    error = refusal(Plan((Model(MODEL, "", "test"),), (), (*off, wish)))
    assert "13 left out: q: not in provider.only; p0: no key for p0; " in error.message
    assert error.message.endswith("; p6: no key for p6; and 4 more")


def test_nothing_is_live() -> None:
    """Where every endpoint is off for everybody, the request is not blamed: it would be the same for any."""
    error = refusal(plan(ask(), market(endpoint("a", enabled=False))))
    assert error.message == (
        f"No endpoints found for {MODEL} that can be called; 1 left out: a: switched off by the operator"
    )
    assert error.metadata["availability"] == {
        "code": "no_endpoints",
        "retryable": False,
        "requested_models": [MODEL],
        "affected_providers": ["a"],
    }


def test_a_keys_limit_is_not_mended_with_credits() -> None:
    """Where the key's limit is what bounds, it is named: more credits would change nothing."""
    found = plan(ask(max_tokens=500), market(endpoint("a")), available=350_000)
    error = refuse(found, prompt_tokens=100, prompt_bound=100, choices=1, available=350_000, of_key=True)
    assert error.message == (
        "This request could cost more than the $0.00035 that is left of this key's limit. "
        "Raise the key's limit, or set max_tokens to 250 or less."
    )


def test_nobody_offers_it() -> None:
    """A model without any endpoint: the text that OpenRouter's clients know."""
    found = Plan((Model(MODEL, "", "test"),), (), ())
    assert refusal(found).message == f"No endpoints found for {MODEL}."
    assert type(refusal(found)) is NoEndpoints
