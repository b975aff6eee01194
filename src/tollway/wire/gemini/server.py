"""Google's format where we answer: requests in, answers, streams and errors out."""

from tollway.wire.gemini.answer import encode_answer
from tollway.wire.gemini.chunks import EventEncoder
from tollway.wire.gemini.count_tokens import decode_count_request, encode_count
from tollway.wire.gemini.decode import decode_request
from tollway.wire.gemini.errors import error_body
from tollway.wire.gemini.usage import usage_json

__all__ = [
    "EventEncoder",
    "decode_count_request",
    "decode_request",
    "encode_answer",
    "encode_count",
    "error_body",
    "usage_json",
]
