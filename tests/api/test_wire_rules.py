"""OPENROUTER.md sections 3.4, 12 and 15: what every answer, stream and error of ours must look like on the wire."""

import json
import re
from typing import Any

import pytest

from tests.support import Answer, World, ask

CHATS = ("/api/v1/chat/completions", "/v1/chat/completions")
ID = {CHATS[0]: r"gen-\d{10}-[0-9A-Za-z]{20}", CHATS[1]: r"chatcmpl_\d{10}-[0-9A-Za-z]{20}"}
PROCESSING = {CHATS[0]: "OPENROUTER PROCESSING", CHATS[1]: "TOLLWAY PROCESSING"}

both = pytest.mark.parametrize("path", CHATS)


def details_are_complete(usage: dict[str, Any]) -> None:
    """Rule 9: where the details objects are, they hold what the AI SDK insists on."""
    assert isinstance(usage["prompt_tokens_details"]["cached_tokens"], int)
    assert isinstance(usage["completion_tokens_details"]["reasoning_tokens"], int)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["cost"] > 0


@both
def test_whole_answer(well: World, path: str) -> None:
    """Rules 1, 8 and 9: system_fingerprint is there, created is whole seconds, provider is a string, usage complete."""
    answer = well.chat(path)
    body = answer.json
    assert answer.headers["content-type"] == "application/json"
    assert "system_fingerprint" in body
    assert type(body["created"]) is int
    assert body["object"] == "chat.completion"
    assert isinstance(body["provider"], str)
    details_are_complete(body["usage"])
    message = body["choices"][0]["message"]
    assert {"role", "content", "refusal", "reasoning"} <= message.keys()
    assert {"index", "finish_reason", "native_finish_reason", "logprobs"} <= body["choices"][0].keys()


@both
@pytest.mark.parametrize("model", ["test/model", "test/tools", "test/reasoning", "test/refusal"])
def test_stream(well: World, path: str, model: str) -> None:
    """Every chunk has the envelope; the finish comes before the one choice-less chunk with usage; `[DONE]` is last."""
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    answer = well.chat(path, model=model, stream=True, **({"tools": tools} if model == "test/tools" else {}))
    *chunks, done = answer.events
    assert done == "[DONE]"
    assert answer.text.endswith("\n\ndata: [DONE]\n\n")
    for chunk in chunks:
        assert re.fullmatch(ID[path], chunk["id"])
        assert chunk["id"] == chunks[0]["id"]
        assert chunk["object"] == "chat.completion.chunk"
        assert type(chunk["created"]) is int
        assert chunk["model"] == model
        assert isinstance(chunk["provider"], str)
    last = chunks[-1]
    assert last["choices"] == []
    details_are_complete(last["usage"])
    with_choice = chunks[:-1]
    assert all(len(chunk["choices"]) == 1 and "usage" not in chunk for chunk in with_choice)
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in with_choice]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert reasons[-1] == ("tool_calls" if model == "test/tools" else "stop")
    assert all({"index", "delta"} <= chunk["choices"][0].keys() for chunk in with_choice)
    assert "event:" not in answer.text


@both
@pytest.mark.parametrize("streamed", [False, True])
def test_headers(well: World, path: str, streamed: bool) -> None:
    """The generation's id and who answered are in the headers, which a page of another origin may read."""
    answer = well.chat(path, stream=streamed)
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"x-generation-id", "x-provider-name", "retry-after", "x-ratelimit-limit"} <= exposed
    assert re.fullmatch(ID[path], answer.headers["x-generation-id"])
    assert answer.headers["x-provider-name"] == "a"
    body = answer.events[0] if streamed else answer.json
    assert body["id"] == answer.headers["x-generation-id"]
    if streamed:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"


@both
def test_both_ids_find_the_generation(well: World, path: str) -> None:
    """`gen-` and `chatcmpl_` name the same generation, whichever URL asks."""
    shown = well.chat(path).json["id"]
    well.settled()
    bare = shown.removeprefix("gen-").removeprefix("chatcmpl_")
    for base in ("/api/v1", "/v1"):
        for id_ in (f"gen-{bare}", f"chatcmpl_{bare}"):
            assert well.request("GET", f"{base}/generation?id={id_}").json["data"]["id"] == f"gen-{bare}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first comment comes after 50 ms, the next every 80."""
    monkeypatch.setattr("tollway.api.stream.FIRST_COMMENT_S", 0.05)
    monkeypatch.setattr("tollway.api.stream.NEXT_COMMENT_S", 0.08)


@both
@pytest.mark.usefixtures("impatient")
def test_comments_while_waiting(well: World, path: str) -> None:
    """Nothing has come yet: comments keep the line awake, in the storefront's words; then the answer is as ever."""
    answer = well.chat(path, model="test/slow", stream=True)
    assert answer.status == 200
    assert len(answer.comments) >= 3
    assert set(answer.comments) == {PROCESSING[path]}
    assert re.match(r": [A-Z]+ PROCESSING\n\n", answer.text)
    assert re.fullmatch(ID[path], answer.headers["x-generation-id"])
    *chunks, done = answer.events
    assert done == "[DONE]"
    assert chunks[0]["id"] == answer.headers["x-generation-id"]


def test_no_comment_for_a_quick_answer(well: World) -> None:
    """Where content comes at once, no comment is sent."""
    assert well.chat(stream=True).comments == []


@both
@pytest.mark.usefixtures("impatient")
def test_error_after_a_comment(failing: World, path: str) -> None:
    """A comment has committed the status, so the error comes as an event, whole, and `[DONE]` ends the stream."""
    answer = failing.chat(path, model="fail/stall", stream=True)
    assert answer.status == 200
    assert set(answer.comments) == {PROCESSING[path]}
    chunk, done = answer.events
    assert done == "[DONE]"
    error_chunk_is_whole(chunk, 408, "timeout")


@both
@pytest.mark.parametrize("model", ["fail/mid", "fail/cut"])
def test_error_inside_the_stream(failing: World, path: str, model: str) -> None:
    """After content an error is an event with an integer code, a `finish_reason` of "error", and the end."""
    answer = failing.chat(path, model=model, stream=True)
    assert answer.status == 200
    *chunks, last, done = answer.events
    assert done == "[DONE]"
    assert any(chunk["choices"][0]["delta"].get("content") for chunk in chunks)
    error_chunk_is_whole(last, 502, "provider_unavailable")


def error_chunk_is_whole(chunk: dict[str, Any], code: int, error_type: str) -> None:
    """OPENROUTER.md 12.5."""
    assert chunk["error"]["code"] == code
    assert type(chunk["error"]["code"]) is int
    assert chunk["error"]["message"]
    assert chunk["error"]["metadata"]["error_type"] == error_type
    [choice] = chunk["choices"]
    assert choice["index"] == 0
    assert choice["delta"]["content"] == ""
    assert choice["finish_reason"] == "error"
    assert chunk["object"] == "chat.completion.chunk"


ERRORS: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    # world, request, status on /api/v1, status on /v1
    ("well", {"temperature": 5}, 400, 400),
    ("well", {"model": "no/such"}, 400, 404),
    ("well", {"messages": []}, 400, 400),
    ("well", {"provider": {"only": ["nobody"]}}, 404, 404),
    ("failing", {"model": "fail/400"}, 400, 400),
    ("failing", {"model": "fail/401"}, 502, 502),
    ("failing", {"model": "fail/429"}, 429, 429),
    ("failing", {"model": "fail/500"}, 502, 502),
    ("failing", {"model": "fail/stall"}, 408, 408),
)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("which", "fields", "api", "v1"), ERRORS, ids=lambda value: str(value)[:24])
def test_error_bodies(
    request: pytest.FixtureRequest, which: str, fields: dict[str, Any], api: int, v1: int, streamed: bool
) -> None:
    """Rules 2 and 10: JSON with an integer code on /api/v1; OpenAI's four fields and CPEN's `detail` on /v1."""
    world: World = request.getfixturevalue(which)
    theirs = world.chat(CHATS[0], stream=streamed, **fields)
    assert theirs.status == api
    assert theirs.error["code"] == api
    assert type(theirs.error["code"]) is int
    assert theirs.error["metadata"]["error_type"]
    openai = world.chat(CHATS[1], stream=streamed, **fields)
    assert openai.status == v1
    assert {"message", "type", "param", "code"} <= openai.error.keys()
    assert isinstance(openai.error["code"], str)
    assert openai.json["detail"] == openai.error["message"]
    for answer in (theirs, openai):
        assert answer.headers["access-control-allow-origin"] == "*"


def test_openai_openrouter_messages_agree(well: World) -> None:
    """The same mistake is explained in the same words everywhere."""
    said = [well.chat(path, max_tokens="many").error["message"] for path in CHATS]
    assert said[0] == said[1] == "max_tokens: expected an integer or null, got a string"


@both
def test_retry_after_429(failing: World, path: str) -> None:
    """The provider's hint reaches the caller."""
    assert failing.chat(path, model="fail/429").headers["retry-after"] == "7"


@both
def test_retry_after_503(well: World, path: str) -> None:
    """A server that shuts down says when to come back."""
    well.call(setattr, well.house.gateway, "accepting", False)
    try:
        answer = well.chat(path)
    finally:
        well.call(setattr, well.house.gateway, "accepting", True)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "shutting down" in answer.error["message"]


def test_failed_generation_is_found(failing: World) -> None:
    """A request that failed has a record, under the id in the error's header, that cost nothing."""
    answer = failing.chat(model="fail/500")
    failing.settled()
    found = failing.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}").json["data"]
    assert found["total_cost"] == 0
    assert [each["status"] for each in found["provider_responses"]] == [500]


def test_no_address_is_told(failing: World) -> None:
    """Neither errors nor records show where a provider is reached, nor a port (STOREFRONTS.md, Errors)."""
    port = str(failing.simulator.port)
    for model in ("fail/reset", "fail/cut", "fail/stall", "fail/html", "fail/500"):
        for streamed in (False, True):
            answer = failing.chat(model=model, stream=streamed)
            assert port not in answer.text
            assert "127.0.0.1" not in answer.text
            failing.settled()
            record = failing.request("GET", f"/api/v1/generation?id={answer.headers['x-generation-id']}")
            assert record.status == 200
            assert f":{port}" not in record.text


def test_required_fields_of_lists(well: World) -> None:
    """Rules 3 and 5: lists have total_count and links.next, `/key` and endpoints the fields that came later."""
    models = well.request("GET", "/api/v1/models").json
    assert models["total_count"] == len(models["data"])
    assert models["links"] == {"next": None}
    key = well.request("GET", "/api/v1/key").json["data"]
    late = {"organization_id", "workspace_id", "allowed_data_regions", "budgets", "effective_budget"}
    assert late | {"free_model_daily_requests", "rate_limit"} <= key.keys()
    [endpoint] = well.request("GET", "/api/v1/models/test/model/endpoints").json["data"]["endpoints"]
    assert {"native_tools", "service_tier", "supports_tool_choice", "supports_diarization"} <= endpoint.keys()


def test_trailing_garbage(well: World) -> None:
    """JSON with something behind it is no JSON."""
    sent = json.dumps(ask()).encode()
    for garbage in (b"x", b"{}", b"\0", b","):
        answer: Answer = well.request("POST", CHATS[0], sent + garbage)
        assert answer.status == 400
        assert "not valid JSON" in answer.error["message"] or "NUL" in answer.error["message"]


CLIENTS = {
    "/v1/chat/completions": "authorization,content-type,openai-organization,openai-project,x-stainless-arch",
    "/v1/messages": "anthropic-beta,anthropic-dangerous-direct-browser-access,anthropic-version,content-type,x-api-key,"
    "x-stainless-helper-method",
    "/api/v1/messages": "authorization,content-type,x-anthropic-beta",
    "/v1beta/models/test/model:generateContent": "content-type,user-agent,x-goog-api-client,x-goog-api-key",
    "/api/v1/chat/completions": "authorization,content-type,http-referer,x-openrouter-metadata,x-openrouter-title",
}
"""What the official clients send from a page, as a browser asks for it."""


@pytest.mark.parametrize("url", CLIENTS)
def test_official_clients_in_a_browser(well: World, url: str) -> None:
    """The preflight allows every header that they send (Fetch, "CORS-preflight fetch")."""
    asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
    headers = {**asked, "access-control-request-headers": CLIENTS[url]}
    answer = well.request("OPTIONS", url, headers=headers)
    assert answer.status == 204
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert set(CLIENTS[url].split(",")) <= allowed


@both
def test_a_page_may_read_why_and_when(well: World, path: str) -> None:
    """The headers of an error are exposed, too: when to come back, and what the limit is."""
    answer = well.chat(path, model="nope/x")
    assert answer.status in (400, 404)
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= exposed
