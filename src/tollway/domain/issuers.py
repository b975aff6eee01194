"""Issuers: GitHub, Google and OIDC servers, whom we believe when they say who somebody is."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

Kind = Literal["github", "oidc"]
ADDRESSES = {"github": "https://github.com", "google": "https://accounts.google.com"}
"""Of those that need no `url`."""
NAMES = {"github": "GitHub", "google": "Google"}
GITHUB_API = "https://api.github.com"
_SAFE = re.compile(r"https://[^/\s?#@]+(/[^\s?#]*)?|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^\s?#]*)?")


class Issuer(Struct, frozen=True, forbid_unknown_fields=True):
    """One that users may come by, as we are registered with it."""

    slug: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
    """In its URLs: /sign-in/{slug}. `github` and `google` need no `url`."""
    client_id: Annotated[str, Meta(min_length=1)]
    client_secret: str | None = None
    name: str | None = None
    """On the button."""
    url: str | None = None
    """OIDC's issuer identifier, below which its discovery document lies; or GitHub's address, of one's own server."""
    api_url: str | None = None
    """GitHub's API, of one's own server."""
    kind: Kind | None = None
    """By default `github` for that slug, else `oidc`."""

    @property
    def shown(self) -> str:
        """For people."""
        return self.name or NAMES.get(self.slug, self.slug)

    @property
    def speaks(self) -> Kind:
        return self.kind or ("github" if self.slug == "github" else "oidc")

    @property
    def address(self) -> str:
        """Without a slash at its end. It is half of the name of everybody who comes from there."""
        return (self.url or ADDRESSES.get(self.slug, "")).rstrip("/")

    @property
    def api(self) -> str:
        return (self.api_url or GITHUB_API).rstrip("/")

    def __repr__(self) -> str:
        return f"Issuer(slug={self.slug!r}, url={self.url!r}, client_id={self.client_id!r}, ***)"


class Identity(Struct, frozen=True):
    """Who an issuer says that somebody is: `issuer` and `subject` name them for ever, an e-mail address does not."""

    issuer: str
    subject: str
    email: str | None = None
    """Only one that the issuer has verified."""
    name: str = ""


def is_safe(url: str) -> bool:
    """Whether a secret may be sent there: over https, or to this very machine."""
    return _SAFE.fullmatch(url) is not None


def odd_issuers(issuers: tuple[Issuer, ...]) -> Iterator[str]:
    """What is of the right type and still can't be meant, a sentence each."""
    seen: set[str] = set()
    for number, issuer in enumerate(issuers):
        place = f"users.issuers[{number}]"
        if issuer.slug in seen:
            yield f'{place}.slug: "{issuer.slug}" is there twice'
        seen.add(issuer.slug)
        if not issuer.address:
            yield f"{place}.url is missing: the issuer's identifier, such as https://login.example.com"
        for name in ("address", "api"):
            if getattr(issuer, name) and not is_safe(getattr(issuer, name)):
                yield f"{place}: a secret is sent over https only, or to this machine"
        if issuer.client_secret is not None and not issuer.client_secret.strip():
            yield f"{place}.client_secret is empty: leave it out, or set it"
        if issuer.speaks == "github" and issuer.url is not None and issuer.api_url is None:
            yield f"{place}.api_url is missing: where the API of that GitHub server is"
