"""The same conversation through each official SDK: say something, answer a tool's call, see what it used."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types
from msgspec import Struct

from tests.support import World

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
LIMIT = 4000


class Turn(Struct):
    """What came back."""

    text: str
    calls: list[tuple[str, str, Any]]
    """(id, name, arguments) of each."""
    thoughts: str
    used: tuple[int, int]
    """Tokens of prompt and of completion, as the caller was told."""


class Options(Struct, frozen=True):
    """How a conversation is held."""

    model: str
    stream: bool = False
    tools: bool = False
    thinks: bool = False


class Chat:
    """The `openai` SDK's chat completions on /api/v1, with OpenRouter's reasoning_details sent back."""

    def __init__(self, world: World, options: Options) -> None:
        self.client = openai.OpenAI(base_url=f"{world.url}/api/v1", api_key=world.key.secret, max_retries=0)
        self._options = options
        self._messages: list[Any] = []

    def say(self, text: str) -> Turn:
        self._messages.append({"role": "user", "content": text})
        return self._turn()

    def answer(self, turn: Turn, result: str) -> Turn:
        self._messages += [{"role": "tool", "tool_call_id": id_, "content": result} for id_, _, _ in turn.calls]
        return self._turn()

    def _turn(self) -> Turn:
        function = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
        given: dict[str, Any] = {"model": self._options.model, "messages": self._messages, "max_tokens": LIMIT}
        if self._options.tools:
            given["tools"] = [{"type": "function", "function": function}]
        if self._options.thinks:
            given["extra_body"] = {"reasoning": {"effort": "low"}}
        completions = self.client.chat.completions
        if self._options.stream:
            message, usage = self._collected(completions.create(stream=True, **given))
        else:
            whole = completions.create(**given)
            message, usage = whole.choices[0].message.model_dump(exclude_none=True), whole.usage
        self._messages.append(message)
        calls = [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls", ())
        ]
        used = (usage.prompt_tokens, usage.completion_tokens)
        return Turn(message.get("content") or "", calls, message.get("reasoning") or "", used)

    @staticmethod
    def _collected(stream: Any) -> tuple[dict[str, Any], Any]:
        """A message out of its deltas; reasoning_details are joined by index, as OpenRouter's own SDK does it."""
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        calls: dict[int, dict[str, Any]] = {}
        details: dict[tuple[int, str], dict[str, Any]] = {}
        usage = None
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                delta = choice.delta.model_dump(exclude_none=True)
                message["content"] += delta.get("content", "")
                message["reasoning"] = message.get("reasoning", "") + delta.get("reasoning", "")
                for call in delta.get("tool_calls", ()):
                    kept = calls.setdefault(call["index"], {"type": "function", "function": {"arguments": ""}})
                    kept["id"] = call.get("id") or kept["id"]
                    kept["function"]["name"] = call["function"].get("name") or kept["function"]["name"]
                    kept["function"]["arguments"] += call["function"].get("arguments", "")
                for detail in delta.get("reasoning_details", ()):
                    known = details.setdefault((detail.get("index", 0), detail["type"]), {})
                    joined = {
                        name: known.get(name, "") + value
                        for name, value in detail.items()
                        if name in ("text", "summary", "data")
                    }
                    known.update({**detail, **joined})
        if calls:
            message["tool_calls"] = list(calls.values())
        if details:
            message["reasoning_details"] = list(details.values())
        return message, usage


class Responses:
    """The `openai` SDK's Responses on /v1; nothing is kept on the server, so the output goes back in."""

    def __init__(self, world: World, options: Options) -> None:
        self.client = openai.OpenAI(base_url=f"{world.url}/v1", api_key=world.key.secret, max_retries=0)
        self._options = options
        self._input: list[Any] = []

    def say(self, text: str) -> Turn:
        self._input.append({"role": "user", "content": text})
        return self._turn()

    def answer(self, turn: Turn, result: str) -> Turn:
        self._input += [{"type": "function_call_output", "call_id": id_, "output": result} for id_, _, _ in turn.calls]
        return self._turn()

    def _turn(self) -> Turn:
        function = {"type": "function", "name": "look", "description": "Looks.", "parameters": SCHEMA}
        given: dict[str, Any] = {"model": self._options.model, "input": self._input, "max_output_tokens": LIMIT}
        given["store"] = False
        if self._options.tools:
            given["tools"] = [{**function, "strict": False}]
        if self._options.thinks:
            given["reasoning"] = {"effort": "low", "summary": "auto"}
            given["include"] = ["reasoning.encrypted_content"]
        if self._options.stream:
            with self.client.responses.stream(**given) as stream:
                stream.until_done()
                whole: Any = stream.get_final_response()
        else:
            whole = self.client.responses.create(**given)
        self._input += [item.model_dump(exclude_none=True, mode="json") for item in whole.output]
        for item in self._input:
            item.pop("parsed_arguments", None)
        calls = [
            (item.call_id, item.name, json.loads(item.arguments))
            for item in whole.output
            if item.type == "function_call"
        ]
        thoughts = "".join(
            part.text
            for item in whole.output
            if item.type == "reasoning"
            for part in [*item.summary, *(item.content or [])]
        )
        return Turn(whole.output_text, calls, thoughts, (whole.usage.input_tokens, whole.usage.output_tokens))


class Messages:
    """The `anthropic` SDK on /api; its content blocks go back as they came."""

    def __init__(self, world: World, options: Options) -> None:
        self.client = anthropic.Anthropic(base_url=f"{world.url}/api", api_key=world.key.secret, max_retries=0)
        self._options = options
        self._messages: list[Any] = []

    def say(self, text: str) -> Turn:
        self._messages.append({"role": "user", "content": text})
        return self._turn()

    def answer(self, turn: Turn, result: str) -> Turn:
        results = [{"type": "tool_result", "tool_use_id": id_, "content": result} for id_, _, _ in turn.calls]
        self._messages.append({"role": "user", "content": results})
        return self._turn()

    def _turn(self) -> Turn:
        given: dict[str, Any] = {"model": self._options.model, "messages": self._messages, "max_tokens": LIMIT}
        if self._options.tools:
            given["tools"] = [{"name": "look", "description": "Looks.", "input_schema": SCHEMA}]
        if self._options.thinks:
            given["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if self._options.stream:
            with self.client.messages.stream(**given) as stream:
                whole: Any = stream.get_final_message()
        else:
            whole = self.client.messages.create(**given)
        self._messages.append({"role": "assistant", "content": whole.content})
        calls = [(block.id, block.name, block.input) for block in whole.content if block.type == "tool_use"]
        text = "".join(block.text for block in whole.content if block.type == "text")
        thoughts = "".join(block.thinking for block in whole.content if block.type == "thinking")
        usage = whole.usage
        read = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        return Turn(text, calls, thoughts, (read, usage.output_tokens))


class Gemini:
    """The `google-genai` SDK on /v1beta; the model's contents go back as they came, with their signatures."""

    def __init__(self, world: World, options: Options) -> None:
        options_http = types.HttpOptions(base_url=world.url, api_version="v1beta")
        self.client = genai.Client(api_key=world.key.secret, http_options=options_http)
        self._options = options
        self._contents: list[types.Content] = []

    def say(self, text: str) -> Turn:
        self._contents.append(types.Content(role="user", parts=[types.Part(text=text)]))
        return self._turn()

    def answer(self, turn: Turn, result: str) -> Turn:
        parts = [
            types.Part(function_response=types.FunctionResponse(id=id_ or None, name=name, response={"result": result}))
            for id_, name, _ in turn.calls
        ]
        self._contents.append(types.Content(role="user", parts=parts))
        return self._turn()

    def _turn(self) -> Turn:
        declared = types.FunctionDeclaration(name="look", description="Looks.", parameters_json_schema=SCHEMA)
        config = types.GenerateContentConfig(
            max_output_tokens=LIMIT,
            tools=[types.Tool(function_declarations=[declared])] if self._options.tools else None,
            thinking_config=types.ThinkingConfig(include_thoughts=True) if self._options.thinks else None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        given: dict[str, Any] = {"model": self._options.model, "contents": self._contents, "config": config}
        if self._options.stream:
            answers = list(self.client.models.generate_content_stream(**given))
        else:
            answers = [self.client.models.generate_content(**given)]
        parts: list[types.Part] = []
        for answer in answers:
            candidates = answer.candidates or []
            if candidates and candidates[0].content:
                parts += candidates[0].content.parts or []
        self._contents.append(types.Content(role="model", parts=parts))
        calls = [
            (part.function_call.id or "", part.function_call.name or "", part.function_call.args)
            for part in parts
            if part.function_call
        ]
        usage = answers[-1].usage_metadata
        assert usage is not None
        used = (usage.prompt_token_count or 0, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0))
        text = "".join(part.text or "" for part in parts if not part.thought)
        return Turn(text, calls, "".join(part.text or "" for part in parts if part.thought), used)


CALLERS: dict[str, Callable[[World, Options], Chat | Responses | Messages | Gemini]] = {
    "chat": Chat,
    "responses": Responses,
    "messages": Messages,
    "gemini": Gemini,
}


@contextmanager
def conversation(caller: str, world: World, options: Options) -> Iterator[Chat | Responses | Messages | Gemini]:
    """A conversation through the SDK of this name."""
    talk = CALLERS[caller](world, options)
    try:
        yield talk
    finally:
        talk.client.close()
