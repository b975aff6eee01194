"""Every error that a caller can meet, as one tree: whose fault, what happened, what to do.

TollwayError
    InvalidRequest          400  the request itself is wrong; `param` is the path of the field
        ModelNotFound       400 (404 on /v1)
        PromptTooLong       400  it fits into no endpoint's context: a shorter one would be answered
        AnswerTooLong       400  more tokens were asked for than the model gives
    Unauthenticated         401
    PaymentRequired         402  no credits, or the key's limit is spent
    Forbidden               403
        ApiDisabled         403  this API is switched off
    NotFound                404
    NoEndpoints             404  endpoints exist, but the request's own wishes leave none
        OverBudget          404 (402 on /v1)  the price caps of `routing` leave none
        ModelNotAllowed     404  what rules the key allows other models only
        NoEndpointsNow      503  those that fit have been failing, and failed again
    MethodNotAllowed        405
    UpstreamTimedOut        408
    Gone                    410  it was there once; here it is not, or not any more
    PayloadTooLarge         413
    UnsupportedMediaType    415
    ExtractionFailed        422
    RateLimited             429
    NotBuiltYet             501
    UpstreamFailed          502  every candidate failed
        UpstreamOverloaded  503  the provider that was answering says that it has too much to do
    Unavailable             503  ours: database, start-up, shut-down
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class TollwayError(Exception):
    """What a caller is told. `message` is fit to be shown; `metadata` adds facts; nothing secret is in either."""

    status: ClassVar[int] = 500
    error_type: ClassVar[str] = "server"
    """OpenRouter's `metadata.error_type` (OPENROUTER.md 12.3)."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        metadata: dict[str, Any] | None = None,
        generation_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.metadata = metadata or {}
        self.generation_id = generation_id
        self.headers = headers or {}
        """What the head of the answer says besides."""


class InvalidRequest(TollwayError):
    status, error_type = 400, "invalid_request"


class ModelNotFound(InvalidRequest):
    error_type = "invalid_request"


class PromptTooLong(InvalidRequest):
    error_type = "context_length_exceeded"


class AnswerTooLong(InvalidRequest):
    error_type = "max_tokens_exceeded"


class Unauthenticated(TollwayError):
    status, error_type = 401, "authentication"


class PaymentRequired(TollwayError):
    status, error_type = 402, "payment_required"


class Forbidden(TollwayError):
    status, error_type = 403, "permission_denied"


class ApiDisabled(Forbidden):
    """The platform's API without a model in its registry (STOREFRONTS.md, Platform API)."""


class NotFound(TollwayError):
    status, error_type = 404, "not_found"


class NoEndpoints(TollwayError):
    status, error_type = 404, "not_found"


class OverBudget(NoEndpoints):
    """No endpoint within the caps of a `routing` object (STOREFRONTS.md, CPEN)."""


class ModelNotAllowed(NoEndpoints):
    """Rulings on models alone leave none: to this caller the model is not there (STOREFRONTS.md, Errors)."""


class NoEndpointsNow(NoEndpoints):
    status, error_type = 503, "provider_overloaded"


class MethodNotAllowed(TollwayError):
    status, error_type = 405, "invalid_request"


class UpstreamTimedOut(TollwayError):
    status, error_type = 408, "timeout"


class Gone(TollwayError):
    status, error_type = 410, "not_found"


class PayloadTooLarge(TollwayError):
    status, error_type = 413, "payload_too_large"


class UnsupportedMediaType(TollwayError):
    status, error_type = 415, "invalid_request"


class ExtractionFailed(TollwayError):
    """An answer that does not follow the caller's schema, after its repair."""

    status, error_type = 422, "invalid_output"


class RateLimited(TollwayError):
    status, error_type = 429, "rate_limit_exceeded"


class NotBuiltYet(TollwayError):
    status, error_type = 501, "server"


class UpstreamFailed(TollwayError):
    status, error_type = 502, "provider_unavailable"


class UpstreamOverloaded(UpstreamFailed):
    status, error_type = 503, "provider_overloaded"


class Unavailable(TollwayError):
    status, error_type = 503, "server"
