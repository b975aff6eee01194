"""`/openapi.json`: the API described, its request schemas printed from the Structs that decode them."""

from functools import cache
from typing import Any

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from tollway import __version__
from tollway.api.house import House
from tollway.domain.chat import ChatRequest

_ERRORS = {
    "400": "The request is wrong; the message names the field",
    "401": "No key, or not a valid one",
    "402": "No credits, or the key's limit is spent",
    "404": "No endpoint fits, or no such model",
    "413": "The body is too large",
    "429": "Every provider is rate limited",
    "502": "Every provider failed",
    "503": "Just now nothing can be served",
}


async def get_openapi(house: House, request: Request) -> Response:
    """OpenAPI 3.1, with this server's own address."""
    document = {**_document(), "servers": [{"url": house.config.public_url}]}
    return Response(msgspec.json.encode(document), media_type="application/json")


@cache
def _document() -> dict[str, Any]:
    (_, schemas) = msgspec.json.schema_components(
        [ChatRequest], schema_hook=_schema_of_raw, ref_template="#/components/schemas/{name}"
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
    paths: dict[str, Any] = {}
    for prefix in ("/api/v1", "/v1"):
        paths[f"{prefix}/chat/completions"] = {"post": _inference("Chat completion, whole or streamed")}
        paths[f"{prefix}/completions"] = {"post": _inference("Text completion (legacy), whole or streamed")}
        paths[f"{prefix}/messages"] = {"post": _foreign("Anthropic's Messages, whole or streamed")}
        paths[f"{prefix}/messages/count_tokens"] = {"post": _foreign("A prompt's tokens, by our tokenizer")}
        paths[f"{prefix}/responses"] = {"post": _foreign("OpenAI's Responses, whole or streamed")}
        paths[f"{prefix}/models"] = {
            "get": _read("Models on offer", ("offset", "integer"), ("limit", "integer"), ("q", "string"), key=False)
        }
        paths[f"{prefix}/models/{{model}}"] = {"get": _read("One model", path="model", key=False)}
        paths[f"{prefix}/generation"] = {"get": _read("What a finished request was, took and cost", ("id", "string"))}
    paths["/api/v1/model/{model}"] = {
        "get": _read("One model (the path of the official package)", path="model", key=False)
    }
    paths["/api/v1/models/{author}/{slug}/endpoints"] = {
        "get": _read("A model's live endpoints", path="author,slug", key=False)
    }
    paths["/api/v1/credits"] = {"get": _read("Credits bought or granted, and used")}
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
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollway", "version": __version__, "description": "One API, every model, many providers."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of this server"}},
        },
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


def _foreign(text: str) -> dict[str, Any]:
    """An inference URL in another company's format, whose own documentation describes the body."""
    described = _inference(text)
    described["requestBody"]["content"] = {"application/json": {"schema": {"type": "object"}}}
    return described


def _read(text: str, *query: tuple[str, str], path: str = "", key: bool = True) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in query]
    parameters += [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in path.split(",") if name
    ]
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
