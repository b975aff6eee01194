"""Google's credentials: a service account's signed JWT, or a user's refresh token, for an access token. Pure."""

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from tollway.domain.http import HttpRequest
from tollway.providers.base import AccessToken, Exchange

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 an address
JWT_LIFETIME_S = 3600
"""What Google takes at most (developers.google.com/identity, "Using OAuth 2.0 for Server to Server Applications")."""


class GoogleKey(Struct, frozen=True):
    """The file that Google Cloud gives for a service account, or `gcloud` for a user."""

    type: str
    project_id: str = ""
    token_uri: str = TOKEN_URI
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    quota_project_id: str = ""

    def __repr__(self) -> str:
        return f"GoogleKey(type={self.type!r}, client_email={self.client_email!r})"


class _Answer(Struct):
    access_token: str = ""
    expires_in: float = JWT_LIFETIME_S
    error: str = ""
    error_description: str = ""


_KEY = msgspec.json.Decoder(GoogleKey)
_ANSWER = msgspec.json.Decoder(_Answer)


def read_key(text: str) -> GoogleKey:
    """ValueError: not such a file, or of a kind that is not known, or its private key can't be read."""
    try:
        key = _KEY.decode(text)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its JSON is no Google credential: {error}") from None
    if not key.token_uri.startswith("https://") and not key.token_uri.startswith(
        ("http://127.0.0.1:", "http://[::1]:")
    ):
        raise ValueError("token_uri: a secret is sent over https only")
    if key.type == "service_account" and key.client_email:
        _private_key(key)
    elif not (key.type == "authorized_user" and key.client_id and key.client_secret and key.refresh_token):
        raise ValueError(
            f"its JSON is a Google credential of type {key.type[:40]!r}; a whole one of type "
            "service_account or authorized_user is needed"
        )
    return key


def token_request(text: str, now_s: float) -> HttpRequest:
    """What is sent to the token endpoint: RFC 7523's grant for a service account, a refresh for a user."""
    key = read_key(text)
    if key.type == "service_account":
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed_jwt(key, now_s)}
    else:
        form = {
            "grant_type": "refresh_token",
            "client_id": key.client_id,
            "client_secret": key.client_secret,
            "refresh_token": key.refresh_token,
        }
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return HttpRequest("POST", key.token_uri, headers, urlencode(form).encode())


def read_answer(status: int, body: bytes) -> AccessToken | str:
    """The token, or why there is none, in words that hold no secret."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return f"status {status}, and no answer of a token endpoint"
    if status == 200 and answer.access_token.isascii() and answer.access_token.isprintable() and answer.access_token:
        return AccessToken(answer.access_token, answer.expires_in)
    return f"status {status}: {answer.error[:80]} {answer.error_description[:200]}".rstrip(": ")


def signed_jwt(key: GoogleKey, now_s: float) -> str:
    """Who asks, for what and until when, signed with RS256 (RFC 7519, RFC 7518 3.3)."""
    head = {"alg": "RS256", "typ": "JWT"} | ({"kid": key.private_key_id} if key.private_key_id else {})
    claims = {
        "iss": key.client_email,
        "scope": SCOPE,
        "aud": key.token_uri,
        "iat": int(now_s),
        "exp": int(now_s) + JWT_LIFETIME_S,
    }
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (head, claims))
    return (signed + b"." + _base64url(_rs256(key, signed))).decode()


def _rs256(key: GoogleKey, signed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return _private_key(key).sign(signed, PKCS1v15(), SHA256())


def _private_key(key: GoogleKey) -> "RSAPrivateKey":
    # Imported where a service account is there: it takes 50 ms, which every other start and command would pay.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(key.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("private_key: not a PEM key that can be read") from None
    if not isinstance(found, RSAPrivateKey):
        raise ValueError("private_key: not an RSA key")
    return found


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


GOOGLE_EXCHANGE = Exchange(token_request, read_answer)
