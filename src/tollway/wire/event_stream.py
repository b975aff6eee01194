"""AWS's event streams: an incremental parser of their binary messages, checksums and all."""

from struct import Struct as Layout
from zlib import crc32

from msgspec import Struct

MESSAGE_BYTES_MAX = 8 * 1024 * 1024
"""Of one message: the bound that text events have too (FAULTS.md U-31)."""

HeaderValue = bool | int | bytes | str
"""A timestamp is its milliseconds since 1970, a UUID its 16 bytes."""

_HEADER_BYTES_MAX = 128 * 1024
_PRELUDE = Layout(">III")
_CHECKSUM = Layout(">I")
_NUMBERS = {2: 1, 3: 2, 4: 4, 5: 8, 8: 8}
"""A header's type -> the bytes of a signed number; 8 is a timestamp."""
_BYTES, _STRING, _UUID = 6, 7, 9
_LENGTH_BYTES, _UUID_BYTES = 2, 16
_REMEMBERED_MAX = 64


class Message(Struct, frozen=True, gc=False):
    """One message: its headers, which say what it is, and its payload."""

    headers: dict[str, HeaderValue]
    payload: bytes


class EventStreamParser:
    """Bytes in, whole messages out (smithy.io, "Amazon Event Stream Specification").

    A message is its length, its headers' length and a checksum of both; headers; payload; a checksum of it all.
    What fails a checksum, or makes no sense, breaks the stream: nothing after it can be found any more.
    """

    __slots__ = ("_buffer", "_remembered", "broken")

    def __init__(self) -> None:
        self.broken: str | None = None
        """Why nothing more can be read; `feed` returns nothing from then on."""
        self._buffer = bytearray()
        self._remembered: dict[bytes, dict[str, HeaderValue]] = {}  # A stream has few kinds of headers.

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, in order."""
        messages: list[Message] = []
        if self.broken is not None:
            return messages
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _PRELUDE.size:
            total, headers_length, checksum = _PRELUDE.unpack_from(buffer, start)
            if crc32(buffer[start : start + 8]) != checksum:
                self.broken = "the checksum of a message's lengths is wrong"
            elif total > MESSAGE_BYTES_MAX or headers_length > _HEADER_BYTES_MAX:
                self.broken = "a message is too large"
            elif total < _PRELUDE.size + headers_length + _CHECKSUM.size:
                self.broken = "the lengths of a message contradict each other"
            if self.broken is not None or len(buffer) - start < total:
                break
            message = self._message(bytes(buffer[start : start + total]), headers_length)
            if message is None:
                break
            messages.append(message)
            start += total
        del buffer[:start]
        if self.broken is not None:
            buffer.clear()
        return messages

    def _message(self, data: bytes, headers_length: int) -> Message | None:
        end = len(data) - _CHECKSUM.size
        if crc32(data[:end]) != _CHECKSUM.unpack_from(data, end)[0]:
            self.broken = "the checksum of a message is wrong"
            return None
        body = _PRELUDE.size + headers_length
        raw = data[_PRELUDE.size : body]
        headers = self._remembered.get(raw)
        if headers is None:
            try:
                headers = _headers(raw)
            except (ValueError, IndexError):
                self.broken = "the headers of a message can't be read"
                return None
            if len(self._remembered) < _REMEMBERED_MAX:
                self._remembered[raw] = headers
        return Message(headers, data[body:end])


def _headers(data: bytes) -> dict[str, HeaderValue]:
    """ValueError, of which UnicodeDecodeError is one, or IndexError: not of the format."""
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name, kind = data[at + 1 : name_end].decode(), data[name_end]
        at = name_end + 1
        value: HeaderValue
        if kind <= 1:
            value = kind == 0  # 0 is true
        elif (size := _NUMBERS.get(kind)) is not None:
            value = int.from_bytes(_taken(data, at, size), signed=True)
            at += size
        elif kind in (_BYTES, _STRING):
            size = _LENGTH_BYTES + int.from_bytes(_taken(data, at, _LENGTH_BYTES))
            raw = _taken(data, at, size)[_LENGTH_BYTES:]
            value = raw if kind == _BYTES else raw.decode()
            at += size
        elif kind == _UUID:
            value = _taken(data, at, _UUID_BYTES)
            at += _UUID_BYTES
        else:
            raise ValueError("a header of a type that there is not")
        if name in headers:
            raise ValueError("a header is there twice")
        headers[name] = value
    return headers


def _taken(data: bytes, start: int, length: int) -> bytes:
    taken = data[start : start + length]
    if len(taken) != length:
        raise ValueError("a header is cut")
    return taken
