"""One plain request (embeddings, rerank, moderation), from start to end: metered exactly as chat is."""

from collections.abc import Iterator

from msgspec import structs

from tollway.domain.events import Failed
from tollway.domain.http import JSON, HttpRequest
from tollway.domain.identity import Caller
from tollway.domain.plain import EmbeddingAnswer, PlainAnswer, PlainRequest
from tollway.domain.routing import Candidate
from tollway.gateway.access_tokens import NoToken
from tollway.gateway.admit import admit_plain, open_book
from tollway.gateway.base import Gateway
from tollway.gateway.entrance import enter
from tollway.gateway.execute import call_provider, failure_of, opened_for, rejected, user_id_of, without_token
from tollway.gateway.filtering import filtered
from tollway.gateway.run import Origin, PlainRun
from tollway.gateway.serve import serve
from tollway.gateway.sink import NO_LIMITS, ContentSink, Sink
from tollway.providers import Provider, signed
from tollway.routing.defaults import with_preferences
from tollway.routing.fallback import Failure
from tollway.upstream.call import Call
from tollway.wire.formats import PLAIN_CLIENTS, PlainClient
from tollway.wire.model_name import with_model
from tollway.wire.vectors import joined

TOKENS_HEADER = "x-amzn-bedrock-input-token-count"


async def answer(
    gateway: Gateway, caller: Caller, request: PlainRequest, body_bytes: int, origin: Origin, sink: Sink
) -> None:
    """Answers one request into `sink`. TollwayError: it was not admitted, and nothing was written or charged."""
    started_s = gateway.loop.time()
    request = with_preferences(request, caller.key.standing)
    book = await open_book(gateway, caller.key)
    rpm_cap = None if request.routing is None else request.routing.rpm_cap
    entry = await enter(gateway, caller, request, body_bytes, book, rpm_cap)
    try:
        request, body_bytes, findings = await filtered(gateway, request, body_bytes, caller.key.standing)
        keeping = gateway.keeping(caller.key, request.provider)
        market = gateway.market_of(caller.workspace_id, caller.key.id, shared=keeping is not None and keeping.shared)
        plan, prompt_tokens = await admit_plain(gateway, market, request, body_bytes, book, caller.key)
        run = PlainRun(
            caller=caller,
            request=request,
            plan=plan,
            market=market,
            origin=origin,
            created_ms=gateway.now_ms(),
            started_s=started_s,
            prompt_tokens=prompt_tokens,
        )
        run.keeping = keeping
        run.findings = findings
        if entry is not None:
            entry.admitted(run)
        await serve(gateway, run, book, sink, attempt_plain, NO_LIMITS if entry is None else entry.headers)
    finally:
        if entry is not None:
            entry.leave()


async def attempt_plain(gateway: Gateway, run: PlainRun, candidate: Candidate, sink: ContentSink) -> Failure | None:
    """One try at one candidate, in as many calls as its format needs for so many inputs."""
    wire = _client(run, candidate)
    try:
        provider, secret = opened_for(gateway, run, candidate)
        credential = secret
        if provider.exchange is not None:
            credential = await gateway.tokens.for_provider(provider, secret)
    except NoToken as fault:
        return without_token(fault)
    failure = None
    for part in _parts(run.request, wire.inputs_max(candidate.endpoint.upstream_model, provider.quirks)):
        run.asked.append(part)
        request = _http_request(provider, candidate, run, part, credential, gateway.now_ms() / 1000)
        failure = await call_provider(gateway, run, candidate, sink, request, (secret, credential), _read)
        if failure is not None or run.cancelled:
            break
    if run.answers:
        whole = _whole(run.answers)
        run.usage, run.upstream_id = whole.usage, whole.upstream_id
        if len(run.answers) == len(run.asked):
            run.answer, run.finished, run.finish_reason = whole, True, "stop"
    return failure


async def _read(gateway: Gateway, run: PlainRun, candidate: Candidate, call: Call, sink: ContentSink) -> Failure | None:
    wire, endpoint = _client(run, candidate), candidate.endpoint
    if call.status != 200:
        return await rejected(gateway, call, wire.decode_error)
    body = await call.read()
    read = wire.decode_answer(body, run.asked[-1], endpoint.upstream_model, call.header(TOKENS_HEADER))
    if isinstance(read, Failed):
        return failure_of(read)
    run.accepted = True
    if run.first_event_s is None:
        run.first_event_s = gateway.loop.time()
    run.answers.append(read)
    return None


def _client(run: PlainRun, candidate: Candidate) -> PlainClient:
    return PLAIN_CLIENTS[run.request.operation][candidate.endpoint.wire_format]


def _parts(request: PlainRequest, inputs_max: int | None) -> Iterator[PlainRequest]:
    """The request, in parts of as many inputs as one call may have."""
    if inputs_max is None or len(request.inputs) <= inputs_max:
        yield request
        return
    for start in range(0, len(request.inputs), inputs_max):
        yield structs.replace(request, inputs=request.inputs[start : start + inputs_max])


def _whole(answers: list[PlainAnswer]) -> PlainAnswer:
    """The answers to the parts as one; only embeddings are ever asked for in parts."""
    vectors = [each for each in answers if isinstance(each, EmbeddingAnswer)]
    return joined(vectors) if len(vectors) > 1 else answers[0]


def _http_request(
    provider: Provider, candidate: Candidate, run: PlainRun, part: PlainRequest, credential: str, now_s: float
) -> HttpRequest:
    endpoint, wire = candidate.endpoint, _client(run, candidate)
    body = wire.encode_request(
        part,
        upstream_model=endpoint.upstream_model,
        quirks=provider.quirks,
        user_id=user_id_of(run) if part.user else None,
        same_format=run.origin.wire_format is endpoint.wire_format,
    )
    if (deployment := provider.deployment_of(endpoint)) is not None:
        body = with_model(body, deployment.name)
    headers = JSON + wire.HEADERS
    url = provider.plain_url_of(endpoint, lambda name: wire.path(name, part, provider.quirks))
    return signed(HttpRequest("POST", url, headers, body), provider.auth, credential, now_s)
