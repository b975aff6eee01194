"""What an operator sells, and where: the platform's registry of models, groups with prices of their own, mounts."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\Z")]
Multiplier = Annotated[str, Meta(pattern=r"^[0-9]{1,3}(\.[0-9]{1,6})?\Z")]
CreditUsd = Annotated[str, Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,9})?\Z")]


class PlatformModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model of the platform's registry."""

    id: Name
    """What callers write."""
    credit_cost: Annotated[int, Meta(ge=1, le=10**6)]
    """Platform credits that a request costs, whatever it uses."""
    model: str | None = None
    """The catalog's model that answers; by default the one of the same id."""
    display_name: str | None = None
    category: str = "chat"
    capabilities: tuple[str, ...] = ("chat",)


class Platform(Struct, frozen=True, forbid_unknown_fields=True):
    """The platform storefront: nothing but its registry can be called there. Switched off, while that is empty."""

    models: tuple[PlatformModel, ...] = ()
    credit_usd: CreditUsd = "0.01"
    """What one platform credit is worth."""

    def __post_init__(self) -> None:
        ids = [each.id for each in self.models]
        if twice := next((id_ for id_ in ids if ids.count(id_) > 1), None):
            raise ValueError(f"{twice} is there twice; each model has one price")
        if not float(self.credit_usd):
            raise ValueError("credit_usd: a credit that is worth nothing would give requests away")


class GroupMember(Struct, frozen=True):
    """A workspace by its id, or a key by its hash."""

    kind: Literal["workspace", "key"]
    id: str


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """Workspaces and keys whose prices are the catalog's, multiplied."""

    name: Name
    multiplier: Multiplier
    workspaces: tuple[str, ...] = ()
    """Ids of workspaces. One that two groups name is in the last."""
    keys: tuple[str, ...] = ()
    """Hashes of keys, whose group goes before that of their workspace."""

    def __post_init__(self) -> None:
        if not float(self.multiplier):
            raise ValueError("multiplier: 0 would give requests away; declare a model free instead")


class Mount(Struct, frozen=True, forbid_unknown_fields=True):
    """A storefront at a path of a host name of its own."""

    host: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?\Z")]
    """Without a port, in lower case."""
    storefront: Literal["openrouter", "openai", "platform"]
    path: Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._-]+)*\Z")] = "/api/v1"
    """Where its URLs begin; "" is the root."""


class Guest(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked without a key. Nothing, while no model is named."""

    models: tuple[str, ...] = ()
    output_max: Annotated[int, Meta(ge=1, le=10**6)] = 1024
    """Tokens of an answer."""
