"""Who pays for what: how a request ended -> what its caller is charged and what we absorb (MONEY.md's table)."""

from msgspec import Struct, structs

from tollway.billing.pricing import FREE, Cost, cost
from tollway.domain.catalog import Price
from tollway.domain.generation import Usage
from tollway.domain.money import Nanodollars


class Ending(Struct, frozen=True):
    """How a request ended, as far as money is concerned."""

    accepted: bool
    """A provider took the request: its answer began, or a request that is not streamed was sent whole."""
    finish_reason: str | None
    """The normalised one; None: the answer never ended properly."""
    produced: bool
    """Some output reached us."""
    reported: Usage | None
    """The provider's own count, where it is sane."""
    counted: Usage
    """Our tokenizer's count of the prompt and of what was received."""
    caller_left: bool = False
    """The caller disconnected, and the provider was told to stop."""


class Charge(Struct, frozen=True):
    """What is captured (`cost.total`), what we absorb, with which usage; `alarm` names what an operator must see."""

    usage: Usage
    cost: Cost
    absorbed: Nanodollars = 0
    alarm: str | None = None
    upstream: Nanodollars | None = None
    """At the provider's own price, where the caller's is another."""


def charge(ending: Ending, price: Price | None, hold: Nanodollars) -> Charge:
    """Applies the table of MONEY.md, "Who pays for what", row by row. Never more than the hold."""
    if price is None or not ending.accepted:
        return Charge(ending.reported or Usage(), FREE)
    # Where the caller left, and it was cancelled at once: the prompt and what was received. A count that came before
    # counts more than ours.
    usage = ending.reported or ending.counted
    if ending.finish_reason == "error" or (ending.finish_reason is None and not ending.caller_left):
        # Died, stalled, failed, or nothing came at all (zero-completion insurance): nobody is charged for it.
        spent = cost(usage, price.upstream).total if ending.produced or ending.reported else 0
        charged = Charge(usage, FREE, spent)
    else:
        charged = _capture(usage, price, hold)
    if price.tariff is None:
        return charged
    return structs.replace(charged, upstream=cost(usage, price.upstream).total)


def with_lost(charged: Charge, usage: Usage, price: Price) -> Charge:
    """The same charge, and what another provider was asked for besides: nobody is charged for that, we absorb it."""
    return structs.replace(charged, absorbed=charged.absorbed + cost(usage, price.upstream).total)


def _capture(usage: Usage, price: Price, hold: Nanodollars) -> Charge:
    due = cost(usage, price)
    total = due.total
    if total > hold:
        capped = Cost(hold, min(due.prompt, hold), max(0, hold - due.prompt), due.cache_discount)
        return Charge(usage, capped, absorbed=total - hold, alarm=f"cost {total} above the hold {hold}")
    if total == 0 and (usage.prompt or usage.completion) and not price.declared_free and not _rounds_away(usage, price):
        return Charge(usage, Cost(hold, hold, 0, 0), alarm="zero cost for tokens at an endpoint with a price")
    return Charge(usage, due)


def _rounds_away(usage: Usage, price: Price) -> bool:
    """Whether each unit that was used has a price, so that a cost of zero can only be a tiny one, rounded."""
    rates = price.rates
    return bool((rates.prompt or not usage.prompt) and (rates.completion or not usage.completion))
