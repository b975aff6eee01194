"""Challenges that authenticators sign: good for five minutes, once, and in the browser that asked."""

import hmac
import secrets
from typing import Literal

from msgspec import Struct

from tollway.domain.errors import Forbidden
from tollway.identity.seals import seal, unseal
from tollway.identity.sessions import new_token

OPEN_MS = 5 * 60_000
PURPOSE = "passkey"
OVER = "This took too long, was used already, or was begun in another browser: try again."
For = Literal["new", "sign-in"]


class Challenge(Struct, frozen=True):
    """What a browser keeps until its authenticator has answered."""

    wanted: For
    bound: str
    """Whose it is: a session's id, or a digest of the browser's cookie."""
    text: str
    """What is signed: 256 random bits."""
    began_ms: int


class Challenges:
    """Makes and takes them. Which were used is kept in memory, and the key is of this start: none outlives it."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._used: dict[str, int] = {}
        """Text -> when it is over anyway."""

    def begin(self, wanted: For, bound: str, now_ms: int) -> tuple[Challenge, str]:
        """A new one, and the text that has to come back with what the authenticator answers."""
        challenge = Challenge(wanted, bound, new_token(), now_ms)
        return challenge, seal(self._key, PURPOSE, challenge)

    def take(self, state: str, wanted: For, bound: str, now_ms: int) -> bytes:
        """What must have been signed. Forbidden: another browser's, for something else, over, used, or not ours."""
        found = unseal(self._key, PURPOSE, state, Challenge)
        self._used = {each: until_ms for each, until_ms in self._used.items() if until_ms > now_ms}
        if (
            found is None
            or found.wanted != wanted
            or not hmac.compare_digest(found.bound.encode(), bound.encode())
            or now_ms >= found.began_ms + OPEN_MS
            or found.text in self._used
        ):
            raise Forbidden(OVER)
        self._used[found.text] = found.began_ms + OPEN_MS
        return found.text.encode()
