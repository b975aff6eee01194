"""One chat request, from start to end: the table of contents of the gateway."""

from msgspec import structs

from tollway.domain.chat import ChatRequest
from tollway.domain.identity import Caller
from tollway.gateway.admit import admit, open_book
from tollway.gateway.auto import routed
from tollway.gateway.base import Gateway
from tollway.gateway.chat_attempt import attempt_chat
from tollway.gateway.entrance import enter
from tollway.gateway.filtering import filtered
from tollway.gateway.run import ChatRun, Origin
from tollway.gateway.serve import serve
from tollway.gateway.settled import settled
from tollway.gateway.sink import Sink
from tollway.routing.market import Market
from tollway.routing.presets import preset_named
from tollway.routing.unbuilt import refuse_unbuilt


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
    key = caller.key
    slug = preset_named(request)
    preset = None if slug is None else await gateway.presets.find(key.workspace_id, slug)
    request, body_bytes = settled(request, body_bytes, preset, key.standing, gateway.default_model)
    refuse_unbuilt(request)
    book = await open_book(gateway, key)
    request, choice = routed(gateway, request, body_bytes, key.workspace_id, key.standing)
    rpm_cap = None if request.routing is None else request.routing.rpm_cap
    with await enter(gateway, caller, request, body_bytes, book, rpm_cap) as entry:
        request, body_bytes, findings = await filtered(gateway, request, body_bytes, key.standing)
        keeping = gateway.keeping(key, request.provider, sold_apart=market is not None)
        own_keys = market is None
        shared = keeping is not None and keeping.shared
        market = market or gateway.market_of(key.workspace_id, key.id, shared=shared)
        plan, prompt_tokens = await admit(gateway, market, request, body_bytes, book, key, own_keys=own_keys)
        if choice is not None:
            plan = structs.replace(plan, routed=choice)
        # By place: a class is called with names at the price of two dicts.
        run = ChatRun(caller, request, plan, market, origin, gateway.now_ms(), started_s, prompt_tokens)
        run.keeping = keeping
        run.findings = findings
        entry.admitted(run)
        await serve(gateway, run, book, sink, attempt_chat, entry.headers)
