"""What was settled before a caller asks: a workspace's defaults, its rulings, and the model of who names none."""

from msgspec import Struct

from tollway.domain.byok import Credential
from tollway.domain.chat import Preferences, Slug

RULED = ("only", "ignore", "data_collection", "zdr", "enforce_distillable_text", "max_price")
"""Preferences that a request may narrow and never widen: a workspace's ruling. Over all others the request wins."""
DEFAULTS = tuple(name for name in Preferences.__struct_fields__ if name not in RULED)


class WorkspaceSettings(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a workspace wants of each of its requests; kept as JSON."""

    default_model: Slug | None = None
    provider: Preferences | None = None


class Ruling(Struct, frozen=True):
    """What somebody above the request has ruled: only what it allows may be chosen from."""

    whose: str
    """As a reason says it: "the workspace's"."""
    preferences: Preferences
    """Fields of `RULED` alone."""
    allowed_models: tuple[str, ...] | None = None
    """None: all."""
    ignored_models: tuple[str, ...] = ()
    authors: frozenset[str] | None = None
    """Whose models it is about, as `domain/guardrails.py` groups them; None: everybody's."""


class Standing(Struct, frozen=True):
    """The same, ready for use with every request of a key."""

    default_model: str | None = None
    defaults: Preferences | None = None
    """Fields of `DEFAULTS` alone."""
    rulings: tuple[Ruling, ...] = ()
    own: tuple[Credential, ...] = ()
    """The workspace's own credentials that requests of the key may use."""


def standing_of(
    settings: WorkspaceSettings, default_model: str | None = None, rulings: tuple[Ruling, ...] = ()
) -> Standing | None:
    """`default_model`: the key's own, which comes before the workspace's. `rulings`: of guardrails, besides its own.

    None: nothing was settled.
    """
    wishes = settings.provider or Preferences()
    ruling, defaults = _only(wishes, RULED), _only(wishes, DEFAULTS)
    model = default_model or settings.default_model
    if model is None and not rulings and ruling == defaults == Preferences():
        return None
    return Standing(
        default_model=model,
        defaults=None if defaults == Preferences() else defaults,
        rulings=rulings if ruling == Preferences() else (Ruling("the workspace's", ruling), *rulings),
    )


def _only(wishes: Preferences, names: tuple[str, ...]) -> Preferences:
    return Preferences(**{name: getattr(wishes, name) for name in names})
