"""`/status`: whether requests are answered just now: by alias, and by every endpoint that is down or was of late."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_low

from msgspec import Struct
from starlette.requests import Request

from tollway.domain.measured import Measured
from tollway.routing.market import Level, seventy_thirty
from tollway.web.bars import Bars, day_bars, many_day_bars
from tollway.web.figures import usd_per_million
from tollway.web.page import Site

SHOWN_MAX = 200
DAYS, DAY_MS = 90, 86_400_000
STEADY = 0.995


class LevelNow(Struct, frozen=True):
    """An alias: a level of intelligence at a price, whichever model answers."""

    name: str
    level: str
    family: str
    status: str
    """`available`, `planned`, `outage`."""
    candidates: int
    live: int
    cheapest: str
    """The model of the cheapest live route; "" if there is none."""
    price: str
    """USD per 1M tokens of that route, three parts of input to seven of output."""
    band: tuple[str | None, str | None]


class EndpointState(Struct, frozen=True):
    """An endpoint that was asked in the last day."""

    id: str
    model_id: str
    provider: str
    status: str
    why: str
    measured: Measured
    day: Bars | None


class ProviderState(Struct, frozen=True):
    """A provider, of whose endpoints some were asked in the last DAYS days."""

    name: str
    asked: int
    """How many of them in the last day."""
    up: int
    untried: int
    down: int
    uptime: float | None
    """Of the last day, the mean over its endpoints."""
    first_s: float | None
    """Seconds to the first token: the median of its endpoints' medians."""
    days: Bars | None
    """The last 90 days; None: no request ended there."""


class StatusView(Struct, frozen=True):
    """What `status.html` shows."""

    levels: tuple[LevelNow, ...]
    asked: tuple[EndpointState, ...]
    """The worst first."""
    providers: tuple[ProviderState, ...]
    """The worst first."""
    endpoints: int
    down: int
    shaky: int
    """Up, with an uptime of the day below STEADY."""


async def status(site: Site, request: Request) -> StatusView:
    """The present state of everything on offer."""
    market, now_s = site.market(), site.now_s()
    live = [endpoint for offer in market.offers.values() for endpoint in offer.live]
    asked = []
    for endpoint in live:
        state = site.health.status(endpoint.id, now_s)[0]
        if state != "untried":
            measured = site.health.measured(endpoint.id, now_s)
            why = site.health.looks_down(endpoint.id, now_s) or ""
            bars = day_bars(site.health.day(endpoint.id, now_s))
            name = site.provider_name(endpoint.provider)
            asked.append(EndpointState(endpoint.id, endpoint.model_id, name, state, why, measured, bars))
    asked.sort(key=lambda each: (each.status != "down", each.measured.uptime.day or 0.0, each.model_id))
    down = sum(each.status == "down" for each in asked)
    return StatusView(
        levels=tuple(level_now(site, level, now_s) for level in market.levels.values()),
        asked=tuple(asked[:SHOWN_MAX]),
        providers=tuple(_providers(asked, await _days(site))),
        endpoints=len(live),
        down=down,
        shaky=sum(each.status == "up" and (each.measured.uptime.day or 1.0) < STEADY for each in asked),
    )


async def _days(site: Site) -> dict[str, Bars | None]:
    """By provider's name: its requests of the last DAYS days, drawn."""
    today, found = site.now_ms() // DAY_MS, dict[str, Bars | None]()
    for slug, days in (await site.provider_days()).items():
        counts = (days.get(day, (0, 0)) for day in range(today - DAYS + 1, today + 1))
        shares = [1 - errors / requests if requests else None for requests, errors in counts]
        found[site.provider_name(slug)] = many_day_bars(shares)
    return found


def _providers(asked: Sequence[EndpointState], drawn: Mapping[str, Bars | None]) -> list[ProviderState]:
    by_name: dict[str, list[EndpointState]] = {}
    for each in asked:
        by_name.setdefault(each.provider, []).append(each)
    found = []
    for name, bars in drawn.items():
        if bars is not None:
            by_name.setdefault(name, [])
    for name, states in by_name.items():
        count = Counter(each.status for each in states)
        days = [each.measured.uptime.day for each in states if each.measured.uptime.day is not None]
        firsts = [each.measured.first_s.p50 for each in states if each.measured.first_s]
        uptime = sum(days) / len(days) if days else None
        first_s = median_low(firsts) if firsts else None
        found.append(
            ProviderState(
                name, len(states), count["up"], count["untried"], count["down"], uptime, first_s, drawn.get(name)
            )
        )
    return sorted(
        found, key=lambda each: (not each.down, not each.asked, 1.0 if each.uptime is None else each.uptime, each.name)
    )


def level_now(site: Site, level: Level, now_s: float) -> LevelNow:
    """An alias at this moment (monotonic seconds)."""
    alias = level.alias
    stalls = sorted(level.offer.stalls, key=lambda stall: seventy_thirty(stall.price.rates))
    live = [stall for stall in stalls if site.health.looks_down(stall.endpoint.id, now_s) is None]
    return LevelNow(
        name=alias.name,
        level=alias.level,
        family=alias.family,
        status="planned" if alias.status == "planned" else "available" if live else "outage",
        candidates=len(stalls),
        live=len(live),
        cheapest=live[0].endpoint.model_id if live else "",
        price=usd_per_million(seventy_thirty(live[0].price.rates)) if live else "",
        band=(alias.min_usd_per_1m, alias.max_usd_per_1m),
    )
