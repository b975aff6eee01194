"""CPEN's `routing` object: what a million tokens may cost, and how to choose below that (STOREFRONTS.md)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Strategy = Literal["cheapest", "balanced", "continuity"]
ContinuityMode = Literal["stay_within_cap", "temporary_escalation"]
Usd = Annotated[str, Meta(max_length=64)] | int | float
"""A decimal number of dollars; `routing.rules` reads it, and refuses what is none."""


class PriceRouting(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices are USD per million tokens, as customers see them. A field that we don't know could be a cap: refused."""

    currency: Literal["USD"] = "USD"
    max_input_per_1m: Usd | None = None
    max_output_per_1m: Usd | None = None
    max_total_per_1m: Usd | None = None
    """Input and output together."""
    min_total_per_1m: Usd | None = None
    """A floor, for quality."""
    rpm_cap: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    """Requests a minute of this key, counting this one."""
    strategy: Strategy = "balanced"
    continuity_mode: ContinuityMode | None = None
    allow_temporary_high_price: bool | None = None

    @property
    def may_escalate(self) -> bool:
        """One attempt above the cap was asked for. `stay_within_cap` in so many words wins over the flag."""
        if self.continuity_mode is None:
            return self.allow_temporary_high_price is True
        return self.continuity_mode == "temporary_escalation"
