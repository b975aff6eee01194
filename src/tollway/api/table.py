"""What a line of the URL table is: a method, a path, the credential that it wants, and who answers."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

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
    WEBHOOK = "webhook"  # a payment provider's signature of the body
    CONTROL = "control"  # this start's control token, from the file in the data directory


OPEN_TO_PAGES = frozenset({Auth.NONE, Auth.KEY, Auth.INFERENCE, Auth.PROVISIONING})
"""What pages of any site may read: no cookie counts there (FAULTS.md 4.1, CORS)."""

Handle = Callable[[House, Request], Awaitable[Response]]


class Route(Struct, frozen=True):
    """One line of the URL table that Starlette serves."""

    method: str
    path: str
    auth: Auth
    handle: Handle
    body: type[Struct] | None = None
    """What its body is decoded into, where /openapi.json is to print that."""
