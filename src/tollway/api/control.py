"""`POST /control/v1/...`: how the command line changes money, keys and the catalog while a server runs."""

from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway import __version__
from tollway.api.house import House
from tollway.domain.errors import InvalidRequest
from tollway.gateway.office import ChangeCatalog, CreateKey, Disable, Grant, Office, SetEndpoint

Ask = TypeVar("Ask", bound=Struct)


class Hello(Struct):
    """Which server this is."""

    version: str
    ready: bool


async def hello(house: House, request: Request) -> Response:
    """Only the server that wrote the control file accepts its token: this is how a command knows it."""
    return _json(Hello(__version__, house.ready))


async def create_key(house: House, request: Request) -> Response:
    """Makes a key; its secret is in this answer and nowhere else."""
    return _json(await _office(house).create_key(await _read(request, CreateKey)))


async def grant(house: House, request: Request) -> Response:
    """Credits to a workspace, spendable at once."""
    return _json(await _office(house).grant(await _read(request, Grant)))


async def disable_key(house: House, request: Request) -> Response:
    """Disables or enables a key; the next request sees it."""
    ask = await _read(request, Disable)
    await _office(house).disable_key(ask)
    return _json(ask)


async def change_catalog(house: House, request: Request) -> Response:
    """Writes changes that the command line has compared and shown, and swaps the market."""
    return _json(await _office(house).change_catalog(await _read(request, ChangeCatalog)))


async def set_endpoint(house: House, request: Request) -> Response:
    """An endpoint's price, free, on or off."""
    return _json(await _office(house).set_endpoint(await _read(request, SetEndpoint)))


async def reload_catalog(house: House, request: Request) -> Response:
    """Reads the catalog anew and swaps the market: prices of requests under way stay what they were."""
    return _json(await _office(house).reload())


def _office(house: House) -> Office:
    async def reload() -> int:
        market = await house.reload()
        return sum(len(offer.live) for offer in market.offers.values())

    return Office(house.database, house.gateway.books, house.pepper, forget=house.authenticator.forget, reload=reload)


async def _read(request: Request, kind: type[Ask]) -> Ask:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(str(error)) from None


def _json(body: Struct) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
