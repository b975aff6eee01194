"""Mail: a letter reaches a real SMTP server as it was written, once logged in; what fails says so without secrets."""

import asyncio

import pytest

from tests.upstream.mail_server import MailServer
from tests.upstream.scripted import Certificate
from tollway.domain.mail import Letter, MailFailed, MailSettings, odd_mail
from tollway.upstream.smtp import SmtpMailer, message_of

LETTER = Letter("id-1", "ada@example.com", "Half of it: “50%”", "Hello,\n.\nÄrger & more\n")


def settings(port: int, **fields: object) -> MailSettings:
    known = {"host": "127.0.0.1", "port": port, "starttls": False, "sender": "tollway@example.net", **fields}
    return MailSettings(**known)  # type: ignore[arg-type]  # fields of MailSettings, by name


def test_a_letter_arrives() -> None:
    """From, to, subject, text with lines of one dot and letters beyond ASCII; and the same id when it comes again."""

    async def inside() -> MailServer:
        async with MailServer().listening() as server:
            mailer = SmtpMailer(settings(server.port, username="me", password="secret"))
            await mailer.send(LETTER)
            await mailer.send(LETTER)
            return server

    server = asyncio.run(inside())
    [(sender, to, letter), (_, _, again)] = server.letters
    assert (sender, to) == ("tollway@example.net", "ada@example.com")
    assert str(message_of(LETTER, "tollway@example.net")["subject"]) == LETTER.subject
    payload = letter.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n").rstrip() == LETTER.text.rstrip()
    assert letter["message-id"] == again["message-id"] == "<id-1@example.net>"
    assert any(line.startswith("AUTH PLAIN") for line in server.said)


def test_what_fails() -> None:
    """A refusal, no server, no encryption where it is wanted: MailFailed, with nothing secret in it."""

    async def inside() -> None:
        async with MailServer().listening() as server:
            server.refuses = 1
            with pytest.raises(MailFailed, match="451"):
                await SmtpMailer(settings(server.port)).send(LETTER)
            with pytest.raises(MailFailed, match="did not take it") as failed:
                await SmtpMailer(settings(server.port, starttls=True, username="me", password="hush")).send(LETTER)
            assert "hush" not in str(failed.value)
            assert not any("AUTH" in line for line in server.said)
            port = server.port
        with pytest.raises(MailFailed):
            await SmtpMailer(settings(port)).send(LETTER)

    asyncio.run(inside())


def tls(port: int, implicit: bool, host: str = "localhost") -> MailSettings:
    return settings(port, host=host, tls=implicit, starttls=not implicit, username="me", password="hush")


@pytest.mark.parametrize("implicit", [True, False], ids=["tls", "starttls"])
def test_encrypted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch, implicit: bool) -> None:
    """From the first byte on, or from STARTTLS on: the password and the letter go only after that."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))

    async def inside() -> MailServer:
        async with MailServer(certificate.server(), later=not implicit).listening() as server:
            await SmtpMailer(tls(server.port, implicit)).send(LETTER)
            return server

    server = asyncio.run(inside())
    assert len(server.letters) == 1
    words = [line.partition(" ")[0].upper() for line in server.said]
    assert words.index("AUTH") > (words.index("STARTTLS") if not implicit else 0)
    assert ("STARTTLS" in words) is not implicit


@pytest.mark.parametrize("implicit", [True, False], ids=["tls", "starttls"])
@pytest.mark.parametrize("trusted", [True, False], ids=["another name", "self-signed"])
def test_a_certificate_that_does_not_fit(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, implicit: bool, trusted: bool
) -> None:
    """One that nobody vouches for, or that is for another host: it gets no letter, and no password above all."""
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    host = "127.0.0.1" if trusted else "localhost"

    async def inside() -> MailServer:
        async with MailServer(certificate.server(), later=not implicit).listening() as server:
            with pytest.raises(MailFailed, match="SSLCertVerificationError") as failed:
                await SmtpMailer(tls(server.port, implicit, host)).send(LETTER)
            assert "hush" not in str(failed.value)
            return server

    server = asyncio.run(inside())
    assert server.letters == []
    assert not any(line.upper().startswith(("AUTH", "MAIL")) for line in server.said)


@pytest.mark.parametrize("subject", ["a\nBcc: b@example.com", "a\r\nX: y"])
def test_subjects_stay_one_line(subject: str) -> None:
    """No name of a key or workspace writes a header."""
    message = message_of(Letter("i", "a@example.com", subject, "x"), "t@example.com")
    assert set(message.keys()) >= {"From", "To", "Subject"}
    assert message["bcc"] is None
    assert message["x"] is None


def test_odd_settings() -> None:
    """No sender, and a password in the clear, are said at start; the password is in no repr."""
    assert list(odd_mail(MailSettings())) == []
    assert "sender" in next(odd_mail(MailSettings(host="mail.example.com")))
    open_ = MailSettings(host="mail.example.com", sender="a@b.c", password="hush", starttls=False)
    assert "unencrypted" in next(odd_mail(open_))
    assert "hush" not in repr(open_)
