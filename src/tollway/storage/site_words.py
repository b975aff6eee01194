"""The operator's words on the site, and who may sign up: read at start, written when they change."""

import msgspec

from tollway.domain.people import SignUp
from tollway.domain.site_words import SiteWords
from tollway.storage.database import Database, Statement

_NAME, _SIGN_UP = "words", "sign_up"
_sign_up = msgspec.json.Decoder(SignUp)
_decoder = msgspec.json.Decoder(SiteWords)


async def find_words(database: Database) -> SiteWords:
    """Without any where nobody has said any."""
    rows = await database.read("SELECT record FROM site_words WHERE name = :name", name=_NAME)
    return _decoder.decode(rows[0][0]) if rows else SiteWords()


def set_words(words: SiteWords, now_ms: int) -> Statement:
    """In place of those that are there."""
    return _set(_NAME, msgspec.json.encode(words), now_ms)


async def find_sign_up(database: Database) -> SignUp | None:
    """None: no admin said anything else than the configuration."""
    rows = await database.read("SELECT record FROM site_words WHERE name = :name", name=_SIGN_UP)
    return _sign_up.decode(rows[0][0]) if rows else None


def set_sign_up(policy: SignUp | None, now_ms: int) -> Statement:
    """None: as the configuration says."""
    if policy is None:
        return Statement("DELETE FROM site_words WHERE name = :name", ({"name": _SIGN_UP},))
    return _set(_SIGN_UP, msgspec.json.encode(policy), now_ms)


def _set(name: str, record: bytes, now_ms: int) -> Statement:
    sql = """
    INSERT INTO site_words (name, record, changed_ms) VALUES (:name, :record, :now_ms)
    ON CONFLICT (name) DO UPDATE SET record = excluded.record, changed_ms = excluded.changed_ms
    """
    return Statement(sql, ({"name": name, "record": record.decode(), "now_ms": now_ms},))
