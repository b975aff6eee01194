"""An ASGI application on our own connections: its messages, read from and written to an exchange."""

from typing import Any

from tollway.api.direct import DirectExchange
from tollway.api.exchange import LINK, App, Scope


class Bridge:
    """A handler that lets an ASGI 3 application answer (asgi.readthedocs.io, "HTTP & WebSocket", spec 2.3).

    As on uvicorn, `send` after a disconnect does nothing, and `receive` says "http.disconnect" once the client has gone
    or the answer is complete.
    """

    def __init__(self, app: App, scope: Scope) -> None:
        self._app = app
        self._scope = scope
        self._exchange: DirectExchange
        self._body_given = False

    async def __call__(self, exchange: DirectExchange) -> None:
        """Run the application once."""
        self._exchange = exchange
        self._scope["extensions"] = {LINK: exchange}
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        exchange = self._exchange
        if not self._body_given:
            while True:
                exchange.ask_for_body()
                if exchange.gone or exchange.finished:
                    break
                body = exchange.take()
                if body or exchange.complete:
                    self._body_given = exchange.complete
                    return {"type": "http.request", "body": body, "more_body": not exchange.complete}
                await exchange.changed()
        while not exchange.gone and not exchange.finished:
            await exchange.changed()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        exchange = self._exchange
        match message["type"]:
            case "http.response.start" if not exchange.started:
                await exchange.start(message["status"], list(message.get("headers", ())))
            case "http.response.body" if exchange.started and (not exchange.finished or exchange.gone):
                if message.get("more_body", False):
                    await exchange.write(message.get("body", b""))
                else:
                    await exchange.end(message.get("body", b""))
            case other:
                raise RuntimeError(f'The ASGI message "{other}" is out of order here.')
