"""`/pricing`: what levels and models cost, which fees there are and what is free, from the configuration in force."""

import csv
import io
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.config import Config
from tollway.domain.cells import cell
from tollway.domain.people import SignUp
from tollway.routing.market import Market
from tollway.web.figures import dollars, usd_per_million
from tollway.web.page import Site
from tollway.web.pages.status import LevelNow, level_now
from tollway.web.render import answer

ROWS = 50


class Term(Struct, frozen=True):
    """A fee, a gift or a limit, in words."""

    name: str
    value: str
    note: str


class ModelPrice(Struct, frozen=True):
    """What a model costs at its cheapest endpoint, in USD per 1M tokens, exact; None: not priced apart."""

    id: str
    name: str
    input: str
    output: str
    cache_read: str | None
    cache_write: str | None
    reasoning: str | None
    per_1m_requests: str | None
    per_1m_images: str | None
    provider: str
    endpoints: int
    note: str
    """Where other prices begin; "" if nowhere."""


class LevelPrice(Struct, frozen=True):
    """An alias as data: decimal strings of USD per 1M tokens, three parts of input to seven of output."""

    name: str
    level: str
    status: str
    at_least: str | None
    at_most: str | None
    cheapest_now: str | None
    model_now: str | None
    live_routes: int


class PricingView(Struct, frozen=True):
    """What `pricing.html` shows."""

    levels: tuple[LevelNow, ...]
    terms: tuple[Term, ...]
    free: tuple[Term, ...]
    groups: tuple[tuple[str, str], ...]
    """Names and multipliers."""
    packs: tuple[tuple[str, str, str], ...]
    """Name, price, credits."""
    models: tuple[ModelPrice, ...]
    """The most used, or those with most endpoints."""
    total: int
    most_used: bool


class Pricing:
    """The page, and the same as data."""

    def __init__(self, config: Config, sign_up: Callable[[], SignUp]) -> None:
        self._config = config
        self._sign_up = sign_up

    async def view(self, site: Site, request: Request) -> PricingView:
        """Levels, terms, and the models that are used most."""
        config, now_s = self._config, site.now_s()
        used = await site.model_tokens()
        prices = sorted(model_prices(site), key=lambda price: -used.get(price.id, 0))
        return PricingView(
            levels=tuple(level_now(site, level, now_s) for level in site.market().levels.values()),
            terms=tuple(fees(config)),
            free=tuple(free_of_charge(config, site.market(), self._sign_up())),
            groups=tuple((group.name, group.multiplier) for group in site.groups()),
            packs=tuple(
                (pack.name, dollars(pack.price_usd), dollars(pack.credits_usd or pack.price_usd))
                for pack in config.billing.packs
            ),
            models=tuple(prices[:ROWS]),
            total=len(prices),
            most_used=bool(used),
        )

    async def as_json(self, site: Site, request: Request) -> Response:
        """`GET /pricing.json`: `{"levels", "terms", "free", "groups", "models"}`."""
        view = await self.view(site, request)
        body = {
            "levels": [_level(each) for each in view.levels],
            "terms": view.terms,
            "free": view.free,
            "groups": [{"name": name, "multiplier": multiplier} for name, multiplier in view.groups],
            "models": list(model_prices(site)),
        }
        return answer(request, msgspec.json.encode(body), "application/json")

    async def as_csv(self, site: Site, request: Request) -> Response:
        """`GET /pricing.csv`: every model, a line each."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(ModelPrice.__struct_fields__)
        writer.writerows(map(cell, msgspec.structs.astuple(price)) for price in model_prices(site))
        headers = {"content-disposition": 'attachment; filename="pricing.csv"'}
        return answer(request, out.getvalue().encode(), "text/csv; charset=utf-8", headers=headers)


def model_prices(site: Site) -> Iterator[ModelPrice]:
    """Every model on offer, by its cheapest endpoint; those with most endpoints first."""
    offers = site.market().offers
    for row in site.listings.get().rows:
        stalls = offers[row.id].stalls
        if not stalls:
            continue
        rates = stalls[0].price.rates
        named = {name: getattr(rates, name) for name in ("cache_read", "cache_write", "reasoning", "request", "image")}
        texts = {name: usd_per_million(value) if value else None for name, value in named.items()}
        yield ModelPrice(
            id=row.id,
            name=row.name,
            input=usd_per_million(rates.prompt),
            output=usd_per_million(rates.completion),
            cache_read=texts["cache_read"],
            cache_write=texts["cache_write"],
            reasoning=texts["reasoning"],
            per_1m_requests=texts["request"],
            per_1m_images=texts["image"],
            provider=site.provider_name(stalls[0].endpoint.provider),
            endpoints=len(stalls),
            note=row.price_note,
        )


def fees(config: Config) -> Iterator[Term]:
    """What is charged beside the price of a request, and what is taken off it."""
    payments = config.payments
    if payments.stripe_key:
        least = f", at least {dollars(payments.fee_min_usd)}" if float(payments.fee_min_usd) else ""
        fee = f"{percent(payments.fee_percent)}{least}" if float(payments.fee_percent) else "none"
        yield Term("Fee on credits bought by card", fee, "Added to the purchase; packs have a price of their own.")
    if payments.coinbase_key:
        fee = percent(payments.crypto_fee_percent) if float(payments.crypto_fee_percent) else "none"
        yield Term("Fee on credits bought with crypto", fee, "Added to the purchase.")
    if payments.stripe_key or payments.coinbase_key:
        span = f"{dollars(payments.purchase_min_usd)} to {dollars(payments.purchase_max_usd)}"
        yield Term("A purchase", span, f"What is unused can be had back for {payments.refund_h:g} hours.")
        days = f"after {payments.expire_days:,} days" if payments.expire_days else "never"
        yield Term("What is left of a purchase expires", days, "Credits that were given have a time of their own.")
    free = config.byok.free_requests_monthly
    yield Term(
        "Your own keys for providers (BYOK)",
        percent(f"{config.byok.fee_percent:g}") if config.byok.fee_percent else "free",
        "Of what the same request would cost here; the provider bills you for the rest."
        + (f" The first {free:,} requests of a workspace in a month cost no fee." if free else ""),
    )
    if discount := config.records.content_discount_percent:
        yield Term(
            "Discount for shared prompts",
            percent(f"{discount:g}"),
            "For workspaces whose prompts the operator may use.",
        )
    yield Term("Requests that fail", "free", "Nothing is charged for an answer that did not come.")


def free_of_charge(config: Config, market: Market, sign_up: SignUp) -> Iterator[Term]:
    """What can be had without paying."""
    limits, users = config.limits, config.users
    if float(users.launch_credit_usd) and sign_up != "off":
        yield Term("New users get", dollars(users.launch_credit_usd), "Credits in a workspace of their own.")
    free = sum(id_.endswith(":free") and bool(offer.stalls) for id_, offer in market.offers.items())
    if free:
        paid = f"{limits.free_rpd_paid:,} a day for who has bought {limits.free_paid_credits} credits"
        each = [f"{limits.free_rpm} a minute"] if limits.free_rpm else []
        each += [f"{limits.free_rpd:,} a day, {paid}"] if limits.free_rpd else []
        yield Term("Models that end in :free", f"{free:,}", "; ".join(["Requests to them cost nothing", *each]) + ".")
    if config.guest.models:
        number = len(config.guest.models)
        rate = f", {limits.guest_rpm} a minute" if limits.guest_rpm else ""
        words = f"{number} model{'s' if number > 1 else ''}"
        yield Term("Without an account", words, f"Answers of up to {config.guest.output_max:,} tokens{rate}.")


def percent(decimal: str) -> str:
    """A share as it is written: "5.50" -> "5.5%"."""
    return f"{float(decimal):g}%"


def _level(now: LevelNow) -> LevelPrice:
    at_least, at_most = now.band
    return LevelPrice(
        name=now.name,
        level=now.level,
        status=now.status,
        at_least=at_least,
        at_most=at_most,
        cheapest_now=now.price or None,
        model_now=now.cheapest or None,
        live_routes=now.live,
    )
