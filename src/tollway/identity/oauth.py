"""What an app may ask for at /auth: its callback URL and code challenge, read strictly (RFC 7636, FAULTS.md 4.1)."""

import base64
import hmac
import ipaddress
import re
from collections.abc import Collection
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct

from tollway.domain.errors import Forbidden, InvalidRequest
from tollway.domain.people import ChallengeMethod

URL_MAX = 2048
WRONG_CODE = "Invalid code or code_verifier."
"""All that a failed exchange says, whatever the reason."""
WRONG_METHOD = "Invalid code_challenge_method"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PRINTABLE = re.compile(r"[!-~]+")
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Callback(Struct, frozen=True):
    """Where the code goes. Apps are not registered: the host is all that is known of one, and is shown as it is."""

    url: str
    host: str
    """In lower case, in punycode, without the port."""
    origin: str

    @property
    def local(self) -> bool:
        """Whether a program on the user's own machine asks."""
        return self.host in LOOPBACK

    def answered(self, **parameters: str) -> str:
        """The URL with `code` or `error` added to its query."""
        joint = "?" if "?" not in self.url else "" if self.url.endswith(("?", "&")) else "&"
        return f"{self.url}{joint}{urlencode(parameters)}"


class Challenge(Struct, frozen=True):
    """What the app's verifier must fit."""

    method: ChallengeMethod
    value: str = ""
    """"" where the method is "none"."""


class App(Struct, frozen=True):
    """Who asks, and how its code is protected. Without a callback the user carries the code over: headless."""

    callback: Callback | None
    challenge: Challenge


def read_app(
    callback_url: str | None, code_challenge: str | None, method: str | None, allowed: Collection[ChallengeMethod]
) -> App:
    """InvalidRequest: what is wrong with the app's wishes."""
    callback = None if callback_url is None else read_callback(callback_url)
    challenge = read_challenge(code_challenge, method, allowed)
    if callback is None and challenge.method == "none":
        raise InvalidRequest("code_challenge: needed where there is no callback_url", param="code_challenge")
    return App(callback, challenge)


def read_callback(url: str) -> Callback:
    """https with any host, or http on this machine. InvalidRequest: anything that two might read differently."""
    if len(url) > URL_MAX or not _PRINTABLE.fullmatch(url) or "\\" in url or "#" in url:
        raise _bad(f"at most {URL_MAX} printable ASCII characters without a backslash or a fragment")
    scheme, _, rest = url.partition("://")
    netloc = re.split(r"[/?]", rest, maxsplit=1)[0].lower()
    if scheme not in ("https", "http"):
        raise _bad("it must begin with https://, or with http:// and localhost")
    host, port = _host_and_port(netloc)
    if scheme == "http" and host not in LOOPBACK:
        raise _bad("http is for localhost, 127.0.0.1 and [::1] only; use https")
    query = rest.partition("?")[2]
    if {name for name, _ in parse_qsl(query, keep_blank_values=True)} & {"code", "error"}:
        raise _bad("its query must not have `code` or `error`: that is what is added")
    path = rest[len(netloc) :]
    shown = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{shown}{port}"
    return Callback(f"{origin}{path if path.startswith('/') else f'/{path}'}", host, origin)


def read_challenge(value: str | None, method: str | None, allowed: Collection[ChallengeMethod]) -> Challenge:
    """A challenge without a method is plain (RFC 7636, 4.3). InvalidRequest: an odd one, or one switched off."""
    if method not in (None, "S256", "plain"):
        raise InvalidRequest(f"{WRONG_METHOD}: S256 or plain", param="code_challenge_method")
    if value is None:
        if method is not None:
            raise InvalidRequest(f"{WRONG_METHOD}: there is no code_challenge", param="code_challenge")
        challenge = Challenge("none")
    else:
        challenge = Challenge("S256" if method == "S256" else "plain", value)
        if not (_S256 if method == "S256" else _VERIFIER).fullmatch(value):
            length = "43" if method == "S256" else "43 to 128"
            raise InvalidRequest(f"code_challenge: {length} characters of base64url, please", param="code_challenge")
    if challenge.method not in allowed:
        wanted = " or ".join(each for each in ("S256", "plain") if each in allowed) or "nothing"
        raise InvalidRequest(f"{WRONG_METHOD}: this server takes {wanted}", param="code_challenge_method")
    return challenge


def check_verifier(challenge: Challenge, verifier: str | None, method: str | None) -> None:
    """The stored method decides: no downgrade (RFC 9700, 4.8). InvalidRequest: another method. Forbidden: no proof."""
    if method is not None and method != challenge.method:
        raise InvalidRequest(
            f"{WRONG_METHOD}: use the one that the code was asked for with", param="code_challenge_method"
        )
    if challenge.method == "none":
        if verifier is not None:
            raise Forbidden(WRONG_CODE)
        return
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        raise Forbidden(WRONG_CODE)
    if not hmac.compare_digest((s256(verifier) if challenge.method == "S256" else verifier), challenge.value):
        raise Forbidden(WRONG_CODE)


def s256(verifier: str) -> str:
    """A verifier's challenge (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _host_and_port(netloc: str) -> tuple[str, str]:
    if netloc.startswith("["):
        text, closed, port = netloc[1:].partition("]")
        try:
            host = str(ipaddress.IPv6Address(text))
        except ValueError:
            host = ""
        good = bool(closed and host) and "%" not in text
    else:
        host, colon, digits = netloc.partition(":")
        port, good = colon + digits, _is_host(host)
    if port and not (re.fullmatch(r":[0-9]{1,5}", port) and 0 < int(port[1:]) < 65_536):
        good = False
    if not good:
        raise _bad("it needs a plain host name (in punycode) or address, and no user name")
    return host, port


def _is_host(host: str) -> bool:
    """A name, or a dotted IPv4 address. Browsers take any name whose last label is a number for an address."""
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(each) for each in labels):
        return False
    if not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        return True
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def _bad(why: str) -> InvalidRequest:
    return InvalidRequest(f"callback_url: {why}", param="callback_url")
