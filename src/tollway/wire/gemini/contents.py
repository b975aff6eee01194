"""Messages -> contents and systemInstruction."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    Content,
    DeveloperMessage,
    FunctionMessage,
    Message,
    NativePart,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolMessage,
    UserMessage,
)
from tollway.wire.gemini.media import write_images, write_media
from tollway.wire.gemini.thoughts import SKIP_VALIDATION, call_signatures, decoded, text_of, thought_parts
from tollway.wire.named import named


class Writer:
    """Messages in, contents out. `must_sign`: the model refuses calls without a signature (Gemini 3)."""

    def __init__(self, *, must_sign: bool, same_format: bool) -> None:
        self._must_sign = must_sign
        self._same_format = same_format
        self._names: dict[str, str] = {}
        """Id of a call -> the function's name, which a result must give."""

    def system(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """The parts of all system and developer messages."""
        return [
            part
            for message in messages
            if isinstance(message, SystemMessage | DeveloperMessage)
            for part in self._parts(named(message.name, message.content))
        ]

    def contents(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """One content for each other message, and one for the results of parallel calls together."""
        contents: list[dict[str, Any]] = []
        answering = False
        for message in messages:
            if isinstance(message, SystemMessage | DeveloperMessage):
                continue
            if isinstance(message, ToolMessage | FunctionMessage):
                part = self._result(message)
                if answering:
                    contents[-1]["parts"].append(part)
                else:
                    contents.append({"role": "user", "parts": [part]})
                answering = True
                continue
            answering = False
            if isinstance(message, UserMessage):
                contents.append(
                    {"role": "user", "parts": self._parts(named(message.name, message.content)) or [{"text": ""}]}
                )
            elif parts := self._answer(message):
                contents.append({"role": "model", "parts": parts})
        return contents

    def see(self, message: Message) -> None:
        """Remember the calls of a message that is written by somebody else."""
        for call in (message.tool_calls or ()) if isinstance(message, AssistantMessage) else ():
            self._names[call.id] = call.function.name

    def _answer(self, message: AssistantMessage) -> list[dict[str, Any]]:
        self.see(message)
        details = decoded(message.reasoning_details)
        thoughts = message.reasoning or message.reasoning_content
        parts = thought_parts(details, wrap=False)
        if thoughts and not any(text_of(detail) for detail in details):
            parts.insert(0, {"text": thoughts, "thought": True})
        said = self._parts(named(message.name, message.content) if message.content else None)
        if message.refusal:
            said.append({"text": message.refusal})
        said += write_images(message.images)
        signatures = call_signatures(details, {call.id for call in message.tool_calls or ()})
        calls = self._calls(message, signatures)
        if (signature := signatures.get(None)) is not None:
            _sign(signature, said, calls)
        return parts + said + calls

    def _calls(self, message: AssistantMessage, signatures: dict[str | None, str]) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        for call in message.tool_calls or ():
            part: dict[str, Any] = {
                "functionCall": {
                    "id": call.id,
                    "name": call.function.name,
                    "args": _arguments(call.function.arguments),
                }
            }
            google = (call.extra_content or {}).get("google")
            signature = google.get("thought_signature") if isinstance(google, dict) else None
            if signature := signature or signatures.get(call.id):
                part["thoughtSignature"] = signature
            calls.append(part)
        if message.function_call is not None:
            called = message.function_call
            calls.append({"functionCall": {"name": called.name, "args": _arguments(called.arguments)}})
        # Only the first of parallel calls is signed (ai.google.dev, "Thought signatures").
        if self._must_sign and calls:
            calls[0].setdefault("thoughtSignature", signatures.pop(None, SKIP_VALIDATION))
        return calls

    def _result(self, message: ToolMessage | FunctionMessage) -> dict[str, Any]:
        if isinstance(message, FunctionMessage):
            return {"functionResponse": {"name": message.name, "response": _response(message.content or "")}}
        content = message.content
        name = message.name or self._names.get(message.tool_call_id) or message.tool_call_id
        result: dict[str, Any] = {"id": message.tool_call_id, "name": name}
        if isinstance(content, str):
            result["response"] = _response(content)
        else:
            texts = [part.text for part in content if isinstance(part, TextPart)]
            result["response"] = _response("\n".join(texts))
            if files := [file for part in content if (file := write_media(part)) is not None]:
                result["parts"] = files
        return {"functionResponse": result}

    def _parts(self, content: Content | None) -> list[dict[str, Any]]:
        if content is None:
            return []
        if isinstance(content, str):
            return [{"text": content}] if content else []
        return [written for part in content if (written := self._part(part)) is not None]

    def _part(self, part: AnyPart) -> dict[str, Any] | None:
        match part:
            case TextPart():
                return {"text": part.text}
            case RefusalPart():
                return {"text": part.refusal}
            case NativePart():
                if self._same_format:
                    return part.native
                return {"text": part.text} if part.text else None
            case _:
                return write_media(part)


def _sign(signature: str, said: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    """Put the signature of an answer where Google had it: on its last text, or on its first call."""
    if said:
        said[-1].setdefault("thoughtSignature", signature)
    elif calls:
        calls[0].setdefault("thoughtSignature", signature)
    else:
        said.append({"text": "", "thoughtSignature": signature})


def _arguments(text: str) -> dict[str, Any]:
    """JSON text -> the object; what is none goes along whole, under a name that says so."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return {"invalid_json": text}
    return value if isinstance(value, dict) else {"value": value}


def _response(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"output": text}
