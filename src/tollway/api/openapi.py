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
from tollway.api.table import Auth, Route, Told, told
from tollway.domain.chat import ChatRequest

PATH = "/openapi.json"
_ERRORS = {
    400: "The request is wrong; the message says where",
    401: "No credential, or not a valid one",
    402: "No credits, or the key's limit is spent",
    403: "The credential is good for other things",
    404: "There is none that the caller may see, or no endpoint fits",
    405: "Not by plain http",
    408: "The provider took too long",
    410: "No provider of payments in crypto is configured",
    413: "The body is too large",
    415: "The body is compressed",
    422: "The answer does not follow the schema, and what was tried",
    429: "A limit is used up, or every provider is rate limited",
    501: "Not built yet",
    502: "Every provider failed",
    503: "Just now nothing can be served",
}
_OF_AUTH: dict[Auth, frozenset[int]] = {
    Auth.NONE: frozenset(),
    Auth.KEY: frozenset({401, 403, 404, 429}),
    Auth.INFERENCE: frozenset({400, 401, 402, 403, 404, 408, 413, 415, 429, 501, 502}),
    Auth.PROVISIONING: frozenset({401, 403, 404, 429}),
    Auth.BROWSER: frozenset({401, 403, 404, 429}),
    Auth.SESSION: frozenset({401, 403, 404, 429}),
    Auth.ADMIN: frozenset({401, 403, 404, 429}),
}
"""Statuses of errors that follow from the credential that a line of the table wants."""
_SECURITY: dict[Auth, list[dict[str, list[str]]]] = {
    **{auth: [{"key": []}] for auth in (Auth.KEY, Auth.INFERENCE, Auth.PROVISIONING)},
    **{auth: [{"session": []}] for auth in (Auth.SESSION, Auth.ADMIN)},
}


class OpenApi:
    """Answers with OpenAPI 3.1 and this server's own address. `routes`: the table, but for inference URLs."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._document = _document([*routes, Route("GET", PATH, Auth.NONE, self)])

    @property
    def document(self) -> dict[str, Any]:
        """Without an address."""
        return self._document

    async def __call__(self, house: House, request: Request) -> Response:
        """This document."""
        document = {**self._document, "servers": [{"url": house.config.public_url}]}
        return Response(msgspec.json.encode(document), media_type="application/json")


def described(routes: Sequence[Route]) -> dict[str, Any]:
    """The document of a table that this URL is in already."""
    return next(each.handle.document for each in routes if isinstance(each.handle, OpenApi))


def _document(routes: Sequence[Route]) -> dict[str, Any]:
    bodies = dict.fromkeys(route.body for route in routes if route.body is not None)
    (_, schemas) = msgspec.json.schema_components(
        [ChatRequest, *bodies], schema_hook=_schema_of_raw, ref_template="#/components/schemas/{name}"
    )
    schemas["ChatRequest"]["properties"].pop("extra", None)
    # Google's streams are lists, and so are their errors.
    schemas["Errors"] = {"type": "array", "items": {"$ref": "#/components/schemas/Error"}, "minItems": 1}
    schemas["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "code": {"type": ["integer", "string", "null"]},
                    "message": {"type": "string", "minLength": 1},
                    "metadata": {"type": "object"},
                },
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollway", "version": __version__, "description": "One API, every model, many providers."},
        "paths": _all_paths(routes),
        "components": {
            "schemas": _read_as_decoded(schemas),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of this server"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tollway", "description": "For our own pages"},
            },
        },
    }


def _read_as_decoded(schema: Any) -> Any:
    """Decimals are read from numbers too, which msgspec's schema does not say."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {**schema, "type": ["string", "number"]}
        return {name: _read_as_decoded(value) for name, value in schema.items()}
    return [_read_as_decoded(value) for value in schema] if isinstance(schema, list) else schema


def _all_paths(routes: Sequence[Route]) -> dict[str, Any]:
    """Each line of the table with what is told of it, and the inference URLs, which are not in it."""
    paths = _paths()
    public = [route for route in routes if route.auth not in (Auth.CONTROL, Auth.WEBHOOK)]
    lines = {(route.path.replace(":path}", "}"), route.method.lower()): route for route in public}
    for (path, method), route in lines.items():
        paths.setdefault(path, {}).setdefault(method, _by_itself(route))
    for path, operations in paths.items():
        for method, operation in operations.items():
            found = lines.get((path, method))
            _complete(path, operation, found.auth if found else Auth.INFERENCE, told(found.handle) if found else Told())
    return paths


def _by_itself(route: Route) -> dict[str, Any]:
    """What a line says of itself: its handler's first line, its body."""
    text = (route.handle.__doc__ or "").partition("\n")[0].rstrip(".:")
    operation: dict[str, Any] = {"summary": text}
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{route.body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _complete(path: str, operation: dict[str, Any], auth: Auth, told: Told) -> None:
    """Adds parameters, security, and every status that may be met."""
    in_path = re.findall(r"{(\w+)}", path)
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path),
        *operation.get("parameters", ()),
        *({"name": each.name, "in": "query", "schema": each.schema} for each in told.query),
    ]
    if parameters:
        operation["parameters"] = parameters
    if auth in _SECURITY:
        operation.setdefault("security", _SECURITY[auth])
    errors = {503, *_OF_AUTH[auth], *told.errors}
    errors |= {422} if path.endswith("/extractions") else set()
    errors |= {404} if in_path else set()
    errors |= {400} if parameters else set()
    errors |= {400, 413} if "requestBody" in operation else set()
    fine = {kind: {"schema": {"type": "object"}} if kind == "application/json" else {} for kind in told.media}
    operation["responses"] = {
        str(told.status): {"description": operation["summary"] or "Done", "content": fine},
        **operation.get("responses", {}),
        **{str(status): _error(_ERRORS[status], "stream" in path) for status in sorted(errors)},
    }


def _paths() -> dict[str, Any]:
    """Every public URL."""
    paths: dict[str, Any] = {}
    for prefix in ("/api/v1", "/v1"):
        paths[f"{prefix}/chat/completions"] = {"post": _inference("Chat completion, whole or streamed")}
        guests = _inference("Chat without a key, where the operator allows it: few models, text only, short answers")
        paths[f"{prefix}/guest/chat/completions"] = {"post": guests | {"security": [{}, {"key": []}]}}
        paths[f"{prefix}/completions"] = {"post": _foreign("Text completion (legacy), whole or streamed")}
        paths[f"{prefix}/messages"] = {"post": _foreign("Anthropic's Messages, whole or streamed")}
        paths[f"{prefix}/messages/count_tokens"] = {"post": _foreign("A prompt's tokens, by our tokenizer")}
        paths[f"{prefix}/responses"] = {"post": _foreign("OpenAI's Responses, whole or streamed")}
        paths[f"{prefix}/responses/compact"] = {"post": _foreign("A conversation, shortened to a summary")}
        paths[f"{prefix}/embeddings"] = {"post": _plain("A vector for each input")}
        paths[f"{prefix}/rerank"] = {"post": _plain("Documents in the order in which they answer a query")}
        paths[f"{prefix}/moderations"] = {"post": _plain("Whether texts and images are harmful")}
        for path, text in (("models", "Models on offer"), ("embeddings/models", "Models that make embeddings")):
            paths[f"{prefix}/{path}"] = {
                "get": _read(text, ("offset", "integer"), ("limit", "integer"), ("q", "string"))
            }
        paths[f"{prefix}/models/{{model}}"] = {"get": _read("One model")}
        paths[f"{prefix}/generation"] = {"get": _read("What a finished request was, took and cost", ("id", "string"))}
    paths["/api/v1/model/{model}"] = {"get": _read("One model (the path of the official package)")}
    paths["/api/v1/models/{author}/{slug}/endpoints"] = {"get": _read("A model's live endpoints")}
    paths["/v1beta/models"] = {
        "get": _read("Models on offer, in Google's words", ("pageSize", "integer"), ("pageToken", "string"))
    }
    paths["/v1beta/models/{model}"] = {"get": _read("One model, in Google's words")}
    for method, text in (
        ("generateContent", "Google's generateContent"),
        ("streamGenerateContent", "The same, streamed: a JSON list, or with `alt=sse` server-sent events"),
        ("countTokens", "A prompt's tokens, by our tokenizer"),
        ("embedContent", "Google's embedContent: one vector"),
        ("batchEmbedContents", "The same for several contents"),
    ):
        paths[f"/v1beta/models/{{model}}:{method}"] = {"post": _foreign(text)}
    paths["/api/v1/generations/{id}/trace"] = {
        "get": _read("The plan that a finished request was served by, and its attempts")
    }
    paths["/api/v1/route"] = {
        "post": _plain(
            "Who would answer a chat request, and why; with `caps`, under which prices; `format` names its wire format"
        )
    }
    paths["/v1/extractions"] = {"post": _plain("JSON that follows a schema, from a text")}
    paths["/v1/status/routes"] = {"get": _read("Aliases for levels of models, and their routes")}
    paths["/v1/billing/status"] = {"get": _read("Credit packs, and the state of the checkout")}
    pages = (("offset", "integer"), ("limit", "integer"))
    paths["/api/v1/presets"] = {"get": _read("The workspace's presets, the last changed first", *pages)}
    paths["/api/v1/presets/{slug}"] = {"get": _read("A preset and the version of it that counts")}
    paths["/api/v1/presets/{slug}/versions"] = {"get": _read("A preset's versions", *pages)}
    paths["/api/v1/presets/{slug}/versions/{version}"] = {"get": _read("One version of a preset")}
    for form in ("chat/completions", "messages", "responses"):
        paths[f"/api/v1/presets/{{slug}}/{form}"] = {"post": _plain(f"A preset made of a body for /{form}")}
    paths["/api/v1/providers"] = {"get": _read("Providers that can be called, and what is known of them")}
    paths["/v1/engines/{model}/embeddings"] = {"post": _plain("A vector for each input")}
    paths["/api/v1/credits"] = {"get": _read("Credits bought or granted, and used")}
    charge = _plain("Credits for crypto: `amount` in USD, `sender` and `chain_id`; 410 where nobody takes it")
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
        paths[path] = {"get": _read(text)}
    return paths | _lists(*pages) | _platform()


def _lists(*pages: tuple[str, str]) -> dict[str, Any]:
    """What is told of the catalog and of its use besides the models."""
    found = {
        "generation/content": _read("A request's prompt and answer, where they were kept", ("id", "string")),
        "models/count": _read("How many models the list has", ("q", "string")),
        "models/user": _read("The list of models, of what the key's workspace allows", *pages),
        "endpoints/zdr": _read("Live endpoints of providers that keep no prompts"),
        "datasets/app-rankings": _read("The apps that use the most tokens", *pages),
    }
    return {f"/api/v1/{path}": {"get": described} for path, described in found.items()}


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
    answer = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}
    return {
        "summary": text,
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "The answer, or its stream", "content": answer}},
    }


def _foreign(text: str) -> dict[str, Any]:
    """An inference URL in another company's format, whose own documentation describes the body."""
    described = _inference(text)
    described["requestBody"]["content"] = {"application/json": {"schema": {"type": "object"}}}
    return described


def _plain(text: str) -> dict[str, Any]:
    """An inference URL whose answer is never a stream, or one that keeps or explains such a request."""
    described = _foreign(text)
    del described["responses"]
    return described


def _read(text: str, *query: tuple[str, str]) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in query]
    return {"summary": text, "parameters": parameters}


def _error(text: str, listed: bool) -> dict[str, Any]:
    """`listed`: it may also be the only one of a list."""
    one, several = {"$ref": "#/components/schemas/Error"}, {"$ref": "#/components/schemas/Errors"}
    return {
        "description": text,
        "content": {"application/json": {"schema": {"anyOf": [one, several]} if listed else one}},
    }


def _schema_of_raw(kind: type) -> dict[str, Any]:
    """JSON that is carried without being read may be anything."""
    if kind is Raw:
        return {}
    raise TypeError(f"no schema for {kind}")
