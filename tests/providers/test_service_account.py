"""Google's token exchange, without a network: what is signed, what is asked, what is read."""

import base64
import json
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.accounts import KEY, SERVICE_ACCOUNT, USER
from tollway.providers.base import AccessToken
from tollway.providers.service_account import read_answer, read_key, token_request

NOW_S = 1_790_000_000.4


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_service_account_signs_for_itself() -> None:
    """RFC 7523: the signature is the key's (checked by another function than made it), the claims are Google's."""
    request = token_request(SERVICE_ACCOUNT, NOW_S)
    assert (request.method, request.url) == ("POST", "https://oauth2.googleapis.com/token")
    assert request.headers == (("content-type", "application/x-www-form-urlencoded"),)
    form = parse_qs(request.body.decode(), strict_parsing=True)
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")
    KEY.public_key().verify(decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert json.loads(decoded(claims)) == {
        "iss": "tollway@its-own.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_790_000_000,
        "exp": 1_790_003_600,
    }


def test_a_user_refreshes() -> None:
    """RFC 6749, section 6."""
    form = parse_qs(token_request(USER, NOW_S).body.decode(), strict_parsing=True)
    assert form == {
        "grant_type": ["refresh_token"],
        "client_id": ["id.apps.googleusercontent.com"],
        "client_secret": ["client-secret"],
        "refresh_token": ["1//refresh"],
    }


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"access_token":"ya29.a","expires_in":3599,"token_type":"Bearer"}', AccessToken("ya29.a", 3599)),
        (200, b'{"access_token":"ya29.a"}', AccessToken("ya29.a", 3600)),
        (
            400,
            b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}',
            "status 400: invalid_grant Invalid JWT Signature.",
        ),
        (200, b'{"access_token":"two\\r\\nlines"}', "status 200"),
        (200, b"{}", "status 200"),
        (502, b"<html>", "status 502, and no answer of a token endpoint"),
    ],
)
def test_answers(status: int, body: bytes, expected: AccessToken | str) -> None:
    """A token with its lifetime, or why there is none; one that no header could carry is none."""
    assert read_answer(status, body) == expected


@given(st.binary(max_size=200))
def test_any_answer_is_read(body: bytes) -> None:
    """The token endpoint may send what it likes."""
    assert isinstance(read_answer(200, body), str | AccessToken)


def test_secrets_are_not_shown() -> None:
    """Neither of a key that can be read nor in the words about one that can't."""
    assert "PRIVATE" not in repr(read_key(SERVICE_ACCOUNT))
    with pytest.raises(ValueError, match="private_key") as caught:
        read_key(json.dumps(json.loads(SERVICE_ACCOUNT) | {"private_key": "hush"}))
    assert "hush" not in str(caught.value)
