"""What each provider of OpenAI's chat format is told in its own way: reasoning, JSON, prefills, names, ids, ranges."""

import json
from typing import Any

import pytest

from tollway.domain.quirks import Quirks
from tollway.providers import PROVIDERS
from tollway.wire.call_ids import made
from tollway.wire.openai_chat.client import encode_request
from tollway.wire.openai_chat.server import decode_request

QUIRKS = {slug: provider.quirks for slug, provider in PROVIDERS.items()}
HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "person", "description": "A person.", "schema": SCHEMA}}
ANY_JSON = {"type": "json_object"}


def sent(
    fields: dict[str, Any],
    quirks: Quirks | None = None,
    *,
    model: str = "m",
    parameters: frozenset[str] = frozenset(),
    same_format: bool = True,
) -> dict[str, Any]:
    """The JSON that goes out."""
    request = decode_request(json.dumps({"messages": [HI], **fields}).encode())
    body = encode_request(
        request,
        upstream_model=model,
        max_tokens=request.output_limit,
        stream=False,
        parameters=parameters,
        quirks=quirks or Quirks(),
        same_format=same_format,
    )
    return dict(json.loads(body))


XHIGH = {"reasoning_effort": "xhigh"}
HIGH, OFF, BUDGET = (
    {"reasoning": {"effort": "high"}},
    {"reasoning": {"enabled": False}},
    {"reasoning": {"max_tokens": 2000}},
)


@pytest.mark.parametrize(
    ("provider", "model", "fields", "told"),
    [
        ("openai", "o3", {"reasoning": {"effort": "minimal"}}, {"reasoning_effort": "low"}),
        ("openai", "gpt-5", BUDGET | {"max_tokens": 10_000}, {"reasoning_effort": "low"}),
        ("xai", "grok-3-mini", {"reasoning_effort": "medium"}, {"reasoning_effort": "low"}),
        ("mistral", "mistral-small-latest", HIGH, {"reasoning_effort": "high"}),
        ("openrouter", "x/y", BUDGET, {"reasoning": {"max_tokens": 2000}}),
        ("alibaba", "qwen-plus", HIGH, {"enable_thinking": True}),
        ("alibaba", "qwen-plus", HIGH | {"max_tokens": 10_000}, {"enable_thinking": True, "thinking_budget": 8000}),
        ("alibaba", "qwen-plus", BUDGET, {"enable_thinking": True, "thinking_budget": 2000}),
        ("alibaba", "qwen-plus", OFF, {"enable_thinking": False}),
        ("vllm", "Qwen/Qwen3-8B", HIGH, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}),
        ("vllm", "openai/gpt-oss-20b", HIGH, {"reasoning_effort": "high"}),
        ("zai", "glm-4.6", HIGH, {"thinking": {"type": "enabled"}}),
        ("zhipuai", "glm-4.6", OFF, {"thinking": {"type": "disabled"}}),
        ("deepseek", "deepseek-v4-pro", HIGH, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", "deepseek-v4-pro", XHIGH, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", "deepseek-v4-pro", OFF, {"thinking": {"type": "disabled"}}),
        ("moonshotai", "kimi-k2.6", OFF, {"thinking": {"type": "disabled"}}),
        ("nvidia", "qwen/qwen3", OFF, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("groq", "openai/gpt-oss-120b", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}),
        ("groq", "qwen/qwen3-32b", HIGH, {"reasoning_format": "parsed"}),
        ("groq", "qwen/qwen3-32b", {"reasoning": {"effort": "high", "exclude": True}}, {"reasoning_format": "hidden"}),
        ("groq", "qwen/qwen3-32b", OFF, {"reasoning_effort": "none"}),
    ],
)  # fmt: skip
def test_reasoning(provider: str, model: str, fields: dict[str, Any], told: dict[str, Any]) -> None:
    """OPENROUTER.md 9.1, in the words of each provider's page; nothing where nothing is wished, or none reasons."""
    names = ("reason", "think", "chat_template")
    quirks = QUIRKS.get(provider, Quirks())

    def said(body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if any(each in name for each in names)}

    assert said(sent(fields, quirks, model=model)) == told
    assert said(sent({}, quirks, model=model)) == {}
    assert said(sent(fields, quirks, model=model, parameters=frozenset({"temperature"}))) == {}


def test_the_callers_own_words_stand() -> None:
    """Who knows the provider's word for it has said it."""
    groq = {"reasoning_effort": "high", "reasoning_format": "raw"}
    assert sent(groq, QUIRKS["groq"], model="qwen/qwen3-32b")["reasoning_format"] == "raw"


@pytest.mark.parametrize(
    ("quirks", "parameters", "wanted", "told", "in_words"),
    [
        (Quirks(), frozenset(), BY_SCHEMA, BY_SCHEMA, False),
        (Quirks(), frozenset({"structured_outputs"}), BY_SCHEMA, BY_SCHEMA, False),
        (Quirks(), frozenset({"response_format"}), BY_SCHEMA, ANY_JSON, True),
        (Quirks(), frozenset({"response_format"}), ANY_JSON, ANY_JSON, False),
        (Quirks(), frozenset({"temperature"}), BY_SCHEMA, None, True),
        (Quirks(), frozenset({"temperature"}), ANY_JSON, None, True),
        (QUIRKS["deepseek"], frozenset({"response_format", "structured_outputs"}), BY_SCHEMA, ANY_JSON, True),
        (QUIRKS["zai"], frozenset(), ANY_JSON, ANY_JSON, False),
        (Quirks(structured_output="words"), frozenset(), ANY_JSON, None, True),
        (Quirks(drop=frozenset({"response_format"})), frozenset(), BY_SCHEMA, None, True),
        (Quirks(), frozenset({"temperature"}), {"type": "text"}, None, False),
    ],
)
def test_structured_output(
    quirks: Quirks, parameters: frozenset[str], wanted: dict[str, Any], told: dict[str, Any] | None, in_words: bool
) -> None:
    """As a format where the endpoint has it, as any JSON with the schema in words, or in words alone."""
    body = sent({"response_format": wanted}, quirks, parameters=parameters)
    assert body.get("response_format") == told
    assert (body["messages"][0]["role"] == "system") is in_words
    if in_words:
        assert "JSON" in body["messages"][0]["content"]
        assert (json.dumps(SCHEMA, separators=(",", ":")) in body["messages"][0]["content"]) is (wanted is BY_SCHEMA)


def test_words_join_the_system_prompt() -> None:
    """Some models take one system message, and that at the beginning."""
    for content in ("Be brief.", [{"type": "text", "text": "Be brief."}]):
        messages = [{"role": "system", "content": content}, HI]
        body = sent({"messages": messages, "response_format": ANY_JSON}, Quirks(structured_output="words"))
        assert [message["role"] for message in body["messages"]] == ["system", "user"]
        assert "Be brief." in json.dumps(body["messages"][0])
        assert "JSON" in json.dumps(body["messages"][0])


PREFILL = [HI, {"role": "assistant", "content": "My best guess is"}]


@pytest.mark.parametrize(
    ("quirks", "mark"),
    [
        (Quirks(), {}),
        (QUIRKS["mistral"], {"prefix": True}),
        (QUIRKS["moonshotai"], {"partial": True}),
        (QUIRKS["alibaba"], {"partial": True}),
    ],
)
def test_prefill(quirks: Quirks, mark: dict[str, bool]) -> None:
    """A last message of the assistant's is the start of the answer; earlier ones, and calls, are not."""
    assert sent({"messages": PREFILL}, quirks)["messages"][-1] == {**PREFILL[-1], **mark}
    assert sent({"messages": [*PREFILL, HI]}, quirks)["messages"][1] == PREFILL[-1]
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    calling = {"role": "assistant", "content": "hm", "tool_calls": [call]}
    assert sent({"messages": [HI, calling]}, quirks)["messages"][-1] == calling


def test_prefill_as_vllm_has_it() -> None:
    """Beside the messages."""
    body = sent({"messages": PREFILL}, QUIRKS["vllm"])
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert "continue_final_message" not in sent({}, Quirks(prefill="continue"))


def test_names() -> None:
    """OpenAI's format has names, Mistral and Groq refuse them: there they stand in front (seed, "Messages")."""
    messages = [
        {"role": "system", "name": "boss", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": "hi"},
        {"role": "user", "name": "bob", "content": [{"type": "text", "text": "ho"}, {"type": "text", "text": "hum"}]},
        {"role": "assistant", "name": "eve", "content": "yes"},
        {"role": "user", "content": "and?"},
    ]
    assert [message.get("name") for message in sent({"messages": messages})["messages"]] == [
        "boss",
        "ann",
        "bob",
        "eve",
        None,
    ]
    for provider in ("mistral", "groq"):
        body = sent({"messages": messages}, QUIRKS[provider])
        assert [message["content"] for message in body["messages"]] == [
            "boss: Be brief.",
            "ann: hi",
            [{"type": "text", "text": "bob: ho"}, {"type": "text", "text": "hum"}],
            "eve: yes",
            "and?",
        ]
        assert not any("name" in message for message in body["messages"])


def conversation(*ids: str) -> list[dict[str, Any]]:
    """A turn with a call and its result for each id."""
    messages: list[dict[str, Any]] = [HI]
    for each in ids:
        call = {"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": each, "content": "1"})
    return messages


@pytest.mark.parametrize(
    ("quirks", "same_format", "given", "told"),
    [
        (Quirks(), True, ("call_0", "call_0"), ("call_0", "call_0")),
        (Quirks(), False, ("call_0", "call_0"), ("call_0", made("call_0"))),
        (QUIRKS["mistral"], True, ("abcDEF123", "call_0"), ("abcDEF123", made("call_0"))),
        (QUIRKS["openai"], True, ("x" * 40, "x" * 41), ("x" * 40, made("x" * 41))),
        (QUIRKS["openai"], True, ("call_1", "call_1"), ("call_1", made("call_1"))),
    ],
)
def test_ids_of_calls(quirks: Quirks, same_format: bool, given: tuple[str, ...], told: tuple[str, ...]) -> None:
    """Legal for the provider and unique, and results find their calls; untouched where nobody minds."""
    messages = sent({"messages": conversation(*given)}, quirks, same_format=same_format)["messages"]
    assert tuple(message["tool_calls"][0]["id"] for message in messages if message.get("tool_calls")) == told
    assert tuple(message["tool_call_id"] for message in messages if message["role"] == "tool") == told


def test_ranges() -> None:
    """What lies outside a provider's range is moved to its border, and nothing is defaulted in."""
    assert sent({"temperature": 1.9}, QUIRKS["mistral"])["temperature"] == 1.5
    assert sent({"temperature": 1.9}, QUIRKS["zai"])["temperature"] == 1
    assert sent({"temperature": 0.3}, QUIRKS["zai"])["temperature"] == 0.3
    assert "temperature" not in sent({}, QUIRKS["zai"])
    assert "temperature" not in sent({"temperature": 1.9}, QUIRKS["zai"], parameters=frozenset({"stop"}))


def test_verbosity() -> None:
    """OpenAI's words end at "high"; a router takes Claude's, too."""
    assert sent({"verbosity": "max"})["verbosity"] == "high"
    assert sent({"verbosity": "low"})["verbosity"] == "low"
    assert sent({"verbosity": "max"}, QUIRKS["openrouter"])["verbosity"] == "max"


def test_strict_providers() -> None:
    """What OpenAI alone knows would cost a 422 elsewhere."""
    fields = {
        "service_tier": "flex",
        "store": True,
        "safety_identifier": "x",
        "prompt_cache_key": "k",
        "logit_bias": {"1": 1},
    }
    assert set(sent(fields, QUIRKS["mistral"])) == {"model", "messages", "prompt_cache_key"}
    assert set(sent(fields, QUIRKS["openai"])) == {"model", "messages", *fields}


@pytest.mark.parametrize("slug", sorted(QUIRKS))
def test_routers_fields_go_to_routers(slug: str) -> None:
    """A mark on the whole request and the like: no other provider knows them, however it is asked to reason."""
    fields = {"cache_control": {"type": "ephemeral"}, "top_a": 0.5, "image_config": {"aspect_ratio": "1:1"}}
    is_router = QUIRKS[slug].reasoning_style == "object"
    assert set(sent({**HIGH, **fields}, QUIRKS[slug])) & fields.keys() == (fields.keys() if is_router else set())


def test_thoughts_go_back_under_the_providers_name() -> None:
    """DeepSeek, Kimi and GLM want them as `reasoning_content`, whichever field they came in, or none at all."""
    detail = {"type": "reasoning.text", "text": "hm", "format": "unknown", "index": 0}
    for said in ({"reasoning": "hm"}, {"reasoning_content": "hm"}, {"reasoning_details": [detail]}):
        turn = {"role": "assistant", "content": "yes", **said}
        for provider in ("deepseek", "moonshotai", "zai"):
            body = sent({"messages": [HI, turn, HI]}, QUIRKS[provider])
            assert body["messages"][1] == {"role": "assistant", "content": "yes", "reasoning_content": "hm"}
        assert sent({"messages": [HI, turn, HI]}, QUIRKS["mistral"])["messages"][1].keys() == {"role", "content"}
        assert sent({"messages": [HI, turn, HI]}, QUIRKS["openrouter"])["messages"][1].get(
            "reasoning_details"
        ) == said.get("reasoning_details")


def test_alternation() -> None:
    """Perplexity refuses two messages in a row of one role: they go as one, calls and their results as they are."""
    turns = [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "user", "content": [{"type": "text", "text": "c"}]},
        {"role": "assistant", "content": "d"},
        {"role": "assistant", "content": "e"},
        *conversation("call_1", "call_2")[1:],
    ]
    messages = sent({"messages": turns}, QUIRKS["perplexity"])["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "tool"]
    assert [part["text"] for part in messages[0]["content"]] == ["a\n\nb", "c"]
    assert (messages[1]["content"], messages[1]["tool_calls"][0]["id"]) == ("d\n\ne", "call_1")
    assert len(sent({"messages": turns})["messages"]) == len(turns)
