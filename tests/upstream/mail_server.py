"""A mail server for tests: enough of SMTP (RFC 5321) for a client that logs in and sends; what came is kept."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message


class MailServer:
    """On a port of this machine. `refuses`: so many letters are refused first, with a status that means "later".

    `encryption`: from the first byte on, or, with `later`, as soon as STARTTLS is said.
    """

    def __init__(self, encryption: ssl.SSLContext | None = None, *, later: bool = False) -> None:
        self._encryption = encryption
        self._later = later
        self.port = 0
        self.letters: list[tuple[str, str, Message]] = []
        """From, to, and the letter."""
        self.said: list[str] = []
        self.refuses = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["MailServer"]:
        first = None if self._later else self._encryption
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=first)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = to = ""
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            self.said.append(line)
            word, _, rest = line.partition(" ")
            match word.upper():
                case "EHLO":
                    more = b"250-STARTTLS\r\n" if self._later else b""
                    writer.write(b"250-test\r\n" + more + b"250 AUTH PLAIN\r\n")
                case "STARTTLS" if self._encryption is not None:
                    writer.write(b"220 go on\r\n")
                    await writer.drain()
                    try:
                        await writer.start_tls(self._encryption)
                    except OSError:  # the client does not like the certificate
                        return
                    continue
                case "AUTH":
                    writer.write(b"235 in\r\n")
                case "MAIL" if self.refuses:
                    self.refuses -= 1
                    writer.write(b"451 later\r\n")
                case "MAIL":
                    sender = rest.partition(":")[2].partition(" ")[0].strip("<>")
                    writer.write(b"250 ok\r\n")
                case "RCPT":
                    to = rest.partition(":")[2].strip("<>")
                    writer.write(b"250 ok\r\n")
                case "DATA":
                    writer.write(b"354 go on\r\n")
                    await writer.drain()
                    data = await reader.readuntil(b"\r\n.\r\n")
                    self.letters.append((sender, to, message_from_bytes(data[:-3].replace(b"\r\n..", b"\r\n."))))
                    writer.write(b"250 taken\r\n")
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 ok\r\n")
            await writer.drain()
        writer.close()
