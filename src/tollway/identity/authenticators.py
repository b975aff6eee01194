"""What authenticators answer, checked by the library `webauthn` (Web Authentication Level 3, sections 7.1 and 7.2)."""

import asyncio
import base64
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from tollway.domain.passkeys import Place

ALGORITHMS = (-8, -7, -257)
"""COSE's numbers of EdDSA, ES256 and RS256."""
Text = Annotated[str, Meta(max_length=16_384)]
"""Binary, as base64url."""
T = TypeVar("T")


class Made(Struct, frozen=True):
    """`response` of a new credential."""

    client_data: Text = msgspec.field(name="clientDataJSON")
    attestation: Text = msgspec.field(name="attestationObject")


class NewCredential(Struct, frozen=True):
    """What `navigator.credentials.create()` gave, as JSON."""

    id: Text
    raw_id: Text = msgspec.field(name="rawId")
    response: Made
    type: Literal["public-key"] = "public-key"


class Shown(Struct, frozen=True):
    """`response` of a credential that signs somebody in. `user` is who the authenticator keeps it for."""

    client_data: Text = msgspec.field(name="clientDataJSON")
    authenticator_data: Text = msgspec.field(name="authenticatorData")
    signature: Text
    user: Text = msgspec.field(name="userHandle")


class Credential(Struct, frozen=True):
    """What `navigator.credentials.get()` gave, as JSON."""

    id: Text
    raw_id: Text = msgspec.field(name="rawId")
    response: Shown
    type: Literal["public-key"] = "public-key"


class Verified(Struct, frozen=True):
    """What is believed of an answer."""

    credential_id: str
    sign_count: int
    synced: bool
    public_key: str = ""
    """Of a new credential: COSE, as base64url."""


class BadAnswerError(Exception):
    """An answer that proves nothing."""


async def verify_new(credential: NewCredential, challenge: bytes, place: Place) -> Verified:
    """A credential was made for this challenge, here, by somebody who was verified. BadAnswerError: it was not."""

    def verify() -> Verified:
        from webauthn import verify_registration_response
        from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography
        from webauthn.helpers.cose import COSEAlgorithmIdentifier

        found = verify_registration_response(
            credential=msgspec.to_builtins(credential),
            expected_challenge=challenge,
            expected_rp_id=place.rp_id,
            expected_origin=place.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(each) for each in ALGORITHMS],
        )
        key = found.credential_public_key
        # A key that is none would be found out at the first sign-in only.
        decoded_public_key_to_cryptography(decode_credential_public_key(key))
        return Verified(as_text(found.credential_id), found.sign_count, found.credential_backed_up, as_text(key))

    return await _in_thread(verify)


async def verify_shown(credential: Credential, challenge: bytes, place: Place, public_key: str) -> Verified:
    """The key signed this challenge, here, for somebody who was verified. BadAnswerError: it did not.

    That its counter went on is for the caller to see: only now is it known that the number is the authenticator's.
    """

    def verify() -> Verified:
        from webauthn import verify_authentication_response

        found = verify_authentication_response(
            credential=msgspec.to_builtins(credential),
            expected_challenge=challenge,
            expected_rp_id=place.rp_id,
            expected_origin=place.origin,
            credential_public_key=as_bytes(public_key),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        return Verified(as_text(found.credential_id), found.new_sign_count, found.credential_backed_up)

    return await _in_thread(verify)


async def _in_thread(verify: Callable[[], T]) -> T:
    """The first time loads the library, which takes a fifth of a second."""
    try:
        return await asyncio.to_thread(verify)
    except Exception as error:  # parsers of a stranger's bytes raise whatever they raise
        raise BadAnswerError(str(error)) from error


def as_text(found: bytes) -> str:
    """base64url without padding, as WebAuthn writes what is binary."""
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


def as_bytes(text: str) -> bytes:
    """ValueError: not base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
