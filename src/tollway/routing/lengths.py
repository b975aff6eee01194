"""A provider's refusal of a request: whether its words say that the prompt, or the answer asked for, is too long."""

import re
from typing import Literal

_PROMPT_CODES = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "model_context_window_exceeded",
        "model_length_exceeded",
    }
)
_ANSWER_CODES = frozenset({"max_tokens_exceeded", "token_limit_exceeded"})
_PROMPT = re.compile(
    "maximum (?:context|prompt) length"  # OpenAI, vLLM, DeepSeek, OpenRouter, Mistral; xAI
    "|model's context length"  # SGLang, LM Studio
    "|context[ _](?:length|window|size|limit)[^.]{0,40}exceed"
    "|exceed[^.]{0,60}context(?: window| length| size| limit)"  # OpenAI's Responses, llama.cpp, Anthropic
    "|(?:prompt|input) (?:is )?too long"  # Anthropic, Fireworks; Bedrock
    "|input token count .{0,40}exceeds the maximum number of tokens"  # Google
    "|prompt exceeds max length"  # Z.AI
    "|exceeded model token limit"  # Moonshot
    "|reduce the length of the (?:messages|prompt)"  # Groq, Cerebras
    "|too many tokens: "  # Cohere
)
"""In the providers' own words, in lower case."""
_ANSWER = re.compile(
    "max_tokens(?:' of \\d+)? is too large"  # OpenAI
    "|maximum allowed number of output tokens"  # Anthropic
    "|max_tokens.{0,60}exceeds the (?:model|maximum|limit)"
)


def too_long(code: str | None, message: str) -> Literal["prompt", "answer"] | None:
    """What is too long by a provider's `code` or words; None: it says nothing of a length."""
    code = (code or "").lower()
    if code in _PROMPT_CODES:
        return "prompt"
    if code in _ANSWER_CODES:
        return "answer"
    text = message.lower()
    if _PROMPT.search(text):
        return "prompt"
    return "answer" if _ANSWER.search(text) else None
