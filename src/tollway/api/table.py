"""What a line of the URL table is: a method, a path, the credential that it wants, and who answers."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.house import House


class Auth(StrEnum):
    """Which credential a route wants."""

    NONE = "none"
    KEY = "key"  # any key of ours
    INFERENCE = "inference"  # a key that may call models
    PROVISIONING = "provisioning"  # a key that manages keys and what belongs to them
    BROWSER = "browser"  # nobody yet, but a page of ours: how one signs in
    SESSION = "session"  # somebody who is signed in
    ADMIN = "admin"  # an admin who has signed in lately, or the command line
    WEBHOOK = "webhook"  # a payment provider's or a scanner's signature of the body
    CONTROL = "control"  # this start's control token, from the file in the data directory


OPEN_TO_PAGES = frozenset({Auth.NONE, Auth.KEY, Auth.INFERENCE, Auth.PROVISIONING})
"""What pages of any site may read: no cookie counts there (FAULTS.md 4.1, CORS)."""

ALLOWED = (
    "Authorization",
    "Content-Type",
    "User-Agent",  # Google's client sets its own, and not every browser keeps it back
    *("HTTP-Referer", "X-Title", "X-OpenRouter-Title", "X-OpenRouter-Categories", "X-Session-Id"),
    *("X-OpenRouter-Metadata", "X-OpenRouter-Experimental-Metadata"),
    *("OpenAI-Beta", "OpenAI-Organization", "OpenAI-Project"),
    *("X-Api-Key", "Anthropic-Version", "Anthropic-Beta", "Anthropic-Dangerous-Direct-Browser-Access"),
    "X-Anthropic-Beta",
    *("X-Goog-Api-Key", "X-Goog-Api-Client", "X-Server-Timeout"),
    *("X-Stainless-OS", "X-Stainless-Lang", "X-Stainless-Package-Version", "X-Stainless-Runtime"),
    *("X-Stainless-Runtime-Version", "X-Stainless-Arch", "X-Stainless-Retry-Count", "X-Stainless-Timeout"),
    *("X-Stainless-Helper", "X-Stainless-Helper-Method", "X-Stainless-Poll-Helper"),
)
"""What the official clients send from a page: OpenRouter's, OpenAI's, Anthropic's, Google's."""

PREFLIGHT = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "access-control-allow-headers": ", ".join(ALLOWED),
    "access-control-max-age": "86400",
}
"""What a browser is told that asks before its page's request, at those URLs."""

Handle = Callable[[House, Request], Awaitable[Response]]


class Parameter(Struct, frozen=True):
    """One of a query: its name, and its JSON schema."""

    name: str
    schema: dict[str, Any]


class Told(Struct, frozen=True):
    """What /openapi.json says of a handler, besides what follows from its line in the table and its docstring."""

    status: int = 200
    """Of an answer that is no error."""
    media: tuple[str, ...] = ("application/json",)
    query: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    """Statuses that its line in the table does not let one expect."""


def text_of(name: str) -> Parameter:
    return Parameter(name, {"type": "string"})


def flag_of(name: str) -> Parameter:
    """As answers.flag reads it."""
    return Parameter(name, {"enum": ["true", "false"]})


def whole_of(name: str, least: int, most: int) -> Parameter:
    """As answers.whole reads it."""
    return Parameter(name, {"type": "integer", "minimum": least, "maximum": most})


WORKSPACE = text_of("workspace_id")
SPAN = tuple(Parameter(name, {"type": "string", "format": "date-time"}) for name in ("from", "to"))
"""As answers.moment reads them."""
OFFSET = whole_of("offset", 0, 10**9)
PAGES = (OFFSET, whole_of("limit", 1, 100))
BEFORE = whole_of("before", 0, 10**15 - 1)

_TOLD: dict[Any, Told] = {}
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Response]])


def tells(
    *query: Parameter, status: int = 200, media: str = "application/json", errors: tuple[int, ...] = ()
) -> Callable[[Handler], Handler]:
    """Says beside a handler what it reads of the query, and what it answers."""

    def keep(handler: Handler) -> Handler:
        _TOLD[handler] = Told(status, (media,), query, errors)
        return handler

    return keep


def told(handle: Handle) -> Told:
    """What its handler tells; nothing special where it does not."""
    return _TOLD.get(handle.func if isinstance(handle, partial) else handle, Told())


class Route(Struct, frozen=True):
    """One line of the URL table that Starlette serves."""

    method: str
    path: str
    auth: Auth
    handle: Handle
    body: type[Struct] | None = None
    """What its body is decoded into, where /openapi.json is to print that."""

    def __post_init__(self) -> None:
        """TypeError: what says no credential; the server does not start with it."""
        if not isinstance(self.auth, Auth):
            raise TypeError(f"{self.method} {self.path}: say which credential it wants, not {self.auth!r}")
