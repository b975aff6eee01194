"""Parameters, tools and thinking in Google's documented shapes."""

import json
from typing import Any

import pytest

from tests.wire.test_gemini_request import USER, written
from tollway.domain.quirks import Quirks
from tollway.wire.gemini.client import encode_request
from tollway.wire.gemini.server import decode_request
from tollway.wire.openai_chat.server import decode_request as decode_openai

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

PARAMETERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "sampling",
        {
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "n": 2,
            "seed": 7,
            "max_completion_tokens": 100,
            "stop": "END",
            "presence_penalty": 1,
            "frequency_penalty": -1,
            "logprobs": True,
            "top_logprobs": 5,
            "modalities": ["text", "image"],
            "image_config": {"aspect_ratio": "16:9"},
        },
        {
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "candidateCount": 2,
            "seed": 7,
            "maxOutputTokens": 100,
            "stopSequences": ["END"],
            "presencePenalty": 1,
            "frequencyPenalty": -1,
            "responseLogprobs": True,
            "logprobs": 5,
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9"},
        },
    ),
    ("json", {"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
    (
        "schema",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "w", "strict": True, "schema": WEATHER}}},
        {"responseMimeType": "application/json", "responseJsonSchema": WEATHER},
    ),
]


@pytest.mark.parametrize(("chat", "config"), [row[1:] for row in PARAMETERS], ids=[row[0] for row in PARAMETERS])
def test_parameters(chat: dict[str, Any], config: dict[str, Any]) -> None:
    """generationConfig."""
    assert written(chat)["generationConfig"] == config


def test_what_an_endpoint_lacks_is_left_out() -> None:
    """`supported_parameters` and `drop` take parameters away; unknown fields of another format never arrive."""
    chat = {"messages": [USER], "temperature": 1, "seed": 3, "top_k": 2, "made_up": 1, "user": "me"}
    request = decode_openai(json.dumps(chat).encode())
    body = encode_request(
        request,
        upstream_model="gemini-2.5-pro",
        max_tokens=None,
        stream=True,
        parameters=frozenset({"temperature", "top_k"}),
        quirks=Quirks(drop=frozenset({"top_k"})),
        user_id="hash",
    )
    assert json.loads(body) == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"temperature": 1},
    }


def test_tools() -> None:
    """Tools are declarations with a whole JSON Schema, or with Google's subset where an endpoint knows only that."""
    chat = {
        "tools": [{"type": "function", "function": {"name": "w", "description": "d", "parameters": WEATHER}}],
        "web_search_options": {},
    }
    tools = written(chat)["tools"]
    assert tools == [
        {"functionDeclarations": [{"name": "w", "description": "d", "parametersJsonSchema": WEATHER}]},
        {"googleSearch": {}},
    ]
    old = written(chat, quirks=Quirks(drop=frozenset({"parametersJsonSchema"})))["tools"][0]["functionDeclarations"]
    assert old == [
        {
            "name": "w",
            "description": "d",
            "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
        }
    ]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "w"}}, {"mode": "ANY", "allowedFunctionNames": ["w"]}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [
                        {"type": "function", "function": {"name": "w"}},
                        {"type": "function", "function": {"name": "v"}},
                    ],
                },
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["w", "v"]},
        ),
    ],
)
def test_tool_choice(choice: Any, config: dict[str, Any]) -> None:
    """tool_choice is a mode, and read back it is the same choice."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("w", "v")]
    body = written({"tools": tools, "tool_choice": choice})
    assert body["toolConfig"] == {"functionCallingConfig": config}
    asked = decode_openai(json.dumps({"messages": [USER], "tools": tools, "tool_choice": choice}).encode())
    assert decode_request(json.dumps(body).encode()).tool_choice == asked.tool_choice
    assert "toolConfig" not in written({"tool_choice": "auto"})


THINKING: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("gemini-2.5-flash", {}, None),
    ("gemini-2.5-flash", {"reasoning": {"effort": "high"}, "max_tokens": 10_000}, {"thinkingBudget": 8000}),
    ("gemini-2.5-flash", {"reasoning_effort": "low"}, {"thinkingBudget": 1024}),
    ("gemini-2.5-flash", {"reasoning": {"max_tokens": 77}}, {"thinkingBudget": 77}),
    ("gemini-2.5-flash", {"reasoning": {"enabled": True}, "max_tokens": 1000}, {"thinkingBudget": 500}),
    ("gemini-2.5-flash", {"reasoning": {"enabled": False}}, {"thinkingBudget": 0, "includeThoughts": False}),
    ("gemini-2.5-flash", {"reasoning": {"effort": "none"}}, {"thinkingBudget": 0, "includeThoughts": False}),
    ("gemini-2.5-pro", {"reasoning": {"effort": "none"}}, {"thinkingBudget": 128, "includeThoughts": False}),
    ("gemini-2.5-pro", {"reasoning": {"effort": "max"}, "max_tokens": 65_000}, {"thinkingBudget": 32_000}),
    ("gemini-2.5-flash-lite", {"reasoning": {"effort": "low"}, "max_tokens": 100}, {"thinkingBudget": 512}),
    ("gemini-3-flash-preview", {"reasoning": {"effort": "xhigh"}}, {"thinkingLevel": "high"}),
    ("gemini-3-flash-preview", {"reasoning": {"effort": "minimal"}}, {"thinkingLevel": "minimal"}),
    ("gemini-3-pro-preview", {"reasoning": {"effort": "minimal"}}, {"thinkingLevel": "low"}),
    ("gemini-3-pro-preview", {"reasoning": {"effort": "medium"}}, {"thinkingLevel": "high"}),
    ("gemini-3.1-pro-preview", {"reasoning": {"effort": "medium"}}, {"thinkingLevel": "medium"}),
    (
        "gemini-3-flash-preview",
        {"reasoning": {"effort": "low", "exclude": True}},
        {"thinkingLevel": "low", "includeThoughts": False},
    ),
    ("gemini-3-flash-preview", {"include_reasoning": True}, {}),
    ("gemini-3-flash-preview", {"include_reasoning": False}, {"includeThoughts": False}),
]


@pytest.mark.parametrize(("model", "chat", "config"), THINKING)
def test_thinking(model: str, chat: dict[str, Any], config: dict[str, Any] | None) -> None:
    """OPENROUTER.md 9.1: shares of max_tokens as a budget, within the model's bounds; levels from Gemini 3 on."""
    thinking = written(chat, model=model).get("generationConfig", {}).get("thinkingConfig")
    assert thinking == (None if config is None else {"includeThoughts": True, **config})
