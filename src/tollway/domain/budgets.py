"""Budgets: what a workspace, one of its members or keys may spend in an interval."""

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


class Scope(StrEnum):
    """Whose spending a limit counts, as `GET /key` names and orders it (OPENROUTER.md 8.3)."""

    DEFAULT_MEMBER = "workspace_default_member"
    DEFAULT_KEY = "workspace_default_key"
    MEMBER = "member"
    KEY = "api_key"
    WORKSPACE = "workspace"

    @property
    def of_key(self) -> bool:
        """Whether it counts one key alone; the other scopes count many."""
        return self in (Scope.KEY, Scope.DEFAULT_KEY)


class SpendingLimit(Struct, frozen=True):
    """A limit that a key's requests meet besides the key's own."""

    scope: Scope
    id: str
    """The guardrail's, or the workspace budget's."""
    subject: str
    """Whose spending it counts: a key's, a user's or a workspace's id."""
    whose: str
    """As an error says it: "the workspace's daily budget"."""
    limit: Nanodollars
    reset: LimitReset | None
    byok: bool = False
    """Whether it counts what callers' own providers bill, too."""


class Budget(Struct, frozen=True):
    """A workspace's limit for an interval."""

    id: str
    workspace_id: str
    interval: Interval
    limit: Nanodollars
    created_ms: int
    updated_ms: int
    byok: bool = False
    """Whether what the workspace's own providers bill counts, too: the same for all its budgets."""
