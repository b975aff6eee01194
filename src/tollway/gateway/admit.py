"""Admission: is there money, and does the plan fit it; the prompt is bounded cheaply, and counted only if need be."""

from collections.abc import Mapping
from typing import Any

import structlog

from tollway.billing.ledger import Budget
from tollway.billing.tokens import (
    count_inputs,
    count_prompt,
    inline_characters,
    media_tokens,
    search_units_bound,
    text_bytes,
)
from tollway.domain.budgets import Scope
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import Forbidden, PaymentRequired, TollwayError, Unavailable
from tollway.domain.identity import Key
from tollway.domain.money import nanodollars_to_text
from tollway.domain.plain import EmbeddingRequest, PlainRequest, RerankRequest
from tollway.domain.routing import Plan
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.routing.health import Sight
from tollway.routing.market import Market
from tollway.routing.own import Given, plan_with
from tollway.routing.plan import is_by_bound, make_plan, refuse
from tollway.routing.rules import CONTEXT
from tollway.routing.sticky import cached_models, conversation_of
from tollway.storage.database import StorageError

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN = 4
TOOL_PROMPT_TOKENS = 512
"""What a provider itself says to a model about tools, and bills: up to 346 tokens (Anthropic, "Pricing", tool use)."""
COUNTED_MARGIN = 1.3
"""Other tokenizers need up to this many times the tokens of ours (MONEY.md, How much is held)."""
RAISE = "Who manages the workspace can raise it."
NOWHERE: Mapping[str, str] = {}
"""Where no conversation has a prompt cache."""
SPECIAL_TOKENS = 4
"""What models put around each input, and providers bill: BERT's family two (`[CLS]`, `[SEP]`)."""


async def open_book(gateway: Gateway, key: Key) -> Book:
    """The key's money, from memory if it was used before. PaymentRequired: its limit is spent. Forbidden: a budget is.

    Unavailable: it can't be read, or nothing can be charged just now.
    """
    if not gateway.accepting:
        raise Unavailable("The server is shutting down; send the request again.", retry_after_s=2)
    if gateway.committer.doubtful:
        raise Unavailable("The database does not answer, so nothing can be charged; try again.", retry_after_s=5)
    book = gateway.books.get(key)
    has_own = key.standing is not None and bool(key.standing.own)
    if book is None or has_own:
        try:
            book = book or await gateway.books.open(key)
            if has_own:
                await gateway.own.allowance.open(key.workspace_id, gateway.now_ms())
        except StorageError as error:
            log.error("a key's money could not be read", error=str(error))
            told = "The database does not answer, so what this key may spend is not known; try again."
            raise Unavailable(told, retry_after_s=2) from None
    if (now_ms := gateway.now_ms()) >= book.rolls_ms:
        book.roll(now_ms)
    if book.meter.limit is not None and book.meter.spent >= book.meter.limit:
        raise PaymentRequired(
            f"This key's limit of ${nanodollars_to_text(book.meter.limit)} is spent. Raise it, or use another key."
        )
    for budget in book.budgets:
        if budget.available == 0:
            whose = budget.whose[0].upper() + budget.whose[1:]
            raise Forbidden(f"{whose} is spent. {RAISE}", metadata=_of_budget(budget))
    return book


def plan_by_bytes(
    gateway: Gateway, market: Market, request: ChatRequest, body_bytes: int, book: Book, key: Key, own_keys: bool
) -> tuple[Plan, int]:
    """The plan, and the prompt's estimated tokens; without candidates `plan_by_count` has the last word.

    The bound of the prompt is its bytes (a token is at least one); media by their caps. `own_keys`: whether the
    workspace's own credentials may answer.
    """
    estimate, extra = by_bytes(request, body_bytes)
    kept = kept_for(gateway, request, key.workspace_id) if gateway.sticky.conversations else NOWHERE
    return _plan(gateway, market, request, estimate, body_bytes + extra, book, key, kept, own_keys=own_keys), estimate


async def plan_by_count(
    plan: Plan,
    gateway: Gateway,
    market: Market,
    request: ChatRequest,
    body_bytes: int,
    book: Book,
    key: Key,
    own_keys: bool,
) -> tuple[Plan, int]:
    """The same, where the plan by bytes has no candidates. TollwayError: nothing fits, with the reasons.

    Only where the prompt's bytes do not fit the money, a cap on prices, or every context, it is counted, off the event
    loop.
    """
    estimate, extra = by_bytes(request, body_bytes)
    bound = body_bytes + extra
    by_money = _may_fit_counted(plan)
    # Who has nothing may not make us count 20 MB, either.
    if book.available > 0 and (by_money or _may_be_shorter(plan, estimate)):
        kept = kept_for(gateway, request, key.workspace_id)
        estimate = await gateway.loop.run_in_executor(None, lambda: count_prompt(gateway.tokenizer(), request))
        bound = by_count(estimate, extra) if by_money else bound
        plan = _plan(gateway, market, request, estimate, bound, book, key, kept, own_keys=own_keys)
    if not plan.candidates:
        raise _refusal(plan, estimate, bound, max(request.n or 1, request.best_of or 1), book)
    return plan, estimate


def _may_fit_counted(plan: Plan) -> bool:
    return any(is_by_bound(each.rule, each.endpoint.price) for each in plan.rejections)


def _may_be_shorter(plan: Plan, estimate: int) -> bool:
    """Whether the prompt may fit a context after all: words of eight letters are half as many tokens as estimated."""
    return any(each.rule == CONTEXT and estimate < 2 * each.endpoint.context_tokens for each in plan.rejections)


def by_bytes(request: ChatRequest, body_bytes: int) -> tuple[int, int]:
    """The tokens of the text, estimated by its bytes; and the tokens that may come besides what can be counted."""
    media = media_tokens(request)
    own = TOOL_PROMPT_TOKENS if request.tools or request.functions else 0
    of_text = max(0, body_bytes - inline_characters(request)) if media else body_bytes
    return of_text // BYTES_PER_TOKEN, media + own


def by_count(counted: int, extra: int) -> int:
    """The bound of a prompt that our tokenizer has counted."""
    return int(counted * COUNTED_MARGIN) + 1 + extra


def kept_for(gateway: Gateway, request: ChatRequest, workspace_id: str) -> Mapping[str, str]:
    """Where the conversation's prompt cache is, for models that have one."""
    models = cached_models(request, gateway.market)
    if not models:
        return NOWHERE
    conversation, _ = conversation_of(request, workspace_id)
    return gateway.sticky.kept(conversation, models, gateway.loop.time())


async def admit_plain(
    gateway: Gateway, market: Market, request: PlainRequest, body_bytes: int, book: Book, key: Key
) -> tuple[Plan, int]:
    """As `plan_by_bytes`, and where need be by a count.

    What must fit into a context is the longest input: each is read alone, and what may be cut fits.
    """
    media = media_tokens(request)
    again = len(request.query.encode()) * (len(request.inputs) - 1) if isinstance(request, RerankRequest) else 0
    bound = body_bytes + again + media
    longest = 0
    if isinstance(request, EmbeddingRequest) and request.truncate is None:
        longest = max(map(text_bytes, request.inputs)) // BYTES_PER_TOKEN
    estimate = (body_bytes + again) // BYTES_PER_TOKEN
    plan = _plan(gateway, market, request, longest, bound, book, key, {}, search_units_bound(request))
    if not plan.candidates and _may_fit_counted(plan) and book.available > 0:
        estimate = await gateway.loop.run_in_executor(None, lambda: count_inputs(gateway.tokenizer(), request))
        bound = int(estimate * COUNTED_MARGIN) + SPECIAL_TOKENS * len(request.inputs) + media
        plan = _plan(gateway, market, request, longest, bound, book, key, {}, search_units_bound(request))
    if not plan.candidates:
        raise _refusal(plan, longest, bound, 0, book)
    return plan, estimate


def _refusal(plan: Plan, prompt_tokens: int, prompt_bound: int, choices: int, book: Book) -> TollwayError:
    error = refuse(
        plan,
        prompt_tokens=prompt_tokens,
        prompt_bound=prompt_bound,
        choices=choices,
        available=book.available,
        of_key=book.meter.available is not None and book.meter.available < book.lease.available,
    )
    budget = book.tightest() if isinstance(error, PaymentRequired) else None
    if budget is None:
        return error
    usd = nanodollars_to_text(book.available)
    return Forbidden(
        f"This request could cost more than the ${usd} that is left of {budget.whose}. {RAISE}",
        metadata={**(error.metadata or {}), **_of_budget(budget)},
    )


def _of_budget(budget: Budget) -> dict[str, Any]:
    """Which limit it is, as `GET /key` lists it."""
    row = budget.row
    if row is None or row.scope is Scope.WORKSPACE:
        return {"budget_scope": Scope.WORKSPACE.value}
    return {"budget_scope": row.scope.value, "guardrail_id": row.id}


def _plan(
    gateway: Gateway,
    market: Market,
    request: ChatRequest | PlainRequest,
    estimate: int,
    bound: int,
    book: Book,
    key: Key,
    kept: Mapping[str, str],
    requests_bound: int = 1,
    *,
    own_keys: bool = True,
) -> Plan:
    own = None
    if own_keys and key.standing is not None and key.standing.own:
        # The fee is of the list price, whatever the group's is.
        own = gateway.own.of(key, gateway.market, gateway.now_ms(), book.listed_available)
    given: Given = (
        estimate,
        bound,
        book.available,
        Sight(gateway.health, gateway.loop.time()),
        gateway.policy,
        gateway.dice,
        kept,
        requests_bound,
        () if key.standing is None else key.standing.rulings,
    )
    return make_plan(request, market, *given) if own is None else plan_with(own, request, market, given)
