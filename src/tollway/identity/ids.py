"""Ids of users, workspaces and what belongs to them: UUIDs that grow with time (RFC 9562, version 7)."""

import secrets
import uuid


def new_id(now_ms: int) -> str:
    """48 bits of milliseconds, then 74 random ones."""
    number = now_ms << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=number))
