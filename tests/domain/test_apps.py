"""Apps: one site is one app, whatever the page; what names no app is none; nothing that a header says is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.apps import app_of


@pytest.mark.parametrize(
    ("referer", "title", "url"),
    [
        ("https://chat.example/page?user=ada", "Chat", "https://chat.example"),
        ("https://CHAT.example:8443/", None, "https://chat.example:8443"),
        ("chat.example/page", None, "https://chat.example"),
        ("https://ada:secret@chat.example", None, "https://chat.example"),
        ("https://[2606:4700::1]/", None, "https://[2606:4700::1]"),
        ("http://localhost:3000", "Mine", None),
        ("http://192.168.1.5/", "Mine", None),
    ],
)
def test_apps(referer: str, title: str | None, url: str | None) -> None:
    """Only scheme and host are kept, no password; a program on one's own machine has only its title."""
    app = app_of(referer, title)
    assert app is not None
    assert (app.url, app.title) == (url, title)
    assert 0 < app.id < 2**48


@pytest.mark.parametrize(
    "referer",
    [None, "", "http://localhost", "http://127.0.0.1:80/x", "file:///tmp/x", "https://", "https://a b/", "https://[x/"],
)
def test_no_app(referer: str | None) -> None:
    """Without a title the last ones name nobody; a title alone never does."""
    assert app_of(referer, None) is None
    assert app_of(None, "Title") is None


def test_which_are_the_same() -> None:
    """Pages of one host are one app; hosts, ports and titles of local programs tell apps apart."""
    chat = app_of("https://chat.example/a", None)
    assert chat is not None
    for referer, title, same in (
        ("http://chat.example/b", "Other", True),
        ("https://chat.example:8443", None, False),
        ("https://www.chat.example", None, False),
        ("http://localhost", "chat.example", False),
    ):
        other = app_of(referer, title)
        assert other is not None
        assert (other.id == chat.id) is same


@given(st.none() | st.text(max_size=60) | st.from_regex(r"https?://[^\n]{0,30}"), st.none() | st.text(max_size=9))
def test_whatever_is_sent(referer: str | None, title: str | None) -> None:
    """An app or none; never an error."""
    app = app_of(referer, title)
    assert app is None or app.id > 0
