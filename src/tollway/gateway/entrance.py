"""The entrance: every limit is asked before a request is planned, and one that is refused afterwards does not count."""

import math
from collections.abc import Mapping

from msgspec import structs

from tollway.billing.ledger import DAY_MS
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import RateLimited
from tollway.domain.identity import Caller, Key
from tollway.domain.money import NANO, Nanodollars
from tollway.domain.plain import PlainRequest
from tollway.domain.routing import Candidate, Plan, Rejection
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.gateway.run import Run
from tollway.gateway.sink import NO_LIMITS
from tollway.limits import Asked, Limits, Short, Taken, credit_rate
from tollway.routing.names import FREE_ROUTERS
from tollway.storage.database import StorageError

BYTES_PER_TOKEN = 4
FREE = ":free"
NS = 10**9
LIMIT_USED_UP = "limit_used_up"
"""The rule by which an endpoint is left out whose model has a limit that is used up."""
NOT_FULL_S = 1.0
"""When to come back where nobody knows when another request ends."""


class Entry:
    """A request is inside. `leave`, whatever becomes of it, gives back what it did not use."""

    __slots__ = ("_gateway", "_run", "_taken", "headers")

    def __init__(self, gateway: Gateway, taken: Taken) -> None:
        self._gateway = gateway
        self._taken = taken
        self._run: Run | None = None
        self.headers = NO_LIMITS
        """What its answer says of the limits that it met."""

    def admitted(self, run: Run) -> None:
        """The request has a plan: it counts as soon as somebody is asked.

        RateLimited: nothing is left of the limit of any model that would be asked. Else those with something left stay.
        """
        taken, gateway = self._taken, self._gateway
        now_ns, now_ms = int(gateway.loop.time() * NS), gateway.now_ms()
        if gateway.limiter.by_model:
            full = taken.full(dict.fromkeys(each.endpoint.model_id for each in run.plan.candidates), now_ns)
            if full:
                run.plan = _without(run.plan, full, gateway, now_ms)
            taken.ask(run.plan.candidates[0].endpoint.model_id, now_ns)
        self._run = run
        if (left := taken.left(now_ns, now_ms)) is not None:
            self.headers = _headers(left.limit, left.remaining, left.reset_ns, now_ms)

    def leave(self) -> None:
        """The request has ended, or was not admitted."""
        taken, gateway = self._taken, self._gateway
        now_ns = int(gateway.loop.time() * NS)
        run = self._run
        if run is None or run.candidate is None:
            taken.undo(now_ns)
            return
        asked = _asked_of(run)
        if gateway.limiter.by_model:
            first = run.plan.candidates[0].endpoint.model_id
            for model in dict.fromkeys(each.endpoint.model_id for each in asked):
                if model != first:
                    taken.ask(model, now_ns)
        usage = run.believable_usage() or run.counted
        tokens = usage.prompt + usage.completion if usage else 0
        taken.end(tokens, now_ns, free=any(each.price.declared_free for each in asked))


def meets_no_limit(gateway: Gateway, caller: Caller) -> bool:
    """Whether a request of his is limited by nothing that it does not name itself: a free model, a ceiling."""
    key = caller.key
    return gateway.limiter.only_free and key.rpm is None and key.workspace_rpm is None and not caller.guest


async def enter(
    gateway: Gateway,
    caller: Caller,
    request: ChatRequest | PlainRequest,
    body_bytes: int,
    book: Book,
    rpm_cap: int | None = None,
) -> Entry | None:
    """Takes of every limit that the request meets; None: there is none.

    RateLimited: one of them is used up, and nothing was taken.
    `rpm_cap`: the caller's own ceiling for the calls of its key that carry it.
    """
    if rpm_cap is None and meets_no_limit(gateway, caller) and not _names_free(request):
        return None
    now_ms = gateway.now_ms()
    asked = await _what_is_asked(gateway, caller, request, body_bytes, book, rpm_cap)
    found = gateway.limiter.take(asked, int(gateway.loop.time() * NS), now_ms)
    if isinstance(found, Short):
        gateway.metrics.limited += 1
        raise refusal(found, now_ms)
    return Entry(gateway, found)


async def would_refuse(
    gateway: Gateway, caller: Caller, request: ChatRequest, body_bytes: int, book: Book
) -> RateLimited | None:
    """What `enter` would say just now; nothing is taken. Limits of single models are asked with the plan, not here."""
    rpm_cap = None if request.routing is None else request.routing.rpm_cap
    asked = await _what_is_asked(gateway, caller, request, body_bytes, book, rpm_cap)
    now_ms, now_ns = gateway.now_ms(), int(gateway.loop.time() * NS)
    found = gateway.limiter.take(asked, now_ns, now_ms)
    if isinstance(found, Short):
        return refusal(found, now_ms)
    found.undo(now_ns)
    return None


async def _what_is_asked(
    gateway: Gateway,
    caller: Caller,
    request: ChatRequest | PlainRequest,
    body_bytes: int,
    book: Book,
    rpm_cap: int | None,
) -> Asked:
    free = _names_free(request)
    daily = gateway.limiter.limits.guest_rpd if caller.guest else 0
    if free and not caller.guest:
        daily = await _free_today(gateway, caller.workspace_id, gateway.now_ms())
    return Asked(
        key_id=caller.key.id,
        workspace_id=caller.workspace_id,
        free=free,
        daily=daily,
        guest=caller.guest,
        visitor=caller.visitor,
        credits=book.available,
        tokens=body_bytes // BYTES_PER_TOKEN + _output_asked(request),
        address=caller.address,
        key_rpm=caller.key.rpm,
        workspace_rpm=caller.key.workspace_rpm,
        rpm_cap=rpm_cap,
    )


async def free_per_day(gateway: Gateway, workspace_id: str) -> int:
    """How many requests of `:free` models the workspace may have in a day; 0: any number."""
    limits = gateway.limiter.limits
    bought = await gateway.books.purchased(workspace_id) if limits.free_rpd else 0
    paid = bool(limits.free_rpd) and bought >= limits.free_paid_credits * NANO
    return limits.free_rpd_paid if paid else limits.free_rpd


async def _free_today(gateway: Gateway, workspace_id: str, now_ms: int) -> int:
    """The same, as far as today's requests make it matter: the database is asked only where that decides."""
    limiter = gateway.limiter
    if limiter.free_days.used(workspace_id, now_ms // DAY_MS) < limiter.limits.free_rpd:
        return limiter.limits.free_rpd
    try:
        return await free_per_day(gateway, workspace_id)
    except StorageError:
        return limiter.limits.free_rpd_paid  # open on purpose: who has bought must not wait for our disk


def shown_rate(limits: Limits, key: Key, credits_: Nanodollars) -> tuple[int, str] | None:
    """The tightest limit of a key's requests, as (requests, interval); None: none is set."""
    counts = key.rpm or limits.key_rpm, key.workspace_rpm or limits.workspace_rpm
    rates = [(count / 60, count, "1m") for count in counts if count]
    if (of_credits := credit_rate(limits, credits_)) is not None:
        rates.append((of_credits.count, of_credits.count, "1s"))
    return min(rates)[1:] if rates else None


def refusal(short: Short, now_ms: int) -> RateLimited:
    """The error for a limit that is used up. Its headers stand in `metadata`, too, as OpenRouter's clients know it."""
    wait_s, when = NOT_FULL_S, "when one of them has ended"
    if short.wait_ns is not None:
        wait_s = short.wait_ns / NS
        when = f"in {math.ceil(wait_s)} s"
    headers = dict(_headers(short.limit, short.remaining, short.reset_ns, now_ms))
    return RateLimited(
        f"Rate limit exceeded: {short.said}. The limit is {short.limit:,}; try again {when}.",
        retry_after_s=wait_s,
        headers=headers,
        metadata={"headers": headers},
    )


def _headers(limit: int, remaining: int, reset_ns: int | None, now_ms: int) -> Mapping[str, str]:
    headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(remaining)}
    if reset_ns is not None:
        headers["X-RateLimit-Reset"] = str(now_ms + math.ceil(reset_ns / 10**6))
    return headers


def _names_free(request: ChatRequest | PlainRequest) -> bool:
    if request.model is not None and (FREE in request.model or request.model in FREE_ROUTERS):
        return True
    return request.models is not None and any(FREE in name or name in FREE_ROUTERS for name in request.models)


def _asked_of(run: Run) -> list[Candidate]:
    """The candidates that a request was sent to, the one that is being asked among them."""
    tried = {each.endpoint_id for each in run.attempts}
    return [each for each in run.plan.candidates if each is run.candidate or each.listed_id in tried]


def _without(plan: Plan, full: Mapping[str, Short], gateway: Gateway, now_ms: int) -> Plan:
    """The plan without models of which nothing is left. RateLimited: all of them; the first to come back is told."""
    kept = tuple([each for each in plan.candidates if each.endpoint.model_id not in full])
    if not kept:
        gateway.metrics.limited += 1
        raise refusal(min(full.values(), key=lambda short: short.wait_ns or 0), now_ms)
    out = [
        Rejection(each.endpoint, LIMIT_USED_UP, f"{short.said}: all {short.limit:,} are used")
        for each in plan.candidates
        if (short := full.get(each.endpoint.model_id)) is not None
    ]
    return structs.replace(plan, candidates=kept, rejections=(*plan.rejections, *out))


def _output_asked(request: ChatRequest | PlainRequest) -> int:
    return (request.output_limit or 0) * (request.n or 1) if isinstance(request, ChatRequest) else 0
