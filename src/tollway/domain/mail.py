"""Mail: the operator's server for it, a message, and whoever can send one."""

from collections.abc import Iterator
from typing import Annotated, Protocol

from msgspec import Meta, Struct


class MailSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[mail]`: the server that takes our mail. Without a host no mail is sent."""

    host: str | None = None
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    starttls: bool = True
    """Whether the connection is encrypted before anything is said; false only for a server on this machine."""
    tls: bool = False
    """Whether it is encrypted from the first byte on (port 465)."""
    username: str | None = None
    password: str | None = None
    sender: str | None = None
    """The address that mail comes from."""
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 20.0

    @property
    def on(self) -> bool:
        return self.host is not None

    def __repr__(self) -> str:
        return f"MailSettings(host={self.host!r}, port={self.port}, username={self.username!r}, password=***)"


class Letter(Struct, frozen=True):
    """A message of plain text to one address. `id` stays the same when it is sent again."""

    id: str
    to: str
    subject: str
    text: str


class MailFailed(Exception):
    """The server did not take a letter; the message is fit to be shown to who waits for it."""


class Mailer(Protocol):
    """Whoever can send a letter."""

    async def send(self, letter: Letter) -> None:
        """MailFailed: it was not taken; it may be tried again."""
        ...


def odd_mail(settings: MailSettings) -> Iterator[str]:
    """What is wrong with the settings."""
    if settings.on and (settings.sender is None or "@" not in settings.sender):
        yield "mail.sender: the address that mail comes from, such as tollway@example.com"
    if settings.tls and settings.starttls and settings.port == 465:
        return
    if settings.password and not (settings.tls or settings.starttls) and settings.host not in LOCAL:
        yield "mail.password: would be sent unencrypted; set mail.starttls or mail.tls"


LOCAL = ("localhost", "127.0.0.1", "::1")
