"""`POST /v1beta/models/{model}:generateContent` and its like: Google's URLs name the model and what is wanted of it."""

from urllib.parse import parse_qs

import structlog
from msgspec import structs

from tollway.api.chat import Inference
from tollway.api.count_tokens import count_tokens
from tollway.api.exchange import ClientGone, Exchange, Receive, Scope, Send
from tollway.api.house import House
from tollway.api.storefronts.base import JSON, Storefront, error_response
from tollway.api.storefronts.google import GOOGLE, GOOGLE_ARRAY, credential
from tollway.domain.catalog import WireFormat
from tollway.domain.errors import InvalidRequest, NotFound, TollwayError
from tollway.domain.identity import Caller
from tollway.gateway.plain import answer
from tollway.wire.gemini import embed_server as gemini_embeddings
from tollway.wire.gemini import server as gemini

log = structlog.get_logger(__name__)

PATHS = tuple(f"{base}/models/{{model:path}}:{{method}}" for base in ("/v1beta", "/v1", "/api/v1beta", "/api/v1"))
"""Google's SDKs ask for v1beta, and for v1 since their third release, behind whatever base URL they are given."""
METHODS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")


class GeminiCalls:
    """An ASGI application for every such URL; the credential may be a header or, as Google has it, `?key=`."""

    def __init__(self, house: House) -> None:
        self._house = house
        path = "/v1beta/models"
        self._inference = Inference(house, GOOGLE, gemini, path, WireFormat.GEMINI)
        self._lists = Inference(house, GOOGLE_ARRAY, gemini, path, WireFormat.GEMINI, lambda _: {"array": True})
        self._embeddings = Inference(
            house,
            GOOGLE,
            gemini_embeddings,
            path,
            WireFormat.GEMINI,
            also=lambda request: {"request": request},
            complete=answer,
            api_type="embeddings",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        model, method = scope["path_params"]["model"], scope["path_params"]["method"]
        query = exchange.query.decode("latin-1")
        alt = parse_qs(query).get("alt", ["json"])[0]
        manners = GOOGLE_ARRAY if method == "streamGenerateContent" and alt == "json" else GOOGLE
        try:
            carried = credential(exchange.header, query)
            caller = await self._house.authenticator.authenticate_inference(
                carried, self._house.proxies.client_of(exchange)
            )
            await self._answer(exchange, caller, model, method, alt)
        except TollwayError as error:
            await _refuse(exchange, manners, error)
        except ClientGone:
            return
        except Exception as error:  # the last resort: a mistake of ours is a 500 in the caller's own format
            log.exception("request failed", path=exchange.path, error=repr(error))
            fault = TollwayError("Something went wrong on our side; it has been logged.")
            await _refuse(exchange, manners, fault)

    async def _answer(self, exchange: Exchange, caller: Caller, model: str, method: str, alt: str) -> None:
        house = self._house
        body = await exchange.body(house.config.server.request_max_bytes)
        if method == "countTokens":
            tokens = await count_tokens(house, caller.key, gemini.decode_count_request, body)
            await exchange.respond(200, JSON, gemini.encode_count(tokens))
            return
        if method in {"embedContent", "batchEmbedContents"}:
            decode = gemini_embeddings.decode_one if method == "embedContent" else gemini_embeddings.decode_request
            await self._embeddings.answer(exchange, caller, structs.replace(decode(body), model=model), len(body))
            return
        if method not in METHODS:
            raise NotFound(f"There is no method {method[:40]!r}; there are {', '.join(METHODS)}.")
        streamed = method == "streamGenerateContent"
        if streamed and alt not in ("sse", "json"):
            raise InvalidRequest('alt: "sse" for server-sent events, or "json" for one list of chunks', param="alt")
        request = structs.replace(gemini.decode_request(body), model=model, stream=streamed)
        inference = self._lists if streamed and alt == "json" else self._inference
        await inference.answer(exchange, caller, request, len(body))


async def _refuse(exchange: Exchange, manners: Storefront, error: TollwayError) -> None:
    if not exchange.started:
        await exchange.respond(*error_response(manners, error))
