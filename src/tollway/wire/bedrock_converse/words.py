"""The format's words and ours: why an answer ended, and which status an error has."""

from tollway.domain.catalog import WireFormat

FORMAT = WireFormat.BEDROCK_CONVERSE.value

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
"""`stopReason` -> our finish reason. Any other word is "stop"."""

_STATUSES = {
    "validation": 400,
    "incompletesignature": 403,
    "invalidsignature": 403,
    "missingauthenticationtoken": 403,
    "unrecognizedclient": 403,
    "expiredtoken": 403,
    "accessdenied": 403,
    "resourcenotfound": 404,
    "unknownoperation": 404,
    "modeltimeout": 408,
    "modelerror": 424,
    "modelstreamerror": 424,
    "throttling": 429,
    "toomanyrequests": 429,
    "modelnotready": 429,
    "servicequotaexceeded": 429,
    "internalserver": 500,
    "internalfailure": 500,
    "serviceunavailable": 503,
}


def status_of(error_type: str, status: int) -> int:
    """The status of an error by its name, `throttlingException` or `ThrottlingException`; else `status`.

    Source: the API reference of ConverseStream, "Errors" and "Response Syntax"; Common Errors.
    """
    return _STATUSES.get(error_type.lower().removesuffix("exception"), status)
