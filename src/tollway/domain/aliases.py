"""Aliases: names for a level of intelligence that stay while the models behind them change (STOREFRONTS.md, CPEN)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Price = Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,12})?\Z")]
"""Decimal dollars."""


class Alias(Struct, frozen=True, forbid_unknown_fields=True):
    """A name that callers ask for, and the models that may answer to it."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}\Z")]
    level: Annotated[str, Meta(min_length=1, max_length=32)]
    """`low`, `middle`, `high`, or a word of the operator's."""
    models: tuple[str, ...] = ()
    """Ids of the catalog; the endpoints of all of them are candidates."""
    family: Annotated[str, Meta(max_length=128)] = ""
    """What kind of models they are, in a few words; shown with every answer."""
    min_usd_per_1m: Price | None = None
    """The band of prices that is published for it, three parts of input to seven of output."""
    max_usd_per_1m: Price | None = None
    """Dearer endpoints do not belong to it."""
    status: Literal["available", "planned"] = "available"
