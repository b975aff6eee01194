"""Signing in by an issuer: where to send the browser, and who came back; OAuth 2 with PKCE, OIDC's id tokens."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tollway.domain.errors import Forbidden, NotFound, TollwayError, Unavailable
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.issuers import Identity, Issuer, is_safe
from tollway.identity.id_tokens import BadToken, key_ids, read_id_token
from tollway.upstream.client import UpstreamClient
from tollway.upstream.dns import Resolve, system_addresses
from tollway.upstream.faults import UpstreamFault
from tollway.upstream.fetch import Guard

DEADLINES = Deadlines(dns_s=5.0, connect_s=5.0, tls_s=5.0, first_event_s=10.0, idle_s=10.0, total_s=15.0)
BODY_MAX = 256 * 1024
DISCOVERY_S = 3600.0
KEYS_AGAIN_S = 30.0
"""Keys are read again for one that is not among them, this often at most: anybody can invent a key's name."""
FORM = "application/x-www-form-urlencoded"


class Asked(Struct, frozen=True):
    """What a sign-in began with. `state` and `nonce` come back, `verifier` is shown for the code (RFC 7636)."""

    state: str
    nonce: str
    verifier: str
    back: str
    """Our own URL, that the issuer sends the browser to."""


class Metadata(Struct):
    """What we read of a discovery document (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None


class Issuers:
    """Those that are configured. The operator named their hosts; any other must be on the public internet."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        secrets: Mapping[str, str | None],
        now_s: Callable[[], float],
        *,
        allow: Iterable[str] = (),
        resolve: Resolve = system_addresses,
    ) -> None:
        self._issuers = {each.slug: each for each in issuers}
        self._secrets = secrets
        """By slug."""
        self._now_s = now_s
        hosts = {urlsplit(url).hostname or "" for each in self._issuers.values() for url in (each.address, each.api)}
        guard = Guard([*allow, *hosts], resolve)
        self._client = UpstreamClient(connections_per_origin=4, idle_s=5.0, resolve=guard.addresses, body_max=BODY_MAX)
        self._metadata: dict[str, tuple[float, Metadata]] = {}
        self._keys: dict[str, tuple[float, Mapping[str, Any]]] = {}

    @property
    def buttons(self) -> tuple[tuple[str, str], ...]:
        """Slugs, and names for people."""
        return tuple((each.slug, each.shown) for each in self._issuers.values())

    @property
    def names(self) -> dict[str, str]:
        """By address, for people."""
        return {each.address: each.shown for each in self._issuers.values()}

    def get(self, slug: str) -> Issuer:
        """NotFound: there is none of this name."""
        if (issuer := self._issuers.get(slug)) is None:
            raise NotFound("There is no such way to sign in.")
        return issuer

    async def begin(self, issuer: Issuer, asked: Asked) -> str:
        """Where the browser goes. Unavailable: the issuer does not answer."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        if issuer.speaks == "github":
            url, more = f"{issuer.address}/login/oauth/authorize", {"scope": "read:user user:email"}
        else:
            url = (await self._discovered(issuer)).authorization_endpoint
            more = {"scope": "openid email profile", "nonce": asked.nonce}
        return str(
            prepare_grant_uri(
                url, issuer.client_id, "code", asked.back, state=asked.state,
                code_challenge=create_s256_code_challenge(asked.verifier), code_challenge_method="S256", **more,
            )
        )  # fmt: skip

    async def finish(self, issuer: Issuer, asked: Asked, code: str, from_: str | None) -> Identity:
        """Who came back with this code. `from_`: the issuer that the answer names (RFC 9207), if it does.

        Forbidden: the issuer takes the code not, or says what can't be believed. Unavailable: it does not answer.
        """
        if issuer.speaks == "github":
            return await self._github(issuer, asked, code)
        metadata = await self._discovered(issuer)
        if from_ is not None and from_ != metadata.issuer:
            raise Forbidden(f"The answer is not from {issuer.shown}: start again.")
        ways = metadata.token_endpoint_auth_methods_supported or ["client_secret_basic"]
        token = await self._exchange(issuer, metadata.token_endpoint, asked, code, basic="client_secret_basic" in ways)
        try:
            claims = read_id_token(
                str(token.get("id_token", "")), await self._keys_for(issuer, metadata, token), issuer=metadata.issuer,
                client_id=issuer.client_id, nonce=asked.nonce, access_token=token["access_token"], now_s=self._now_s(),
            )  # fmt: skip
        except BadToken as error:
            raise Forbidden(f"{issuer.shown}'s answer can't be believed: {error}.") from None
        subject = str(claims["sub"])
        if "email" not in claims and metadata.userinfo_endpoint is not None:
            told = await self._object(issuer, "GET", metadata.userinfo_endpoint, bearer=token["access_token"])
            if told.get("sub") != subject:
                raise Forbidden(f"{issuer.shown} speaks of two people: start again.")
            claims = {**told, **claims}
        said = claims.get("email_verified")  # some say it as a text
        verified = said is True or said == "true"
        email = claims.get("email") if verified else None
        return Identity(metadata.issuer, subject, email if isinstance(email, str) else None, _text(claims.get("name")))

    async def close(self) -> None:
        """Abort what runs."""
        await self._client.close()

    async def _github(self, issuer: Issuer, asked: Asked, code: str) -> Identity:
        """Its answer has no id token: the API says who it is (docs.github.com, "Authorizing OAuth apps")."""
        url = f"{issuer.address}/login/oauth/access_token"
        bearer = (await self._exchange(issuer, url, asked, code, basic=False))["access_token"]
        user = await self._object(issuer, "GET", f"{issuer.api}/user", bearer=bearer)
        number = user.get("id")
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise Forbidden(f"{issuer.shown} did not say who you are: start again.")
        _, emails = await self._ask(issuer, "GET", f"{issuer.api}/user/emails", bearer=bearer)
        proven = [
            each for each in emails if isinstance(each, dict) and each.get("verified") is True and each.get("email")
        ] if isinstance(emails, list) else []  # fmt: skip
        proven.sort(key=lambda each: each.get("primary") is not True)
        email = str(proven[0]["email"]) if proven else None
        return Identity(issuer.address, str(number), email, _text(user.get("name") or user.get("login")))

    async def _exchange(self, issuer: Issuer, url: str, asked: Asked, code: str, *, basic: bool) -> dict[str, Any]:
        """The code for tokens. Forbidden: it is used, over, or another's."""
        from authlib.oauth2.auth import ClientAuth
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        secret = self._secrets.get(issuer.slug)
        way = "none" if secret is None else "client_secret_basic" if basic else "client_secret_post"
        wanted = prepare_token_request("authorization_code", "", asked.back, code=code, code_verifier=asked.verifier)
        url, headers, body = ClientAuth(issuer.client_id, secret, way).prepare("POST", url, {}, wanted)
        status, told = await self._ask(issuer, "POST", url, headers=headers, body=str(body).encode())
        if status != 200 or not isinstance(told, dict) or not isinstance(told.get("access_token"), str):
            # An error's description is the issuer's text, and no page of ours shows it.
            raise Forbidden(f"{issuer.shown} does not take the code any more: start again.")
        return told

    async def _discovered(self, issuer: Issuer) -> Metadata:
        kept = self._metadata.get(issuer.slug)
        if kept is not None and self._now_s() < kept[0]:
            return kept[1]
        told = await self._object(issuer, "GET", f"{issuer.address}/.well-known/openid-configuration")
        try:
            found = msgspec.convert(told, Metadata)
        except msgspec.ValidationError:
            raise _unreadable(issuer) from None
        urls = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint or "")
        same = found.issuer.rstrip("/") == issuer.address  # OpenID Connect Discovery 1.0, section 4.3
        if not same or not all(is_safe(url.partition("?")[0]) for url in urls if url):
            raise _unreadable(issuer)
        self._metadata[issuer.slug] = self._now_s() + DISCOVERY_S, found
        return found

    async def _keys_for(self, issuer: Issuer, metadata: Metadata, token: Mapping[str, Any]) -> Mapping[str, Any]:
        """The issuer's keys, read again if they are old, or if the one that signed is not among them."""
        since_s, keys = self._keys.get(issuer.slug, (float("-inf"), {}))
        age_s = self._now_s() - since_s
        named = key_ids(str(token.get("id_token", "")))
        if age_s > DISCOVERY_S or (age_s > KEYS_AGAIN_S and not named <= key_ids(keys)):
            keys = await self._object(issuer, "GET", metadata.jwks_uri)
            self._keys[issuer.slug] = self._now_s(), keys
        return keys

    async def _object(self, issuer: Issuer, method: str, url: str, bearer: str | None = None) -> dict[str, Any]:
        status, told = await self._ask(issuer, method, url, bearer=bearer)
        if status != 200 or not isinstance(told, dict):
            raise _unreadable(issuer)
        return told

    async def _ask(
        self,
        issuer: Issuer,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        bearer: str | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON; no redirect is followed. Unavailable: no answer, or none that can be read."""
        sent = [("accept", "application/json"), ("user-agent", "Tollway"), *(headers or {}).items()]
        if bearer is not None:
            sent.append(("authorization", f"Bearer {bearer}"))
        if body:
            sent.append(("content-type", FORM))
        try:
            with self._client.call(HttpRequest(method, url, tuple(sent), body), DEADLINES) as call:
                await call.start()
                return call.status, msgspec.json.decode(await call.read())
        except (UpstreamFault, ValueError):  # msgspec's are ValueErrors
            raise _unreadable(issuer) from None


def _unreadable(issuer: Issuer) -> TollwayError:
    return Unavailable(f"{issuer.shown} does not answer as it should: try again, or sign in in another way.")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
