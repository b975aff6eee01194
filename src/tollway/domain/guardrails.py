"""Guardrails: what a workspace lets some of its keys and members do, and the rulings that this becomes."""

from collections.abc import Iterable

from msgspec import Struct

from tollway.domain.budgets import Scope, SpendingLimit
from tollway.domain.chat import Preferences
from tollway.domain.content_filters import BuiltinFilter, Filter, PatternFilter
from tollway.domain.identity import LimitReset
from tollway.domain.money import Nanodollars
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
    free_training: bool | None = None
    """The same for endpoints that are free; None: as for the others."""
    patterns: tuple[PatternFilter, ...] = ()
    builtins: tuple[BuiltinFilter, ...] = ()
    limit: Nanodollars | None = None
    """What each key and each member that has it may spend."""
    reset: LimitReset | None = None
    """When that starts again; None: never."""
    byok: bool = False
    """Whether what callers' own providers bill counts, too."""

    @property
    def trains_free(self) -> bool:
        """Whether providers of free endpoints may train on prompts."""
        return self.training if self.free_training is None else self.free_training


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


class InForce(Struct, frozen=True):
    """A guardrail that counts for a key, and why."""

    id: str
    name: str
    guards: Guards
    default: bool = False
    of_key: bool = False
    """It was assigned to the key."""
    of_member: bool = False
    """It was assigned to the member who made the key."""


def limits_of(found: Iterable[InForce], key_id: str, user_id: str | None) -> tuple[SpendingLimit, ...]:
    """What guardrails let a key and its maker spend: each of the two on its own (OPENROUTER.md 8.7)."""
    limits = []
    for each in found:
        if each.guards.limit is None:
            continue
        scopes = [(Scope.DEFAULT_MEMBER, user_id), (Scope.DEFAULT_KEY, key_id)] if each.default else []
        scopes += [(Scope.MEMBER, user_id)] if each.of_member else []
        scopes += [(Scope.KEY, key_id)] if each.of_key else []
        limits += [_limit(each, scope, subject) for scope, subject in scopes if subject is not None]
    order = list(Scope)
    return tuple(sorted(limits, key=lambda limit: order.index(limit.scope)))


def filters_of(found: Iterable[InForce]) -> tuple[Filter, ...]:
    """Every content filter that counts for a key."""
    filters = []
    for each in found:
        scope = "workspace" if each.default else "api-key" if each.of_key else "member"
        filters += [Filter(each.id, scope, what) for what in each.guards.patterns]
        filters += [Filter(each.id, scope, what) for what in each.guards.builtins]
    return tuple(filters)


def _limit(found: InForce, scope: Scope, subject: str) -> SpendingLimit:
    guards = found.guards
    every = f"{guards.reset.value} " if guards.reset else ""
    who = "this key's" if scope.of_key else "this key's maker's"
    whose = f'{who} {every}budget (guardrail "{found.name}")'
    return SpendingLimit(scope, found.id, subject, whose, guards.limit or 0, guards.reset, guards.byok)


def rulings_of(found: Iterable[InForce]) -> tuple[Ruling, ...]:
    """What guardrails rule, asked one by one: allow-lists intersect, the rest adds up."""
    rulings = []
    for each in found:
        guards, whose = each.guards, f'the guardrail "{each.name}"\'s'
        wishes = Preferences(
            only=guards.allowed_providers,
            ignore=guards.ignored_providers or None,
            data_collection=None if guards.training or guards.trains_free else "deny",
            zdr=True if set(guards.zdr_of) == set(ZDR_OF) else None,
        )
        if wishes != Preferences() or guards.allowed_models is not None or guards.ignored_models:
            rulings.append(Ruling(whose, wishes, guards.allowed_models, guards.ignored_models))
        if guards.training is not guards.trains_free:
            rulings.append(Ruling(whose, Preferences(data_collection="deny"), free=guards.training))
        if guards.zdr_of and not wishes.zdr:
            authors = frozenset(guards.zdr_of)
            rulings.append(Ruling(whose, Preferences(zdr=True), authors=authors))
    return tuple(rulings)


def group_of(model_id: str) -> str:
    """Which of `ZDR_OF` a model belongs to."""
    return AUTHORS.get(model_id.partition("/")[0], "other")
