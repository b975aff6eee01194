"""Content filters: what a guardrail looks for in the text of requests, and what is done where it is found."""

from enum import StrEnum

from msgspec import Struct


class Action(StrEnum):
    """The strictest first: of several filters for the same thing, that one counts (OPENROUTER.md 8.7)."""

    BLOCK = "block"
    REDACT = "redact"
    FLAG = "flag"


class Builtin(StrEnum):
    """What we know how to find."""

    EMAIL = "email"
    PHONE = "phone"
    SSN = "ssn"
    CREDIT_CARD = "credit-card"
    IP_ADDRESS = "ip-address"
    SECRETS = "secrets"
    PROMPT_INJECTION = "regex-prompt-injection"

    @property
    def label(self) -> str:
        """What stands in the text's place: `[EMAIL]`."""
        return LABELS[self]


LABELS = {
    Builtin.EMAIL: "[EMAIL]",
    Builtin.PHONE: "[PHONE]",
    Builtin.SSN: "[SSN]",
    Builtin.CREDIT_CARD: "[CREDIT_CARD]",
    Builtin.IP_ADDRESS: "[IP_ADDRESS]",
    Builtin.SECRETS: "[REDACTED]",
    Builtin.PROMPT_INJECTION: "[PROMPT_INJECTION]",
}


class PatternFilter(Struct, frozen=True, omit_defaults=True):
    """A regular expression of a workspace's own (RE2: no look-around, no back-references)."""

    pattern: str
    action: Action
    label: str | None = None


class BuiltinFilter(Struct, frozen=True, omit_defaults=True):
    slug: Builtin
    action: Action
    user_only: bool = False
    """Whether users' messages alone are read; else all messages."""


class Filter(Struct, frozen=True):
    """A filter with the guardrail that wants it."""

    guardrail_id: str
    scope: str
    """For whom it counts: `api-key`, `member` or `workspace`."""
    what: PatternFilter | BuiltinFilter


class Finding(Struct, frozen=True):
    """That a filter found something, and how often; not what."""

    guardrail_id: str
    scope: str
    label: str
    action: Action
    count: int
