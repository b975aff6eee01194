"""One request, played: what it asks and what was told become a reply, step by step and at its pace."""

from collections.abc import Callable, Iterator
from random import Random

import msgspec
from msgspec import Struct

from tollway.simulator import faults, sse
from tollway.simulator.answer import Answer, Question, compose
from tollway.simulator.behaviour import Behaviour
from tollway.simulator.faults import Fate
from tollway.simulator.formats.base import Format, Frame, Kind, Refused, Write
from tollway.simulator.stats import Record
from tollway.simulator.steps import Act, Pause, Raw, Reply, Step


class Part(Struct, frozen=True):
    """What a request meets: all that decides its reply."""

    question: Question
    behaviour: Behaviour
    format: Format
    record: Record
    clock: Callable[[], float]
    """Seconds, of the event loop."""
    dice: Callable[[], Random]
    """This request's own, seeded."""
    created_s: float
    """Unix time."""
    uptime_s: float
    seed: int
    reused: bool
    """Whether its connection has served a request before."""


def play(part: Part) -> Reply:
    """The reply to a request that could be read; `part.record` is kept while the reply goes out."""
    behaviour, record, question = part.behaviour, part.record, part.question
    fate = faults.draw(behaviour, part.dice, part.reused)
    latency_s = _latency_s(part)
    reply = _refused_by_rule(part)
    if reply is None and fate.instead:
        write, headers = (_writer(part), _stream_headers(part)) if question.stream else (None, faults.JSON)
        reply = faults.in_place(fate.instead, part.format, behaviour, write, headers, part.created_s)
        record.outcome = "failed"
    if reply is not None:
        record.status = reply.status
        reply.before = ((Pause(latency_s),) if latency_s else ()) + reply.before
    elif question.only_count and part.format.counted is not None:
        reply = Reply(200, part.format.counted(question), faults.JSON)
    else:
        seeded = part.seed if question.seed is None else question.seed
        answer = compose(question, behaviour, record.model, record.id, int(part.created_s), seeded)
        record.prompt_tokens = answer.prompt_tokens
        reply = _streamed(part, answer, fate, latency_s) if question.stream else _whole(part, answer, fate, latency_s)
    reply.headers = (
        *reply.headers,
        (part.format.id_header, f"req_{record.id}"),
        ("openai-processing-ms", f"{latency_s * 1000:.0f}"),
    )
    reply.keep_alive = behaviour.keep_alive
    reply.idle_close_s = behaviour.idle_close_ms / 1000
    return _oddly_framed(reply, behaviour)


def _refused_by_rule(part: Part) -> Reply | None:
    """The error where a behaviour is stricter than the format: keys, unknown parameters."""
    why = None
    if part.behaviour.strict and part.question.unknown:
        name = part.question.unknown[0]
        why = Refused(400, f"Unrecognized request argument supplied: {name}", param=name, code="unknown_parameter")
    if why is None:
        return None
    part.record.outcome = "failed"
    return faults.refused(part.format, why, part.behaviour, part.created_s)


def _latency_s(part: Part) -> float:
    """Seconds to the first content: the base, the ramp, a spike if there is one now, and jitter."""
    told = part.behaviour
    latency_ms = told.latency_ms
    if told.ramp_ms_per_s:
        latency_ms += told.ramp_ms_per_s * part.uptime_s
    if told.spike_every_s and part.uptime_s % told.spike_every_s < told.spike_for_s:
        latency_ms += told.spike_ms
    if told.jitter and latency_ms:
        latency_ms *= 1 + told.jitter * (2 * part.dice().random() - 1)
    return latency_ms / 1000


def _whole(part: Part, answer: Answer, fate: Fate, latency_s: float) -> Reply:
    behaviour, record = part.behaviour, part.record
    body = part.format.whole(part.question, answer, behaviour)
    if fate.then:
        reply, failed = faults.inside_body(fate.then, body, part.format, behaviour, part.created_s)
        record.outcome = "failed" if failed else record.outcome
    elif behaviour.huge_line_mb:
        field = faults.text_field_whole(part.format)
        reply = Reply(200, faults.huge_line(body, field, behaviour.huge_line_mb), faults.JSON)
    else:
        reply = Reply(200, body, faults.JSON)
    if behaviour.tokens_per_s:
        latency_s += answer.completion_tokens / behaviour.tokens_per_s
    if latency_s:
        reply.before = (Pause(latency_s),)
    if not fate.then:
        record.completion_tokens = answer.completion_tokens
    return reply


def _streamed(part: Part, answer: Answer, fate: Fate, latency_s: float) -> Reply:
    behaviour = part.behaviour
    steps = _stream(part, answer, fate, latency_s)
    if behaviour.at_byte is not None and fate.then:
        steps = faults.cut_at(steps, behaviour.at_byte, behaviour.then or "eof", part.record)
    before = (Pause(behaviour.head_ms / 1000),) if behaviour.head_ms else ()
    return Reply(200, steps, _stream_headers(part), before=before)


def _writer(part: Part) -> Write:
    """How the events of this answer become bytes."""
    framing = part.format.framings.get(part.question.framing)
    return framing.writer() if framing else sse.writer(part.behaviour)


def _stream_headers(part: Part) -> tuple[tuple[str, str], ...]:
    framing = part.format.framings.get(part.question.framing)
    content_type = framing.content_type if framing else "text/event-stream; charset=utf-8"
    return (("content-type", content_type), ("cache-control", "no-cache"))


def _stream(part: Part, answer: Answer, fate: Fate, latency_s: float) -> Iterator[Step]:
    """The events of an answer, each when it is due, until fate strikes.

    Due times are absolute, so that a late timer does not slow the whole stream down.
    """
    behaviour, record, clock = part.behaviour, part.record, part.clock
    write = _writer(part)
    frames = part.format.frames(part.question, answer, behaviour)
    if not behaviour.done or behaviour.after_done:
        frames = sse.dressed(frames, behaviour)
    gap_s = 1 / behaviour.tokens_per_s if behaviour.tokens_per_s else 0.0
    paced = bool(latency_s or gap_s)
    due = record.started_at + latency_s
    strike_at = fate.after if fate.then and behaviour.at_byte is None else -1
    count = 0
    huge = behaviour.huge_line_mb
    for sent, frame in enumerate(frames):
        if paced and frame.kind is not Kind.START:
            wait = due - clock()
            if wait > 0:
                yield Pause(wait)
        if frame.kind is Kind.CONTENT:
            if count == strike_at:
                steps, goes_on = faults.inside_stream(
                    fate.then, frame, sent, write, part.format, behaviour, part.created_s
                )
                record.outcome = record.outcome if goes_on else "failed"
                yield from steps
                if not goes_on:
                    return
            count += 1
            due += gap_s if not behaviour.jitter else gap_s * (1 + behaviour.jitter * (2 * part.dice().random() - 1))
            record.completion_tokens += frame.tokens
            if huge and count > (behaviour.after or 0):
                yield from _huge_event(frame, part.format, write, huge, framed=bool(part.question.framing))
                huge = 0.0
                continue
        yield write(frame)


def _huge_event(frame: Frame, format_: Format, write: Write, megabytes: float, *, framed: bool) -> Iterator[Step]:
    """One huge event. As a server-sent event it is never in memory as a whole."""
    huge = faults.huge_line(frame.data, format_.text_field, megabytes)
    if framed:
        yield write(msgspec.structs.replace(frame, data=b"".join(huge)))
        return
    yield b"data: "
    yield from huge
    yield b"\n\n"


def _oddly_framed(reply: Reply, behaviour: Behaviour) -> Reply:
    """What the behaviour says about how bytes look, whatever they say."""
    told = behaviour
    if told.gzip and ("content-encoding", "gzip") not in reply.headers:
        reply.body = faults.gzipped(iter((reply.body,)) if isinstance(reply.body, bytes) else reply.body)
        reply.headers = (*reply.headers, ("content-encoding", "gzip"))
        reply.length = None
    if told.split:
        if isinstance(reply.body, bytes):
            reply.length = len(reply.body)
        reply.body = faults.split(iter((reply.body,)) if isinstance(reply.body, bytes) else reply.body, told.split)
    if told.framing in ("short", "long") and isinstance(reply.body, bytes):
        reply.length = max(0, len(reply.body) + (10 if told.framing == "long" else -10))
        reply.body = iter((reply.body, Act.HANG_UP))
    elif told.framing in ("both", "trailers"):
        reply.body = iter((reply.body,)) if isinstance(reply.body, bytes) else reply.body
        reply.length = None
        reply.both, reply.trailers = told.framing == "both", told.framing == "trailers"
    if told.informational:
        interim = (
            b"HTTP/1.1 100 Continue\r\n\r\n"
            if told.informational == 100
            else b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        )
        reply.before = (Raw(interim), *reply.before)
    return reply
