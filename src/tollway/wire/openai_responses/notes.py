"""Annotations and logprobs: a response's shape and the chat format's, which is ours."""

from typing import Any


def to_chat(note: Any, start: int) -> dict[str, Any] | None:
    """A `url_citation` as chat nests it, counted from the answer's beginning; None: chat has no such annotation.

    `start`: the characters of the answer before the part that the annotation is about.
    """
    if not isinstance(note, dict) or note.get("type") != "url_citation":
        return None
    inside = {name: value for name, value in note.items() if name != "type"}
    return {"type": "url_citation", "url_citation": _moved(inside, start)}


def from_chat(note: Any, start: int) -> dict[str, Any] | None:
    """The other way round, with every field that OpenAI's clients insist on; None: a response has no such one."""
    inside = note.get("url_citation") if isinstance(note, dict) else None
    if not isinstance(inside, dict):
        return None
    wanted = {"url": inside.get("url") or "", "title": inside.get("title") or "", "start_index": 0, "end_index": 0}
    given = {name: value for name, value in inside.items() if value is not None}
    return {"type": "url_citation", **_moved({**wanted, **given}, -start)}


def _moved(inside: dict[str, Any], by: int) -> dict[str, Any]:
    return {
        name: max(0, value + by) if name in ("start_index", "end_index") and isinstance(value, int) else value
        for name, value in inside.items()
    }


def logprobs_to_chat(tokens: Any) -> dict[str, Any] | None:
    """A list of tokens -> OpenAI's logprobs object of chat, or None where there are none."""
    return {"content": tokens, "refusal": None} if isinstance(tokens, list) and tokens else None


def logprobs_from_chat(value: Any) -> list[dict[str, Any]]:
    """Chat's logprobs object -> a list of tokens, each with every field that a response has."""
    tokens = value.get("content") if isinstance(value, dict) else None
    return [_token(token) for token in tokens if isinstance(token, dict)] if isinstance(tokens, list) else []


def _token(token: dict[str, Any]) -> dict[str, Any]:
    others = token.get("top_logprobs")
    return {
        **_plain(token),
        "top_logprobs": [_plain(other) for other in others if isinstance(other, dict)]
        if isinstance(others, list)
        else [],
    }


def _plain(token: dict[str, Any]) -> dict[str, Any]:
    text = token.get("token") if isinstance(token.get("token"), str) else ""
    spelled = token.get("bytes")
    return {
        "token": text,
        "logprob": token.get("logprob") or 0.0,
        "bytes": spelled if isinstance(spelled, list) else list(str(text).encode()),
    }
