"""`/status`: whether requests are answered just now: by alias, and by every endpoint that is down or was of late."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

from msgspec import Struct
from starlette.requests import Request

from tollway.domain.measured import EndpointHour, Measured
from tollway.routing.incidents import Incident, incidents_of, most_common
from tollway.routing.market import Level, seventy_thirty
from tollway.web.bars import Bars, day_bars, many_day_bars
from tollway.web.figures import moment, usd_per_million
from tollway.web.page import Site

SHOWN_MAX, INCIDENTS_MAX, NAMED_MAX = 200, 30, 3
DAYS, DAY_MS, HOUR_MS, DAY_HOURS = 90, 86_400_000, 3_600_000, 24
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
    shares: tuple[float | None, ...]
    """The same as shares of requests that did not fail, by day, the oldest first; None: nobody asked."""
    wrong: str
    """The most common kind of what went wrong in the last day; "": nothing did."""
    wrong_count: int


class IncidentTold(Struct, frozen=True):
    """A run of bad hours of a provider."""

    id: str
    """The same for as long as it lasts, and after it."""
    provider: str
    endpoints: tuple[str, ...]
    """Models, or ids of what is not on offer any more; NAMED_MAX of them, who failed most first."""
    others: int
    began_ms: int
    ended_ms: int
    """Until the last full hour, while it goes on."""
    kind: str
    failed: int
    asked: int
    going_on: bool

    @property
    def began(self) -> str:
        return moment(self.began_ms)

    @property
    def ended(self) -> str:
        return moment(self.ended_ms)


class StatusView(Struct, frozen=True):
    """What `status.html` shows."""

    levels: tuple[LevelNow, ...]
    shown: tuple[EndpointState, ...]
    """Of those that were asked in the last day SHOWN_MAX, the worst first."""
    asked: int
    """How many were; `down` and `shaky` are of all of them, too."""
    providers: tuple[ProviderState, ...]
    """The worst first."""
    endpoints: int
    down: int
    shaky: int
    """Up, with an uptime of the day below STEADY."""
    incidents: tuple[IncidentTold, ...]
    """Of the last 30 days, the latest first."""


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
    down = {each.id for each in asked if each.status == "down"}
    now_hour, troubles = site.now_ms() // HOUR_MS, await site.troubles()
    names = {endpoint.id: endpoint.model_id for endpoint in live}
    return StatusView(
        levels=tuple(level_now(site, level, now_s) for level in market.levels.values()),
        shown=tuple(asked[:SHOWN_MAX]),
        asked=len(asked),
        providers=tuple(_providers(asked, await _days(site), _wrong(site, troubles, now_hour))),
        endpoints=len(live),
        down=len(down),
        shaky=sum(each.status == "up" and (each.measured.uptime.day or 1.0) < STEADY for each in asked),
        incidents=tuple(
            _told(site, each, names, now_hour) for each in incidents_of(troubles, now_hour, down)[:INCIDENTS_MAX]
        ),
    )


def _told(site: Site, found: Incident, names: Mapping[str, str], now_hour: int) -> IncidentTold:
    named = list(dict.fromkeys(names.get(id_, id_) for id_ in found.endpoints))
    return IncidentTold(
        id=f"incident:{found.provider}:{found.first_hour}",
        provider=site.provider_name(found.provider),
        endpoints=tuple(named[:NAMED_MAX]),
        others=len(named[NAMED_MAX:]),
        began_ms=found.first_hour * HOUR_MS,
        ended_ms=min(found.last_hour + 1, now_hour) * HOUR_MS,
        kind=found.kind,
        failed=found.failed,
        asked=found.asked,
        going_on=found.going_on,
    )


def _wrong(
    site: Site, troubles: Iterable[tuple[tuple[str, int], EndpointHour]], now_hour: int
) -> dict[str, tuple[str, int]]:
    """By provider's name: what went wrong most in the last day, and how often."""
    by_name: dict[str, list[EndpointHour]] = {}
    for (id_, at), hour in troubles:
        if at > now_hour - DAY_HOURS:
            by_name.setdefault(site.provider_name(id_.partition(":")[0]), []).append(hour)
    return {name: most_common(hours) for name, hours in by_name.items()}


async def _days(site: Site) -> dict[str, tuple[float | None, ...]]:
    """By provider's name: which share of its requests did not fail, on each of the last DAYS days."""
    today, found = site.now_ms() // DAY_MS, dict[str, tuple[float | None, ...]]()
    for slug, days in (await site.provider_days()).items():
        counts = (days.get(day, (0, 0)) for day in range(today - DAYS + 1, today + 1))
        shares = tuple(1 - errors / requests if requests else None for requests, errors in counts)
        found[site.provider_name(slug)] = shares
    return found


def _providers(
    asked: Sequence[EndpointState],
    shares: Mapping[str, tuple[float | None, ...]],
    wrong: Mapping[str, tuple[str, int]],
) -> list[ProviderState]:
    by_name: dict[str, list[EndpointState]] = {}
    for each in asked:
        by_name.setdefault(each.provider, []).append(each)
    found = []
    for name, each_day in shares.items():
        if any(share is not None for share in each_day):
            by_name.setdefault(name, [])
    for name, states in by_name.items():
        count = Counter(each.status for each in states)
        days = [each.measured.uptime.day for each in states if each.measured.uptime.day is not None]
        firsts = [each.measured.first_s.p50 for each in states if each.measured.first_s]
        found.append(
            ProviderState(
                name=name,
                asked=len(states),
                up=count["up"],
                untried=count["untried"],
                down=count["down"],
                uptime=sum(days) / len(days) if days else None,
                first_s=median_low(firsts) if firsts else None,
                days=many_day_bars(shares.get(name, ())),
                shares=shares.get(name, (None,) * DAYS),
                wrong=wrong.get(name, ("", 0))[0],
                wrong_count=wrong.get(name, ("", 0))[1],
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
