"""Moderation before an answer: which models require it, who judges, and what the judgement says."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

FLAGGED_MAX = 100
"""Characters that a caller is shown of what was flagged (OpenRouter, "Errors", moderation errors)."""
_BETWEEN = "..."


class ModerationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which chat models require moderation. Without `models`, none does."""

    models: tuple[str, ...] = ()
    """Ids or wildcards: `openai/gpt-4o`, `anthropic/*`."""
    model: str = "openai/omni-moderation-latest"
    """Who judges: a moderation model of the catalog, asked with the server's own keys."""
    on_failure: Literal["refuse", "allow"] = "refuse"
    """What becomes of a request that nobody could judge."""
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 10.0


class Flagged(Struct, frozen=True):
    """What was found in a request."""

    reasons: tuple[str, ...]
    """The categories, in the words of who judged."""
    input: str
    """The text, or the image's URL, shortened to be shown."""


class Verdict(Struct, frozen=True):
    """What became of a request's moderation. With neither of the two below, nothing was found."""

    flagged: Flagged | None = None
    failed: str | None = None
    """Why nobody judged, as the end of a sentence; never in the words of a provider, which may quote the input."""


def shortened(text: str) -> str:
    """At most FLAGGED_MAX characters: what is longer loses its middle."""
    if len(text) <= FLAGGED_MAX:
        return text
    kept = FLAGGED_MAX - len(_BETWEEN)
    return text[: kept - kept // 2] + _BETWEEN + text[-(kept // 2) :]


def odd_moderation(settings: ModerationSettings) -> Iterator[str]:
    """What is wrong with the settings."""
    if any(not each.strip() for each in settings.models):
        yield "moderation.models: an empty name means no model; write ids or wildcards such as openai/*"
    if settings.models and not settings.model.strip():
        yield "moderation.model: the model that judges; without one, leave moderation.models empty"
