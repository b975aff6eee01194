"""What is sent and what is answered: a prompt of 300 tokens, an answer of 1 KB, a stream of events."""

import msgspec

MODEL = "bench/model"
"""What callers ask for."""
TRANSLATED_MODEL = "bench/translated"
"""The same, from the provider that speaks Anthropic's format."""
UPSTREAM_MODEL = "mock"
"""What the mock upstream calls it."""

# Ten tokens of o200k_base each, with the space before it: 300 in all.
PROMPT = " ".join(["The quick brown fox jumps over the lazy dog."] * 30)
PROMPT_TOKENS = 300
ANSWER_TOKENS = 120
ANSWER_BYTES = 1024

# finish_reason, usage and [DONE] follow the content events.
TAIL_EVENTS = 3

_USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": ANSWER_TOKENS,
    "total_tokens": PROMPT_TOKENS + ANSWER_TOKENS,
}


def request_body(model: str, stream: bool) -> bytes:
    """The JSON that every gateway is sent."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": 256,
        "temperature": 0.7,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


def _answer(content: str) -> bytes:
    return msgspec.json.encode(
        {
            "id": "chatcmpl-bench00000000",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": UPSTREAM_MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
            "system_fingerprint": "fp_bench",
        }
    )


ANSWER_CONTENT = ("All the words of this answer are made up. " * 40)[: ANSWER_BYTES - len(_answer(""))]
ANSWER = _answer(ANSWER_CONTENT)
"""An OpenAI chat completion of exactly ANSWER_BYTES."""


def word(number: int) -> str:
    """The content of one event; each is different, so that a lost one is noticed."""
    return f" word{number:05d}"


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    chunk = {
        "id": "chatcmpl-bench00000000",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": UPSTREAM_MODEL,
        "choices": choices,
    } | more
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def content_events(count: int) -> list[bytes]:
    """`count` server-sent events of about 180 bytes, in OpenAI's format."""
    return [
        _event([{"index": 0, "delta": {"content": word(number)}, "finish_reason": None}]) for number in range(count)
    ]


def tail() -> bytes:
    """What ends a stream: the finish reason, the usage, [DONE]."""
    finish = _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return finish + _event([], usage=_USAGE) + b"data: [DONE]\n\n"


def _message_event(kind: str, **more: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **more}))


def message_head() -> bytes:
    """What begins a stream of Anthropic's Messages."""
    message: dict[str, object] = {
        "id": "msg_bench00000000",
        "type": "message",
        "role": "assistant",
        "model": UPSTREAM_MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": PROMPT_TOKENS, "output_tokens": 1},
    }
    block = {"type": "text", "text": ""}
    return _message_event("message_start", message=message) + _message_event(
        "content_block_start", index=0, content_block=block
    )


def message_events(count: int) -> list[bytes]:
    """The words of `content_events`, in Anthropic's format."""
    return [
        _message_event("content_block_delta", index=0, delta={"type": "text_delta", "text": word(number)})
        for number in range(count)
    ]


def message_tail() -> bytes:
    """What ends a stream of Anthropic's Messages; three events, as many as `tail`."""
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return (
        _message_event("content_block_stop", index=0)
        + _message_event("message_delta", delta=delta, usage={"output_tokens": ANSWER_TOKENS})
        + _message_event("message_stop")
    )
