"""What became of an attempt: one word that retry, breaker, statistics and billing all read."""

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """The class of an attempt's end."""

    SUCCEEDED = "succeeded"
    UNREACHABLE = "unreachable"  # DNS, connect, TLS, reset while the request was being sent
    UNKNOWN = "unknown"  # the connection died after the request was sent, before a byte of an answer: it may have run
    TIMED_OUT = "timed_out"
    RATE_LIMITED = "rate_limited"
    PROVIDER_ERROR = "provider_error"  # 5xx, an error in a 200, malformed answers, truncation
    CREDENTIAL_REJECTED = "credential_rejected"  # 401, 402, 403 with our key
    NOT_OFFERED = "not_offered"  # 404: the endpoint does not exist there
    REQUEST_REJECTED = "request_rejected"  # 400, 413, 422: the caller's own mistake
    INPUT_UNAVAILABLE = "input_unavailable"  # an image or a file of the request could not be fetched for it
    CANCELLED = "cancelled"  # the caller left

    @property
    def endpoint_at_fault(self) -> bool:
        """Whether it counts against the endpoint's health."""
        return self in _ENDPOINT_AT_FAULT


# For code that runs for each request: to read a member off its class costs as much as a call.
SUCCEEDED, RATE_LIMITED, CANCELLED = Outcome.SUCCEEDED, Outcome.RATE_LIMITED, Outcome.CANCELLED

_ENDPOINT_AT_FAULT = frozenset(
    {
        Outcome.UNREACHABLE,
        Outcome.UNKNOWN,
        Outcome.TIMED_OUT,
        Outcome.PROVIDER_ERROR,
        Outcome.CREDENTIAL_REJECTED,
        Outcome.NOT_OFFERED,
    }
)


class Alarm(Struct, frozen=True):
    """Something that only the operator can mend, as answers of a provider tell it."""

    subject: str
    """A provider, or an endpoint's id."""
    text: str
    since_s: float
    """Of the loop's clock: answers to requests from before say nothing."""
