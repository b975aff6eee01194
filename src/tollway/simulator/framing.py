"""Replies as HTTP/1.1 bytes (RFC 9112): status line, headers, length or chunks."""

from collections.abc import Iterator
from http import HTTPStatus

from tollway.simulator.steps import Act, Raw, Reply, Step

_REASONS = {status.value: status.phrase for status in HTTPStatus}


def framed(reply: Reply, *, chunks: bool, keep_alive: bool) -> Iterator[Step]:
    """The steps of a connection that send a reply. `chunks`: whether the client knows them (not in HTTP/1.0)."""
    yield from reply.before
    body, length = reply.body, reply.length
    if isinstance(body, bytes):
        yield _head(reply, len(body), keep_alive) + body
        return
    if length is not None:
        yield from _joined(_head(reply, length, keep_alive), body)
        return
    if not chunks:
        yield from _joined(_head(reply, None, False, chunked=False), body)
        yield Act.HANG_UP
        return
    yield from _joined(_head(reply, None, keep_alive), map(_chunk, body))
    yield b"0\r\nx-simulated-trailer: yes\r\n\r\n" if reply.trailers else b"0\r\n\r\n"


def _chunk(step: Step) -> Step:
    return b"%x\r\n%b\r\n" % (len(step), step) if isinstance(step, bytes) and step else step


def _joined(head: bytes, body: Iterator[Step]) -> Iterator[Step]:
    """The head and what follows it at once, in one write."""
    first = next(body, None)
    if first is None:
        yield head
    elif isinstance(first, Raw):
        yield Raw(head + first.data)
    elif isinstance(first, bytes):
        yield head + first
    else:
        yield head
        yield first
    yield from body


def _head(reply: Reply, length: int | None, keep_alive: bool, *, chunked: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Simulated')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if length is not None:
        lines.append(f"content-length: {length}")
    elif chunked:
        lines.append("transfer-encoding: chunked")
        if reply.both:
            lines.append("content-length: 7")
    if not keep_alive:
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
