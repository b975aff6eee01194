"""`POST /chat/completions`: what our chat room asks. A session stands for a key that nobody has: one for each user."""

from urllib.parse import parse_qs

from starlette.requests import Request

from tollway.api.browser import actor_of
from tollway.api.chat import Inference
from tollway.api.exchange import Exchange, Receive, Scope, Send, as_asgi
from tollway.api.house import House
from tollway.api.storefronts.openrouter import OPENROUTER
from tollway.domain.identity import Caller
from tollway.wire.openai_chat import server as openai_chat

PATH = "/chat/completions"
PROOF = (b"content-type", b"cookie", b"host", b"origin", b"sec-fetch-site", b"x-csrf-token")
"""What says who asks, and that a page of ours does."""


class RoomCalls:
    """An ASGI application for the chat room's URL."""

    def __init__(self, house: House) -> None:
        self._app = as_asgi(_Room(house, OPENROUTER, openai_chat, PATH).handle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Room(Inference):
    """The ordinary chat, for who is signed in; `?workspace=` says who pays, by default the user's own."""

    async def _answer(self, exchange: Exchange) -> None:
        house = self._house
        headers = [(name, value.encode("latin-1")) for name in PROOF for value in exchange.values(name)]
        asked = Request({"type": "http", "method": exchange.method, "path": exchange.path, "headers": headers})
        actor = await actor_of(house, asked)
        workspace = parse_qs(exchange.query.decode("latin-1")).get("workspace", [None])[0]
        key = await house.keys.of_room(actor, workspace, house.gateway.now_ms())
        caller = Caller(key, user_agent=None, address=house.proxies.client_of(exchange))
        body = await exchange.body(house.config.server.request_max_bytes)
        await self.answer(exchange, caller, openai_chat.decode_request(body), len(body))
