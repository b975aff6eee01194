"""After a failure: the table of what is tried next, and of the error when nothing is left."""

from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.routing.stage import ask, endpoint, market, plan
from tollway.domain.catalog import Endpoint
from tollway.domain.errors import (
    AnswerTooLong,
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
from tollway.routing import fallback
from tollway.routing.fallback import (
    Failure,
    NextCandidate,
    Stop,
    after_failure,
    attempts_for,
    error_for,
    outcome_of_status,
)

SECRET = "sk-or-v1-of-the-operator"
ERRORS: dict[Outcome, type[TollwayError]] = {
    Outcome.UNREACHABLE: UpstreamFailed,
    Outcome.UNKNOWN: UpstreamFailed,
    Outcome.TIMED_OUT: UpstreamTimedOut,
    Outcome.RATE_LIMITED: RateLimited,
    Outcome.PROVIDER_ERROR: UpstreamFailed,
    Outcome.CREDENTIAL_REJECTED: UpstreamFailed,
    Outcome.NOT_OFFERED: UpstreamFailed,
    Outcome.REQUEST_REJECTED: InvalidRequest,
    Outcome.INPUT_UNAVAILABLE: InvalidRequest,
}
"""One failed attempt -> what the caller sees. A success and the caller's own leaving are no failures."""


def planned(*endpoints: Endpoint, **fields: object) -> Plan:
    """A plan of these endpoints, in this order."""
    slugs = tuple(each.provider for each in endpoints)
    return plan(ask(order=slugs, **fields), market(*endpoints))


TWO = planned(endpoint("a"), endpoint("b"))
ONE = planned(endpoint("a"))


def after(found: Plan, *outcomes: Outcome, attempts_max: int = 4, **failure: str) -> NextCandidate | Stop:
    """What follows when the first candidates of a plan fail in these ways."""
    failures = [(found.candidates[n], Failure(each, "broken", **failure)) for n, each in enumerate(outcomes)]  # type: ignore[arg-type]  # `code` only
    return after_failure(found, len(failures) - 1, failures, attempts_max)


@pytest.mark.parametrize("outcome", ERRORS)
def test_every_outcome_with_another_candidate(outcome: Outcome) -> None:
    """Whatever fails, the next is tried; but not with a request that was refused as wrong (FAULTS.md U-28)."""
    found = after(TWO, outcome)
    if outcome is Outcome.REQUEST_REJECTED:
        assert isinstance(found, Stop)
        assert isinstance(found.error, InvalidRequest)
    else:
        assert found == NextCandidate(1)


@pytest.mark.parametrize("outcome", ERRORS)
@pytest.mark.parametrize("attempts", [1, 2])
def test_every_outcome_when_nothing_is_left(outcome: Outcome, attempts: int) -> None:
    """The error's class by outcome; never a 401, 402 or 403, whatever the provider thinks of our credential."""
    found = after(TWO if attempts == 2 else ONE, *[outcome] * attempts)
    assert isinstance(found, Stop)
    assert type(found.error) is ERRORS[outcome]
    assert found.error.metadata["provider_name"] == "ab"[attempts - 1]


def test_the_table_is_whole() -> None:
    """Every outcome is in the table, or is no failure; every fault of a connection has an outcome and words."""
    assert set(Outcome) - set(ERRORS) == {Outcome.SUCCEEDED, Outcome.CANCELLED}
    assert set(fallback.FAULT_OUTCOMES) == set(fallback.FAULT_WORDS) == set(FaultKind)


def test_attempts_are_bounded() -> None:
    """Nothing more is tried after so many attempts, though candidates are left."""
    many = planned(*(endpoint(slug) for slug in "abcdef"))
    assert after(many, *[Outcome.UNREACHABLE] * 3, attempts_max=4) == NextCandidate(3)
    assert isinstance(after(many, *[Outcome.UNREACHABLE] * 4, attempts_max=4), Stop)
    assert isinstance(after(TWO, Outcome.UNREACHABLE, attempts_max=1), Stop)


FEW = [endpoint(slug) for slug in "abcd"]
OTHERS = [endpoint(slug, model=f"test/{slug}") for slug in "efghijklm"]


@pytest.mark.parametrize(
    ("others", "failed", "attempts_max", "follows"),
    [
        (1, [0], 4, 1),
        (1, [0, 1, 2], 4, 4),  # not the first model's fourth
        (1, [0, 1, 2, 4], 4, None),
        (2, [0, 1], 4, 4),
        (2, [0, 1, 4], 4, 5),
        (1, [0], 1, 4),
        (3, [0, 4, 5], 2, 6),
        (9, [0, 4, 5, 6, 7, 8, 9], 4, 10),
        (9, [0, 4, 5, 6, 7, 8, 9, 10], 4, None),  # MODELS_TRIED_MAX
        (0, [0, 1, 2], 4, 3),
    ],
)
def test_each_model_has_its_turn(others: int, failed: list[int], attempts_max: int, follows: int | None) -> None:
    """Any error moves on to the next of `models` (OPENROUTER.md 3.1): of the attempts one is kept for each."""
    endpoints = [*FEW, *OTHERS[:others]]
    found = planned(*endpoints, models=tuple(each.model_id for each in endpoints[4:]))
    failures = [(found.candidates[index], Failure(Outcome.TIMED_OUT, "silence")) for index in failed]
    attempts = attempts_for(len(found.models), attempts_max)
    step = after_failure(found, failed[-1], failures, attempts, each_model=True)
    assert isinstance(step, Stop) if follows is None else step == NextCandidate(follows)
    if len(failed) < 4:
        chosen_for_him = after_failure(found, failed[-1], failures, 4)
        assert chosen_for_him == NextCandidate(failed[-1] + 1)


def test_a_key_does_not_take_the_next_models_attempt() -> None:
    """Another key of the same endpoint is an attempt like any other."""
    found = planned(endpoint("a"), endpoint("b", model="test/other"), models=("test/other",))
    failures = [(found.candidates[0], Failure(Outcome.RATE_LIMITED, "slow down", 429))]
    assert after_failure(found, 0, failures, 2, other_key=True, each_model=True) == NextCandidate(1)
    assert after_failure(found, 0, failures, 3, other_key=True, each_model=True) == NextCandidate(0)


WIDE = planned(endpoint("a"), endpoint("b"), endpoint("c", context_tokens=16_000))
ABLE = planned(endpoint("a"), endpoint("b"), endpoint("c", parameters=frozenset({"seed"})))
MODELS = planned(endpoint("a"), endpoint("b"), endpoint("c", model="test/other"), models=("test/other",))


@pytest.mark.parametrize(
    ("found", "failed", "other_key", "attempts_max", "follows"),
    [
        (TWO, [0], True, 4, 0),
        (TWO, [0], False, 4, 1),
        (TWO, [0, 0], True, 4, 1),
        (TWO, [0, 0, 1], True, 4, 1),
        (TWO, [0, 0, 1], True, 3, None),
        (ONE, [0, 0, 0], True, 4, 0),
        (ONE, [0], True, 1, None),
        (ONE, [0], False, 4, None),
    ],
)
def test_another_key_of_the_same_endpoint(
    found: Plan, failed: list[int], other_key: bool, attempts_max: int, follows: int | None
) -> None:
    """It is tried before the next endpoint, once; where no endpoint is left, as often as attempts allow."""
    failures = [(found.candidates[index], Failure(Outcome.RATE_LIMITED, "slow down", 429)) for index in failed]
    step = after_failure(found, failed[-1], failures, attempts_max, other_key=other_key)
    assert isinstance(step, Stop) if follows is None else step == NextCandidate(follows)


@pytest.mark.parametrize(
    ("found", "message", "code", "follows"),
    [
        (WIDE, "maximum context length is 8000 tokens", None, 2),
        (WIDE, "too long", "context_length_exceeded", 2),
        (WIDE, "unsupported parameter: seed", None, None),
        (WIDE, "temperature is above 2", None, None),
        (ABLE, "Unsupported parameter: seed", None, 2),
        (ABLE, "this model does not support seed", None, 2),
        (ABLE, "bad", "unsupported_parameter", 2),
        (ABLE, "maximum context length is 8000 tokens", None, None),
        (MODELS, "temperature is above 2", None, 2),
        (TWO, "maximum context length is 8000 tokens", None, None),
    ],
)
def test_a_refused_request_goes_where_it_may_fit(
    found: Plan, message: str, code: str | None, follows: int | None
) -> None:
    """A wider context, other parameters, or another of the request's models: U-28, and no endpoint between."""
    failure = Failure(Outcome.REQUEST_REJECTED, message, 400, code)
    step = after_failure(found, 0, [(found.candidates[0], failure)], 4)
    if follows is None:
        assert isinstance(step, Stop)
        assert message in step.error.message
        assert step.error.metadata["raw"] == message
    else:
        assert step == NextCandidate(follows)


@pytest.mark.parametrize(
    ("message", "code", "kind", "told"),
    [
        ("temperature is above 2", None, InvalidRequest, "The provider refused the request: temperature is above 2"),
        (
            "prompt is too long: 9 tokens > 8 maximum",
            "invalid_request_error",
            PromptTooLong,
            "The prompt is too long for its provider, who says: prompt is too long: 9 tokens > 8 maximum",
        ),
        ("bad", "context_length_exceeded", PromptTooLong, "The prompt is too long for its provider, who says: bad"),
        ("bad", "token_limit_exceeded", AnswerTooLong, "The provider does not give as many tokens: bad"),
    ],
)
def test_a_refusal_says_what_is_too_long(message: str, code: str | None, kind: type[TollwayError], told: str) -> None:
    """By code or words: 400, with an `error_type` of its own (OPENROUTER.md 12.3)."""
    error = failed(Failure(Outcome.REQUEST_REJECTED, message, 400, code))
    assert (type(error), error.message, error.metadata["raw"]) == (kind, told, message)


def failed(*failures: Failure) -> TollwayError:
    """The error after these failures."""
    return error_for([(candidate("b"), each) for each in failures])


def candidate(provider: str) -> Candidate:
    """Somebody who was tried."""
    return planned(endpoint(provider)).candidates[0]


def limited(retry_after_s: float | None = None) -> Failure:
    """A 429."""
    return Failure(Outcome.RATE_LIMITED, "slow down", 429, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("waits", "told"), [((None,), 5.0), ((7.0,), 7.0), ((7.0, None, 3.0, 9.0), 3.0), ((0.0, 4.0), 0.0)]
)
def test_rate_limited_everywhere(waits: tuple[float | None, ...], told: float) -> None:
    """429 only if every attempt was one, with the least of the waits that were named (U-23)."""
    error = failed(*map(limited, waits))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == told
    assert error.message == "Every provider of this model is rate limited just now; try again later."
    before = [{"provider": "b", "code": None, "status": 429}] * (len(waits) - 1)
    assert error.metadata == {"provider_name": "b", "raw": "slow down"} | (
        {"previous_errors": before} if before else {}
    )


def test_who_failed_before_and_by_which_code() -> None:
    """By the names that are shown, with status and code as each said; of our credential no code (12.3)."""
    slow = Failure(Outcome.RATE_LIMITED, "slow down", 429, "rate_limit_exceeded")
    shut = Failure(Outcome.CREDENTIAL_REJECTED, "no", 401, "invalid_api_key")
    broken = Failure(Outcome.PROVIDER_ERROR, "broken", 500, "engine_down")
    error = error_for([(candidate("a"), slow), (candidate("b"), shut), (candidate("c"), broken)], str.upper)
    assert error.metadata == {
        "provider_name": "C",
        "provider_code": "engine_down",
        "raw": "broken",
        "previous_errors": [
            {"provider": "A", "code": "rate_limit_exceeded", "status": 429},
            {"provider": "B", "code": None, "status": 401},
        ],
    }
    assert "provider_code" not in error_for([(candidate("b"), shut)]).metadata


@pytest.mark.parametrize(
    ("failures", "kind", "message"),
    [
        (
            (limited(3.0), Failure(Outcome.PROVIDER_ERROR, "overloaded", 529, retry_after_s=8.0)),
            UpstreamFailed,
            "The provider failed (2 attempts); the last: overloaded",
        ),
        (
            (Failure(Outcome.PROVIDER_ERROR, "overloaded", 500),),
            UpstreamFailed,
            "The provider failed (one attempt); the last: overloaded",
        ),
        (
            (Failure(Outcome.TIMED_OUT, "nothing came"),) * 3,
            UpstreamTimedOut,
            "The provider did not answer in time (3 attempts).",
        ),
        (
            (Failure(Outcome.TIMED_OUT, "nothing came"), Failure(Outcome.UNREACHABLE, "no address")),
            UpstreamFailed,
            "The provider failed (2 attempts); the last: no address",
        ),
        (
            (Failure(Outcome.REQUEST_REJECTED, "bad seed", 400), Failure(Outcome.PROVIDER_ERROR, "broken", 500)),
            InvalidRequest,
            "The provider refused the request: bad seed",
        ),
        (
            (Failure(Outcome.CREDENTIAL_REJECTED, f"Incorrect API key {SECRET}", 401),),
            UpstreamFailed,
            "The provider failed (one attempt); the last: it refused this server's credential",
        ),
    ],
)
def test_mixed_failures(failures: tuple[Failure, ...], kind: type[TollwayError], message: str) -> None:
    """The class and the text when attempts failed in several ways."""
    error = failed(*failures)
    assert (type(error), error.message) == (kind, message)


def test_the_least_wait_is_told_with_a_502_too() -> None:
    """Retry-After is the least of what any of them named."""
    assert failed(limited(3.0), Failure(Outcome.PROVIDER_ERROR, "x", retry_after_s=8.0)).retry_after_s == 3.0
    assert failed(Failure(Outcome.PROVIDER_ERROR, "x")).retry_after_s is None


failure_values = st.builds(
    Failure,
    outcome=st.sampled_from(list(ERRORS)),
    message=st.just("broken"),
    status=st.none() | st.sampled_from([400, 401, 402, 403, 404, 429, 500]),
    retry_after_s=st.none() | st.floats(0, 3600),
).map(
    lambda failure: (
        Failure(failure.outcome, f"Incorrect API key {SECRET}", 401)
        if failure.outcome is Outcome.CREDENTIAL_REJECTED
        else failure
    )
)


@settings(max_examples=300, deadline=None)
@given(st.lists(failure_values, min_size=1, max_size=4))
def test_our_credential_is_never_the_callers_trouble(failures: list[Failure]) -> None:
    """Never 401, 402 or 403, and what a provider said about our key is never shown (U-25, U-27)."""
    error = failed(*failures)
    assert error.status in {400, 408, 429, 502}
    assert SECRET not in f"{error.message} {error.metadata}"
    waits = [each.retry_after_s for each in failures if each.retry_after_s is not None]
    if waits and error.retry_after_s is not None:
        assert error.retry_after_s == min(waits)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.REQUEST_REJECTED),
        (401, Outcome.CREDENTIAL_REJECTED),
        (402, Outcome.CREDENTIAL_REJECTED),
        (403, Outcome.CREDENTIAL_REJECTED),
        (404, Outcome.NOT_OFFERED),
        (408, Outcome.TIMED_OUT),
        (413, Outcome.REQUEST_REJECTED),
        (422, Outcome.REQUEST_REJECTED),
        (429, Outcome.RATE_LIMITED),
        (504, Outcome.TIMED_OUT),
        (524, Outcome.TIMED_OUT),
    ],
)
def test_what_a_status_means(status: int, outcome: Outcome) -> None:
    """Statuses that mean something of their own."""
    assert outcome_of_status(status) is outcome


def test_any_other_status_is_the_providers_fault() -> None:
    """Redirects, which are not followed (U-33), every 5xx, and numbers that nobody defined."""
    own = {400, 401, 402, 403, 404, 408, 413, 422, 429, 504, 524}
    for status in {*range(100, 600), *map(int, HTTPStatus)} - own:
        assert outcome_of_status(status) is Outcome.PROVIDER_ERROR


@pytest.mark.parametrize("outcome", [Outcome.PROVIDER_ERROR, Outcome.TIMED_OUT, Outcome.UNREACHABLE])
def test_all_had_been_failing(outcome: Outcome) -> None:
    """Where the plan holds only endpoints that were failing already, the answer is 503 with a time to come back."""
    ill = structs.replace(TWO, candidates=tuple(structs.replace(each, unwell=True) for each in TWO.candidates))
    found = after(ill, outcome, outcome)
    assert isinstance(found, Stop)
    assert (type(found.error), found.error.status) == (NoEndpointsNow, 503)
    assert found.error.retry_after_s
    half = structs.replace(TWO, candidates=(TWO.candidates[0], ill.candidates[1]))
    other = after(half, outcome, outcome)
    assert isinstance(other, Stop)
    assert not isinstance(other.error, NoEndpointsNow)
