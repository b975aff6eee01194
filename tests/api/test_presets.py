"""Presets over HTTP: kept from every format, versioned, each workspace's own, and used in every format."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openrouter import errors

from tests.sdks import openrouter
from tests.support import Secret, World, ask, offer, request, world
from tollway.domain.catalog import WireFormat
from tollway.domain.identity import KeyKind

PATH = "/api/v1/presets"
SYSTEM = "Answer in French."
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
HELLO: Any = [{"role": "user", "content": "Say hello."}]
FORMATS = {
    "chat/completions": WireFormat.OPENAI_CHAT,
    "messages": WireFormat.ANTHROPIC_MESSAGES,
    "responses": WireFormat.OPENAI_RESPONSES,
    "gemini": WireFormat.GEMINI,
}
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": HELLO},
    "messages": {"messages": HELLO},
    "responses": {"input": "Say hello."},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}], "generationConfig": {"topP": 0.5}},
}


@pytest.fixture(scope="module")
def speaking() -> Iterator[World]:
    """A model for each format, at a provider that speaks it, and one more."""
    offers = [
        offer(f"test/{form.value}", "m", at=(form.value.replace("_", "-"),), speaks=form) for form in FORMATS.values()
    ]
    with world(*offers, offer("test/model", at=("a", "b"))) as it:
        yield it


def keep(where: World, slug: str, form: str = "chat/completions", key: Secret | None = None, **body: Any) -> Any:
    """Makes a preset, or a version of one; what the answer says of it."""
    fields = {"messages": HELLO, **body} if form != "responses" else {"input": "Hello.", **body}
    headers = None if key is None else key.headers
    answer = where.request("POST", f"{PATH}/{slug}/{form}", fields, headers=headers)
    assert answer.status == 200, answer.text
    return answer.json["data"]


def use(where: World, form: str, model: str, **more: Any) -> Any:
    """A request in this format; what its provider got."""
    if form == "gemini":
        answer = where.request("POST", f"/v1beta/models/{model}:generateContent", {**BODIES[form], **more})
    else:
        answer = where.request("POST", f"/api/v1/{form}", {"model": model, **BODIES[form], **more})
    assert answer.status == 200, answer.text
    return where.stage.bodies()[-1]


def test_each_format_is_kept_alike(speaking: World) -> None:
    """The same wishes in three formats are the same configuration, in a chat request's words."""
    kept = [
        keep(speaking, "chat", temperature=0.5, max_tokens=9, model="test/model", user="nobody",
             messages=[{"role": "system", "content": SYSTEM}, *HELLO]),
        keep(speaking, "chat", "messages", temperature=0.5, max_tokens=9, model="test/model", system=SYSTEM),
        keep(speaking, "chat", "responses", temperature=0.5, max_output_tokens=9, model="test/model",
             instructions=SYSTEM),
    ]  # fmt: skip
    versions = [each["designated_version"] for each in kept]
    for each in versions:
        assert each["config"] == {"temperature": 0.5, "max_tokens": 9, "model": "test/model"}
        assert each["system_prompt"] == SYSTEM
    assert [each["version"] for each in versions] == [1, 2, 3]
    assert {each["id"] for each in kept} == {kept[0]["id"]}
    assert [each["designated_version_id"] for each in kept] == [each["id"] for each in versions]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("asked", ["chat/completions", "messages", "responses", "gemini"])
def test_each_format_uses_one(speaking: World, form: str, asked: str) -> None:
    """System prompt, tools and parameters reach a provider of every format, whichever was asked in."""
    model = f"test/{FORMATS[form].value}"
    slug = f"for-{FORMATS[form].value}"
    keep(
        speaking, slug, model=model, temperature=0.25, max_tokens=77, tools=[TOOL],
        messages=[{"role": "system", "content": SYSTEM}, *HELLO],
    )  # fmt: skip
    sent = str(use(speaking, asked, f"@preset/{slug}"))
    assert SYSTEM in sent
    assert "0.25" in sent
    assert "77" in sent
    assert "'name': 'f'" in sent
    assert "Say hello." in sent
    assert "preset" not in sent


def test_three_ways_and_the_record(speaking: World) -> None:
    """As the model, behind a model, by `preset`; what the request says wins; the record names the preset."""
    made = keep(speaking, "three", model="test/model", temperature=0.5, seed=7, provider={"only": ["b"]})
    for fields in (
        {"model": "@preset/three"},
        {"model": "test/model@preset/three"},
        {"model": "test/model", "preset": "three"},
        {"model": None, "preset": "three"},
    ):
        answer = speaking.chat(**fields, temperature=0.0)
        assert answer.status == 200, answer.text
        assert answer.json["model"] == "test/model"
        got = speaking.stage.bodies()[-1]
        assert (got["temperature"], got["seed"]) == (0.0, 7)
        speaking.settled()
        found = speaking.request("GET", f"/api/v1/generation?id={answer.json['id']}").json["data"]
        assert (found["preset_id"], found["provider_name"]) == (made["id"], "b")
    plain = speaking.chat()
    speaking.settled()
    assert speaking.request("GET", f"/api/v1/generation?id={plain.json['id']}").json["data"]["preset_id"] is None
    text = speaking.request("POST", "/v1/completions", {"model": "@preset/three", "prompt": "Hello"})
    assert text.status == 200, text.text
    streamed = speaking.chat(model="@preset/three", stream=True)
    assert streamed.status == 200
    assert "[DONE]" in streamed.text


def test_a_preset_is_part_of_the_bill(speaking: World) -> None:
    """Its prompt is sent, so it is held for: who can't pay for it is told so before anything is sent."""
    poor = speaking.new_key("preset-poor", credits_usd="0.002")
    keep(
        speaking, "long", key=poor, model="test/model", messages=[{"role": "system", "content": "é " * 40_000}, *HELLO]
    )
    before = len(speaking.received)
    assert speaking.chat(headers=poor.headers, max_tokens=5).status == 200
    refused = speaking.chat(headers=poor.headers, model="@preset/long", max_tokens=5)
    assert refused.status == 402, refused.text
    assert len(speaking.received) == before + 1


def test_the_dry_run_knows_presets(speaking: World) -> None:
    """`POST /api/v1/route` plans for what a preset makes of the request."""
    keep(speaking, "dry", model="test/model", provider={"only": ["b"]})
    found = speaking.request("POST", "/api/v1/route", ask(model="@preset/dry")).json["data"]
    assert [each["provider"] for each in found["endpoints"]] == ["b"]
    assert speaking.request("POST", "/api/v1/route", ask(model="@preset/none")).status == 404


def test_pages_and_versions(well: World) -> None:
    """The last changed first, in pages; versions by their number; both bounded."""
    key = well.new_key("preset-pages", credits_usd="1")

    def get(path: str) -> Any:
        return request(well.url, "GET", f"{PATH}{path}", headers=key.headers)

    for number in range(3):
        keep(well, f"p{number}", key=key, seed=number)
    keep(well, "p0", key=key, seed=9)
    listed = get("").json
    assert (listed["total_count"], [each["slug"] for each in listed["data"]]) == (3, ["p0", "p2", "p1"])
    assert "designated_version" not in listed["data"][0]
    page = get("?limit=1&offset=1").json
    assert (page["total_count"], [each["slug"] for each in page["data"]]) == (3, ["p2"])
    versions = get("/p0/versions").json
    assert (versions["total_count"], [each["config"] for each in versions["data"]]) == (2, [{"seed": 0}, {"seed": 9}])
    assert get("/p0/versions/1").json["data"] == versions["data"][0]
    assert get("/p0").json["data"]["designated_version"] == versions["data"][1]
    for path in ("?limit=0", "?limit=101", "?offset=-1", "?limit=x", "/p0/versions?limit=1.5", f"?offset={'9' * 30}"):
        refused = get(path)
        assert refused.status == 400, path
        assert refused.error["metadata"]["param"] in path
    for path in (
        "/none",
        "/none/versions",
        "/p0/versions/3",
        "/p0/versions/0",
        "/p0/versions/x",
        f"/p0/versions/{9**40}",
    ):
        assert get(path).status == 404, path


def test_each_workspace_has_its_own(well: World) -> None:
    """Another workspace's preset is like one that is not there, to look at and to use, byte for byte."""
    mine, theirs = well.new_key("preset-one", credits_usd="1"), well.new_key("preset-two", credits_usd="1")
    keep(well, "secret", key=mine, temperature=0.5)
    for path in ("/secret", "/secret/versions", "/secret/versions/1"):
        found = request(well.url, "GET", f"{PATH}{path}", headers=theirs.headers)
        absent = request(well.url, "GET", f"{PATH}{path.replace('secret', 'absent')}", headers=theirs.headers)
        assert found.status == absent.status == 404
        assert found.text.replace("secret", "absent") == absent.text
        assert request(well.url, "GET", f"{PATH}{path}", headers=mine.headers).status == 200
    assert request(well.url, "GET", PATH, headers=theirs.headers).json == {"data": [], "total_count": 0}
    assert well.chat(model="test/model", preset="secret", headers=mine.headers).status == 200
    refused = well.chat(model="test/model", preset="secret", headers=theirs.headers)
    assert refused.status == 404
    assert 'no preset "secret"' in refused.error["message"]
    keep(well, "secret", key=theirs, temperature=1.5)
    assert well.chat(model="test/model", preset="secret", headers=mine.headers).status == 200
    assert well.stage.bodies()[-1]["temperature"] == 0.5


def test_a_change_is_seen_at_once(well: World) -> None:
    """A new version counts for the next request; a preset that is off is a 400 that says so; an old one comes back."""
    control = {"authorization": f"Bearer {well.house.control_token}"}

    def put(**said: Any) -> Any:
        body = {"workspace": "home", "slug": "live", **said}
        return request(well.url, "POST", "/control/v1/presets", body, headers=control)

    for temperature in (0.5, 1.5):
        keep(well, "live", temperature=temperature)
        assert well.chat(preset="live").status == 200
        assert well.stage.bodies()[-1]["temperature"] == temperature
    assert put(version=1).json == {"slug": "live", "status": "active", "version": 1}
    assert well.chat(preset="live").status == 200
    assert well.stage.bodies()[-1]["temperature"] == 0.5
    for status in ("disabled", "archived"):
        assert put(status=status).status == 200
        refused = well.chat(preset="live")
        assert refused.status == 400
        assert refused.error["message"] == f'The preset "live" is {status}'
        assert well.request("GET", f"{PATH}/live").json["data"]["status"] == status
    shown = well.request("GET", f"{PATH}/live").json["data"]
    assert shown["status_updated_at"] is not None
    keep(well, "live", temperature=0.25)
    assert well.chat(preset="live").status == 400, "a new version does not switch it on"
    assert put(status="active").status == 200
    assert well.chat(preset="live").status == 200
    assert put(version=9).status == 404
    assert put(status="gone").status == 400


def test_responses_without_input(well: World) -> None:
    """OpenRouter's package may leave `input` out where only the configuration counts."""
    made = well.request("POST", f"{PATH}/silent/responses", {"temperature": 0.5, "instructions": SYSTEM})
    assert made.status == 200, made.text
    version = made.json["data"]["designated_version"]
    assert (version["config"], version["system_prompt"]) == ({"temperature": 0.5}, SYSTEM)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("mine/chat/completions", {"messages": []}, "messages"),
        ("mine/chat/completions", b"[]", "expected an object"),
        ("mine/messages", {"messages": HELLO, "temperature": 9}, "temperature"),
        ("mine/responses", {"input": 1}, "input"),
        ("mine/chat/completions", {"messages": HELLO, "preset": "other"}, "made of another"),
        ("a%20b/chat/completions", {"messages": HELLO}, "slug"),
        (f"{'s' * 65}/chat/completions", {"messages": HELLO}, "slug"),
        ("mine/chat/completions", {"messages": [{"role": "system", "content": "x" * 300_000}, *HELLO]}, "256 KiB"),
    ],
)
def test_what_is_no_preset(well: World, path: str, body: Any, words: str) -> None:
    """A body that would not be a request is none for a preset; nothing is kept."""
    refused = well.request("POST", f"{PATH}/{path}", body)
    assert refused.status == 400, refused.text
    assert words in refused.error["message"]
    assert well.request("GET", f"{PATH}/mine").status == 404


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "@preset/none"}, 404, 'no preset "none"'),
        ({"model": "@preset/"}, 400, "which preset"),
        ({"model": "test/model@preset/none"}, 404, 'no preset "none"'),
        ({"model": "@preset/a", "preset": "b"}, 400, "takes one"),
        ({"models": ["@preset/a"]}, 400, "stands in `model` or `preset`"),
    ],
)
def test_what_names_none(well: World, fields: dict[str, Any], status: int, words: str) -> None:
    """Before anything is sent, and in words that say what to do."""
    refused = well.chat(**{"model": None, **fields})
    assert refused.status == status, refused.text
    assert words in refused.error["message"]


def test_embeddings_have_no_presets(well: World) -> None:
    """Presets are for chat: elsewhere they are refused, not taken for a model."""
    refused = well.request("POST", "/api/v1/embeddings", {"model": "@preset/x", "input": "a"})
    assert refused.status == 400
    assert "a preset is for chat" in refused.error["message"]


def test_what_is_not_built_is_refused_in_a_preset_too(well: World) -> None:
    """A plugin that comes by a preset is a 501, as if the request had named it."""
    keep(well, "plugged", plugins=[{"id": "web"}])
    assert well.chat(preset="plugged").status == 501
    assert well.chat(preset="plugged", plugins=[]).status == 200


def test_the_openrouter_package(well: World) -> None:
    """Every method that it has for presets takes our answers, and a request by a preset is answered."""
    key = well.new_key("preset-sdk", credits_usd="1")
    with openrouter(well, key) as sdk:
        made = sdk.presets.create_presets_chat_completions(
            slug="sdk", messages=[{"role": "system", "content": SYSTEM}, *HELLO], model="test/model", temperature=0.5
        ).data
        assert made.designated_version is not None
        assert made.designated_version.system_prompt == SYSTEM
        sdk.presets.create_presets_messages(slug="sdk", messages=HELLO, model="test/model", max_tokens=9)
        last = sdk.presets.create_presets_responses(
            slug="sdk", input="Hello", model="test/model", temperature=0.25
        ).data
        assert last.designated_version is not None
        assert last.designated_version.version == 3
        listed = sdk.presets.list()
        assert listed is not None
        assert [each.slug for each in listed.result.data] == ["sdk"]
        versions = sdk.presets.list_versions(slug="sdk")
        assert versions is not None
        assert [each.version for each in versions.result.data if each is not None] == [1, 2, 3]
        assert sdk.presets.get(slug="sdk").data.status == "active"
        found = sdk.presets.get_version(slug="sdk", version="1").data
        assert found is not None
        assert found.config == {"model": "test/model", "temperature": 0.5}
        assert sdk.chat.send(model="@preset/sdk", messages=HELLO).choices
        assert well.stage.bodies()[-1]["temperature"] == 0.25
        with pytest.raises(errors.NotFoundResponseError):
            sdk.presets.get(slug="none")


def test_the_openai_package(well: World) -> None:
    """`extra_body` carries `preset` and `route`, and a preset may be the model."""
    keep(well, "openai", model="test/model", seed=3)
    client = OpenAI(api_key=well.key.secret, base_url=f"{well.url}/v1", max_retries=0)
    made: Any = client.chat.completions
    for model, extra in (("test/model", {"preset": "openai", "route": "fallback"}), ("@preset/openai", {})):
        assert made.create(model=model, messages=HELLO, extra_body=extra).choices[0].message.content
        assert well.stage.bodies()[-1]["seed"] == 3
        assert well.stage.bodies()[-1].keys().isdisjoint({"preset", "route"})


def test_a_provisioning_key_keeps_and_never_uses(well: World) -> None:
    """It manages presets like other things; it calls no models, by a preset either."""
    key = well.new_key(kind=KeyKind.PROVISIONING, prefix="sk-or-prov-v1-")
    keep(well, "managed", key=key, model="test/model")
    assert well.chat(model="@preset/managed", headers=key.headers).status == 403
    assert well.chat(model="@preset/managed").status == 200
