"""Key secrets: one of ours is known by its checksum, and nothing that is stored or shown gives it away."""

import hashlib
import hmac
import random
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.domain.identity import KeyKind, LimitReset
from tollway.identity.keys import BASE62, PREFIXES, checksum, digest_of, issue_key, label_of, new_secret, well_formed

PEPPER = b"pepper"
SECRETS = {prefix: new_secret(prefix) for prefix in PREFIXES}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_new_secrets(prefix: str) -> None:
    """Each prefix: 43 + 6 characters of base62, well formed, never the same twice."""
    secrets = {new_secret(prefix) for _ in range(200)}
    assert len(secrets) == 200
    for secret in secrets:
        body = secret.removeprefix(prefix)
        assert len(body) == 49
        assert set(body) <= set(BASE62)
        assert well_formed(secret)


def test_the_random_part_uses_its_alphabet() -> None:
    """All 62 characters come up: 43 of them are 256 bits."""
    assert len(set(BASE62)) == 62
    assert {each for _ in range(100) for each in new_secret()[len("sk-or-v1-") : -6]} == set(BASE62)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_the_checksum_is_crc32_in_base62(text: str) -> None:
    """Six digits hold all 32 bits: they read back as the CRC of the text."""
    number = 0
    for digit in checksum(text):
        number = number * 62 + BASE62.index(digit)
    assert len(checksum(text)) == 6
    assert number == zlib.crc32(text.encode())


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(PREFIXES), st.integers(0, 80), st.characters() | st.sampled_from(BASE62))
def test_any_changed_character_is_refused(prefix: str, place: int, other: str) -> None:
    """A typing error anywhere, in prefix, body or checksum, is refused before any look-up."""
    secret = SECRETS[prefix]
    place %= len(secret)
    if secret[place] != other:
        assert not well_formed(secret[:place] + other + secret[place + 1 :])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PREFIXES), st.integers(0, 80), st.text(min_size=1, max_size=3))
def test_any_added_or_lost_piece_is_refused(prefix: str, place: int, piece: str) -> None:
    """Longer, shorter and swapped ones are refused too."""
    secret = SECRETS[prefix]
    place %= len(secret)
    assert not well_formed(secret[:place] + piece + secret[place:])
    assert not well_formed(secret[:place] + secret[place + len(piece) :])
    if place + 1 < len(secret) and secret[place] != secret[place + 1]:
        assert not well_formed(secret[:place] + secret[place + 1] + secret[place] + secret[place + 2 :])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.sampled_from(PREFIXES).flatmap(lambda prefix: st.text().map(prefix.__add__)))
def test_no_other_text_is_one_of_ours(text: str) -> None:
    """Any text at all is refused without an exception."""
    assert not well_formed(text)


@pytest.mark.parametrize(
    "text", ["", "sk-", "sk-or-v1-", "sk-or-v1-" + "0" * 49, "sk-or-v1-" + "é" * 49, "sk-" + "0" * 10**6, "\x00"]
)
def test_refused(text: str) -> None:
    """Prefixes alone, zeros, what is not ASCII, and a megabyte."""
    assert not well_formed(text)


def test_a_checksum_of_another_prefix_is_refused() -> None:
    """The checksum covers the prefix: an inference key can't be made into a provisioning key by writing."""
    body = SECRETS["sk-or-v1-"].removeprefix("sk-or-v1-")
    assert not well_formed(f"sk-or-prov-v1-{body}")


def test_the_digest_is_an_hmac_with_the_pepper() -> None:
    """HMAC-SHA256: whoever can write the database but has no pepper can't make a key."""
    assert digest_of("secret", PEPPER) == hmac.new(PEPPER, b"secret", hashlib.sha256).digest()
    assert digest_of("secret", PEPPER) != digest_of("secret", b"another")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_labels_show_the_ends_only(prefix: str) -> None:
    """A label is prefix, three characters and the last three: 43 random ones minus six stay unknown."""
    secret = SECRETS[prefix]
    label = label_of(secret)
    body = secret.removeprefix(prefix)
    assert label == f"{prefix}{body[:3]}...{body[-3:]}"
    assert body[3:-3] not in label
    assert not any(body[3:-3][at : at + 4] in label for at in range(40))


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("kind", KeyKind)
def test_an_issued_key_does_not_hold_its_secret(prefix: str, kind: KeyKind) -> None:
    """The id is no digest of the secret, and nothing in the key's record is the secret or a part of its middle."""
    key, secret = issue_key(
        workspace_id="w",
        name="n",
        pepper=PEPPER,
        now_ms=5,
        limit=7,
        limit_reset=LimitReset.DAILY,
        expires_ms=9,
        prefix=prefix,
        kind=kind,
    )
    assert well_formed(secret)
    assert secret.startswith(prefix)
    assert key.digest == digest_of(secret, PEPPER)
    assert (key.workspace_id, key.name, key.kind, key.created_ms) == ("w", "n", kind, 5)
    assert (key.limit, key.limit_reset, key.expires_ms, key.disabled) == (7, LimitReset.DAILY, 9, False)
    assert len(bytes.fromhex(key.id)) == 32
    known = (digest_of(secret, PEPPER), hashlib.sha256(secret.encode()).digest())
    assert bytes.fromhex(key.id) not in known
    assert key.digest.hex() not in key.label
    assert secret[len(prefix) + 3 : -3] not in repr(key)


def test_a_million_bad_keys(tell: Callable[[str], None]) -> None:
    """Half are made up, half are a good one with another character somewhere: none would be looked up."""
    dice = random.Random(5)
    good = new_secret()
    began_s = time.perf_counter()
    for _ in range(500_000):
        at = dice.randrange(9, len(good))
        other = BASE62[(BASE62.index(good[at]) + dice.randrange(1, 62)) % 62]
        assert not well_formed(f"{good[:at]}{other}{good[at + 1 :]}")
        assert not well_formed(f"{good[:9]}{dice.getrandbits(196):049x}")
    assert well_formed(good)
    tell(f"a million bad keys, refused by their checksums in {time.perf_counter() - began_s:.1f} s")
