"""What was settled before a caller asks: a workspace's defaults, its rulings, and the model of who names none."""

from collections.abc import Callable

from msgspec import Struct

from tollway.domain.byok import Credential
from tollway.domain.chat import Preferences, Slug
from tollway.domain.content_filters import Filter

RULED = ("only", "ignore", "data_collection", "zdr", "enforce_distillable_text", "max_price")
"""Preferences that a request may narrow and never widen: a workspace's ruling. Over all others the request wins."""
DEFAULTS = tuple(name for name in Preferences.__struct_fields__ if name not in RULED)


class Keeping(Struct, frozen=True):
    """For whom a request's prompt and answer are kept."""

    private: bool
    """For its workspace."""
    shared: bool
    """For the operator, who gives a discount for it."""


class Logging(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Whether a workspace has its prompts and answers kept, for whom, and of which requests."""

    private: bool = False
    shared: bool = False
    sampling: float = 1.0
    """Of the private ones, the share that is kept; what is shared is shared whole."""
    key_ids: tuple[str, ...] | None = None
    """Only requests of these keys; None: of all."""


class WorkspaceSettings(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a workspace wants of each of its requests; kept as JSON."""

    default_model: Slug | None = None
    provider: Preferences | None = None
    logging: Logging | None = None


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
    free: bool | None = None
    """Whether it is about free endpoints alone, or about all others alone; None: about both."""


class Standing(Struct, frozen=True):
    """The same, ready for use with every request of a key."""

    default_model: str | None = None
    defaults: Preferences | None = None
    """Fields of `DEFAULTS` alone."""
    rulings: tuple[Ruling, ...] = ()
    own: tuple[Credential, ...] = ()
    """The workspace's own credentials that requests of the key may use."""
    logging: Logging | None = None
    """None: nothing is kept."""
    filters: tuple[Filter, ...] = ()
    """What is looked for in its requests' text."""


def standing_of(
    settings: WorkspaceSettings, default_model: str | None = None, rulings: tuple[Ruling, ...] = ()
) -> Standing | None:
    """`default_model`: the key's own, which comes before the workspace's. `rulings`: of guardrails, besides its own.

    None: nothing was settled.
    """
    wishes = settings.provider or Preferences()
    ruling, defaults = _only(wishes, RULED), _only(wishes, DEFAULTS)
    model = default_model or settings.default_model
    if model is None and not rulings and settings.logging is None and ruling == defaults == Preferences():
        return None
    return Standing(
        default_model=model,
        defaults=None if defaults == Preferences() else defaults,
        rulings=rulings if ruling == Preferences() else (Ruling("the workspace's", ruling), *rulings),
        logging=settings.logging,
    )


def forbids_collection(wishes: Preferences | None) -> bool:
    """Whether wishes ask for zero retention, or that nobody collects data."""
    return wishes is not None and (wishes.zdr is True or wishes.data_collection == "deny")


def keeping_of(
    standing: Standing | None, key_id: str, wishes: Preferences | None, dice: Callable[[], float], *, discounts: bool
) -> Keeping | None:
    """For whom a request is kept; None: for nobody.

    A request that forbids it (`wishes`) is kept for nobody. What the workspace or a guardrail forbids providers, it
    forbids the operator, too; its own records it has itself chosen to have.
    `discounts`: whether the request has a price that sharing would lower; what brings no discount is not shared.
    """
    logging = standing.logging if standing is not None else None
    if standing is None or logging is None or (logging.key_ids is not None and key_id not in logging.key_ids):
        return None
    if forbids_collection(wishes):
        return None
    shared = logging.shared and discounts and not any(forbids_collection(each.preferences) for each in standing.rulings)
    private = logging.private and (logging.sampling >= 1 or dice() < logging.sampling)
    return Keeping(private, shared) if private or shared else None


def _only(wishes: Preferences, names: tuple[str, ...]) -> Preferences:
    return Preferences(**{name: getattr(wishes, name) for name in names})
