"""What a query wants of the list of models (OPENROUTER.md 7.1): filters and orders, over what is known of offers."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from tollway.api.model_names import TOKENIZER, UNPRICED
from tollway.domain.catalog import Rates
from tollway.domain.errors import InvalidRequest
from tollway.domain.money import nanodollars_from_text
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market, Offer
from tollway.routing.provider_names import means

DAY_S = 86_400
ATTO_PER_NANO_A_MILLION = 1_000
"""A nanodollar for a million tokens is a thousand attodollars a token."""

Query = Mapping[str, str]
Test = Callable[[Offer], bool]
Score = Callable[[Offer], float | None]
"""What a list is sorted by, the highest first; None: not known, so last."""

NOT_KNOWN = {
    "category": "models are not sorted into categories here",
    "region": "where providers compute is not known well enough",
    "distillable": "what authors permit is not known",
    **dict.fromkeys(
        (f"{end}_{index}_index" for end in ("min", "max") for index in ("intelligence", "coding", "agentic")),
        "no benchmarks are kept here",
    ),
    "min_tool_success_rate": "how tool calls end is counted by endpoint; GET /api/v1/models/{author}/{slug}/endpoints",
    "max_tool_success_rate": "how tool calls end is counted by endpoint; GET /api/v1/models/{author}/{slug}/endpoints",
}
"""Filters of OpenRouter's that would be guesses here, and why."""
BENCHMARKS = ("intelligence-high-to-low", "coding-high-to-low", "agentic-high-to-low", "design-arena-elo-high-to-low")
BY_USE = ("most-popular", "top-weekly")


class Moment(Struct, frozen=True):
    """What changes while the market stays."""

    now_s: float
    """The loop's, which health is kept in."""
    health: HealthBoard
    tokens: Mapping[str, int]
    """Tokens of the last week by model, where a list is sorted by them."""


def tests_of(query: Query, market: Market, wall_s: float) -> list[Test]:
    """What each model must pass. InvalidRequest: a value that can't be read, or a filter that can't be kept."""
    for name, why in NOT_KNOWN.items():
        if query.get(name):
            raise InvalidRequest(f"{name}: {why}, so there is nothing to filter by", param=name)
    tests: list[Test] = []
    if text := query.get("q", "").casefold():
        tests.append(lambda offer: text in f"{offer.model.id} {offer.model.name}".casefold())
    if names := _names(query, "supported_parameters"):
        tests.append(lambda offer: names <= frozenset().union(*(each.parameters for each in offer.live)))
    if inputs := _names(query, "input_modalities"):
        tests.append(lambda offer: inputs <= {*offer.model.input_modalities})
    if family := query.get("arch", "").casefold():
        tests.append(lambda offer: offer.model.tokenizer.casefold() == family)
    if authors := _names(query, "model_authors"):
        tests.append(lambda offer: offer.model.author in authors)
    if providers := {name.lower() for name in _names(query, "providers")}:
        tests.append(lambda offer: any(means(market.names.meant, each, providers) for each in offer.live))
    if _flag(query, "zdr"):
        tests.append(lambda offer: any(keeps_nothing(market, each.provider) for each in offer.live))
    if "context" in query:
        least = _whole(query, "context")
        tests.append(lambda offer: context_of(offer) >= least)
    tests += _prices(query, "prompt", "price") + _prices(query, "completion", "output_price")
    return tests + _ages(query, wall_s)


def score_of(query: Query, moment: Moment) -> Score | None:
    """By what the list is sorted; None: as it is, the newest first."""
    wanted = query.get("sort") or "newest"
    if wanted in BENCHMARKS:
        raise InvalidRequest(f"sort: {wanted} needs benchmarks, and none are kept here", param="sort")
    orders: dict[str, Score | None] = {
        "newest": None,
        "pricing-low-to-high": lambda offer: None if (price := _price(offer)) is None else -price,
        "pricing-high-to-low": _price,
        "context-high-to-low": context_of,
        "throughput-high-to-low": lambda offer: _best(offer, moment, lambda speed, _: speed),
        "latency-low-to-high": lambda offer: _best(offer, moment, lambda _, first: None if first is None else -first),
        **dict.fromkeys(BY_USE, lambda offer: moment.tokens.get(offer.model.id)),
    }
    if wanted not in orders:
        raise InvalidRequest(f"sort: one of {', '.join(orders)}", param="sort")
    return orders[wanted]


def ordered(offers: Sequence[Offer], score: Score | None) -> list[Offer]:
    """Those without a score last; equals as they were."""
    if score is None:
        return [*offers]
    scored = [(score(offer), offer) for offer in offers]
    known = sorted(((value, offer) for value, offer in scored if value is not None), key=lambda pair: -pair[0])
    return [offer for _, offer in known] + [offer for value, offer in scored if value is None]


def keeps_nothing(market: Market, provider: str) -> bool:
    """Whether it is known that a provider keeps no prompts."""
    facts = market.facts.get(provider)
    return facts is not None and facts.retains is False


def context_of(offer: Offer) -> int:
    """Of the model, or of its widest endpoint."""
    return offer.model.context_tokens or max(each.context_tokens for each in offer.live)


def _best(offer: Offer, moment: Moment, score: Callable[[float | None, float | None], float | None]) -> float | None:
    found = []
    for endpoint in () if offer.model.tokenizer == TOKENIZER else offer.live:
        measured = moment.health.measured(endpoint.id, moment.now_s)
        speed, first = (None if spread is None else spread.p50 for spread in (measured.speed, measured.first_s))
        if (value := score(speed, first)) is not None:
            found.append(value)
    return max(found, default=None)


def _rates(offer: Offer) -> Rates | None:
    if offer.model.id in UNPRICED:
        return None
    price = offer.live[0].price
    return None if price is None else price.rates


def _price(offer: Offer) -> int | None:
    rates = _rates(offer)
    return None if rates is None else rates.prompt + rates.completion


def _prices(query: Query, rate: str, name: str) -> list[Test]:
    """Bounds in USD for a million tokens, at the cheapest endpoint."""
    low, high = _price_bound(query, f"min_{name}"), _price_bound(query, f"max_{name}")
    if low is None and high is None:
        return []

    def within(offer: Offer) -> bool:
        if (rates := _rates(offer)) is None:
            return False
        price = getattr(rates, rate)
        return (low is None or price >= low) and (high is None or price <= high)

    return [within]


def _price_bound(query: Query, name: str) -> int | None:
    if name not in query:
        return None
    try:
        return nanodollars_from_text(query[name]) * ATTO_PER_NANO_A_MILLION
    except ValueError as error:
        raise InvalidRequest(f"{name}: USD for a million tokens, please: {error}", param=name) from None


def _ages(query: Query, wall_s: float) -> list[Test]:
    tests: list[Test] = []
    if "min_age_days" in query:
        until_s = wall_s - _whole(query, "min_age_days") * DAY_S
        tests.append(lambda offer: 0 < offer.model.created_s <= until_s)
    if "max_age_days" in query:
        from_s = wall_s - _whole(query, "max_age_days") * DAY_S
        tests.append(lambda offer: offer.model.created_s >= max(from_s, 1))
    return tests


def _names(query: Query, name: str) -> frozenset[str]:
    return frozenset(word.strip() for word in query.get(name, "").split(",") if word.strip())


def _flag(query: Query, name: str) -> bool:
    text = query.get(name, "").lower()
    if text not in ("", "true", "false"):
        raise InvalidRequest(f"{name}: true or false", param=name)
    return text == "true"


def _whole(query: Query, name: str) -> int:
    text = query[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InvalidRequest(f"{name}: a whole number, 0 or more, not {text[:40]!r}", param=name)
    return int(text)
