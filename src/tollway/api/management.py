"""The URLs of people, and of what they manage: by a session from our pages, or by a provisioning key."""

from msgspec import Struct

from tollway.api import (
    activity,
    admin,
    admin_groups,
    admin_money,
    admin_places,
    alerts,
    analytics,
    auto_topups,
    budgets,
    byok,
    codes,
    feedback,
    generation_list,
    generations,
    guardrails,
    keys,
    leaks,
    my_data,
    oauth,
    passkeys,
    people,
    purchases,
    rankings,
    workspaces,
)
from tollway.api.table import Auth, Handle, Route
from tollway.gateway.admin_desk import ChangedUser, LimitWorkspace, NewUser, StopWorkspace
from tollway.gateway.analytics import Query
from tollway.gateway.budget_desk import SetBudget
from tollway.gateway.byok_desk import ChangedCredential, NewCredential
from tollway.gateway.group_desk import Move, SetGroup
from tollway.gateway.guardrail_desk import ChangedGuardrail, Keys, NewGuardrail, Users
from tollway.gateway.key_desk import ChangedKey, NewKey
from tollway.gateway.member_desk import AddMembers, RemoveMembers
from tollway.gateway.sign_up_desk import SetSignUp
from tollway.gateway.workspace_desk import ChangedWorkspace, NewWorkspace
from tollway.payments.auto_topups import SetAutoTopUp
from tollway.payments.codes import NewCodes, RedeemCode
from tollway.payments.receipts import Buyer
from tollway.payments.topup import NewPurchase

Line = tuple[str, str, Handle] | tuple[str, str, Handle, type[Struct]]
"""Method, path below the door, who answers, and what the body is."""

BROWSERS: tuple[Line, ...] = (
    ("POST", "/setup", people.set_up, people.SetUp),
    ("POST", "/sign-up", people.sign_up, people.SignUp),
    ("POST", "/sign-in", people.sign_in, people.SignIn),
    ("POST", "/sign-in/passkey", passkeys.sign_in, passkeys.ShownPasskey),
    ("POST", "/sign-in/passkey/challenge", passkeys.ask_known, passkeys.Asked),
    ("POST", "/password/reset", people.reset_password, people.ResetPassword),
)
"""How one comes in."""

OWN: tuple[Line, ...] = (
    ("GET", "/generation", generations.get_own_generation),
    ("GET", "/generation/content", generations.get_own_content),
    ("GET", "/generations/{id}/trace", generations.get_own_trace),
    ("POST", "/sign-out", people.sign_out),
    ("GET", "/me", people.get_me),
    ("PATCH", "/me", my_data.change_me, my_data.ChangeMe),
    ("DELETE", "/me", my_data.delete_me, my_data.DeleteMe),
    ("GET", "/export", my_data.export),
    ("GET", "/sessions", people.list_sessions),
    ("DELETE", "/sessions", my_data.end_sessions),
    ("DELETE", "/sessions/{id}", people.end_session),
    ("POST", "/password", people.change_password, people.ChangePassword),
    ("GET", "/passkeys", passkeys.list_passkeys),
    ("POST", "/passkeys", passkeys.add_passkey, passkeys.NewPasskey),
    ("POST", "/passkeys/new/challenge", passkeys.ask_new, passkeys.Asked),
    ("PATCH", "/passkeys/{id}", passkeys.rename_passkey, passkeys.ChangedPasskey),
    ("DELETE", "/passkeys/{id}", passkeys.remove_passkey),
    ("POST", "/join", people.join, people.Join),
    ("GET", "/notices", leaks.list_notices),
    ("DELETE", "/notices/{id}", leaks.put_notice_away),
    ("POST", "/invitations", people.invite, people.Invite),
    ("GET", "/purchases", purchases.list_purchases),
    ("POST", "/purchases", purchases.start_purchase, NewPurchase),
    ("GET", "/purchases/{id}", purchases.get_purchase),
    ("POST", "/purchases/{id}/refund", purchases.refund_purchase),
    ("POST", "/codes/redeem", codes.redeem_code, RedeemCode),
    ("GET", "/buyer", purchases.get_buyer),
    ("PUT", "/buyer", purchases.set_buyer, Buyer),
    ("GET", "/auto-top-up", auto_topups.get_status),
    ("PUT", "/auto-top-up", auto_topups.set_auto, SetAutoTopUp),
    ("DELETE", "/auto-top-up", auto_topups.forget_method),
)
"""What a user does with what is theirs."""

MANAGED: tuple[Line, ...] = (
    ("GET", "/keys", keys.list_keys),
    ("POST", "/keys", keys.create_key, NewKey),
    ("GET", "/keys/{hash}", keys.get_key),
    ("PATCH", "/keys/{hash}", keys.change_key, ChangedKey),
    ("DELETE", "/keys/{hash}", keys.delete_key),
    ("POST", "/auth/keys/code", oauth.create_code, oauth.NewCode),
    ("GET", "/workspaces", workspaces.list_workspaces),
    ("POST", "/workspaces", workspaces.create_workspace, NewWorkspace),
    ("GET", "/workspaces/{id}", workspaces.get_workspace),
    ("PATCH", "/workspaces/{id}", workspaces.change_workspace, ChangedWorkspace),
    ("DELETE", "/workspaces/{id}", workspaces.delete_workspace),
    ("GET", "/workspaces/{id}/budgets", budgets.list_budgets),
    ("GET", "/workspaces/{id}/budgets/{interval}", budgets.get_budget),
    ("PUT", "/workspaces/{id}/budgets/{interval}", budgets.set_budget, SetBudget),
    ("DELETE", "/workspaces/{id}/budgets/{interval}", budgets.delete_budget),
    ("GET", "/guardrails", guardrails.list_guardrails),
    ("POST", "/guardrails", guardrails.create_guardrail, NewGuardrail),
    ("GET", "/guardrails/assignments/keys", guardrails.list_keys),
    ("GET", "/guardrails/assignments/members", guardrails.list_members),
    ("GET", "/guardrails/{id}", guardrails.get_guardrail),
    ("PATCH", "/guardrails/{id}", guardrails.change_guardrail, ChangedGuardrail),
    ("DELETE", "/guardrails/{id}", guardrails.delete_guardrail),
    ("GET", "/guardrails/{id}/assignments/keys", guardrails.list_keys),
    ("POST", "/guardrails/{id}/assignments/keys", guardrails.assign_keys, Keys),
    ("POST", "/guardrails/{id}/assignments/keys/remove", guardrails.unassign_keys, Keys),
    ("GET", "/guardrails/{id}/assignments/members", guardrails.list_members),
    ("POST", "/guardrails/{id}/assignments/members", guardrails.assign_members, Users),
    ("POST", "/guardrails/{id}/assignments/members/remove", guardrails.unassign_members, Users),
    ("GET", "/alerts", alerts.list_alerts),
    ("POST", "/alerts", alerts.create_alert, alerts.AskAlert),
    ("DELETE", "/alerts/{id}", alerts.delete_alert),
    ("GET", "/alert-webhook", alerts.get_hook),
    ("PUT", "/alert-webhook", alerts.set_hook, alerts.SetHook),
    ("DELETE", "/alert-webhook", alerts.drop_hook),
    ("GET", "/workspaces/{id}/members", workspaces.list_members),
    ("POST", "/workspaces/{id}/members/add", workspaces.add_members, AddMembers),
    ("POST", "/workspaces/{id}/members/remove", workspaces.remove_members, RemoveMembers),
    ("GET", "/byok", byok.list_credentials),
    ("POST", "/byok", byok.create_credential, NewCredential),
    ("GET", "/byok/{id}", byok.get_credential),
    ("PATCH", "/byok/{id}", byok.change_credential, ChangedCredential),
    ("DELETE", "/byok/{id}", byok.delete_credential),
)
"""What a provisioning key may do below /api/v1 and a signed-in user below /account/v1, each where they may."""


FOR_APPS: tuple[Line, ...] = (("POST", "/auth/keys", oauth.exchange_code, oauth.ExchangeCode),)
"""What an app does that holds nothing but a code."""

RECORDS: tuple[Line, ...] = (
    ("GET", "/activity", activity.get_activity),
    ("GET", "/generations", generation_list.list_generations),
    ("GET", "/generations.csv", generation_list.generations_csv),
    ("GET", "/analytics/meta", analytics.get_meta),
    ("POST", "/analytics/query", analytics.query, Query),
    ("POST", "/generation/feedback", feedback.post_feedback, feedback.NewFeedback),
    ("GET", "/organization/members", workspaces.list_colleagues),
    ("GET", "/rankings", rankings.get_part),
    ("PATCH", "/rankings", rankings.change_part, rankings.TakePart),
)
"""What was done, for the same."""

ADMIN: tuple[Line, ...] = (
    ("GET", "/audit-log", admin.list_audit_log),
    ("GET", "/codes", codes.list_codes),
    ("POST", "/codes", codes.make_codes, NewCodes),
    ("DELETE", "/codes/{id}", codes.revoke_code),
    ("POST", "/credits", admin_money.grant_credits, admin_money.NewGrant),
    ("GET", "/purchases", admin_money.list_all_purchases),
    ("POST", "/purchases/{id}/refund", admin_money.refund_any_purchase),
    ("GET", "/audit-log/verify", admin.verify_audit_log),
    ("GET", "/statistics", admin.get_statistics),
    ("GET", "/feedback", feedback.list_all_feedback),
    ("GET", "/settings", admin.get_settings),
    ("PATCH", "/settings", admin.change_settings, SetSignUp),
    ("GET", "/groups", admin_groups.list_groups),
    ("PUT", "/groups/{name}", admin_groups.set_group, SetGroup),
    ("DELETE", "/groups/{name}", admin_groups.delete_group),
    ("POST", "/group-members", admin_groups.move, Move),
    ("GET", "/users", admin.list_all_users),
    ("POST", "/users", admin.create_user, NewUser),
    ("GET", "/users/{id}", admin.get_user),
    ("PATCH", "/users/{id}", admin.change_user, ChangedUser),
    ("DELETE", "/users/{id}", my_data.delete_user),
    ("POST", "/users/{id}/link", admin.create_link),
    ("POST", "/invitations", people.invite, people.Invite),
    ("GET", "/workspaces", admin_places.list_all_workspaces),
    ("GET", "/workspaces/{id}", admin_places.get_any_workspace),
    ("PATCH", "/workspaces/{id}", workspaces.change_workspace, ChangedWorkspace),
    ("POST", "/workspaces/{id}/disable", admin_places.stop_workspace, StopWorkspace),
    ("POST", "/workspaces/{id}/limit", admin_places.limit_workspace, LimitWorkspace),
    ("GET", "/workspaces/{id}/members", workspaces.list_members),
    ("POST", "/workspaces/{id}/members/add", workspaces.add_members, AddMembers),
    ("POST", "/workspaces/{id}/members/remove", workspaces.remove_members, RemoveMembers),
    ("GET", "/keys", admin_places.list_all_keys),
    ("GET", "/keys/{hash}", keys.get_key),
    ("PATCH", "/keys/{hash}", keys.change_key, ChangedKey),
    ("DELETE", "/keys/{hash}", keys.delete_key),
)
"""What admins do, and the command line."""


def management_routes() -> list[Route]:
    """All of them, each line behind its door."""
    doors: tuple[tuple[str, Auth, tuple[Line, ...]], ...] = (
        ("/api/v1", Auth.NONE, FOR_APPS),
        ("/account/v1", Auth.BROWSER, BROWSERS),
        ("/account/v1", Auth.SESSION, OWN),
        ("/admin/v1", Auth.ADMIN, ADMIN),
        ("/account/v1", Auth.SESSION, MANAGED + RECORDS),
        ("/api/v1", Auth.PROVISIONING, MANAGED + RECORDS),
    )
    return [
        Route(method, door + path, auth, handle, *body)
        for door, auth, lines in doors
        for method, path, handle, *body in lines
    ]
