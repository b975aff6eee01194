"""`/openapi.json`: the API described, its request schemas printed from the Structs that decode them."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from tollway import __version__
from tollway.api.house import House
from tollway.api.table import Auth, Route
from tollway.domain.chat import ChatRequest

_ERRORS = {
    "400": "The request is wrong; the message names the field",
    "401": "No key, or not a valid one",
    "402": "No credits, or the key's limit is spent",
    "404": "No endpoint fits, or no such model",
    "413": "The body is too large",
    "429": "A limit is used up, or every provider is rate limited",
    "502": "Every provider failed",
    "503": "Just now nothing can be served",
}


class OpenApi:
    """Answers with OpenAPI 3.1 and this server's own address. `described`: routes whose lines say it all."""

    def __init__(self, described: Sequence[Route]) -> None:
        self._document = _document(described)

    async def __call__(self, house: House, request: Request) -> Response:
        document = {**self._document, "servers": [{"url": house.config.public_url}]}
        return Response(msgspec.json.encode(document), media_type="application/json")


def _document(described: Sequence[Route]) -> dict[str, Any]:
    bodies = dict.fromkeys(route.body for route in described if route.body is not None)
    (_, schemas) = msgspec.json.schema_components(
        [ChatRequest, *bodies], schema_hook=_schema_of_raw, ref_template="#/components/schemas/{name}"
    )
    schemas["ChatRequest"]["properties"].pop("extra", None)
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": ["integer", "string", "null"]},
                    "message": {"type": "string"},
                    "metadata": {"type": "object"},
                },
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollway", "version": __version__, "description": "One API, every model, many providers."},
        "paths": _paths() | _described(described),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of this server"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tollway", "description": "For our own pages"},
            },
        },
    }


def _records() -> dict[str, Any]:
    """What is known of a finished request, for the key that made it."""
    metadata = {"get": _read("What a finished request was, took and cost", ("id", "string"))}
    return {
        "/api/v1/generation": metadata,
        "/v1/generation": metadata,
        "/api/v1/generation/content": {
            "get": _read("A request's prompt and answer, where they were kept", ("id", "string"))
        },
        "/api/v1/generations/{id}/trace": {
            "get": _read("The plan that a finished request was served by, and its attempts", path="id")
        },
    }


def _paths() -> dict[str, Any]:
    """Every public URL."""
    paths: dict[str, Any] = {}
    for prefix in ("/api/v1", "/v1"):
        paths[f"{prefix}/chat/completions"] = {"post": _inference("Chat completion, whole or streamed")}
        guests = _inference("Chat without a key, where the operator allows it: few models, text only, short answers")
        paths[f"{prefix}/guest/chat/completions"] = {"post": guests | {"security": [{}, {"key": []}]}}
        paths[f"{prefix}/completions"] = {"post": _inference("Text completion (legacy), whole or streamed")}
        paths[f"{prefix}/messages"] = {"post": _foreign("Anthropic's Messages, whole or streamed")}
        paths[f"{prefix}/messages/count_tokens"] = {"post": _foreign("A prompt's tokens, by our tokenizer")}
        paths[f"{prefix}/responses"] = {"post": _foreign("OpenAI's Responses, whole or streamed")}
        paths[f"{prefix}/responses/compact"] = {"post": _foreign("A conversation, shortened to a summary")}
        paths[f"{prefix}/embeddings"] = {"post": _plain("A vector for each input")}
        paths[f"{prefix}/rerank"] = {"post": _plain("Documents in the order in which they answer a query")}
        paths[f"{prefix}/moderations"] = {"post": _plain("Whether texts and images are harmful")}
        for path, text in (("models", "Models on offer"), ("embeddings/models", "Models that make embeddings")):
            paths[f"{prefix}/{path}"] = {
                "get": _read(text, ("offset", "integer"), ("limit", "integer"), ("q", "string"), key=False)
            }
        paths[f"{prefix}/models/{{model}}"] = {"get": _read("One model", path="model", key=False)}
    paths["/api/v1/model/{model}"] = {
        "get": _read("One model (the path of the official package)", path="model", key=False)
    }
    paths["/api/v1/models/{author}/{slug}/endpoints"] = {
        "get": _read("A model's live endpoints", path="author,slug", key=False)
    }
    paths["/v1beta/models"] = {
        "get": _read("Models on offer, in Google's words", ("pageSize", "integer"), ("pageToken", "string"))
    }
    paths["/v1beta/models/{model}"] = {"get": _read("One model, in Google's words", path="model")}
    for method, text in (
        ("generateContent", "Google's generateContent"),
        ("streamGenerateContent", "The same, streamed: a JSON list, or with `alt=sse` server-sent events"),
        ("countTokens", "A prompt's tokens, by our tokenizer"),
        ("embedContent", "Google's embedContent: one vector"),
        ("batchEmbedContents", "The same for several contents"),
    ):
        paths[f"/v1beta/models/{{model}}:{method}"] = {"post": _foreign(text, path="model")}
    paths |= _records()
    paths["/api/v1/route"] = {"post": _dry_run()}
    paths["/v1/extractions"] = {"post": _plain("JSON that follows a schema, from a text")}
    paths["/v1/status/routes"] = {"get": _read("Aliases for levels of models, and their routes", key=True)}
    paths["/v1/billing/status"] = {"get": _read("Credit packs, and the state of the checkout", key=True)}
    pages = (("offset", "integer"), ("limit", "integer"))
    paths["/api/v1/presets"] = {"get": _read("The workspace's presets, the last changed first", *pages)}
    paths["/api/v1/presets/{slug}"] = {"get": _read("A preset and the version of it that counts", path="slug")}
    paths["/api/v1/presets/{slug}/versions"] = {"get": _read("A preset's versions", *pages, path="slug")}
    paths["/api/v1/presets/{slug}/versions/{version}"] = {"get": _read("One version of a preset", path="slug,version")}
    for form in ("chat/completions", "messages", "responses"):
        paths[f"/api/v1/presets/{{slug}}/{form}"] = {"post": _kept(f"A preset made of a body for /{form}")}
    paths["/api/v1/providers"] = {"get": _read("Providers that can be called, and what is known of them", key=False)}
    paths["/v1/engines/{model}/embeddings"] = {"post": _plain("A vector for each input", path="model")}
    paths["/api/v1/credits"] = {"get": _read("Credits bought or granted, and used")}
    charge = _plain("Credits for crypto: `amount` in USD, `sender` and `chain_id`; 410 where nobody takes it")
    charge["responses"]["410"] = _error("No provider of payments in crypto is configured")
    paths["/api/v1/credits/coinbase"] = {"post": charge}
    paths["/api/v1/key"] = {"get": _read("The calling key: its limit and its usage")}
    paths["/api/v1/auth/key"] = {"get": _read("The calling key (older name)")}
    for path, text in (
        ("/health", "The process is alive"),
        ("/livez", "The process is alive (Kubernetes's name)"),
        ("/readyz", "Requests can be served"),
        ("/metrics", "Prometheus metrics"),
        ("/openapi.json", "This document"),
    ):
        paths[path] = {"get": _read(text, key=False)}
    return paths | _lists(*pages)


def _lists(*pages: tuple[str, str]) -> dict[str, Any]:
    """What is told of the catalog and of its use besides the models."""
    found = {
        "models/count": _read("How many models the list has", ("q", "string"), key=False),
        "models/user": _read("The list of models, of what the key's workspace allows", *pages),
        "endpoints/zdr": _read("Live endpoints of providers that keep no prompts", key=False),
        "datasets/app-rankings": _read("The apps that use the most tokens", *pages),
    }
    return {f"/api/v1/{path}": {"get": described} for path, described in found.items()}


def _described(routes: Sequence[Route]) -> dict[str, Any]:
    """What the table says itself: a handler's first line, its path, its body."""
    paths: dict[str, Any] = {}
    for route in routes:
        text = (route.handle.__doc__ or "").partition("\n")[0].rstrip(".:")
        found = _read(text, path=",".join(re.findall(r"{(\w+)}", route.path)), key=route.auth is Auth.PROVISIONING)
        if route.body is not None:
            schema = {"$ref": f"#/components/schemas/{route.body.__name__}"}
            found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        if route.auth in (Auth.SESSION, Auth.ADMIN):
            found["security"] = [{"session": []}]
        paths.setdefault(route.path, {})[route.method.lower()] = found
    return paths | _platform()


def _platform() -> dict[str, Any]:
    base = "/platform/api/v1"
    return {
        f"{base}/chat/completions": {"post": _inference("Chat with a model of the registry, by credits")},
        f"{base}/models": {"get": _read("The platform's registry: models, and credits for a request")},
        f"{base}/requests": {"get": _read("The last requests of the key", ("limit", "integer"))},
        f"{base}/images/generations": {"post": _foreign("Images: not built yet, answers 501")},
    }


def _inference(text: str) -> dict[str, Any]:
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}}
    return {
        "summary": text,
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {
                "description": "The answer, or its stream",
                "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
            },
            **{status: _error(told) for status, told in _ERRORS.items()},
        },
    }


def _foreign(text: str, path: str = "") -> dict[str, Any]:
    """An inference URL in another company's format, whose own documentation describes the body."""
    described = _inference(text)
    if path:
        described["parameters"] = _in_path(path)
    described["requestBody"]["content"] = {"application/json": {"schema": {"type": "object"}}}
    return described


def _plain(text: str, path: str = "") -> dict[str, Any]:
    """An inference URL whose answer is never a stream."""
    described = _foreign(text, path=path)
    del described["responses"]["200"]["content"]["text/event-stream"]
    return described


def _dry_run() -> dict[str, Any]:
    """A chat request that is not carried out."""
    described = _inference(
        "Who would answer a chat request, and why; with `caps`, under which prices; `format` names its wire format"
    )
    described["responses"] = {
        "200": {
            "description": "The plan, or the error that the request would get, in `data`",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **{status: _error(_ERRORS[status]) for status in ("400", "401", "413")},
    }
    return described


def _kept(text: str) -> dict[str, Any]:
    """A request that is not carried out, but kept."""
    described = _plain(text, path="slug")
    described["responses"] = {
        "200": {"description": "The preset and its new version", "content": {"application/json": {}}},
        **{status: _error(_ERRORS[status]) for status in ("400", "401", "413")},
    }
    return described


def _read(text: str, *query: tuple[str, str], path: str = "", key: bool = True) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in query]
    parameters += _in_path(path)
    described: dict[str, Any] = {"summary": text, "responses": {"200": {"description": text}}}
    if parameters:
        described["parameters"] = parameters
        described["responses"]["400"] = _error(_ERRORS["400"])
    if path:
        described["responses"]["404"] = _error("There is none")
    if key:
        described["security"] = [{"key": []}]
        described["responses"]["401"] = _error(_ERRORS["401"])
    return described


def _in_path(names: str) -> list[dict[str, Any]]:
    """Names with commas between them, or none."""
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names.split(",")
        if name
    ]


def _error(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _schema_of_raw(kind: type) -> dict[str, Any]:
    """JSON that is carried without being read may be anything."""
    if kind is Raw:
        return {}
    raise TypeError(f"no schema for {kind}")
