"""Today's requests of `:free` models by workspace, so that a restart gives nobody the day anew."""

from collections.abc import Iterable

from tollway.storage.database import Database, Statement


async def save_free_days(database: Database, used: Iterable[tuple[str, int]], day: int) -> None:
    """Writes what workspaces have used of a day in place of what was there of them."""
    rows = tuple({"id": workspace_id, "day": day, "used": count} for workspace_id, count in used)
    await database.write(
        Statement(
            """
            INSERT INTO free_days (workspace_id, day, used) VALUES (:id, :day, :used)
            ON CONFLICT (workspace_id) DO UPDATE SET day = excluded.day, used = excluded.used
            """,
            rows,
        )
    )


async def load_free_days(database: Database, day: int) -> dict[str, int]:
    """What each workspace has used of a day. Days before it are dropped."""
    await database.write(Statement("DELETE FROM free_days WHERE day < :day", ({"day": day},)))
    rows = await database.read("SELECT workspace_id, used FROM free_days WHERE day = :day", day=day)
    return {row[0]: row[1] for row in rows}
