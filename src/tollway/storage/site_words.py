"""The operator's words on the site: read at start, written when they change."""

import msgspec

from tollway.domain.site_words import SiteWords
from tollway.storage.database import Database, Statement

_NAME = "words"
_decoder = msgspec.json.Decoder(SiteWords)


async def find_words(database: Database) -> SiteWords:
    """Without any where nobody has said any."""
    rows = await database.read("SELECT record FROM site_words WHERE name = :name", name=_NAME)
    return _decoder.decode(rows[0][0]) if rows else SiteWords()


def set_words(words: SiteWords, now_ms: int) -> Statement:
    """In place of those that are there."""
    sql = """
    INSERT INTO site_words (name, record, changed_ms) VALUES (:name, :record, :now_ms)
    ON CONFLICT (name) DO UPDATE SET record = excluded.record, changed_ms = excluded.changed_ms
    """
    record = msgspec.json.encode(words).decode()
    return Statement(sql, ({"name": _NAME, "record": record, "now_ms": now_ms},))
