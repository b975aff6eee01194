"""Thinking blocks <-> OpenRouter's `reasoning_details`, signatures and all."""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw, Struct

CLAUDE = "anthropic-claude-v1"
"""The `format` of reasoning that Claude signed; only such may go back to it."""

_CARRIED = "tollway1:"
"""Before another model's reasoning where it travels as `redacted_thinking`: a caller sends that back unread."""

_ENCODER = msgspec.json.Encoder()


def thought(text: str | None, index: int, signature: str | None = None) -> Raw:
    """A piece of a thinking block, or all of it, as OpenRouter writes it (recorded: openrouter.jsonl, streaming)."""
    detail: dict[str, Any] = {"type": "reasoning.text"}
    if text is not None:
        detail["text"] = text
    if signature:
        detail["signature"] = signature
    return Raw(_ENCODER.encode({**detail, "format": CLAUDE, "index": index}))


def hidden(data: str, index: int) -> Raw:
    """A `redacted_thinking` block of Claude's own."""
    return Raw(_ENCODER.encode({"type": "reasoning.encrypted", "data": data, "format": CLAUDE, "index": index}))


def blocks_of(details: tuple[Raw, ...]) -> list[dict[str, Any]]:
    """Whole items of one message -> the thinking blocks that Claude can check, in order.

    Reasoning of other models, and what is not signed, is left out: Anthropic refuses it.
    """
    blocks = []
    for raw in details:
        detail = msgspec.json.decode(raw)
        if isinstance(detail, dict) and detail.get("format") == CLAUDE and (block := _block(detail)) is not None:
            blocks.append(block)
    return blocks


def _block(detail: dict[str, Any]) -> dict[str, Any] | None:
    if detail.get("type") == "reasoning.encrypted" and isinstance(detail.get("data"), str):
        return {"type": "redacted_thinking", "data": detail["data"]}
    if detail.get("type") == "reasoning.text" and isinstance(signature := detail.get("signature"), str) and signature:
        return {"type": "thinking", "thinking": str(detail.get("text") or ""), "signature": signature}
    return None


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
