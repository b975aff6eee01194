"""What an answer means, read from its raw JSON in each format: facts that must be found again in every other format."""

import base64
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Fact = tuple[str, Any]
"""What kind of thing, and which: `("usage.prompt", 12)`, `("call", (id, name, arguments))`."""


def facts_of(api: str, body: Json) -> list[Fact]:
    """Every fact of an answer, or of a stream that was put together. Zeros and empty texts are none."""
    found = _READERS[api](body)
    return [(kind, value) for kind, value in found if value not in (0, "", None)]


def missing(facts: list[Fact], api: str, body: Json) -> Iterator[Fact]:
    """The facts that an answer in another format does not hold."""
    found = facts_of(api, body)
    said = "\n".join(value for kind, value in found if kind == "text")
    seals = "\n".join([*_carried(body), *(value for kind, value in found if kind == "seal")])
    for kind, value in facts:
        if kind in ("text", "refusal", "reasoning"):
            whole = said + "\n".join(item for other, item in found if other == kind)
            if _plain(value) not in _plain(whole):
                yield kind, value
        elif kind == "seal":
            if value not in seals:
                yield kind, value
        elif kind == "call" and not value[0]:
            # A call without an id gets one, so that a client can name it in its next message.
            if not any(other == "call" and call[0] and call[1:] == value[1:] for other, call in found):
                yield kind, value
        elif kind == "image":
            if (kind, value) not in found and value not in said:
                yield kind, value
        elif (kind, value) not in found:
            yield kind, value


def _plain(text: str) -> str:
    return "".join(text.split())


def _carried(body: Json) -> Iterator[str]:
    """Seals of other companies, which travel inside a signature that a client sends back unread."""
    for text in _strings(body):
        encoded = text.removeprefix("tollway1:")
        try:
            found = base64.b64decode(encoded.translate(str.maketrans("-_", "+/")), validate=True)
            yield found.decode()
        except ValueError:
            continue


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(item)


def _arguments(value: Any) -> str:
    """A call's arguments, however they were spelled."""
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return str(value)
    return json.dumps(value or {}, sort_keys=True)


def _usage(counts: dict[str, Any]) -> Iterator[Fact]:
    for name, count in counts.items():
        if isinstance(count, int):
            yield f"usage.{name}", count


def _chat(body: Json) -> Iterator[Fact]:
    choices = body.get("choices") or [{}]
    choice = choices[0]
    message = choice.get("message") or {}
    content = message.get("content")
    for piece in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        thought = piece.get("thinking")
        yield "text", piece.get("text")
        yield "reasoning", thought if isinstance(thought, str) else "".join(t.get("text", "") for t in thought or ())
    details = message.get("reasoning_details") or ()
    texts = [detail.get("text") or detail.get("summary") or "" for detail in details]
    yield "reasoning", message.get("reasoning") or message.get("reasoning_content") or "".join(texts)
    for detail in details:
        yield "seal", detail.get("signature")
        yield "seal", detail.get("data")
    for call in message.get("tool_calls") or ():
        made = call.get("function") or call.get("custom") or {}
        arguments = made.get("arguments", made.get("input"))
        yield "call", (call.get("id"), made.get("name"), _arguments(arguments))
        yield "seal", ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")
    yield "refusal", message.get("refusal")
    for note in message.get("annotations") or ():
        yield "citation", (note.get("url_citation") or {}).get("url")
    for token in (choice.get("logprobs") or {}).get("content") or ():
        yield "logprob", (token["token"], token["logprob"])
    for image in message.get("images") or ():
        yield "image", image["image_url"]["url"].partition("base64,")[2]
    yield "audio", (message.get("audio") or {}).get("data")
    yield "finish", choice.get("finish_reason") or None
    yield from _chat_usage(body.get("usage") or {})


def _chat_usage(usage: Json) -> Iterator[Fact]:
    inputs, outputs = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    prompt, said, total = (usage.get(name) or 0 for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    completion = max(said, total - prompt)
    hidden = outputs.get("reasoning_tokens") or max(total - prompt - said, 0)
    names = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
    cached = inputs.get("cached_tokens") or next((usage[name] for name in names if usage.get(name)), 0)
    counts = {
        "prompt": prompt,
        "completion": completion,
        "cache_read": cached,
        "cache_write": inputs.get("cache_write_tokens"),
        "reasoning": min(hidden, completion),
        "audio_prompt": inputs.get("audio_tokens"),
        "audio_completion": outputs.get("audio_tokens"),
        "image_completion": outputs.get("image_tokens"),
        "web_searches": (usage.get("server_tool_use_details") or {}).get("web_search_requests"),
    }
    yield from _usage(counts)


_STOPS = {"end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "compaction": "stop"} | {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def _messages(body: Json) -> Iterator[Fact]:
    blocks = body.get("content") or ()
    yield "text", "".join(block.get("text") or "" for block in blocks if block["type"] == "text")
    yield "reasoning", "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    for block in blocks:
        if block["type"] == "thinking":
            yield "seal", block.get("signature")
        elif block["type"] == "redacted_thinking":
            yield "seal", block["data"]
        elif block["type"] == "tool_use":
            yield "call", (block["id"], block["name"], _arguments(block["input"]))
        for citation in block.get("citations") or ():
            yield "citation", citation.get("url") or citation.get("source")
    yield "finish", _STOPS.get(body.get("stop_reason") or "")
    usage = body.get("usage") or {}
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    counts = {
        "prompt": (usage.get("input_tokens") or 0) + cached + written,
        "completion": usage.get("output_tokens"),
        "cache_read": cached,
        "cache_write": written,
        "cache_write_1h": (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens"),
        "reasoning": (usage.get("output_tokens_details") or {}).get("thinking_tokens"),
        "web_searches": (usage.get("server_tool_use") or {}).get("web_search_requests"),
    }
    yield from _usage(counts)


def _responses(body: Json) -> Iterator[Fact]:
    calls = False
    for item in body.get("output") or ():
        if item["type"] == "message":
            yield from _output_message(item)
        elif item["type"] == "reasoning":
            parts = [*(item.get("summary") or ()), *(item.get("content") or ())]
            yield "reasoning", "".join(part["text"] for part in parts)
            yield "seal", item.get("encrypted_content")
            yield "seal", item.get("signature")
        elif item["type"] in ("function_call", "custom_tool_call"):
            calls = True
            yield "call", (item["call_id"], item["name"], _arguments(item.get("arguments", item.get("input"))))
        elif item["type"] == "image_generation_call":
            yield "image", item.get("result")
    why = (body.get("incomplete_details") or {}).get("reason")
    ends = {"max_output_tokens": "length", "content_filter": "content_filter"}
    if body.get("status") in ("completed", "incomplete"):
        yield "finish", ends.get(why or "") or ("tool_calls" if calls else "stop")
    usage = body.get("usage") or {}
    inputs, outputs = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    counts = {
        "prompt": usage.get("input_tokens"),
        "completion": usage.get("output_tokens"),
        "cache_read": inputs.get("cached_tokens"),
        "cache_write": inputs.get("cache_write_tokens"),
        "reasoning": outputs.get("reasoning_tokens"),
        "audio_prompt": inputs.get("audio_tokens"),
        "web_searches": (usage.get("server_tool_use_details") or {}).get("web_search_requests"),
    }
    yield from _usage(counts)


def _output_message(item: Json) -> Iterator[Fact]:
    for part in item.get("content") or ():
        yield "text", part.get("text")
        yield "refusal", part.get("refusal")
        for note in part.get("annotations") or ():
            yield "citation", note.get("url") if note["type"] == "url_citation" else None
        for token in part.get("logprobs") or ():
            yield "logprob", (token["token"], token["logprob"])


_GOOGLES_ENDS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "MODEL_ARMOR": "content_filter"}


def _gemini(body: Json) -> Iterator[Fact]:
    candidate: Json = next(iter(body.get("candidates") or ()), {})
    calls = False
    parts = (candidate.get("content") or {}).get("parts") or ()
    yield "text", "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    yield "reasoning", "".join(part.get("text") or "" for part in parts if part.get("thought"))
    for part in parts:
        native = "executableCode" in part or "codeExecutionResult" in part
        yield "seal", None if native else part.get("thoughtSignature")
        if (call := part.get("functionCall")) is not None:
            calls = True
            yield "call", (call.get("id"), call["name"], _arguments(call.get("args")))
        blob = part.get("inlineData") or {}
        kind = str(blob.get("mimeType", "")).partition("/")[0]
        yield kind if kind in ("image", "audio") else "file", blob.get("data")
    grounding = candidate.get("groundingMetadata") or {}
    for chunk in grounding.get("groundingChunks") or ():
        yield "citation", (chunk.get("web") or {}).get("uri")
    for token in (candidate.get("logprobsResult") or {}).get("chosenCandidates") or ():
        yield "logprob", (token["token"], token.get("logProbability", 0.0))
    end = _GOOGLES_ENDS.get(candidate.get("finishReason") or "")
    yield "finish", "tool_calls" if calls and end == "stop" else end
    feedback = body.get("promptFeedback") or {}
    yield "refusal", feedback.get("blockReasonMessage")
    yield "finish", "content_filter" if feedback.get("blockReason") else None
    usage = body.get("usageMetadata") or {}
    thoughts, tools = usage.get("thoughtsTokenCount") or 0, usage.get("toolUsePromptTokenCount") or 0
    kinds = {item.get("modality"): item.get("tokenCount") for item in usage.get("promptTokensDetails") or ()}
    counts = {
        "prompt": (usage.get("promptTokenCount") or 0) + tools,
        "completion": (usage.get("candidatesTokenCount") or 0) + thoughts,
        "cache_read": usage.get("cachedContentTokenCount"),
        "reasoning": thoughts,
        "audio_prompt": kinds.get("AUDIO"),
    }
    yield from _usage(counts)


_COHERES_ENDS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}


def _cohere(body: Json) -> Iterator[Fact]:
    message = body.get("message") or {}
    for block in message.get("content") or ():
        yield "text", block.get("text")
        yield "reasoning", block.get("thinking")
    for call in message.get("tool_calls") or ():
        yield "call", (call["id"], call["function"]["name"], _arguments(call["function"]["arguments"]))
    yield "finish", _COHERES_ENDS.get(body.get("finish_reason") or "")
    usage = body.get("usage") or {}
    tokens = usage.get("tokens") or usage.get("billed_units") or {}
    counts = {"prompt": tokens.get("input_tokens"), "completion": tokens.get("output_tokens")}
    yield from _usage({**counts, "cache_read": usage.get("cached_tokens")})


def _converse(body: Json) -> Iterator[Fact]:
    content = ((body.get("output") or {}).get("message") or {}).get("content") or ()
    for block in content:
        yield "text", block.get("text")
        thought = (block.get("reasoningContent") or {}).get("reasoningText") or {}
        yield "reasoning", thought.get("text")
        yield "seal", thought.get("signature")
        # Amazon's blobs are base64 of the bytes; what they hold is Anthropic's own text.
        hidden = (block.get("reasoningContent") or {}).get("redactedContent")
        yield "seal", hidden and base64.b64decode(hidden).decode(errors="replace")
        if (call := block.get("toolUse")) is not None and call.get("type") != "server_tool_use":
            yield "call", (call["toolUseId"], call["name"], _arguments(call["input"]))
    yield "finish", _STOPS.get(body.get("stopReason") or "")
    usage = body.get("usage") or {}
    cached, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    counts = {"cache_read": cached, "cache_write": written, "completion": usage.get("outputTokens")}
    yield from _usage({**counts, "prompt": (usage.get("inputTokens") or 0) + cached + written})


_READERS = {
    "converse": _converse,
    "chat_completions": _chat,
    "messages": _messages,
    "responses": _responses,
    "generate_content": _gemini,
    "cohere_chat": _cohere,
}
