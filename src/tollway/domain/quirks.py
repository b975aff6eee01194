"""How a provider differs from its wire format's text, as data: a misspelt parameter is a type error."""

from typing import Literal

from msgspec import Struct


class Quirks(Struct, frozen=True):
    """What to change in requests to a provider, and what to expect of it."""

    drop: frozenset[str] = frozenset()
    """Parameters that it refuses."""
    rename: dict[str, str] = {}
    """Our parameter -> what it calls it, e.g. `max_completion_tokens` -> `max_tokens`."""
    cancels: bool = True
    """Whether closing the connection stops its work and its bill."""
    stream_usage: bool = True
    """Whether it knows `stream_options.include_usage`."""
    reasoning_style: Literal["effort", "object"] = "effort"
    """How it is asked to reason: OpenAI's `reasoning_effort`, or OpenRouter's `reasoning` object."""
    keeps: frozenset[str] = frozenset()
    """Fields of messages and parts beyond OpenAI's own that it takes: `cache_control`, `reasoning`,
    `reasoning_content`, `reasoning_details`, `images`, `annotations`, `prefix`, `model`, `extra_content`,
    `prompt_cache_breakpoint`, `eager_input_streaming`. The others are taken out before sending:
    OpenAI, Groq and Mistral refuse what they do not know."""
    structured_output: Literal["native", "tool"] = "native"
    """How an Anthropic-speaking provider is given a JSON schema: as a format of the answer, or as a tool that it must
    call (what older Claude models, and others that speak this format, know)."""
    developer_role: bool = False
    """Whether it knows messages of role `developer`; they go as `system` otherwise."""
