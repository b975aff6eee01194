"""Answers on their way to the client: one that is streamed as it comes, one that is written whole at the end."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from tollway.api.cpen import Told
from tollway.api.exchange import Exchange
from tollway.api.routing_metadata import FIELD, metadata_json
from tollway.api.storefronts.base import OPEN, Headers, Storefront, error_response, lines_from, lines_of
from tollway.billing.pricing import Cost
from tollway.domain.errors import TollwayError
from tollway.domain.events import Event
from tollway.domain.generation import Usage
from tollway.domain.routing import Candidate
from tollway.gateway.run import Run
from tollway.gateway.sink import Answered

FIRST_COMMENT_S = 8.0
"""Until then an answer that has not begun may still become an HTTP error (FAULTS.md section 2, late commit)."""
NEXT_COMMENT_S = 10.0

STREAM: Headers = [
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
    *OPEN,
]


class Encoder(Protocol):
    """The server role of a wire format, for one streamed answer."""

    def encode(self, events: Sequence[Event]) -> bytes: ...
    def finish(self, usage: bytes, *, extra_fields: dict[str, Any] | None) -> bytes: ...
    def error(
        self, *, code: int, message: str, metadata: dict[str, Any] | None, extra_fields: dict[str, Any] | None
    ) -> bytes: ...


class Format(Protocol):
    """What a URL's wire format gives: how its answers are written. A module such as `wire.openai_chat.server`."""

    @property
    def EventEncoder(self) -> Callable[..., Encoder]: ...  # noqa: N802 (a class of the module)
    @property
    def encode_answer(self) -> Callable[..., bytes]: ...
    @property
    def usage_json(self) -> Callable[..., bytes]: ...


class _Base(Struct, eq=False):
    """What both sinks share: the exchange, the storefront's manners, the generation's id.

    `also` is what the format's encoders are given besides: fields that only this format has. `told`: what is said of
    the route, to CPEN's callers; `shows_routing`: the caller wants `openrouter_metadata`.
    """

    _exchange: Exchange
    _storefront: Storefront
    _wire: Format
    _names: Callable[[str], str]
    _also: Mapping[str, Any] | None
    _told: Told | None
    _shows_routing: bool
    _run: Run | None = None
    """Only where its routing is to be shown."""
    _id: str = ""
    _created_s: int = 0
    _headers: Headers = []
    """Those that no other answer has."""

    def begin(self, generation_id: str, created_s: int, limits: Mapping[str, str], run: Run | None = None) -> None:
        self._id, self._created_s = self._storefront.show_id(generation_id), created_s
        self._headers = [(b"x-generation-id", self._id.encode())]
        if limits:
            self._headers += lines_of(limits)
        if self._shows_routing:
            self._run = run

    def _extra(self, candidate: Candidate, usage: Usage) -> dict[str, Any] | None:
        """Fields that are added to the answer; None: there are none."""
        fields = None if self._told is None else self._told.completed(candidate, usage)
        return fields if self._run is None else {**(fields or {}), **self._routing(self._run)}

    def _routing(self, run: Run) -> dict[str, Any]:
        return {FIELD: metadata_json(run, self._names)}

    def on_left(self, callback: Callable[[], None]) -> None:
        self._exchange.on_gone(callback)

    def _usage(self, usage: Usage, cost: Cost) -> bytes:
        billed = cost.own or cost
        return self._wire.usage_json(
            usage,
            cost=cost.total,
            prompt_cost=billed.prompt,
            completion_cost=billed.completion,
            is_byok=billed is not cost,
        )

    async def fail(self, error: TollwayError) -> None:
        shown = None if self._run is None or error.status == 500 else self._routing(self._run)
        await self._exchange.respond(*error_response(self._storefront, error, shown))


class WholeSink(_Base, eq=False):
    """An answer that is not streamed: nothing is written before its charge is durable."""

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        raise RuntimeError("an answer that is not streamed has no pieces")

    async def finish(self, candidate: Candidate, answer: Answered | None, usage: Usage, cost: Cost) -> None:
        if answer is None:
            raise RuntimeError("the answer ended without a body")
        extra = None if self._told is None and self._run is None else self._extra(candidate, usage)
        provider = self._names(candidate.endpoint.provider)
        encode = self._wire.encode_answer if self._also is None else partial(self._wire.encode_answer, **self._also)
        body = encode(
            answer,
            id=self._id,
            created=self._created_s,
            model=candidate.alias or candidate.endpoint.model_id,
            provider=provider,
            usage_json=self._usage(usage, cost),
            extra_fields=extra,
        )
        await self._exchange.respond(200, self._headers, body, lines_from(provider))


class StreamSink(_Base, eq=False, kw_only=True):
    """A streamed answer: content as it comes, comments while nothing does, the end when its charge is durable."""

    spawn: Callable[[Coroutine[Any, Any, None], str], None]
    _encoder: Encoder | None = None
    _candidate: Candidate | None = None
    _timer: asyncio.TimerHandle | None = None

    def begin(self, generation_id: str, created_s: int, limits: Mapping[str, str], run: Run | None = None) -> None:
        super().begin(generation_id, created_s, limits, run)
        self._timer = asyncio.get_running_loop().call_later(FIRST_COMMENT_S, self._still_waiting)

    async def send(self, candidate: Candidate, events: Sequence[Event]) -> None:
        encoder = self._encoder
        if encoder is None:
            encoder = self._open(candidate)
            if not self._exchange.started:
                await self._exchange.start(200, self._first_headers(candidate))
        await self._exchange.write(encoder.encode(events))

    async def finish(self, candidate: Candidate, answer: Answered | None, usage: Usage, cost: Cost) -> None:
        encoder = self._encoder or self._open(candidate)
        if not self._exchange.started:
            await self._exchange.start(200, self._first_headers(candidate))
        last = encoder.finish(self._usage(usage, cost), extra_fields=self._extra(candidate, usage))
        await self._exchange.end(last)

    async def fail(self, error: TollwayError) -> None:
        self._stop_timer()
        if not self._exchange.started:
            await super().fail(error)
            return
        encoder = self._encoder or self._wire.EventEncoder(
            id=self._id,
            created=self._created_s,
            model="",
            provider=str(error.metadata.get("provider_name", "")),
            **(self._also or {}),
        )
        status = self._storefront.status_of(error)
        metadata = {"error_type": error.error_type, **error.metadata}
        said = None if self._told is None else self._told.failed(self._candidate)
        if self._run is not None:
            said = {**(said or {}), **self._routing(self._run)}
        last = encoder.error(code=status, message=error.message, metadata=metadata, extra_fields=said)
        await self._exchange.end(last)

    def _first_headers(self, candidate: Candidate | None) -> Headers:
        headers = [(b"content-type", self._storefront.stream_type), *STREAM, *self._headers]
        if candidate is not None:
            headers.append((b"x-provider-name", self._names(candidate.endpoint.provider).encode("latin-1", "replace")))
        return headers

    def _open(self, candidate: Candidate) -> Encoder:
        self._stop_timer()
        self._candidate = candidate
        self._encoder = self._wire.EventEncoder(
            id=self._id,
            created=self._created_s,
            model=candidate.alias or candidate.endpoint.model_id,
            provider=self._names(candidate.endpoint.provider),
            **(self._also or {}),
        )
        return self._encoder

    def _still_waiting(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(NEXT_COMMENT_S, self._still_waiting)
        self.spawn(self._comment(), "processing comment")

    async def _comment(self) -> None:
        if self._encoder is not None or self._exchange.gone:
            self._stop_timer()
            return
        if not self._exchange.started:
            await self._exchange.start(200, self._first_headers(None))
        said = self._storefront.processing
        await self._exchange.write(f": {said}\n\n".encode() if said else b"\n")

    def close(self) -> None:
        """Whatever happened: nothing of it may go on."""
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
