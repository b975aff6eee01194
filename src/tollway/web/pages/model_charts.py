"""The charts of a model: speed, errors and prices of its endpoints over hours and days, from what is kept of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from tollway.domain.catalog import Price
from tollway.domain.measured import EndpointHour
from tollway.domain.money import Attodollars
from tollway.routing.hours import COUNTED
from tollway.routing.incidents import WRONG
from tollway.routing.market import Stall
from tollway.routing.stats import percentiles
from tollway.web.charts import Chart, stacked
from tollway.web.figures import NONE, dollars, seconds, usd_per_million
from tollway.web.lines import LINES_MAX, Lines, lines
from tollway.web.page import Site

HOUR_MS = 3_600_000
SPANS = {"24": (24, 1, "24 hours"), "168": (168, 4, "7 days"), "720": (720, 24, "30 days")}
"""By the word of the URL: hours, hours in a column, and the words of the page."""
PERCENTS = {"50": 50, "75": 75, "90": 90, "99": 99}


class Performance(Struct, frozen=True):
    """What the tab shows. A chart that would be empty is None."""

    span: str
    percent: str
    spans: dict[str, str]
    percents: tuple[str, ...]
    first: Lines | None
    speed: Lines | None
    uptime: Lines | None
    became: Chart | None
    """What became of requests: answered, rate limited, failed."""
    mix: Chart | None
    """What went wrong, by its kind."""


class Columns(Struct, frozen=True):
    """What is kept of a model's endpoints, in columns of some hours."""

    span: str
    percent: str
    labels: list[str]
    merged: dict[str, list[EndpointHour]]
    """By endpoint, the most asked first; those that nobody asked are left out."""

    def first(self, hour: EndpointHour) -> float | None:
        """Seconds to the first token."""
        return _at(hour.first, PERCENTS[self.percent])

    def speed(self, hour: EndpointHour) -> float | None:
        """Tokens per second: what the rest reach."""
        return _at(hour.speed, 100 - PERCENTS[self.percent] or 1)


async def columns_of(site: Site, stalls: Sequence[Stall], span: str, percent: str) -> Columns:
    """`span` of SPANS and `percent` of PERCENTS; what makes no sense is the first of them."""
    span, percent = span if span in SPANS else "24", percent if percent in PERCENTS else "50"
    count, width, _ = SPANS[span]
    now_hour = site.now_ms() // HOUR_MS
    newest = now_hour // width
    oldest = newest - count // width + 1
    hours = await site.hours([stall.endpoint.id for stall in stalls], oldest * width)
    names = named(site, stalls)
    merged = {names[id_]: _columns(found, oldest, newest, width) for id_, found in hours.items()}
    asked = {name: sum(each.requests for each in columns) for name, columns in merged.items()}
    merged = {name: merged[name] for name in sorted(merged, key=lambda name: -asked[name]) if asked[name]}
    labels = [_label(column * width, width) for column in range(oldest, newest + 1)]
    return Columns(span, percent, labels, merged)


async def performance(site: Site, stalls: Sequence[Stall], span: str, percent: str) -> Performance:
    """`span` and `percent` as in `columns_of`."""
    found = await columns_of(site, stalls, span, percent)
    percent, labels, merged = found.percent, found.labels, found.merged
    return Performance(
        span=found.span,
        percent=percent,
        spans={word: words for word, (_, _, words) in SPANS.items()},
        percents=tuple(PERCENTS),
        first=lines(
            "first", f"First token, p{percent}", labels,
            {name: [found.first(each) for each in columns] for name, columns in merged.items()},
            seconds, unit="s",
        ),
        speed=lines(
            "speed", f"Tokens per second, p{percent}", labels,
            {name: [found.speed(each) for each in columns] for name, columns in merged.items()},
            _rate,
        ),
        uptime=lines(
            "uptime", "Requests that did not fail", labels,
            {name: [_share(each) for each in columns] for name, columns in merged.items()},
            _percent, unit="%",
        ),
        became=_became(labels, merged) if merged else None,
        mix=_mix(labels, merged),
    )  # fmt: skip


def named(site: Site, stalls: Sequence[Stall]) -> dict[str, str]:
    """Endpoints by id -> a name that no other has: the provider's, and the upstream model's where that is needed."""
    providers = [stall.endpoint.provider for stall in stalls]
    return {
        stall.endpoint.id: site.provider_name(stall.endpoint.provider)
        + (f" {stall.endpoint.upstream_model}" if providers.count(stall.endpoint.provider) > 1 else "")
        for stall in stalls
    }


def price_steps(site: Site, stalls: Sequence[Stall], prices: Mapping[str, Sequence[Price]]) -> Lines | None:
    """What a million tokens of output did cost at each endpoint, by day of the last 90; None: no price changed."""
    today = site.now_ms() // (24 * HOUR_MS)
    days = range(today - 89, today + 1)
    names = named(site, stalls)
    changed = [stall.endpoint.id for stall in stalls if len(_rates(prices.get(stall.endpoint.id, ()))) > 1]
    groups = {
        names[id_]: [_usd(_in_force(prices[id_], (each + 1) * 24 * HOUR_MS - 1)) for each in days]
        for id_ in changed[:LINES_MAX]
    }
    labels = [datetime.fromtimestamp(each * 86_400, UTC).strftime("%d %b") for each in days]
    return lines("prices", "USD per 1M tokens of output", labels, groups, _price, unit="$", steps=True)


def _rates(prices: Sequence[Price]) -> set[Attodollars]:
    return {price.rates.completion for price in prices}


def _in_force(prices: Sequence[Price], at_ms: int) -> Price | None:
    return next((price for price in reversed(prices) if price.effective_ms <= at_ms), None)


def _usd(price: Price | None) -> float | None:
    return None if price is None else float(usd_per_million(price.rates.completion))


def _columns(hours: Mapping[int, EndpointHour], oldest: int, newest: int, width: int) -> list[EndpointHour]:
    """An hour's figures, or the sum of several hours, for each column."""
    found = [EndpointHour(first={}, speed={}) for _ in range(oldest, newest + 1)]
    for hour, each in hours.items():
        if oldest <= hour // width <= newest:
            into = found[hour // width - oldest]
            for name in COUNTED:
                setattr(into, name, getattr(into, name) + getattr(each, name))
            for kept, steps in ((into.first, each.first), (into.speed, each.speed)):
                for step, count in steps.items():
                    kept[step] = kept.get(step, 0) + count
    return found


def _at(histogram: dict[int, int], percent: int) -> float | None:
    return percentiles(histogram, [percent])[0] if histogram else None


def _share(hour: EndpointHour) -> float | None:
    counted = hour.requests - hour.limited
    return 100 * (counted - hour.failed) / counted if counted else None


def _became(labels: Sequence[str], merged: Mapping[str, Sequence[EndpointHour]]) -> Chart:
    columns = list(zip(*merged.values(), strict=True))
    limited = [sum(each.limited for each in column) for column in columns]
    failed = [sum(each.failed for each in column) for column in columns]
    asked = [sum(each.requests for each in column) for column in columns]
    groups = {
        "answered": [a - b - c for a, b, c in zip(asked, limited, failed, strict=True)],
        "rate limited": limited,
        "failed": failed,
    }
    return stacked("became", "What became of requests", "count", labels, groups, bad="failed")


def _mix(labels: Sequence[str], merged: Mapping[str, Sequence[EndpointHour]]) -> Chart | None:
    """None: nothing went wrong."""
    columns = list(zip(*merged.values(), strict=True))
    groups = {words: [sum(part(each) for each in column) for column in columns] for words, part in WRONG.items()}
    groups = {words: values for words, values in groups.items() if any(values)}
    return stacked("mix", "What went wrong", "count", labels, groups) if groups else None


def _label(hour: int, width: int) -> str:
    at = datetime.fromtimestamp(hour * 3600, UTC)
    return at.strftime("%d %b") if width >= 24 else at.strftime("%d %b %H:00")


def _rate(value: float | None) -> str:
    return NONE if value is None else f"{value:.0f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{int(value * 100 + 1e-7) / 100:g}%"


def _price(value: float | None) -> str:
    return NONE if value is None else dollars(f"{value:.6f}".rstrip("0").rstrip(".") or "0")
