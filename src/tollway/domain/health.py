"""What became of an attempt: one word that retry, breaker, statistics and billing all read."""

from enum import StrEnum


class Outcome(StrEnum):
    """The class of an attempt's end."""

    SUCCEEDED = "succeeded"
    UNREACHABLE = "unreachable"  # DNS, connect, TLS, reset before an answer
    TIMED_OUT = "timed_out"
    RATE_LIMITED = "rate_limited"
    PROVIDER_ERROR = "provider_error"  # 5xx, an error in a 200, malformed answers, truncation
    CREDENTIAL_REJECTED = "credential_rejected"  # 401, 402, 403 with our key
    NOT_OFFERED = "not_offered"  # 404: the endpoint does not exist there
    REQUEST_REJECTED = "request_rejected"  # 400, 413, 422: the caller's own mistake
    CANCELLED = "cancelled"  # the caller left

    @property
    def endpoint_at_fault(self) -> bool:
        """Whether it counts against the endpoint's health."""
        return self in _ENDPOINT_AT_FAULT


_ENDPOINT_AT_FAULT = frozenset(
    {
        Outcome.UNREACHABLE,
        Outcome.TIMED_OUT,
        Outcome.PROVIDER_ERROR,
        Outcome.CREDENTIAL_REJECTED,
        Outcome.NOT_OFFERED,
    }
)
