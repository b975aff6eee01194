"""Alerts: which lines of money a workspace wants to hear of, and which of them were crossed. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from tollway.domain.money import Nanodollars, nanodollars_to_text


class AlertKind(StrEnum):
    """What is looked at."""

    BALANCE = "balance"  # falls below an amount
    SPEND = "spend"  # of a day, week or month passes parts of an amount
    KEY = "key"  # reaches parts of its own limit


AlertPeriod = Literal["", "daily", "weekly", "monthly"]
PERCENTS = (50, 80, 100)
"""Of an amount, where nobody says otherwise."""


class AlertRule(Struct, frozen=True):
    """One thing that a workspace wants to be told. It is never changed, only made and taken away."""

    id: str
    workspace_id: str
    kind: AlertKind
    user_id: str
    """Who made it, and gets its mail."""
    created_ms: int
    amount: Nanodollars = 0
    period: AlertPeriod = ""
    percents: tuple[int, ...] = ()
    key_id: str = ""
    """Of `KEY`: this key alone; "": each key that has a limit."""
    by_mail: bool = False
    by_hook: bool = False
    crossings: int = 0
    """How often the balance came back above the line."""


class AlertHook(Struct, frozen=True):
    """Where a workspace's webhooks go."""

    workspace_id: str
    id: str
    url: str
    created_ms: int


class KeySpent(Struct, frozen=True):
    """A key with a limit, and what it has spent of it since that last began anew."""

    key_id: str
    name: str
    limit: Nanodollars
    spent: Nanodollars
    window: str
    """Names the time in which that is counted: another one begins at 0."""


class Crossing(Struct, frozen=True):
    """A line that was crossed. Its name is the same whenever it is looked at, until it can be crossed again."""

    name: str
    percent: int
    now: Nanodollars
    """The balance, or what was spent."""
    line: Nanodollars
    subject: str = ""
    """The key's name."""


class Delivery(Struct, frozen=True):
    """Something that is to be told, by mail or by webhook; `id` is the same however often it is tried."""

    id: str
    workspace_id: str
    channel: Literal["mail", "hook"]
    target: str
    """A user's id, whose address is looked up when it is sent; or a hook's id."""
    subject: str
    body: str
    created_ms: int
    due_ms: int
    state: str = "pending"
    attempts: int = 0
    ended_ms: int | None = None
    failure: str = ""


def below(rule: AlertRule, balance: Nanodollars) -> Crossing | None:
    """Of a balance: None while it is at or above the line."""
    if balance >= rule.amount:
        return None
    return Crossing(f"balance {rule.crossings}", 0, balance, rule.amount)


def passed(rule: AlertRule, spent: Nanodollars, window: int) -> list[Crossing]:
    """Of spend in a time that began on day `window` (since 1970): each part that was reached, the least first."""
    return _reached(rule.percents, spent, rule.amount, f"{rule.period} {window}")


def reached(rule: AlertRule, keys: Iterable[KeySpent]) -> list[Crossing]:
    """Of keys: each part of each key's limit that was reached. Another limit is another line."""
    found = []
    for key in keys:
        if rule.key_id in ("", key.key_id) and key.limit > 0:
            name = f"{key.key_id} {key.window} {nanodollars_to_text(key.limit)}"
            found += _reached(rule.percents, key.spent, key.limit, name, key.name)
    return found


def _reached(
    percents: Iterable[int], spent: Nanodollars, whole: Nanodollars, name: str, subject: str = ""
) -> list[Crossing]:
    return [
        Crossing(f"{name} {percent}", percent, spent, whole, subject)
        for percent in sorted(percents)
        if spent * 100 >= whole * percent
    ]
