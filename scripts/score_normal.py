"""Bodies as their documentation says that they are understood: differences that are none, taken away on both sides."""

import json
import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

RULES = {
    "false and defaults": "`stream: false` is what a request without it says",
    "a string for one block": "Anthropic takes a string as a list of one text; Mistral a list of texts as a string",
    "turns of one role": "Anthropic: turns of one role in a row are combined into one",
    "empty text": "a text, a field or a list that is empty says nothing; Anthropic refuses empty texts that come back",
    "zero counters": "a counter of usage that is 0 says what its absence says",
    "snake_case": "Google reads `file_uri` and `fileUri` alike, and one tool as a list of one",
    "pieces of text": "Google: neighbouring parts of plain text are one text, and a signature on an empty one signs it",
    "any": "Mistral says `any` where everybody else says `required`, which it takes as well",
    "places of calls": "Mistral's client repeats a call's place in its list as `index`",
    "reasoning": "`reasoning_content` and Mistral's pieces of thought are called `reasoning` where we answer",
    "hidden thoughts": "Google's chat counts thoughts in the total only; where we answer they are in completion_tokens",
}
"""Each rule that the functions below apply, and its reason."""


def request(api: str, body: Json) -> Json:
    """A request's normal form."""
    return _REQUESTS.get(api, _same)(_without_stream(body))


def answer(api: str, body: Json) -> Json:
    """The normal form of an answer, or of a stream that was put together."""
    normal: Json = _without_empty(_ANSWERS.get(api, _same)(json.loads(json.dumps(body))))
    for name in ("usage", "usageMetadata", "tool_usage"):
        if isinstance(normal.get(name), dict):
            normal[name] = _without_zeros(normal[name])
    return normal


def _same(body: Json) -> Json:
    return body


def _without_stream(body: Json) -> Json:
    return {name: value for name, value in body.items() if (name, value) != ("stream", False)}


def _without_empty(value: Any, name: str = "") -> Any:
    if name in ("input", "args", "arguments", "schema", "parameters"):
        return value
    if isinstance(value, dict):
        return {key: found for key, item in value.items() if (found := _without_empty(item, key)) not in ("", {}, None)}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _without_zeros(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: found for name, item in value.items() if (found := _without_zeros(item)) not in (0, {}, [])}
    return [_without_zeros(item) for item in value] if isinstance(value, list) else value


def _chat_request(body: Json) -> Json:
    if body.get("tool_choice") == "any":
        body = {**body, "tool_choice": "required"}
    turns = []
    for turn in body.get("messages", ()):
        if turn.get("tool_calls"):
            turn = {**turn, "tool_calls": [{**call, "index": None} for call in turn["tool_calls"]]}
        turns.append(turn)
    return {**body, "messages": turns}


def _messages_request(body: Json) -> Json:
    turns: list[Json] = []
    for turn in body.get("messages", ()):
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if turns and turns[-1]["role"] == turn["role"] != "system":
            turns[-1] = {**turns[-1], "content": [*turns[-1]["content"], *blocks]}
        else:
            turns.append({**turn, "content": blocks})
    return {**body, "messages": turns}


_OPAQUE = {
    "args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels",
}  # fmt: skip


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        fields = {}
        for key, item in value.items():
            name = re.sub(r"(?<=[a-zA-Z0-9])_([a-z])", lambda found: found.group(1).upper(), key)
            item = [item] if name == "tools" and isinstance(item, dict) else item
            fields[name] = item if name in _OPAQUE else _camel(item)
        return fields
    return [_camel(item) for item in value] if isinstance(value, list) else value


def _gemini_request(body: Json) -> Json:
    return dict(_camel(body))


def _chat_answer(body: Json) -> Json:
    for choice in body.get("choices") or ():
        message = choice.get("message") or {}
        if isinstance(message.get("content"), list):
            _flatten(message)
        if not any((message.get("audio") or {}).get(name) for name in ("id", "data", "transcript")):
            message.pop("audio", None)
        if "reasoning" not in message and "reasoning_content" in message:
            message["reasoning"] = message.pop("reasoning_content")
        if message.get("reasoning_content") == message.get("reasoning"):
            message.pop("reasoning_content", None)
    usage = body.get("usage") or {}
    prompt, said, total = (usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if total > prompt + said:
        usage["completion_tokens"] = total - prompt
    return body


def _flatten(message: Json) -> None:
    """Mistral's list of pieces: texts and thoughts are joined, what is neither is a note."""
    pieces = message["content"]
    thoughts = [piece["thinking"] for piece in pieces if piece.get("thinking")]
    message["content"] = "".join(piece.get("text") or "" for piece in pieces if piece.get("type") == "text")
    message["reasoning"] = "".join(
        thought if isinstance(thought, str) else "".join(inner.get("text", "") for inner in thought)
        for thought in thoughts
    )
    notes = [piece for piece in pieces if piece.get("type") not in ("text", "thinking")]
    message["annotations"] = [*(message.get("annotations") or ()), *notes]


def _messages_answer(body: Json) -> Json:
    if isinstance(body.get("content"), list):
        body["content"] = [block for block in body["content"] if block != {"type": "text", "text": ""}]
    return body


def _gemini_answer(body: Json) -> Json:
    for candidate in body.get("candidates") or ():
        parts = (candidate.get("content") or {}).get("parts")
        if parts:
            candidate["content"]["parts"] = _joined(parts)
    return body


def _joined(parts: list[Json]) -> list[Json]:
    found: list[Json] = []
    for part in parts:
        last = found[-1] if found else {}
        is_text = isinstance(part.get("text"), str)
        if is_text and not part["text"] and not part.get("thought"):
            if "thoughtSignature" not in part:
                continue
            if last.keys() == {"text"}:
                last["thoughtSignature"] = part["thoughtSignature"]
                continue
        goes_on = last.get("thought") == part.get("thought") and part.keys() - {"thoughtSignature"} == last.keys()
        if is_text and goes_on and isinstance(last.get("text"), str) and "thoughtSignature" not in last:
            last["text"] += part["text"]
            last |= {name: value for name, value in part.items() if name != "text"}
            continue
        found.append(dict(part))
    return found


_REQUESTS: dict[str, Callable[[Json], Json]] = {
    "chat_completions": _chat_request,
    "messages": _messages_request,
    "generate_content": _gemini_request,
}
_ANSWERS: dict[str, Callable[[Json], Json]] = {
    "chat_completions": _chat_answer,
    "messages": _messages_answer,
    "generate_content": _gemini_answer,
}
