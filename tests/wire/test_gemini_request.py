"""Requests across formats: what another format asks reaches Google in its documented shapes, and back."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.chat import ChatRequest, Reasoning
from tollway.domain.errors import InvalidRequest
from tollway.domain.quirks import Quirks
from tollway.wire.gemini.client import count_path, encode_count_request, encode_request, path
from tollway.wire.gemini.request import request_fields
from tollway.wire.gemini.server import decode_count_request, decode_request
from tollway.wire.gemini.thoughts import SKIP_VALIDATION
from tollway.wire.openai_chat.server import decode_request as decode_openai

USER = {"role": "user", "content": "hi"}


def written(chat: dict[str, Any], *, model: str = "gemini-2.5-flash", quirks: Quirks | None = None) -> dict[str, Any]:
    """An OpenAI chat body -> what Google gets."""
    request = decode_openai(json.dumps({"messages": [USER], **chat}).encode())
    body = encode_request(
        request, upstream_model=model, max_tokens=request.output_limit, stream=False, quirks=quirks or Quirks()
    )
    value: dict[str, Any] = json.loads(body)
    return value


MESSAGES: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    (
        "system and developer messages are the instruction",
        [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "In verse."}, USER],
        {
            "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "In verse."}]},
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        },
    ),
    (
        "without anything else they are the content, which Google requires",
        [{"role": "system", "content": "Tell a joke."}],
        {"contents": [{"role": "user", "parts": [{"text": "Tell a joke."}]}]},
    ),
    (
        "data URLs are inlineData, addresses are fileData",
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                    {"type": "image_url", "image_url": {"url": "https://x.org/a.webp?b=1", "detail": "high"}},
                    {"type": "input_audio", "input_audio": {"data": "BB==", "format": "mp3"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CC=="}},
                    {"type": "file", "file": {"filename": "b.txt", "file_data": "https://x.org/b"}},
                    {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
                    {"type": "document_url", "document_url": "https://x.org/c.pdf"},
                ],
            }
        ],
        {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "look"},
                        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                        {"fileData": {"fileUri": "https://x.org/a.webp?b=1", "mimeType": "image/webp"}},
                        {"inlineData": {"mimeType": "audio/mpeg", "data": "BB=="}},
                        {"inlineData": {"mimeType": "application/pdf", "data": "CC=="}},
                        {"fileData": {"fileUri": "https://x.org/b", "mimeType": "text/plain"}},
                        {"fileData": {"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}},
                        {"fileData": {"fileUri": "https://x.org/c.pdf", "mimeType": "application/pdf"}},
                    ],
                }
            ]
        },
    ),
    (
        "parallel calls and their results; the results are one content, with the function's name",
        [
            USER,
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":1}'},
                        "extra_content": {"google": {"thought_signature": "U0lH"}},
                    },
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"temp":3}'},
            {
                "role": "tool",
                "tool_call_id": "c2",
                "content": [
                    {"type": "text", "text": "a map"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                ],
            },
        ],
        {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "Let me see."},
                        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lH"},
                        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                    ],
                },
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"id": "c1", "name": "f", "response": {"temp": 3}}},
                        {
                            "functionResponse": {
                                "id": "c2",
                                "name": "g",
                                "response": {"output": "a map"},
                                "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}],
                            }
                        },
                    ],
                },
            ]
        },
    ),
    (
        "thoughts and signatures come back from reasoning_details",
        [
            USER,
            {
                "role": "assistant",
                "content": "Yes.",
                "reasoning": "hm",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "h", "format": "google-gemini-v1", "index": 0},
                    {"type": "reasoning.text", "text": "m", "format": "google-gemini-v1", "index": 0},
                    {"type": "reasoning.encrypted", "data": "VFhU", "format": "google-gemini-v1", "index": 1},
                    {
                        "type": "reasoning.encrypted",
                        "id": "c1",
                        "data": "Q0FMTA==",
                        "format": "google-gemini-v1",
                        "index": 2,
                    },
                ],
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
        ],
        {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "Yes.", "thoughtSignature": "VFhU"},
                        {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "Q0FMTA=="},
                    ],
                },
            ]
        },
    ),
    (
        "another provider's signature stays behind, its thoughts go along",
        [
            USER,
            {
                "role": "assistant",
                "content": "Yes.",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "hm", "signature": "x", "format": "anthropic-claude-v1"},
                    {"type": "reasoning.encrypted", "data": "y", "format": "anthropic-claude-v1"},
                ],
            },
        ],
        {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "Yes."}]},
            ]
        },
    ),
]


@pytest.mark.parametrize(("messages", "expected"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
def test_messages(messages: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    """Messages of an OpenAI client in the shapes of Google's documentation."""
    assert written({"messages": messages}) == expected


def test_gemini_3_gets_a_signature_for_foreign_calls() -> None:
    """A call that another model made would be refused unsigned; only the first of parallel calls needs it."""
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ("a", "b")]
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": calls}]
    parts = written({"messages": messages}, model="gemini-3-flash-preview")["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [SKIP_VALIDATION, None]
    parts = written({"messages": messages})["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, None]


def test_calls_without_ids_get_unique_ones() -> None:
    """Calls without ids, twice the same function: ids that differ, results matched in order, the same every time."""
    call = {"functionCall": {"name": "f", "args": {}}}
    result = {"functionResponse": {"name": "f", "response": {"output": "x"}}}
    body = json.dumps(
        {
            "contents": [
                {"role": "user", "parts": {"text": "go"}},
                {"role": "model", "parts": [call, call]},
                {"role": "user", "parts": [result, result, {"text": "and?"}]},
            ]
        }
    ).encode()
    request = decode_request(body)
    _, asked, first, second, more = [_plain(message) for message in request.messages]
    ids = [call["id"] for call in asked["tool_calls"]]
    assert len(set(ids)) == 2
    assert [first["tool_call_id"], second["tool_call_id"]] == ids
    assert first["content"] == "x"
    assert more == {"role": "user", "content": "and?"}
    assert decode_request(body) == request


def _plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def test_a_changed_request_is_written_anew() -> None:
    """What came is sent as it came only while it is still meant: a changed message, tool or limit is written."""
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "one"}], "native_field": 1},
            {"role": "user", "parts": [{"text": "two"}], "native_field": 2},
        ],
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
        "api_key": "stolen",
        "generationConfig": {
            "temperature": 1,
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "thinkingConfig": {"thinkingBudget": -1},
        },
        "tools": [{"codeExecution": {}}, {"googleSearch": {}}],
    }
    request = decode_request(json.dumps(body).encode())
    changed = msgspec.structs.replace(
        request,
        messages=(msgspec.structs.replace(request.messages[0], content="ONE"), *request.messages[1:]),
        reasoning=Reasoning(effort="none"),
        temperature=None,
    )
    fields = request_fields(
        changed,
        upstream_model="gemini-2.5-flash",
        max_tokens=5,
        parameters=frozenset(),
        quirks=Quirks(),
        same_format=True,
    )
    assert fields["contents"] == [
        {"role": "user", "parts": [{"text": "ONE"}]},
        {"role": "user", "parts": [{"text": "two"}], "nativeField": 2},
    ]
    assert fields["generationConfig"] == {
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "maxOutputTokens": 5,
        "thinkingConfig": {"includeThoughts": False, "thinkingBudget": 0},
    }
    assert fields["safetySettings"] == body["safetySettings"]
    assert fields["cachedContent"] == "cachedContents/x"
    assert fields["tools"] == body["tools"]
    assert "apiKey" not in fields
    elsewhere = request_fields(
        request,
        upstream_model="gemini-2.5-flash",
        max_tokens=None,
        parameters=frozenset(),
        quirks=Quirks(),
        same_format=False,
    )
    assert elsewhere.keys() == {"contents", "generationConfig", "tools"}
    assert elsewhere["tools"] == [{"googleSearch": {}}]


def test_count_tokens() -> None:
    """Bare contents go bare; a request with more is wrapped for the Gemini API, and Vertex takes it flat."""
    request = decode_count_request(
        b'{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"a"}]}],'
        b'"system_instruction":{"parts":{"text":"s"}}}}'
    )
    assert request.model == "m"
    wrapped = json.loads(encode_count_request(request, upstream_model="m"))["generateContentRequest"]
    assert wrapped["model"] == "models/m"
    assert wrapped["systemInstruction"] == {"parts": [{"text": "s"}]}
    flat = json.loads(encode_count_request(request, upstream_model="m", vertex=True))
    assert flat.keys() == {"contents", "systemInstruction"}
    assert count_path("m") == "/models/m:countTokens"


def test_paths() -> None:
    """The URL says the model and whether to stream."""
    assert path("gemini-2.5-pro", stream=False) == "/models/gemini-2.5-pro:generateContent"
    assert path("tunedModels/x", stream=True) == "/tunedModels/x:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "contents"),
        (b'{"contents":[]}', "contents"),
        (b'{"contents":[{"parts":[{"text":1}]}]}', "contents[0].parts[0].text"),
        (b'{"contents":[{"role":"system","parts":[{"text":"a"}]}]}', "contents[0].role"),
        (b'{"contents":[{"parts":["a"]}]}', "contents[0].parts[0]"),
        (b'{"contents":[{"parts":[{"inlineData":{}}]}]}', "contents[0].parts[0].inlineData.data"),
        (
            b'{"contents":[{"parts":[{"text":"a"}]}],"generation_config":{"temperature":3}}',
            "generationConfig.temperature",
        ),
        (b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{}]}]}', None),
        (b"[1]", None),
        (b"not json", None),
        (b'{"contents":' + b"[" * 100 + b"]" * 100 + b"}", None),
        (b'{"contents":[{"parts":[{"text":"\\ud800"}]}]}', None),
    ],
)
def test_hostile_bodies(body: bytes, param: str | None) -> None:
    """A wrong body is the caller's mistake, and the field is named."""
    with pytest.raises(InvalidRequest) as raised:
        decode_request(body)
    if param is not None:
        assert raised.value.param == param


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.text(min_size=1, max_size=8)
PARTS = st.one_of(
    st.fixed_dictionaries({"text": st.text(max_size=8)}),
    st.fixed_dictionaries({"text": st.text(max_size=8), "thought": st.just(True), "thoughtSignature": WORDS}),
    st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": WORDS, "args": st.dictionaries(WORDS, JSON, max_size=2)})}
    ),
    st.fixed_dictionaries({"inlineData": st.fixed_dictionaries({"mimeType": st.just("image/png"), "data": WORDS})}),
    st.fixed_dictionaries({"executableCode": st.fixed_dictionaries({"code": WORDS})}),
)
CONTENTS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "model"]), "parts": st.lists(PARTS, min_size=1, max_size=4)}
    ),
    min_size=1,
    max_size=4,
)


@given(CONTENTS)
def test_whatever_comes_goes_to_google_as_it_came(contents: list[dict[str, Any]]) -> None:
    """decode, then encode for the same format: the same contents, in any mix and order of parts."""
    request = decode_request(json.dumps({"contents": contents}).encode())
    body = encode_request(request, upstream_model="gemini-3-pro", max_tokens=None, stream=True, same_format=True)
    assert json.loads(body) == {"contents": contents}


@given(CONTENTS)
def test_written_anew_it_means_the_same(contents: list[dict[str, Any]]) -> None:
    """Written in our own words and read again, the text, the calls and the pictures are the same."""
    request = decode_request(json.dumps({"contents": contents}).encode())
    body = encode_request(request, upstream_model="gemini-2.5-pro", max_tokens=None, stream=True)
    again = decode_request(body)
    assert _said(again) == _said(request)


def _said(request: ChatRequest) -> list[Any]:
    said: list[Any] = []
    for message in request.messages:
        plain = _plain(message)
        said += [call["function"] for call in plain.get("tool_calls") or ()] + (plain.get("images") or [])
        text = plain.get("content") or ""
        for part in text if isinstance(text, list) else [{"type": "text", "text": text}]:
            if part["type"] == "tollway:native":
                part = {"type": "text", "text": part.get("text", "")}  # what other formats say in its place
            said += [json.dumps(part)] if part.get("text") != "" else []
    return said
