"""Execution: candidates are tried in order until one answers; after its first content nothing falls back any more."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import assert_never

import structlog

from tollway.domain.errors import TollwayError, UpstreamFailed, UpstreamTimedOut
from tollway.domain.events import (
    Answer,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.generation import Attempt
from tollway.domain.health import Outcome
from tollway.domain.http import HttpRequest
from tollway.domain.routing import Candidate
from tollway.gateway.base import Gateway
from tollway.gateway.run import Run
from tollway.gateway.settle import believable_usage, count_received
from tollway.gateway.sink import Sink
from tollway.providers.base import Provider
from tollway.routing.fallback import (
    FAULT_OUTCOMES,
    FAULT_WORDS,
    Failure,
    NextCandidate,
    Stop,
    after_failure,
    outcome_of_status,
)
from tollway.routing.scrub import scrub
from tollway.upstream.call import Call
from tollway.upstream.faults import UpstreamFault
from tollway.wire.expand import expand
from tollway.wire.formats import CLIENTS

log = structlog.get_logger(__name__)

DRAIN_MAX_S = 120.0
"""How long an answer that nobody waits for is read on, where its provider can't cancel (MONEY.md)."""
AFTER_FINISH_S = 2.0
"""How long we wait for usage after the finish reason (FAULTS.md U-18)."""
AFTER_DONE_S = 0.05
"""How long we wait for the end of the body after `[DONE]`."""
BYTES_PER_TOKEN_LIKELY = 3


async def execute(gateway: Gateway, run: Run, sink: Sink) -> None:
    """Fills `run` with what happened. The error that ends it, if any, is left in `run.error`; nothing is raised."""
    loop = gateway.loop
    sink.on_left(lambda: _caller_left(gateway, run, loop))
    failures: list[tuple[Candidate, Failure]] = []
    index = 0
    while _is_awaited(run):
        candidate = run.plan.candidates[index]
        run.reset_attempt(candidate)
        began_s = loop.time()
        failure = await _attempt(gateway, run, candidate, sink)
        run.generation_ms = int((loop.time() - began_s) * 1000)
        _observe(gateway, run, candidate, failure, began_s, loop.time())
        if failure is None:
            break
        failures.append((candidate, failure))
        if run.committed or run.left:
            run.finish_reason = None if run.left else "error"
            run.error = None if run.left else _error_mid_answer(failure, candidate)
            break
        match after_failure(run.plan, index, failures, gateway.attempts_max):
            case NextCandidate(index=index):
                continue
            case Stop(error=error):
                run.error, run.finish_reason = error, "error"
                break
            case other:
                assert_never(other)
    if run.accepted and believable_usage(run) is None:
        # Counting is work for the processor: off the loop, while we still may await.
        run.counted = await loop.run_in_executor(None, count_received, run, gateway)


def _is_awaited(run: Run) -> bool:
    """Who left before anything was sent has nothing sent for him. (Asked here, as others change it while we wait.)"""
    return not run.left


async def _attempt(gateway: Gateway, run: Run, candidate: Candidate, sink: Sink) -> Failure | None:
    """One try at one candidate: None when it answered to its end (or was cancelled for the caller's leaving)."""
    provider = run.market.providers[candidate.endpoint.provider]
    request = build_request(provider, candidate, run, _credential(gateway, candidate))
    with gateway.client.call(request, provider.deadlines if run.streamed else provider.deadlines_whole) as call:
        run.call = call
        try:
            await call.start()
            failure = await _read(gateway, run, candidate, call, sink)
            if failure is not None:
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


async def _read(gateway: Gateway, run: Run, candidate: Candidate, call: Call, sink: Sink) -> Failure | None:
    wire = CLIENTS[candidate.endpoint.wire_format]
    if call.status != 200:
        body = await call.read()
        rejection = wire.decode_error(call.status, call.header, body, now_s=gateway.now_ms() / 1000)
        outcome = outcome_of_status(call.status)
        told = scrub(rejection.message, _credential(gateway, candidate))
        return Failure(outcome, told, call.status, rejection.code, rejection.retry_after_s)
    content_type = (call.header("content-type") or "").lower()
    if content_type.startswith("text/html"):
        return Failure(Outcome.PROVIDER_ERROR, "it answered with a web page", call.status)
    run.accepted = True
    # Some servers stream as text/plain, or say nothing; only who says JSON has not heard that a stream was asked for.
    if run.streamed and (content_type.startswith(wire.STREAM_TYPE) or not content_type.startswith("application/json")):
        return await _read_stream(gateway, run, candidate, call, sink)
    whole = wire.decode_answer(await call.read())
    if isinstance(whole, Failed):
        run.accepted = False
        return _failure_of(whole, _credential(gateway, candidate))
    run.first_event_s = gateway.loop.time()
    return await _take_whole(run, candidate, whole, sink)


async def _take_whole(run: Run, candidate: Candidate, whole: Answer, sink: Sink) -> Failure | None:
    """An answer that came in one piece; for a caller who wants a stream it is taken apart."""
    if not whole.choices:
        return Failure(Outcome.PROVIDER_ERROR, "it answered without choices")
    run.usage, run.upstream_id, run.answer, run.finished = whole.usage, whole.upstream_id, whole, True
    for choice in whole.choices:
        run.text += [choice.text or "", choice.reasoning or "", *(call.arguments for call in choice.tool_calls)]
    run.text_size = sum(map(len, run.text))
    first = whole.choices[0]
    run.finish_reason, run.native_finish_reason = first.finish_reason, first.native_finish_reason
    if run.streamed and not run.left:
        run.committed = True
        await sink.send(candidate, expand(whole))
    return None


async def _read_stream(gateway: Gateway, run: Run, candidate: Candidate, call: Call, sink: Sink) -> Failure | None:
    decoder = CLIENTS[candidate.endpoint.wire_format].EventDecoder()
    loop = gateway.loop
    meter = _Cut(run, candidate, gateway)
    patient = False
    while not decoder.saw_done:
        data = await call.chunk()
        events = decoder.feed(data) if data else decoder.end()
        content = _take(run, events)
        if isinstance(content, Failed):
            if run.committed and not run.left:
                await sink.send(candidate, events[:-1])
            return _failure_of(content, _credential(gateway, candidate))
        if content:
            call.progress()
            if run.first_event_s is None:
                run.first_event_s = loop.time()
            if meter.reached():
                events = [event for event in events if type(event) is not Finished]
                run.finish_reason, run.native_finish_reason, run.finished = "length", None, True
                events.append(Finished("length", None))
                run.usage = None
            if not run.left:
                run.committed = True
                await sink.send(candidate, events)
            if meter.cut:
                call.abort()
                return None
        if not data:
            break
        if run.finished and not patient and not decoder.saw_done:
            patient = True
            _abort_after(AFTER_FINISH_S, run, call, loop)
    if run.finish_reason is None or not (run.finished or decoder.saw_done):
        return Failure(Outcome.PROVIDER_ERROR, "its answer broke off without a finish reason")
    run.finished = True
    if decoder.saw_done and not call.complete:
        # The end of the body is missing, with which the connection can be used again; and maybe usage (FAULTS.md U-18).
        _abort_after(AFTER_FINISH_S if run.usage is None else AFTER_DONE_S, run, call, loop)
        while data := await call.chunk():
            _take(run, [event for event in decoder.feed(data) if isinstance(event, UsageReported)])
    return None


def _take(run: Run, events: Sequence[Event]) -> bool | Failed:
    """Reads events into the run. True: something to write; False: nothing yet; Failed: the provider's error."""
    content = False
    for event in events:
        if isinstance(event, TextDelta):
            run.text.append(event.text)
            run.text_size += len(event.text)
            content = True
        elif isinstance(event, Finished):
            run.choices_left -= 1
            if run.finish_reason is None:
                run.finish_reason, run.native_finish_reason = event.reason, event.native
            run.finished = run.choices_left <= 0
            content = True
        elif isinstance(event, UsageReported):
            run.usage = event.usage
        elif isinstance(event, Started):
            run.upstream_id = event.upstream_id
        elif isinstance(event, Failed):
            return event
        else:
            content = True
            _take_other(run, event)
    return content


def _take_other(run: Run, event: Event) -> None:
    match event:
        case ReasoningDelta(text=str(text)) | RefusalDelta(text=text):
            run.text.append(text)
            run.text_size += len(text)
        case ToolCallDelta(name=name, arguments=text):
            run.text.append(f"{name or ''}{text}")
            run.text_size += len(text) + 1
        case _:
            run.text_size += 1


class _Cut:
    """Watches for a provider that goes on past max_tokens: it is cut where the hold ends (FAULTS.md U-32)."""

    def __init__(self, run: Run, candidate: Candidate, gateway: Gateway) -> None:
        asked = candidate.max_tokens or candidate.endpoint.output_tokens_max or candidate.endpoint.context_tokens
        self._tokens_max = asked * (run.request.n or 1)
        self._run = run
        self._gateway = gateway
        self._check_at = self._tokens_max * BYTES_PER_TOKEN_LIKELY
        self.cut = False

    def reached(self) -> bool:
        if self._run.text_size < self._check_at or self._run.finished:
            return False
        tokens = self._gateway.tokenizer().count("".join(self._run.text))
        limit = self._tokens_max * 1.25 + 64
        self.cut = tokens > limit
        # Characters that the tokens left can't be fewer than: a few looks, each nearer, and the cut comes in time.
        self._check_at = self._run.text_size + max(32, int(limit - tokens) * BYTES_PER_TOKEN_LIKELY)
        return self.cut


def _caller_left(gateway: Gateway, run: Run, loop: asyncio.AbstractEventLoop) -> None:
    """The caller disconnected: cancel upstream where that stops the bill, else read on, bounded (MONEY.md's table)."""
    run.left = True
    call, candidate = run.call, run.candidate
    if call is None or candidate is None or run.finished:
        return
    cancels = run.market.providers[candidate.endpoint.provider].quirks.cancels
    if (run.streamed and (cancels or not run.accepted)) or (not run.streamed and not call.sent):
        run.cancelled = True
        call.abort()
    else:
        run.timer = loop.call_later(DRAIN_MAX_S, _drained_enough, run, call)


def _abort_after(delay_s: float, run: Run, call: Call, loop: asyncio.AbstractEventLoop) -> None:
    """In place of the timer that runs, which `_attempt` stops at its end: one that is left would keep the run alive."""
    if run.timer is not None:
        run.timer.cancel()
    run.timer = loop.call_later(delay_s, call.abort)


def _drained_enough(run: Run, call: Call) -> None:
    """The drain's time is over: what was received by now is what is billed."""
    if run.call is call:
        run.cancelled = True
        call.abort()


def build_request(provider: Provider, candidate: Candidate, run: Run, credential: str) -> HttpRequest:
    """The HTTP request for this candidate."""
    endpoint, request = candidate.endpoint, run.request
    wire = CLIENTS[endpoint.wire_format]
    body = wire.encode_request(
        request,
        upstream_model=endpoint.upstream_model,
        max_tokens=candidate.max_tokens,
        stream=run.streamed,
        parameters=endpoint.parameters,
        quirks=provider.quirks,
        user_id=_user_id(run) if request.user else None,
        same_format=run.origin.wire_format is endpoint.wire_format,
    )
    headers = (("content-type", "application/json"), *wire.HEADERS, *provider.auth(credential))
    url = provider.base_url + wire.path(endpoint.upstream_model, run.streamed)
    return HttpRequest("POST", url, headers, body)


def _user_id(run: Run) -> str:
    """An end user's id, hashed with the workspace's: never forwarded raw (OPENROUTER.md 3.1)."""
    return hashlib.sha256(f"{run.caller.workspace_id}\n{run.request.user}".encode()).hexdigest()[:32]


def _failure_of(failed: Failed, credential: str) -> Failure:
    """An error that came inside a 200 counts like its status."""
    return Failure(outcome_of_status(failed.status), scrub(failed.message, credential), failed.status, failed.code)


def _credential(gateway: Gateway, candidate: Candidate) -> str:
    return gateway.credentials.get(candidate.endpoint.provider, "")


def _error_mid_answer(failure: Failure, candidate: Candidate) -> TollwayError:
    kind: Callable[..., TollwayError] = UpstreamTimedOut if failure.outcome is Outcome.TIMED_OUT else UpstreamFailed
    told = "refused our credential" if failure.outcome is Outcome.CREDENTIAL_REJECTED else failure.message.rstrip(".")
    return kind(
        f"The provider failed in the middle of its answer: {told}. You are not charged for it.",
        metadata={"provider_name": candidate.endpoint.provider},
    )


def _observe(
    gateway: Gateway, run: Run, candidate: Candidate, failure: Failure | None, began_s: float, now_s: float
) -> None:
    """Writes the attempt down, and tells health what became of it."""
    first_s = run.first_event_s if failure is None and run.first_event_s else now_s
    outcome = failure.outcome if failure else Outcome.CANCELLED if run.cancelled else Outcome.SUCCEEDED
    run.attempts.append(
        Attempt(
            endpoint_id=candidate.endpoint.id,
            provider=candidate.endpoint.provider,
            outcome=outcome,
            status=failure.status if failure else 200 if run.accepted else None,
            latency_ms=int((first_s - began_s) * 1000),
            upstream_id=run.upstream_id,
            message=failure.message[:500] if failure else "",
        )
    )
    gateway.health.observe(candidate.endpoint.id, outcome, now_s, failure.retry_after_s if failure else None)
