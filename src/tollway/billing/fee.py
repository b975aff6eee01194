"""The fee for a request that went over its caller's own key: a share of the list price, and the price of it."""

from msgspec import structs

from tollway.billing.charge import Charge, Ending, charge
from tollway.billing.pricing import FREE, cost
from tollway.domain.catalog import Price, Rates, Tier
from tollway.domain.money import Nanodollars

WHOLE = 1_000_000


def fee_price(listed: Price, fee_ppm: int) -> Price:
    """The price at which the fee is held and charged: each rate times the fee, in attodollars, rounded up."""
    return structs.replace(
        listed,
        rates=_share(listed.rates, fee_ppm),
        tiers=tuple(Tier(tier.prompt_tokens_over, _share(tier.rates, fee_ppm)) for tier in listed.tiers),
        declared_free=listed.declared_free or not fee_ppm,
    )


def charge_fee(ending: Ending, fee: Price, listed: Price, hold: Nanodollars) -> Charge:
    """What is charged, and in `cost.own` what the caller's own provider bills by list price.

    The table is the one of MONEY.md, "Who pays for what"; but whatever the provider did belongs to the caller's own
    account with it, so that nothing is absorbed.
    """
    charged = charge(ending, fee, hold)
    answered = ending.accepted and (ending.caller_left or ending.finish_reason is not None)
    own = cost(charged.usage, listed) if answered and ending.finish_reason != "error" else FREE
    return structs.replace(charged, absorbed=0, cost=structs.replace(charged.cost, own=own))


def _share(rates: Rates, ppm: int) -> Rates:
    shares = {name: -(-rate * ppm // WHOLE) for name, rate in structs.asdict(rates).items() if rate is not None}
    return structs.replace(rates, **shares)
