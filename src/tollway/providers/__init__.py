"""The list is the registry: providers whose quirks we know; all others of the catalog follow their wire format."""

from tollway.domain.quirks import Quirks
from tollway.providers.base import Provider, bearer

__all__ = ["QUIRKS", "Provider", "bearer"]

QUIRKS: dict[str, Quirks] = {}
"""By provider slug. A provider that is not here follows its wire format to the letter."""
