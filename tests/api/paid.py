"""Good requests for the URLs of money: rows of test_routes.py."""

from tests.api.managed import Row

PAID: dict[tuple[str, str], Row] = {
    ("GET", "/account/v1/purchases"): Row("/account/v1/purchases"),
    ("POST", "/account/v1/purchases"): Row("/account/v1/purchases", {"amount": 10}, 404),  # nothing is sold by default
    ("GET", "/account/v1/purchases/{id}"): Row("/account/v1/purchases/no-such", None, 404),
    ("POST", "/account/v1/purchases/{id}/refund"): Row("/account/v1/purchases/no-such/refund", {}, 404),
    ("POST", "/account/v1/codes/redeem"): Row("/account/v1/codes/redeem", {"code": "NO-SUCH"}, 400),
    ("GET", "/account/v1/auto-top-up"): Row("/account/v1/auto-top-up"),
    ("PUT", "/account/v1/auto-top-up"): Row(
        "/account/v1/auto-top-up", {"enabled": False, "threshold": 5, "amount": 10, "monthly_max": 50}, 400
    ),  # no method is saved
    ("DELETE", "/account/v1/auto-top-up"): Row("/account/v1/auto-top-up", {}),
    ("GET", "/account/v1/buyer"): Row("/account/v1/buyer"),
    ("PUT", "/account/v1/buyer"): Row("/account/v1/buyer", {"details": "Ada Ltd"}),
    ("POST", "/admin/v1/credits"): Row("/admin/v1/credits", {"workspace_id": "home", "amount": 1}),
    ("GET", "/admin/v1/purchases"): Row("/admin/v1/purchases?limit=2"),
    ("POST", "/admin/v1/purchases/{id}/refund"): Row("/admin/v1/purchases/no-such/refund", {}, 404),
    ("GET", "/admin/v1/codes"): Row("/admin/v1/codes?limit=2"),
    ("POST", "/admin/v1/codes"): Row("/admin/v1/codes", {"amount": "2.5"}, 201),
    ("DELETE", "/admin/v1/codes/{id}"): Row("/admin/v1/codes/no-such", {}, 404),
    ("POST", "/control/v1/codes"): Row("/control/v1/codes", {"amount": "2.5"}),
    ("POST", "/control/v1/codes/revoke"): Row("/control/v1/codes/revoke", {"id": "no-such"}, 404),
    ("POST", "/control/v1/refunds"): Row("/control/v1/refunds", {"id": "no-such"}, 404),
}
