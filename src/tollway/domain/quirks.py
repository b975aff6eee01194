"""How a provider differs from its wire format's text, as data: a misspelt parameter is a type error."""

from typing import Literal

from msgspec import Struct

from tollway.domain.chat import Effort

ReasoningStyle = Literal["effort", "object", "enable_thinking", "thinking", "reasoning_format", "chat_template_kwargs"]


class Quirks(Struct, frozen=True):
    """What to change in requests to a provider, and what to expect of it."""

    drop: frozenset[str] = frozenset()
    """Parameters that it refuses."""
    takes: dict[str, frozenset[str]] = {}
    """A pattern -> parameters that all models with it in their upstream names take, whether the catalog lists them or
    not; an empty pattern is in every name."""
    rename: dict[str, str] = {}
    """Our parameter -> what it calls it, e.g. `max_completion_tokens` -> `max_tokens`."""
    ranges: dict[str, tuple[float, float]] = {}
    """Parameter -> the least and the most that it takes of it; what lies outside is moved to the border."""
    cancels: bool = True
    """Whether closing the connection stops its work and its bill."""
    stream_usage: bool = True
    """Whether it knows `stream_options.include_usage`."""
    reasoning_style: ReasoningStyle = "effort"
    """How it is asked to reason:

    - `effort`: OpenAI's `reasoning_effort`.
    - `object`: OpenRouter's `reasoning` object.
    - `enable_thinking`: Qwen's switch, and `thinking_budget` in tokens.
    - `thinking`: `{"type": "enabled"}` or `"disabled"`, and `reasoning_effort` where the model or `efforts` has words.
    - `reasoning_format`: Groq's, which says where the thoughts go, and `reasoning_effort` for the models that know it.
    - `chat_template_kwargs`: the switches that open models' own templates read, as vLLM and SGLang pass them on.
    """
    efforts: tuple[Effort, ...] = ()
    """The words that its `reasoning_effort` takes; empty: those of the model (`wire.efforts`)."""
    keeps: frozenset[str] = frozenset()
    """Fields of messages and parts beyond OpenAI's own that it takes: `cache_control`, `reasoning`,
    `reasoning_content`, `reasoning_details`, `images`, `annotations`, `prefix`, `model`, `extra_content`,
    `prompt_cache_breakpoint`, `eager_input_streaming`. The others are taken out before sending:
    OpenAI, Groq and Mistral refuse what they do not know."""
    structured_output: Literal["native", "tool", "json_object", "words"] = "native"
    """How it is given a JSON schema:

    - `native`: as a format of the answer.
    - `tool`: as a tool that it must call (what older Claude models, and others that speak their format, know).
    - `json_object`: in words, beside the mode that makes it answer with any JSON.
    - `words`: in words alone, and so is the wish for any JSON.
    """
    prefill: Literal["plain", "prefix", "partial", "continue"] = "plain"
    """How it is told that the last message, an assistant's, is the start of its answer: not at all, by `prefix` or
    `partial` in that message, or as vLLM is told, by `continue_final_message` beside the messages."""
    call_ids: str = ""
    """A regular expression that ids of tool calls must match as a whole; empty: any will do."""
    alternates: bool = False
    """Whether it refuses two messages in a row of the same role, a user's or an assistant's: they go as one."""
    names: bool = True
    """Whether its messages have a `name`; it goes in front of the text otherwise."""
    custom_tools: bool = False
    """Whether a provider of OpenAI's chat format knows tools of type `custom`; they become functions otherwise."""
    takes_urls: frozenset[str] | None = None
    """What it fetches itself where it is named by URL: "image", "file". The data of the others is sent. None: what
    its wire format's text says."""
    predicts: bool = False
    """Whether embeddings are asked for by Vertex AI's `:predict`."""
    developer_role: bool = False
    """Whether it knows messages of role `developer`; they go as `system` otherwise."""
    version_in_body: str | None = None
    """An Anthropic-speaking provider whose URL names the model: the body has this `anthropic_version` instead."""
    turn_roles: bool = False
    """A Gemini-speaking provider that refuses a turn without a role, which elsewhere is the user's."""
