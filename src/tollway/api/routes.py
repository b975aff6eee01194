"""The URL table: one line per URL, each with the credential that it wants; a route without one can't be written."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute

from tollway.api import (
    account,
    control,
    cpen,
    crypto,
    extractions,
    gemini_models,
    generations,
    health,
    leaks,
    openapi,
    platform,
    presets,
    providers,
    purchases,
    rankings,
)
from tollway.api.browser import actor_of, check_own_page
from tollway.api.chat import Inference
from tollway.api.count_tokens import count_tokens
from tollway.api.exchange import Exchange
from tollway.api.guest import GuestChat
from tollway.api.house import House
from tollway.api.management import management_routes
from tollway.api.models import ModelPages
from tollway.api.route import post_route
from tollway.api.storefronts.anthropic import ANTHROPIC
from tollway.api.storefronts.base import Storefront, error_response
from tollway.api.storefronts.google import GOOGLE, credential
from tollway.api.storefronts.openai import OPENAI
from tollway.api.storefronts.openrouter import OPENROUTER
from tollway.api.storefronts.platform import PLATFORM
from tollway.api.table import OPEN_TO_PAGES, Auth, Route
from tollway.domain.catalog import WireFormat
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import Forbidden, MethodNotAllowed, NotBuiltYet, NotFound, TollwayError, Unavailable
from tollway.domain.people import Actor
from tollway.gateway.plain import answer
from tollway.identity.actors import OPERATOR, actor_of_key
from tollway.storage.database import StorageError
from tollway.wire import openai_completions
from tollway.wire.anthropic_messages import server as anthropic_messages
from tollway.wire.openai_chat import server as openai_chat
from tollway.wire.openai_embeddings import server as openai_embeddings
from tollway.wire.openai_moderations import server as openai_moderations
from tollway.wire.openai_responses import compaction
from tollway.wire.openai_responses import server as openai_responses
from tollway.wire.rerank import server as rerank

log = structlog.get_logger(__name__)


Hot = Callable[[Exchange], Awaitable[None]]
Endpoint = Callable[[Request], Awaitable[Response]]


def hot_routes(house: House) -> dict[tuple[str, str], Hot]:
    """Inference URLs: bare, without Starlette. Every one wants a key that may call models (`Auth.INFERENCE`).

    The guests' alone do without one where the operator has opened their door.
    """
    chat, messages, responses = WireFormat.OPENAI_CHAT, WireFormat.ANTHROPIC_MESSAGES, WireFormat.OPENAI_RESPONSES
    lines: tuple[tuple[str, Storefront, Any, WireFormat, Also], ...] = (
        ("/api/v1/chat/completions", OPENROUTER, openai_chat, chat, None),
        ("/v1/chat/completions", OPENAI, openai_chat, chat, None),
        ("/api/v1/completions", OPENROUTER, openai_completions, chat, the_echo),
        ("/v1/completions", OPENAI, openai_completions, chat, the_echo),
        ("/api/v1/messages", ANTHROPIC, anthropic_messages, messages, None),
        ("/v1/messages", ANTHROPIC, anthropic_messages, messages, None),
        ("/api/v1/responses", OPENROUTER, openai_responses, responses, the_request),
        ("/v1/responses", OPENAI, openai_responses, responses, the_request),
        ("/api/v1/responses/compact", OPENROUTER, compaction, responses, the_request),
        ("/v1/responses/compact", OPENAI, compaction, responses, the_request),
    )
    hot: dict[tuple[str, str], Hot] = {
        ("POST", path): Inference(house, front, wire, path, form, also, shows_routing=wire in SHOWING).handle
        for path, front, wire, form, also in lines
    }
    for base, front in (("/api/v1", OPENROUTER), ("/v1", OPENAI)):
        hot["POST", f"{base}/guest/chat/completions"] = GuestChat(house, front, f"{base}/guest/chat/completions").handle
    hot["POST", platform.CHAT] = platform.PlatformChat(house).handle
    hot["POST", extractions.PATH] = extractions.Extractions(house, OPENAI, openai_chat, extractions.PATH).handle
    plain: tuple[tuple[str, Any, str, Also], ...] = (
        ("embeddings", openai_embeddings, "embeddings", None),
        ("rerank", rerank, "rerank", the_request),
        ("moderations", openai_moderations, "moderations", None),
    )
    for name, wire, api_type, also in plain:
        for path, front in ((f"/api/v1/{name}", OPENROUTER), (f"/v1/{name}", OPENAI)):
            hot["POST", path] = Inference(house, front, wire, path, chat, also, answer, api_type).handle
    return hot


SHOWING = (openai_chat, anthropic_messages, openai_responses)
"""Formats whose answers have a place for `openrouter_metadata`."""


async def count_message_tokens(house: House, request: Request) -> Response:
    """`POST .../messages/count_tokens`: an estimate by our tokenizer; nothing is charged."""
    key = house.caller(request).key
    tokens = await count_tokens(house, key, anthropic_messages.decode_count_request, await request.body())
    return Response(anthropic_messages.encode_count_answer(tokens), media_type="application/json")


Also = Callable[[Any], dict[str, Any]] | None
"""What a format's encoders want to know of a request."""


def the_echo(request: ChatRequest) -> dict[str, Any]:
    """Legacy completions can send the prompt back before the answer."""
    return {"echo": request.prompt} if request.echo else {}


def the_request(request: object) -> dict[str, Any]:
    """A response repeats what was asked, a ranking the documents."""
    return {"request": request}


def routes(house: House) -> list[Route]:
    """Every other URL of the API."""
    models = ModelPages(house)
    table = [
        Route("GET", "/api/v1/models", Auth.NONE, lambda _, request: models.list(request)),
        Route("GET", "/v1/models", Auth.NONE, lambda _, request: models.list(request)),
        Route("GET", "/api/v1/embeddings/models", Auth.NONE, lambda _, request: models.list(request, "embeddings")),
        Route("GET", "/v1/embeddings/models", Auth.NONE, lambda _, request: models.list(request, "embeddings")),
        Route(
            "GET", "/api/v1/models/{author}/{slug}/endpoints", Auth.NONE, lambda _, request: models.endpoints(request)
        ),
        Route("GET", "/api/v1/endpoints/zdr", Auth.NONE, lambda _, request: models.zdr_endpoints(request)),
        Route("GET", "/api/v1/models/count", Auth.NONE, lambda _, request: models.count(request)),
        Route("GET", "/api/v1/models/user", Auth.KEY, lambda _, request: models.of_caller(request)),
        Route("GET", "/api/v1/model/{model:path}", Auth.NONE, lambda _, request: models.one(request)),
        Route("GET", "/api/v1/models/{model:path}", Auth.NONE, lambda _, request: models.one(request)),
        Route("GET", "/v1/models/{model:path}", Auth.NONE, lambda _, request: models.one(request)),
        Route("GET", "/v1beta/models", Auth.KEY, gemini_models.list_models),
        Route("GET", "/v1beta/models/{model:path}", Auth.KEY, gemini_models.get_model),
        Route("GET", "/api/v1/providers", Auth.NONE, providers.list_providers),
        Route("GET", "/api/v1/datasets/app-rankings", Auth.KEY, rankings.get_apps),
        Route("GET", "/api/v1/generation", Auth.KEY, generations.get_generation),
        Route("GET", "/v1/generation", Auth.KEY, generations.get_generation),
        Route("GET", "/api/v1/generation/content", Auth.KEY, generations.get_content),
        Route("GET", "/api/v1/generations/{id}/trace", Auth.KEY, generations.get_trace),
        Route("POST", "/api/v1/route", Auth.KEY, post_route),
        Route("GET", "/api/v1/presets", Auth.KEY, presets.list_all),
        Route("GET", "/api/v1/presets/{slug}", Auth.KEY, presets.get_one),
        Route("GET", "/api/v1/presets/{slug}/versions", Auth.KEY, presets.list_its_versions),
        Route("GET", "/api/v1/presets/{slug}/versions/{version}", Auth.KEY, presets.get_version),
        *(
            Route("POST", f"/api/v1/presets/{{slug}}/{form}", Auth.KEY, partial(presets.keep, decode=decode))
            for form, decode in PRESET_FORMS
        ),
        Route("GET", "/api/v1/credits", Auth.KEY, account.get_credits),
        Route("POST", "/api/v1/credits/coinbase", Auth.KEY, crypto.start_charge),
        Route("GET", "/api/v1/key", Auth.KEY, account.get_key),
        Route("GET", "/api/v1/auth/key", Auth.KEY, account.get_key),
        Route("GET", "/v1/status/routes", Auth.KEY, cpen.get_routes),
        Route("GET", "/v1/billing/status", Auth.KEY, cpen.get_billing),
        Route("POST", "/api/v1/messages/count_tokens", Auth.INFERENCE, count_message_tokens),
        Route("POST", "/v1/messages/count_tokens", Auth.INFERENCE, count_message_tokens),
        Route("GET", "/health", Auth.NONE, health.get_health),
        Route("GET", "/livez", Auth.NONE, health.get_health),
        Route("GET", "/readyz", Auth.NONE, health.get_ready),
        Route("GET", "/metrics", Auth.NONE, health.get_metrics),
        *management_routes(),
        *platform.PLATFORM_ROUTES,
        Route("GET", "/control/v1", Auth.CONTROL, control.hello),
        Route("POST", "/control/v1/route", Auth.CONTROL, control.explain_route),
        Route("POST", "/control/v1/keys", Auth.CONTROL, control.create_key),
        Route("POST", "/control/v1/keys/disable", Auth.CONTROL, control.disable_key),
        Route("POST", "/control/v1/workspaces", Auth.CONTROL, control.set_workspace),
        Route("POST", "/control/v1/presets", Auth.CONTROL, control.set_preset),
        Route("POST", "/control/v1/byok/rotate", Auth.CONTROL, control.rotate_byok),
        Route("POST", "/control/v1/credits", Auth.CONTROL, control.grant),
        Route("POST", "/control/v1/codes", Auth.CONTROL, control.make_codes),
        Route("POST", "/control/v1/codes/revoke", Auth.CONTROL, control.revoke_code),
        Route("POST", "/control/v1/refunds", Auth.CONTROL, control.refund),
        Route("POST", "/control/v1/catalog/changes", Auth.CONTROL, control.change_catalog),
        Route("POST", "/control/v1/catalog/endpoint", Auth.CONTROL, control.set_endpoint),
        Route("POST", "/control/v1/catalog/reload", Auth.CONTROL, control.reload_catalog),
    ]
    return [*table, Route("GET", openapi.PATH, Auth.NONE, openapi.OpenApi(table))]


def webhooks(house: House) -> list[Route]:
    """What others tell with a signature of the body, where it is configured: payments, and keys that were leaked."""
    told = [Route("POST", f"/webhooks/{name}", Auth.WEBHOOK, purchases.webhook(name)) for name in house.till.providers]
    if house.config.leaks.on:
        told.append(Route("POST", leaks.PATH, Auth.WEBHOOK, leaks.take_report))
    return told


PRESET_FORMS = (
    ("chat/completions", openai_chat.decode_request),
    ("messages", anthropic_messages.decode_request),
    ("responses", presets.decode_response),
)
"""Formats of requests that presets are made of."""


NOT_BUILT: Mapping[str, str] = {
    "images": "images",
    "audio": "audio",
    "videos": "video",
    "video": "video",
    "batches": "batches",
    "files": "files",
    "realtime": "realtime sessions",
}
"""First path segments of inference URLs that later releases bring: they answer 501, and say so."""
NOT_BUILT_BASES = frozenset({"kling", "jimeng"})
"""Bases of video providers' own URLs (STOREFRONTS.md, CostRouter), which later releases bring."""


SLASHED = frozenset({"/api/v1/keys", "/api/v1/keys/{hash}"})
"""Answered with a slash at the end as well: OpenRouter's documentation asks for them so."""


def starlette_routes(house: House) -> list[BaseRoute]:
    """The table as Starlette wants it: one route for each path, so that it knows every method of it."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for route in (*routes(house), *webhooks(house)):
        for path in (route.path, f"{route.path}/") if route.path in SLASHED else (route.path,):
            paths.setdefault(path, {})[route.method] = _guarded(house, route)
    return [StarletteRoute(path, _by_method(handlers), methods=list(handlers)) for path, handlers in paths.items()]


def _by_method(handlers: dict[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return endpoint


def storefront_of(path: str) -> Storefront:
    """Whose manners a path has: the platform's, its format's, OpenRouter's below /api and /account, else OpenAI's."""
    if path.startswith(platform.BASE):
        return PLATFORM
    if path.startswith("/v1beta"):
        return GOOGLE
    if path.removeprefix("/api").startswith("/v1/messages"):
        return ANTHROPIC
    return OPENROUTER if path.startswith(("/api/", "/account/")) else OPENAI


def error_answer(path: str, error: TollwayError) -> Response:
    """An error in the manners of the path's storefront."""
    status, headers, body = error_response(storefront_of(path), error)
    return Response(body, status, headers={name.decode(): value.decode() for name, value in headers})


def no_such_route(method: str, path: str, allowed: bool) -> TollwayError:
    """What an unknown URL answers: 501 where a later release brings it, 405 for a wrong method, else 404."""
    parts = path.removeprefix("/api").split("/")
    if allowed:
        return MethodNotAllowed(f"{path} does not take {method}; the `Allow` header says what it takes.")
    if parts[1:3] == ["v1", "responses"]:
        return NotFound("Responses are not stored here, so there is none to look up, cancel or delete.")
    what, base = None, ""
    if len(parts) > 2 and parts[1] in {"v1", "v1beta"}:
        what, base = NOT_BUILT.get(parts[2]), path[: path.index("/v1")]
    elif len(parts) > 2 and path.startswith(f"/{parts[1]}/") and parts[1] in NOT_BUILT_BASES:
        what = "video"
    if what is not None:
        return NotBuiltYet(f"Tollway does not offer {what} yet; chat completions are at {base}/v1/chat/completions.")
    return NotFound(f"There is nothing at {method} {path[:200]}; /openapi.json lists what is.")


def _guarded(house: House, route: Route) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            if route.auth is Auth.CONTROL:
                house.check_control(request)
            elif route.auth is Auth.INFERENCE:
                request.state.caller = await house.authenticator.authenticate_inference(_header_of(request))
            elif route.auth is Auth.KEY:
                request.state.caller = await house.authenticator.authenticate(_header_of(request))
            elif route.auth is Auth.PROVISIONING:
                caller = await house.authenticator.authenticate_provisioning(_header_of(request))
                request.state.actor = await actor_of_key(house.database, caller.key)
            elif route.auth is Auth.BROWSER:
                check_own_page(house, request)
            elif route.auth is Auth.SESSION:
                request.state.actor = await actor_of(house, request)
            elif route.auth is Auth.ADMIN:
                request.state.actor = await _admin(house, request)
            response = await route.handle(house, request)
            if route.auth in OPEN_TO_PAGES:
                response.headers.setdefault("access-control-allow-origin", "*")
            return response
        except TollwayError as error:
            return error_answer(request.url.path, error)
        except StorageError as error:
            log.error("storage failed", path=route.path, error=str(error))
            told = Unavailable("The database does not answer just now; try again.", retry_after_s=2)
            return error_answer(request.url.path, told)

    return endpoint


async def _admin(house: House, request: Request) -> Actor:
    if house.is_control(request):
        return OPERATOR
    actor = await actor_of(house, request)
    if not actor.operator:
        admin = actor.user is not None and actor.user.admin
        raise Forbidden("Sign in again: this needs a sign-in of the last 15 minutes." if admin else "For admins only.")
    return actor


def _header_of(request: Request) -> Callable[[bytes], str | None]:
    def header(name: bytes) -> str | None:
        return request.headers.get(name.decode())

    return credential(header, request.url.query) if storefront_of(request.url.path) is GOOGLE else header
