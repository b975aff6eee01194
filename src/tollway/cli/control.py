"""Who carries out a command: the running server, over its control URLs; or the command itself, holding the lock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from tollway.app import open_database, open_till
from tollway.config import Config
from tollway.domain.errors import TollwayError, Unavailable
from tollway.domain.http import Deadlines, HttpRequest
from tollway.domain.payments import Code, Refund
from tollway.gateway.base import Gateway
from tollway.gateway.books import Books
from tollway.gateway.key_desk import KeyDesk
from tollway.gateway.office import (
    ChangeCatalog,
    Changed,
    CreatedKey,
    CreateKey,
    Disable,
    Grant,
    Granted,
    Office,
    RotateByok,
    SetEndpoint,
)
from tollway.gateway.server_lists import error_message, send
from tollway.gateway.supply import first_catalog
from tollway.gateway.wishes import PresetSet, SetPreset, SetWorkspace, Workspace
from tollway.identity.audit_log import AuditLog
from tollway.identity.credentials import Rotation, open_ring, rotate
from tollway.payments.cashier import Cashier, CodesMade, RefundPurchase, RevokeCode
from tollway.payments.codes import Codes, NewCodes
from tollway.storage.database import Database
from tollway.storage.files import DATABASE_FILE, Control, ServerLock, is_locked, load_secret, read_control
from tollway.storage.keys import has_keys
from tollway.storage.migrate import pending
from tollway.storage.sqlite import SqliteReader
from tollway.upstream.client import UpstreamClient
from tollway.upstream.faults import UpstreamFault

STARTING_S = 3.0
"""How long a server that holds the lock may take until it listens."""

DEADLINES = Deadlines(connect_s=2.0, first_event_s=30.0, idle_s=30.0, total_s=30.0)

Answer = TypeVar("Answer", bound=Struct)


class Operator(Protocol):
    """What an operator may change; `gateway/office.py` says what each does and which errors it raises."""

    async def create_key(self, ask: CreateKey) -> CreatedKey: ...

    async def disable_key(self, ask: Disable) -> None: ...

    async def set_workspace(self, ask: SetWorkspace) -> Workspace: ...

    async def set_preset(self, ask: SetPreset) -> PresetSet: ...

    async def grant(self, ask: Grant) -> Granted: ...

    async def rotate_byok(self, ask: RotateByok) -> Rotation: ...

    async def change_catalog(self, ask: ChangeCatalog) -> Changed: ...

    async def set_endpoint(self, ask: SetEndpoint) -> Changed: ...


class RemoteOffice:
    """The running server's office. Every method raises TollwayError with the server's own words."""

    def __init__(self, client: UpstreamClient, control: Control) -> None:
        self._client = client
        self._control = control

    async def create_key(self, ask: CreateKey) -> CreatedKey:
        return await self._ask("keys", ask, CreatedKey)

    async def disable_key(self, ask: Disable) -> None:
        await self._ask("keys/disable", ask, Disable)

    async def set_workspace(self, ask: SetWorkspace) -> Workspace:
        return await self._ask("workspaces", ask, Workspace)

    async def set_preset(self, ask: SetPreset) -> PresetSet:
        return await self._ask("presets", ask, PresetSet)

    async def grant(self, ask: Grant) -> Granted:
        return await self._ask("credits", ask, Granted)

    async def rotate_byok(self, ask: RotateByok) -> Rotation:
        return await self._ask("byok/rotate", ask, Rotation)

    async def change_catalog(self, ask: ChangeCatalog) -> Changed:
        return await self._ask("catalog/changes", ask, Changed)

    async def set_endpoint(self, ask: SetEndpoint) -> Changed:
        return await self._ask("catalog/endpoint", ask, Changed)

    async def _ask(self, path: str, ask: Struct, kind: type[Answer]) -> Answer:
        return await ask_server(self._client, self._control, path, msgspec.json.encode(ask), kind)


class Money(Protocol):
    """What an operator may do with money; `payments/cashier.py` says what each does and which errors it raises."""

    async def make_codes(self, ask: NewCodes) -> CodesMade: ...

    async def revoke_code(self, ask: RevokeCode) -> Code: ...

    async def refund(self, ask: RefundPurchase) -> Refund: ...


class RemoteCashier:
    """The running server's cashier. Every method raises TollwayError with the server's own words."""

    def __init__(self, client: UpstreamClient, control: Control) -> None:
        self._client = client
        self._control = control

    async def make_codes(self, ask: NewCodes) -> CodesMade:
        return await self._ask("codes", ask, CodesMade)

    async def revoke_code(self, ask: RevokeCode) -> Code:
        return await self._ask("codes/revoke", ask, Code)

    async def refund(self, ask: RefundPurchase) -> Refund:
        return await self._ask("refunds", ask, Refund)

    async def _ask(self, path: str, ask: Struct, kind: type[Answer]) -> Answer:
        return await ask_server(self._client, self._control, path, msgspec.json.encode(ask), kind)


async def ask_server(client: UpstreamClient, control: Control, path: str, ask: bytes, kind: type[Answer]) -> Answer:
    """What a control URL answers to a JSON body. TollwayError: the server's own words; Unavailable: it broke off."""
    headers = (("authorization", f"Bearer {control.token}"), ("content-type", "application/json"))
    try:
        status, body = await send(
            client, HttpRequest("POST", f"{control.url}/control/v1/{path}", headers, ask), DEADLINES
        )
    except UpstreamFault as fault:
        raise Unavailable(
            f"The server at {control.url} broke off ({fault.message}); whether the change was made is not "
            "known: look before you repeat it"
        ) from None
    if status == 200:
        return msgspec.json.decode(body, type=kind)
    raise TollwayError(error_message(body) or f"The server answered with status {status}; its log says why")


async def find_server(client: UpstreamClient, config: Config) -> Control | str:
    """The running server, or why it can't be reached."""
    control = read_control(config.data_dir)
    if control is None:
        return f"{config.data_dir / 'control.json'} is not there"
    # With the token: what answers at the address of an old note may be any other program.
    headers = (("authorization", f"Bearer {control.token}"),)
    try:
        status, _ = await send(client, HttpRequest("GET", f"{control.url}/control/v1", headers), DEADLINES)
    except (UpstreamFault, ValueError) as error:
        return f"{control.url} does not answer ({error})"
    return control if status == 200 else f"what answers at {control.url} is not that server"


async def _find_owner(client: UpstreamClient, config: Config, lock: ServerLock) -> Control | None:
    """The server to talk to, or None: we hold the lock ourselves now. Unavailable: neither, and what to do then."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + STARTING_S
    while not lock.acquire():
        found = await find_server(client, config)
        if isinstance(found, Control):
            return found
        if loop.time() >= end_s:
            raise Unavailable(
                f"A server (or another command) holds {config.data_dir}, but {found}. Nothing was changed; wait until "
                "it has started, or restart it"
            )
        await asyncio.sleep(0.1)
    return None


@asynccontextmanager
async def owner(config: Config) -> AsyncIterator[tuple[UpstreamClient, Control | None]]:
    """The running server; None: there is none, and the lock of the data directory is ours inside the block."""
    lock = ServerLock(config.data_dir)
    client = UpstreamClient()
    try:
        server = await _find_owner(client, config, lock)
        try:
            yield client, server
        finally:
            if server is None:
                lock.release()
    finally:
        await client.close()


@asynccontextmanager
async def own_database(config: Config) -> AsyncIterator[tuple[Database, bytes]]:
    """The database and the pepper of keys, for who holds the lock."""
    database = await open_database(config)
    try:
        await first_catalog(database, Gateway.now_ms())
        pepper = load_secret(config.data_dir, config.security.secret_key, has_keys=await has_keys(database))
        yield database, pepper
    finally:
        await database.close()


@asynccontextmanager
async def office(config: Config) -> AsyncIterator[Operator]:
    """The running server's office, or our own while we hold the lock of the data directory."""
    async with owner(config) as (client, server):
        if server is not None:
            yield RemoteOffice(client, server)
            return
        async with own_database(config) as (database, pepper):

            async def rotate_alone(drop: bool) -> Rotation:
                return await rotate(config, database, await open_ring(config, database), drop=drop)

            books, audit = Books(database), AuditLog(database)
            yield Office(
                database,
                books,
                audit,
                KeyDesk(database, books, audit, pepper, nobody_knows),
                pepper,
                forget_workspace=nobody_knows,
                forget_preset=nobody_knows,
                reload=_nothing_to_reload,
                rotate=rotate_alone,
            )


@asynccontextmanager
async def cashier(config: Config) -> AsyncIterator[Money]:
    """The running server's cashier, or our own, as `office`."""
    async with owner(config) as (client, server):
        if server is not None:
            yield RemoteCashier(client, server)
            return
        async with own_database(config) as (database, pepper):
            books, audit = Books(database), AuditLog(database)
            till = open_till(config, database, audit, books, client)
            yield Cashier(till, Codes(database, books, audit, pepper))


@asynccontextmanager
async def reading(config: Config) -> AsyncIterator[Database]:
    """The database, to read only: beside a running server, or alone. One that is new or old is brought up to date."""
    file = config.data_dir / DATABASE_FILE
    if not is_locked(config.data_dir) and not await _up_to_date(config):
        async with office(config):
            pass
    reader = SqliteReader(file)
    try:
        yield reader
    finally:
        await reader.close()


async def _up_to_date(config: Config) -> bool:
    file = config.data_dir / DATABASE_FILE
    if not file.is_file():
        return False
    reader = SqliteReader(file)
    try:
        return not await pending(reader)
    finally:
        await reader.close()


def nobody_knows(*_: object) -> None:
    """No server runs, so that nothing is in anyone's memory."""


async def _nothing_to_reload() -> None:
    """No server runs; the next one reads the catalog at its start."""
