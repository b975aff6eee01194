"""A refusal's words: what says that the prompt is too long, what that the answer would be, and what says neither."""

import pytest

from tollway.routing.lengths import too_long

PROMPT = (
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Input is too long for requested model.",
    "too many tokens: total number of tokens in this request cannot exceed 4081",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
    "the request exceeds the available context size, try increasing it",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "Prompt exceeds max length",
    "Invalid request: Your request exceeded model token limit: 131072",
)
ANSWER = (
    "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for this model",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
)
NEITHER = (
    "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40.",
    "Too many tokens, please wait before trying again.",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
    "temperature is above 2",
    "The context of this message is not clear.",
    "",
)


@pytest.mark.parametrize("message", PROMPT)
def test_the_prompt(message: str) -> None:
    """In the words of each family of providers."""
    assert too_long(None, message) == too_long("400", message) == "prompt"


@pytest.mark.parametrize("message", ANSWER)
def test_the_answer(message: str) -> None:
    """More was asked for than the model gives."""
    assert too_long("invalid_request_error", message) == "answer"


@pytest.mark.parametrize("message", NEITHER)
def test_neither(message: str) -> None:
    """Other lengths, and other refusals."""
    assert too_long(None, message) is None


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("context_length_exceeded", "prompt"),
        ("Context_Length_Exceeded", "prompt"),
        ("exceed_context_size_error", "prompt"),
        ("max_tokens_exceeded", "answer"),
        ("token_limit_exceeded", "answer"),
        ("string_too_long", None),
    ],
)
def test_a_code_says_it_alone(code: str, found: str | None) -> None:
    """Whatever the message is."""
    assert too_long(code, "no") == found
