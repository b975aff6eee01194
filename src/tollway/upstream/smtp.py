"""Mail over SMTP: one letter at a time, by the standard library, in a thread."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate

from tollway.domain.mail import Letter, MailFailed, MailSettings


class SmtpMailer:
    """Sends by the server of `[mail]`; each letter on a connection of its own, as there are few."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(2)

    async def send(self, letter: Letter) -> None:
        """MailFailed: the server can't be reached, or does not take it."""
        async with self._turns:
            try:
                await asyncio.to_thread(self._send, letter)
            except smtplib.SMTPResponseException as error:
                raise MailFailed(f"The mail server answered with {error.smtp_code}.") from None
            except (smtplib.SMTPException, OSError, ValueError, AttributeError, LookupError, TypeError) as error:
                # The last three are the library's own mistakes, at addresses that it can't read.
                raise MailFailed(f"The mail server did not take it: {type(error).__name__}.") from None

    def _send(self, letter: Letter) -> None:
        settings = self._settings
        host = settings.host or "localhost"
        encryption = ssl.create_default_context() if settings.tls or settings.starttls else None
        if settings.tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                host, settings.port, timeout=settings.timeout_s, context=encryption
            )
        else:
            connection = smtplib.SMTP(host, settings.port, timeout=settings.timeout_s)
        with connection:
            if settings.starttls and not settings.tls:
                connection.starttls(context=encryption)
            if settings.username is not None and settings.password is not None:
                connection.login(settings.username, settings.password)
            connection.send_message(message_of(letter, settings.sender or ""))


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """ValueError: an address or a subject that no header can carry."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = formatdate(usegmt=True)
    # The same for the same letter: who gets it twice sees it once (RFC 5322, section 3.6.4).
    message["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2].rstrip('>') or 'tollway'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message
