"""`error.availability`: why nobody answers, in words for programs, with what left each endpoint out (12.4)."""

from collections.abc import Sequence
from typing import Any, Literal

from tollway.domain.routing import Rejection
from tollway.routing.rules import CONTEXT, PRICE_CAP, PRICE_FLOOR, TRAINS

Code = Literal[
    "model_not_found",
    "no_endpoints",
    "constraint_filtered",
    "capacity_exhausted",
    "temporarily_unavailable",
]
_PASSING = frozenset({"capacity_exhausted", "temporarily_unavailable"})

_EXCLUDED: dict[str, str] = {
    # rule -> OpenRouter's word (OPENROUTER.md 12.4)
    CONTEXT: "context_length",
    "no_tools": "require_parameters",
    "no_structured_output": "require_parameters",
    "no_schema": "require_parameters",
    "missing_parameter": "require_parameters",
    "quantization": "quantization",
    "max_price": "max_price",
    PRICE_CAP: "max_price",
    PRICE_FLOOR: "max_price",
    "ruling_max_price": "max_price",
    "not_in_only": "allowed_providers",
    "ignored": "allowed_providers",
    "not_in_order": "allowed_providers",
    "ruling_only": "allowed_providers",
    "ruling_ignored": "allowed_providers",
}
_POLICIES = frozenset({"data_policy", "ruling_data_policy"})
FIELDS: dict[str, str] = {
    # rule -> the field of the request that it is about
    CONTEXT: "messages",
    "output_too_short": "max_tokens",
    "no_tools": "tools",
    "no_modality": "messages",
    "no_output_modality": "modalities",
    "no_token_ids": "input",
    "no_structured_output": "response_format",
    "no_schema": "structured_outputs",
    "must_reason": "reasoning.effort",
    "missing_parameter": "provider.require_parameters",
    "not_in_only": "provider.only",
    "ignored": "provider.ignore",
    "not_in_order": "provider.order",
    "quantization": "provider.quantizations",
    "max_price": "provider.max_price",
    "distillation": "provider.enforce_distillable_text",
    PRICE_CAP: "routing",
    PRICE_FLOOR: "routing",
}


def availability(
    code: Code,
    models: Sequence[str],
    left_out: Sequence[Rejection] = (),
    *,
    providers: Sequence[str] = (),
    retry_after_s: float | None = None,
) -> dict[str, Any]:
    """OPENROUTER.md 12.4. `models`: as they were asked for; `left_out`: by wishes and rules; `providers`: slugs of
    others who are concerned. A constraint is named where it alone left all of them out.
    """
    found: dict[str, Any] = {"code": code, "retryable": code in _PASSING, "requested_models": list(models)}
    if retry_after_s is not None:
        found["retry_after"] = retry_after_s
    affected = dict.fromkeys((*providers, *(each.endpoint.provider for each in left_out)))
    if affected:
        found["affected_providers"] = list(affected)
    if words := dict.fromkeys(word for each in left_out if (word := _word(each)) is not None):
        found["excluded_by"] = list(words)
    rules = {each.rule for each in left_out}
    if len(rules) == 1 and (field := FIELDS.get(rules.pop())) is not None:
        found["constraint"] = {"field": field, "detail": left_out[0].reason}
    return found


def _word(rejection: Rejection) -> str | None:
    if rejection.rule in _POLICIES:
        return "data_policy:training" if rejection.reason.startswith(TRAINS) else "data_policy:zdr"
    return _EXCLUDED.get(rejection.rule)
