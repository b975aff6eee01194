"""Amazon Bedrock's Converse, as a server: answers in the shapes of recorded ones, streams as AWS's event stream."""

import struct
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import msgspec

from tollway.simulator import signatures
from tollway.simulator.answer import Answer, Call, Choice, Question
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.formats.base import Format, Frame, Framing, Kind, Refused
from tollway.simulator.formats.bedrock_request import read
from tollway.simulator.hints import Said
from tollway.simulator.usage import Counts, counts, half

_encode = msgspec.json.encode
_EXCEPTIONS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def whole(question: Question, answer: Answer, behaviour: Behaviour) -> bytes:
    """The answer of `converse`."""
    choice = answer.choices[0]
    content: list[dict[str, Any]] = []
    if choice.reasoning:
        thought = "".join(choice.reasoning)
        signed = {"text": thought, "signature": signatures.sign("bedrock", thought)}
        content.append({"reasoningContent": {"reasoningText": signed}})
    if said := "".join(choice.pieces):
        content.append({"text": said})
    content += [{"toolUse": {**_tool_use(call), "input": _arguments(call)}} for call in choice.calls]
    body: dict[str, Any] = {
        "metrics": {"latencyMs": 12},
        "output": {"message": {"content": content, "role": "assistant"}},
    }
    if (reason := _stop_reason(choice)) is not None:
        body["stopReason"] = reason
    if (reported := counts(answer, behaviour)) is not None:
        body["usage"] = _usage(reported)
    return _encode(body)


def _tool_use(call: Call) -> dict[str, Any]:
    return {"toolUseId": call.id.replace("call_", "tooluse_"), "name": call.name}


def _arguments(call: Call) -> dict[str, Any]:
    """A call's arguments, or none where `maxTokens` cut them."""
    try:
        return msgspec.json.decode("".join(call.arguments), type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _stop_reason(choice: Choice) -> str | None:
    if choice.stopped_by is not None and choice.finish == "stop":
        return "stop_sequence"
    if choice.refusal and choice.finish == "stop":
        return "content_filtered"
    return None if choice.finish is None else _STOP_REASONS.get(choice.finish, choice.finish)


def _usage(reported: Counts) -> dict[str, Any]:
    """Input without what a cache had or got, which are counted beside it and in the total."""
    found = {"inputTokens": reported.uncached, "outputTokens": reported.completion, "totalTokens": reported.total}
    if reported.cached or reported.written:
        found["cacheReadInputTokens"], found["cacheWriteInputTokens"] = reported.cached, reported.written
    return found


def frames(question: Question, answer: Answer, behaviour: Behaviour) -> Iterator[Frame]:
    """The events of `converse-stream`. Only a tool's block has a start; the usage comes after the end."""
    choice = answer.choices[0]
    yield _event(Kind.START, "messageStart", {"role": "assistant"})
    index = 0
    if choice.reasoning:
        for piece in choice.reasoning:
            yield _delta(index, {"reasoningContent": {"text": piece}}, 1)
        signature = signatures.sign("bedrock", "".join(choice.reasoning))
        yield _delta(index, {"reasoningContent": {"signature": signature}}, 0)
        yield _event(Kind.FINISH, "contentBlockStop", {"contentBlockIndex": index})
        index += 1
    for call in choice.calls:
        start = {"contentBlockIndex": index, "start": {"toolUse": _tool_use(call)}}
        yield _event(Kind.CONTENT, "contentBlockStart", start, 1)
        for piece in call.arguments:
            yield _delta(index, {"toolUse": {"input": piece}}, 1)
        yield _event(Kind.FINISH, "contentBlockStop", {"contentBlockIndex": index})
        index += 1
    if not choice.calls:
        for piece in choice.pieces:
            yield _delta(index, {"text": piece}, 1)
        yield _event(Kind.FINISH, "contentBlockStop", {"contentBlockIndex": index})
    if (reason := _stop_reason(choice)) is not None:
        yield _event(Kind.FINISH, "messageStop", {"stopReason": reason})
    reported = counts(answer, behaviour)
    for each in (half(answer), reported) if behaviour.usage == "twice" else (reported,):
        if each is not None:
            yield _event(Kind.USAGE, "metadata", {"metrics": {"latencyMs": 12}, "usage": _usage(each)})


def _delta(index: int, delta: dict[str, Any], tokens: int) -> Frame:
    kind = Kind.CONTENT if tokens else Kind.START
    return _event(kind, "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}, tokens)


def _event(kind: Kind, name: str, fields: dict[str, Any], tokens: int = 0) -> Frame:
    padding = _PADDING[: 8 + len(fields) * tokens]  # AWS pads each event, so that its length says little
    return Frame(kind, _encode({**fields, "p": padding}), tokens, name)


def framed(frame: Frame) -> bytes:
    """A message of application/vnd.amazon.eventstream: two lengths with their CRC, headers, payload, and the CRC of all
    that (smithy.io, "Event Stream Specification")."""
    if frame.kind is Kind.ERROR:
        names = {":exception-type": frame.event, ":content-type": "application/json", ":message-type": "exception"}
    else:
        names = {":event-type": frame.event, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(map(_header, names.items()))
    prelude = struct.pack(">II", 16 + len(headers) + len(frame.data), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + frame.data
    return message + struct.pack(">I", crc32(message))


def _header(named: tuple[str, str]) -> bytes:
    """A header with a string, which is type 7."""
    name, value = (each.encode() for each in named)
    return bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value


def refusal(refused: Refused, said: Said) -> dict[str, Any]:
    """An exception's body: the type is in a header."""
    return {"message": refused.message + said.words, **said.fields}


def _type(refused: Refused) -> str:
    otherwise = "InternalServerException" if refused.status >= 500 else "ValidationException"
    return refused.kind or _EXCEPTIONS.get(refused.status, otherwise)


def refusal_headers(refused: Refused) -> tuple[tuple[str, str], ...]:
    """The header that names the exception."""
    return (("x-amzn-errortype", f"{_type(refused)}:http://internal.amazon.com/coral/com.amazon.bedrock/"),)


def failure(refused: Refused, said: Said, sent: int) -> tuple[Frame, ...]:
    """An exception as a message of the stream; its name begins in lower case there."""
    name = "ModelStreamErrorException" if refused.status == 424 else _type(refused)
    return (Frame(Kind.ERROR, _encode(refusal(refused, said)), 0, name[0].lower() + name[1:]),)


FORMAT = Format(
    paths=(r"/model/(?P<model>.+)/(?P<action>converse|converse-stream)",),
    id_prefix="",
    read=read,
    whole=whole,
    frames=frames,
    refusal=refusal,
    failure=failure,
    text_field=b'"text":"',
    framings={"event-stream": Framing("application/vnd.amazon.eventstream", lambda: framed)},
    id_header="x-amzn-requestid",
    refusal_headers=refusal_headers,
)
