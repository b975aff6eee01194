"""Generations: looked up by id within a workspace."""

import msgspec

from tollway.domain.generation import Generation
from tollway.storage.database import Database

_decoder = msgspec.json.Decoder(Generation)


async def find_generation(database: Database, workspace_id: str, generation_id: str) -> Generation | None:
    """One of the workspace's generations, or None: another workspace's id is like an absent one."""
    rows = await database.read(
        "SELECT record FROM generations WHERE id = :id AND workspace_id = :workspace_id",
        id=generation_id,
        workspace_id=workspace_id,
    )
    return _decoder.decode(rows[0][0]) if rows else None
