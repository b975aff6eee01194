"""A dry run: the plan for a chat request, made as for the request itself. Nothing is sent, held or charged."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from msgspec import Struct, structs

from tollway.billing.tokens import media_tokens
from tollway.domain.catalog import Endpoint
from tollway.domain.chat import ChatRequest, MaxPrice
from tollway.domain.errors import Forbidden, PaymentRequired, TollwayError
from tollway.domain.identity import Caller
from tollway.domain.money import AMOUNT_MAX
from tollway.domain.standing import Standing
from tollway.gateway.admit import BYTES_PER_TOKEN, by_bytes, by_count, kept_for, open_book
from tollway.gateway.auto import routed
from tollway.gateway.base import Gateway
from tollway.gateway.counts import FREE_BYTES
from tollway.gateway.entrance import would_refuse
from tollway.gateway.filtering import filtered
from tollway.gateway.keyrings import count_of
from tollway.gateway.settled import settle
from tollway.routing.explain import Bench, Explanation, Prompt, explain
from tollway.routing.health import Glance
from tollway.routing.own import Own
from tollway.routing.plan import is_by_bound
from tollway.routing.rules import CONTEXT
from tollway.routing.unbuilt import refuse_unbuilt


class Workspace(Struct, frozen=True):
    """For whom a plan is made: whose presets there are, and what it wants of its requests."""

    id: str
    standing: Standing | None


Count = Callable[[ChatRequest], Awaitable[int]]
"""A request -> its prompt's tokens by our tokenizer, media by their caps."""


async def dry_run(
    gateway: Gateway,
    request: ChatRequest,
    body_bytes: int,
    caps: Sequence[MaxPrice],
    count: Count,
    caller: Caller | None,
    workspace: Workspace,
) -> Explanation:
    """`caller`: whose money, conversations and limits count; None: the operator's, who lacks nothing, asking for
    `workspace`.

    A body of over 256 KiB is not counted but estimated by its bytes. Errors are those of the request itself, but for
    money and limits, which are told with the plan.
    """
    request, body_bytes = await settle(
        request,
        body_bytes,
        standing=workspace.standing,
        find_preset=partial(gateway.presets.find, workspace.id),
        default_model=gateway.default_model,
    )
    refuse_unbuilt(request)
    request, body_bytes, _ = await filtered(gateway, request, body_bytes, workspace.standing)
    prompt = await prompt_of(request, body_bytes, count)
    workspace_id = caller.workspace_id if caller else None
    request, choice = routed(gateway, request, body_bytes, workspace_id, workspace.standing)
    refused: TollwayError | None = None
    money, of_key, kept = AMOUNT_MAX, False, {}
    if caller is not None:
        key = caller.key
        try:
            await open_book(gateway, key)
        except (PaymentRequired, Forbidden) as error:
            refused = error
        book = gateway.books.get(key) or await gateway.books.open(key)
        refused = refused or await would_refuse(gateway, caller, request, body_bytes, book)
        money = book.available
        of_key = book.meter.available is not None and book.meter.available < book.lease.available
        kept = dict(kept_for(gateway, request, key.workspace_id))
    market = gateway.market
    if caller is not None:
        keeping = gateway.keeping(caller.key, request.provider)
        market = gateway.market_of(caller.workspace_id, caller.key.id, shared=keeping is not None and keeping.shared)
    bench = Bench(
        market=market,
        sight=Glance(gateway.health, gateway.loop.time()),
        policy=gateway.policy,
        available=money,
        of_key=of_key,
        kept=kept,
        rulings=workspace.standing.rulings if workspace.standing else (),
        keys=partial(_keys, gateway) if caller is None else None,
        own=_own(gateway, workspace, caller),
    )
    found = explain(request, bench, prompt, caps, refused)
    left_out = found.left_out
    if (
        not found.ranked
        and money > 0
        and any(each.rule == CONTEXT or is_by_bound(each.rule, each.listed.price) for each in left_out)
    ):
        found = explain(request, bench, counted_closely(request, prompt, body_bytes), caps, refused)
    return structs.replace(found, routed=choice)


def _keys(gateway: Gateway, endpoint: Endpoint) -> Sequence[tuple[str, str | None]]:
    count = count_of(gateway, endpoint.id, endpoint.provider)
    return gateway.health.keys(endpoint.id, count, gateway.loop.time()) if count else ()


def _own(gateway: Gateway, workspace: Workspace, caller: Caller | None) -> Own | None:
    """The caller's own keys, with the limits of the key that asks."""
    if workspace.standing is None or not workspace.standing.own:
        return None
    book = gateway.books.get(caller.key) if caller else None
    return gateway.own.opened(
        workspace.standing.own,
        gateway.market,
        book.listed_available if book else None,
        free=gateway.own.allowance.left(workspace.id, gateway.now_ms()) > 0,
    )


async def prompt_of(request: ChatRequest, body_bytes: int, count: Count) -> Prompt:
    """The prompt's tokens, as admission sees them first."""
    estimate, extra = by_bytes(request, body_bytes)
    if body_bytes <= FREE_BYTES:
        counted = await count(request)
    else:
        counted = body_bytes // BYTES_PER_TOKEN + media_tokens(request)
    return Prompt(counted, estimate, body_bytes + extra)


def counted_closely(request: ChatRequest, prompt: Prompt, body_bytes: int) -> Prompt:
    """As admission sees them where the first bound does not fit the money."""
    _, extra = by_bytes(request, body_bytes)
    text = prompt.counted - media_tokens(request)
    return Prompt(prompt.counted, text, by_count(text, extra))
