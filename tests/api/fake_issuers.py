"""An OIDC issuer and a GitHub, by hand: real signatures, codes that work once, PKCE checked; they lie when told to."""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT, SECRET = "tollway-client", "issuer-secret-canary"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """An RSA key, and how the world knows it."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(65537, 2048)

    @property
    def public(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        named = {"n": numbers.n, "e": numbers.e}
        return {
            "kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256",
            **{name: base64url(each.to_bytes((each.bit_length() + 7) // 8, "big")) for name, each in named.items()},
        }  # fmt: skip

    def sign(self, head: dict[str, Any], claims: dict[str, Any]) -> str:
        """A JWT (RFC 7519)."""
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        if head["alg"] == "none":
            return f"{signed}."
        if head["alg"] == "HS256":  # with what everybody knows: the public key
            secret = json.dumps(self.public).encode()
            return f"{signed}.{base64url(hmac.new(secret, signed.encode(), 'sha256').digest())}"
        signature = self.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"


class Issuer:
    """What it knows, and how it lies. `person`: claims of who is signed in there; `github`: the same for GitHub."""

    def __init__(self) -> None:
        self.url = ""
        self.keys = [Key("first")]
        self.signer = self.keys[0]
        self.person: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        """Put over what an id token says; None: left out."""
        self.head: dict[str, Any] = {"alg": "RS256"}
        self.userinfo: dict[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.github: dict[str, Any] = {}
        self.emails: list[dict[str, Any]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        """Paths of what our server asked."""

    def be(self, sub: str, email: str | None = None, *, verified: Any = True, name: str = "Ada") -> None:
        """Signs somebody in here, at both."""
        self.person = {"sub": sub, "name": name}
        if email is not None:
            self.person |= {"email": email, "email_verified": verified}
        self.github = {"id": int(hashlib.sha256(sub.encode()).hexdigest()[:8], 16), "login": name.lower()}
        self.emails = [] if email is None else [{"email": email, "primary": True, "verified": verified}]

    def honest(self) -> None:
        """It lies no more."""
        self.claims, self.head, self.userinfo, self.metadata = {}, {"alg": "RS256"}, None, {}
        self.signer = self.keys[0]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Status and JSON; a text is a redirect."""
        split = urlsplit(target)
        query = {name: value[0] for name, value in parse_qs(split.query).items()}
        form = {name: value[0] for name, value in parse_qs(body.decode()).items()}
        self.asked.append(split.path)
        match split.path:
            case "/.well-known/openid-configuration":
                endpoints = {
                    "authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks",
                    "userinfo_endpoint": "userinfo",
                }  # fmt: skip
                told = {name: f"{self.url}/{path}" for name, path in endpoints.items()}
                return 200, {"issuer": self.url, **told, **self.metadata}
            case "/jwks":
                return 200, {"keys": [each.public for each in self.keys]}
            case "/authorize" | "/login/oauth/authorize":
                assert query["client_id"] == CLIENT
                assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
                code = secrets.token_hex(8)
                self.codes[code] = query
                return 303, f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            case "/token" | "/login/oauth/access_token":
                return self._token(split.path == "/token", headers, form)
            case "/userinfo":
                return (200, self.userinfo) if self.userinfo is not None else (404, {})
            case "/api/user":
                return 200, self.github
            case "/api/user/emails":
                return 200, self.emails
        return 404, {}

    def _token(self, oidc: bool, headers: Any, form: dict[str, str]) -> tuple[int, Any]:
        basic = f"Basic {base64.b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}"
        known = headers.get("authorization") == basic if oidc else form.get("client_secret") == SECRET
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        proof = (challenge, form.get("redirect_uri"))
        if not known or asked is None or (asked["code_challenge"], asked["redirect_uri"]) != proof:
            return (400 if oidc else 200), {"error": "invalid_grant"}  # GitHub's errors are a 200
        if not oidc:
            return 200, {"access_token": "gho_canary", "token_type": "bearer", "scope": "user:email"}
        now_s = int(time.time())
        claims = {
            "iss": self.url, "aud": CLIENT, "iat": now_s, "exp": now_s + 300, "nonce": asked["nonce"], **self.person,
            **self.claims,
        }  # fmt: skip
        said = {name: value for name, value in claims.items() if value is not None}
        token = self.signer.sign({"kid": self.signer.kid, **self.head}, said)
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token}


@contextmanager
def fake_issuer() -> Iterator[Issuer]:
    """One that listens on the loopback address."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, told = issuer.answer(self.command, self.path, self.headers, body)
            sent = b"" if isinstance(told, str) else json.dumps(told).encode()
            self.send_response(status)
            if isinstance(told, str):
                self.send_header("location", told)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 (the library's name)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
