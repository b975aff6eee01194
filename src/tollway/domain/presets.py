"""Presets: named configurations of a workspace, in versions, one of which counts."""

from enum import StrEnum
from typing import Any

from msgspec import Struct


class PresetStatus(StrEnum):
    """Only an active preset can be used."""

    ACTIVE = "active"
    DISABLED = "disabled"
    ARCHIVED = "archived"


class PresetVersion(Struct, frozen=True):
    """What a preset said, from one change to the next; it is never changed."""

    id: str
    preset_id: str
    version: int
    """From 1, in order."""
    system_prompt: str | None
    config: dict[str, Any]
    """Fields of a chat request, in its own words."""
    creator_id: str
    created_ms: int


class Preset(Struct, frozen=True):
    """A preset without what it says."""

    id: str
    workspace_id: str
    slug: str
    status: PresetStatus
    status_ms: int | None
    """When the status was set; None: it is the first."""
    designated_version_id: str
    """The version that counts."""
    creator_user_id: str | None
    created_ms: int
    updated_ms: int
