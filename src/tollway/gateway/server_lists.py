"""A server is asked for its models by its address: where its list is, what it has, and in words why not."""

import re
import time
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tollway.catalog.listing import Listing, read_listing
from tollway.domain.catalog import WireFormat
from tollway.domain.http import Deadlines, HttpRequest
from tollway.gateway.live import list_request
from tollway.providers import LOCAL, Provider, bearer
from tollway.providers.base import AUTH
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

LOCAL_SERVERS = {urlsplit(each.base_url).port or 0: (each.slug, each.name) for each in LOCAL}
"""Port -> slug and name of the server that listens there by its own default."""

PATIENCE = Deadlines(first_event_s=10.0, idle_s=10.0, total_s=15.0)


class Server(Struct, frozen=True):
    """A server that was asked: where it is, and what it lists."""

    base_url: str
    models_url: str | None
    body: bytes
    listing: Listing


async def ask_server(
    client: UpstreamClient,
    url: str,
    key: str,
    models_url: str | None = None,
    speaks: WireFormat = WireFormat.OPENAI_CHAT,
) -> Server:
    """Finds the list of models: below URL, else below URL/v1 (for Gemini, /v1beta). ValueError: what came instead."""
    if "://" not in url:
        url = f"http://{url}"
    base = url.rstrip("/").removesuffix("/models").rstrip("/")
    version = "v1beta" if speaks is WireFormat.GEMINI else "v1"
    bases = [base] if models_url or urlsplit(base).path.strip("/") else [f"{base}/{version}", base]
    said = []
    for each in bases:
        server = Provider("", "", each, speaks, auth=AUTH.get(speaks, bearer))
        request = list_request(server, key, models_url, time.time())
        try:
            status, body = await send(client, request)
        except UpstreamFault as fault:
            said.append(f"{request.url}: {fault.message}")
            continue
        if status == 200:
            return Server(each, models_url, body, read_listing(body))
        said.append(f"{request.url}: {explain_status(status, body)}")
    raise ValueError(f"No list of models. {'; '.join(said)}")


async def send(client: UpstreamClient, request: HttpRequest, deadlines: Deadlines = PATIENCE) -> tuple[int, bytes]:
    """One request and its whole answer: status, body. UpstreamFault, ValueError as `upstream/call.py` has them."""
    with client.call(request, deadlines) as call:
        await call.start()
        return call.status, await call.read()


def explain_status(status: int, body: bytes) -> str:
    """A status of GET /models, in words that say what to do."""
    words = error_message(body)
    said = f" ({words[:200]})" if words else ""
    if status in (401, 403):
        return f"status {status}: the key is missing, wrong or may not do this{said}"
    if status == 404:
        return f"status 404: there is no list of models here; the base URL usually ends with /v1{said}"
    return f"status {status}{said}"


def error_message(body: bytes) -> str | None:
    """The message in an error's JSON body, in OpenAI's shape or a plain one."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    inner = found.get("error", found) if isinstance(found, dict) else found
    message = inner.get("message") if isinstance(inner, dict) else inner
    return message if isinstance(message, str) else None


def guess_slug(base_url: str) -> str:
    """A short name from the address: a known local port's, else the host without `api.` and its ending."""
    parts = urlsplit(base_url)
    host = parts.hostname or "server"
    local = host in {"localhost", "127.0.0.1", "::1"}
    if local and parts.port in LOCAL_SERVERS:
        return LOCAL_SERVERS[parts.port][0]
    if local or re.fullmatch(r"[0-9a-f.:]+", host):
        return f"server-{parts.port or parts.scheme}"
    labels = [label for label in host.split(".") if label not in {"api", "www"}]
    return re.sub(r"[^a-z0-9-]", "-", (labels[-2] if len(labels) > 1 else labels[0]).lower())
