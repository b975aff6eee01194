"""Guardrails: what a workspace lets some of its keys and members do, and the rulings that this becomes."""

from collections.abc import Iterable

from msgspec import Struct

from tollway.domain.chat import Preferences
from tollway.domain.standing import Ruling

AUTHORS = {"anthropic": "anthropic", "google": "google", "openai": "openai", "x-ai": "xai"}
"""A model's author -> what OpenRouter's `enforce_zdr_...` calls them; all others are "other"."""
ZDR_OF = (*AUTHORS.values(), "other")


class Guards(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a guardrail says; kept as JSON."""

    allowed_models: tuple[str, ...] | None = None
    ignored_models: tuple[str, ...] = ()
    allowed_providers: tuple[str, ...] | None = None
    ignored_providers: tuple[str, ...] = ()
    zdr_of: tuple[str, ...] = ()
    """Whose models may be asked of providers alone that keep nothing: names of `ZDR_OF`."""
    training: bool = True
    """Whether providers may train on prompts."""


class Guardrail(Struct, frozen=True):
    """A named set of rules of a workspace. It counts for whom it is assigned to; the default one for everybody."""

    id: str
    workspace_id: str
    name: str
    description: str | None
    guards: Guards
    created_ms: int
    updated_ms: int | None = None
    default: bool = False


class Assignment(Struct, frozen=True):
    """A key, or a member, that a guardrail counts for: at most one each."""

    guardrail_id: str
    to: str
    """A key's id, or a user's."""
    workspace_id: str
    assigned_by: str | None
    created_ms: int


def rulings_of(named: Iterable[tuple[str, Guards]]) -> tuple[Ruling, ...]:
    """Each guardrail's name and what it says -> rulings, asked one by one: allow-lists intersect, the rest adds up."""
    found = []
    for name, guards in named:
        whose = f'the guardrail "{name}"\'s'
        wishes = Preferences(
            only=guards.allowed_providers,
            ignore=guards.ignored_providers or None,
            data_collection=None if guards.training else "deny",
            zdr=True if set(guards.zdr_of) == set(ZDR_OF) else None,
        )
        if wishes != Preferences() or guards.allowed_models is not None or guards.ignored_models:
            found.append(Ruling(whose, wishes, guards.allowed_models, guards.ignored_models))
        if guards.zdr_of and not wishes.zdr:
            authors = frozenset(guards.zdr_of)
            found.append(Ruling(whose, Preferences(zdr=True), authors=authors))
    return tuple(found)


def group_of(model_id: str) -> str:
    """Which of `ZDR_OF` a model belongs to."""
    return AUTHORS.get(model_id.partition("/")[0], "other")
