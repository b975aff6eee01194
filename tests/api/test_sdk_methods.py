"""Every method of the `openrouter` package: driven here or by the smoke script, or named with why it is not ours."""

from collections.abc import Iterator
from inspect import getmembers
from typing import Any

import pytest
from openrouter import OpenRouter

from tests.api.test_openrouter_sdk import OFFERED
from tests.sdks import openrouter
from tests.support import Secret, World
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role

NOT_OURS = {
    "analytics.query_analytics": "answered, and tested in test_analytics.py without the package",
    "generations.submit_feedback": "answered, and tested in test_analytics.py without the package",
    "batch": "not built yet",
    "benchmarks": "no benchmarks are kept here",
    "classifications": "tasks are not classified here",
    "containers": "no code is run here",
    "datasets.get_rankings_daily": "apps are ranked, models are not",
    "datasets.get_session_cost": "not offered",
    "external_users": "people of one's customers are a name in a request, and no accounts",
    "files": "not built yet",
    "images": "not built yet",
    "o_auth.create_oauth_token": "apps get keys here, no tokens",
    "o_auth.list_oauth_jwks": "apps get keys here, no tokens",
    "observability": "traces go where the operator sends them",
    "organization": "workspaces have no organization above them",
    "private_endpoints": "endpoints are the operator's",
    "scim": "people come by invitation",
    "stt": "not built yet",
    "system_one": "not offered",
    "tools": "tools are the caller's",
    "tts": "not built yet",
    "vault": "secrets are kept as BYOK credentials alone",
    "video_generation": "not built yet",
}
"""A method, or all of a namespace."""
ELSEWHERE = {"embeddings.generate", "rerank.rerank", "generations.list_generation_content"}
"""What test_plain_urls.py and test_contents.py drive."""


def methods(client: OpenRouter) -> set[str]:
    """Every method of the package, by its namespace."""
    found = set()
    for name in client._sub_sdk_map:
        for method, what in getmembers(type(getattr(client, name))):
            if callable(what) and not method.startswith(("_", "do_request")) and not method.endswith("_async"):
                found.add(f"{name}.{method}")
    return found


class Driver:
    """A client that writes down what it was asked."""

    def __init__(self, client: OpenRouter) -> None:
        self._client = client
        self.driven: set[str] = set()

    def __call__(self, name: str, /, **given: Any) -> Any:
        """The method's answer, which the package has checked against its types."""
        space, _, method = name.partition(".")
        self.driven.add(name)
        answer = getattr(getattr(self._client, space), method)(**given)
        assert answer is not None, name
        return getattr(answer, "data", answer)


@pytest.fixture
def manager(well: World) -> Secret:
    """A provisioning key of somebody who owns a workspace."""
    owner = well.new_user("sdk-methods", Role.OWNER, "sdk-methods")
    return well.new_key("sdk-methods", credits_usd="1", kind=KeyKind.PROVISIONING, creator=owner)


@pytest.fixture
def call(well: World, manager: Secret) -> Iterator[Driver]:
    with openrouter(well, manager) as client:
        yield Driver(client)


@pytest.mark.filterwarnings("ignore:warning. .. DEPRECATED")  # the package warns of fields that it still requires
def test_all_methods(well: World, manager: Secret, call: Driver) -> None:
    """What manages keys, codes, credentials, guardrails, workspaces and their records answers as its types have it."""
    user = str(manager.key.creator_user_id)
    manage_keys(call)
    manage_byok(call)
    manage_guardrails(call, user)
    manage_workspaces(call, user)
    assert call("credits.get_credits").total_credits == 1
    call("analytics.get_user_activity")
    call("analytics.get_analytics_meta")
    exchanged = call("o_auth.create_auth_code", callback_url="https://app.example/")
    assert call("o_auth.exchange_auth_code_for_api_key", code=exchanged.id).key.startswith("sk-or-v1-")
    with openrouter(well) as client:
        known = methods(client)
    ours = {name for name in known if name not in NOT_OURS and name.partition(".")[0] not in NOT_OURS}
    smoked = {name.partition("(")[0] for name in OFFERED}
    assert ours - call.driven - smoked - ELSEWHERE == set()
    assert call.driven | ELSEWHERE <= ours
    gone = {name for name in NOT_OURS if name not in known and not any(each.startswith(f"{name}.") for each in known)}
    assert gone == set()


def manage_keys(call: Driver) -> None:
    """Made, listed, seen, changed, deleted."""
    hash_ = call("api_keys.create", name="Methods", limit=2.5, limit_reset="monthly").hash
    assert hash_ in {each.hash for each in call("api_keys.list", include_disabled=True)}
    assert call("api_keys.update", hash=hash_, disabled=True, limit=3).limit == 3
    assert call("api_keys.get", hash=hash_).disabled
    assert call("api_keys.delete", hash=hash_).DELETED
    assert call("api_keys.get_current_key_metadata").is_management_key


def manage_byok(call: Driver) -> None:
    """The same for keys of one's own."""
    made = call("byok.create", provider="openai", key="sk-1234567890123456789012345678901234567890", name="Methods")
    assert made.id in {each.id for each in call("byok.list").result.data}
    assert call("byok.update", id=made.id, is_fallback=True).is_fallback
    assert call("byok.get", id=made.id).is_fallback
    assert call("byok.delete", id=made.id).DELETED


def manage_guardrails(call: Driver, user: str) -> None:
    """The same, given to a key and a member, and taken from them."""
    rail = call("guardrails.create", name="Methods", allowed_models=["test/model"]).id
    hash_ = call("api_keys.create", name="Guarded").hash
    assert call("guardrails.update", id=rail, name="Other").name == "Other"
    assert call("guardrails.get", id=rail).name == "Other"
    assert rail in {each.id for each in call("guardrails.list").result.data}
    assert call("guardrails.bulk_assign_keys", id=rail, key_hashes=[hash_]).assigned_count == 1
    assert call("guardrails.bulk_assign_members", id=rail, member_user_ids=[user]).assigned_count == 1
    for name, given in (
        ("list_guardrail_key_assignments", {"id": rail}),
        ("list_guardrail_member_assignments", {"id": rail}),
        ("list_key_assignments", {}),
        ("list_member_assignments", {}),
    ):
        assert len(call(f"guardrails.{name}", **given).result.data) == 1
    assert call("guardrails.bulk_unassign_keys", id=rail, key_hashes=[hash_]).unassigned_count == 1
    assert call("guardrails.bulk_unassign_members", id=rail, member_user_ids=[user]).unassigned_count == 1
    assert call("guardrails.delete", id=rail).DELETED


def manage_workspaces(call: Driver, user: str) -> None:
    """The same, with budgets and members."""
    place = call("workspaces.create", name="Methods", slug="methods").id
    assert place in {each.id for each in call("workspaces.list").result.data}
    assert call("workspaces.update", id=place, name="Other").name == "Other"
    assert call("workspaces.get", id="methods").id == place
    assert call("workspaces.list_members", id=place).result.data[0].user_id == user
    assert call("workspaces.bulk_add_members", id=place, user_ids=[user])[0].user_id == user
    assert call("workspaces.bulk_remove_members", id=place, user_ids=["nobody"]).removed_count == 0
    assert call("workspaces.set_budget", workspace_ref=place, interval="monthly", limit_usd=5).limit_usd == 5
    assert call("workspaces.get_budget", workspace_ref=place, interval="monthly").limit_usd == 5
    assert len(call("workspaces.list_budgets", workspace_ref=place)) == 1
    assert call("workspaces.delete_budget", workspace_ref=place, interval="monthly").DELETED
    assert call("workspaces.delete", id=place).DELETED
