"""A forgotten password: whoever has the address is sent a link, and whoever asks learns nothing of who is here."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from tollway.domain.errors import NotFound
from tollway.domain.mail import Letter, Mailer, MailFailed
from tollway.gateway.registrar import PASSWORD_PAGE, page_link
from tollway.identity.ids import new_id
from tollway.identity.people import People

log = structlog.get_logger(__name__)

NO_MAIL = "This server sends no mail: ask whoever runs it for a link."


class Forgotten:
    """`mailer` None: no mail is configured, and nothing is offered. `spawn` starts what goes on after the answer."""

    def __init__(
        self,
        people: People,
        mailer: Mailer | None,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        public_url: str,
    ) -> None:
        self._people = people
        self._mailer = mailer
        self._spawn = spawn
        self._public_url = public_url

    @property
    def on(self) -> bool:
        return self._mailer is not None

    async def ask(self, email: str, address: str | None, now_ms: int) -> None:
        """The same for every address, also in the time that it takes. RateLimited: too many tries. NotFound: no mail.

        `address`: where the question came from, as tries are counted.
        """
        if self._mailer is None:
            raise NotFound(NO_MAIL)
        await self._people.count_forgotten(email, address=address, now_ms=now_ms)
        self._spawn(self._send(self._mailer, email, now_ms), "send a link for a new password")

    async def _send(self, mailer: Mailer, email: str, now_ms: int) -> None:
        """Nobody, or somebody who is kept out, is sent nothing."""
        found = await self._people.forgotten_link(email, now_ms)
        if found is None:
            return
        user, token = found
        link = page_link(self._public_url, PASSWORD_PAGE, token)
        text = (
            f"Somebody asked for a new password for {user.email} at {self._public_url}.\n\n"
            f"Choose it here within an hour; the link works once:\n\n{link}\n\n"
            "If it was not you, do nothing: your password stays what it is.\n"
        )
        try:
            await mailer.send(Letter(new_id(now_ms), user.email, "A new password", text))
        except MailFailed as error:
            log.warning("a link for a new password could not be sent", error=str(error))
