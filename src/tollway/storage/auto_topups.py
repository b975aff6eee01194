"""Saved methods of payment, and how they failed."""

from msgspec import structs

from tollway.domain.payments import AutoTopUp
from tollway.storage.database import Statement


def keep_method(method: AutoTopUp) -> Statement:
    """A method that was just used; what was set for an older one stays."""
    sql = """
    INSERT INTO auto_topups (workspace_id, provider, customer_id, method_id)
    VALUES (:workspace_id, :provider, :customer_id, :method_id)
    ON CONFLICT (workspace_id) DO UPDATE SET provider = excluded.provider, customer_id = excluded.customer_id,
    method_id = excluded.method_id, failed_ms = NULL, failure = NULL
    """
    return Statement(sql, (structs.asdict(method),))


def set_failure(workspace_id: str, failure: str, now_ms: int) -> Statement:
    """Nothing is charged again until somebody looks at it."""
    sql = "UPDATE auto_topups SET failed_ms = :now_ms, failure = :failure WHERE workspace_id = :id"
    return Statement(sql, ({"id": workspace_id, "failure": failure[:500], "now_ms": now_ms},))
