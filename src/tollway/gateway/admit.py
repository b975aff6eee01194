"""Admission: is there money, and does the plan fit it; the prompt is bounded cheaply, and counted only if need be."""

from tollway.billing.ledger import available
from tollway.billing.tokens import count_prompt, media_tokens
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import PaymentRequired, Unavailable
from tollway.domain.identity import Key
from tollway.domain.money import nanodollars_to_text
from tollway.domain.routing import Plan
from tollway.gateway.base import Gateway
from tollway.gateway.books import Book
from tollway.routing.plan import NOT_AFFORDABLE, make_plan, refuse

BYTES_PER_TOKEN = 4
TOOL_PROMPT_TOKENS = 512
"""What a provider itself says to a model about tools, and bills: up to 346 tokens (Anthropic, "Pricing", tool use)."""
COUNTED_MARGIN = 1.3
"""Other tokenizers need up to this many times the tokens of ours (MONEY.md, How much is held)."""


async def open_book(gateway: Gateway, key: Key) -> Book:
    """The key's money, from memory if it was used before. PaymentRequired: its limit is spent."""
    if not gateway.accepting:
        raise Unavailable("The server is shutting down; send the request again.", retry_after_s=2)
    if not gateway.committer.healthy:
        raise Unavailable("The database does not answer, so nothing can be charged; try again.", retry_after_s=5)
    book = gateway.books.get(key) or await gateway.books.open(key)
    book.meter.roll(gateway.now_ms())
    if book.meter.limit is not None and book.meter.spent >= book.meter.limit:
        raise PaymentRequired(
            f"This key's limit of ${nanodollars_to_text(book.meter.limit)} is spent. Raise it, or use another key."
        )
    return book


async def admit(gateway: Gateway, request: ChatRequest, body_bytes: int, book: Book) -> tuple[Plan, int]:
    """The plan, and the prompt's estimated tokens. TollwayError: nothing fits, with the reasons.

    The bound of the prompt is its bytes (a token is at least one); media by their caps. Only where that does not fit
    the money it is counted, off the event loop.
    """
    media = media_tokens(request)
    estimate = body_bytes // BYTES_PER_TOKEN if not media else 0
    own = TOOL_PROMPT_TOKENS if request.tools or request.functions else 0
    bound = body_bytes + media + own
    plan = _plan(gateway, request, estimate, bound, book)
    poor = not plan.candidates and any(each.rule == NOT_AFFORDABLE for each in plan.rejections)
    if poor and available(book.lease, book.meter) > 0:  # who has nothing may not make us count 20 MB, either
        estimate = await gateway.loop.run_in_executor(None, lambda: count_prompt(gateway.tokenizer(), request))
        bound = int(estimate * COUNTED_MARGIN) + 1 + media + own
        plan = _plan(gateway, request, estimate, bound, book)
    if not plan.candidates:
        raise refuse(
            plan,
            prompt_bound=bound,
            choices=max(request.n or 1, request.best_of or 1),
            available=available(book.lease, book.meter),
            of_key=book.meter.available is not None and book.meter.available < book.lease.available,
        )
    return plan, estimate


def _plan(gateway: Gateway, request: ChatRequest, estimate: int, bound: int, book: Book) -> Plan:
    now_s = gateway.loop.time()
    return make_plan(
        request,
        gateway.market,
        prompt_tokens=estimate,
        prompt_bound=bound,
        available=available(book.lease, book.meter),
        why_down=lambda endpoint_id: gateway.health.down(endpoint_id, now_s),
        dice=gateway.dice,
    )
