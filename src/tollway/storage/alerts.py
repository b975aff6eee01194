"""Alerts: rules, hooks, what was crossed, and what is still to be told."""

from collections.abc import Iterable, Sequence

from msgspec import structs

from tollway.domain.alerts import AlertHook, AlertKind, AlertRule, Crossing, Delivery, KeySpent
from tollway.domain.money import Nanodollars
from tollway.storage.database import Database, Row, Statement

RULE = ", ".join(AlertRule.__struct_fields__)
HOOK = ", ".join(AlertHook.__struct_fields__)
TEST_SUBJECT = "A test of your alerts"
DELIVERY = ", ".join(Delivery.__struct_fields__)
_OPEN = "workspace_id IN (SELECT id FROM workspaces WHERE deleted_ms IS NULL)"


def new_rule(rule: AlertRule) -> Statement:
    row = structs.asdict(rule) | {
        "kind": rule.kind.value,
        "percents": ",".join(map(str, rule.percents)),
        "by_mail": int(rule.by_mail),
        "by_hook": int(rule.by_hook),
    }
    return Statement(f"INSERT INTO alert_rules ({RULE}) VALUES ({_values(row)})", (row,))  # noqa: S608 (constants)


def drop_rule(rule_id: str) -> Statement:
    return Statement("DELETE FROM alert_rules WHERE id = :id", ({"id": rule_id},))


async def find_rule(database: Database, rule_id: str) -> AlertRule | None:
    rows = await database.read(f"SELECT {RULE} FROM alert_rules WHERE id = :id", id=rule_id)  # noqa: S608 (constants)
    return _rule(rows[0]) if rows else None


async def rules_of(database: Database, workspace_id: str) -> list[AlertRule]:
    """A workspace's, the newest first."""
    sql = f"SELECT {RULE} FROM alert_rules WHERE workspace_id = :id ORDER BY created_ms DESC, id"  # noqa: S608 (constants)
    return [_rule(row) for row in await database.read(sql, id=workspace_id)]


async def all_rules(database: Database) -> list[AlertRule]:
    """Of every workspace that is there."""
    sql = f"SELECT {RULE} FROM alert_rules WHERE {_OPEN} ORDER BY created_ms, id"  # noqa: S608 (constants)
    return [_rule(row) for row in await database.read(sql)]


async def find_hook(database: Database, workspace_id: str) -> AlertHook | None:
    sql = f"SELECT {HOOK} FROM alert_hooks WHERE workspace_id = :id"  # noqa: S608 (constants)
    rows = await database.read(sql, id=workspace_id)
    return AlertHook(*rows[0]) if rows else None


def set_hook(hook: AlertHook) -> Statement:
    """In place of the one that was there."""
    sql = f"""
    INSERT INTO alert_hooks ({HOOK}) VALUES (:workspace_id, :id, :url, :created_ms)
    ON CONFLICT (workspace_id) DO UPDATE SET id = excluded.id, url = excluded.url, created_ms = excluded.created_ms
    """  # noqa: S608 (constants)
    return Statement(sql, (structs.asdict(hook),))


def drop_hook(workspace_id: str) -> Statement:
    return Statement("DELETE FROM alert_hooks WHERE workspace_id = :id", ({"id": workspace_id},))


async def balances(database: Database) -> dict[str, Nanodollars]:
    """Of workspaces that have a rule for it."""
    sql = """
    SELECT id, credited - debited FROM accounts
    WHERE id IN (SELECT workspace_id FROM alert_rules WHERE kind = 'balance')
    """
    return dict(await database.read(sql))


async def spent_by_workspace(database: Database, first: int) -> dict[str, dict[int, Nanodollars]]:
    """Of workspaces that have a rule for it: what all their keys spent on each day from `first` (since 1970) on."""
    sql = """
    SELECT keys.workspace_id, day, SUM(spent) FROM keys JOIN key_usage ON key_usage.key_id = keys.id
    WHERE keys.workspace_id IN (SELECT workspace_id FROM alert_rules WHERE kind = 'spend') AND day >= :first
    GROUP BY keys.workspace_id, day
    """
    found: dict[str, dict[int, Nanodollars]] = {}
    for workspace_id, day, spent in await database.read(sql, first=first):
        found.setdefault(workspace_id, {})[day] = int(spent)
    return found


async def keys_with_limits(database: Database, today: int, week: int, month: int) -> dict[str, list[KeySpent]]:
    """By workspace, of those that have a rule for it; the last three arguments are the days on which limits began."""
    sql = """
    SELECT workspace_id, id, name, usage_limit, COALESCE(limit_reset, ''), COALESCE(SUM(
        key_usage.spent + CASE include_byok WHEN 1 THEN key_usage.byok ELSE 0 END), 0)
    FROM keys LEFT JOIN key_usage ON key_usage.key_id = keys.id AND day >= CASE COALESCE(limit_reset, '')
        WHEN 'daily' THEN :today WHEN 'weekly' THEN :week WHEN 'monthly' THEN :month ELSE 0 END
    WHERE workspace_id IN (SELECT workspace_id FROM alert_rules WHERE kind = 'key')
        AND usage_limit IS NOT NULL AND deleted_ms IS NULL AND disabled = 0
    GROUP BY workspace_id, id, name, usage_limit, limit_reset
    """
    begins = {"daily": today, "weekly": week, "monthly": month}
    found: dict[str, list[KeySpent]] = {}
    for workspace_id, key_id, name, limit, reset, spent in await database.read(
        sql, today=today, week=week, month=month
    ):
        window = f"{reset} {begins[reset]}" if reset else "ever"
        found.setdefault(workspace_id, []).append(KeySpent(key_id, name, limit, int(spent), window))
    return found


async def known_crossings(database: Database) -> set[tuple[str, str]]:
    """(rule, crossing) of all that were told, of rules that are there."""
    sql = "SELECT rule_id, crossing FROM alert_events WHERE rule_id IN (SELECT id FROM alert_rules)"
    return {(rule_id, crossing) for rule_id, crossing in await database.read(sql)}


def tell(
    rule: AlertRule, event_id: str, crossing: Crossing, deliveries: Sequence[Delivery], now_ms: int
) -> list[Statement]:
    """The crossing, and what is to be told of it: nothing of either if somebody has told it before."""
    event = {"id": event_id, "rule_id": rule.id, "crossing": crossing.name, "now_ms": now_ms}
    found = [
        Statement(
            "INSERT INTO alert_events (id, rule_id, crossing, created_ms) VALUES (:id, :rule_id, :crossing, :now_ms) "
            "ON CONFLICT (rule_id, crossing) DO NOTHING",
            (event,),
        )
    ]
    sql = f"""
    INSERT INTO alert_deliveries ({DELIVERY}) SELECT {_values(Delivery.__struct_fields__)}
    WHERE EXISTS (SELECT 1 FROM alert_events WHERE id = :event_id)
    """  # noqa: S608 (constants)
    return found + [Statement(sql, (structs.asdict(each) | {"event_id": event_id},)) for each in deliveries]


def back_above(rule_id: str, crossing: str) -> Statement:
    """A balance is above its line again: the next time below it is another crossing."""
    sql = """
    UPDATE alert_rules SET crossings = crossings + 1 WHERE id = :id
    AND EXISTS (SELECT 1 FROM alert_events WHERE rule_id = :id AND crossing = :crossing)
    AND 'balance ' || crossings = :crossing
    """
    return Statement(sql, ({"id": rule_id, "crossing": crossing},))


def new_delivery(delivery: Delivery) -> Statement:
    row = structs.asdict(delivery)
    return Statement(f"INSERT INTO alert_deliveries ({DELIVERY}) VALUES ({_values(row)})", (row,))  # noqa: S608 (constants)


async def due_deliveries(database: Database, now_ms: int, limit: int) -> list[Delivery]:
    """Those to be tried now, the oldest first."""
    sql = f"""
    SELECT {DELIVERY} FROM alert_deliveries WHERE state = 'pending' AND due_ms <= :now_ms ORDER BY due_ms LIMIT :limit
    """  # noqa: S608 (constants)
    return [Delivery(*row) for row in await database.read(sql, now_ms=now_ms, limit=limit)]


async def last_deliveries(database: Database, workspace_id: str, limit: int) -> list[Delivery]:
    """A workspace's, the newest first."""
    sql = f"""
    SELECT {DELIVERY} FROM alert_deliveries WHERE workspace_id = :id ORDER BY created_ms DESC, id DESC LIMIT :limit
    """  # noqa: S608 (constants)
    return [Delivery(*row) for row in await database.read(sql, id=workspace_id, limit=limit)]


def end_try(delivery: Delivery) -> Statement:
    """How a try ended: told, to be tried again, or given up."""
    sql = """
    UPDATE alert_deliveries SET state = :state, attempts = :attempts, due_ms = :due_ms, ended_ms = :ended_ms,
    failure = :failure WHERE id = :id AND state = 'pending'
    """
    return Statement(sql, (structs.asdict(delivery),))


def drop_old(before_ms: int, crossed_before_ms: int) -> list[Statement]:
    """What was told or given up long ago; and crossings that can't be crossed again: of times that are over, of
    balances that came back since, of rules that are gone."""
    told = ({"before_ms": before_ms},)
    crossed = ({"before_ms": crossed_before_ms},)
    sql = """
    DELETE FROM alert_events WHERE rule_id NOT IN (SELECT id FROM alert_rules)
    OR rule_id IN (SELECT id FROM alert_rules WHERE kind = 'balance' AND crossing <> 'balance ' || crossings)
    OR (created_ms < :before_ms AND rule_id IN (
        SELECT id FROM alert_rules WHERE kind = 'spend' OR (kind = 'key' AND crossing NOT LIKE '% ever %')))
    """
    return [
        Statement("DELETE FROM alert_deliveries WHERE state <> 'pending' AND created_ms < :before_ms", told),
        Statement(sql, crossed),
    ]


def drop_alerts_of(workspace_id: str) -> list[Statement]:
    """Of a workspace that goes: nothing more is told of it."""
    tables = ("alert_rules", "alert_hooks", "alert_deliveries")
    row = ({"id": workspace_id},)
    return [Statement(f"DELETE FROM {table} WHERE workspace_id = :id", row) for table in tables]  # noqa: S608 (constants)


async def rules_by_user(database: Database, user_id: str) -> list[AlertRule]:
    """Those that somebody made, in whichever workspace."""
    sql = f"SELECT {RULE} FROM alert_rules WHERE user_id = :id ORDER BY created_ms, id"  # noqa: S608 (constants)
    return [_rule(row) for row in await database.read(sql, id=user_id)]


async def address_of(database: Database, user_id: str, workspace_id: str, *, pays: bool = False) -> str | None:
    """Where mail for somebody goes, as long as they belong to the workspace; None: they do not any more.

    `pays`: and as long as its money is their business.
    """
    sql = """
    SELECT email FROM users JOIN members ON members.user_id = users.id
    WHERE users.id = :user_id AND workspace_id = :workspace_id AND disabled = 0
    """
    more = " AND role <> 'member'" if pays else ""
    rows = await database.read(sql + more, user_id=user_id, workspace_id=workspace_id)
    return rows[0][0] if rows else None


async def last_test_ms(database: Database, workspace_id: str) -> int:
    """When a test was last asked for; 0: never."""
    sql = "SELECT COALESCE(MAX(created_ms), 0) FROM alert_deliveries WHERE workspace_id = :id AND subject = :subject"
    return int((await database.read(sql, id=workspace_id, subject=TEST_SUBJECT))[0][0])


def _values(names: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _rule(row: Row) -> AlertRule:
    found = AlertRule(*row)
    percents = str(found.percents)
    return structs.replace(
        found,
        kind=AlertKind(found.kind),
        percents=tuple(int(each) for each in percents.split(",") if each),
        by_mail=bool(found.by_mail),
        by_hook=bool(found.by_hook),
    )
