"""`/api/v1/auth/keys` and `/api/v1/auth/keys/code`: an app's code for a key, and codes without our consent page."""

from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import actor, iso, json_answer, read_json
from tollway.api.house import House
from tollway.api.table import tells
from tollway.domain.errors import MethodNotAllowed
from tollway.domain.identity import LimitReset
from tollway.gateway.key_desk import NewKey
from tollway.gateway.oauth_desk import CARRIED_MS


class ExchangeCode(Struct):
    """`POST /auth/keys` (OPENROUTER.md 8.4)."""

    code: Annotated[str, Meta(min_length=1, max_length=256)]
    code_verifier: str | None = None
    code_challenge_method: Literal["S256", "plain"] | None = None


class NewCode(Struct):
    """`POST /auth/keys/code`: what the consent page asks a user."""

    callback_url: str
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    expires_at: datetime | None = None
    key_label: Annotated[str, Meta(max_length=100)] | None = None
    limit: Decimal | None = None
    usage_limit_type: LimitReset | None = None
    workspace_id: str | None = None


@tells(errors=(403, 405, 429))
async def exchange_code(house: House, request: Request) -> Response:
    """A key for a code, once. By https, or from this machine; ten a minute from an address."""
    if not house.proxies.by_https(request, house.config.public_url):
        raise MethodNotAllowed("Send the code by POST and https: over plain http others can read the key.")
    ask = await read_json(request, ExchangeCode)
    now_ms = house.gateway.now_ms()
    house.oauth.count(house.proxies.client_of_request(request), now_ms * 1_000_000)
    key, secret = await house.oauth.exchange(ask.code, ask.code_verifier, ask.code_challenge_method, now_ms)
    answer = json_answer({"key": secret, "user_id": key.creator_user_id})
    answer.headers["cache-control"] = "no-store"
    return answer


async def create_code(house: House, request: Request) -> Response:
    """A code in one's own name, good for 10 minutes: for programs that show their users a consent page of their own."""
    ask = await read_json(request, NewCode)
    app = house.oauth.read(ask.callback_url, ask.code_challenge, ask.code_challenge_method)
    origin = app.callback.origin if app.callback else ""
    key = NewKey(
        name=ask.key_label or origin.partition("://")[2],
        limit=ask.limit,
        limit_reset=ask.usage_limit_type,
        expires_at=ask.expires_at,
        workspace_id=ask.workspace_id,
    )
    now_ms = house.gateway.now_ms()
    code = await house.oauth.consent(actor(request), app, key, now_ms, life_ms=CARRIED_MS)
    return json_answer({"data": {"id": code, "app_id": app_id(origin), "created_at": iso(now_ms)}})


def app_id(origin: str) -> int:
    """A number for an app, always the same: apps are known by their origin and not registered."""
    return int.from_bytes(sha256(origin.encode()).digest()[:4]) >> 1
