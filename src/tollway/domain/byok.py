"""BYOK: a workspace's own credential for a provider, how it is kept, and when it is used."""

from typing import Annotated

from msgspec import Meta, Struct


class ByokSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[byok]`: what the use of callers' own keys costs, and under which keys theirs lie."""

    fee_percent: Annotated[float, Meta(ge=0, le=100)] = 5.0
    """Of what the same request costs at list price."""
    free_requests_monthly: Annotated[int, Meta(ge=0)] = 0
    """So many requests of a workspace in a calendar month (UTC) cost no fee."""
    ring: tuple[str, ...] = ()
    """Keys of 32 bytes in base64, the present one first; by default those of a file in the data directory."""

    def __repr__(self) -> str:
        return f"ByokSettings(fee_percent={self.fee_percent!r}, ring={len(self.ring)} keys)"

    @property
    def fee_ppm(self) -> int:
        """The fee in millionths."""
        return round(self.fee_percent * 10_000)


class Sealed(Struct, frozen=True):
    """A secret as it is kept: encrypted with a key of its own, which is encrypted with a key of the ring."""

    ring_key: str
    """The id of the ring's key that opens `data_key`."""
    data_key: bytes
    data: bytes

    def __repr__(self) -> str:
        return f"Sealed(ring_key={self.ring_key!r})"


class Wishes(Struct, frozen=True, omit_defaults=True):
    """What a credential's owner says about it; kept as JSON."""

    name: str | None = None
    disabled: bool = False
    is_fallback: bool = False
    """Tried after the server's own endpoints, not before."""
    is_required: bool = False
    """The server's own endpoints are left out for the models that it serves."""
    is_byok_only: bool = False
    """The server's own endpoints are left out for every model."""
    declared_zdr: bool | None = None
    """The owner has agreed with the provider that it keeps nothing."""
    declared_region: str | None = None
    allowed_models: tuple[str, ...] | None = None
    allowed_api_key_hashes: tuple[str, ...] | None = None
    allowed_user_ids: tuple[str, ...] | None = None
    sort_order: int = 0


class Credential(Struct, frozen=True):
    """One of a workspace's credentials. `version` grows with each new secret."""

    id: str
    workspace_id: str
    provider: str
    label: str
    """A few characters of the secret, by which its owner knows it."""
    created_ms: int
    version: int
    sealed: Sealed
    wishes: Wishes = Wishes()
    deployed: tuple[str, ...] | None = None
    """Ids of the models that it names itself, as Azure's form does; None: all that its provider has."""

    def serves(self, model_id: str) -> bool:
        """Whether it may be used for a model."""
        allowed = self.wishes.allowed_models
        return (self.deployed is None or model_id in self.deployed) and (allowed is None or model_id in allowed)

    def opens_to(self, key_id: str, user_id: str | None) -> bool:
        """Whether requests of a key may use it."""
        keys, users = self.wishes.allowed_api_key_hashes, self.wishes.allowed_user_ids
        return (
            not self.wishes.disabled
            and (keys is None or key_id in keys)
            and (users is None or (user_id or "") in users)
        )
