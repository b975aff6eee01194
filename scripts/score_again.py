"""A recorded request or answer, read by the product and written again in the same format: raw JSON in, raw JSON out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import score_folds as folds
from tollway.domain.events import Answer, Event, Failed
from tollway.domain.generation import Usage
from tollway.domain.quirks import Quirks
from tollway.providers import PROVIDERS
from tollway.wire.anthropic_messages import client as anthropic_client
from tollway.wire.anthropic_messages import server as anthropic_server
from tollway.wire.collect import collect
from tollway.wire.formats import CLIENTS
from tollway.wire.gemini import client as gemini_client
from tollway.wire.gemini import server as gemini_server
from tollway.wire.openai_chat import client as chat_client
from tollway.wire.openai_chat import server as chat_server
from tollway.wire.openai_responses import client as responses_client
from tollway.wire.openai_responses import server as responses_server

Json = dict[str, Any]
ENVELOPE: Json = {"id": "gen-1", "created": 1_762_141_317, "model": "tollway/model", "provider": None}


@dataclass(frozen=True)
class Format:
    """Both roles of a wire format, and how its streams are put together."""

    client: Any
    server: Any
    fold: Callable[[list[Json]], Json]


FORMATS = {
    "chat_completions": Format(chat_client, chat_server, folds.chat),
    "responses": Format(responses_client, responses_server, folds.responses),
    "messages": Format(anthropic_client, anthropic_server, folds.messages),
    "generate_content": Format(gemini_client, gemini_server, folds.gemini),
}


_ASKED_ONLY = {"cohere_chat": "cohere_chat", "converse": "bedrock_converse"}
ASKED_ONLY: dict[str, Any] = {
    api: client for api, name in _ASKED_ONLY.items() for form, client in CLIENTS.items() if form == name
}
"""Formats that we ask in and do not answer in: what their answers mean is checked in each of the others."""


def request_again(form: Format, body: Json, *, model: str, stream: bool, quirks: Quirks) -> Json:
    """A caller's request -> the request that a provider of the same format gets."""
    request = form.server.decode_request(json.dumps(body).encode())
    written = form.client.encode_request(
        request,
        upstream_model=model,
        max_tokens=request.output_limit,
        stream=stream,
        user_id=request.user,
        quirks=quirks,
        same_format=True,
    )
    return dict(json.loads(written))


def events_of(form: Format, stream: bytes, piece: int = 4096) -> list[Event]:
    """What the client role reads of a stream that comes in pieces."""
    decoder = form.client.EventDecoder()
    events = [event for place in range(0, len(stream), piece) for event in decoder.feed(stream[place : place + piece])]
    return [*events, *decoder.end()]


def usage_of(form: Format, usage: Usage | None) -> bytes | None:
    return None if usage is None else form.server.usage_json(usage, cost=0, prompt_cost=0, completion_cost=0)


def written_whole(form: Format, answer: Answer, request: Any = None) -> Json:
    """An answer as a caller of a format gets it."""
    also = {"request": request} if form.server is responses_server else {}
    body = form.server.encode_answer(answer, **ENVELOPE, usage_json=usage_of(form, answer.usage or Usage()), **also)
    return dict(json.loads(body))


def written_stream(form: Format, events: list[Event]) -> Json:
    """A streamed answer as a caller of a format gets it, put together."""
    encoder = form.server.EventEncoder(**ENVELOPE)
    body = b"".join(encoder.encode([event]) for event in events)
    failed = next((event for event in events if isinstance(event, Failed)), None)
    if failed is not None:
        body += encoder.error(code=failed.status, message=failed.message, metadata={"error_type": failed.code})
    else:
        body += encoder.finish(usage_of(form, collect(events).usage or Usage()))
    return form.fold(folds.sse(body.decode()))


def quirks_of(provider: str) -> Quirks:
    """How a provider is asked; one that we do not know follows its format's text."""
    known = PROVIDERS.get(provider)
    return Quirks() if known is None else known.quirks
