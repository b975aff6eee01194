"""How long what is known of finished requests stays, and how much of it: the operator's settings."""

from typing import Annotated

from msgspec import Meta, Struct


class Records(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of finished requests."""

    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """How long their records stay: user agents, sessions, attempts, errors. Amounts stay for ever. 0: for ever."""
    content_keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 30
    """How long prompts and answers stay that workspaces have kept. 0: none can be kept."""
    content_discount_percent: Annotated[float, Meta(ge=0, lt=100)] = 1.0
    """What workspaces pay less whose prompts and answers the operator may use. 0: they can't be shared."""
    content_max_bytes: Annotated[int, Meta(ge=4_096, le=16 * 2**20)] = 262_144
    """Of the prompt and the answer of one request together; what is longer is cut."""

    @property
    def content_discount_ppm(self) -> int:
        """The discount in millionths."""
        return round(self.content_discount_percent * 10_000)
