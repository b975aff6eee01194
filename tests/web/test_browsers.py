"""What browsers are called where one sees in which of them one is signed in."""

import pytest

from tollway.web.browsers import UNKNOWN, described

LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (f"{LINUX} {WEBKIT} Chrome/130.0 Safari/537.36", "Chrome on Linux"),
        (f"{LINUX} {WEBKIT} HeadlessChrome/130.0 Safari/537.36", "Chromium on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {WEBKIT} Version/18.0 Safari/605.1", "Safari on macOS"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {WEBKIT} Safari/604.1", "Safari on iPhone"),
        (f"Mozilla/5.0 (Linux; Android 15) {WEBKIT} Chrome/130.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.10.1", "curl/8.10.1"),
        ("x" * 200, "x" * 60),
        ("", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_browser_is_named(said: str | None, name: str) -> None:
    """The browser and its system; a program says its own name, and never more than a line of it."""
    assert described(said) == name
