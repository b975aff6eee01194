"""Answers of the site: a view model through its template, with the headers that every page has; ETags and gzip."""

import gzip
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256

import jinja2
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from tollway import __version__
from tollway.domain.site_words import SiteWords
from tollway.web.assets import Asset, Assets
from tollway.web.figures import count, dollars, percent, seconds, tokens_short
from tollway.web.rows import FLAGS

# Nothing inline, nothing from elsewhere, and text becomes HTML only through the policies "app" and "dompurify".
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types app dompurify"
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

GZIP_MIN_BYTES = 1024  # below it the gain is less than a packet
THEME_COOKIE, THEMES = "tollway-theme", ("light", "dark")
REVALIDATE = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"


TABLED = (
    "/providers", "/status", "/compare", "/explore", "/guardrails", "/credits", "/credits/receipts/{id}",
    "/workspace", "/alerts", "/presets", "/presets/{slug}", "/privacy", "/keys", "/logs/{id}", "/admin",
    "/admin/users/{id}", "/admin/aliases", "/admin/ledger", "/admin/prices/diff", "/admin/prices/endpoint",
    "/admin/settings", "/admin/providers/{slug}",
)  # fmt: skip
"""Pages whose tables are read from them, as files beside them (web/tables.py)."""
_TABLED = tuple(compile_path(path)[0] for path in TABLED)

FILTERS = {"dollars": dollars, "tokens_short": tokens_short, "count": count, "seconds": seconds, "percent": percent}


class Renderer:
    """Templates and assets, loaded once."""

    def __init__(self, assets: Assets, notice: str = "", words: Callable[[], SiteWords] = SiteWords) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("tollway.web", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= FILTERS
        self._environment.globals["flag_words"] = FLAGS
        parts = self._environment.get_template("parts.html").module
        # A table draws the same few of these on every row: kept, they save a quarter of a page's time.
        kept = {name: lru_cache(1024)(getattr(parts, name)) for name in ("modalities", "strokes", "flags")}
        self._environment.globals |= {"version": __version__, "notice": notice, "site_words": words, **kept}
        self._assets = assets

    def page(
        self,
        request: Request,
        template: str,
        view: Struct,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page: `template` sees `view`, and `root`, the path below which the site lies."""
        root = root_path(request)
        here = request.url.path.removeprefix(root)
        html = self._environment.get_template(template).render(
            view=view,
            root=root,
            here=here,
            table_files=files_of(here, request.url.query) if status == 200 else (),
            theme=theme_of(request),
            asset=lambda name: root + self._assets.path(name),
        )
        return answer(request, html.encode(), "text/html; charset=utf-8", status=status, headers=headers)


def files_of(path: str, query: str) -> tuple[tuple[str, str], ...]:
    """What the tables of a page of TABLED are called as files, and where they are."""
    if not any(pattern.match(path) for pattern in _TABLED):
        return ()
    return tuple((kind, f"{path}{kind}{'?' if query else ''}{query}") for kind in (".csv", ".json"))


def theme_of(request: Request) -> str:
    """What the visitor has chosen (`/preferences`), "" for the system's: the page comes in it, so that none flashes."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def root_path(request: Request) -> str:
    """Where the site is mounted, without a trailing slash; "" at the top (ASGI's `root_path`)."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def answer(
    request: Request, body: bytes, media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A body that may change at any time: revalidated by its ETag, gzipped for who takes it."""
    # Weak, because the same tag stands for the plain and the gzipped body (RFC 9110, section 8.8.1).
    etag = f'W/"{sha256(body).hexdigest()[:24]}"'
    fields = {
        **SECURITY_HEADERS,
        "cache-control": REVALIDATE,
        "etag": etag,
        "vary": "accept-encoding",
        **(headers or {}),
    }
    if status == 200 and matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=fields)
    if len(body) >= GZIP_MIN_BYTES and takes_gzip(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, compresslevel=5, mtime=0)
        fields["content-encoding"] = "gzip"
    return Response(body, status_code=status, media_type=media_type, headers=fields)


def asset_answer(request: Request, asset: Asset) -> Response:
    """A file below the hash of all: it never changes."""
    fields = {"x-content-type-options": "nosniff", "cache-control": IMMUTABLE, "vary": "accept-encoding"}
    if takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(asset.gzipped, media_type=asset.media_type, headers=fields | {"content-encoding": "gzip"})
    return Response(asset.body, media_type=asset.media_type, headers=fields)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the client has this version: the weak comparison of RFC 9110, section 13.1.2."""
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip: named, or by "*", and not with a weight of zero (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        weight = parameters.partition("q=")[2].strip()
        weights[coding.strip()] = not (weight and not weight.strip("0."))
    return weights.get("gzip", weights.get("*", False))
