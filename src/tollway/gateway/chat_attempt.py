"""One try of a chat at one candidate: its request out, its answer in."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tollway.domain.catalog import Endpoint, WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.events import (
    CONTENT,
    Answer,
    Choice,
    Event,
    Failed,
    Finished,
    NativeFields,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from tollway.domain.health import Outcome
from tollway.domain.http import JSON, HttpRequest
from tollway.domain.routing import Candidate
from tollway.gateway.access_tokens import NoToken
from tollway.gateway.base import Gateway
from tollway.gateway.execute import (
    call_provider,
    failure_of,
    opened_for,
    rejected,
    user_id_of,
    without_token,
)
from tollway.gateway.inline import request_for
from tollway.gateway.run import BYTES_PER_TOKEN_LIKELY, ChatRun, Run
from tollway.gateway.sink import ContentSink
from tollway.providers import Provider, signed
from tollway.routing.fallback import (
    Failure,
)
from tollway.routing.market import Market
from tollway.routing.provider_names import means
from tollway.upstream.call import Call
from tollway.upstream.fetch import FetchFailed
from tollway.wire import think_tags
from tollway.wire.expand import expand
from tollway.wire.formats import CLIENTS, StreamDecoder
from tollway.wire.free_text import FreeTextDecoder, custom_names, with_free_text
from tollway.wire.model_name import with_model
from tollway.wire.provider_options import with_options
from tollway.wire.reasoning_budget import thinking
from tollway.wire.withheld import whole_without_reasoning, without_reasoning

AFTER_FINISH_S = 2.0
"""How long we wait for usage after the finish reason (FAULTS.md U-18)."""
AFTER_DONE_S = 0.05
"""How long we wait for the end of the body after `[DONE]`."""


async def attempt_chat(gateway: Gateway, run: ChatRun, candidate: Candidate, sink: ContentSink) -> Failure | None:
    """One try of a chat at one candidate."""
    try:
        provider, secret = opened_for(gateway, run, candidate)
        credential = secret
        asked = run.request
        if run.has_parts:
            asked = await request_for(run, candidate.endpoint.wire_format, provider.quirks, gateway.fetcher)
        if provider.exchange is not None:
            credential = await gateway.tokens.for_provider(provider, secret)
    except FetchFailed as failed:
        return Failure(Outcome.INPUT_UNAVAILABLE, str(failed))
    except NoToken as fault:
        return without_token(fault)
    if run.left:
        run.cancelled = True
        return None
    request = build_request(provider, candidate, run, asked, credential, gateway.now_ms() / 1000)
    debug = run.request.debug
    if debug is not None and debug.echo_upstream_body and run.streamed:
        run.echo(request.body, credential)
    return await call_provider(gateway, run, candidate, sink, request, (secret, credential), _read)


async def _read(gateway: Gateway, run: ChatRun, candidate: Candidate, call: Call, sink: ContentSink) -> Failure | None:
    wire = CLIENTS[candidate.endpoint.wire_format]
    if call.status != 200:
        return await rejected(gateway, call, wire.decode_error)
    content_type = (call.header("content-type") or "").lower()
    if content_type.startswith("text/html"):
        return Failure(Outcome.PROVIDER_ERROR, "it answered with a web page", call.status)
    run.accepted = True
    # Some servers stream as text/plain, or say nothing; only who says JSON has not heard that a stream was asked for.
    if run.streamed and (content_type.startswith(wire.STREAM_TYPE) or not content_type.startswith("application/json")):
        return await _read_stream(gateway, run, candidate, call, sink)
    whole = wire.decode_answer(call.taken() if call.complete else await call.read())
    if isinstance(whole, Failed):
        run.accepted = False
        return failure_of(whole)
    if run.request.tools and (names := custom_names(run.request)):
        whole = with_free_text(whole, names)
    run.first_event_s = gateway.loop.time()
    if not whole.choices:
        return Failure(Outcome.PROVIDER_ERROR, "it answered without choices")
    whole = _take_whole(run, candidate, whole)
    if run.streamed and not run.left:
        run.committed = True
        await sink.send(candidate, run.with_kept(expand(whole)))
    return None


def _take_whole(run: ChatRun, candidate: Candidate, whole: Answer) -> Answer:
    """Reads an answer that came in one piece into the run; what of it is for the caller."""
    if _may_have_tags(candidate):
        whole = think_tags.whole(whole)
    run.usage, run.upstream_id, run.finished = whole.usage, whole.upstream_id, True
    for choice in whole.choices:
        text, thoughts = choice.text or "", choice.reasoning or ""
        run.text += (text, thoughts)
        run.text_size += len(text) + len(thoughts)
        if choice.tool_calls:
            _take_calls(run, choice)
    if run.hides_reasoning and run.takes_reasoning_out:
        whole = whole_without_reasoning(whole, keeps_seals=run.keeps_seals)
    run.answer = whole
    first = whole.choices[0]
    run.finish_reason, run.native_finish_reason = first.finish_reason, first.native_finish_reason
    return whole


def _take_calls(run: ChatRun, choice: Choice) -> None:
    said = [call.arguments for call in choice.tool_calls]
    run.text += said
    run.text_size += sum(map(len, said))
    run.calls, run.called = run.calls or {}, run.called or set()
    for index, call in enumerate(choice.tool_calls):
        if not call.custom:
            run.calls[choice.index, index] = [call.arguments]
            run.called.add(call.name)


def _may_have_tags(candidate: Candidate) -> bool:
    """Whether an endpoint may send its model's thoughts inside the text."""
    endpoint = candidate.endpoint
    return endpoint.wire_format is WireFormat.OPENAI_CHAT and "reasoning" in endpoint.parameters


async def _read_stream(
    gateway: Gateway, run: ChatRun, candidate: Candidate, call: Call, sink: ContentSink
) -> Failure | None:
    decoder: StreamDecoder = CLIENTS[candidate.endpoint.wire_format].EventDecoder()
    if names := custom_names(run.request):
        decoder = FreeTextDecoder(decoder, names)
    loop = gateway.loop
    meter = _Cut(run, candidate, gateway)
    tags = think_tags.ThinkTags(run.request.n or 1) if _may_have_tags(candidate) else None
    patient = False
    while not decoder.saw_done:
        data = await call.chunk()
        events = decoder.feed(data) if data else decoder.end()
        if tags is not None:
            events = tags.take(events)
            tags = None if tags.is_done else tags
        content = _take(run, events)
        if run.keeping is not None:
            run.hear(events)
        if isinstance(content, Failed):
            if run.committed and not run.left and (shown := _shown(run, events[:-1])):
                await sink.send(candidate, shown)
            return failure_of(content)
        if content:
            call.progress()
            if run.first_event_s is None:
                run.first_event_s = loop.time()
                if gateway.health.has_down:
                    gateway.health.heard(candidate.endpoint.id, call.started_s, run.first_event_s, run.key)
            if meter.reached():
                events = [event for event in events if type(event) is not Finished]
                run.finish_reason, run.native_finish_reason, run.finished = "length", None, True
                events.append(Finished("length", None))
                run.usage = None
            if not run.left and (shown := _shown(run, events)):
                run.committed = True
                await sink.send(candidate, shown)
            if meter.cut:
                call.abort()
                return None
        else:
            run.keep(events)
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
            _take(run, run.late(decoder.feed(data)))
    if run.about and not run.left:
        await sink.send(candidate, run.about)
    return None


def _shown(run: ChatRun, events: Sequence[Event]) -> Sequence[Event]:
    """What of content goes to the caller now; what he does not want to see commits nobody."""
    if run.about:
        events = run.with_kept(events)
    if run.hides_reasoning and run.takes_reasoning_out:
        events = without_reasoning(events, keeps_seals=run.keeps_seals)
        if not any(isinstance(event, (*CONTENT, Finished)) for event in events):
            run.keep(events)
            return ()
    return events


def _take(run: ChatRun, events: Sequence[Event]) -> bool | Failed:
    """Reads events into the run. True: something to write; False: nothing yet; Failed: the provider's error."""
    content = False
    for event in events:
        if type(event) is TextDelta:
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
        elif isinstance(event, Started | NativeFields):
            run.upstream_id = getattr(event, "upstream_id", None) or run.upstream_id
        elif isinstance(event, Failed):
            return event
        else:
            content = True
            _take_other(run, event)
    return content


def _take_other(run: ChatRun, event: Event) -> None:
    match event:
        case ReasoningDelta(text=str(text)) | RefusalDelta(text=text):
            run.text.append(text)
            run.text_size += len(text)
        case ToolCallDelta(name=name, arguments=text):
            if not event.custom:
                run.calls, run.called = run.calls or {}, run.called or set()
                pieces = run.calls.setdefault((event.choice, event.index), [])
                if name is not None and not pieces:
                    run.called.add(name)
                pieces.append(text)
            run.text.append(f"{name or ''}{text}")
            run.text_size += len(text) + 1
        case _:
            run.text_size += 1


class _Cut:
    """Watches for a provider that goes on past max_tokens: it is cut where the hold ends (FAULTS.md U-32)."""

    def __init__(self, run: ChatRun, candidate: Candidate, gateway: Gateway) -> None:
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


def _abort_after(delay_s: float, run: Run, call: Call, loop: asyncio.AbstractEventLoop) -> None:
    """In place of the timer that runs, which ends with the call: one that is left would keep the run alive."""
    if run.timer is not None:
        run.timer.cancel()
    run.timer = loop.call_later(delay_s, call.abort)


def _with_options(
    body: bytes, endpoint: Endpoint, options: Mapping[str, Mapping[str, Any]], market: Market, provider: Provider
) -> bytes:
    """`provider.options`: only the entries that name the candidate's provider are sent (OPENROUTER.md, section 4)."""
    for name, said in options.items():
        if means(market.names.meant, endpoint, (name.lower(),)):
            body = with_options(body, endpoint.wire_format, said, provider.quirks.drop)
    return body


def build_request(
    provider: Provider, candidate: Candidate, run: Run, request: ChatRequest, credential: str, now_s: float
) -> HttpRequest:
    """The HTTP request for this candidate."""
    endpoint = candidate.endpoint
    wire = CLIENTS[endpoint.wire_format]
    if candidate.thinks:
        request = thinking(request)
    body = wire.encode_request(
        request,
        upstream_model=endpoint.upstream_model,
        max_tokens=candidate.max_tokens,
        stream=run.streamed,
        parameters=endpoint.parameters,
        quirks=provider.quirks,
        user_id=user_id_of(run) if request.user else None,
        same_format=run.origin.wire_format is endpoint.wire_format,
    )
    if request.provider is not None and request.provider.options:
        body = _with_options(body, endpoint, request.provider.options, run.market, provider)
    if provider.deployments and (deployment := provider.deployment_of(endpoint)) is not None:
        body = with_model(body, deployment.name)
    headers = JSON + wire.HEADERS
    if run.origin.betas and endpoint.wire_format is WireFormat.ANTHROPIC_MESSAGES:
        headers = (*headers, ("anthropic-beta", ",".join(run.origin.betas)))
    url = provider.url_of(endpoint, wire.path, stream=run.streamed)
    return signed(HttpRequest("POST", url, headers, body), provider.auth, credential, now_s)
