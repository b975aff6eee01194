"""OpenAI's legacy completions where we answer; asked upstream as a chat with one user message."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw
from msgspec.structs import replace

from tollway.domain.chat import ChatRequest, UserMessage
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Answer, Event, Finished, ReasoningDelta, TextDelta
from tollway.wire.json_body import decode_body, unknown_fields
from tollway.wire.openai_chat.usage import usage_json
from tollway.wire.unknown_asked import KNOWN, decode_slowly

__all__ = ["EventEncoder", "decode_request", "encode_answer", "usage_json"]

_ENCODER = msgspec.json.Encoder()
_DONE = b"data: [DONE]\n\n"


class _Prompt(msgspec.Struct, forbid_unknown_fields=False):
    """The two fields whose types differ from chat's."""

    prompt: str | list[Any] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | bool | None = None


_PROMPT = msgspec.json.Decoder(_Prompt)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_CHAT = msgspec.json.Decoder(ChatRequest)
_CHATS = KNOWN - {"messages", "prompt", "logprobs", "top_logprobs"}
"""What means the same as in a chat."""


def decode_request(body: bytes) -> ChatRequest:
    """The body of `POST /completions`: `prompt` stays, and is also the one user message.

    `logprobs` (a number here) becomes `logprobs` and `top_logprobs`. InvalidRequest, beside what chat refuses: no
    prompt, several prompts, token ids, or `best_of` less than `n` (OpenAI's rule).
    """
    asked = decode_body(body, _PROMPT)
    prompt = _one_prompt(asked.prompt)
    fields = {name: value for name, value in _FIELDS.decode(body).items() if name in _CHATS}
    request = decode_body(_ENCODER.encode(fields), _CHAT, decode_slowly)
    count = asked.logprobs
    request = replace(
        request,
        prompt=prompt,
        messages=(UserMessage(content=prompt),),
        logprobs=None if count is None or count is False else True,
        top_logprobs=count if isinstance(count, int) and not isinstance(count, bool) else None,
        extra=unknown_fields(body, KNOWN),
    )
    if request.best_of is not None and request.best_of < (request.n or 1):
        raise InvalidRequest("best_of: must be at least n", param="best_of")
    if request.best_of is not None and request.best_of > 1 and request.stream:
        raise InvalidRequest("best_of: cannot be streamed; send 1, or stream false", param="best_of")
    return request


def encode_answer(
    answer: Answer,
    *,
    id: str,  # noqa: A002 - the format's own word
    created: int,
    model: str,
    provider: str | None,
    usage_json: bytes,
    extra_fields: dict[str, Any] | None = None,
    echo: str | None = None,
) -> bytes:
    """A `text_completion` (OPENROUTER.md 6.1). `echo` is the prompt, where the request asked to have it back."""
    choices: list[dict[str, Any]] = []
    for choice in answer.choices:
        value: dict[str, Any] = {
            "text": (echo or "") + (choice.text or choice.refusal or ""),
            "index": choice.index,
            "logprobs": _old_logprobs(choice.logprobs),
            "finish_reason": choice.finish_reason,
            "native_finish_reason": choice.native_finish_reason,
            "reasoning": choice.reasoning,
        }
        if choice.reasoning_details:
            value["reasoning_details"] = choice.reasoning_details
        choices.append(value)
    whole: dict[str, Any] = {"id": id, "object": "text_completion", "created": created, "model": model}
    if provider is not None:
        whole["provider"] = provider
    whole |= {"system_fingerprint": answer.system_fingerprint, "choices": choices, "usage": Raw(usage_json)}
    return _ENCODER.encode(whole | (extra_fields or {}))


class EventEncoder:
    """SSE text for a client; the interface of chat's encoder."""

    __slots__ = ("_echo", "_envelope")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the format's own word
        created: int,
        model: str,
        provider: str | None,
        extra_fields: dict[str, Any] | None = None,
        echo: str | None = None,
    ) -> None:
        envelope: dict[str, Any] = {"id": id, "object": "text_completion", "created": created, "model": model}
        if provider is not None:
            envelope["provider"] = provider
        self._envelope = b"data: " + _ENCODER.encode(envelope | (extra_fields or {}))[:-1]
        self._echo = echo

    def encode(self, events: Iterable[Event]) -> bytes:
        """Chunks for text, reasoning and finish reasons; the prompt first, where it is echoed."""
        chunks: list[bytes] = []
        for event in events:
            if isinstance(event, TextDelta):
                text = event.text if self._echo is None else self._echo + event.text
                self._echo = None
                chunks.append(self._chunk(event.choice, text, {"logprobs": _old_logprobs(event.logprobs)}))
            elif isinstance(event, ReasoningDelta):
                more: dict[str, Any] = {"logprobs": None, "reasoning": event.text}
                if event.details:
                    more["reasoning_details"] = event.details
                chunks.append(self._chunk(event.choice, "", more))
            elif isinstance(event, Finished):
                end = {"finish_reason": event.reason, "native_finish_reason": event.native, "logprobs": None}
                chunks.append(self._chunk(event.choice, "", end))
        return b"".join(chunks)

    def finish(self, usage: bytes | None, *, extra_fields: dict[str, Any] | None = None) -> bytes:
        """The last chunk, with usage and no choice, and `[DONE]`."""
        if usage is None and not extra_fields:
            return _DONE
        last: dict[str, Any] = {"choices": []}
        if usage is not None:
            last["usage"] = Raw(usage)
        return self._with(last | (extra_fields or {})) + _DONE

    def error(
        self,
        *,
        code: int,
        message: str,
        metadata: dict[str, Any] | None = None,
        usage: bytes | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> bytes:
        """The chunk that ends an answer that failed after it began, and `[DONE]`."""
        error: dict[str, Any] = {"code": code, "message": message}
        if metadata:
            error["metadata"] = metadata
        choice = {"text": "", "index": 0, "logprobs": None, "finish_reason": "error", "native_finish_reason": None}
        last: dict[str, Any] = {"error": error, "choices": [choice]}
        if usage is not None:
            last["usage"] = Raw(usage)
        return self._with(last | (extra_fields or {})) + _DONE

    @staticmethod
    def comment(text: str) -> bytes:
        """A line that clients skip."""
        return b": " + " ".join(text.split()).encode() + b"\n\n"

    def _chunk(self, index: int, text: str, more: dict[str, Any]) -> bytes:
        choice = {"text": text, "index": index, "finish_reason": None, "native_finish_reason": None, **more}
        return self._with({"choices": [choice]})

    def _with(self, fields: dict[str, Any]) -> bytes:
        return self._envelope + b"," + _ENCODER.encode(fields)[1:] + b"\n\n"


def _one_prompt(prompt: str | list[Any] | None) -> str:
    if isinstance(prompt, list):
        if len(prompt) == 1 and isinstance(prompt[0], str):
            prompt = prompt[0]
        elif prompt and all(isinstance(item, str) for item in prompt):
            raise InvalidRequest(
                f"prompt: {len(prompt)} prompts in one request are not supported; send one request for each",
                param="prompt",
            )
        elif prompt:
            raise InvalidRequest("prompt: token ids are not supported; send text", param="prompt")
    if not prompt or not isinstance(prompt, str):
        raise InvalidRequest("prompt: is required", param="prompt")
    return prompt


def _old_logprobs(raw: Raw | None) -> dict[str, Any] | None:
    """Chat's logprobs -> parallel lists, as this format has them."""
    if raw is None:
        return None
    pieces = msgspec.json.decode(raw).get("content") or []
    return {
        "tokens": [piece.get("token") for piece in pieces],
        "token_logprobs": [piece.get("logprob") for piece in pieces],
        "top_logprobs": [
            {top.get("token", ""): top.get("logprob") for top in piece.get("top_logprobs") or []} for piece in pieces
        ],
    }
