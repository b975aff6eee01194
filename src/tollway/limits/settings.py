"""`[limits]` of the configuration: every limit, off where it is 0."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0, le=10**9)]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests (rpm) and tokens (tpm) a minute, requests a second (rps) and a day (rpd), and requests at once.

    The defaults are OpenRouter's of today: `:free` models have limits, others have none (OPENROUTER.md, 5 and 13).
    """

    key_rpm: Count = 0
    workspace_rpm: Count = 0
    model_rpm: Count = 0
    """For each workspace and model."""
    models_rpm: dict[str, Count] = {}
    """The same for models by their id, in place of `model_rpm`."""
    address_rpm: Count = 0
    """For each client address; a /64 of IPv6 is one."""
    key_tpm: Count = 0
    workspace_tpm: Count = 0
    key_at_once: Count = 0
    workspace_at_once: Count = 0
    credit_rps: Annotated[float, Meta(ge=0, le=10**6)] = 0.0
    """For each credit that a key may spend, of its workspace's requests together; part of a credit counts as one."""
    surge_rps: Annotated[int, Meta(ge=1, le=10**6)] = 500
    """The most that credits give."""
    free_rpm: Count = 20
    free_rpd: Count = 50
    """`:free` models a UTC day, for each workspace."""
    free_rpd_paid: Count = 1000
    """The same for who has bought `free_paid_credits` credits."""
    free_paid_credits: Count = 10
    guest_rpm: Count = 2
    """Requests without a key, for each client address."""
    guest_rpd: Count = 1000
    """The same, a UTC day, of all guests together."""
    burst_s: Annotated[float, Meta(gt=0, le=60)] = 60.0
    """How much of a limit may be used at once: what it gives in so many seconds, at least one request."""
