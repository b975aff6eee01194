"""Testing a provider of the operator's: the smallest chat, sent to one of its endpoints, and what came back."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from tollway.domain.catalog import Endpoint, Operation, Price, Rates
from tollway.domain.chat import ChatRequest, UserMessage
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.events import Event
from tollway.domain.identity import Caller, Key, KeyKind
from tollway.domain.routing import Candidate, Plan
from tollway.gateway.base import Gateway
from tollway.gateway.chat_attempt import attempt_chat
from tollway.gateway.execute import ask_in_turn
from tollway.gateway.run import ChatRun, Origin
from tollway.telemetry.logs import redacted

TOKENS_MAX = 16
"""The least that every provider takes as a limit."""
PATIENCE_S = 30.0
PROMPT_TOKENS = 8
SAID_MAX = 400
UNPRICED = Price(0, Rates(0, 0), declared_free=True)
"""Nobody is charged, so that what has no price yet can be tried as well."""


class Probe(Struct, frozen=True):
    """What became of the call."""

    works: bool
    endpoint: str
    model: str
    status: int | None
    """None: nobody answered."""
    said: str
    """The beginning of the answer, or the provider's own words of why not, without any key."""
    took_ms: int
    prompt_tokens: int = 0
    completion_tokens: int = 0


async def probe_provider(gateway: Gateway, slug: str, model: str = "") -> Probe:
    """One call, of which no record is made and nobody is charged; its health learns from it, as from any other.

    `model`: by its id, or as the provider calls it; "": the cheapest chat model that it has.
    NotFound: the provider can't be called, or has no such model.
    """
    endpoint = _endpoint(gateway, slug, model.strip())
    offer = gateway.market.offers[endpoint.model_id]
    candidate = Candidate(endpoint, endpoint.price or UNPRICED, 0, TOKENS_MAX)
    request = ChatRequest(model=endpoint.model_id, messages=(UserMessage(content="Hi"),), max_tokens=TOKENS_MAX)
    key = Key("provider-test", b"", "the operator", "test", "test", KeyKind.INFERENCE, gateway.now_ms())
    run = ChatRun(
        Caller(key), request, Plan((offer.model,), (candidate,), ()), gateway.market, Origin("/admin/providers"),
        gateway.now_ms(), gateway.loop.time(), PROMPT_TOKENS,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ask_in_turn(gateway, run, _Nowhere(), attempt_chat)
    except TimeoutError:
        said = f"no answer within {PATIENCE_S:.0f} seconds"
        return Probe(False, endpoint.id, endpoint.model_id, None, said, int(PATIENCE_S * 1000))
    last = run.attempts[-1] if run.attempts else None
    status = last.status if last else None
    if run.error is None:
        said = " ".join("".join(run.text).split())
        usage = run.usage
        tokens = (usage.prompt, usage.completion) if usage else (0, 0)
        return Probe(True, endpoint.id, endpoint.model_id, status, said[:SAID_MAX], run.generation_ms, *tokens)
    said = redacted(last.message if last and last.message else run.error.message)
    return Probe(False, endpoint.id, endpoint.model_id, status, said[:SAID_MAX], run.generation_ms)


def testable(gateway: Gateway, slug: str) -> list[Endpoint]:
    """The chat endpoints of a provider that can be called, priced or not; the cheapest first."""
    if slug not in gateway.market.providers:
        return []
    found = [
        endpoint
        for offer in gateway.market.offers.values()
        if offer.operation is Operation.CHAT
        for endpoint in (*offer.live, *(each.endpoint for each in offer.off if each.rule == "unpriced"))
        if endpoint.provider == slug and "text" in (endpoint.output_modalities or ("text",))
    ]
    return sorted(found, key=lambda each: (each.price is None, each.price.rates.prompt if each.price else 0, each.id))


def _endpoint(gateway: Gateway, slug: str, model: str) -> Endpoint:
    if slug not in gateway.market.providers:
        raise NotFound("This provider can't be called just now: it is switched off, or lacks its key or its address.")
    found = testable(gateway, slug)
    if not found:
        raise InvalidRequest("It has no chat model that could be asked.")
    wanted = [each for each in found if model in ("", each.id, each.model_id, each.upstream_model)]
    if not wanted:
        raise NotFound(f'It has no chat model "{model[:100]}".')
    return wanted[0]


class _Nowhere:
    """Its answer is nobody's."""

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        pass
