"""`provider.options`: what is sent to the provider, and that nothing which a bill depends on can be said by it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest, Tool, ToolFunction, UserMessage
from tollway.domain.quirks import Quirks
from tollway.wire.formats import CLIENTS
from tollway.wire.never_forwarded import NEVER
from tollway.wire.provider_options import ALLOWED, with_options

CHATS = [wire_format for wire_format in CLIENTS if wire_format is not WireFormat.VOYAGE]
BILLED = {
    # how long the answer is, and how many there are
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample", "maxOutputTokens"),
    *("maxTokens", "n", "best_of", "candidateCount", "thinking", "thinkingConfig", "reasoning", "reasoning_effort"),
    *("enable_thinking", "thinking_budget", "chat_template_kwargs", "additionalModelRequestFields"),
    # what is read
    *("model", "models", "messages", "prompt", "input", "instructions", "system", "systemInstruction", "contents"),
    *("previous_response_id", "conversation", "cachedContent", "documents", "tools", "toolConfig", "functions"),
    *("prediction", "safe_prompt", "mcp_servers", "response_format", "responseSchema"),
    # what has a price of its own
    *("service_tier", "speed", "performanceConfig", "web_search_options", "plugins", "search_parameters", "provider"),
    *("modalities", "audio", "responseModalities", "mediaResolution", "cache_control", "store", "background"),
    # how it is answered
    *("stream", "stream_options", "user", "metadata"),
}
REQUEST = ChatRequest(
    messages=(UserMessage("Hello"),),
    temperature=0.5,
    tools=(Tool(function=ToolFunction("f", parameters={"type": "object"})),),
)


def body_of(wire_format: WireFormat, request: ChatRequest = REQUEST) -> bytes:
    """As it is sent without options."""
    return CLIENTS[wire_format].encode_request(
        request,
        upstream_model="m",
        max_tokens=100,
        stream=False,
        parameters=frozenset(),
        quirks=Quirks(),
        user_id=None,
        same_format=False,
    )


def test_no_list_names_what_is_billed() -> None:
    """Nor what is sent to no provider whatever."""
    assert set(ALLOWED) == set(CHATS)
    for places in ALLOWED.values():
        for place, names in places.items():
            assert not names & (BILLED | NEVER)
            assert place not in names


VALUES = st.none() | st.booleans() | st.integers(-10, 10**9) | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
EVERY_NAME = sorted({name for places in ALLOWED.values() for names in places.values() for name in names})
NAMES = st.sampled_from([*EVERY_NAME, *sorted(BILLED), *sorted(NEVER), "anything", ""])
PLACES = st.sampled_from(sorted({place for places in ALLOWED.values() for place in places if place}))
OPTIONS = st.dictionaries(NAMES, VALUES, max_size=6) | st.builds(
    lambda flat, place, inner: {**flat, place: inner},
    st.dictionaries(NAMES, VALUES, max_size=3),
    PLACES,
    st.dictionaries(NAMES, VALUES, max_size=6) | VALUES,
)


@pytest.mark.parametrize("wire_format", CHATS)
@given(options=OPTIONS)
def test_all_that_is_billed_stays_as_it_was(wire_format: WireFormat, options: dict[str, Any]) -> None:
    """Whatever the options say: but for the names of the list the body is the one for which the hold was made."""
    before = body_of(wire_format)
    after = json.loads(with_options(before, wire_format, options))
    unchanged = json.loads(before)
    allowed = ALLOWED[wire_format]
    for place in [place for place in allowed if place and (place in after or place in unchanged)]:
        inner, was = after.pop(place, {}), unchanged.pop(place, {})
        assert {name: inner[name] for name in inner if name not in allowed[place]} == {
            name: was[name] for name in was if name not in allowed[place]
        }
    free = allowed.get("", frozenset())
    assert {name: after[name] for name in after if name not in free} == {
        name: unchanged[name] for name in unchanged if name not in free
    }


@pytest.mark.parametrize(
    ("wire_format", "options", "place", "sent"),
    [
        (WireFormat.OPENAI_CHAT, {"random_seed": 7, "temperature": 0}, "", {"random_seed": 7, "temperature": 0}),
        (WireFormat.ANTHROPIC_MESSAGES, {"top_k": 3}, "", {"top_k": 3, "temperature": 0.5}),
        (WireFormat.GEMINI, {"safetySettings": []}, "", {"safetySettings": []}),
        (
            WireFormat.GEMINI,
            {"generationConfig": {"topK": 4, "maxOutputTokens": 9**9}},
            "generationConfig",
            {"topK": 4, "temperature": 0.5, "maxOutputTokens": 100},
        ),
        (
            WireFormat.BEDROCK_CONVERSE,
            {"inferenceConfig": {"topP": 1, "maxTokens": 9**9}},
            "inferenceConfig",
            {"topP": 1, "maxTokens": 100},
        ),
        (WireFormat.COHERE_CHAT, {"k": 2}, "", {"k": 2}),
        (WireFormat.OPENAI_RESPONSES, {"top_p": 1}, "", {"top_p": 1}),
    ],
)
def test_what_is_sent(wire_format: WireFormat, options: dict[str, Any], place: str, sent: dict[str, Any]) -> None:
    """Options win over the request's own, in the body or in the object where the format has them."""
    found = json.loads(with_options(body_of(wire_format), wire_format, options))
    found = found[place] if place else found
    assert {name: found[name] for name in sent} == sent


def test_what_changes_nothing() -> None:
    """Nothing to send, or what this provider refuses: the very bytes."""
    before = body_of(WireFormat.OPENAI_CHAT)
    for options in ({}, {"n": 8}, {"": {"seed": 1}}):
        assert with_options(before, WireFormat.OPENAI_CHAT, options) is before
    assert with_options(before, WireFormat.OPENAI_CHAT, {"seed": 1}, frozenset({"seed"})) is before
    assert with_options(before, WireFormat.GEMINI, {"generationConfig": 7}) is before
