"""Key secrets: 256 random bits, a checksum that refuses typing errors at once, and an HMAC as all that is stored."""

import hmac
import secrets
import string
import zlib

from msgspec import structs

from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.domain.money import Nanodollars

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PROVISIONING_PREFIX = "sk-or-prov-v1-"
PREFIXES = ("sk-or-v1-", PROVISIONING_PREFIX, "cpen_live_", "sk_live_", "sk-")
RANDOM_CHARS = 43
CHECK_CHARS = 6
_ALPHABET = frozenset(BASE62)


def new_secret(prefix: str = "sk-or-v1-") -> str:
    """prefix + 43 base62 characters (256 bits) + 6 of CRC-32 (FAULTS.md 4.1). Shown once, never stored."""
    body = "".join(secrets.choice(BASE62) for _ in range(RANDOM_CHARS))
    return prefix + body + checksum(prefix + body)


def checksum(text: str) -> str:
    """CRC-32 as six base62 digits."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECK_CHARS):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


def well_formed(secret: str) -> bool:
    """Whether this can be one of our keys at all: a wrong one is refused before any look-up (FAULTS.md C-14)."""
    if len(secret) > 128 or not secret.isascii():
        return False
    prefix = next((each for each in PREFIXES if secret.startswith(each)), None)
    body = secret[len(prefix) :] if prefix else ""
    if len(body) != RANDOM_CHARS + CHECK_CHARS or not _ALPHABET.issuperset(body):
        return False
    return hmac.compare_digest(checksum(secret[:-CHECK_CHARS]), secret[-CHECK_CHARS:])


def digest_of(secret: str, pepper: bytes) -> bytes:
    """What is stored of a key: HMAC-SHA256 with a pepper that is not in the database."""
    return hmac.digest(pepper, secret.encode(), "sha256")


def label_of(secret: str) -> str:
    """A key as it may be shown: its prefix and its ends."""
    prefix = next((each for each in PREFIXES if secret.startswith(each)), "")
    return f"{secret[: len(prefix) + 3]}...{secret[-3:]}"


def renew_secret(key: Key, pepper: bytes) -> tuple[Key, str]:
    """The same key with another secret of the same kind."""
    secret = new_secret(next(each for each in PREFIXES if key.label.startswith(each)))
    return structs.replace(key, digest=digest_of(secret, pepper), label=label_of(secret)), secret


def issue_key(
    *,
    workspace_id: str,
    name: str,
    pepper: bytes,
    now_ms: int,
    limit: Nanodollars | None = None,
    limit_reset: LimitReset | None = None,
    rpm: int | None = None,
    default_model: str | None = None,
    expires_ms: int | None = None,
    prefix: str = "sk-or-v1-",
    kind: KeyKind = KeyKind.INFERENCE,
    creator_user_id: str | None = None,
    include_byok: bool = False,
    allowed_models: tuple[str, ...] | None = None,
    allowed_providers: tuple[str, ...] | None = None,
) -> tuple[Key, str]:
    """A new key and its secret. The key's public id is random: no digest of the secret."""
    secret = new_secret(prefix)
    key = Key(
        id=secrets.token_hex(32),
        digest=digest_of(secret, pepper),
        workspace_id=workspace_id,
        name=name,
        label=label_of(secret),
        kind=kind,
        created_ms=now_ms,
        limit=limit,
        limit_reset=limit_reset,
        rpm=rpm,
        default_model=default_model,
        expires_ms=expires_ms,
        creator_user_id=creator_user_id,
        include_byok=include_byok,
        allowed_models=allowed_models,
        allowed_providers=allowed_providers,
    )
    return key, secret
