"""The simulated provider: starts, routes requests to formats and listings, and keeps the books."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

import msgspec

from tollway.simulator import faults, listing
from tollway.simulator.answer import Question
from tollway.simulator.behaviour import BadBehaviour, Behaviour
from tollway.simulator.connection import Connection, Request
from tollway.simulator.director import Director
from tollway.simulator.formats import FORMATS, find
from tollway.simulator.formats.base import Asked, Format, Refused
from tollway.simulator.play import Part, play
from tollway.simulator.stats import Record, Stats
from tollway.simulator.steps import Reply

_PLAIN = Behaviour()
OnRequest = Callable[[Request], None]


class Simulator:
    """A provider that does what it is told. `start` it, point a client at `url` + `/v1`, read `stats`, `close` it.

    The path says the wire format (`formats/`). With `/p/{provider}` before it, it plays several providers, which
    `stats.by_provider` counts apart.
    """

    def __init__(
        self, seed: int, models: Iterable[str] | None, defaults: Behaviour, on_request: OnRequest | None
    ) -> None:
        self.stats = Stats()
        self.host = ""
        self.port = 0
        self._seed = seed
        self._models = None if models is None else tuple(models)
        self._director = Director(defaults)
        self._on_request = on_request
        self._tag = f"{Random(seed).getrandbits(44):011x}"  # noqa: S311  # ids are to be reproducible, not secret
        self._count = 0
        self._connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(
        cls,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
        models: Iterable[str] | None = None,
        defaults: Behaviour = _PLAIN,
        on_request: OnRequest | None = None,
    ) -> "Simulator":
        """Listens, on a free port if `port` is 0. `models`: the only names that it knows; None: any name.

        `on_request` is called with every request before it is answered. OSError: the port is taken.
        """
        simulator = cls(seed, models, defaults, on_request)
        make = partial(Connection, simulator._handle, simulator.stats, simulator._connections)
        simulator._server = await simulator._loop.create_server(make, host, port, backlog=2048)
        simulator.host = host
        simulator.port = simulator._server.sockets[0].getsockname()[1]
        return simulator

    @property
    def url(self) -> str:
        """`http://host:port`, without `/v1`."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def models(self) -> tuple[str, ...]:
        """The names that its lists show."""
        return listing.DEFAULT_MODELS if self._models is None else self._models

    def script(self, model_or_provider: str, behaviours: Iterable[Behaviour | str]) -> None:
        """The next requests for this model, or at this provider, meet these in turn; then all is as before.

        A `Behaviour` replaces everything else that was said; a text like `"fail=503"` (or `""`) is added to it.
        """
        self._director.script(model_or_provider, behaviours)

    async def close(self) -> None:
        """Stops listening and ends every connection."""
        if self._server is not None:
            self._server.close()
        leaving = list(self._connections)
        for connection in leaving:
            connection.transport.abort()
        await asyncio.gather(*(connection.closed for connection in leaving))
        if self._server is not None:
            await self._server.wait_closed()

    def _handle(self, request: Request) -> tuple[Reply, Record | None]:
        """The URL table."""
        if self._on_request is not None:
            self._on_request(request)
        path, provider = request.path, ""
        if path.startswith("/p/"):
            provider, _, rest = path[3:].partition("/")
            path = "/" + rest
        if (found := find(path)) is not None:
            if request.method == "POST":
                return self._infer(request, found, provider)
            return _error(405, f"Not allowed to {request.method} on {path}.", request), None
        if path == "/v1/models" and request.method == "GET":
            return _json(listing.openai_models(self.models, provider)), None
        if path.startswith("/v1/models/") and request.method == "GET":
            name = path.removeprefix("/v1/models/")
            if self._models is None or name in self._models:
                return _json(listing.openai_model(name, provider)), None
            return _no_model(name), None
        if path == "/openrouter-provider/models" and request.method == "GET":
            return _json(listing.openrouter_models(self.models)), None
        if path == "/stats" and request.method == "GET":
            return _json(self.stats.as_dict()), None
        if path == "/stats/reset" and request.method == "POST":
            self.stats.reset()
            return _json({"status": "ok"}), None
        if path == "/health" and request.method == "GET":
            return _json({"status": "ok"}), None
        return _error(404, f"Invalid URL ({request.method} {request.path})", request), None

    def _infer(self, request: Request, found: tuple[Format, str, str], provider: str) -> tuple[Reply, Record]:
        """A request for an answer: read, cast, counted, played."""
        format_, in_url, action = found
        self._count = number = self._count + 1
        now, now_s = self._loop.time(), time.time()
        question: Question | None = None
        behaviour, model = self._director.defaults, ""
        why: Refused | None = None
        try:
            question = format_.read(Asked(request.body, request.headers, request.query, in_url, action))
            model = question.model
            model, behaviour = self._director.cast(question.model, provider, request.headers)
        except Refused as refused:
            why = refused
        except BadBehaviour as error:
            why = Refused(400, str(error), param="x-simulate", code="bad_behaviour")
        key = request.headers.get(format_.key_header, "")
        why = _keyless(behaviour, format_, key) or why
        if why is None and self._models is not None and model not in self._models:
            why = _model_not_found(model)
        record = Record(
            id=f"{format_.id_prefix}{self._tag}{number:018x}",
            provider=provider,
            model=model,
            path=request.path,
            status=200 if why is None else why.status,
            stream=question is not None and question.stream,
            started_at=now,
        )
        self.stats.begin(record, key)
        if why is not None or question is None:
            record.outcome = "failed"
            return faults.refused(format_, why or Refused(400, "unreadable"), behaviour, now_s), record
        part = Part(
            question=question,
            behaviour=behaviour,
            format=format_,
            record=record,
            clock=self._loop.time,
            dice=_Dice(self._seed * 1_000_003 + number),
            created_s=now_s,
            uptime_s=now - self._started_at,
            seed=self._seed,
            reused=request.reused,
        )
        return play(part), record


class _Dice:
    """One request's dice, made when they are first thrown: most requests never do."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random: Random | None = None

    def __call__(self) -> Random:
        if self._random is None:
            self._random = Random(self._seed)  # noqa: S311  # faults are to be reproducible, not secret
        return self._random


def _keyless(behaviour: Behaviour, format_: Format, key: str) -> Refused | None:
    """The 401 for a request without the key that the behaviour asks for, in the header where the format has it."""
    if not behaviour.key:
        return None
    scheme = "Bearer " if format_.key_header == "authorization" else ""
    given = key.removeprefix(scheme).strip() if key.startswith(scheme) else ""
    if not given:
        shown = f"{format_.key_header.title()}: {scheme}YOUR_KEY"
        return Refused(401, f"You didn't provide an API key. Send it as: {shown}.", code="no_api_key")
    if behaviour.key not in ("*", given):
        return Refused(401, f"Incorrect API key provided: {given[:3]}***.", code="invalid_api_key")
    return None


def _model_not_found(name: str) -> Refused:
    return Refused(404, f"The model `{name}` does not exist or you do not have access to it.", code="model_not_found")


def _no_model(name: str) -> Reply:
    return faults.refused(FORMATS[0], _model_not_found(name), _PLAIN, 0)


def _error(status: int, message: str, request: Request) -> Reply:
    reply = faults.refused(FORMATS[0], Refused(status, message), _PLAIN, 0)
    if request.method == "HEAD":  # an answer to HEAD has no body (RFC 9110, 9.3.2)
        reply.body, reply.keep_alive = b"", False
    return reply


def _json(body: object) -> Reply:
    return Reply(200, msgspec.json.encode(body), faults.JSON)
