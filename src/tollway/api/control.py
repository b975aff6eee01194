"""`POST /control/v1/...`: how the command line changes money, keys and the catalog while a server runs."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway import __version__
from tollway.api.answers import json_answer, read_json
from tollway.api.house import House
from tollway.api.route import explain_body
from tollway.domain.standing import standing_of
from tollway.gateway.explain import Workspace
from tollway.gateway.office import ChangeCatalog, CreateKey, Disable, Grant, Office, RotateByok, SetEndpoint
from tollway.gateway.wishes import SetPreset, SetWorkspace
from tollway.identity.credentials import rotate
from tollway.payments.cashier import Cashier, RefundPurchase, RevokeCode
from tollway.payments.codes import NewCodes
from tollway.storage.workspaces import find_settings

DEFAULT = "default"
"""The workspace of who names none."""


class Hello(Struct):
    """Which server this is."""

    version: str
    ready: bool
    alarms: tuple[str, ...] = ()
    """What only an operator can mend, a sentence each."""
    drifts: tuple[str, ...] = ()
    """Whose token counts drift from ours, a sentence each."""


async def hello(house: House, request: Request) -> Response:
    """Only the server that wrote the control file accepts its token: this is how a command knows it."""
    gateway = house.gateway
    alarms, drifts = (
        tuple(f"{each.subject}: {each.text}" for each in found.values())
        for found in (gateway.alarms, gateway.drift.alarms)
    )
    return json_answer(Hello(__version__, house.ready, alarms, drifts))


async def explain_route(house: House, request: Request) -> Response:
    """The plan for a chat request, as `POST /api/v1/route` has it, for an operator, who lacks no money."""
    id_ = request.query_params.get("workspace", DEFAULT)
    workspace = Workspace(id_, standing_of(await find_settings(house.database, id_)))
    return json_answer(await explain_body(house, await request.body(), None, workspace))


async def set_workspace(house: House, request: Request) -> Response:
    """What a workspace wants of its requests; the next request sees it."""
    return json_answer(await office_of(house).set_workspace(await read_json(request, SetWorkspace)))


async def set_preset(house: House, request: Request) -> Response:
    """A preset's status, or the version of it that counts; the next request sees it."""
    return json_answer(await office_of(house).set_preset(await read_json(request, SetPreset)))


async def create_key(house: House, request: Request) -> Response:
    """Makes a key; its secret is in this answer and nowhere else."""
    return json_answer(await office_of(house).create_key(await read_json(request, CreateKey)))


async def grant(house: House, request: Request) -> Response:
    """Credits to a workspace, spendable at once."""
    return json_answer(await office_of(house).grant(await read_json(request, Grant)))


async def make_codes(house: House, request: Request) -> Response:
    """Codes to be redeemed for credits; they are in this answer and nowhere else."""
    return json_answer(await _cashier(house).make_codes(await read_json(request, NewCodes)))


async def revoke_code(house: House, request: Request) -> Response:
    """Nobody can redeem it any more."""
    return json_answer(await _cashier(house).revoke_code(await read_json(request, RevokeCode)))


async def refund(house: House, request: Request) -> Response:
    """Gives back what is unused of a purchase, however long ago it was."""
    return json_answer(await _cashier(house).refund(await read_json(request, RefundPurchase)))


async def disable_key(house: House, request: Request) -> Response:
    """Disables or enables a key; the next request sees it."""
    ask = await read_json(request, Disable)
    await office_of(house).disable_key(ask)
    return json_answer(ask)


async def rotate_byok(house: House, request: Request) -> Response:
    """Workspaces' provider keys are put under another key of the ring, while requests go on."""
    return json_answer(await office_of(house).rotate_byok(await read_json(request, RotateByok)))


async def change_catalog(house: House, request: Request) -> Response:
    """Writes changes that the command line has compared and shown, and swaps the market."""
    return json_answer(await office_of(house).change_catalog(await read_json(request, ChangeCatalog)))


async def set_endpoint(house: House, request: Request) -> Response:
    """An endpoint's price, free, on or off."""
    return json_answer(await office_of(house).set_endpoint(await read_json(request, SetEndpoint)))


async def reload_catalog(house: House, request: Request) -> Response:
    """Reads the catalog anew and swaps the market: prices of requests under way stay what they were."""
    return json_answer(await office_of(house).reload())


def _cashier(house: House) -> Cashier:
    return Cashier(house.till, house.codes)


def office_of(house: House) -> Office:
    async def reload() -> int:
        market = await house.reload()
        return sum(len(offer.live) for offer in market.offers.values())

    return Office(
        house.database,
        house.gateway.books,
        house.audit,
        house.keys,
        house.pepper,
        forget_workspace=house.authenticator.forget_workspace,
        forget_preset=house.gateway.presets.forget,
        reload=reload,
        rotate=lambda drop: rotate(house.config, house.database, house.gateway.own.ring, drop=drop),
    )
