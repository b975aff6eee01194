"""`/api/v1/byok` and `/account/v1/byok`: own keys for providers, by those who manage a workspace, and for it alone."""

import json
from typing import Any

import pytest

from tests.sdks import openrouter
from tests.support import Answer, Secret, World, request
from tollway.domain.identity import KeyKind
from tollway.domain.people import Role
from tollway.storage.audit_log import list_entries

PROVISIONING = {"kind": KeyKind.PROVISIONING, "prefix": "sk-or-prov-v1-"}
OPENAI = "sk-proj-0123456789abcdefghijWXYZ"
AZURE = {
    "model_slug": "openai/gpt-4o",
    "endpoint_url": "https://mine.openai.azure.com/openai/deployments/four/chat/completions?api-version=2024-10-21",
    "api_key": "azure-secret-key",
    "model_id": "four",
}
BEDROCK = '{"accessKeyId":"AKIAEXAMPLE","secretAccessKey":"bedrock-secret","region":"%s"}'


@pytest.fixture(scope="module")
def manager(well: World) -> Secret:
    """A provisioning key of a workspace of its own."""
    return well.new_key("own-keys", **PROVISIONING)


def byok(world: World, by: Secret, method: str, path: str = "", body: Any = None) -> Answer:
    return request(world.url, method, f"/api/v1/byok{path}", body, headers=by.headers)


def test_a_credential_from_birth_to_death(well: World, manager: Secret) -> None:
    """Made, listed, changed, given another secret and deleted; the secret is in no answer, the audit log has all."""
    hash_ = well.new_key("own-keys").key.id
    asked = {
        "provider": "openai", "key": OPENAI, "name": "Ours", "is_fallback": True, "allowed_models": ["openai/gpt-4o"],
        "allowed_api_key_hashes": [hash_], "sort_order": 3, "is_required": False,
    }  # fmt: skip
    made = byok(well, manager, "POST", "", asked)
    assert made.status == 201
    data = made.json["data"]
    assert data | {key: value for key, value in asked.items() if key != "key"} == data
    assert (data["label"], data["workspace_id"], data["disabled"]) == ("sk-...WXYZ", "own-keys", False)
    path = f"/{data['id']}"
    assert byok(well, manager, "GET", path).json["data"] == data
    listed = byok(well, manager, "GET", "?provider=openai").json
    assert (listed["data"], listed["total_count"]) == ([data], 1)
    assert byok(well, manager, "GET", "?provider=anthropic").json == {"data": [], "total_count": 0}
    assert byok(well, manager, "GET", "?offset=1").json == {"data": [], "total_count": 1}
    change = {"name": None, "disabled": True, "allowed_models": None, "allowed_api_key_hashes": None}
    changed = byok(well, manager, "PATCH", path, change).json["data"]
    assert changed == data | change
    renewed = byok(well, manager, "PATCH", path, {"key": "sk-proj-another-one-of-20-or-more"}).json["data"]
    assert renewed == changed | {"label": "sk-...more"}
    deleted = byok(well, manager, "DELETE", path)
    assert deleted.json == {"deleted": True}
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert byok(well, manager, method, path, body).status == 404
    rows = well.run(
        well.house.database.read("SELECT secret, data_key FROM byok_credentials WHERE id = :id", id=path[1:])
    )
    assert rows == [(None, None)]
    told = well.run(list_entries(well.house.database, workspace_id="own-keys"))
    mine = [entry for entry in told if entry.target == data["id"]]
    assert [entry.action for entry in mine] == ["byok.deleted", "byok.changed", "byok.changed", "byok.created"]
    assert not any("sk-" in entry.details for entry in mine)
    assert not any(OPENAI[8:20] in each.text for each in (made, deleted))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "provider"),
        ({"provider": "openai"}, "key"),
        ({"provider": "openai", "key": ""}, "key"),
        ({"provider": "openai", "key": "a\nb"}, "key"),
        ({"provider": "no-such", "key": "k"}, "provider"),
        ({"provider": "openai", "key": "k", "allowed_models": ["no/such"]}, "allowed_models"),
        ({"provider": "openai", "key": "k", "allowed_api_key_hashes": []}, "allowed_api_key_hashes"),
        ({"provider": "openai", "key": "k", "allowed_api_key_hashes": ["x"]}, "allowed_api_key_hashes"),
        ({"provider": "openai", "key": "k", "allowed_api_key_hashes": ["0" * 64]}, "allowed_api_key_hashes"),
        ({"provider": "openai", "key": "k", "allowed_user_ids": ["nobody"]}, "allowed_user_ids"),
        ({"provider": "openai", "key": "k", "name": "n" * 256}, "name"),
        ({"provider": "azure", "key": "a-key-alone"}, "key"),
        ({"provider": "azure", "key": "{}"}, "key"),
        ({"provider": "amazon-bedrock", "key": "{}"}, "key"),
        ({"provider": "amazon-bedrock", "key": BEDROCK % "evil.example/?"}, "key"),
        ({"provider": "amazon-bedrock", "key": BEDROCK % "us-east-1@evil.example"}, "key"),
        ({"provider": "google-vertex", "key": '{"type":"service_account"}'}, "key"),
        (
            {
                "provider": "google-vertex",
                "key": '{"type":"authorized_user","client_id":"a","client_secret":"b","refresh_token":"c",'
                '"project_id":"p","token_uri":"https://evil.example/token"}',
            },
            "token_uri",
        ),
        ([], ""),
    ],
)
def test_bad_credentials(well: World, manager: Secret, body: Any, param: str) -> None:
    """A 400 that names the field and repeats no secret; nothing is made."""
    answer = byok(well, manager, "POST", "", body)
    assert answer.status == 400
    assert param in answer.error["message"]
    assert "bedrock-secret" not in answer.text
    assert byok(well, manager, "GET").json["total_count"] == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/chat/completions",
        "http://mine.openai.azure.com/chat/completions",
        "https://mine.openai.azure.com.evil.example/chat/completions",
        "https://evil.example#.openai.azure.com/chat/completions",
        "https://evil.example?.openai.azure.com/chat/completions",
        "https://evil.example\\.openai.azure.com/chat/completions",
        "https://user:word@mine.openai.azure.com/chat/completions",
        "https://mine.openai.azure.com:8080/chat/completions",
        "https://mine.openai.azure.com:x/chat/completions",
        "https://[::1].openai.azure.com/chat/completions",
        "https://127.0.0.1/chat/completions",
        "file:///etc/passwd",
        "//mine.openai.azure.com/chat/completions",
        "https:///chat/completions",
        "",
    ],
)
def test_where_azure_keys_may_go(well: World, manager: Secret, url: str) -> None:
    """To Azure's own hosts by https, and nowhere else (FAULTS.md, SSRF)."""
    answer = byok(well, manager, "POST", "", {"provider": "azure", "key": well_formed(url)})
    assert answer.status == 400, answer.text
    assert AZURE["api_key"] not in answer.text


def well_formed(url: str) -> str:
    """Azure's form with this URL."""
    return json.dumps([AZURE | {"endpoint_url": url}])


def test_the_forms_in_json(well: World, manager: Secret) -> None:
    """Azure's object and list, Bedrock's keys; their labels tell nothing."""
    ids = []
    for provider, key in (
        ("azure", well_formed(AZURE["endpoint_url"])),
        ("azure", well_formed(AZURE["endpoint_url"])[1:-1]),
        ("amazon-bedrock", BEDROCK % "eu-west-1"),
        ("google-ai-studio", "AIza-0123456789-0123456789"),
        ("Google AI Studio", "AIza-0123456789-0123456789"),
    ):
        answer = byok(well, manager, "POST", "", {"provider": provider, "key": key})
        assert answer.status == 201, answer.text
        ids.append(answer.json["data"]["id"])
        assert answer.json["data"]["label"] == ("AIz...6789" if "oogle" in provider else "JSON")
    assert byok(well, manager, "POST", "", {"provider": "azure", "key": "[]"}).status == 400
    for id_ in ids:
        assert byok(well, manager, "DELETE", f"/{id_}").status == 200


def test_bad_pages(well: World, manager: Secret) -> None:
    for query in ("offset=-1", "offset=x", "limit=0", "limit=101", "limit=1.5", "provider=no-such"):
        assert byok(well, manager, "GET", f"?{query}").status == 400, query


def test_another_tenant(well: World, manager: Secret) -> None:
    """A credential of another workspace is like an absent one, byte for byte; so is the workspace."""
    mine = byok(well, manager, "POST", "", {"provider": "openai", "key": OPENAI}).json["data"]["id"]
    stranger = well.new_key("stranger-of-own-keys", **PROVISIONING)
    for method, body in (("GET", None), ("PATCH", {"disabled": True}), ("DELETE", None)):
        theirs = byok(well, stranger, method, f"/{mine}", body)
        nobodys = byok(well, stranger, method, "/none-such", body)
        assert (theirs.status, theirs.text) == (nobodys.status, nobodys.text)
        assert theirs.status == 404
    assert byok(well, stranger, "GET").json["total_count"] == 0
    for workspace in ("own-keys", "none-such"):
        asked = {"provider": "openai", "key": OPENAI, "workspace_id": workspace}
        assert byok(well, stranger, "GET", f"?workspace_id={workspace}").status == 404
        assert byok(well, stranger, "POST", "", asked).status == 404
    other = well.new_key("own-keys").key.id
    wrong = {"provider": "openai", "key": OPENAI, "allowed_api_key_hashes": [other]}
    assert byok(well, stranger, "POST", "", wrong).status == 400
    assert byok(well, manager, "DELETE", f"/{mine}").status == 200


def test_roles(well: World) -> None:
    """Only who manages a workspace sees or changes its keys for providers."""
    asked = {"provider": "openai", "key": OPENAI, "workspace_id": "own-team"}
    for role in (Role.OWNER, Role.ADMIN, Role.MEMBER, Role.BILLING):
        headers = well.signed_in(well.new_user(f"byok-{role.value}", role, "own-team"))
        manages = role in (Role.OWNER, Role.ADMIN)
        made = request(well.url, "POST", "/account/v1/byok", asked, headers=headers)
        assert made.status == (201 if manages else 403)
        seen = request(well.url, "GET", "/account/v1/byok?workspace_id=own-team", headers=headers)
        assert seen.status == (200 if manages else 403)


def test_the_official_sdk(well: World, manager: Secret) -> None:
    """openrouter 1.3: create, list, get, update, delete, with its strict response types."""
    with openrouter(well, manager) as client:
        made = client.byok.create(provider="openai", key=OPENAI, name="SDK").data
        assert (made.provider, made.label, made.is_fallback) == ("openai", "sk-...WXYZ", False)
        listed = client.byok.list()
        assert listed is not None
        assert made.id in {each.id for each in listed.result.data}
        assert client.byok.get(id=made.id).data.name == "SDK"
        assert client.byok.update(id=made.id, is_fallback=True).data.is_fallback
        assert client.byok.delete(id=made.id).DELETED
