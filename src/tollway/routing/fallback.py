"""After a failed attempt: the next candidate, or the error that ends the request. A table, read from the outcome."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from tollway.domain.errors import (
    AnswerTooLong,
    Forbidden,
    InvalidRequest,
    NoEndpointsNow,
    PromptTooLong,
    RateLimited,
    TollwayError,
    UpstreamFailed,
    UpstreamTimedOut,
)
from tollway.domain.health import Outcome
from tollway.domain.http import FaultKind
from tollway.domain.routing import Candidate, Plan
from tollway.routing.availability import availability
from tollway.routing.lengths import too_long


class Failure(Struct, frozen=True):
    """Why an attempt failed. `message` is fit to be shown: no secret, no internal address."""

    outcome: Outcome
    message: str
    status: int | None = None
    """The provider's HTTP status, where it answered."""
    code: str | None = None
    retry_after_s: float | None = None


class NextCandidate(Struct, frozen=True):
    """Try the candidate at this index of the plan."""

    index: int


class Stop(Struct, frozen=True):
    """Nothing is left to try."""

    error: TollwayError


_OF_THE_REQUEST = frozenset({Outcome.REQUEST_REJECTED, Outcome.INPUT_UNAVAILABLE})
"""What the caller sent was at fault, not who was asked."""

KEYS_TRIED = 2
"""Of one endpoint, for one request, where others could be asked: keys often share an account, and its limits."""

MODELS_TRIED_MAX = 8
"""Of a request's `models`, however many it names: each of them has one attempt at least."""

RETRY_UNWELL_S = 5.0
"""When to come back where every endpoint was failing: about when the first of them is tried again."""

FAULT_OUTCOMES: dict[FaultKind, Outcome] = {
    FaultKind.DNS: Outcome.UNREACHABLE,
    FaultKind.CONNECT_REFUSED: Outcome.UNREACHABLE,
    FaultKind.CONNECT_TIMEOUT: Outcome.UNREACHABLE,
    FaultKind.TLS: Outcome.UNREACHABLE,
    FaultKind.RESET: Outcome.UNREACHABLE,
    FaultKind.UNKNOWN_OUTCOME: Outcome.UNKNOWN,
    FaultKind.TRUNCATED: Outcome.PROVIDER_ERROR,
    FaultKind.FIRST_EVENT_TIMEOUT: Outcome.TIMED_OUT,
    FaultKind.IDLE_TIMEOUT: Outcome.TIMED_OUT,
    FaultKind.TOTAL_TIMEOUT: Outcome.TIMED_OUT,
    FaultKind.TOO_LARGE: Outcome.PROVIDER_ERROR,
    FaultKind.ENCODED: Outcome.PROVIDER_ERROR,
    FaultKind.PROTOCOL: Outcome.PROVIDER_ERROR,
    FaultKind.ABORTED: Outcome.CANCELLED,
}

FAULT_WORDS: dict[FaultKind, str] = {
    FaultKind.DNS: "its host name has no address",
    FaultKind.CONNECT_REFUSED: "it refused the connection",
    FaultKind.CONNECT_TIMEOUT: "no connection to it could be made in time",
    FaultKind.TLS: "no TLS connection to it could be made",
    FaultKind.RESET: "it closed the connection while the request was being sent",
    FaultKind.UNKNOWN_OUTCOME: "it closed the connection before it answered",
    FaultKind.TRUNCATED: "its answer broke off",
    FaultKind.FIRST_EVENT_TIMEOUT: "nothing came from it in time",
    FaultKind.IDLE_TIMEOUT: "it fell silent",
    FaultKind.TOTAL_TIMEOUT: "its answer took too long",
    FaultKind.TOO_LARGE: "its answer is too large",
    FaultKind.ENCODED: "its answer has a content encoding that was not asked for",
    FaultKind.PROTOCOL: "its answer is not HTTP",
    FaultKind.ABORTED: "the call was given up",
}
"""What a caller is told of a fault: the fault's own message names hosts and ports, which are nobody's business."""


def outcome_of_status(status: int) -> Outcome:
    """A provider's HTTP status -> what became of the attempt (FAULTS.md U-23 to U-28)."""
    if status == 429:
        return Outcome.RATE_LIMITED
    if status in (401, 402, 403):
        return Outcome.CREDENTIAL_REJECTED
    if status == 404:
        return Outcome.NOT_OFFERED
    if status in (400, 413, 422):
        return Outcome.REQUEST_REJECTED
    if status in (408, 504, 524):
        return Outcome.TIMED_OUT
    return Outcome.PROVIDER_ERROR


def attempts_for(named: int, attempts_max: int) -> int:
    """How many attempts a request has that names so many models to fall back to: one for each at least, bounded."""
    return max(attempts_max, min(named, MODELS_TRIED_MAX))


def after_failure(
    plan: Plan,
    index: int,
    failures: Sequence[tuple[Candidate, Failure]],
    attempts_max: int,
    *,
    other_key: bool = False,
    each_model: bool = False,
    name_of: Callable[[str], str] = str,
) -> NextCandidate | Stop:
    """What to do after the candidate at `index` failed; `failures` holds every failed attempt, the last one too.

    `other_key`: only the key failed, and the same endpoint has another one that can be used. `each_model`: an attempt
    is kept for each of the plan's models, as the caller named them to fall back to (OPENROUTER.md 3.1, `models`).
    `name_of`: a provider's slug -> the name that is shown.
    """
    candidate, failure = failures[-1]
    left = attempts_max - len(failures)
    if left > 0 and failure.outcome is not Outcome.CANCELLED:
        tried = {_asked_as(other) for other, _ in failures}
        following_models = {_asked_as(other) for other in plan.candidates[index + 1 :]} - tried if each_model else ()
        onwards = left <= len(following_models)
        times = sum(other is candidate for other, _ in failures)
        if other_key and not onwards and (times < KEYS_TRIED or index + 1 == len(plan.candidates)):
            return NextCandidate(index)
        for following in range(index + 1, len(plan.candidates)):
            other = plan.candidates[following]
            if onwards and _asked_as(other) in tried:
                continue  # what is left of the attempts is for the models that follow
            if other.escalated and any(each.outcome in _OF_THE_REQUEST for _, each in failures):
                continue  # who refused the request is not failing: nothing lifts the cap
            if failure.outcome is not Outcome.REQUEST_REJECTED or _differs(candidate, other, failure):
                return NextCandidate(following)
    error = error_for(failures, name_of)
    if all(each.unwell for each in plan.candidates) and isinstance(error, UpstreamFailed | UpstreamTimedOut):
        error = NoEndpointsNow(
            f"Every endpoint that fits has been failing, and failed again. {error.message}",
            retry_after_s=error.retry_after_s or RETRY_UNWELL_S,
            metadata=error.metadata,
        )
    if isinstance(error, NoEndpointsNow | RateLimited):
        error.metadata["availability"] = availability(
            "capacity_exhausted" if isinstance(error, RateLimited) else "temporarily_unavailable",
            [model.id for model in plan.models],
            providers=[each.endpoint.provider for each, _ in failures],
            retry_after_s=error.retry_after_s,
        )
    return Stop(error)


def error_for(failed: Sequence[tuple[Candidate, Failure]], name_of: Callable[[str], str] = str) -> TollwayError:
    """The error that a caller sees when every attempt failed. A credential of ours that was refused is never a 401."""
    failures = [failure for _, failure in failed]
    last = failed[-1][0]
    metadata = told_of(last, failures[-1], name_of)
    if len(failed) > 1:
        metadata["previous_errors"] = [
            {"provider": name_of(each.endpoint.provider), "code": _code(failure), "status": failure.status}
            for each, failure in failed[:-1]
        ]
    unavailable = [failure for failure in failures if failure.outcome is Outcome.INPUT_UNAVAILABLE]
    if len(unavailable) == len(failures):
        return InvalidRequest(unavailable[-1].message, metadata=metadata)
    rejected = [failure for failure in failures if failure.outcome is Outcome.REQUEST_REJECTED]
    if rejected:
        return refused(rejected[-1], metadata)
    waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
    retry_after_s = min(waits, default=None)
    final = failures[-1]
    if all(failure.outcome is Outcome.RATE_LIMITED for failure in failures):
        return RateLimited(
            "Every provider of this model is rate limited just now; try again later.",
            retry_after_s=5.0 if retry_after_s is None else retry_after_s,
            metadata=metadata | {"raw": final.message},
        )
    if final.outcome is Outcome.CREDENTIAL_REJECTED and last.credential is not None:
        return Forbidden(
            f"{metadata['provider_name']} refuses your own key {last.credential.label}; replace it, or let requests "
            "fall back to credits.",
            metadata=metadata | {"reason": "byok_credential_rejected", "credential_id": last.credential.id},
        )
    metadata |= {"raw": "" if final.outcome is Outcome.CREDENTIAL_REJECTED else final.message}
    tried = f"{len(failures)} attempts" if len(failures) > 1 else "one attempt"
    if all(failure.outcome is Outcome.TIMED_OUT for failure in failures):
        return UpstreamTimedOut(f"The provider did not answer in time ({tried}).", metadata=metadata)
    return UpstreamFailed(
        f"The provider failed ({tried}); the last: {_told(final)}", retry_after_s=retry_after_s, metadata=metadata
    )


def refused(failure: Failure, metadata: dict[str, Any]) -> InvalidRequest:
    """The error for a request that a provider refused: it says apart what is too long (OPENROUTER.md 12.3)."""
    message, metadata = failure.message, metadata | {"raw": failure.message}
    match too_long(failure.code, message):
        case "prompt":
            # Claude Code makes a conversation shorter where it reads these words.
            return PromptTooLong(f"The prompt is too long for its provider, who says: {message}", metadata=metadata)
        case "answer":
            return AnswerTooLong(f"The provider does not give as many tokens: {message}", metadata=metadata)
        case _:
            return InvalidRequest(f"The provider refused the request: {message}", metadata=metadata)


def told_of(candidate: Candidate, failure: Failure, name_of: Callable[[str], str]) -> dict[str, Any]:
    """Metadata of an error: who failed, and by which code of his own, where he said one (OPENROUTER.md 12.3)."""
    told: dict[str, Any] = {"provider_name": name_of(candidate.endpoint.provider)}
    if (code := _code(failure)) is not None:
        told["provider_code"] = code
    return told


def _code(failure: Failure) -> str | None:
    """What is said of our credential is nobody's business."""
    return None if failure.outcome is Outcome.CREDENTIAL_REJECTED else failure.code


def _told(failure: Failure) -> str:
    if failure.outcome is Outcome.CREDENTIAL_REJECTED:
        return "it refused this server's credential"
    return failure.message


def _asked_as(candidate: Candidate) -> str:
    """The model that was asked for: an alias is one, whoever is behind it."""
    return candidate.alias or candidate.endpoint.model_id


def _differs(failed: Candidate, following: Candidate, failure: Failure) -> bool:
    """Whether a request that one endpoint refused may fit another: another model, or a wider one (FAULTS.md U-28)."""
    if following.endpoint.model_id != failed.endpoint.model_id:
        return True
    text = f"{failure.code or ''} {failure.message}".lower()
    if too_long(failure.code, failure.message) == "prompt":
        return following.endpoint.context_tokens > failed.endpoint.context_tokens
    if "unsupported" in text or "not support" in text:
        return following.endpoint.parameters != failed.endpoint.parameters
    return False
