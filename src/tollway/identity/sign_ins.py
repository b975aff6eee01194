"""A sign-in by an issuer while the browser is away: signed, in a cookie of that browser, good for once."""

import hmac

from msgspec import Struct

from tollway.domain.errors import Forbidden
from tollway.identity.seals import seal, unseal
from tollway.identity.sessions import new_token

AWAY_MS = 10 * 60_000
PURPOSE = "sign-in"
AGAIN = "This sign-in was not begun in this browser, or is over: start again."


class SignIn(Struct, frozen=True):
    """What the cookie holds."""

    slug: str
    """The issuer's."""
    state: str
    nonce: str
    verifier: str
    began_ms: int
    next: str
    """The page of ours to go on to."""
    invitation: str | None = None
    session: str | None = None
    """The session of who wants to sign in by this issuer, too; None: nobody is signed in yet."""


class SignIns:
    """Makes and reads the cookies. Which were used is kept in memory: they are good for minutes, on one node."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self._used: dict[str, int] = {}
        """State -> when it is over anyway."""

    def begin(
        self, slug: str, next_: str, now_ms: int, *, invitation: str | None = None, session: str | None = None
    ) -> SignIn:
        return SignIn(slug, new_token(), new_token(), new_token(), now_ms, next_, invitation, session)

    def seal(self, sign_in: SignIn) -> str:
        """The cookie's value."""
        return seal(self._pepper, PURPOSE, sign_in)

    def take(self, sealed: str, slug: str, state: str, now_ms: int) -> SignIn:
        """The sign-in that a browser comes back from, once.

        Forbidden: another browser's, another issuer's, over, used, or not ours at all.
        """
        found = unseal(self._pepper, PURPOSE, sealed, SignIn)
        if found is None:
            raise Forbidden(AGAIN)
        over_ms = found.began_ms + AWAY_MS
        self._used = {each: until_ms for each, until_ms in self._used.items() if until_ms > now_ms}
        same = found.slug == slug and hmac.compare_digest(found.state.encode(), state.encode())
        if not same or now_ms >= over_ms or found.state in self._used:
            raise Forbidden(AGAIN)
        self._used[found.state] = over_ms
        return found
