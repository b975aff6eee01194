"""Every recorded exchange with Bedrock's Converse: what we read, and what we would ask, equals the recording's JSON."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from msgspec import Raw

from tests.wire import recordings
from tests.wire.test_event_stream import event
from tollway.domain.chat import (
    AnyPart,
    AssistantMessage,
    CacheControl,
    ChatRequest,
    FileData,
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    JsonSchema,
    Message,
    MessageToolCall,
    Reasoning,
    ResponseFormat,
    SystemMessage,
    TextPart,
    Tool,
    ToolChoice,
    ToolChoiceFunction,
    ToolFunction,
    ToolMessage,
    UserMessage,
    VideoPart,
    VideoUrl,
)
from tollway.domain.events import Answer, Choice, Event
from tollway.domain.generation import Usage
from tollway.wire.bedrock_converse import client
from tollway.wire.claude import hidden, thought
from tollway.wire.collect import collect

API = "converse"
SERVICE = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
REASONS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}
MARK = CacheControl()


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    return recordings.bodies(API)


def streams() -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of streamed answers."""
    for record in recordings.exchanges(API):
        if "base64" in record["response"]:
            yield record["case"], base64.b64decode(record["response"]["base64"])


def check_usage(usage: Usage | None, recorded: dict[str, Any], name: str) -> None:
    """Our counters against the recorded ones, and their sum against the recorded total."""
    assert usage is not None, name
    read, written = recorded.get("cacheReadInputTokens", 0), recorded.get("cacheWriteInputTokens", 0)
    assert (usage.cache_read, usage.cache_write, usage.cache_write_1h) == (read, written, 0), name
    assert usage.prompt == recorded["inputTokens"] + read + written, name
    assert usage.completion == recorded["outputTokens"], name
    assert usage.prompt + usage.completion == recorded["totalTokens"], name


def is_ours(block: dict[str, Any]) -> bool:
    """A call of the caller's tools."""
    return "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"


def check_choice(choice: Choice, blocks: list[dict[str, Any]], name: str) -> None:
    """One answer against the recorded blocks."""
    assert (choice.text or "") == "".join(block.get("text", "") for block in blocks), name
    thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
    readable = [thinking.get("reasoningText", {}) for thinking in thoughts]
    assert (choice.reasoning or "") == "".join(text.get("text", "") for text in readable), name
    details = [json.loads(bytes(raw)) for raw in choice.reasoning_details]
    assert [detail["index"] for detail in details] == list(range(len(thoughts))), name
    assert [(detail.get("text", ""), detail.get("signature")) for detail in details] == [
        (text.get("text", ""), text.get("signature")) for text in readable
    ], name
    assert [base64.b64encode(detail["data"].encode()).decode() for detail in details if "data" in detail] == [
        thinking["redactedContent"] for thinking in thoughts if "redactedContent" in thinking
    ], name
    calls = [block["toolUse"] for block in blocks if is_ours(block)]
    assert [(call.id, call.name, json.loads(call.arguments)) for call in choice.tool_calls] == [
        (call["toolUseId"], call["name"], call["input"]) for call in calls
    ], name
    natives = [json.loads(bytes(piece.value)) for piece in choice.natives if piece.value is not None]
    assert natives == [
        block for block in blocks if not is_ours(block) and not block.keys() & {"text", "reasoningContent"}
    ], name


def test_answers_decode() -> None:
    """Every whole answer: text, thoughts and signatures, calls, what only Bedrock says, reason and usage."""
    count = 0
    for name, body in bodies():
        answer = client.decode_answer(json.dumps(body).encode())
        assert isinstance(answer, Answer), name
        (choice,) = answer.choices
        check_choice(choice, body["output"]["message"]["content"], name)
        assert (choice.finish_reason, choice.native_finish_reason) == (REASONS[body["stopReason"]], body["stopReason"])
        check_usage(answer.usage, body["usage"], name)
        said = json.loads(bytes(choice.finish_details)) if choice.finish_details is not None else {}
        assert said.get("additionalModelResponseFields") == body.get("additionalModelResponseFields"), name
        count += 1
    assert count >= 138


def blocks_of(stream: bytes) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """A recorded stream, framed and parsed by botocore: its blocks put together, the usage and the reason."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    shape = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
    parser = create_parser("rest-json")._event_stream_parser
    blocks: dict[int, dict[str, Any]] = {}
    usage: dict[str, Any] = {}
    reason = ""
    for message in buffer:
        (parsed,) = parser.parse(message.to_response_dict(), shape).items()
        match parsed:
            case ("contentBlockStart", {"start": start, "contentBlockIndex": index}):
                blocks[index] = {"toolUse": {**start["toolUse"], "input": ""}}
            case ("contentBlockDelta", {"delta": delta, "contentBlockIndex": index}):
                block = blocks.setdefault(index, {"text": ""})
                if "text" in delta:
                    block["text"] += delta["text"]
                else:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
            case ("messageStop", {"stopReason": reason}):
                pass
            case ("metadata", {"usage": usage}):
                pass
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    return [blocks[index] for index in sorted(blocks)], usage, reason


def decoded(stream: bytes, piece: int) -> tuple[list[Event], client.EventDecoder]:
    """The events of a stream that comes in pieces."""
    decoder = client.EventDecoder()
    events = [event for at in range(0, len(stream), piece) for event in decoder.feed(stream[at : at + piece])]
    return events + decoder.end(), decoder


def test_streams_decode() -> None:
    """Every stream: what AWS's own parser puts together, the reason, the usage, the end."""
    count = 0
    for name, stream in streams():
        events, decoder = decoded(stream, len(stream))
        answer = collect(events)
        (choice,) = answer.choices
        blocks, usage, reason = blocks_of(stream)
        check_choice(choice, blocks, name)
        assert (choice.finish_reason, choice.native_finish_reason) == (REASONS[reason], reason), name
        check_usage(answer.usage, usage, name)
        assert (decoder.saw_done, decoder.malformed) == (True, 0), name
        count += 1
    assert count >= 6


def test_streams_at_any_cut() -> None:
    """Byte by byte, in threes, in sevens: the same events."""
    for name, stream in streams():
        whole = decoded(stream, len(stream))[0]
        for piece in (1, 3, 7, 1000):
            assert decoded(stream, piece)[0] == whole, (name, piece)


ENDS = ("stopReason", "additionalModelResponseFields")


def as_stream(body: dict[str, Any], piece: int) -> bytes:
    """A whole answer as ConverseStream would send it (API reference, "ConverseStreamOutput"), texts in pieces."""

    def told(name: str, value: dict[str, Any]) -> bytes:
        return event(name, json.dumps({**value, "p": "abc"}).encode())

    frames = [told("messageStart", {"role": "assistant"})]
    for index, block in enumerate(body["output"]["message"]["content"]):
        deltas: list[dict[str, Any]] = []
        if "text" in block:
            deltas = [{"text": text} for text in cut(block["text"], piece)]
        elif "reasoningContent" in block:
            thinking = block["reasoningContent"]
            text = thinking.get("reasoningText", {})
            deltas = [{"reasoningContent": {"text": part}} for part in cut(text.get("text", ""), piece)]
            rest = {key: value for key, value in (thinking | text).items() if key in ("signature", "redactedContent")}
            deltas += [{"reasoningContent": {key: value}} for key, value in rest.items()]
        elif "toolUse" in block:
            use = dict(block["toolUse"])
            written = json.dumps(use.pop("input"), separators=(",", ":"), ensure_ascii=False)
            frames.append(told("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}}))
            deltas = [{"toolUse": {"input": part}} for part in cut(written, piece)]
        else:
            result = dict(block["toolResult"])
            deltas = [{"toolResult": result.pop("content")}]
            frames.append(told("contentBlockStart", {"contentBlockIndex": index, "start": {"toolResult": result}}))
        frames += [told("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        frames.append(told("contentBlockStop", {"contentBlockIndex": index}))
    frames.append(told("messageStop", {key: body[key] for key in body if key in ENDS}))
    frames.append(told("metadata", {key: body[key] for key in ("usage", "metrics")}))
    return b"".join(frames)


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def test_a_stream_is_its_whole() -> None:
    """collect(stream) == decode(body): each recorded body, told as a stream, folds into the same answer."""
    for name, recorded in bodies():
        body = json.loads(json.dumps(recorded))
        for block in body["output"]["message"]["content"]:
            for value in block.values():
                for last in ("input", "content") if isinstance(value, dict) else ():
                    value.update({last: value.pop(last)} if last in value else {})  # as a stream has it
        whole = client.decode_answer(json.dumps(body).encode())
        for piece in (3, 10_000):
            stream = as_stream(body, piece)
            assert collect(decoded(stream, 777)[0]) == whole, name


def test_a_body_in_place_of_a_stream() -> None:
    """A whole answer, or an error, where a stream was asked for: some proxies do that."""
    for name, body in bodies():
        text = json.dumps(body).encode()
        assert collect(decoded(text, 1000)[0]) == client.decode_answer(text), name


def test_a_cut_stream_is_not_finished() -> None:
    """Before `messageStop` there is no finish, whatever byte is the last; nothing is made up."""
    for name, stream in streams():
        for end in (0, 5, len(stream) // 2, stream.index(b"messageStop") - 20):
            events, decoder = decoded(stream[:end], 1000)
            assert not decoder.saw_done, name
            assert all(choice.finish_reason is None for choice in collect(events).choices), name


def test_recorded_errors() -> None:
    """Status and message of every recorded refusal."""
    count = 0
    for name, status, headers, body in recordings.refusals(API):
        failed = client.decode_error(status, headers.get, json.dumps(body).encode(), now_s=1e9)
        assert failed.status == status == 400, name
        assert failed.message[:150] == body["message"][:150], name
        assert failed.retry_after_s is None, name
        count += 1
    assert count >= 7


def test_recorded_paths() -> None:
    """The URL that was called, for plain ids, versions and ARNs."""
    for record in recordings.exchanges(API):
        url = urlsplit(record["request"]["url"])
        model = unquote(url.path.split("/")[2])
        assert client.path(model, url.path.endswith("-stream")) == url.path


# --- Requests. No caller speaks this format, so that the test reads a recorded body into the ChatRequest that means it.

DATA_TYPES = {"pdf": "application/pdf", "txt": "text/plain"}


def _media_part(block: dict[str, Any], mark: CacheControl | None) -> AnyPart:
    ((kind, value),) = block.items()
    source = value["source"]
    if "s3Location" in source:
        url = source["s3Location"]["uri"]
    else:
        media_type = DATA_TYPES.get(value["format"], f"{kind}/{value['format']}")
        url = f"data:{media_type};base64,{source['bytes']}"
    match kind:
        case "image":
            return ImagePart(image_url=ImageUrl(url=url), cache_control=mark)
        case "video":
            return VideoPart(video_url=VideoUrl(url=url), cache_control=mark)
        case _:
            return FilePart(file=FileData(filename=value["name"], file_data=url), cache_control=mark)


def _parts(blocks: list[dict[str, Any]]) -> tuple[AnyPart, ...]:
    """Blocks, each with the cache point that follows it; the "\\n" before a document's is of its making."""
    parts: list[AnyPart] = []
    for block, *following in ((block, *blocks[place + 1 : place + 3]) for place, block in enumerate(blocks)):
        if "cachePoint" in block or (block == {"text": "\n"} and following and "cachePoint" in following[0]):
            continue
        marked = following[:1] == [{"cachePoint": {"type": "default"}}] or (
            "text" not in block and following == [{"text": "\n"}, {"cachePoint": {"type": "default"}}]
        )
        mark = MARK if marked else None
        parts.append(TextPart(block["text"], cache_control=mark) if "text" in block else _media_part(block, mark))
    return tuple(parts)


def _messages(body: dict[str, Any]) -> Iterator[Message]:
    for block in _parts(body.get("system", [])):
        yield SystemMessage(content=(block,))
    for message in body["messages"]:
        blocks = message["content"]
        if message["role"] == "assistant":
            yield _assistant(blocks)
            continue
        rest = []
        for block in blocks:
            if "toolResult" in block:
                result = block["toolResult"]
                native = {"is_error": True} if result["status"] == "error" else None
                yield ToolMessage(_parts(result["content"]), tool_call_id=result["toolUseId"], native=native)
            else:
                rest.append(block)
        if rest:
            yield UserMessage(content=_parts(rest))


def _assistant(blocks: list[dict[str, Any]]) -> AssistantMessage:
    details: list[Raw] = []
    for block in blocks:
        if "reasoningContent" in block:
            thinking = block["reasoningContent"]
            if "redactedContent" in thinking:
                details.append(hidden(base64.b64decode(thinking["redactedContent"]).decode(), len(details)))
            else:
                text = thinking["reasoningText"]
                details.append(thought(text["text"], len(details), text["signature"]))
    calls = tuple(
        MessageToolCall(
            block["toolUse"]["toolUseId"], FunctionCall(block["toolUse"]["name"], json.dumps(block["toolUse"]["input"]))
        )
        for block in blocks
        if is_ours(block)
    )
    return AssistantMessage(
        content=_parts([block for block in blocks if "text" in block]),
        reasoning_details=tuple(details),
        tool_calls=calls,
    )


def _tools(config: dict[str, Any]) -> dict[str, Any]:
    tools: list[Tool] = []
    for tool in config.get("tools", ()):
        if "cachePoint" in tool:
            last = tools.pop()
            tools.append(Tool(function=last.function, cache_control=MARK))
        elif "toolSpec" in tool:
            spec = tool["toolSpec"]
            function = ToolFunction(spec["name"], spec.get("description"), spec["inputSchema"]["json"])
            tools.append(Tool(function=function))
    choice = config.get("toolChoice", {})
    asked: Any = "auto" if "auto" in choice else "required" if "any" in choice else None
    if "tool" in choice:
        asked = ToolChoice(type="function", function=ToolChoiceFunction(choice["tool"]["name"]))
    return {"tools": tuple(tools), "tool_choice": asked} if tools else {}


def _reasoning(fields: dict[str, Any]) -> dict[str, Any]:
    thinking = fields.get("thinking")
    if thinking is None:
        return {"reasoning_effort": "high"} if "reasoning_config" in fields else {}
    return {"reasoning": Reasoning(max_tokens=thinking["budget_tokens"])} if "budget_tokens" in thinking else {}


def _format(body: dict[str, Any]) -> dict[str, Any]:
    if "outputConfig" not in body:
        return {}
    schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    asked = JsonSchema(schema["name"], schema.get("description"), json.loads(schema["schema"]))
    return {"response_format": ResponseFormat(type="json_schema", json_schema=asked)}


def meant(body: dict[str, Any]) -> ChatRequest:
    """The request that a recorded body says."""
    config = body.get("inferenceConfig", {})
    return ChatRequest(
        messages=tuple(_messages(body)),
        temperature=config.get("temperature"),
        top_p=config.get("topP"),
        stop=tuple(config["stopSequences"]) if "stopSequences" in config else None,
        max_tokens=config.get("maxTokens"),
        **_tools(body.get("toolConfig", {})),
        **_reasoning(body.get("additionalModelRequestFields", {})),
        **_format(body),
    )


ALLOWED = {
    "empty": "`system: []`, `inferenceConfig: {}` and no such field are the same",
    "success": 'the default of a tool result\'s `status` is "success"; other models than Claude and Nova refuse it',
    "schema": "the schema of an answer is JSON in a string: its blanks say nothing",
    "strict": "a tool's `strict` is not sent: a habit of OpenAI's clients, with limits of its own here (decision 0018)",
    "server tools": "`systemTool`, and what they did, are for callers who speak the format; nobody does",
    "turns": "turns of one role in a row are one",
    "adaptive": 'Claude 4.6 is told a budget where the recording says "adaptive"',
    "blank": "blank texts are refused by most models, and are left out",
}
"""How a request that we write may differ from the recorded one, and why."""


def normal(body: dict[str, Any]) -> dict[str, Any]:
    """The differences of ALLOWED taken away."""
    body = json.loads(json.dumps(body))
    turns: list[dict[str, Any]] = []
    for turn in body["messages"]:
        blocks = [block for block in turn["content"] if not is_server_side(block)]
        for block in blocks:
            if block.get("toolResult", {}).get("status") == "success":
                del block["toolResult"]["status"]
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": turn["role"], "content": blocks})
    body["messages"] = turns
    tools = body.get("toolConfig", {}).get("tools", [])
    body.get("toolConfig", {})["tools"] = [tool for tool in tools if "systemTool" not in tool]
    for tool in tools:
        tool.get("toolSpec", {}).pop("strict", None)
    if "outputConfig" in body:
        schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        schema["schema"] = json.loads(schema["schema"])
    if body.get("additionalModelRequestFields", {}).get("thinking") == {"type": "adaptive"}:
        del body["additionalModelRequestFields"]
    # An endpoint of Claude's is asked which of the stop sequences it was.
    body.pop("additionalModelResponseFieldPaths", None)
    return {name: value for name, value in body.items() if value not in ({}, [], {"tools": []})}


def is_server_side(block: dict[str, Any]) -> bool:
    return block.get("toolUse", {}).get("type") == "server_tool_use" or "type" in block.get("toolResult", {})


def test_requests_are_written_as_recorded() -> None:
    """Every recorded request that was answered, meant in our terms, is written as recorded: nothing is lost."""
    count = 0
    for record in recordings.exchanges(API):
        body = record["request"].get("json")
        if body is None or record["response"]["status"] != 200:
            continue  # what was refused (a document where Nova takes none) we write in another way
        model = unquote(urlsplit(record["request"]["url"]).path.split("/")[2])
        written = client.encode_request(meant(body), upstream_model=model, max_tokens=None, stream=False)
        assert normal(json.loads(written)) == normal(body), record["case"]
        count += 1
    assert count >= 140
