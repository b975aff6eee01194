"""`/account/v1/passkeys` and `/sign-in/passkey`: making passkeys and signing in by them, for scripts of our pages."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.api.answers import iso, iso_or_none, json_answer, read_json
from tollway.api.browser import cookie_name
from tollway.api.house import House
from tollway.api.people import begin_session, signed_in_self
from tollway.api.table import tells
from tollway.domain.passkeys import Passkey
from tollway.identity.authenticators import Credential, NewCredential
from tollway.identity.challenges import OPEN_MS
from tollway.identity.keys import digest_of
from tollway.identity.sessions import SECRET_CHARS, check_fresh, new_token

State = Annotated[str, Meta(max_length=1000)]


class Asked(Struct, forbid_unknown_fields=True):
    """A challenge is asked for: there is nothing to say."""


class NewPasskey(Struct, forbid_unknown_fields=True):
    """`state` came with the challenge; `credential` is what the authenticator made."""

    state: State
    credential: NewCredential
    name: str = ""


class ChangedPasskey(Struct, forbid_unknown_fields=True):
    name: str


class ShownPasskey(Struct, forbid_unknown_fields=True):
    """`state` came with the challenge; `credential` is what the authenticator signed."""

    state: State
    credential: Credential


async def list_passkeys(house: House, request: Request) -> Response:
    """The user's own, the oldest first."""
    user, _ = signed_in_self(request)
    return json_answer({"data": [passkey_json(house, each) for each in await house.passkeys.list(user)]})


async def ask_new(house: House, request: Request) -> Response:
    """What to ask the browser for (`options`), and the `state` to send with its answer within five minutes."""
    user, session = signed_in_self(request)
    await read_json(request, Asked)
    now_ms = house.gateway.now_ms()
    check_fresh(session, now_ms)
    state, options = await house.passkeys.ask_new(user, session, now_ms)
    return json_answer({"data": {"state": state, "options": options}})


@tells(status=201)
async def add_passkey(house: House, request: Request) -> Response:
    """A passkey that an authenticator has just made."""
    user, session = signed_in_self(request)
    ask, now_ms = await read_json(request, NewPasskey), house.gateway.now_ms()
    check_fresh(session, now_ms)
    passkey = await house.passkeys.add(user, session, ask.state, ask.credential, ask.name, now_ms)
    return json_answer({"data": passkey_json(house, passkey)}, 201)


async def rename_passkey(house: House, request: Request) -> Response:
    """Another name. NotFound: another user's is like an absent one."""
    user, _ = signed_in_self(request)
    ask = await read_json(request, ChangedPasskey)
    passkey = await house.passkeys.rename(user, request.path_params["id"], ask.name, house.gateway.now_ms())
    return json_answer({"data": passkey_json(house, passkey)})


async def remove_passkey(house: House, request: Request) -> Response:
    """It signs nobody in any more. InvalidRequest: nothing else does."""
    user, session = signed_in_self(request)
    now_ms = house.gateway.now_ms()
    check_fresh(session, now_ms)
    await house.passkeys.remove(user, request.path_params["id"], now_ms)
    return json_answer({"data": {"deleted": True}})


async def ask_known(house: House, request: Request) -> Response:
    """As `ask_new`, for who wants to sign in; a cookie says that it is the same browser that answers."""
    await read_json(request, Asked)
    name = _cookie(house)
    token = request.cookies.get(name, "")
    if len(token) != SECRET_CHARS or not token.isalnum():
        token = new_token()
    state, options = house.passkeys.ask_known(_bound(house, token), house.gateway.now_ms())
    response = json_answer({"data": {"state": state, "options": options}})
    secure = house.config.public_url.startswith("https:")
    response.set_cookie(name, token, max_age=OPEN_MS // 1000, path="/", secure=secure, httponly=True, samesite="strict")
    return response


async def sign_in(house: House, request: Request) -> Response:
    """A new session; whatever session the browser had before ends."""
    ask = await read_json(request, ShownPasskey)
    user = await house.passkeys.sign_in(
        _bound(house, request.cookies.get(_cookie(house), "")),
        ask.state,
        ask.credential,
        address=house.proxies.client_of_request(request),
        now_ms=house.gateway.now_ms(),
    )
    return await begin_session(house, request, user)


def _cookie(house: House) -> str:
    return f"{cookie_name(house)}-passkey"


def _bound(house: House, token: str) -> str:
    return digest_of(token, house.pepper).hex()


def passkey_json(house: House, passkey: Passkey) -> dict[str, Any]:
    """What its user sees of one; `works_here`: it was made for the host name that this server has now."""
    place = house.passkeys.place
    return {
        "id": passkey.id,
        "name": passkey.name,
        "created_at": iso(passkey.created_ms),
        "last_used_at": iso_or_none(passkey.used_ms),
        "synced": passkey.synced,
        "host": passkey.rp_id,
        "works_here": place is not None and passkey.rp_id == place.rp_id,
    }
