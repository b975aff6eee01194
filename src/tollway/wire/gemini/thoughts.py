"""Thought parts and thought signatures <-> reasoning_details (OPENROUTER.md 3.3).

Another provider's details travel through a Gemini client inside a signature of ours, which that client echoes
unread; they come out of it as they went in.
"""

import base64
import binascii
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tollway.wire.gemini.media import standard_base64

FORMAT = "google-gemini-v1"
_MARK = b"tollway:"
_ENCODER = msgspec.json.Encoder()
_TEXT_FIELDS = {"reasoning.text": "text", "reasoning.summary": "summary"}

SKIP_VALIDATION = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google's "Thought signatures" page gives for calls that another model made (and what is recorded)."""


def thought_detail(text: str, signature: str | None, index: int) -> Raw:
    """A thought part -> a reasoning.text item."""
    detail: dict[str, Any] = {"type": "reasoning.text", "text": text}
    if signature is not None:
        detail["signature"] = signature
    return Raw(_ENCODER.encode(detail | {"format": FORMAT, "index": index}))


def signature_detail(signature: str, call_id: str | None, index: int) -> Raw:
    """A signature on text or on a call -> a reasoning.encrypted item; its id is the call's."""
    detail: dict[str, Any] = {"type": "reasoning.encrypted", "data": signature}
    if call_id is not None:
        detail["id"] = call_id
    return Raw(_ENCODER.encode(detail | {"format": FORMAT, "index": index}))


def decoded(details: Iterable[Raw] | None) -> list[dict[str, Any]]:
    """The items that are objects."""
    values = [msgspec.json.decode(raw) for raw in details or ()]
    return [value for value in values if isinstance(value, dict)]


def is_ours(detail: dict[str, Any]) -> bool:
    """Whether Google's models can read it."""
    return detail.get("format") == FORMAT


def text_of(detail: dict[str, Any]) -> str:
    """What a person can read of a detail."""
    value = detail.get(_TEXT_FIELDS.get(str(detail.get("type")), ""))
    return value if isinstance(value, str) else ""


def call_signatures(details: Sequence[dict[str, Any]], calls: Collection[str] | None = None) -> dict[str | None, str]:
    """Id of a call -> its signature; None -> the signature on the answer's text, the last one.

    `calls`: the ids that there are, where that is known. A detail of any other id signs the text: one that came back
    as an item of OpenAI's Responses has that item's id.
    """
    found: dict[str | None, str] = {}
    for detail in details:
        if is_ours(detail) and detail.get("type") == "reasoning.encrypted" and detail.get("data"):
            id_ = detail.get("id")
            found[id_ if isinstance(id_, str) and (calls is None or id_ in calls) else None] = str(detail["data"])
    return found


def thought_parts(details: Sequence[dict[str, Any]], *, wrap: bool) -> list[dict[str, Any]]:
    """Details -> thought parts; pieces of one thought, which a stream leaves, become one part.

    `wrap`: for a client of ours, so that what other providers signed is kept inside a signature. Without it, for
    Google itself, only their text goes along.
    """
    parts: list[dict[str, Any]] = []
    for detail in details:
        text = text_of(detail)
        if is_ours(detail):
            signature = detail.get("signature")
            if detail.get("type") == "reasoning.encrypted":
                continue
        else:
            signature = wrapped(detail) if wrap and _must_return(detail) else None
        if not text and not signature:
            continue
        last = parts[-1] if parts else None
        if last is not None and "thoughtSignature" not in last:
            last["text"] += text
        else:
            parts.append(last := {"text": text, "thought": True})
        if isinstance(signature, str):
            last["thoughtSignature"] = signature
    return parts


def _must_return(detail: dict[str, Any]) -> bool:
    """Whether a provider wants a detail back: it is signed, or unreadable."""
    return detail.get("type") not in _TEXT_FIELDS or bool(detail.get("signature"))


def wrapped(detail: dict[str, Any]) -> str:
    """Another provider's detail as a signature; its text stands beside it, in the part."""
    field = _TEXT_FIELDS.get(str(detail.get("type")))
    return base64.b64encode(
        _MARK + _ENCODER.encode({name: value for name, value in detail.items() if name != field})
    ).decode()


def unwrapped(signature: str, text: str) -> Raw | None:
    """The detail inside a signature that is ours, with its text put back, or None: it is Google's own."""
    try:
        data = base64.b64decode(standard_base64(signature), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data.startswith(_MARK):
        return None
    try:
        detail = msgspec.json.decode(data[len(_MARK) :])
    except msgspec.MsgspecError:
        return None
    if not isinstance(detail, dict):
        return None
    field = _TEXT_FIELDS.get(str(detail.get("type")))
    return Raw(_ENCODER.encode({**detail, field: text} if field else detail))
