"""Requests for passkeys: rows of test_routes.py. Its server is at an IP address, which can have none: 403."""

from tests.api.managed import Row

CREDENTIAL = {"id": "x", "rawId": "x", "type": "public-key"}
MADE = {"state": "x", "credential": {**CREDENTIAL, "response": {"clientDataJSON": "x", "attestationObject": "x"}}}
SIGNED = {"clientDataJSON": "x", "authenticatorData": "x", "signature": "x", "userHandle": "x"}
SHOWN = {"state": "x", "credential": {**CREDENTIAL, "response": SIGNED}}
SIGN_IN, MINE = "/account/v1/sign-in/passkey", "/account/v1/passkeys"

PASSKEYS: dict[tuple[str, str], Row] = {
    ("POST", f"{SIGN_IN}/challenge"): Row(f"{SIGN_IN}/challenge", {}, 403),
    ("POST", SIGN_IN): Row(SIGN_IN, SHOWN, 403),
    ("GET", MINE): Row(MINE),
    ("POST", f"{MINE}/new/challenge"): Row(f"{MINE}/new/challenge", {}, 403),
    ("POST", MINE): Row(MINE, MADE, 403),
    ("PATCH", f"{MINE}/{{id}}"): Row(f"{MINE}/no-such", {"name": "other"}, 404),
    ("DELETE", f"{MINE}/{{id}}"): Row(f"{MINE}/no-such", {}, 404),
}
