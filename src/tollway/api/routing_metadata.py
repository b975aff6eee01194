"""`openrouter_metadata`: how a request was routed, for a caller who asks for it by a header (OPENROUTER.md 3.5)."""

from collections.abc import Callable, Mapping
from typing import Any

from tollway.api.exchange import Exchange
from tollway.domain.content_filters import Action, Finding
from tollway.domain.generation import Attempt
from tollway.domain.health import Outcome
from tollway.domain.routing import Candidate
from tollway.gateway.run import Run
from tollway.routing.market import Market
from tollway.routing.names import AUTO, FREE_ROUTERS

FIELD = "openrouter_metadata"
HEADERS = (b"x-openrouter-metadata", b"x-openrouter-experimental-metadata")
"""Today's name, and the one before it."""
ENABLED = "enabled"

_NO_STATUS: Mapping[Outcome, int] = {
    Outcome.TIMED_OUT: 408,
    Outcome.CANCELLED: 499,
    Outcome.INPUT_UNAVAILABLE: 400,
    Outcome.RATE_LIMITED: 429,
}
"""What an attempt without an HTTP answer is told as; every other as 502."""


def is_wanted(exchange: Exchange) -> bool:
    """Whether the caller opted in; every value but "enabled" is no."""
    said = next((value for name in HEADERS if (value := exchange.header(name)) is not None), "")
    return said.strip().lower() == ENABLED


def metadata_json(run: Run, names: Callable[[str], str]) -> dict[str, Any]:
    """`names`: a provider's slug -> the name that is shown. While nobody has answered, nobody is selected."""
    plan = run.plan
    chosen = run.candidate if run.accepted else None
    available = [_endpoint(each, names, selected=each is chosen) for each in plan.candidates]
    selected = names(chosen.endpoint.provider) if chosen else "none"
    return {
        "requested": _requested(run),
        "strategy": _strategy(run, chosen),
        "region": None,
        "summary": f"available={len(available)}, selected={selected}",
        "attempt": len(run.attempts),
        "is_byok": chosen is not None and chosen.credential is not None,
        "endpoints": {"total": len(plan.candidates) + len(plan.rejections), "available": available},
        "attempts": [_attempt(each, run, names) for each in run.attempts],
        **({"pipeline": [_stage(each) for each in run.findings]} if run.findings else {}),
    }


def _stage(finding: Finding) -> dict[str, Any]:
    """What a content filter did."""
    times = f"{finding.count} time{'s' if finding.count > 1 else ''}"
    return {
        "type": "guardrail",
        "name": "content_filter",
        "summary": f"{'Redacted' if finding.action is Action.REDACT else 'Found'} {finding.label} {times}",
        "data": {"action": finding.action.value, "label": finding.label, "count": finding.count},
        "guardrail_id": finding.guardrail_id,
        "guardrail_scope": finding.scope,
    }


def _requested(run: Run) -> str:
    if run.plan.routed is not None:
        return run.plan.routed.requested
    request = run.request
    return request.model or (request.models[0] if request.models else "")


def _strategy(run: Run, chosen: Candidate | None) -> str:
    """By what the first name is; `fallback` where one of the later models had to answer."""
    name = _requested(run)
    if name.partition(":")[0] in AUTO:
        return "auto"
    if name in FREE_ROUTERS:
        return "free"
    if chosen is not None and not _is_of(chosen, run):
        return "fallback"
    if name.startswith("~"):
        return "latest"
    return "alias" if _is_alias(name.partition(":")[0], run.market) else "direct"


def _is_of(chosen: Candidate, run: Run) -> bool:
    first = run.plan.models[0].id
    return first in (chosen.endpoint.model_id, chosen.alias)


def _is_alias(name: str, market: Market) -> bool:
    return name in market.levels or name in market.catalog.aliases


def _endpoint(candidate: Candidate, names: Callable[[str], str], *, selected: bool) -> dict[str, Any]:
    endpoint = candidate.endpoint
    return {"provider": names(endpoint.provider), "model": endpoint.model_id, "selected": selected}


def _attempt(attempt: Attempt, run: Run, names: Callable[[str], str]) -> dict[str, Any]:
    model = next((each.endpoint.model_id for each in run.plan.candidates if each.listed_id == attempt.endpoint_id), "")
    status = attempt.status or _NO_STATUS.get(attempt.outcome, 502)
    return {"provider": names(attempt.provider), "model": model, "status": status}
