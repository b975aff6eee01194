"""Who asks: a key that we issued, its limits, and the workspace that pays."""

from enum import StrEnum

from msgspec import Struct

from tollway.domain.money import Nanodollars
from tollway.domain.standing import Standing


class KeyKind(StrEnum):
    """What a key may do."""

    INFERENCE = "inference"
    PROVISIONING = "provisioning"


class LimitReset(StrEnum):
    """When a key's usage against its limit starts again: at 00:00 UTC; weeks run Monday to Sunday."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Key(Struct, frozen=True):
    """A key that we issued. The secret is not here: `digest` is its HMAC-SHA256 (FAULTS.md 4.1)."""

    id: str
    """Public handle, 64 hex digits, random: no digest of the secret."""
    digest: bytes
    workspace_id: str
    name: str
    label: str
    """Prefix and last four characters, for display."""
    kind: KeyKind
    created_ms: int
    limit: Nanodollars | None = None
    limit_reset: LimitReset | None = None
    expires_ms: int | None = None
    disabled: bool = False
    creator_user_id: str | None = None
    rpm: int | None = None
    """Requests per minute, in place of those that are configured for every key."""
    workspace_rpm: int | None = None
    """The same of its workspace; filled where a key is read for requests."""
    default_model: str | None = None
    """For requests that name none, before its workspace's."""
    standing: Standing | None = None
    """What its workspace wants; filled where a key is read for requests, `default_model` included."""
    updated_ms: int | None = None
    include_byok: bool = False
    """Whether what went over keys of the workspace's own counts against the limit."""
    allowed_models: tuple[str, ...] | None = None
    """What its requests may ask for, besides what everybody above it allows; None: all of that."""
    allowed_providers: tuple[str, ...] | None = None


def key_number(key_id: str) -> int:
    """The number by which OpenRouter's settings name a key: the first 48 bits of its hash."""
    return int(key_id[:12], 16)


class Caller(Struct, frozen=True):
    """An authenticated request's identity, as far as the gateway needs it."""

    key: Key
    app_url: str | None = None
    app_title: str | None = None
    user_agent: str | None = None
    address: str | None = None
    """Of the client, as far as proxies that we trust have told it."""
    guest: bool = False
    """Without a key: the key is that of all guests."""
    visitor: str | None = None
    """A guest whom the site's playground knows again."""

    @property
    def workspace_id(self) -> str:
        return self.key.workspace_id
