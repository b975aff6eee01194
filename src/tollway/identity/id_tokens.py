"""An issuer's id token: signed by one of its keys, for us, for this sign-in, and not too old (OpenID Connect Core)."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

ALGORITHMS = ("RS256", "ES256", "PS256")
"""None but these, whatever the token or the issuer says: no `none`, and no shared secret."""
LEEWAY_S = 60
TOKEN_MAX = 64 * 1024


class BadToken(Exception):
    """Why it can't be believed, in words that may be shown."""


def read_id_token(
    token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, access_token: str, now_s: float
) -> dict[str, Any]:
    """Its claims. BadToken: a signature, a claim or a time is not as it must be (3.1.3.7)."""
    # Imported here, because nobody who signs in by a password needs them.
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    if not token or len(token) > TOKEN_MAX:
        raise BadToken("there is no id token in it")
    try:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        found = jwt.decode(token, KeySet.import_key_set({"keys": _signing(keys)}), registry=registry)
    except (JoseError, ValueError, TypeError, KeyError, UnicodeError):
        raise BadToken("the signature of its id token is wrong") from None
    options = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": client_id},
        "sub": {"essential": True},
        "nonce": {"essential": True, "value": nonce},
    }
    told = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    claims = CodeIDToken(found.claims, found.header, options, told)
    try:
        claims.validate(now=int(now_s), leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError) as error:
        claim = getattr(error, "claim", None)
        raise BadToken(f"its id token is not good ({claim or type(error).__name__})") from None
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:  # Core, section 2
        raise BadToken("its id token is not good (sub)")
    return dict(claims)


def key_ids(of: str | Mapping[str, Any]) -> frozenset[str]:
    """Names of keys: those of a set, or that of the key which a token says that it is signed with."""
    if not isinstance(of, str):
        return frozenset(str(each["kid"]) for each in _signing(of) if "kid" in each)
    head = of.partition(".")[0]
    try:
        told = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return frozenset()
    return frozenset({str(told["kid"])} if isinstance(told, dict) and "kid" in told else ())


def _signing(keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keys of a set that may sign: public ones, and none that is for encryption (RFC 7517, 4.2)."""
    found = keys.get("keys")
    listed = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [each for each in listed if each.get("kty") in ("RSA", "EC") and each.get("use", "sig") == "sig"]
