"""What alerts say: a subject and a text for people, an object for programs. Pure."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from tollway.domain.alerts import AlertKind, AlertRule, Crossing, Delivery
from tollway.domain.money import nanodollars_to_text

PERIODS = {"daily": "today", "weekly": "this week", "monthly": "this month"}
TYPES = {AlertKind.BALANCE: "balance.low", AlertKind.SPEND: "spend.reached", AlertKind.KEY: "key_limit.reached"}


def subject_of(rule: AlertRule, crossing: Crossing, workspace: str) -> str:
    """One line."""
    if rule.kind is AlertKind.BALANCE:
        return f"{workspace}: the balance is below ${nanodollars_to_text(crossing.line)}"
    if rule.kind is AlertKind.SPEND:
        whole = f"{crossing.percent}% of ${nanodollars_to_text(crossing.line)}"
        return f"{workspace}: {whole} is spent {PERIODS[rule.period]}"
    return f"{workspace}: key “{crossing.subject}” has reached {crossing.percent}% of its limit"


def text_of(rule: AlertRule, crossing: Crossing, workspace: str, site: str) -> str:
    """A letter's text."""
    now = nanodollars_to_text(crossing.now)
    if rule.kind is AlertKind.BALANCE:
        said = f"The balance of {workspace} is ${now}. At nothing, requests are refused.\n\nCredits: {site}/credits"
    elif rule.kind is AlertKind.SPEND:
        said = f"{workspace} has spent ${now} {PERIODS[rule.period]} (UTC).\n\nOn what: {site}/activity"
    else:
        limit = nanodollars_to_text(crossing.line)
        said = (
            f"The key “{crossing.subject}” of {workspace} has spent ${now} of its ${limit}. At its limit, its requests "
            f"are refused.\n\nKeys: {site}/keys"
        )
    return f"{said}\nAlerts: {site}/alerts\n"


def payload_of(
    id_: str, rule: AlertRule, crossing: Crossing, workspace: tuple[str, str], now_ms: int, site: str
) -> bytes:
    """A webhook's body. Amounts are decimal texts in USD, so that no float is in between."""
    data: dict[str, Any] = {
        "rule_id": rule.id,
        "usd": nanodollars_to_text(crossing.now),
        "line_usd": nanodollars_to_text(crossing.line),
    }
    if rule.kind is not AlertKind.BALANCE:
        data["percent"] = crossing.percent
    if rule.kind is AlertKind.SPEND:
        data["period"] = rule.period
    if rule.kind is AlertKind.KEY:
        data["key_hash"], data["key_name"] = crossing.name.partition(" ")[0], crossing.subject
    return _body(id_, TYPES[rule.kind], workspace, now_ms, data, site)


def trial_payload(id_: str, workspace: tuple[str, str], now_ms: int, site: str) -> bytes:
    """The same without news."""
    return _body(id_, "test", workspace, now_ms, {}, site)


def trial_text(workspace: str, site: str) -> str:
    return f"Alerts of {workspace} reach you here.\n\nAlerts: {site}/alerts\n"


def _body(id_: str, type_: str, workspace: tuple[str, str], now_ms: int, data: Any, site: str) -> bytes:
    at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    place = {"id": workspace[0], "name": workspace[1]}
    told = {"id": id_, "type": type_, "created_at": at, "workspace": place, "data": data, "url": f"{site}/alerts"}
    return msgspec.json.encode(told)


def retry_ms(attempts: int) -> int:
    """How long to wait after so many tries: half a minute, then ever longer, six hours at most."""
    return min(6 * 3_600_000, 30_000 << min(16, max(0, attempts - 1)))


def is_over(delivery: Delivery, now_ms: int) -> bool:
    """Whether it was tried for three days."""
    return now_ms - delivery.created_ms > 3 * 86_400_000
