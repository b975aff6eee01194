"""The bytes around the text of a stream's events: an event that has the same is read by its text alone."""

import re

import msgspec

from tollway.wire.openai_chat.schema import Body

_BODY = msgspec.json.Decoder(Body)
_STRING = msgspec.json.Decoder(str)
_CONTENT = re.compile(rb'"content"\s*+:\s*+("(?:[^"\\]|\\.)*+")', re.DOTALL)


class Envelope:
    """What stands before and behind the text of one choice. Most providers' streams repeat it byte by byte."""

    __slots__ = ("_head", "_size", "_tail", "choice")

    def __init__(self, head: bytes, tail: bytes, choice: int) -> None:
        self._head = head
        self._tail = tail
        self._size = len(head) + len(tail)
        self.choice = choice

    def text_of(self, data: bytes) -> str | None:
        """The text of an event in this envelope. None: it is in another one, and must be read as a whole."""
        if len(data) <= self._size or not data.startswith(self._head) or not data.endswith(self._tail):
            return None
        try:
            # One string and nothing else, so that the event is the one that was learned from, with another text.
            return _STRING.decode(data[len(self._head) : len(data) - len(self._tail)])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def envelope_of(data: bytes, choice: int) -> Envelope | None:
    """The envelope of an event that was read, and said nothing but a text of one choice. None: it is not found.

    That the string is the text, and not another field of this name, is seen by putting another string in its place.
    """
    found = _CONTENT.search(data)
    if found is None:
        return None
    head, tail = data[: found.start(1)], data[found.end(1) :]
    other = found[1][:-1] + b'?"'
    try:
        body, text = _BODY.decode(head + other + tail), _STRING.decode(other)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if body.choices is None or len(body.choices) != 1:
        return None
    message = body.choices[0].delta or body.choices[0].message
    return Envelope(head, tail, choice) if message is not None and message.content == text else None
