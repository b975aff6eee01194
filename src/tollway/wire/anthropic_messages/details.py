"""`reasoning_details` -> thinking blocks: Claude's own as they were, another model's carried in one that is hidden."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tollway.wire.claude import signed

_CARRIED = "tollway1:"
"""Before another model's reasoning where it travels as `redacted_thinking`: a caller sends that back unread."""

_ENCODER = msgspec.json.Encoder()


def blocks_of(details: tuple[Raw, ...]) -> list[dict[str, Any]]:
    """Whole items of one message -> the thinking blocks that Claude can check, in order."""
    return [
        {"type": "redacted_thinking", "data": text}
        if signature is None
        else {"type": "thinking", "thinking": text, "signature": signature}
        for text, signature in signed(details)
    ]


class Carried(Struct, frozen=True, omit_defaults=True):
    """What another model said, which has to come back to it, and which no block of this format can say."""

    detail: dict[str, Any] | None = None
    """An item of `reasoning_details`."""
    call: str | None = None
    """The id of a tool call, and what hung on it (Google: its thought signature)."""
    extra_content: dict[str, Any] | None = None


def carry(what: Carried) -> str:
    """The `data` of a redacted_thinking block, which a caller sends back as it is."""
    return _CARRIED + base64.urlsafe_b64encode(_ENCODER.encode(what)).decode()


def carried(data: Any) -> Carried | None:
    """The other way round; None: Claude's own, or nobody's."""
    if not isinstance(data, str) or not data.startswith(_CARRIED):
        return None
    try:
        return _CARRIED_DECODER.decode(base64.urlsafe_b64decode(data[len(_CARRIED) :]))
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return None


_CARRIED_DECODER = msgspec.json.Decoder(Carried)
