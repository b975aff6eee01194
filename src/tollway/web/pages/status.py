"""`/status`: whether requests are answered just now: by alias, and by every endpoint that is down or was of late."""

from msgspec import Struct
from starlette.requests import Request

from tollway.domain.measured import Measured
from tollway.routing.market import Level, seventy_thirty
from tollway.web.bars import Bars, day_bars
from tollway.web.figures import usd_per_million
from tollway.web.page import Site

SHOWN_MAX = 200
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

    model_id: str
    provider: str
    status: str
    why: str
    measured: Measured
    day: Bars | None


class StatusView(Struct, frozen=True):
    """What `status.html` shows."""

    levels: tuple[LevelNow, ...]
    asked: tuple[EndpointState, ...]
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
            asked.append(EndpointState(endpoint.model_id, name, state, why, measured, bars))
    asked.sort(key=lambda each: (each.status != "down", each.measured.uptime.day or 0.0, each.model_id))
    down = sum(each.status == "down" for each in asked)
    return StatusView(
        levels=tuple(_level_now(site, level, now_s) for level in market.levels.values()),
        asked=tuple(asked[:SHOWN_MAX]),
        endpoints=len(live),
        down=down,
        shaky=sum(each.status == "up" and (each.measured.uptime.day or 1.0) < STEADY for each in asked),
    )


def _level_now(site: Site, level: Level, now_s: float) -> LevelNow:
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
