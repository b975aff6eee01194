"""When to ask again: every format of hint, and that nothing in one can do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.retry_hints import retry_after_s

NOW_S = 1_762_141_317.0  # 2025-11-03 03:41:57 UTC

TABLE: list[tuple[dict[str, str], bytes, float | None]] = [
    ({}, b"", None),
    ({"retry-after": "7"}, b"", 7.0),
    ({"retry-after": "0.5"}, b"", 0.5),
    ({"retry-after": "0"}, b"", 0.0),
    ({"retry-after": "-3"}, b"", None),
    ({"retry-after": "soon"}, b"", None),
    ({"retry-after": "Mon, 03 Nov 2025 03:42:57 GMT"}, b"", 60.0),
    ({"retry-after": "Mon, 03 Nov 2025 03:40:57 GMT"}, b"", 0.0),
    ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, b"", 3600.0),
    ({"retry-after": "86400"}, b"", 3600.0),
    ({"retry-after-ms": "250"}, b"", 0.25),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, b"", 360.0),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, b"", 1.0),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms"}, b"", 0.012),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3s"}, b"", 3600.0),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "41.724s"}, b"", 41.724),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "30"}, b"", 30.0),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-1"}, b"", None),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0"}, b"", None),
    ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "30"}, b"", None),
    ({"x-ratelimit-reset-tokens": "30"}, b"", 30.0),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1762141327"}, b"", 10.0),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1762141327500"}, b"", 10.5),
    (
        {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2025-11-03T03:42:12Z"},
        b"",
        15.0,
    ),
    (
        {
            "x-ratelimit-remaining-requests": "5",
            "x-ratelimit-reset-requests": "50s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "20s",
            "retry-after": "3",
        },
        b"",
        20.0,
    ),
    ({}, b'{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}', 34.0),
    ({}, b'{"error":{"message":"Rate limit reached. Please try again in 41.724s. Visit"}}', 41.724),
    ({}, b'{"error":{"message":"Please try again in 6m30s."}}', 390.0),
    ({}, b'{"error":{"message":"Please try again in 250ms."}}', 0.25),
    ({}, b'{"message":"Please retry after 9 seconds."}', 9.0),
    ({}, b"try again in 5 minutes", 300.0),
    ({"retry-after": "1"}, b"try again in 2s", 2.0),
    ({}, b"\xff\xfe try again in a while", None),
]


@pytest.mark.parametrize(("headers", "body", "expected"), TABLE)
def test_formats(headers: dict[str, str], body: bytes, expected: float | None) -> None:
    """Each format of FAULTS.md, section 2; of several hints the longest; within an hour (U-37)."""
    hint = retry_after_s(headers.get, body, now_s=NOW_S)
    assert hint == (None if expected is None else pytest.approx(expected))


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "retry-after",
                "retry-after-ms",
                "x-ratelimit-reset",
                "x-ratelimit-remaining",
                "x-ratelimit-reset-tokens",
                "anthropic-ratelimit-requests-reset",
            ]
        ),
        st.one_of(
            st.text(),
            st.from_regex(r"-?[0-9.]+(ms|s|m|h|d)?([0-9.]+s)?"),
            st.datetimes().map(str),
            st.floats().map(str),
        ),
    ),
    st.one_of(st.binary(), st.from_regex(rb"try again in [0-9.]+ ?(ms|s|m|h)?")),
    st.floats(0, 1e11),
)
def test_never_raises(headers: dict[str, str], body: bytes, now_s: float) -> None:
    """Whatever a provider sends: a number from 0 to 3600, or None."""
    hint = retry_after_s(headers.get, body, now_s=now_s)
    assert hint is None or 0 <= hint <= 3600
