"""Every error class x every storefront x {whole, before a stream's first byte, in its midst}: one table, by hand.

The table is from the texts, not from our output: statuses from STOREFRONTS.md, `error_type` and the words for Anthropic
and for a failed response from OPENROUTER.md 12, OpenAI's types and codes from its guide "Error codes", Google's words
from google/rpc/code.proto. The error is raised where the gateway raises it; all that follows runs, over a socket.
"""

import json
from typing import Any

import pytest
from msgspec import Struct

from tests.support import Answer, World
from tollway.api.chat import Inference
from tollway.domain import errors
from tollway.domain.errors import TollwayError
from tollway.domain.events import Started, TextDelta
from tollway.domain.routing import Candidate

SAID = "What happened, and what to do."
RETRY = {"RateLimited", "NoEndpointsNow", "Unavailable"}
"""These say when to come back: in 7 seconds."""

TABLE = """
error                | status | error_type           | /v1 | OpenAI's type         | and code              | Anthropic's type      | google.rpc.Code     | response.failed
TollwayError         | 500    | server               | 500 | server_error          | server                | api_error             | INTERNAL            | server_error
InvalidRequest       | 400    | invalid_request      | 400 | invalid_request_error | invalid_request       | invalid_request_error | INVALID_ARGUMENT    | invalid_prompt
ModelNotFound        | 400    | invalid_request      | 404 | invalid_request_error | model_not_found       | invalid_request_error | INVALID_ARGUMENT    | invalid_prompt
PromptTooLong        | 400    | context_length_exceeded | 400 | invalid_request_error | context_length_exceeded | invalid_request_error | INVALID_ARGUMENT  | invalid_prompt
AnswerTooLong        | 400    | max_tokens_exceeded  | 400 | invalid_request_error | max_tokens_exceeded   | invalid_request_error | INVALID_ARGUMENT    | -
Unauthenticated      | 401    | authentication       | 401 | invalid_request_error | invalid_api_key       | authentication_error  | UNAUTHENTICATED     | server_error
PaymentRequired      | 402    | payment_required     | 403 | insufficient_quota    | insufficient_quota    | billing_error         | FAILED_PRECONDITION | server_error
Forbidden            | 403    | permission_denied    | 403 | permission_error      | permission_denied     | permission_error      | PERMISSION_DENIED   | server_error
ApiDisabled          | 403    | permission_denied    | 403 | permission_error      | permission_denied     | permission_error      | PERMISSION_DENIED   | server_error
NotFound             | 404    | not_found            | 404 | invalid_request_error | not_found             | not_found_error       | NOT_FOUND           | server_error
NoEndpoints          | 404    | not_found            | 404 | invalid_request_error | not_found             | not_found_error       | NOT_FOUND           | server_error
OverBudget           | 404    | not_found            | 402 | insufficient_budget   | no_route_under_budget | not_found_error       | NOT_FOUND           | server_error
ModelNotAllowed      | 404    | not_found            | 404 | invalid_request_error | model_not_found       | not_found_error       | NOT_FOUND           | server_error
NoEndpointsNow       | 503    | provider_overloaded  | 503 | server_error          | provider_overloaded   | overloaded_error      | UNAVAILABLE         | server_error
MethodNotAllowed     | 405    | invalid_request      | 405 | invalid_request_error | invalid_request       | invalid_request_error | INVALID_ARGUMENT    | invalid_prompt
UpstreamTimedOut     | 408    | timeout              | 408 | server_error          | timeout               | timeout_error         | DEADLINE_EXCEEDED   | server_error
Gone                 | 410    | not_found            | 410 | invalid_request_error | not_found             | not_found_error       | NOT_FOUND           | server_error
PayloadTooLarge      | 413    | payload_too_large    | 413 | invalid_request_error | payload_too_large     | invalid_request_error | INVALID_ARGUMENT    | server_error
UnsupportedMediaType | 415    | invalid_request      | 415 | invalid_request_error | invalid_request       | invalid_request_error | INVALID_ARGUMENT    | invalid_prompt
ExtractionFailed     | 422    | invalid_output       | 422 | invalid_request_error | invalid_output        | invalid_request_error | INVALID_ARGUMENT    | server_error
RateLimited          | 429    | rate_limit_exceeded  | 429 | rate_limit_error      | rate_limit_exceeded   | rate_limit_error      | RESOURCE_EXHAUSTED  | rate_limit_exceeded
NotBuiltYet          | 501    | server               | 501 | server_error          | server                | api_error             | UNIMPLEMENTED       | server_error
UpstreamFailed       | 502    | provider_unavailable | 502 | server_error          | provider_unavailable  | api_error             | UNAVAILABLE         | server_error
UpstreamOverloaded   | 503    | provider_overloaded  | 503 | server_error          | provider_overloaded   | overloaded_error      | UNAVAILABLE         | server_error
Unavailable          | 503    | server               | 503 | server_error          | server                | api_error             | UNAVAILABLE         | server_error
"""  # noqa: E501  # a table is read across


class Row(Struct, frozen=True):
    """One error class in everybody's words."""

    name: str
    status: int
    error_type: str
    status_openai: int
    type_openai: str
    code_openai: str
    type_anthropic: str
    word_google: str
    code_failed: str


def row(line: str) -> Row:
    name, status, error_type, openai, *words = (cell.strip() for cell in line.split("|"))
    return Row(name, int(status), error_type, int(openai), *words)


ROWS = [row(line) for line in TABLE.strip().splitlines()[1:]]
URLS = {
    # storefront -> where it is asked whole, and streamed
    "openrouter": ("/api/v1/chat/completions", "/api/v1/chat/completions"),
    "openai": ("/v1/chat/completions", "/v1/chat/completions"),
    "anthropic": ("/api/v1/messages", "/v1/messages"),
    "google": ("/v1beta/models/test/model:generateContent", "/v1beta/models/test/model:streamGenerateContent?alt=sse"),
    "google list": (
        "/v1beta/models/test/model:generateContent",
        "/v1beta/models/test/model:streamGenerateContent",
    ),
    "responses": ("/api/v1/responses", "/api/v1/responses"),
    "responses openai": ("/v1/responses", "/v1/responses"),
}
ASKED: dict[str, dict[str, Any]] = {
    "google": {"contents": [{"parts": [{"text": "Hello."}]}]},
    "responses": {"model": "test/model", "input": "Hello."},
    "": {"model": "test/model", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]},
}


def body_of(row: Row, storefront: str) -> Any:
    """The body of the error, as an answer of its own."""
    match storefront:
        case "openrouter" | "responses":
            return {"error": {"code": row.status, "message": SAID, "metadata": {"error_type": row.error_type}}}
        case "openai" | "responses openai":
            error = {"message": SAID, "type": row.type_openai, "param": None, "code": row.code_openai}
            return {"error": error, "detail": SAID}
        case "anthropic":
            error = {"type": row.type_anthropic, "message": SAID, "error_type": row.error_type}
            return {"type": "error", "error": error, "request_id": None}
        case _:
            reason = {"reason": row.error_type.upper(), "domain": "tollway"}
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **reason}]
            if row.name in RETRY:
                details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"})
            return {"error": {"code": row.status, "message": SAID, "status": row.word_google, "details": details[:2]}}


def asked(world: World, storefront: str, *, stream: bool) -> Answer:
    family = storefront.split(" ")[0]
    body = ASKED.get(family, ASKED[""])
    if family != "google":
        body = {**body, "stream": stream}
    return world.request("POST", URLS[storefront][stream], body)


def raises(world: World, monkeypatch: pytest.MonkeyPatch, row: Row, *, mid_stream: bool) -> None:
    """The gateway, replaced: it fails with this error, after a piece of text if it is to be in the midst."""
    error: TollwayError = getattr(errors, row.name)(SAID, retry_after_s=7.0 if row.name in RETRY else None)
    endpoint = world.house.gateway.market.catalog.endpoints["test/model"][0]
    assert endpoint.price is not None
    candidate = Candidate(endpoint, endpoint.price, 0, None)

    async def complete(gateway: Any, caller: Any, request: Any, body_bytes: int, origin: Any, sink: Any) -> None:
        sink.begin("gen-1", 1_700_000_000, {})
        if mid_stream:
            await sink.send(candidate, [Started("up-1", "m"), TextDelta("Hel")])
        await sink.fail(error)

    # A property of the class goes before what each instance was built with.
    monkeypatch.setattr(Inference, "_complete", property(lambda _: complete), raising=False)


EACH = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
STOREFRONT = pytest.mark.parametrize("storefront", URLS)


def test_the_table_has_every_class() -> None:
    """A new error class needs its row."""
    found = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TollwayError)}
    assert {row.name for row in ROWS} == found


@EACH
@STOREFRONT
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "before"])
def test_before(well: World, monkeypatch: pytest.MonkeyPatch, row: Row, storefront: str, stream: bool) -> None:
    """Nothing was sent yet: an HTTP error with the storefront's status and body, and when to come back."""
    raises(well, monkeypatch, row, mid_stream=False)
    answer = asked(well, storefront, stream=stream)
    expected = body_of(row, storefront)
    assert answer.status == (row.status_openai if "openai" in storefront else row.status)
    assert answer.json == ([expected] if storefront == "google list" and stream else expected)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("retry-after") == ("7" if row.name in RETRY else None)
    assert answer.headers.get("www-authenticate") == ("Bearer" if row.status == 401 else None)


@EACH
@STOREFRONT
def test_mid_stream(well: World, monkeypatch: pytest.MonkeyPatch, row: Row, storefront: str) -> None:
    """Text was sent: the status stays 200, and the stream ends with the family's event for errors."""
    raises(well, monkeypatch, row, mid_stream=True)
    answer = asked(well, storefront, stream=True)
    assert answer.status == 200
    assert "Hel" in answer.text
    status = row.status_openai if "openai" in storefront else row.status
    metadata = {"error_type": row.error_type}
    match storefront:
        case "openrouter" | "openai":
            last, done = answer.events[-2:]
            assert done == "[DONE]"
            assert last["error"] == {"code": status, "message": SAID, "metadata": metadata}
            [choice] = last["choices"]
            assert (choice["delta"]["content"], choice["finish_reason"]) == ("", "error")
        case "anthropic":
            name, data = answer.text.rstrip("\n").split("\n\n")[-1].split("\n")
            assert name == "event: error"
            assert json.loads(data.removeprefix("data: ")) == body_of(row, storefront)
        case "responses" | "responses openai":
            last = next(event for event in reversed(answer.events) if event != "[DONE]")
            if row.code_failed == "-":  # a length is no failure there (OPENROUTER.md 12.5)
                assert last["type"] == "response.incomplete"
                assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
                return
            assert last["type"] == "response.failed"
            assert last["response"]["status"] == "failed"
            assert last["response"]["error"] == {"code": row.code_failed, "message": SAID}
            assert last["response"]["error_type"] == row.error_type
        case _:
            events = answer.json if storefront == "google list" else answer.events
            expected = body_of(row, storefront)
            expected["error"]["details"] = expected["error"]["details"][:1]
            assert events[-1] == expected
