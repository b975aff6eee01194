"""What is sent and what is answered: a prompt of 300 tokens, an answer of 1 KB, a stream of events."""

import msgspec

MODEL = "bench/model"
"""What callers ask for."""
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
