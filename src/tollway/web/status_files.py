"""The status for programs: `/status.json`, an Atom feed of what is down just now, and a badge to show elsewhere."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.web.page import Site
from tollway.web.pages.status import HOUR_MS, IncidentTold, StatusView, status
from tollway.web.render import answer

WORDS = {"up": "#0f7a3d", "degraded": "#96610c", "down": "#b42318", "quiet": "#5b6472"}
"""What the badge says, and its colour: white on each of them can be read."""
LETTER = 6.6
"""Pixels of a letter of 11 px, about; the text is fitted to its place."""


class LevelStatus(Struct, frozen=True):
    """An alias."""

    name: str
    level: str
    status: str
    live_routes: int
    routes: int
    cheapest_usd_per_million: str | None
    cheapest_model: str | None


class ProviderStatus(Struct, frozen=True):
    """A provider, of whose endpoints somebody was asked in the last day."""

    name: str
    asked: int
    down: int
    uptime_day: float | None
    first_token_s: float | None
    """The median of its endpoints' medians."""
    top_error: str | None
    """The most common kind of what went wrong in the last day, and how often."""
    top_error_count: int
    days: tuple[float | None, ...]
    """Which share of requests did not fail, on each of the last 90 days, the oldest first; null: nobody asked."""


class EndpointStatus(Struct, frozen=True):
    """An endpoint that was asked in the last day."""

    model: str
    provider: str
    status: str
    why: str
    uptime_5m: float | None
    uptime_30m: float | None
    uptime_1d: float | None
    first_token_s: float | None
    """The median of the last 5 minutes."""


class IncidentStatus(Struct, frozen=True):
    """A run of hours in which a provider's endpoints failed; times in RFC 3339."""

    id: str
    provider: str
    models: tuple[str, ...]
    more_models: int
    began_at: str
    ended_at: str | None
    """null: it goes on."""
    kind: str
    failed: int
    asked: int


class Status(Struct, frozen=True):
    """The whole."""

    status: str
    """`up`, `degraded` (an endpoint is down, or a level has no route), `down` (all that were asked are), `quiet`."""
    endpoints: int
    asked: int
    down: int
    levels: tuple[LevelStatus, ...]
    providers: tuple[ProviderStatus, ...]
    endpoints_asked: tuple[EndpointStatus, ...]
    """The worst first; at most 200 of the `asked`."""
    incidents: tuple[IncidentStatus, ...]
    """Of the last 30 days, the latest first."""


class Entry(Struct, frozen=True):
    """One of the feed."""

    id: str
    title: str
    summary: str
    updated_ms: int
    began_ms: int = 0
    """0: not known."""


def word(view: StatusView) -> str:
    """The whole in a word of WORDS."""
    if not view.asked:
        return "quiet"
    if view.down == view.asked:
        return "down"
    return "degraded" if view.down or any(each.status == "outage" for each in view.levels) else "up"


async def status_json(site: Site, request: Request) -> Response:
    """`GET /status.json`"""
    view = await status(site, request)
    body = Status(
        status=word(view),
        endpoints=view.endpoints,
        asked=view.asked,
        down=view.down,
        levels=tuple(
            LevelStatus(
                each.name, each.level, each.status, each.live, each.candidates,
                each.price or None, each.cheapest or None,
            )
            for each in view.levels
        ),
        providers=tuple(
            ProviderStatus(
                each.name, each.asked, each.down, each.uptime, each.first_s,
                each.wrong or None, each.wrong_count, each.shares,
            )
            for each in view.providers
        ),
        endpoints_asked=tuple(
            EndpointStatus(
                each.model_id, each.provider, each.status, each.why,
                each.measured.uptime.minutes_5, each.measured.uptime.minutes_30, each.measured.uptime.day,
                each.measured.first_s.p50 if each.measured.first_s else None,
            )
            for each in view.shown
        ),
        incidents=tuple(
            IncidentStatus(
                each.id, each.provider, each.endpoints, each.others, at(each.began_ms),
                None if each.going_on else at(each.ended_ms), each.kind, each.failed, each.asked,
            )
            for each in view.incidents
        ),
    )  # fmt: skip
    return answer(request, msgspec.json.encode(body), "application/json")


async def status_atom(site: Site, request: Request) -> Response:
    """`GET /status.atom`: an entry for each level without a route, each endpoint that is down, and each incident.

    RFC 4287. An incident is updated when it ends, and hourly until then; what is down just now, hourly.
    """
    view = await status(site, request)
    now, hour = (site.now_ms() // each * each for each in (60_000, HOUR_MS))
    url = f"{site.public_url}/status"
    told = [
        Entry(
            f"level:{each.name}",
            f"No route for {each.name}",
            f"None of its {each.candidates} endpoints answers just now.",
            hour,
        )
        for each in view.levels
        if each.status == "outage"
    ]
    told += [
        Entry(f"{each.provider}:{each.model_id}", f"{each.model_id} at {each.provider} is down", each.why, hour)
        for each in view.shown
        if each.status == "down"
    ]
    told += [_entry(each) for each in view.incidents]
    entries = "".join(
        f"<entry><id>{escape(f'{url}#{each.id}')}</id><title>{escape(each.title)}</title>"
        f"{f'<published>{at(each.began_ms)}</published>' if each.began_ms else ''}"
        f"<updated>{at(each.updated_ms)}</updated>"
        f'<link href="{escape(url)}"/><summary>{escape(each.summary or each.title)}</summary></entry>'
        for each in told
    )
    feed = (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>{escape(url)}</id><title>Tollway status: {word(view)}</title><updated>{at(now)}</updated>"
        f'<author><name>Tollway</name></author><link href="{escape(url)}"/>'
        f'<link rel="self" href="{escape(url)}.atom"/>{entries}</feed>\n'
    )
    return answer(request, feed.encode(), "application/atom+xml; charset=utf-8")


def _entry(each: IncidentTold) -> Entry:
    where = ", ".join(each.endpoints) + (f" and {each.others} more" if each.others else "")
    until = "and goes on" if each.going_on else f"until {each.ended}"
    summary = f"{where}: {each.failed} of {each.asked} requests failed since {each.began}, {until}."
    return Entry(each.id, f"{each.provider}: {each.kind}", summary, each.ended_ms, each.began_ms)


def at(moment_ms: int) -> str:
    """RFC 3339, in UTC."""
    return datetime.fromtimestamp(moment_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def status_svg(site: Site, request: Request) -> Response:
    """`GET /status.svg`: "tollway | up"."""
    said = word(await status(site, request))
    left, right = round(LETTER * len("tollway") + 14), round(LETTER * len(said) + 14)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="tollway: {said}"><title>tollway: {said}</title>'
        f'<rect width="{left + right}" height="20" rx="4" fill="#30363f"/>'
        f'<path d="M{left} 0h{right - 4}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{right - 4}z" fill="{WORDS[said]}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2}" y="14" textLength="{left - 12}">tollway</text>'
        f'<text x="{left + right / 2}" y="14" textLength="{right - 12}">{said}</text></g></svg>\n'
    )
    return answer(request, svg.encode(), "image/svg+xml")
