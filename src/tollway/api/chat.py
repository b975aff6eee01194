"""`POST .../chat/completions` and `.../completions`: HTTP in, a ChatRequest to the gateway, an answer out."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from msgspec import structs

from tollway.api.betas import HEADERS as BETA_HEADERS
from tollway.api.betas import read_betas
from tollway.api.cpen import told
from tollway.api.exchange import ClientGone, Exchange
from tollway.api.house import House
from tollway.api.routing_metadata import HEADERS as METADATA_HEADERS
from tollway.api.routing_metadata import is_wanted
from tollway.api.storefronts.base import Storefront, error_response
from tollway.api.stream import Format, StreamSink, WholeSink
from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.identity import Caller
from tollway.domain.plain import PlainRequest
from tollway.gateway.base import Gateway
from tollway.gateway.chat import complete
from tollway.gateway.run import Origin
from tollway.gateway.sink import Sink

log = structlog.get_logger(__name__)

SESSION_ID_MAX = 256
WISHES = frozenset((b"x-session-id", *BETA_HEADERS, *METADATA_HEADERS))
"""Headers that change what is asked for. Most requests have none of them, and are asked so once."""


Request = ChatRequest | PlainRequest
Complete = Callable[[Gateway, Caller, Any, int, Origin, Sink], Awaitable[None]]
"""How the gateway answers: `gateway.chat.complete`, or `gateway.plain.answer` for a PlainRequest."""


class PlainServer(Protocol):
    """The server role for plain requests: no streams."""

    @property
    def encode_answer(self) -> Callable[..., bytes]: ...
    @property
    def usage_json(self) -> Callable[..., bytes]: ...
    @property
    def decode_request(self) -> Callable[[bytes], PlainRequest]: ...


class Server(Format, Protocol):
    """A wire format's server role: it reads requests as well."""

    def decode_request(self, body: bytes) -> Request: ...


class Inference:
    """One inference URL: a storefront's manners and a wire format.

    `also`: what the format's encoders want to know of a request. `complete` and `api_type`: how the gateway answers,
    and what the record calls it. `shows_routing`: its answers have a place for `openrouter_metadata`, which callers ask
    for by a header.
    """

    def __init__(
        self,
        house: House,
        storefront: Storefront,
        wire: Server | PlainServer,
        path: str,
        wire_format: WireFormat = WireFormat.OPENAI_CHAT,
        also: Callable[[Any], dict[str, Any]] | None = None,
        complete: Complete = complete,
        api_type: str = "completions",
        shows_routing: bool = False,
    ) -> None:
        self._house = house
        self._storefront = storefront
        self._wire: Any = wire  # a stream is asked for only where it is a Server
        self._origin = Origin(path, wire_format, api_type)
        self._complete = complete
        self._also = also
        self._shows_routing = shows_routing

    async def handle(self, exchange: Exchange) -> None:
        """One request. Whatever goes wrong, the client hears of it in the storefront's manner."""
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
        house, head = self._house, exchange.head
        caller = None if head is None else head.caller
        if caller is None or not house.authenticator.still(caller):
            caller = await house.authenticator.authenticate_inference(
                exchange.header, house.proxies.client_of(exchange)
            )
            if head is not None:
                head.caller = caller
        body = await exchange.body(house.config.server.request_max_bytes)
        await self.answer(exchange, caller, self._wire.decode_request(body), len(body))

    def answer(
        self,
        exchange: Exchange,
        caller: Caller,
        request: Request,
        body_bytes: int,
        complete: Complete | None = None,
    ) -> Awaitable[None]:
        """A decoded request of an authenticated caller -> its answer, of `complete` in place of what is usual here."""
        house, complete = self._house, complete or self._complete
        origin, shows = self._origin, False
        if exchange.carries(WISHES):
            if request.session_id is None and (session := exchange.header(b"x-session-id")):
                request = with_session(request, session)
            if betas := read_betas(exchange):
                origin = origin.with_betas(betas)
            shows = self._shows_routing and is_wanted(exchange)
        also = None if self._also is None else self._also(request)
        gateway, front, wire = house.gateway, self._storefront, self._wire
        names, said = gateway.market.name_of, told(request, caller, gateway.market)
        if not request.stream:
            whole = WholeSink(exchange, front, wire, names, also, said, shows)
            return complete(gateway, caller, request, body_bytes, origin, whole)
        sink = StreamSink(exchange, front, wire, names, also, said, shows, spawn=house.jobs.spawn)
        return _closing(sink, complete(gateway, caller, request, body_bytes, origin, sink))

    async def _refuse(self, exchange: Exchange, error: TollwayError) -> None:
        if not exchange.started:
            await exchange.respond(*error_response(self._storefront, error))


async def _closing(sink: StreamSink, answer: Awaitable[None]) -> None:
    try:
        await answer
    finally:
        sink.close()


def with_session(request: Request, session: str) -> Request:
    """`X-Session-Id`, where the body names no session (OPENROUTER.md 1.3). InvalidRequest: too long."""
    if len(session) > SESSION_ID_MAX or not session.isprintable():
        raise InvalidRequest(f"X-Session-Id: at most {SESSION_ID_MAX} printable characters", param="session_id")
    return structs.replace(request, session_id=session)
