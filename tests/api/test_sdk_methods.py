"""Every method of the `openrouter` package: driven here or by the smoke script, or named with why it is not ours."""

from collections.abc import Iterator
from inspect import getmembers
from typing import Any

import pytest
from openrouter import OpenRouter
from openrouter.errors import NotFoundResponseError

from tests.api.test_openrouter_sdk import OFFERED
from tests.sdks import openrouter
from tests.support import Secret, World
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.storage.feedback import list_feedback

NOT_OURS = {
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
    read_records(well, manager, call)
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


def read_records(well: World, manager: Secret, call: Driver) -> None:
    """What was asked of a model is counted and summed by day and model, and spoken of; feedback on nothing is a 404."""
    key = well.new_key("sdk-methods")
    asked = [well.chat(headers=key.headers).json for _ in range(3)]
    well.settled()
    meta = call("analytics.get_analytics_meta")
    assert {"request_count", "tokens_prompt"} <= {each.name for each in meta.metrics}
    query: dict[str, Any] = {
        "metrics": ["request_count", "tokens_prompt"],
        "dimensions": ["model"],
        "granularity": "day",
        "filters": [{"field": "api_key_id", "operator": "eq", "value": key.key.id}],
        "order_by": {"field": "request_count", "direction": "desc"},
        "limit": 5,
    }
    found = call("analytics.query_analytics", **query)
    assert (found.metadata.row_count, found.metadata.truncated, len(found.data)) == (1, False, 1)
    # The package's type of a row has no fields, so that what is in it is looked at without the package.
    [row] = well.request("POST", "/api/v1/analytics/query", query, headers=manager.headers).json["data"]["data"]
    assert (row["model"], row["request_count"]) == ("test/model", 3)
    assert row["tokens_prompt"] == sum(each["usage"]["prompt_tokens"] for each in asked)
    given = {"category": "latency", "comment": "Slow, says the package."}
    assert call("generations.submit_feedback", generation_id=asked[0]["id"], **given).SUCCESS
    with pytest.raises(NotFoundResponseError):
        call("generations.submit_feedback", generation_id="gen-nothing", **given)
    rows = well.run(list_feedback(well.house.database, before_ms=2**53, limit=1000))
    assert [each.comment for each in rows if each.generation_id == asked[0]["id"]] == ["Slow, says the package."]


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
