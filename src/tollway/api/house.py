"""What the entry points need, built once by app.py."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from tollway.config import Config
from tollway.domain.errors import Unauthenticated
from tollway.domain.identity import Caller
from tollway.gateway.background import Jobs
from tollway.gateway.base import Gateway
from tollway.gateway.commit import Committer
from tollway.identity.authenticate import Authenticator
from tollway.routing.market import Market
from tollway.storage.database import Database


class House:
    """Every room that an entry point may open."""

    def __init__(
        self,
        *,
        config: Config,
        database: Database,
        authenticator: Authenticator,
        gateway: Gateway,
        committer: Committer,
        jobs: Jobs,
        pepper: bytes,
        control_token: str,
        reload: Callable[[], Awaitable[Market]],
        simulated: bool = False,
    ) -> None:
        self.config = config
        self.database = database
        self.authenticator = authenticator
        self.gateway = gateway
        self.committer = committer
        self.jobs = jobs
        self.pepper = pepper
        self.control_token = control_token
        self.reload = reload
        """Reads the catalog anew and swaps the market."""
        self.simulated = simulated
        """Whether the simulator plays the providers: the demo."""
        self.ready = False
        self.port = config.server.port
        """The port that is listened on: another than the configured one if that is 0."""

    def provider_name(self, slug: str) -> str:
        """A provider's display name, whether it is live or not."""
        market = self.gateway.market
        known = market.providers.get(slug) or market.catalog.providers.get(slug)
        return known.name if known else slug

    @staticmethod
    def now_s() -> float:
        """The loop's monotonic time, which health is kept in."""
        return asyncio.get_running_loop().time()

    @staticmethod
    def caller(request: Request) -> Caller:
        """Who asks: set by the route table, which authenticated the request."""
        caller: Caller = request.state.caller
        return caller

    def check_control(self, request: Request) -> None:
        """Unauthenticated: the request does not carry this start's control token."""
        carried = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(carried.encode(), self.control_token.encode()):
            raise Unauthenticated("This URL is for the command line on the server's own machine.")
