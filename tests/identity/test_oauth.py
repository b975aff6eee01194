"""Callback URLs and code challenges: what is taken, what is refused, and that nothing can be read in two ways."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollway.domain.errors import Forbidden, InvalidRequest
from tollway.domain.people import ChallengeMethod
from tollway.identity.oauth import (
    LOOPBACK,
    Challenge,
    check_verifier,
    read_app,
    read_callback,
    read_challenge,
    s256,
)

ALL: tuple[ChallengeMethod, ...] = ("S256", "plain", "none")
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636, appendix B."""

GOOD = {
    "https://app.example": ("app.example", "https://app.example/?code=c"),
    "https://APP.example:8443/Cb?x=1": ("app.example", "https://app.example:8443/Cb?x=1&code=c"),
    "https://app.example?": ("app.example", "https://app.example/?code=c"),
    "https://app.example/?x=1&": ("app.example", "https://app.example/?x=1&code=c"),
    "https://xn--80ak6aa92e.example/": ("xn--80ak6aa92e.example", "https://xn--80ak6aa92e.example/?code=c"),
    "https://203.0.113.7/cb": ("203.0.113.7", "https://203.0.113.7/cb?code=c"),
    "https://[2001:DB8:0::1]/": ("2001:db8::1", "https://[2001:db8::1]/?code=c"),
    "http://localhost:3000": ("localhost", "http://localhost:3000/?code=c"),
    "http://127.0.0.1:1/cb": ("127.0.0.1", "http://127.0.0.1:1/cb?code=c"),
    "http://[::1]:65535/cb": ("::1", "http://[::1]:65535/cb?code=c"),
    "https://app.example/?decode=1": ("app.example", "https://app.example/?decode=1&code=c"),
}
TRICKS = (
    "",
    "app.example",
    "//app.example",
    "https:app.example",
    "https:///app.example",
    "HTTPS://app.example",
    "http://app.example/",
    "http://localhost.app.example/",
    "http://127.0.0.1.nip.io/",
    "http://localhost@app.example/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "https://0177.0.0.1/",
    "https://1.2.3.0x4/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::1%25eth0]/",
    "https://user@app.example/",
    "https://user:password@app.example/",
    "https://app.example\\@evil.example/",
    "https://app.example#@evil.example/",
    "https://app.example/#",
    "https://app.example%2eevil.example/",
    "https://app.example./",
    "https://-app.example/",
    "https://app..example/",
    "https://app_x.example/",
    "https://\u0430pp.example/",
    "https://app.example/ü",
    "https://app.example/\r\nset-cookie: a=b",
    "https://app.example/\t",
    " https://app.example/",
    "https://app.example/\x00",
    "https://app.example:0/",
    "https://app.example:65536/",
    "https://app.example:/",
    "https://app.example:80a/",
    "https://app.example:٣/",
    "https://app.example/?code=mine",
    "https://app.example/?c%6fde",
    "https://app.example/?error=no",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "custom-app://callback",
    f"https://app.example/{'a' * 2048}",
    f"https://{'a' * 64}.example/",
)


@pytest.mark.parametrize("url", GOOD)
def test_callbacks(url: str) -> None:
    """The host that is shown, and the URL that the code is sent to."""
    callback = read_callback(url)
    host, answered = GOOD[url]
    assert (callback.host, callback.answered(code="c")) == (host, answered)
    assert callback.local == (host in LOOPBACK)


@pytest.mark.parametrize("url", TRICKS)
def test_callback_tricks(url: str) -> None:
    """Refused with a reason that names the field."""
    with pytest.raises(InvalidRequest, match="callback_url: ") as refused:
        read_callback(url)
    assert refused.value.param == "callback_url"


pieces = st.sampled_from(
    ["https://", "http://", "localhost", "app.example", ":80", "/", "?", "@", "[::1]", "%", ".", "&"]
)


@given(st.one_of(st.text(), st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=9).map("".join)))
@example("https://app.example?code")
def test_what_is_taken_is_read_alike(url: str) -> None:
    """Whatever is taken: another parser sees the host that we show, no user, no fragment, and one code at the end."""
    try:
        callback = read_callback(url)
    except InvalidRequest:
        return
    sent = callback.answered(code="it")
    seen = urlsplit(sent)
    assert seen.hostname == callback.host
    assert (seen.username, seen.password, seen.fragment) == (None, None, "")
    assert seen.scheme == "https" or (seen.scheme == "http" and callback.host in LOOPBACK)
    assert [value for name, value in parse_qsl(seen.query, keep_blank_values=True) if name == "code"] == ["it"]
    assert sent.startswith(f"{callback.origin}/")
    assert read_callback(callback.url) == callback
    assert sent.isascii()
    assert sent.isprintable()


BAD_CHALLENGES: tuple[tuple[str | None, str | None, tuple[ChallengeMethod, ...]], ...] = (
    (None, "S256", ALL),
    (None, "plain", ALL),
    (None, "none", ALL),
    (CHALLENGE, "none", ALL),
    (CHALLENGE, "s256", ALL),
    (CHALLENGE, "", ALL),
    ("", "S256", ALL),
    ("", None, ALL),
    (f"{CHALLENGE}=", "S256", ALL),
    (f"{CHALLENGE[:-1]}+", "S256", ALL),
    (f"{CHALLENGE}\n", "S256", ALL),
    ("short", "plain", ALL),
    ("a" * 129, "plain", ALL),
    (CHALLENGE, None, ("S256",)),
    (CHALLENGE, "plain", ("S256", "none")),
    (CHALLENGE, "S256", ("plain", "none")),
    (None, None, ("S256", "plain")),
    (None, None, ()),
)


@pytest.mark.parametrize(("value", "method", "allowed"), BAD_CHALLENGES)
def test_bad_challenges(value: str | None, method: str | None, allowed: tuple[ChallengeMethod, ...]) -> None:
    """A method that there is not, that is switched off, or that does not fit the challenge."""
    with pytest.raises(InvalidRequest, match="code_challenge"):
        read_challenge(value, method, allowed)


def test_challenges() -> None:
    """The three ways; without a method it is plain; without a callback there must be a challenge."""
    assert read_challenge(CHALLENGE, "S256", ALL[:1]) == Challenge("S256", CHALLENGE)
    assert read_challenge(VERIFIER, None, ALL) == read_challenge(VERIFIER, "plain", ALL) == Challenge("plain", VERIFIER)
    assert read_challenge(None, None, ALL) == Challenge("none")
    assert s256(VERIFIER) == CHALLENGE
    assert read_app(None, CHALLENGE, "S256", ALL).callback is None
    with pytest.raises(InvalidRequest, match="code_challenge: needed"):
        read_app(None, None, None, ALL)


verifiers = st.text("abcXYZ019-._~", min_size=43, max_size=128)


@given(verifiers, verifiers, st.sampled_from(["S256", "plain"]))
def test_only_the_verifier_fits(right: str, wrong: str, method: ChallengeMethod) -> None:
    """The verifier of a challenge is taken, with its method or none; nothing else is."""
    challenge = Challenge(method, s256(right) if method == "S256" else right)
    for said in (method, None):
        check_verifier(challenge, right, said)
        for shown in {wrong, None, "", f"{right}\n", f"{right}é", challenge.value} - {right}:
            with pytest.raises(Forbidden):
                check_verifier(challenge, shown, said)
    with pytest.raises(InvalidRequest):
        check_verifier(challenge, right, "plain" if method == "S256" else "S256")
    with pytest.raises(Forbidden):
        check_verifier(Challenge("none"), right, None)
