"""The wire formats that the simulated provider speaks: one file each, listed here."""

import re
from functools import lru_cache
from urllib.parse import unquote

from tollway.simulator.formats import (
    anthropic_messages,
    bedrock_converse,
    cohere_chat,
    gemini,
    openai_chat,
    openai_completions,
    openai_plain,
    openai_responses,
    plain_elsewhere,
)
from tollway.simulator.formats.base import Format

FORMATS: tuple[Format, ...] = (
    openai_chat.FORMAT,
    openai_completions.FORMAT,
    openai_responses.FORMAT,
    anthropic_messages.FORMAT,
    gemini.FORMAT,
    bedrock_converse.FORMAT,
    cohere_chat.FORMAT,
    openai_plain.EMBEDDINGS,
    openai_plain.RERANK,
    openai_plain.MODERATIONS,
    plain_elsewhere.GEMINI,
    plain_elsewhere.COHERE,
    plain_elsewhere.BEDROCK,
)
_PATTERNS = tuple((re.compile(r"(?:/v\d\w*)?" + path), format_) for format_ in FORMATS for path in format_.paths)


@lru_cache(maxsize=1024)
def find(path: str) -> tuple[Format, str, str] | None:
    """The format that a URL's path belongs to, with the model and the action that it names; None: none."""
    for pattern, format_ in _PATTERNS:
        if match := pattern.fullmatch(path):
            named = match.groupdict(default="")
            return format_, unquote(named.get("model", "")), named.get("action", "")
    return None
