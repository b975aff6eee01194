"""Testing a workspace's own key: one real call over it, the smallest that there is, and what came back."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct, structs

from tollway.domain.byok import Credential
from tollway.domain.catalog import Operation
from tollway.domain.chat import ChatRequest, UserMessage
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Event
from tollway.domain.identity import Caller, Key, KeyKind
from tollway.domain.routing import Candidate, Plan
from tollway.gateway.base import Gateway
from tollway.gateway.chat_attempt import attempt_chat
from tollway.gateway.execute import ask_in_turn
from tollway.gateway.run import ChatRun, Origin
from tollway.routing.health import Sight
from tollway.routing.market import Stall
from tollway.routing.own import OwnMarket
from tollway.routing.plan import make_plan
from tollway.telemetry.logs import redacted

TOKENS_MAX = 16
"""The least that every provider takes as a limit."""
PATIENCE_S = 30.0
PROMPT_TOKENS, PROMPT_BOUND = 8, 64
_FREE = 2**62
"""Nobody here is charged for it: the provider bills its own customer."""


class Probed(Struct, frozen=True):
    """What became of the call."""

    works: bool
    model: str
    status: int | None
    """None: nobody answered."""
    said: str
    """The beginning of the answer, or the provider's own words of why not, without any key."""
    took_ms: int


async def probe(gateway: Gateway, credential: Credential) -> Probed:
    """Asks the cheapest chat model that the key serves. No record is made of it, and no fee is taken.

    InvalidRequest: there is none that has a price.
    """
    market = gateway.own.opened((credential,), gateway.market).market
    stall = _cheapest(market)
    if stall is None:
        raise InvalidRequest("There is no chat model with a price that this key serves, so that it can't be tested.")
    model = stall.endpoint.model_id
    request = ChatRequest(model=model, messages=(UserMessage(content="Hi"),), max_tokens=TOKENS_MAX)
    now_s = gateway.loop.time()
    plan = make_plan(
        request,
        market.market,
        prompt_tokens=PROMPT_TOKENS,
        prompt_bound=PROMPT_BOUND,
        available=_FREE,
        sight=Sight(gateway.health, now_s),
        policy=gateway.policy,
        dice=gateway.dice,
    )
    wanted = [each for each in plan.candidates if each.endpoint.id == stall.endpoint.id]
    if not wanted:
        raise InvalidRequest(f"{model} takes no request as small as a test.")
    only = structs.replace(wanted[0], credential=credential, listed_price=market.listed[stall.endpoint.id])
    key = Key("byok-test", b"", credential.workspace_id, "test", "test", KeyKind.INFERENCE, gateway.now_ms())
    run = ChatRun(
        Caller(key), request, Plan(plan.models, (only,), ()), market.market, Origin("/byok"), gateway.now_ms(), now_s,
        PROMPT_TOKENS,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ask_in_turn(gateway, run, _Nowhere(), attempt_chat)
    except TimeoutError:
        return Probed(False, model, None, f"no answer within {PATIENCE_S:.0f} seconds", int(PATIENCE_S * 1000))
    last = run.attempts[-1] if run.attempts else None
    if run.error is None:
        status = last.status if last else None
        return Probed(True, model, status, " ".join("".join(run.text).split())[:120], run.generation_ms)
    said = redacted(last.message if last else run.error.message)
    return Probed(False, model, last.status if last else None, said[:500], run.generation_ms)


def _cheapest(market: OwnMarket) -> Stall | None:
    stalls = [
        stall
        for offer in market.market.offers.values()
        if offer.operation is Operation.CHAT
        for stall in offer.stalls
        if "text" in stall.endpoint.output_modalities
    ]
    return min(stalls, key=lambda stall: (stall.blended, stall.endpoint.id), default=None)


class _Nowhere:
    """Its answer is nobody's."""

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        pass
