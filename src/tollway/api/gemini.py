"""`POST /v1beta/models/{model}:generateContent` and its like: Google's URLs name the model and what is wanted of it."""

from urllib.parse import parse_qs

import structlog
from msgspec import structs

from tollway.api.chat import Inference
from tollway.api.count_tokens import count_tokens
from tollway.api.exchange import ClientGone, Exchange, Receive, Scope, Send
from tollway.api.house import House
from tollway.api.storefronts.base import JSON, error_response
from tollway.api.storefronts.google import GOOGLE
from tollway.domain.catalog import WireFormat
from tollway.domain.errors import NotBuiltYet, NotFound, TollwayError
from tollway.wire.gemini import server as gemini

log = structlog.get_logger(__name__)

PATH = "/v1beta/models/{call:path}"


class GeminiCalls:
    """An ASGI application for every such URL; the credential may be a header or, as Google has it, `?key=`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._inference = Inference(house, GOOGLE, gemini, "/v1beta/models", WireFormat.GEMINI)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange, scope["path_params"]["call"])
        except TollwayError as error:
            if not exchange.started:
                await exchange.respond(*error_response(GOOGLE, error))
        except ClientGone:
            return
        except Exception as error:  # the last resort: a mistake of ours is a 500 in the caller's own format
            log.exception("request failed", path=exchange.path, error=repr(error))
            if not exchange.started:
                fault = TollwayError("Something went wrong on our side; it has been logged.")
                await exchange.respond(*error_response(GOOGLE, fault))

    async def _answer(self, exchange: Exchange, call: str) -> None:
        query = parse_qs(exchange.query.decode("latin-1"))

        def header(name: bytes) -> str | None:
            if name != b"x-api-key":
                return exchange.header(name)
            return exchange.header(name) or exchange.header(b"x-goog-api-key") or query.get("key", [None])[0]

        house = self._house
        caller = await house.authenticator.authenticate_inference(header)
        model, _, method = call.rpartition(":")
        body = await exchange.body(house.config.server.request_max_bytes)
        if method == "countTokens":
            tokens = await count_tokens(house, gemini.decode_count_request, body)
            await exchange.respond(200, JSON, gemini.encode_count(tokens))
            return
        if method not in {"generateContent", "streamGenerateContent"}:
            raise NotFound(f"There is no method {method[:40]!r}; there are generateContent and streamGenerateContent.")
        streamed = method == "streamGenerateContent"
        if streamed and query.get("alt") != ["sse"]:
            raise NotBuiltYet("Streams come as server-sent events only: add ?alt=sse to the URL.")
        request = structs.replace(gemini.decode_request(body), model=model, stream=streamed)
        await self._inference.answer(exchange, caller, request, len(body))
