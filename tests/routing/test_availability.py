"""`error.availability`, read from the rules that left endpoints out (OPENROUTER.md 12.4)."""

from typing import Any, get_args

import pytest

from tests.routing.stage import MODEL, ask, endpoint, market, plan
from tollway.domain.chat import MaxPrice
from tollway.domain.errors import NoEndpointsNow, RateLimited
from tollway.domain.health import Outcome
from tollway.routing.availability import FIELDS, Code, availability
from tollway.routing.fallback import Failure, Stop, after_failure
from tollway.routing.rules import RULES

WISHES: tuple[tuple[dict[str, Any], str | None, str | None], ...] = (
    ({"only": ("nobody",)}, "allowed_providers", "provider.only"),
    ({"ignore": ("keeper", "trainer")}, "allowed_providers", "provider.ignore"),
    ({"quantizations": ("fp8",)}, "quantization", "provider.quantizations"),
    ({"max_price": MaxPrice(prompt="0.1")}, "max_price", "provider.max_price"),
    ({"require_parameters": True, "seed": 1}, "require_parameters", "provider.require_parameters"),
    ({"max_tokens": 10**6}, None, "max_tokens"),
    ({"enforce_distillable_text": True}, None, "provider.enforce_distillable_text"),
)


@pytest.mark.parametrize(("wish", "word", "field"), WISHES)
def test_a_wish_is_named(wish: dict[str, Any], word: str | None, field: str) -> None:
    """Which of OpenRouter's words it is, and which field of the request: where it alone left everybody out."""
    on_offer = market(*(endpoint(slug, output_tokens_max=100) for slug in ("keeper", "trainer")))
    found = availability("constraint_filtered", [MODEL], plan(ask(**wish), on_offer).rejections)
    assert found.get("excluded_by") == ([word] if word else None)
    assert found["constraint"]["field"] == field
    assert found["affected_providers"] == ["keeper", "trainer"]


def test_data_policies() -> None:
    """Who keeps prompts is told from who trains on them; of several reasons none is the constraint."""
    on_offer = market(endpoint("keeper"), endpoint("trainer"))
    left_out = plan(ask(data_collection="deny"), on_offer).rejections
    assert availability("constraint_filtered", [MODEL], left_out)["excluded_by"] == [
        "data_policy:zdr",
        "data_policy:training",
    ]
    both = (*left_out, *plan(ask(quantizations=("fp8",)), on_offer).rejections)
    assert "constraint" not in availability("constraint_filtered", [MODEL], both)


def test_every_need_of_a_request_has_its_field() -> None:
    """A new rule is named to programs, too; of data policies two fields may be meant, so that none is said."""
    assert {rule.name for rule in RULES} - FIELDS.keys() == {"data_policy"}


@pytest.mark.parametrize("code", get_args(Code))
def test_what_may_be_sent_again(code: Code) -> None:
    """Only what passes by itself."""
    found = availability(code, [MODEL], retry_after_s=3.0)
    assert found["retryable"] is (code in ("capacity_exhausted", "temporarily_unavailable"))
    assert found["retry_after"] == 3.0
    assert "affected_providers" not in found


def test_limits_and_outages() -> None:
    """429 and 503 say it, too, with who was asked and when to come back."""
    found = plan(ask(), market(endpoint("a")))
    limited = after_failure(found, 0, [(found.candidates[0], Failure(Outcome.RATE_LIMITED, "x", 429))], 1)
    assert isinstance(limited, Stop)
    assert isinstance(limited.error, RateLimited)
    assert limited.error.metadata["availability"] == {
        "code": "capacity_exhausted",
        "retryable": True,
        "requested_models": [MODEL],
        "retry_after": 5.0,
        "affected_providers": ["a"],
    }
    ill = plan(ask(), market(endpoint("a")), down={"a:test/model": "down"})
    failed = after_failure(ill, 0, [(ill.candidates[0], Failure(Outcome.UNREACHABLE, "x"))], 1)
    assert isinstance(failed, Stop)
    assert isinstance(failed.error, NoEndpointsNow)
    assert failed.error.metadata["availability"]["code"] == "temporarily_unavailable"
