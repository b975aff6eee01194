"""Good requests for what a provisioning key and a session may both do: rows of test_routes.py."""

from typing import Any

from msgspec import Struct


class Row(Struct, frozen=True):
    """A good request for a route. `status`: what the best credential gets."""

    path: str
    body: Any = None
    status: int = 200


MANAGED: dict[tuple[str, str], Row] = {
    ("GET", "/activity"): Row("/activity"),
    ("GET", "/analytics/meta"): Row("/analytics/meta"),
    ("POST", "/analytics/query"): Row("/analytics/query", {"metrics": ["request_count"]}),
    ("POST", "/generation/feedback"): Row(
        "/generation/feedback", {"generation_id": "gen-no-such", "category": "other"}, 404
    ),
    ("GET", "/organization/members"): Row("/organization/members"),
    ("GET", "/rankings"): Row("/rankings"),
    ("PATCH", "/rankings"): Row("/rankings", {"ranked": True}),
    ("GET", "/generations"): Row("/generations?limit=2"),
    ("GET", "/generations.csv"): Row("/generations.csv?limit=2"),
    ("GET", "/keys"): Row("/keys"),
    ("POST", "/keys"): Row("/keys", {"name": "new"}, 201),
    ("GET", "/keys/{hash}"): Row("/keys/{key}"),
    ("PATCH", "/keys/{hash}"): Row("/keys/{key}", {"name": "named anew"}),
    ("DELETE", "/keys/{hash}"): Row("/keys/{new_key}", {}),
    ("POST", "/auth/keys/code"): Row("/auth/keys/code", {"callback_url": "https://app.example/"}),
    ("GET", "/byok"): Row("/byok?workspace_id=home"),
    ("POST", "/byok"): Row("/byok", {"provider": "b", "key": "none", "disabled": True, "workspace_id": "home"}, 201),
    ("GET", "/byok/{id}"): Row("/byok/{byok}"),
    ("PATCH", "/byok/{id}"): Row("/byok/{byok}", {"name": "named anew"}),
    ("DELETE", "/byok/{id}"): Row("/byok/{new_byok}", {}),
    ("GET", "/workspaces"): Row("/workspaces"),
    ("POST", "/workspaces"): Row("/workspaces", {"name": "New", "slug": "new-{count}"}, 201),
    ("GET", "/workspaces/{id}"): Row("/workspaces/home"),
    ("PATCH", "/workspaces/{id}"): Row("/workspaces/home", {"name": "named anew"}),
    ("DELETE", "/workspaces/{id}"): Row("/workspaces/{new_workspace}", {}),
    ("GET", "/workspaces/{id}/budgets"): Row("/workspaces/home/budgets"),
    ("GET", "/workspaces/{id}/budgets/{interval}"): Row("/workspaces/home/budgets/monthly"),
    ("PUT", "/workspaces/{id}/budgets/{interval}"): Row("/workspaces/home/budgets/monthly", {"limit_usd": 90}),
    ("DELETE", "/workspaces/{id}/budgets/{interval}"): Row("/workspaces/home/budgets/daily", {}),
    ("GET", "/guardrails"): Row("/guardrails"),
    ("POST", "/guardrails"): Row("/guardrails", {"name": "New"}, 201),
    ("GET", "/guardrails/assignments/keys"): Row("/guardrails/assignments/keys"),
    ("GET", "/guardrails/assignments/members"): Row("/guardrails/assignments/members"),
    ("GET", "/guardrails/{id}"): Row("/guardrails/{guardrail}"),
    ("PATCH", "/guardrails/{id}"): Row("/guardrails/{guardrail}", {"name": "Other"}),
    ("DELETE", "/guardrails/{id}"): Row("/guardrails/{new_guardrail}", {}),
    ("GET", "/guardrails/{id}/assignments/keys"): Row("/guardrails/{guardrail}/assignments/keys"),
    ("POST", "/guardrails/{id}/assignments/keys"): Row(
        "/guardrails/{guardrail}/assignments/keys", {"key_hashes": ["{key}"]}
    ),
    ("POST", "/guardrails/{id}/assignments/keys/remove"): Row(
        "/guardrails/{guardrail}/assignments/keys/remove", {"key_hashes": ["{key}"]}
    ),
    ("GET", "/guardrails/{id}/assignments/members"): Row("/guardrails/{guardrail}/assignments/members"),
    ("POST", "/guardrails/{id}/assignments/members"): Row(
        "/guardrails/{guardrail}/assignments/members", {"member_user_ids": ["{member}"]}
    ),
    ("POST", "/guardrails/{id}/assignments/members/remove"): Row(
        "/guardrails/{guardrail}/assignments/members/remove", {"member_user_ids": ["{member}"]}
    ),
    ("GET", "/alerts"): Row("/alerts?workspace_id=home"),
    ("POST", "/alerts"): Row(
        "/alerts", {"kind": "balance", "amount_usd": 5, "by_webhook": True, "workspace_id": "home"}, 201
    ),
    ("DELETE", "/alerts/{id}"): Row("/alerts/{new_alert}", {}),
    ("GET", "/alert-webhook"): Row("/alert-webhook?workspace_id=home"),
    ("PUT", "/alert-webhook"): Row("/alert-webhook", {"url": "https://hook.example/x", "workspace_id": "home"}),
    ("DELETE", "/alert-webhook"): Row("/alert-webhook?workspace_id=home", {}),
    ("GET", "/workspaces/{id}/members"): Row("/workspaces/home/members"),
    ("POST", "/workspaces/{id}/members/add"): Row("/workspaces/home/members/add", {"user_ids": ["{member}"]}),
    ("POST", "/workspaces/{id}/members/remove"): Row("/workspaces/home/members/remove", {"user_ids": ["nobody"]}),
}
"""What a provisioning key does below /api/v1, and a session below /account/v1."""


ADMIN: dict[tuple[str, str], Row] = {
    ("GET", "/audit-log"): Row("/audit-log"),
    ("GET", "/audit-log/verify"): Row("/audit-log/verify"),
    ("GET", "/feedback"): Row("/feedback?limit=1"),
    ("GET", "/statistics"): Row("/statistics"),
    ("GET", "/settings"): Row("/settings"),
    ("PATCH", "/settings"): Row("/settings", {"sign_up": None}),
    ("GET", "/groups"): Row("/groups"),
    ("PUT", "/groups/{name}"): Row("/groups/partners", {"multiplier": "1.5"}),
    ("DELETE", "/groups/{name}"): Row("/groups/no-such", {}, 404),
    ("POST", "/group-members"): Row("/group-members", {"group": None, "workspace_id": "home"}),
    ("GET", "/users"): Row("/users?limit=2"),
    ("POST", "/users"): Row("/users", {"email": "new-{count}@example.com"}, 201),
    ("GET", "/users/{id}"): Row("/users/{member}"),
    ("PATCH", "/users/{id}"): Row("/users/{member}", {"name": "named anew"}),
    ("DELETE", "/users/{id}"): Row("/users/no-such", {}, 404),
    ("POST", "/users/{id}/link"): Row("/users/{member}/link", {}, 201),
    ("POST", "/invitations"): Row("/invitations", {}, 201),
    ("GET", "/workspaces"): Row("/workspaces?limit=2"),
    ("GET", "/workspaces/{id}"): Row("/workspaces/home"),
    ("PATCH", "/workspaces/{id}"): Row("/workspaces/home", {"name": "named anew"}),
    ("POST", "/workspaces/{id}/disable"): Row("/workspaces/home/disable", {"disabled": False}),
    ("POST", "/workspaces/{id}/limit"): Row("/workspaces/home/limit", {"rpm": None}),
    ("GET", "/workspaces/{id}/members"): Row("/workspaces/home/members"),
    ("POST", "/workspaces/{id}/members/add"): Row("/workspaces/home/members/add", {"user_ids": ["{member}"]}),
    ("POST", "/workspaces/{id}/members/remove"): Row("/workspaces/home/members/remove", {"user_ids": ["nobody"]}),
    ("GET", "/keys"): Row("/keys?limit=2"),
    ("GET", "/keys/{hash}"): Row("/keys/{key}"),
    ("PATCH", "/keys/{hash}"): Row("/keys/{key}", {"name": "named anew"}),
    ("DELETE", "/keys/{hash}"): Row("/keys/{new_key}", {}),
}
"""What an admin who signed in lately does below /admin/v1, and the command line."""
