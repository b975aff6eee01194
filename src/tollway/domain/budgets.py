"""Budgets: what a workspace may spend in an interval, whoever of it spends."""

from enum import StrEnum

from msgspec import Struct

from tollway.domain.identity import LimitReset
from tollway.domain.money import Nanodollars


class Interval(StrEnum):
    """How long a budget lasts, the broadest first: a broader one is greater (OPENROUTER.md 8.8)."""

    LIFETIME = "lifetime"
    MONTHLY = "monthly"
    WEEKLY = "weekly"
    DAILY = "daily"

    @property
    def reset(self) -> LimitReset | None:
        """When it starts again; None: never."""
        return None if self is Interval.LIFETIME else LimitReset(self.value)


class Budget(Struct, frozen=True):
    """A workspace's limit for an interval."""

    id: str
    workspace_id: str
    interval: Interval
    limit: Nanodollars
    created_ms: int
    updated_ms: int
