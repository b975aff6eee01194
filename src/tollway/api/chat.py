"""`POST .../chat/completions` and `.../completions`: HTTP in, a ChatRequest to the gateway, an answer out."""

from collections.abc import Callable
from typing import Any, Protocol

import structlog
from msgspec import structs

from tollway.api.exchange import ClientGone, Exchange
from tollway.api.house import House
from tollway.api.storefronts.base import Storefront, error_response
from tollway.api.stream import Format, StreamSink, WholeSink
from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.identity import Caller
from tollway.gateway.chat import complete
from tollway.gateway.run import Origin

log = structlog.get_logger(__name__)

SESSION_ID_MAX = 256


class Server(Format, Protocol):
    """A wire format's server role: it reads requests as well."""

    def decode_request(self, body: bytes) -> ChatRequest: ...


class Inference:
    """One inference URL: a storefront's manners and a wire format. Called with each request.

    `also`: what the format's encoders want to know of a request.
    """

    def __init__(
        self,
        house: House,
        storefront: Storefront,
        wire: Server,
        path: str,
        wire_format: WireFormat = WireFormat.OPENAI_CHAT,
        also: Callable[[ChatRequest], dict[str, Any]] = lambda request: {},
    ) -> None:
        self._house = house
        self._storefront = storefront
        self._wire = wire
        self._origin = Origin(path, wire_format)
        self._also = also

    async def __call__(self, exchange: Exchange) -> None:
        try:
            await self._answer(exchange)
        except TollwayError as error:
            await self._refuse(exchange, error)
        except ClientGone:
            pass
        except Exception as error:  # the last resort: a mistake of ours must not take the connection's loop down
            log.exception("request failed", path=exchange.path, error=repr(error))
            await self._refuse(exchange, TollwayError("Something went wrong on our side; it has been logged."))
        finally:
            if exchange.status:
                counts = self._house.gateway.metrics.responses
                counts[exchange.status] = counts.get(exchange.status, 0) + 1

    async def _answer(self, exchange: Exchange) -> None:
        house = self._house
        caller = await house.authenticator.authenticate_inference(exchange.header)
        body = await exchange.body(house.config.server.request_max_bytes)
        await self.answer(exchange, caller, self._wire.decode_request(body), len(body))

    async def answer(self, exchange: Exchange, caller: Caller, request: ChatRequest, body_bytes: int) -> None:
        """A decoded request of an authenticated caller -> its answer."""
        house = self._house
        if request.session_id is None and (session := exchange.header(b"x-session-id")):
            request = with_session(request, session)
        also = self._also(request)
        if request.stream:
            sink: StreamSink | WholeSink = StreamSink(
                exchange, self._storefront, self._wire, house.provider_name, house.jobs.spawn, also
            )
        else:
            sink = WholeSink(exchange, self._storefront, self._wire, house.provider_name, also)
        try:
            await complete(house.gateway, caller, request, body_bytes, self._origin, sink)
        finally:
            sink.close()

    async def _refuse(self, exchange: Exchange, error: TollwayError) -> None:
        if not exchange.started:
            await exchange.respond(*error_response(self._storefront, error))


def with_session(request: ChatRequest, session: str) -> ChatRequest:
    """`X-Session-Id`, where the body names no session (OPENROUTER.md 1.3). InvalidRequest: too long."""
    if len(session) > SESSION_ID_MAX or not session.isprintable():
        raise InvalidRequest(f"X-Session-Id: at most {SESSION_ID_MAX} printable characters", param="session_id")
    return structs.replace(request, session_id=session)
