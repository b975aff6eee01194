"""AWS's Signature Version 4 (IAM user guide, "Create a signed AWS API request"), and Bedrock's credentials."""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from tollway.domain.http import HttpRequest

SERVICE = "bedrock"
ALGORITHM = "AWS4-HMAC-SHA256"
ACCESS_KEY_ENV, BEARER_ENV = "AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK"
REGION_ENV = "AWS_REGION"

_UNSIGNED = frozenset({"user-agent", "x-amzn-trace-id", "traceparent", "tracestate", "baggage"})
"""What may change on the way; botocore's list, less what is no header of ours to set."""
_REGION = re.compile(r"(?:^|\.)bedrock[a-z-]*\.([a-z]{2}[a-z-]*-\d+)\.")


class AwsKeys(Struct, frozen=True, rename="camel"):
    """A credential as JSON, with the names of OpenRouter's BYOK form (seed 003, "AWS Bedrock API Keys")."""

    access_key_id: str
    secret_access_key: str
    region: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"AwsKeys(access_key_id={self.access_key_id!r}, region={self.region!r})"


_KEYS = msgspec.json.Decoder(AwsKeys)


def read_keys(credential: str) -> AwsKeys | None:
    """The keys of a credential that is a JSON object; None: it is a Bedrock API key. ValueError: what is missing."""
    if not credential.lstrip().startswith("{"):
        return None
    try:
        keys = _KEYS.decode(credential)
    except msgspec.MsgspecError as error:
        raise ValueError(f"AWS keys are a JSON object with accessKeyId, secretAccessKey and region: {error}") from None
    if not all(re.fullmatch(r"[!-~]+", text) for text in (keys.access_key_id, keys.region, keys.session_token or "-")):
        raise ValueError("AWS keys hold a blank, an empty value or a letter that no key has")
    return keys


def credential_from(variable: Callable[[str], str]) -> str | None:
    """What AWS's own tools would take from the environment: a Bedrock API key, else keys and region, as a credential.

    `variable` gives a variable's value, or "" where it is not set.
    """
    if token := variable(BEARER_ENV):
        return token
    access, secret = variable(ACCESS_KEY_ENV), variable("AWS_SECRET_ACCESS_KEY")
    region = variable(REGION_ENV) or variable("AWS_DEFAULT_REGION")
    if not (access and secret and region):
        return None
    return msgspec.json.encode(AwsKeys(access, secret, region, variable("AWS_SESSION_TOKEN") or None)).decode()


def sigv4(credential: str, request: HttpRequest, now_s: float) -> tuple[tuple[str, str], ...]:
    """The headers of a signed request to Bedrock; for a Bedrock API key, a bearer token.

    The region is the one that the address names, else the credential's. A credential that can't be read signs
    nothing, and the provider refuses the request.
    """
    try:
        keys = read_keys(credential)
    except ValueError:
        return ()
    if keys is None:
        return (("authorization", f"Bearer {credential}"),) if credential else ()
    url = urlsplit(request.url)
    host = url.netloc.removesuffix(":443" if url.scheme == "https" else ":80")
    named = _REGION.search(host)
    region = named.group(1) if named else keys.region
    moment = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [("x-amz-date", moment)]
    if keys.session_token:
        added.append(("x-amz-security-token", keys.session_token))
    names, canonical = _canonical_headers([("host", host), *request.headers, *added])
    lines = (
        request.method,
        quote(_clean(url.path), safe="/~"),  # once more than it is already: everywhere but in S3
        _canonical_query(url.query),
        canonical,
        names,
        hashlib.sha256(request.body).hexdigest(),
    )
    scope = f"{moment[:8]}/{region}/{SERVICE}/aws4_request"
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"{ALGORITHM}\n{moment}\n{scope}\n{hashed}".encode(), "sha256").hex()
    proof = f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return (*added, ("authorization", proof))


def _canonical_headers(headers: list[tuple[str, str]]) -> tuple[str, str]:
    """(names, lines): sorted by name, values of one name joined, white space folded."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in _UNSIGNED:
            found.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = sorted(found)
    return ";".join(names), "".join(f"{name}:{','.join(found[name])}\n" for name in names)


def _canonical_query(query: str) -> str:
    """Sorted by name and value; escaped it is already. A name without a value gets its equals sign."""
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else ()
    return "&".join(f"{name}={value}" for name, value in pairs)


def _clean(path: str) -> str:
    """Without dot segments (RFC 3986, 5.2.4) and double slashes."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
