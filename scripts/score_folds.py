"""Recorded streams put together by the rules of each format's documentation, without the product's decoders."""

import json
from typing import Any

Json = dict[str, Any]


def sse(text: str) -> list[Json]:
    """The JSON objects of an event stream."""
    found = []
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        data = "\n".join(line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:"))
        if data.strip() and data.strip() != "[DONE]":
            found.append(json.loads(data))
    return found


def chat(events: list[Json]) -> Json:
    """Chunks of a chat completion -> the completion: strings and lists of a delta grow, the rest is replaced."""
    whole: Json = {}
    choices: dict[int, Json] = {}
    for event in events:
        for choice in event.get("choices") or ():
            found = choices.setdefault(choice["index"], {"index": choice["index"], "message": {}})
            _grow(found["message"], choice.get("delta") or {})
            _grow(found, {name: value for name, value in choice.items() if name not in ("delta", "index")}, ends=True)
        whole |= {name: value for name, value in event.items() if name != "choices" and value is not None}
    for choice in choices.values():
        _join_details(choice["message"])
    return {**whole, "choices": [choices[index] for index in sorted(choices)]}


_REPLACED = frozenset({"role", "id", "type", "name", "index", "format", "signature", "finish_reason", "expires_at"})


def _grow(whole: Json, piece: Json, *, ends: bool = False) -> None:
    for name, value in piece.items():
        known = whole.get(name)
        if value is None or (known is not None and value == ""):
            continue
        if known is None or name in _REPLACED or (ends and isinstance(value, str)):
            whole[name] = json.loads(json.dumps(value))
            if name == "tool_calls":
                whole[name] = []
                _grow_calls(whole[name], value)
        elif isinstance(value, str) and isinstance(known, str):
            whole[name] = known + value
        elif name == "tool_calls":
            _grow_calls(known, value)
        elif isinstance(value, list) and isinstance(known, list):
            known += value
        elif isinstance(value, dict) and isinstance(known, dict):
            _grow(known, value)
        else:
            whole[name] = value


def _grow_calls(whole: list[Json], pieces: list[Json]) -> None:
    for piece in pieces:
        same = [call for call in whole if call.get("index") == piece.get("index")]
        if same and not (piece.get("id") and piece["id"] != same[-1].get("id")):
            _grow(same[-1], piece)
        else:
            whole.append(json.loads(json.dumps(piece)))


def _join_details(message: Json) -> None:
    """Pieces of one item of `reasoning_details`, which share its index, are that item (OpenRouter, "Reasoning")."""
    joined: list[Json] = []
    for piece in message.get("reasoning_details") or ():
        last = joined[-1] if joined else {}
        text = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(piece.get("type", ""))
        if (
            text
            and piece.get("index") is not None
            and last.get("index") == piece["index"]
            and last.get("type") == piece["type"]
        ):
            said = (last.get(text) or "") + (piece.get(text) or "")
            last |= {name: value for name, value in piece.items() if value is not None}
            last[text] = said
        else:
            joined.append(dict(piece))
    if joined:
        message["reasoning_details"] = joined


def messages(events: list[Json]) -> Json:
    """Events of Anthropic's Messages -> the message (docs: streaming)."""
    whole: Json = {}
    blocks: dict[int, Json] = {}
    inputs: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                whole = json.loads(json.dumps(event["message"]))
            case "content_block_start":
                blocks[event["index"]] = json.loads(json.dumps(event["content_block"]))
            case "content_block_delta":
                delta = event["delta"]
                if delta["type"] == "input_json_delta":
                    inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
                else:
                    _grow_block(blocks[event["index"]], delta)
            case "message_delta":
                usage = {**(whole.get("usage") or {}), **(event.get("usage") or {})}
                rest = {name: value for name, value in event.items() if name not in ("type", "delta", "usage")}
                whole |= {**event["delta"], **rest, "usage": usage}
            case "error":
                whole["error"] = event["error"]
    for index, text in inputs.items():
        if text:
            blocks[index]["input"] = _json_or_text(text)
    return {**whole, "content": [blocks[index] for index in sorted(blocks)]}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _grow_block(block: Json, delta: Json) -> None:
    if delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        return
    for name, value in delta.items():
        if name == "signature" or not isinstance(value, str):
            block[name] = value
        elif name != "type":
            block[name] = (block.get(name) or "") + value


def responses(events: list[Json]) -> Json:
    """Events of a response -> the response that the last one holds, the kinds of events, and what their pieces say."""
    last: Json = next((event["response"] for event in reversed(events) if "response" in event), {})
    pieces: dict[str, str] = {}
    for event in events:
        if event["type"].endswith(".delta") and isinstance(event.get("delta"), str):
            place = ".".join(str(event[name]) for name in ("content_index", "summary_index") if name in event)
            key = f"{event['type']} {event.get('output_index')} {place}"
            pieces[key] = pieces.get(key, "") + event["delta"]
    failed = {"error": events[-1]} if events and events[-1]["type"] == "error" else {}
    kinds = {event["type"]: True for event in events}
    return {**last, **failed, "tollway:events": kinds, "tollway:pieces": pieces}


def gemini(events: list[Json]) -> Json:
    """Chunks of streamGenerateContent -> the answer: parts add up, all else is replaced."""
    whole: Json = {}
    candidates: dict[int, Json] = {}
    for event in events:
        for candidate in event.get("candidates") or ():
            found = candidates.setdefault(candidate.get("index", 0), {"content": {"parts": []}})
            for name, value in candidate.items():
                if name == "content":
                    found["content"]["parts"] += value.get("parts") or []
                    found["content"] |= {key: item for key, item in value.items() if key != "parts"}
                elif name == "logprobsResult" and name in found:
                    for key, item in value.items():
                        found[name][key] = found[name].get(key, []) + item if isinstance(item, list) else item
                else:
                    found[name] = json.loads(json.dumps(value))
        whole |= {name: value for name, value in event.items() if name != "candidates"}
    if candidates:
        whole["candidates"] = [candidates[index] for index in sorted(candidates)]
    return whole
