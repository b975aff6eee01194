"""Prompts and answers that are kept because their workspace wants it: what is shown of them, and how they lie."""

from typing import Any

from msgspec import Struct

from tollway.domain.byok import Sealed


class Output(Struct, frozen=True, omit_defaults=True):
    """What a model answered; of several answers the first, and all of them in `choices`."""

    completion: str | None
    reasoning: str | None
    tool_calls: tuple[dict[str, Any], ...] = ()
    choices: tuple["Output", ...] = ()


class FailedAttempt(Struct, frozen=True):
    """A try at a provider that failed."""

    code: int
    message: str
    provider_name: str | None
    raw: str | None = None


class Failure(Struct, frozen=True):
    """With which error a request ended."""

    message: str | None
    provider_name: str | None
    status: int | None
    previous_errors: tuple[FailedAttempt, ...] = ()
    raw: str | None = None


class Content(Struct, frozen=True):
    """A prompt and its answer, as `GET /generation/content` shows them (OPENROUTER.md 8.1); kept as JSON."""

    input: dict[str, Any]
    """`messages` in the words of chat completions, or a `prompt`."""
    output: Output
    error: Failure | None = None


class KeptContent(Struct, frozen=True):
    """The same at rest: compressed, then encrypted, bound to its workspace and its generation."""

    workspace_id: str
    generation_id: str
    created_ms: int
    shared: bool
    """The operator may use it."""
    sealed: Sealed
