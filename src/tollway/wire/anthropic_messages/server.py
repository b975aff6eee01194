"""Anthropic's Messages where we answer: requests and counts in, answers, streams and errors out."""

import msgspec

from tollway.wire.anthropic_messages.answer import encode_answer
from tollway.wire.anthropic_messages.body import decode_count_request, decode_request
from tollway.wire.anthropic_messages.chunks import EventEncoder
from tollway.wire.anthropic_messages.errors import error_body
from tollway.wire.anthropic_messages.usage import usage_json

__all__ = [
    "EventEncoder",
    "decode_count_request",
    "decode_request",
    "encode_answer",
    "encode_count_answer",
    "error_body",
    "usage_json",
]


def encode_count_answer(tokens: int) -> bytes:
    """The answer of `POST /messages/count_tokens`."""
    return msgspec.json.encode({"input_tokens": tokens})
