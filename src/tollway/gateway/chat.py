"""One chat request, from start to end: the table of contents of the gateway."""

from functools import partial

from msgspec import structs

from tollway.domain.chat import ChatRequest
from tollway.domain.content_filters import Finding
from tollway.domain.identity import Caller
from tollway.gateway.admit import open_book, plan_by_bytes, plan_by_count
from tollway.gateway.auto import routed
from tollway.gateway.base import Gateway
from tollway.gateway.chat_attempt import attempt_chat
from tollway.gateway.entrance import enter, meets_no_limit
from tollway.gateway.filtering import filtered
from tollway.gateway.run import ChatRun, Origin
from tollway.gateway.serve import serve
from tollway.gateway.settled import settle
from tollway.gateway.sink import NO_LIMITS, Sink
from tollway.routing.market import Market
from tollway.routing.unbuilt import refuse_unbuilt
from tollway.routing.usual import is_usual


async def complete(
    gateway: Gateway,
    caller: Caller,
    request: ChatRequest,
    body_bytes: int,
    origin: Origin,
    sink: Sink,
    market: Market | None = None,
) -> None:
    """Answers one request into `sink`. TollwayError: it was not admitted, and nothing was written or charged.

    `market`: where only some models are sold, at prices of their own; by default the market of the caller's workspace.
    """
    started_s = gateway.loop.time()
    key, rpm_cap, choice = caller.key, None, None
    standing, usual = key.standing, is_usual(request)
    if standing is not None or not usual:
        find = partial(gateway.presets.find, key.workspace_id)
        request, body_bytes = await settle(
            request, body_bytes, standing=standing, find_preset=find, default_model=gateway.default_model
        )
        refuse_unbuilt(request)
    book = await open_book(gateway, key)
    if not usual:
        request, choice = routed(gateway, request, body_bytes, key.workspace_id, standing)
    if request.routing is not None:
        rpm_cap = request.routing.rpm_cap
    if usual and rpm_cap is None and meets_no_limit(gateway, caller):
        entry = None
    else:
        entry = await enter(gateway, caller, request, body_bytes, book, rpm_cap)
    try:
        keeping, own_keys = None, market is None
        findings: tuple[Finding, ...] = ()
        if standing is not None:
            request, body_bytes, findings = await filtered(gateway, request, body_bytes, standing)
            keeping = gateway.keeping(key, request.provider, sold_apart=market is not None)
        if market is None:
            market = gateway.market_of(key.workspace_id, key.id, shared=keeping is not None and keeping.shared)
        plan, prompt_tokens = plan_by_bytes(gateway, market, request, body_bytes, book, key, own_keys)
        if not plan.candidates:
            plan, prompt_tokens = await plan_by_count(plan, gateway, market, request, body_bytes, book, key, own_keys)
        if choice is not None:
            plan = structs.replace(plan, routed=choice)
        # By place: a class is called with names at the price of two dicts.
        run = ChatRun(caller, request, plan, market, origin, gateway.now_ms(), started_s, prompt_tokens)
        if standing is not None:
            run.keeping, run.findings = keeping, findings
        if entry is not None:
            entry.admitted(run)
        await serve(gateway, run, book, sink, attempt_chat, NO_LIMITS if entry is None else entry.headers)
    finally:
        if entry is not None:
            entry.leave()
