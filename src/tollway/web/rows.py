"""The table of models: a row for each model of the market, and how its endpoints are doing at a moment."""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct, structs

from tollway.domain.catalog import Endpoint
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market, Offer, blended_price
from tollway.web.bars import Bars, hour_bars
from tollway.web.figures import usd_per_million

MODALITIES = ("text", "image", "file", "audio", "speech", "video")
"""The order in which they are shown; others follow by name."""


class Status(StrEnum):
    """A model's state: the best that one of its endpoints is in."""

    UP = "up"
    UNTRIED = "untried"
    DOWN = "down"
    OFF = "off"  # no endpoint is on offer


class Row(Struct, frozen=True):
    """What stays while a market lasts. Prices are those of the cheapest endpoint: USD per 1M tokens, exact."""

    id: str
    name: str
    author: str
    created_s: int
    context_tokens: int
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    price_input: str | None
    price_output: str | None
    price_cache: str | None
    """Of a cached token of input; None: not priced apart."""
    quantizations: frozenset[str]
    private: frozenset[str]
    """Which of PRIVACY an endpoint's provider keeps."""
    flags: tuple[str, ...]
    """Which of FLAGS hold."""
    price_note: str
    """What else it may cost: dearer long prompts, a price for each request. "" if nothing."""
    rank_input: int
    """The price per token, to sort by; unpriced rows stand last."""
    rank_output: int
    providers: tuple[str, ...]
    """Display names, cheapest endpoint first, each once."""
    provider_slugs: frozenset[str]
    parameters: frozenset[str]
    """What some endpoint takes: tools, structured_outputs, reasoning ..."""
    endpoint_ids: tuple[str, ...]
    """Of what is on offer; empty: the model is off."""
    off_reason: str
    title: str
    """Id, name and author, case folded: a search finds any part of it."""
    provider_words: str
    """The providers, case folded, each word after a space: a search finds the words' beginnings, for "gpt" is not
    meant to find everything that NanoGPT offers."""


class RowNow(Struct, frozen=True):
    """A row, and how many of its endpoints are up, untried and down at this moment."""

    row: Row
    up: int
    untried: int
    down: int
    first_s: float | None = None
    """Seconds to the first token, the median of the fastest endpoint; None: not measured lately."""
    tokens_per_s: float | None = None
    """Likewise."""
    uptime: float | None = None
    """The best endpoint's, of the last day."""
    best: str = ""
    """That endpoint's id; "" where nobody was asked."""
    day: Bars | None = None
    """Its hours; only where the page shows them."""

    @property
    def endpoints(self) -> int:
        """How many are on offer."""
        return len(self.row.endpoint_ids)

    @property
    def status(self) -> Status:
        """The best state of any endpoint."""
        if self.up:
            return Status.UP
        if self.untried:
            return Status.UNTRIED
        return Status.DOWN if self.down else Status.OFF

    @property
    def is_live(self) -> bool:
        """Whether a request would reach an endpoint that is not known to be down."""
        return bool(self.up or self.untried)


OWN_MAX = 8
UNPRICED = 1 << 120  # more than any price, PRICE_MAX * 10**18 included


PRIVACY = {"no-training": "no training on prompts", "nothing-kept": "nothing kept"}
"""Promises of providers to choose from, in words."""

FLAGS = {"tools": "tools", "structured_outputs": "structured output", "reasoning": "reasoning", "zdr": "zero retention"}
"""What a row's icons say: parameters that some endpoint takes, and whether a provider keeps no prompts."""


def rows_of(market: Market, provider_name: Callable[[str], str]) -> tuple[Row, ...]:
    """A row for each model: what is on offer first, those with most endpoints first, then the newest."""
    rows = [_row(offer, provider_name, market) for offer in market.offers.values()]
    rows.sort(key=lambda row: (-len(row.endpoint_ids), -row.created_s, row.id))
    return tuple(rows)


class Listing(Struct, frozen=True):
    """A market and what the pages need of it."""

    market: Market
    rows: tuple[Row, ...]
    providers: int
    """How many have an endpoint on offer."""


class Listings:
    """The rows of the market, made anew only when it was swapped."""

    def __init__(self, market: Callable[[], Market], provider_name: Callable[[str], str]) -> None:
        self._market = market
        self._provider_name = provider_name
        self._last: Listing | None = None
        self._own: dict[int, Listing] = {}

    def get(self) -> Listing:
        """Of the present market."""
        market = self._market()
        if self._last is None or self._last.market is not market:
            self._last = self._listing(market)
        return self._last

    def of(self, market: Market) -> Listing:
        """Of somebody's own market; the last few are kept."""
        kept = self._own.pop(id(market), None)
        if kept is None or kept.market is not market:  # a listing holds its market, so that no other can have its id
            kept = self._listing(market)
        self._own[id(market)] = kept
        while len(self._own) > OWN_MAX:
            del self._own[next(iter(self._own))]
        return kept

    def _listing(self, market: Market) -> Listing:
        providers = {endpoint.provider for offer in market.offers.values() for endpoint in offer.live}
        return Listing(market, rows_of(market, self._provider_name), len(providers))


def row_now(row: Row, health: HealthBoard, now_s: float) -> RowNow:
    """A row with its endpoints' present health (monotonic seconds)."""
    states = [health.status(endpoint_id, now_s)[0] for endpoint_id in row.endpoint_ids]
    measured = [health.measured(endpoint_id, now_s) for endpoint_id in row.endpoint_ids]
    days = [(each.uptime.day, id_) for each, id_ in zip(measured, row.endpoint_ids, strict=True)]
    uptime, best = max(((share, id_) for share, id_ in days if share is not None), default=(None, ""))
    return RowNow(
        row,
        up=states.count("up"),
        untried=states.count("untried"),
        down=states.count("down"),
        first_s=min((each.first_s.p50 for each in measured if each.first_s), default=None),
        tokens_per_s=max((each.speed.p50 for each in measured if each.speed), default=None),
        uptime=uptime,
        best=best,
    )


def with_day(shown: RowNow, health: HealthBoard, now_s: float) -> RowNow:
    """The same row with the hours of its best endpoint drawn."""
    return structs.replace(shown, day=hour_bars(health.day(shown.best, now_s))) if shown.best else shown


def _row(offer: Offer, provider_name: Callable[[str], str], market: Market) -> Row:
    model = offer.model
    shown = offer.live or tuple(sorted((rejection.endpoint for rejection in offer.off), key=_unpriced_last))
    cheapest = shown[0] if shown else None
    price = cheapest.price if cheapest else None
    providers = tuple(dict.fromkeys(provider_name(endpoint.provider) for endpoint in shown))
    parameters: frozenset[str] = frozenset().union(*(endpoint.parameters for endpoint in shown))
    private = _private(offer, market)
    context = model.context_tokens or max((endpoint.context_tokens for endpoint in shown), default=0)
    return Row(
        id=model.id,
        name=model.name,
        author=model.author,
        created_s=model.created_s,
        context_tokens=context,
        reads=_in_order(model.input_modalities),
        writes=_in_order(model.output_modalities),
        price_input=usd_per_million(price.rates.prompt) if price else None,
        price_output=usd_per_million(price.rates.completion) if price else None,
        price_cache=usd_per_million(price.rates.cache_read) if price and price.rates.cache_read is not None else None,
        quantizations=frozenset(each.quantization for each in offer.live if each.quantization),
        private=private,
        flags=tuple(name for name in FLAGS if name in parameters or (name == "zdr" and "nothing-kept" in private)),
        price_note=_note(cheapest) if cheapest else "",
        rank_input=price.rates.prompt if price else UNPRICED,
        rank_output=price.rates.completion if price else UNPRICED,
        providers=providers,
        provider_slugs=frozenset(endpoint.provider for endpoint in shown),
        parameters=parameters,
        endpoint_ids=tuple(endpoint.id for endpoint in offer.live),
        off_reason="" if offer.live else offer.off[0].reason if offer.off else "no provider of the catalog offers it",
        title=f"{model.id} {model.name} {model.author}".casefold(),
        provider_words=" ".join(("", *providers)).casefold(),
    )


def _private(offer: Offer, market: Market) -> frozenset[str]:
    facts = [found for each in offer.live if (found := market.facts.get(each.provider)) is not None]
    kept = {"no-training": any(each.trains is False for each in facts)}
    kept["nothing-kept"] = any(each.retains is False for each in facts)
    return frozenset(name for name, holds in kept.items() if holds)


def _unpriced_last(endpoint: Endpoint) -> tuple[bool, int]:
    return endpoint.price is None, blended_price(endpoint)


def _note(endpoint: Endpoint) -> str:
    """In words, what the two prices of a row leave out."""
    if endpoint.price is None:
        return ""
    notes = []
    if endpoint.price.rates.request:
        notes.append(f"and ${usd_per_million(endpoint.price.rates.request)} per 1M requests")
    if endpoint.price.tiers:
        over = min(tier.prompt_tokens_over for tier in endpoint.price.tiers)
        notes.append(f"other prices for prompts of over {over:,} tokens")
    return "; ".join(notes)


def _in_order(modalities: tuple[str, ...]) -> tuple[str, ...]:
    known = {name: place for place, name in enumerate(MODALITIES)}
    return tuple(sorted(set(modalities), key=lambda name: (known.get(name, len(known)), name)))
