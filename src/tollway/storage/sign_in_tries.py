"""Wrong passwords lately: when each bucket of tries is empty again, so that a restart gives no new ones."""

from collections.abc import Mapping

from tollway.storage.database import Database, Statement


def keep_tries(empty_at: Mapping[str, int], now_ns: int) -> tuple[Statement, ...]:
    """Buckets by the digest of whose they are -> the instant, in nanoseconds since 1970. Those that are empty go."""
    rows = tuple({"bucket": bucket, "empty_ns": at} for bucket, at in empty_at.items())
    keep = """
    INSERT INTO sign_in_tries (bucket, empty_ns) VALUES (:bucket, :empty_ns)
    ON CONFLICT (bucket) DO UPDATE SET empty_ns = excluded.empty_ns
    """
    gone = Statement("DELETE FROM sign_in_tries WHERE empty_ns <= :now_ns", ({"now_ns": now_ns},))
    return (Statement(keep, rows), gone) if rows else (gone,)


async def load_tries(database: Database, now_ns: int) -> dict[str, int]:
    """Those that are not empty yet."""
    sql = "SELECT bucket, empty_ns FROM sign_in_tries WHERE empty_ns > :now_ns"
    return {str(bucket): int(at) for bucket, at in await database.read(sql, now_ns=now_ns)}
