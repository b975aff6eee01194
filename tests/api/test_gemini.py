"""Google's URLs: streams as one JSON list, errors at every moment, and the list of models."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types

from tests.support import World, offer, request, world

BODY = {"contents": [{"role": "user", "parts": [{"text": "One two."}]}]}


def listed(world: World, model: str, query: str = "", **named: Any) -> Any:
    """A stream without `alt=sse`."""
    return world.request("POST", f"/v1beta/models/{model}:streamGenerateContent{query}", BODY, **named)


def text_of(chunks: list[dict[str, Any]]) -> str:
    """What the chunks say."""
    parts = [part for chunk in chunks for one in chunk["candidates"] for part in one["content"]["parts"]]
    return "".join(part["text"] for part in parts)


def test_a_stream_is_one_list(well: World) -> None:
    """Google's default (API reference, streamGenerateContent): a JSON array of what events would have said."""
    for query in ("", "?alt=json"):
        answer = listed(well, "test/model", query)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        chunks = json.loads(answer.text)
        assert len(chunks) > 1
        assert text_of(chunks)
        assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
        assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] > 0
        found = well.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}").json["data"]
        assert found["streamed"]
        assert found["total_cost"] > 0


def test_another_alt_is_refused(well: World) -> None:
    """A word that Google does not know either."""
    answer = listed(well, "test/model", "?alt=proto")
    assert answer.status == 400
    assert answer.error["message"].startswith("alt:")


def test_a_list_is_kept_awake(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are empty are legal before and within a list: what comes is JSON all the same."""
    monkeypatch.setattr("tollway.api.stream.FIRST_COMMENT_S", 0.05)
    monkeypatch.setattr("tollway.api.stream.NEXT_COMMENT_S", 0.08)
    answer = listed(well, "test/slow")
    assert answer.text.startswith("\n\n")
    assert text_of(json.loads(answer.text))


def test_errors_are_items_of_the_list(failing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the list, after its first line, in its midst: Google's error object, in a list, and the list closes."""
    before = listed(failing, "fail/500")
    assert (before.status, before.json[0]["error"]["code"]) == (502, 502)
    unknown = listed(failing, "no/such")
    assert (unknown.status, unknown.json[0]["error"]["status"]) == (400, "INVALID_ARGUMENT")
    stranger = listed(failing, "test/model", headers={"x-goog-api-key": "sk-wrong"})
    assert (stranger.status, stranger.json[0]["error"]["status"]) == (401, "UNAUTHENTICATED")
    *said, last = json.loads(listed(failing, "fail/mid").text)
    assert text_of(said)
    assert last["error"]["code"] == 502
    assert "finishReason" not in json.dumps(said)
    monkeypatch.setattr("tollway.api.stream.FIRST_COMMENT_S", 0.05)
    late = listed(failing, "fail/stall")
    assert late.status == 200
    assert [list(item) for item in json.loads(late.text)] == [["error"]]


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    """Three models to page through."""
    with world(offer("a/one", at=("a", "b")), offer("a/two"), offer("b/three")) as found:
        yield found


NAMES = {"models/a/one", "models/a/two", "models/b/three"}


def test_models_in_pages(shop: World) -> None:
    """`pageSize` and `pageToken`: every model once; a size beyond the most is no mistake."""
    seen, token = list[str](), ""
    for _ in range(3):
        page = shop.request("GET", f"/v1beta/models?pageSize=1&pageToken={token}").json
        seen += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken", "")
    assert (set(seen), len(seen), token) == (NAMES, 3, "")
    whole = shop.request("GET", "/v1beta/models?pageSize=99999").json
    assert {model["name"] for model in whole["models"]} == NAMES
    assert "nextPageToken" not in whole
    for wrong in ("pageSize=-1", "pageSize=x", "pageToken=x", "pageToken=LTE=", "pageToken=%C3%A4"):
        answer = shop.request("GET", f"/v1beta/models?{wrong}")
        assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT"), wrong


def test_one_model(shop: World) -> None:
    """By its id; what is not offered is Google's 404."""
    model = shop.request("GET", "/v1beta/models/a/one").json
    assert model["name"] == "models/a/one"
    assert model["inputTokenLimit"] > 0
    assert "generateContent" in model["supportedGenerationMethods"]
    missing = shop.request("GET", "/v1beta/models/a/none")
    assert (missing.status, missing.error["status"]) == (404, "NOT_FOUND")


def test_googles_client_lists_models(shop: World) -> None:
    """The SDK pages, finds one, and calls it by the name in the list."""
    client = genai.Client(
        api_key=shop.key.secret, http_options=types.HttpOptions(base_url=shop.url, api_version="v1beta")
    )
    names = [model.name for model in client.models.list(config=types.ListModelsConfig(page_size=2))]
    assert set(names) == NAMES
    found = client.models.get(model="a/two")
    assert found.name == "models/a/two"
    assert client.models.generate_content(model=found.name, contents="One two.").text


def test_credentials_as_google_sends_them(shop: World) -> None:
    """A header of Google's, the URL, or a bearer token; without any, 401 in Google's words."""
    secret = shop.key.secret
    assert request(shop.url, "GET", "/v1beta/models", headers={"x-goog-api-key": secret}).status == 200
    assert request(shop.url, "GET", f"/v1beta/models/a/one?key={secret}", headers={}).status == 200
    refused = request(shop.url, "GET", "/v1beta/models?key=sk-wrong", headers={})
    assert (refused.status, refused.error["status"]) == (401, "UNAUTHENTICATED")
