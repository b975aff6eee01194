"""What a request asks of reasoning, as words and as tokens, and which words models know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.chat import ChatRequest, Effort, Reasoning
from tollway.wire.efforts import ORDER, efforts_of, must_reason, nearest
from tollway.wire.reasoning_budget import Wish, budget_of, effort_of, wish_of


@pytest.mark.parametrize(
    ("request_", "wish"),
    [
        (ChatRequest(), None),
        (ChatRequest(reasoning=Reasoning()), Wish()),
        (ChatRequest(include_reasoning=True), Wish()),
        (ChatRequest(include_reasoning=False), Wish(hidden=True)),
        (ChatRequest(reasoning=Reasoning(exclude=True)), Wish(hidden=True)),
        (ChatRequest(reasoning=Reasoning(enabled=True)), Wish("medium")),
        (ChatRequest(reasoning=Reasoning(enabled=False)), Wish("none")),
        (ChatRequest(reasoning=Reasoning(enabled=False, max_tokens=9)), Wish("none")),
        (ChatRequest(reasoning=Reasoning(enabled=True, effort="low")), Wish("low")),
        (ChatRequest(reasoning=Reasoning(enabled=True, max_tokens=9)), Wish(budget=9)),
        (ChatRequest(reasoning_effort="high", include_reasoning=False), Wish("high", hidden=True)),
        (ChatRequest(reasoning=Reasoning(exclude=True), reasoning_effort="high"), Wish("high", hidden=True)),
    ],
)
def test_wishes(request_: ChatRequest, wish: Wish | None) -> None:
    """OPENROUTER.md 9.1, and the legacy parameters of the seed: `include_reasoning: true` is `reasoning: {}`."""
    assert wish_of(request_) == wish


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [
        ("high", 10_000, 8_000),
        ("medium", 10_000, 5_000),
        ("low", 10_000, 2_000),
        ("low", 4_000, 1_024),
        ("high", 64_000, 32_000),
        ("max", 200_000, 32_000),
        ("none", 64_000, 0),
        ("high", 1_024, 819),
    ],
)
def test_budgets(effort: Effort, max_tokens: int, budget: int) -> None:
    """The rule of 0.8, 0.5 and 0.2, from 1,024 to 32,000."""
    assert budget_of(effort, max_tokens) == budget


@given(st.sampled_from(ORDER), st.integers(1, 1_000_000))
def test_a_budget_leaves_something_for_the_answer(effort: Effort, max_tokens: int) -> None:
    """It is below max_tokens, whatever that is, and never above the rule's end."""
    assert 0 <= budget_of(effort, max_tokens) < max_tokens
    assert budget_of(effort, max_tokens) <= 32_000


@given(st.sampled_from(["high", "medium", "low"]), st.integers(6_000, 40_000))
def test_words_and_tokens_mean_the_same(effort: Effort, max_tokens: int) -> None:
    """A budget made of a word is told to a model that takes words as that word."""
    assert effort_of(budget_of(effort, max_tokens), max_tokens) == effort


@pytest.mark.parametrize(
    ("budget", "effort"), [(100, "minimal"), (4_000, "low"), (9_000, "medium"), (20_000, "high"), (90_000, "high")]
)
def test_budgets_without_a_bound(budget: int, effort: Effort) -> None:
    """Where nobody bounds the answer, the budget stands for itself."""
    assert effort_of(budget, None) == effort


@pytest.mark.parametrize(
    ("model", "asked", "told"),
    [
        ("o3-mini", "minimal", "low"),
        ("o1-2024-12-17", "max", "high"),
        ("openai/gpt-oss-120b", "none", "low"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5-mini-2025-08-07", "minimal", "minimal"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1-codex-max", "max", "xhigh"),
        ("gpt-5.2", "xhigh", "xhigh"),
        ("gpt-5.2-pro", "low", "medium"),
        ("grok-3-mini", "medium", "low"),
        ("mistral-small-latest", "low", "high"),
        ("mistral-small-latest", "none", "none"),
        ("a-model-of-tomorrow", "max", "max"),
        ("gpt-4o3-imagined", "xhigh", "xhigh"),
    ],
)
def test_efforts_of_models(model: str, asked: Effort, told: Effort) -> None:
    """Unsupported efforts snap to the nearest (OPENROUTER.md 9.1); models that we do not know get what was asked."""
    assert nearest(asked, efforts_of(model)) == told


@given(st.sampled_from(ORDER), st.lists(st.sampled_from(ORDER), unique=True).map(tuple))
def test_the_nearest_is_known(effort: Effort, known: tuple[Effort, ...]) -> None:
    """Whatever is asked, one of the words that a model knows is told, and thinking is never asked off by it."""
    told = nearest(effort, known)
    assert told in known or not known
    assert told != "none" or effort == "none" or known == ("none",)


@pytest.mark.parametrize(
    "model", ["o3", "gpt-5", "gpt-oss-20b", "gemini-2.5-pro", "gemini-3-pro-preview", "Qwen/QwQ-32B"]
)
def test_models_that_always_reason(model: str) -> None:
    """Their makers give no way to turn it off."""
    assert must_reason(model)


@pytest.mark.parametrize("model", ["gpt-5.1", "gpt-4o", "claude-opus-4-5", "gemini-2.5-flash", "kimi-k2.6", "glm-4.6"])
def test_models_that_need_not(model: str) -> None:
    """And those that can be told not to, or of which nothing is known."""
    assert not must_reason(model)
