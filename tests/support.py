"""What tests share: a whole server over a simulated provider, keys with credits, and a client that speaks raw HTTP.

`world(...)` runs both in a thread of their own, for clients that block (the official SDKs). `staged(...)` is the same
inside the running loop. Either takes the offers: `offer("test/model", at=("a", "b"))` is two endpoints of a model.
"""

import asyncio
import json
import os
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
import pytest
import uvloop
from msgspec import Struct

from tests.answers import Answer as Answer
from tests.answers import parse_answer
from tests.canaries import CANARIES
from tests.first_start import TOKENIZER, copy_first_data
from tollway.api.browser import cookie_name, csrf_token
from tollway.api.house import House
from tollway.app import running
from tollway.billing.settings import Payments
from tollway.config import Config, ModelConfig, ProviderConfig, Routing, Server, Storage, Upstream
from tollway.domain.catalog import Endpoint, WireFormat
from tollway.domain.identity import Key, KeyKind, LimitReset
from tollway.domain.money import nanodollars_from_text
from tollway.domain.people import Member, Role, User
from tollway.domain.storefronts import Guest
from tollway.gateway.supply import SPEAKS
from tollway.identity.ids import new_id
from tollway.identity.keys import issue_key
from tollway.routing.market import build_market
from tollway.simulator import Simulator
from tollway.simulator.connection import Request as SimulatorRequest
from tollway.storage.keys import create_workspace, insert_key, set_disabled
from tollway.storage.members import set_member
from tollway.storage.users import new_user

T = TypeVar("T")

PATIENCE_S = 60.0
PROMPT, COMPLETION = "0.000001", "0.000002"
"""USD per token of an offer that says nothing else."""


class Offer(Struct, frozen=True):
    """A model at some providers, each of which is one endpoint."""

    model: ModelConfig
    at: tuple[str, ...] = ("a",)
    speaks: WireFormat = WireFormat.OPENAI_CHAT
    """The format of its providers: each provider has one."""


def offer(
    id_: str = "test/model",
    upstream: str | None = None,
    *,
    at: Sequence[str] = ("a",),
    prompt: str | None = PROMPT,
    completion: str | None = COMPLETION,
    speaks: WireFormat = WireFormat.OPENAI_CHAT,
    **fields: Any,
) -> Offer:
    """`upstream` may carry a behaviour: "m@fail=503,hint=retry-after" (simulator/behaviour.py).

    `speaks`: the wire format of its providers; the simulator knows formats by their URLs.
    """
    model = ModelConfig(
        id=id_,
        upstream=upstream,
        price_prompt=None if fields.get("free") else prompt,
        price_completion=None if fields.get("free") else completion,
        **fields,
    )
    return Offer(model, tuple(at), speaks)


class Secret(Struct, frozen=True):
    """A key of ours with its secret."""

    key: Key
    secret: str

    def __post_init__(self) -> None:
        CANARIES.note(self.secret)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}


class Stage:
    """A server, the simulator behind it, and what passed between them. Its coroutines belong to the server's loop."""

    def __init__(self, house: House, simulator: Simulator, received: list[SimulatorRequest], key: Secret) -> None:
        self.house = house
        self.simulator = simulator
        self.received = received
        """Every request that the simulator got, before it was answered."""
        self.key = key
        """A key of the workspace "home", which has 100 USD."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.house.port}"

    async def new_key(
        self,
        workspace: str = "home",
        *,
        credits_usd: str | None = None,
        kind: KeyKind = KeyKind.INFERENCE,
        limit_usd: str | None = None,
        limit_reset: LimitReset | None = None,
        expires_in_ms: int | None = None,
        disabled: bool = False,
        rpm: int | None = None,
        prefix: str = "sk-or-v1-",
        creator: User | None = None,
    ) -> Secret:
        """A key of a workspace, which is made if it is not there; with credits if they are said."""
        house, now_ms = self.house, self.house.gateway.now_ms()
        await create_workspace(house.database, workspace, workspace, now_ms)
        key, secret = issue_key(
            workspace_id=workspace,
            name="test",
            pepper=house.pepper,
            now_ms=now_ms,
            limit=None if limit_usd is None else nanodollars_from_text(limit_usd),
            limit_reset=limit_reset,
            expires_ms=None if expires_in_ms is None else now_ms + expires_in_ms,
            kind=kind,
            rpm=rpm,
            prefix=prefix,
            creator_user_id=creator.id if creator else None,
        )
        await insert_key(house.database, key)
        if disabled:
            await set_disabled(house.database, key.id, disabled=True)
        if credits_usd is not None:
            await self.grant(workspace, credits_usd)
        return Secret(key, secret)

    async def new_user(
        self, name: str, role: Role | None = None, workspace: str = "home", *, admin: bool = False
    ) -> User:
        """A user, in a workspace if a role is said; without a password."""
        house, now_ms = self.house, self.house.gateway.now_ms()
        user = User(new_id(now_ms), f"{name}@example.com", name, now_ms, email_verified=True, admin=admin)
        await house.database.write(new_user(user, None))
        if role is not None:
            await self.join(user, role, workspace)
        return user

    async def join(self, user: User, role: Role, workspace: str) -> None:
        """A user's place in a workspace, which is made if it is not there."""
        house, now_ms = self.house, self.house.gateway.now_ms()
        await create_workspace(house.database, workspace, workspace, now_ms)
        await house.database.write(set_member(Member(workspace, user.id, role, now_ms)))

    async def signed_in(self, user: User) -> dict[str, str]:
        """The headers of a page of a new session."""
        now_ms = self.house.gateway.now_ms()
        token = CANARIES.note(await self.house.people.sessions.start(user, now_ms, address=None, user_agent=None))
        return {
            "cookie": f"{cookie_name(self.house)}={token}",
            "x-csrf-token": csrf_token(self.house, token),
            "sec-fetch-site": "same-origin",
            "content-type": "application/json",
        }

    async def grant(self, workspace: str, usd: str) -> None:
        """Credits, spendable at once."""
        gateway = self.house.gateway
        ref = f"test-{workspace}-{len(self.received)}-{asyncio.get_running_loop().time()}"
        await gateway.books.grant(workspace, nanodollars_from_text(usd), ref, "test", gateway.now_ms())

    def change_endpoints(self, change: Callable[[Endpoint], Endpoint]) -> None:
        """Swaps the market for one in which each endpoint is what `change` makes of it."""
        gateway = self.house.gateway
        catalog = gateway.market.catalog
        endpoints = {id_: tuple(change(each) for each in found) for id_, found in catalog.endpoints.items()}
        changed = msgspec.structs.replace(catalog, endpoints=endpoints)
        gateway.market = build_market(
            changed,
            gateway.market.providers,
            SPEAKS,
            [level.alias for level in gateway.market.levels.values()],
            gateway.market.known,
        )

    def bodies(self) -> list[dict[str, Any]]:
        """The JSON of every POST that the simulator got."""
        return [json.loads(each.body) for each in self.received if each.method == "POST"]


class World:
    """A Stage in a thread of its own, seen from a test that blocks."""

    def __init__(self, stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
        self.stage = stage
        self._loop = loop

    @property
    def simulator(self) -> Simulator:
        return self.stage.simulator

    @property
    def house(self) -> House:
        return self.stage.house

    @property
    def received(self) -> list[SimulatorRequest]:
        return self.stage.received

    @property
    def url(self) -> str:
        return self.stage.url

    @property
    def key(self) -> Secret:
        return self.stage.key

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """A coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)

    def call(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """A plain function in the server's loop: what it changes, no request sees half done."""

        async def inside() -> T:
            return function(*args, **named)

        return self.run(inside())

    def new_key(self, workspace: str = "home", **fields: Any) -> Secret:
        """As Stage.new_key."""
        return self.run(self.stage.new_key(workspace, **fields))

    def new_user(self, name: str, role: Role | None = None, workspace: str = "home", *, admin: bool = False) -> User:
        """As Stage.new_user."""
        return self.run(self.stage.new_user(name, role, workspace, admin=admin))

    def signed_in(self, user: User) -> dict[str, str]:
        """As Stage.signed_in."""
        return self.run(self.stage.signed_in(user))

    def script(self, model_or_provider: str, *behaviours: str) -> None:
        """The next requests for this upstream model, or at this provider, meet these in turn."""
        self.call(self.simulator.script, model_or_provider, behaviours)

    def settled(self) -> None:
        """Returns when every finished request is in the database."""
        self.run(self.house.committer.drain())

    def request(self, method: str, path: str, body: Any = None, **named: Any) -> Answer:
        """As `request` below, with this world's key unless `headers` says otherwise."""
        headers = named.pop("headers", None)
        return request(self.url, method, path, body, headers=self.key.headers if headers is None else headers, **named)

    def chat(self, path: str = "/api/v1/chat/completions", **fields: Any) -> Answer:
        """A chat request with one user message, unless `messages` says otherwise."""
        headers = fields.pop("headers", None)
        return self.request("POST", path, ask(**fields), headers=headers)


PROMPT_TEXT = CANARIES.note("Say hello.")


def ask(model: str | None = "test/model", content: Any = PROMPT_TEXT, **fields: Any) -> dict[str, Any]:
    """The body of a chat request. `model=None` leaves it out."""
    named = {} if model is None else {"model": model}
    if "messages" in fields or "prompt" in fields:
        return {**named, **fields}
    return {**named, "messages": [{"role": "user", "content": content}], **fields}


@asynccontextmanager
async def staged(
    *offers: Offer,
    server: Server | None = None,
    upstream: Upstream | None = None,
    routing: Routing | None = None,
    guest: Guest | None = None,
    payments: Payments | None = None,
    whole_catalog: bool = False,
    provider: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Stage]:
    """A server inside the running loop, over a simulator, with one key.

    `whole_catalog`: all providers of the shipped catalog are played as well. `provider`: fields of every
    ProviderConfig, such as `idle_s`. `settings`: other sections of the configuration.
    """
    received: list[SimulatorRequest] = []
    by_provider: dict[str, list[ModelConfig]] = {}
    speaks: dict[str, WireFormat] = {}
    for each in offers or (offer(),):
        for slug in each.at:
            by_provider.setdefault(slug, []).append(each.model)
            assert speaks.setdefault(slug, each.speaks) is each.speaks, f"{slug} speaks one format"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data_dir:
        await copy_first_data(Path(data_dir))
        simulator = await Simulator.start(on_request=received.append)
        try:
            config = Config(
                server=server or Server(port=0),
                storage=Storage(data_dir=data_dir),
                upstream=upstream or Upstream(),
                routing=routing or Routing(),
                guest=guest or Guest(),
                payments=payments or Payments(),
                **(settings or {}),
                providers=tuple(
                    ProviderConfig(
                        slug=slug,
                        base_url=f"{simulator.url}/p/{slug}/v1",
                        models=tuple(models),
                        **{"speaks": speaks[slug], **(provider or {})},
                    )
                    for slug, models in by_provider.items()
                ),
            )
            played = simulator.url if whole_catalog else None
            async with running(config, simulator_url=played, tokenizer=TOKENIZER) as (house, _):
                stage = Stage(house, simulator, received, key=None)  # type: ignore[arg-type]  # the next line makes it
                stage.key = await stage.new_key("home", credits_usd="100")
                yield stage
        finally:
            await simulator.close()
            CANARIES.search_folder(Path(data_dir), os.environ.get("PYTEST_CURRENT_TEST", "a server"))


@contextmanager
def world(*offers: Offer, **named: Any) -> Iterator[World]:
    """`staged` in a thread of its own, for clients that block. What the loop would only have logged fails the test."""
    complaints: list[dict[str, Any]] = []
    started: list[World | BaseException] = []
    ready = threading.Event()
    ended: list[asyncio.Event] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        ended.append(asyncio.Event())
        try:
            async with staged(*offers, **named) as stage:
                started.append(World(stage, loop))
                ready.set()
                await ended[0].wait()
        except BaseException as error:
            if not started:
                started.append(error)
            raise
        finally:
            ready.set()

    def play() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())

    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            play()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            failed.append(error)

    thread = threading.Thread(target=guarded, name="world")
    thread.start()
    ready.wait(PATIENCE_S)
    try:
        if not started or not isinstance(started[0], World):
            thread.join(PATIENCE_S)
            raise failed[0] if failed else RuntimeError("the server did not start in time")
        yield started[0]
    finally:
        if started and isinstance(started[0], World):
            started[0]._loop.call_soon_threadsafe(ended[0].set)
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    if failed:
        raise failed[0]
    assert complaints == []


def request(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    timeout_s: float = PATIENCE_S,
) -> Answer:
    """One request on a connection of its own. `body`: bytes as they are, or a value to be sent as JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = list(headers.items() if isinstance(headers, Mapping) else headers)
    lines = [f"{method} {path} HTTP/1.1", f"host: {url.removeprefix('http://')}", "connection: close"]
    if data or method in {"POST", "PUT", "PATCH"}:
        lines.append(f"content-length: {len(data)}")
        if not any(name.lower() == "content-type" for name, _ in given):
            lines.append("content-type: application/json")
    lines += [f"{name}: {value}" for name, value in given]
    return raw(url, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data, timeout_s=timeout_s)


def raw(url: str, sent: bytes, *, timeout_s: float = PATIENCE_S) -> Answer:
    """Sends bytes as they are and reads to the end. A server that refuses early may reset: what came counts."""
    CANARIES.note_in(sent)
    host, _, port = url.removeprefix("http://").rpartition(":")
    received = bytearray()
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        with suppress(ConnectionResetError):
            while data := connection.recv(65_536):
                received += data
    CANARIES.note_in(bytes(received[:4096]))
    return parse_answer(bytes(received))


def shared(name: str) -> Path:
    """A path in the shared folder beside the checkout. Where it is not there the test is skipped, but not in CI."""
    path = Path(__file__).parents[2] / "shared" / name
    if not path.exists():
        absent(f"../shared/{name} is not on this machine")
    return path


def absent(told: str) -> NoReturn:
    """What a test needs is not here: it is skipped for this reason, and fails in CI, which has to have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)
