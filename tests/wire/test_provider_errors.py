"""Errors of providers, in every shape that they come in."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.recordings import refusals
from tollway.domain.events import Failed
from tollway.wire.openai_chat.client import decode_answer, decode_error

WAIT, NONE = {"retry-after": "4"}, dict[str, str]()

TABLE: list[tuple[bytes, int, str, str | None]] = [
    (b'{"error":{"message":"No","type":"invalid_request_error","code":"bad"}}', 400, "No", "bad"),
    (b'{"error":{"message":"No","type":"x","code":null}}', 400, "No", "x"),
    (b'{"error":{"code":429,"message":"Slow","status":"RESOURCE_EXHAUSTED"}}', 429, "Slow", "RESOURCE_EXHAUSTED"),
    (b'[{"error":{"code":400,"message":"Key","status":"INVALID_ARGUMENT"}}]', 400, "Key", "INVALID_ARGUMENT"),
    (
        b'{"object":"error","message":"Too long","type":"BadRequestError","code":400}',
        400,
        "Too long",
        "BadRequestError",
    ),
    (b'{"error":"model is loading"}', 503, "model is loading", None),
    (b'{"detail":"Not Found"}', 404, "Not Found", None),
    (b'{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}', 422, "field required", None),
    (b'{"message":"Unauthorized","request_id":"1"}', 401, "Unauthorized", None),
    (
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
        529,
        "Overloaded",
        "overloaded_error",
    ),
    (b"Bad Gateway", 502, "Bad Gateway", None),
    (b"", 503, "The provider answered with status 503.", None),
    (b"\xff\x00{", 500, "\ufffd {", None),
    (
        b"<html><head><title>502</title><style>p{}</style></head><body><h1>Bad &amp; Gateway</h1></body></html>",
        502,
        "Bad & Gateway",
        None,
    ),
]


@pytest.mark.parametrize(("body", "status", "message", "code"), TABLE)
def test_shapes(body: bytes, status: int, message: str, code: str | None) -> None:
    """U-21, U-22, U-29: message and code are found; the HTTP status stands."""
    failed = decode_error(status, WAIT.get, body, now_s=0)
    assert failed == Failed(status, message, code, retry_after_s=4.0)


def test_recorded_refusals() -> None:
    """What real providers answered: status, message and code as in the recording."""
    count = 0
    for name, status, headers, body in refusals():
        failed = decode_error(status, headers.get, json.dumps(body).encode(), now_s=0)
        error = body["error"]
        assert (failed.status, failed.message) == (status, error["message"]), name
        assert failed.code == str(error["code"] or error["type"]), name
        count += 1
    assert count >= 7


@pytest.mark.parametrize(
    "body", [b"<html>" + b"<" * 3_000_000, b"<!--" * 500_000, b"<script>" * 300_000, b"a" * 9_000_000]
)
def test_long_bodies_are_cut(body: bytes) -> None:
    """Hostile pages cost little, and 200 characters of them are all that is kept."""
    start = time.process_time()
    failed = decode_error(502, NONE.get, body, now_s=0)
    assert len(failed.message) <= 200
    assert time.process_time() - start < 0.5


@given(
    st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["error", "message", "code", "type", "detail", "choices", "usage"]), inner
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_nothing_raises(body: bytes) -> None:
    """Whatever a provider sends, as an error or as an answer, becomes a value."""
    assert isinstance(decode_error(500, NONE.get, body, now_s=0), Failed)
    decode_answer(body)
