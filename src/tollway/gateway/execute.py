"""Execution: candidates are tried in order until one answers; after its first content nothing falls back any more."""

import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from math import floor
from typing import TypeVar, assert_never

import structlog
from msgspec.structs import replace

from tollway.domain.errors import (
    AnswerTooLong,
    PromptTooLong,
    RateLimited,
    TollwayError,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamTimedOut,
)
from tollway.domain.events import (
    Failed,
)
from tollway.domain.generation import Attempt
from tollway.domain.health import CANCELLED, SUCCEEDED, Outcome
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.routing import Candidate
from tollway.gateway.access_tokens import NoToken
from tollway.gateway.alarms import watch
from tollway.gateway.base import Gateway
from tollway.gateway.keyrings import has_other_key, key_for
from tollway.gateway.own_keys import LastUse
from tollway.gateway.race import race_for
from tollway.gateway.run import Run
from tollway.gateway.sink import ContentSink
from tollway.identity.credentials import Unreadable
from tollway.providers import Provider
from tollway.routing.fallback import (
    FAULT_OUTCOMES,
    FAULT_WORDS,
    Failure,
    NextCandidate,
    Stop,
    after_failure,
    attempts_for,
    error_for,
    outcome_of_status,
    told_of,
)
from tollway.routing.lengths import too_long
from tollway.routing.patience import LONG_PROMPT, first_event_s
from tollway.routing.scrub import scrub
from tollway.routing.stats import PLAIN
from tollway.upstream.call import Call
from tollway.upstream.faults import UpstreamFault
from tollway.wire.formats import DecodeError

log = structlog.get_logger(__name__)

DRAIN_MAX_S = 120.0
"""How long an answer that nobody waits for is read on, where its provider can't cancel (MONEY.md)."""

OVERLOADED = frozenset({503, 529})
"""Statuses by which providers say that they have too much to do (FAULTS.md U-22)."""

R = TypeVar("R", bound=Run)
Attempting = Callable[[Gateway, R, Candidate, ContentSink], Awaitable[Failure | None]]
"""One try at one candidate: None when it answered to its end (or was cancelled for the caller's leaving)."""
Reading = Callable[[Gateway, R, Candidate, Call, ContentSink], Awaitable[Failure | None]]
"""Reads the answer to one call, whatever its status."""


async def ask_in_turn(gateway: Gateway, run: R, sink: ContentSink, attempt: Attempting[R]) -> None:
    """The candidates, until one has answered, or nobody is left to ask; what was used is not counted here.

    Fills `run` with what happened. The error that ends it, if any, is left in `run.error`; nothing is raised.
    """
    loop = gateway.loop
    failures: list[tuple[Candidate, Failure]] = []
    index = 0
    gateway.retries.first_try(run.plan.candidates[0].endpoint.id, loop.time())
    race = None if gateway.hedges is None else race_for(gateway, run, sink, partial(_try, gateway, attempt))
    while is_awaited(run):
        if gateway.moderation is not None:
            match await gateway.moderation.judged(gateway, run, index):
                case Stop(error=error):
                    if is_awaited(run):
                        run.error, run.finish_reason = error, "error"
                    break
                case NextCandidate(index=allowed):
                    race = race if allowed == index else None
                    index = allowed
            if not is_awaited(run):
                break
        if race is None:
            candidate = run.plan.candidates[index]
            failure = await _try(gateway, attempt, run, candidate, sink)
            failed = [] if failure is None else [(candidate, failure)]
        else:
            index, failed = await race.hold()
            race = None
        if not failed:
            break
        failures += failed
        candidate, failure = failures[-1]
        if run.committed or run.left:
            run.finish_reason = None if run.left else "error"
            run.error = None if run.left else _error_mid_answer(failure, candidate, run.market.name_of)
            break
        now_s = loop.time()
        again = candidate is run.plan.candidates[index] and has_other_key(gateway, run, candidate, failure, now_s)
        named = models_named(run)
        attempts_max, names = attempts_for(named, gateway.attempts_max), run.market.name_of
        match after_failure(
            run.plan, index, failures, attempts_max, other_key=again, each_model=named > 0, name_of=names
        ):
            case NextCandidate(index=index):
                if _left_s(gateway, run, now_s) > 0 and _may_retry(gateway, run.plan.candidates[index], now_s):
                    continue
                error = error_for(failures, names)
                run.error, run.finish_reason = error, "error"
                break
            case Stop(error=error):
                run.error, run.finish_reason = error, "error"
                break
            case other:
                assert_never(other)


async def count(gateway: Gateway, run: Run) -> None:
    """Our own count, where the provider's is missing. It is work for the processor: off the loop."""
    run.counted = await gateway.loop.run_in_executor(None, lambda: run.count(gateway.tokenizer()))


async def recount(gateway: Gateway, run: Run) -> None:
    """The same beside the provider's count, which is compared with it."""
    counted = await gateway.loop.run_in_executor(None, lambda: gateway.drift.count(run, gateway.tokenizer()))
    gateway.drift.compare(run, counted, gateway.loop.time())


async def _try(
    gateway: Gateway, attempt: Attempting[R], run: R, candidate: Candidate, sink: ContentSink
) -> Failure | None:
    """One try at one candidate, from the first thing that health hears of it to the last."""
    loop = gateway.loop
    run.reset_attempt(candidate)
    began_s = loop.time()
    run.key = key = key_for(gateway, run, candidate, began_s) if gateway.keyrings else 0
    gateway.health.begin(candidate.endpoint.id, began_s, key)
    try:
        failure = await attempt(gateway, run, candidate, sink)
    except BaseException:  # cancelled, or a mistake of ours: nothing was learned; passed on at once
        gateway.health.abandon(candidate.endpoint.id, key)
        raise
    ended_s = loop.time()
    run.generation_ms = int((ended_s - began_s) * 1000)
    _observe(gateway, run, candidate, failure, began_s, ended_s)
    return failure


def models_named(run: Run) -> int:
    """How many models the caller names, first and fallbacks; 0: one, or they were chosen for him."""
    models = run.request.models
    return 0 if models is None or run.plan.routed is not None else len(run.plan.models)


def _may_retry(gateway: Gateway, candidate: Candidate, now_s: float) -> bool:
    """Who does well takes what others dropped; who has failed himself is sent no more than his budget of it."""
    id_ = candidate.endpoint.id
    return not gateway.health.is_shaky(id_) or gateway.retries.take(id_, now_s, unwell=candidate.unwell)


def _left_s(gateway: Gateway, run: Run, now_s: float, usual_s: float = 0.0) -> float:
    """What is left of the time until content. A provider that is given longer by its configuration has that long."""
    return max(gateway.first_content_s, usual_s) - (now_s - run.started_s)


def _deadlines(gateway: Gateway, run: Run, candidate: Candidate, provider: Provider) -> Deadlines:
    """A stream's: the provider's own, but the first event must come while there is time for others, if there are."""
    usual, now_s = provider.deadlines, gateway.loop.time()
    wait_s = first_event_s(
        usual.first_event_s,
        _left_s(gateway, run, now_s, usual.first_event_s),
        gateway.health.measured(candidate.endpoint.id, now_s),
        others=candidate is not run.plan.candidates[-1]
        and (
            len(run.attempts) + 1 < gateway.attempts_max
            or len(run.attempts) + 1 < attempts_for(models_named(run), gateway.attempts_max)
        ),
        slow=run.prompt_tokens > LONG_PROMPT or "reasoning" in candidate.endpoint.parameters,
    )
    return usual if wait_s >= usual.first_event_s else replace(usual, first_event_s=max(0.05, wait_s))


def is_awaited(run: Run) -> bool:
    """Who left before anything was sent has nothing sent for him. (Asked here, as others change it while we wait.)"""
    return not run.left


def without_token(fault: NoToken) -> Failure:
    """What we hold for a provider could not be exchanged for an access token."""
    outcome = Outcome.CREDENTIAL_REJECTED if fault.refused else Outcome.UNREACHABLE
    return Failure(outcome, "no access token could be had for it")


async def call_provider(
    gateway: Gateway,
    run: R,
    candidate: Candidate,
    sink: ContentSink,
    request: HttpRequest,
    secrets: tuple[str, str],
    read: Reading[R],
) -> Failure | None:
    """One call to a candidate's provider, whose answer `read` reads; what goes wrong below HTTP is a Failure, too.

    `secrets`: what we hold for the provider, and what it was exchanged for.
    """
    secret, credential = secrets
    provider = run.market.provider(candidate.endpoint.provider)
    deadlines = _deadlines(gateway, run, candidate, provider) if run.streamed else provider.deadlines_whole
    with gateway.client.call(request, deadlines) as call:
        run.call = call
        try:
            await call.start()
            failure = await read(gateway, run, candidate, call, sink)
            if failure is not None:
                code = failure.code and scrub(failure.code, credential)
                failure = replace(failure, message=scrub(failure.message, credential), code=code)
                if failure.outcome is Outcome.CREDENTIAL_REJECTED:
                    gateway.tokens.forget(secret)
                # Not in the provider's words, which may quote the prompt: prompts never reach the log.
                said = f"{failure.outcome}, status {failure.status or call.status}"
                log.info("attempt failed", generation=run.id, endpoint=candidate.endpoint.id, fault=said)
        except UpstreamFault as fault:
            if run.cancelled:
                failure = None
            elif run.finished:
                failure = None  # only the bytes after the provider's own end are missing
            else:
                log.info("attempt failed", generation=run.id, endpoint=candidate.endpoint.id, fault=str(fault))
                failure = Failure(FAULT_OUTCOMES[fault.kind], FAULT_WORDS[fault.kind])
        finally:
            run.call = None
            if run.timer is not None:
                run.timer.cancel()
                run.timer = None
    return failure


async def rejected(gateway: Gateway, call: Call, decode_error: DecodeError) -> Failure:
    """An answer of another status than 200."""
    said = decode_error(call.status, call.header, await call.read(), now_s=gateway.now_ms() / 1000)
    return Failure(outcome_of_status(call.status), said.message, call.status, said.code, said.retry_after_s)


def caller_left(gateway: Gateway, run: Run) -> None:
    """The caller disconnected: cancel upstream where that stops the bill, else read on, bounded (MONEY.md's table)."""
    run.left = True
    if run.leave is not None:
        run = run.leave()
    call, candidate = run.call, run.candidate
    if call is None or candidate is None or run.finished:
        return
    cancels = run.market.provider(candidate.endpoint.provider).quirks.cancels
    if (run.streamed and (cancels or not run.accepted)) or (not run.streamed and not call.sent):
        run.cancelled = True
        call.abort()
    else:
        run.timer = gateway.loop.call_later(DRAIN_MAX_S, _drained_enough, run, call)


def _drained_enough(run: Run, call: Call) -> None:
    """The drain's time is over: what was received by now is what is billed."""
    if run.call is call:
        run.cancelled = True
        call.abort()


def user_id_of(run: Run) -> str:
    """An end user's id, hashed with the workspace's: never forwarded raw (OPENROUTER.md 3.1)."""
    return hashlib.sha256(f"{run.caller.workspace_id}\n{run.request.user}".encode()).hexdigest()[:32]


def failure_of(failed: Failed) -> Failure:
    """An error that came inside a 200 counts like its status."""
    return Failure(outcome_of_status(failed.status), failed.message, failed.status, failed.code)


def opened_for(gateway: Gateway, run: Run, candidate: Candidate) -> tuple[Provider, str]:
    """The candidate's provider, and the secret for it: the caller's own, else ours. NoToken: theirs can't be read.

    Ours is the endpoint's own, where a deployment has one, else its provider's: of several the run's.
    """
    credential = candidate.credential
    if credential is None:
        slug = candidate.endpoint.provider
        if run.key:
            secret = gateway.keyrings[slug][run.key - 1]
        elif (found := gateway.credentials.get(candidate.endpoint.id)) is not None:
            secret = found
        else:
            secret = gateway.credentials.get(slug, "")
        return run.market.providers[slug], secret
    try:
        return gateway.own.open(candidate, credential, run.market)
    except Unreadable as error:
        log.error("an own key can't be read", credential=credential.id, error=str(error))
        raise NoToken("the key that is kept for it can't be read", refused=True) from None


def _error_mid_answer(failure: Failure, candidate: Candidate, name_of: Callable[[str], str]) -> TollwayError:
    kind: Callable[..., TollwayError] = UpstreamFailed
    if failure.outcome is Outcome.TIMED_OUT:
        kind = UpstreamTimedOut
    elif failure.outcome is Outcome.RATE_LIMITED:
        kind = RateLimited
    elif failure.status in OVERLOADED:
        kind = UpstreamOverloaded
    elif (length := too_long(failure.code, failure.message)) is not None:
        kind = PromptTooLong if length == "prompt" else AnswerTooLong
    told = "refused our credential" if failure.outcome is Outcome.CREDENTIAL_REJECTED else failure.message.rstrip(".")
    return kind(
        f"The provider failed in the middle of its answer: {told}. You are not charged for it.",
        metadata=told_of(candidate, failure, name_of),
    )


def _observe(
    gateway: Gateway, run: Run, candidate: Candidate, failure: Failure | None, began_s: float, now_s: float
) -> None:
    """Writes the attempt down, and tells health what became of it."""
    if failure is None:
        outcome, status, said = CANCELLED if run.cancelled else SUCCEEDED, 200 if run.accepted else None, ""
        first_s = run.first_event_s or now_s
    else:
        outcome, status, said, first_s = failure.outcome, failure.status, failure.message[:500], now_s
    latency_ms, began_ms = floor((first_s - began_s) * 1000), floor((began_s - run.started_s) * 1000)
    endpoint, credential = candidate.endpoint, candidate.credential
    # By place, in the order of the record: names cost as much as all the rest of this.
    run.attempts.append(
        Attempt(
            endpoint.id if credential is None else candidate.listed_id,
            endpoint.provider,
            outcome,
            status,
            latency_ms,
            run.upstream_id,
            said,
            began_ms,
            run.key,
            None if credential is None else credential.id,
        )
    )
    retry_after_s = None if failure is None else failure.retry_after_s
    sample = run.sample(began_s, now_s) if outcome is SUCCEEDED else PLAIN
    gateway.health.observe(endpoint.id, outcome, now_s, retry_after_s, sample, began_s, run.key)
    if credential is not None:  # a caller's own key is no matter of the operator's
        if outcome is not CANCELLED:
            use = LastUse(gateway.now_ms(), outcome, failure.status if failure else None)
            gateway.own.used(credential.id, use)
    elif failure is not None or gateway.refusals:
        watch(gateway, candidate, run.key, outcome, failure.status if failure else None, began_s, now_s)
