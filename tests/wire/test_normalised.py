"""What a caller of OpenAI's chat format wishes, as the other formats are told it."""

import json
import re
from typing import Any

import pytest

from tollway.domain.quirks import Quirks
from tollway.providers import PROVIDERS
from tollway.wire.anthropic_messages import client as messages_format
from tollway.wire.anthropic_messages import server as messages_server
from tollway.wire.claude import GO_ON
from tollway.wire.closed_schema import STRUCTURED_TOOL
from tollway.wire.formats import Client
from tollway.wire.gemini import client as gemini
from tollway.wire.openai_chat.server import decode_request
from tollway.wire.openai_responses import client as responses
from tollway.wire.openai_responses import server as responses_server

HI = {"role": "user", "content": "hi"}
CLAUDE, OLD_CLAUDE, NEW_CLAUDE = "claude-sonnet-4-5", "claude-3-7-sonnet-20250219", "claude-opus-4-8"
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def sent(
    wire: Client,
    fields: dict[str, Any],
    model: str = "m",
    *,
    parameters: frozenset[str] = frozenset(),
    quirks: Quirks | None = None,
) -> dict[str, Any]:
    """The JSON that goes out to a provider of this format."""
    request = decode_request(json.dumps({"messages": [HI], **fields}).encode())
    body = wire.encode_request(
        request,
        upstream_model=model,
        max_tokens=request.output_limit,
        stream=False,
        parameters=parameters,
        quirks=quirks or Quirks(),
        user_id=None,
        same_format=False,
    )
    return dict(json.loads(body))


def calling(*ids: str) -> list[dict[str, Any]]:
    """A turn with a call and its result for each id."""
    turns: list[dict[str, Any]] = [HI]
    for each in ids:
        call = {"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns.append({"role": "assistant", "content": None, "tool_calls": [call]})
        turns.append({"role": "tool", "tool_call_id": each, "content": "1"})
    return turns


NAMED = [
    {"role": "system", "name": "boss", "content": "Be brief."},
    {"role": "user", "name": "ann", "content": "hi"},
    {"role": "assistant", "name": "eve", "content": "yes"},
    {
        "role": "user",
        "name": "bob",
        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
    },
]


@pytest.mark.parametrize("wire", [messages_format, gemini, responses])
def test_names(wire: Client) -> None:
    """They stand in front of what is said (seed, "Messages"), of every role, and before a picture by themselves."""
    body = sent(wire, {"messages": NAMED})
    texts = re.findall(r'"(?:text|content|instructions|system)":"([^"]+)"', json.dumps(body, separators=(",", ":")))
    assert sorted(texts) == ["ann: hi", "bob:", "boss: Be brief.", "eve: yes"]
    assert '"name"' not in json.dumps(body)


@pytest.mark.parametrize(("wire", "pattern"), [(messages_format, "[a-zA-Z0-9_-]{1,64}"), (responses, ".{1,64}")])
def test_ids_of_calls(wire: Client, pattern: str) -> None:
    """Legal and unique, whatever other providers made of them; each result names its call."""
    text = json.dumps(sent(wire, {"messages": calling("call_1", "call_1", "x" * 80, "functions.f:0"), "tools": TOOLS}))
    calls = re.findall(r'"type": "(?:tool_use|function_call)", "(?:id|call_id)": "([^"]*)"', text)
    results = re.findall(r'"(?:tool_use_id|call_id)": "([^"]*)", "(?:content|output)"', text)
    assert len(set(calls)) == 4
    assert results == calls
    assert all(re.fullmatch(pattern, each) for each in calls)
    assert calls[0] == "call_1"


GUESS = {"role": "assistant", "content": [{"type": "text", "text": "My guess"}]}
ASKED = {"role": "user", "content": [{"type": "text", "text": GO_ON}]}


@pytest.mark.parametrize(
    ("model", "fields", "last"),
    [
        (CLAUDE, {}, GUESS),
        (CLAUDE, {"reasoning": {"enabled": False}}, GUESS),
        (CLAUDE, {"reasoning": {"effort": "high"}}, ASKED),
        ("claude-opus-4-6", {}, ASKED),
        (NEW_CLAUDE, {}, ASKED),
    ],
)  # fmt: skip
def test_prefill_for_claude(model: str, fields: dict[str, Any], last: dict[str, Any]) -> None:
    """Continued where the model can; where it refuses to end on its own words, it is asked to go on."""
    fields = {"messages": [HI, {"role": "assistant", "content": "My guess "}], "max_tokens": 9_000, **fields}
    assert sent(messages_format, fields, model)["messages"][-1] == last


def test_prefill_for_others() -> None:
    """It is the last of what was said."""
    prefill = {"messages": [HI, {"role": "assistant", "content": "My guess"}]}
    assert sent(gemini, prefill)["contents"][-1] == {"role": "model", "parts": [{"text": "My guess"}]}
    assert sent(responses, prefill)["input"][-1]["role"] == "assistant"


SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
FOREIGN = {"type": "reasoning.encrypted", "data": "d", "format": "openai-responses-v1", "index": 0, "id": "rs_1"}


@pytest.mark.parametrize(
    ("details", "after", "thinks"),
    [
        (None, [], False),
        ([FOREIGN], [], False),
        ([SIGNED], [], True),
        (None, [HI], False),
        (None, [{"role": "assistant", "content": "one"}, HI], True),
    ],
)
def test_claude_thinks_on_where_its_thoughts_are(
    details: list[dict[str, Any]] | None, after: list[dict[str, Any]], thinks: bool
) -> None:
    """Docs, extended thinking: a tool's result needs the thoughts before its call, an earlier turn's are not missed."""
    turns = calling("a")
    turns[1] |= {"reasoning_details": details} if details else {}
    fields = {"messages": [*turns, *after], "tools": TOOLS, "reasoning": {"effort": "high"}, "max_tokens": 9_000}
    assert ("thinking" in sent(messages_format, fields, CLAUDE)) is thinks


def test_sampling_for_claude() -> None:
    """From Opus 4.7 on Anthropic's models refuse it (docs, "Migrating to Claude Opus 4.7")."""
    fields = {"temperature": 0.5, "top_k": 3}
    assert sent(messages_format, fields, CLAUDE).keys() >= fields.keys()
    assert sent(messages_format, fields, NEW_CLAUDE).keys().isdisjoint(fields)
    assert sent(messages_format, fields, "MiniMax-M2").keys() >= fields.keys()


def test_budgets_for_claude() -> None:
    """A word ends at 32,000 tokens; who names them gets what he named."""
    high = {"reasoning": {"effort": "high"}, "max_tokens": 64_000}
    assert sent(messages_format, high, CLAUDE)["thinking"]["budget_tokens"] == 32_000
    named = {"reasoning": {"max_tokens": 50_000}, "max_tokens": 64_000}
    assert sent(messages_format, named, CLAUDE)["thinking"]["budget_tokens"] == 50_000


@pytest.mark.parametrize(
    ("model", "quirks", "parameters", "way"),
    [
        (CLAUDE, Quirks(), frozenset(), "native"),
        ("claude-opus-4-1", Quirks(), frozenset(), "native"),
        (OLD_CLAUDE, Quirks(), frozenset(), "tool"),
        ("claude-opus-4-0", Quirks(), frozenset(), "tool"),
        (CLAUDE, Quirks(structured_output="tool"), frozenset(), "tool"),
        (CLAUDE, Quirks(), frozenset({"temperature"}), "words"),
        ("MiniMax-M2", Quirks(structured_output="words"), frozenset(), "words"),
    ],
)
def test_json_for_claude(model: str, quirks: Quirks, parameters: frozenset[str], way: str) -> None:
    """As a format of the answer, for models older than that as a tool, and in words where nothing is known."""
    body = sent(messages_format, {"response_format": BY_SCHEMA}, model, parameters=parameters, quirks=quirks)
    assert ("output_config" in body) is (way == "native")
    assert (body.get("tool_choice") == {"type": "tool", "name": STRUCTURED_TOOL}) is (way == "tool")
    assert ("JSON Schema" in json.dumps(body.get("system", ""))) is (way == "words")


def test_anthropic_takes_json_whatever_the_catalog_lists() -> None:
    """Its quirks say so, since the catalog does not."""
    takes = PROVIDERS["anthropic"].quirks.takes
    assert {"response_format", "structured_outputs"} <= takes[""]


@pytest.mark.parametrize(
    ("model", "fields", "parameters", "native"),
    [
        ("gemini-2.5-flash", {}, frozenset(), True),
        ("gemini-2.5-flash", {"tools": TOOLS}, frozenset(), False),
        ("gemini-3-pro-preview", {"tools": TOOLS}, frozenset(), True),
        ("gemma-3", {}, frozenset({"temperature"}), False),
    ],
)
def test_json_for_gemini(model: str, fields: dict[str, Any], parameters: frozenset[str], native: bool) -> None:
    """Before Gemini 3 JSON and functions exclude each other; then, and where it is not listed, words ask for it."""
    body = sent(gemini, {"response_format": BY_SCHEMA, **fields}, model, parameters=parameters)
    assert ("responseJsonSchema" in body.get("generationConfig", {})) is native
    assert ("JSON Schema" in json.dumps(body.get("systemInstruction", ""))) is not native


def test_json_for_responses() -> None:
    """As `text.format`, or in words."""
    assert "format" in sent(responses, {"response_format": BY_SCHEMA})["text"]
    body = sent(responses, {"response_format": BY_SCHEMA}, parameters=frozenset({"temperature"}))
    assert "text" not in body
    assert "JSON Schema" in body["instructions"]


@pytest.mark.parametrize(
    ("wire", "model", "fields", "told"),
    [
        (responses, "gpt-5-pro", {"reasoning_effort": "low"}, {"effort": "high"}),
        (responses, "o3", {"reasoning": {"effort": "minimal", "exclude": True}}, {"effort": "low"}),
        (responses, "gpt-5", {"reasoning": {"max_tokens": 9_000}, "max_tokens": 20_000}, {"effort": "medium"}),
        (responses, "gpt-5", {"reasoning": {"max_tokens": 9_000}}, {"effort": "medium"}),
        (responses, "gpt-5.1", {"reasoning": {"enabled": False}}, {"effort": "none"}),
        (gemini, "gemini-3-flash", {"reasoning": {"max_tokens": 9_000}}, {"thinkingLevel": "medium"}),
        (gemini, "gemini-2.5-flash", {"reasoning": {"max_tokens": 90_000}}, {"thinkingBudget": 24_576}),
        (gemini, "gemini-2.5-pro", {"reasoning": {"effort": "high"}, "max_tokens": 9_000}, {"thinkingBudget": 7_200}),
    ],
)  # fmt: skip
def test_reasoning(wire: Client, model: str, fields: dict[str, Any], told: dict[str, Any]) -> None:
    """OPENROUTER.md 9.1: tokens as words where words are all that is known, and words as the model has them."""
    body = sent(wire, fields, model)
    found = body.get("reasoning", body.get("generationConfig", {}).get("thinkingConfig"))
    shown = {"summary": "auto"} if wire is responses else {"includeThoughts": True}
    is_shown = (
        not fields["reasoning"].get("exclude") and told.get("effort") != "none" if "reasoning" in fields else True
    )
    assert found == {**told, **(shown if is_shown else {})}


def test_verbosity_for_responses() -> None:
    """OpenAI's words end at "high"."""
    assert sent(responses, {"verbosity": "max"})["text"] == {"verbosity": "high"}


def test_unreadable_thoughts_of_others_stay_away_from_openai() -> None:
    """An item without an id of OpenAI's is refused: "reasoning.text" of a provider that names no format is none."""
    turn = {
        "role": "assistant",
        "content": "yes",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}],
    }
    assert [item.get("type", item.get("role")) for item in sent(responses, {"messages": [HI, turn, HI]})["input"]] == [
        "user",
        "assistant",
        "user",
    ]


def test_a_mark_on_the_whole_request() -> None:
    """Automatic caching: as it is for Anthropic, on the last block for Vertex AI, which does not know it."""
    fields = {
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "messages": [HI, {"role": "assistant", "content": "a"}, HI],
    }
    assert sent(messages_format, fields, CLAUDE)["cache_control"] == fields["cache_control"]
    body = sent(messages_format, fields, CLAUDE, quirks=PROVIDERS["google-vertex-anthropic"].quirks)
    assert "cache_control" not in body
    assert ["cache_control" in turn["content"][-1] for turn in body["messages"]] == [False, False, True]


def test_words_in_the_same_format() -> None:
    """A schema is not dropped in silence where the endpoint lists none: the caller's own format gets words, too."""
    form = {"type": "json_schema", "schema": SCHEMA}
    listed = frozenset({"temperature"})
    own = {"model": "m", "max_tokens": 9, "messages": [HI], "output_config": {"format": form}}
    request = messages_server.decode_request(json.dumps(own).encode())
    options: dict[str, Any] = {"upstream_model": "m", "max_tokens": 9, "stream": False, "parameters": listed}
    body = json.loads(messages_format.encode_request(request, **options, same_format=True))
    assert "JSON Schema" in json.dumps(body["system"])
    asked = {"model": "m", "input": "hi", "text": {"format": {"name": "x", **form}}}
    request = responses_server.decode_request(json.dumps(asked).encode())
    body = json.loads(responses.encode_request(request, **options, same_format=True))
    assert "JSON Schema" in json.dumps(body["input"])
