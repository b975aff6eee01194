"""Which spellings are one name, and which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.catalog.match import ModelIndex
from tollway.catalog.names import loose, read_name

SAME = [
    ("anthropic/claude-sonnet-4.5", "claude-4-5-sonnet"),
    ("anthropic/claude-3.5-haiku", "claude-haiku-3.5"),
    ("us.anthropic.claude-opus-4-6-v1", "anthropic--claude-4.6-opus"),
    ("claude-3-5-haiku@20241022", "anthropic.claude-3-5-haiku-20241022-v1:0"),
    ("accounts/fireworks/models/llama-v3p3-70b-instruct", "meta.llama3-3-70b-instruct-v1:0"),
    ("Meta-Llama-3-1-8B-Instruct-FP8", "meta-llama/llama-3.1-8b-instruct"),
    ("accounts/fireworks/models/kimi-k2p6", "moonshotai/kimi-k2.6"),
    ("openai.gpt-oss-120b-1:0", "hf:openai/gpt-oss-120b"),
    ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "llama-4-maverick-instruct"),
    ("llama3.3:70b", "llama-3.3-70b"),
    ("minimax-m2.1-free", "minimax/minimax-m2.1:free"),
    ("gpt4o", "openai/gpt-4o"),
]

DIFFERENT = [
    ("gpt-4o", "gpt-4o-mini"),
    ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
    ("gpt-4o", "gpt-4o-2024-05-13"),
    ("gpt-4.1", "gpt-4"),
    ("gpt-3.5-turbo", "gpt-3.5-turbo-instruct"),
    ("o3", "o3-mini"),
    ("claude-sonnet-4", "claude-sonnet-4.5"),
    ("claude-opus-4.6", "claude-opus-4.6-fast"),
    ("claude-opus-4.6", "claude-opus-4.6:thinking"),
    ("deepseek-r1", "deepseek-r1-0528"),
    ("deepseek-v3.1", "deepseek-v3.1-terminus"),
    ("kimi-k2", "kimi-k2-0905"),
    ("qwen3-30b-a3b", "qwen3-30b-a3b-thinking-2507"),
    ("llama-3.1-8b-instruct", "llama-3.1-70b-instruct"),
    ("llama-3.1-70b-instruct", "llama-3.3-70b-instruct"),
    ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
    ("gemma-3-4b-it", "gemma-3n-e4b-it"),
    ("glm-4.5", "glm-4.5v"),
    ("grok-4-fast-reasoning", "grok-4-fast-non-reasoning"),
    ("z-ai/glm-4.7", "z-ai/glm-4.7:free"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_name(one: str, other: str) -> None:
    """Separators, regions, quantization, word order and vendor prefixes do not make another model."""
    assert read_name(one).key == read_name(other).key


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_that_stay_apart(one: str, other: str) -> None:
    """Sizes, versions, dates and variants make another model, also where `-instruct` is passed over."""
    first, second = read_name(one), read_name(other)
    assert (loose(first.words), first.date, first.variant) != (loose(second.words), second.date, second.variant)


def test_parts_of_a_name() -> None:
    """Author, date, variant and quantization are found where providers put them."""
    bedrock = read_name("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert (bedrock.author, bedrock.slug, bedrock.date) == ("anthropic", "claude-sonnet-4.5", "20250929")
    assert read_name("deepseek/deepseek-r1:free").variant == "free"
    assert read_name("Qwen/Qwen3-VL-235B-A22B-Instruct-FP8").quantization == "fp8"
    assert read_name("cortecs/Llama-3.3-70B-Instruct-FP8-Dynamic").quantization == "fp8"


@given(st.text(max_size=80))
def test_any_text_is_a_name(text: str) -> None:
    """No name makes reading fail, and reading is a function of the text alone."""
    assert read_name(text) == read_name(text)


def test_index_finds_one_model_or_none() -> None:
    """A spelling finds its model; a name that could mean two finds none rather than either."""
    ids = ["openai/gpt-4o", "meta-llama/llama-3.3-70b-instruct", "a/twin", "b/twin"]
    index = ModelIndex(ids, {"llama3.3": "meta-llama/llama-3.3-70b-instruct"})
    assert index.find("openai/gpt-4o") == "openai/gpt-4o"
    assert index.find("GPT-4o") == "openai/gpt-4o"
    assert index.find("llama3.3") == "meta-llama/llama-3.3-70b-instruct"
    assert index.find("llama3.3:70b") == "meta-llama/llama-3.3-70b-instruct"
    assert index.find("twin") is None
    assert index.find("gpt-4o-mini") is None
