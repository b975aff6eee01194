"""`users.issuers`: what is refused with its reason, where secrets come from, and that none is shown; the cookie."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from tollway.config import Config, ConfigError, Users, load
from tollway.domain.errors import Forbidden
from tollway.domain.issuers import Issuer, is_safe
from tollway.identity.seals import seal
from tollway.identity.sign_ins import AWAY_MS, PURPOSE, SignIns

SECRET = "issuer-secret-canary"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "tollway.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ('slug = "work"\nclient_id = "c"', "url is missing"),
        ('slug = "work"\nclient_id = "c"\nurl = "http://login.example.com"', "over https only"),
        ('slug = "work"\nclient_id = "c"\nurl = "https://user@login.example.com"', "over https only"),
        ('slug = "Work"\nclient_id = "c"\nurl = "https://a.example"', "slug"),
        ('slug = "github"\nclient_id = ""', "client_id"),
        ('slug = "github"\nclient_id = "c"\nclient_secret = " "', "client_secret is empty"),
        ('slug = "github"\nclient_id = "c"\nurl = "https://git.example.com"', "api_url is missing"),
        ('slug = "github"\nclient_id = "c"\nsecret = "s"', "not a known key"),
        ('slug = "google"\nclient_id = "c"\n[[users.issuers]]\nslug = "google"\nclient_id = "d"', "there twice"),
    ],
)
def test_what_is_refused(tmp_path: Path, block: str, words: str) -> None:
    """With the place and what to do."""
    with pytest.raises(ConfigError, match=words):
        load(written(tmp_path, f"[[users.issuers]]\n{block}\n"), {})


def test_secrets(tmp_path: Path) -> None:
    """From the file, a variable, or a file that a variable names; in no text of the configuration."""
    text = '[[users.issuers]]\nslug = "my-work"\nclient_id = "c"\nurl = "https://login.example.com/"\n'
    file = written(tmp_path, text)
    held = tmp_path / "held"
    held.write_text(f"{SECRET}\n", encoding="utf-8")
    for environment, expected in (
        ({}, None),
        ({"TOLLWAY_MY_WORK_CLIENT_SECRET": SECRET}, SECRET),
        ({"TOLLWAY_MY_WORK_CLIENT_SECRET_FILE": str(held)}, SECRET),
    ):
        config = load(file, environment)
        [issuer] = config.users.issuers
        assert config.issuer_secret(issuer) == expected
        assert (issuer.address, issuer.shown, issuer.speaks) == ("https://login.example.com", "my-work", "oidc")
    config = load(written(tmp_path, text + 'client_secret = "${IT}"\n'), {"IT": SECRET})
    assert config.issuer_secret(config.users.issuers[0]) == SECRET
    assert SECRET not in repr(config)
    assert SECRET not in repr(config.users)
    assert Config(users=Users()).users.issuers == ()


def test_well_known_ones() -> None:
    """GitHub and Google need an id and a secret."""
    github, google = Issuer("github", "c", "s"), Issuer("google", "c", "s")
    assert (github.address, github.api, github.speaks) == ("https://github.com", "https://api.github.com", "github")
    assert (google.address, google.shown, google.speaks) == ("https://accounts.google.com", "Google", "oidc")


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example/x", True), ("http://127.0.0.1:9/x", True), ("http://localhost", True),
        ("http://[::1]:9/", True), ("http://a.example", False), ("http://127.0.0.1.evil.example/", False),
        ("http://localhost@evil.example/", False), ("https://u@evil.example/", False), ("ftp://a.example", False),
        ("https://", False), ("javascript:alert(1)", False), ("https://a.example/x y", False),
    ],
)  # fmt: skip
def test_where_secrets_may_go(url: str, safe: bool) -> None:
    """Over https, or to this machine."""
    assert is_safe(url) is safe


class Older(Struct):
    """What a cookie held in another version."""


def test_a_cookie_is_of_one_server_and_one_question() -> None:
    """Another pepper, issuer, state or time: refused, and the good one still works after these, once."""
    sign_ins, other = SignIns(b"pepper"), SignIns(b"another")
    asked = sign_ins.begin("work", "/", 1_000)
    assert len({asked.state, asked.nonce, asked.verifier}) == 3
    sealed = sign_ins.seal(asked)
    for taker, cookie, slug, state, now_ms in (
        (other, sealed, "work", asked.state, 1_000),
        (sign_ins, other.seal(asked), "work", asked.state, 1_000),
        (sign_ins, sealed, "github", asked.state, 1_000),
        (sign_ins, sealed, "work", asked.nonce, 1_000),
        (sign_ins, sealed, "work", "", 1_000),
        (sign_ins, sealed, "work", "\u00e9", 1_000),
        (sign_ins, sealed, "work", asked.state, 1_000 + AWAY_MS),
        (sign_ins, "", "work", asked.state, 1_000),
        (sign_ins, ".", "work", asked.state, 1_000),
    ):
        with pytest.raises(Forbidden):
            taker.take(cookie, slug, state, now_ms)
    for other_text in (seal(b"pepper", PURPOSE, Older()), seal(b"pepper", "something else", asked)):
        with pytest.raises(Forbidden):
            sign_ins.take(other_text, "work", asked.state, 1_000)
    assert sign_ins.take(sealed, "work", asked.state, 999 + AWAY_MS) == asked
    with pytest.raises(Forbidden):
        sign_ins.take(sealed, "work", asked.state, 1_001)


def test_nothing_heavy_at_start() -> None:
    """A server that nobody signs in to by an issuer or a passkey never loads Authlib or webauthn."""
    heavy = ("authlib", "joserfc", "webauthn", "cbor2", "OpenSSL")
    code = f"import sys, tollway.app; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
