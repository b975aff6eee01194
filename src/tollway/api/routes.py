"""The URL table: one line per URL, each with the credential that it wants; a route without one can't be written."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from tollway.api import account, control, generations, health, openapi
from tollway.api.chat import Inference
from tollway.api.count_tokens import count_tokens
from tollway.api.exchange import Exchange
from tollway.api.house import House
from tollway.api.models import ModelPages
from tollway.api.storefronts.anthropic import ANTHROPIC
from tollway.api.storefronts.base import Storefront, error_response
from tollway.api.storefronts.google import GOOGLE
from tollway.api.storefronts.openai import OPENAI
from tollway.api.storefronts.openrouter import OPENROUTER
from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import MethodNotAllowed, NotBuiltYet, NotFound, TollwayError, Unavailable
from tollway.storage.database import StorageError
from tollway.wire import openai_completions
from tollway.wire.anthropic_messages import server as anthropic_messages
from tollway.wire.openai_chat import server as openai_chat
from tollway.wire.openai_responses import server as openai_responses

log = structlog.get_logger(__name__)


class Auth(StrEnum):
    """Which credential a route wants."""

    NONE = "none"
    KEY = "key"  # any key of ours
    INFERENCE = "inference"  # a key that may call models
    CONTROL = "control"  # this start's control token, from the file in the data directory


Handle = Callable[[House, Request], Awaitable[Response]]
Hot = Callable[[Exchange], Awaitable[None]]


class Route(Struct, frozen=True):
    """One line of the URL table that Starlette serves."""

    method: str
    path: str
    auth: Auth
    handle: Handle


def hot_routes(house: House) -> dict[tuple[str, str], Hot]:
    """Inference URLs: bare, without Starlette. Every one wants a key that may call models (`Auth.INFERENCE`)."""
    chat, messages, responses = WireFormat.OPENAI_CHAT, WireFormat.ANTHROPIC_MESSAGES, WireFormat.OPENAI_RESPONSES
    lines: tuple[tuple[str, Storefront, Any, WireFormat, Also], ...] = (
        ("/api/v1/chat/completions", OPENROUTER, openai_chat, chat, nothing),
        ("/v1/chat/completions", OPENAI, openai_chat, chat, nothing),
        ("/api/v1/completions", OPENROUTER, openai_completions, chat, the_echo),
        ("/v1/completions", OPENAI, openai_completions, chat, the_echo),
        ("/api/v1/messages", ANTHROPIC, anthropic_messages, messages, nothing),
        ("/v1/messages", ANTHROPIC, anthropic_messages, messages, nothing),
        ("/api/v1/responses", OPENROUTER, openai_responses, responses, the_request),
        ("/v1/responses", OPENAI, openai_responses, responses, the_request),
    )
    return {("POST", path): Inference(house, front, wire, path, form, also) for path, front, wire, form, also in lines}


async def count_message_tokens(house: House, request: Request) -> Response:
    """`POST .../messages/count_tokens`: an estimate by our tokenizer; nothing is charged."""
    tokens = await count_tokens(house, anthropic_messages.decode_count_request, await request.body())
    return Response(anthropic_messages.encode_count_answer(tokens), media_type="application/json")


Also = Callable[[ChatRequest], dict[str, Any]]
"""What a format's encoders want to know of a request."""


def nothing(request: ChatRequest) -> dict[str, Any]:
    return {}


def the_echo(request: ChatRequest) -> dict[str, Any]:
    """Legacy completions can send the prompt back before the answer."""
    return {"echo": request.prompt} if request.echo else {}


def the_request(request: ChatRequest) -> dict[str, Any]:
    """A response repeats what was asked."""
    return {"request": request}


def routes(house: House) -> list[Route]:
    """Every other URL of the API."""
    models = ModelPages(house)
    return [
        Route("GET", "/api/v1/models", Auth.NONE, lambda _, request: models.list(request)),
        Route("GET", "/v1/models", Auth.NONE, lambda _, request: models.list(request)),
        Route(
            "GET", "/api/v1/models/{author}/{slug}/endpoints", Auth.NONE, lambda _, request: models.endpoints(request)
        ),
        Route("GET", "/api/v1/model/{model:path}", Auth.NONE, lambda _, request: models.one(request)),
        Route("GET", "/api/v1/models/{model:path}", Auth.NONE, lambda _, request: models.one(request)),
        Route("GET", "/v1/models/{model:path}", Auth.NONE, lambda _, request: models.one(request)),
        Route("GET", "/api/v1/generation", Auth.KEY, generations.get_generation),
        Route("GET", "/v1/generation", Auth.KEY, generations.get_generation),
        Route("GET", "/api/v1/credits", Auth.KEY, account.get_credits),
        Route("GET", "/api/v1/key", Auth.KEY, account.get_key),
        Route("GET", "/api/v1/auth/key", Auth.KEY, account.get_key),
        Route("POST", "/api/v1/messages/count_tokens", Auth.INFERENCE, count_message_tokens),
        Route("POST", "/v1/messages/count_tokens", Auth.INFERENCE, count_message_tokens),
        Route("GET", "/health", Auth.NONE, health.get_health),
        Route("GET", "/livez", Auth.NONE, health.get_health),
        Route("GET", "/readyz", Auth.NONE, health.get_ready),
        Route("GET", "/metrics", Auth.NONE, health.get_metrics),
        Route("GET", "/openapi.json", Auth.NONE, openapi.get_openapi),
        Route("GET", "/control/v1", Auth.CONTROL, control.hello),
        Route("POST", "/control/v1/keys", Auth.CONTROL, control.create_key),
        Route("POST", "/control/v1/keys/disable", Auth.CONTROL, control.disable_key),
        Route("POST", "/control/v1/credits", Auth.CONTROL, control.grant),
        Route("POST", "/control/v1/catalog/changes", Auth.CONTROL, control.change_catalog),
        Route("POST", "/control/v1/catalog/endpoint", Auth.CONTROL, control.set_endpoint),
        Route("POST", "/control/v1/catalog/reload", Auth.CONTROL, control.reload_catalog),
    ]


NOT_BUILT: Mapping[str, str] = {
    "embeddings": "embeddings",
    "rerank": "reranking",
    "moderations": "moderation",
    "images": "images",
    "audio": "audio",
    "videos": "video",
    "video": "video",
    "batches": "batches",
    "files": "files",
    "realtime": "realtime sessions",
}
"""First path segments of inference URLs that later releases bring: they answer 501, and say so."""


def starlette_routes(house: House) -> list[BaseRoute]:
    """The table as Starlette wants it, each handler behind its credential and its storefront's errors."""
    return [StarletteRoute(route.path, _guarded(house, route), methods=[route.method]) for route in routes(house)]


def storefront_of(path: str) -> Storefront:
    """Whose manners a path has: its format's, else OpenRouter's below /api and OpenAI's elsewhere."""
    if path.startswith("/v1beta"):
        return GOOGLE
    if path.removeprefix("/api").startswith("/v1/messages"):
        return ANTHROPIC
    return OPENROUTER if path.startswith("/api/") else OPENAI


def error_answer(path: str, error: TollwayError) -> Response:
    """An error in the manners of the path's storefront."""
    status, headers, body = error_response(storefront_of(path), error)
    return Response(body, status, headers={name.decode(): value.decode() for name, value in headers})


def no_such_route(method: str, path: str, allowed: bool) -> TollwayError:
    """What an unknown URL answers: 501 where a later release brings it, 405 for a wrong method, else 404."""
    parts = path.removeprefix("/api").split("/")
    if allowed:
        return MethodNotAllowed(f"{path} does not take {method}; the `Allow` header says what it takes.")
    if len(parts) > 2 and parts[1] in {"v1", "v1beta"} and (what := NOT_BUILT.get(parts[2])):
        return NotBuiltYet(
            f"Tollway does not offer {what} yet; "
            f"chat completions are at {path[: path.index('/v1')]}/v1/chat/completions."
        )
    return NotFound(f"There is nothing at {method} {path[:200]}; /openapi.json lists what is.")


def _guarded(house: House, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            if route.auth is Auth.CONTROL:
                house.check_control(request)
            elif route.auth is Auth.INFERENCE:
                await house.authenticator.authenticate_inference(_header_of(request))
            elif route.auth is Auth.KEY:
                request.state.caller = await house.authenticator.authenticate(_header_of(request))
            response = await route.handle(house, request)
            if route.auth is not Auth.CONTROL:
                response.headers.setdefault("access-control-allow-origin", "*")
            return response
        except TollwayError as error:
            return error_answer(request.url.path, error)
        except StorageError as error:
            log.error("storage failed", path=route.path, error=str(error))
            told = Unavailable("The database does not answer just now; try again.", retry_after_s=2)
            return error_answer(request.url.path, told)

    return endpoint


def _header_of(request: Request) -> Callable[[bytes], str | None]:
    return lambda name: request.headers.get(name.decode())
