"""Answers of the site: a view model through its template, with the headers that every page has; ETags and gzip."""

import gzip
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

import jinja2
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway import __version__
from tollway.web.assets import Asset, Assets
from tollway.web.figures import count, dollars, percent, seconds, tokens_short

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
REVALIDATE = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"


FILTERS = {"dollars": dollars, "tokens_short": tokens_short, "count": count, "seconds": seconds, "percent": percent}


class Renderer:
    """Templates and assets, loaded once."""

    def __init__(self, assets: Assets, notice: str = "") -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("tollway.web", "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= FILTERS
        parts = self._environment.get_template("parts.html").module
        # A table draws the same few of these on every row: kept, they save a quarter of a page's time.
        kept = {name: lru_cache(1024)(getattr(parts, name)) for name in ("modalities", "strokes")}
        self._environment.globals |= {"version": __version__, "notice": notice, **kept}
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
        html = self._environment.get_template(template).render(
            view=view,
            root=root,
            here=request.url.path.removeprefix(root),
            asset=lambda name: root + self._assets.path(name),
        )
        return answer(request, html.encode(), "text/html; charset=utf-8", status=status, headers=headers)


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
    """A file under its hashed name: it never changes."""
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
