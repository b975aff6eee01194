"""The status for programs: `/status.json`, an Atom feed of what is down just now, and a badge to show elsewhere."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.web.page import Site
from tollway.web.pages.status import StatusView, status
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


class EndpointStatus(Struct, frozen=True):
    """An endpoint that was asked in the last day."""

    model: str
    provider: str
    status: str
    why: str
    uptime_5m: float | None
    uptime_30m: float | None
    uptime_1d: float | None


class Status(Struct, frozen=True):
    """The whole."""

    status: str
    """`up`, `degraded` (an endpoint is down, or a level has no route), `down` (every one is), `quiet`."""
    endpoints: int
    asked: int
    down: int
    levels: tuple[LevelStatus, ...]
    providers: tuple[ProviderStatus, ...]
    endpoints_asked: tuple[EndpointStatus, ...]


def word(view: StatusView) -> str:
    """The whole in a word of WORDS."""
    if not view.asked:
        return "quiet"
    if all(each.status == "down" for each in view.asked):
        return "down"
    return "degraded" if view.down or any(each.status == "outage" for each in view.levels) else "up"


async def status_json(site: Site, request: Request) -> Response:
    """`GET /status.json`"""
    view = await status(site, request)
    body = Status(
        status=word(view),
        endpoints=view.endpoints,
        asked=len(view.asked),
        down=view.down,
        levels=tuple(
            LevelStatus(
                each.name, each.level, each.status, each.live, each.candidates,
                each.price or None, each.cheapest or None,
            )
            for each in view.levels
        ),
        providers=tuple(ProviderStatus(each.name, each.asked, each.down, each.uptime) for each in view.providers),
        endpoints_asked=tuple(
            EndpointStatus(
                each.model_id, each.provider, each.status, each.why,
                each.measured.uptime.minutes_5, each.measured.uptime.minutes_30, each.measured.uptime.day,
            )
            for each in view.asked
        ),
    )  # fmt: skip
    return answer(request, msgspec.json.encode(body), "application/json")


async def status_atom(site: Site, request: Request) -> Response:
    """`GET /status.atom`: an entry for each level without a route and each endpoint that is down (RFC 4287)."""
    view = await status(site, request)
    at = datetime.fromtimestamp(site.now_ms() // 60_000 * 60, UTC).strftime("%Y-%m-%dT%H:%M:00Z")
    url = f"{site.public_url}/status"
    told = [
        (
            f"level:{each.name}",
            f"No route for {each.name}",
            f"None of its {each.candidates} endpoints answers just now.",
        )
        for each in view.levels
        if each.status == "outage"
    ]
    told += [
        (f"{each.provider}:{each.model_id}", f"{each.model_id} at {each.provider} is down", each.why)
        for each in view.asked
        if each.status == "down"
    ]
    entries = "".join(
        f"<entry><id>{escape(f'{url}#{id_}')}</id><title>{escape(title)}</title><updated>{at}</updated>"
        f'<link href="{escape(url)}"/><summary>{escape(why or title)}</summary></entry>'
        for id_, title, why in told
    )
    feed = (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>{escape(url)}</id><title>Tollway status: {word(view)}</title><updated>{at}</updated>"
        f'<author><name>Tollway</name></author><link href="{escape(url)}"/>'
        f'<link rel="self" href="{escape(url)}.atom"/>{entries}</feed>\n'
    )
    return answer(request, feed.encode(), "application/atom+xml; charset=utf-8")


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
