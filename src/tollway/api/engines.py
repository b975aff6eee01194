"""`POST /v1/engines/{model}/embeddings`: OpenAI's first URL for embeddings, which names the model."""

from msgspec import structs

from tollway.api.chat import Inference
from tollway.api.exchange import Exchange, Receive, Scope, Send, as_asgi
from tollway.api.house import House
from tollway.api.storefronts.openai import OPENAI
from tollway.gateway.plain import answer
from tollway.wire.openai_embeddings import server as openai_embeddings

PATH = "/v1/engines/{model:path}/embeddings"
_BEFORE, _BEHIND = "/v1/engines/", "/embeddings"


class EngineCalls:
    """An ASGI application for every such URL."""

    def __init__(self, house: House) -> None:
        made = _Embeddings(house, OPENAI, openai_embeddings, PATH, complete=answer, api_type="embeddings")
        self._app = as_asgi(made.handle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Embeddings(Inference):
    """Embeddings whose model is the URL's, whatever the body says."""

    async def _answer(self, exchange: Exchange) -> None:
        house = self._house
        caller = await house.authenticator.authenticate_inference(exchange.header, house.proxies.client_of(exchange))
        body = await exchange.body(house.config.server.request_max_bytes)
        model = exchange.path.removeprefix(_BEFORE).removesuffix(_BEHIND)
        asked = structs.replace(openai_embeddings.decode_request(body), model=model)
        await self.answer(exchange, caller, asked, len(body))
