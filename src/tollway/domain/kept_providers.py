"""Providers that an operator added on the site: what is kept of each, and its keys, sealed."""

from msgspec import Struct

from tollway.domain.byok import Sealed


class KeptProvider(Struct, frozen=True):
    """One, by its slug. Where tollway.toml has a block for it, only what that can't say counts."""

    slug: str
    record: str
    """JSON of what a `[[providers]]` block would say, without its keys."""
    created_ms: int
    changed_ms: int


class KeptKey(Struct, frozen=True):
    """One of its keys."""

    id: str
    provider: str
    label: str
    """A few characters, by which the operator knows it."""
    created_ms: int
    sealed: Sealed

    @property
    def place(self) -> tuple[str, str, str, int]:
        """Where the secret belongs: anywhere else it can't be opened. No workspace has such an id."""
        return "the operator", self.provider, self.id, 1
