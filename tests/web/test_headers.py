"""Headers of the site: policy, validators, encodings and lifetimes."""

import gzip
import re

import pytest

from tests.web.site import BROWSER, app_of, full_market, get, look
from tollway.web.assets import Assets
from tollway.web.render import matches, takes_gzip

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types app dompurify"
)


@pytest.mark.parametrize("path", ["/", "/?q=none", "/models.json", "/models.csv", "/robots.txt", "/favicon.svg", "/no"])
def test_every_answer_has_the_policy(path: str) -> None:
    """The Content-Security-Policy is exactly this, on pages, data and the page for what is missing, and on a 304."""
    app = app_of(full_market())
    [first] = get(app, path)
    [again] = get(app, path, headers={**BROWSER, "if-none-match": first.headers["etag"]})
    assert again.status_code == (304 if first.status_code == 200 else 404)
    for answer in (first, again):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert answer.headers["cache-control"] == "no-cache"


def test_an_etag_follows_what_is_seen() -> None:
    """The same page has the same tag; another query has another; a 304 has no body."""
    app = app_of(full_market())
    first, same, other = get(app, "/models", "/models", "/models?q=acme")
    assert first.headers["etag"] == same.headers["etag"] != other.headers["etag"]
    [unchanged] = get(app, "/models", headers={**BROWSER, "if-none-match": f'"x", {first.headers["etag"]}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    [changed] = get(app, "/?q=acme", headers={**BROWSER, "if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["/", "/models.json", "static"])
def test_gzip_for_who_takes_it(path: str) -> None:
    """The same bytes, smaller, for a client that takes gzip; plain for one that does not; the same tag for both."""
    app = app_of(full_market())
    if path == "static":
        path = next(url for url in look(app).urls() if url.endswith(".css"))
    [plain] = get(app, path, headers={"accept-encoding": "identity"})
    [zipped] = get(app, path, headers={"accept-encoding": "br, gzip"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content  # httpx has unpacked it
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert zipped.headers.get("etag") == plain.headers.get("etag")
    assert plain.headers["vary"] == zipped.headers["vary"] == "accept-encoding"


def test_files_are_named_by_what_they_hold() -> None:
    """What lies below the hash may be kept for ever; another hash does not exist; a changed byte makes another hash."""
    app = app_of(full_market())
    urls = [url for url in look(app, "/models").urls() if "/static/" in url]
    assert len(urls) == 4
    for url, answer in zip(urls, get(app, *urls), strict=True):
        assert re.fullmatch(r"/static/[0-9a-f]{12}/[a-z-]+\.(css|js)", url)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] in {"text/css; charset=utf-8", "text/javascript; charset=utf-8"}
        assert answer.headers["x-content-type-options"] == "nosniff"
    folder = urls[0].rpartition("/")[0]
    strays = ["/static/app.css", "/static/0123456789ab/app.css", f"{folder}/..%2Froutes.py", f"{folder}/vendor/"]
    assert [answer.status_code for answer in get(app, *strays)] == [404] * 4
    one, two = Assets({"app.css": lambda: b"a {}"}), Assets({"app.css": lambda: b"b {}"})
    assert one.path("app.css") != two.path("app.css") != Assets({"b.css": lambda: b"b {}"}).path("b.css")
    assert gzip.decompress(one.by_name["app.css"].gzipped) == b"a {}"


def test_head_is_get_without_the_body() -> None:
    """Status and headers of a GET, also for the page where there is nothing."""
    app = app_of(full_market())
    for path in ("/", "/models.csv", "/missing"):
        [head], [whole] = get(app, path, method="HEAD"), get(app, path)
        assert (head.status_code, head.headers) == (whole.status_code, whole.headers)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("*, gzip; q=0.000", False),
        ("br", False),
        ("", False),
    ],
)
def test_who_takes_gzip(accepted: str, expected: bool) -> None:
    """RFC 9110, section 12.5.3, in the cases that occur."""
    assert takes_gzip(accepted) is expected


@pytest.mark.parametrize(
    ("if_none_match", "expected"),
    [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_who_has_it_already(if_none_match: str, expected: bool) -> None:
    """RFC 9110, section 13.1.2: the weak comparison."""
    assert matches(if_none_match, 'W/"a"') is expected
