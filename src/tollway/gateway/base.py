"""What the gateway needs to serve requests, built once by app.py."""

import asyncio
import random
import time
from collections.abc import Callable

from tollway.billing.tokens import Tokenizer
from tollway.gateway.books import Books
from tollway.gateway.commit import Committer
from tollway.routing.health import HealthBoard
from tollway.routing.market import Market
from tollway.telemetry.metrics import Metrics
from tollway.upstream.client import UpstreamClient


class Gateway:
    """The gateway's parts. `market` and `credentials` are snapshots: swapped, never changed."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        market: Market,
        credentials: dict[str, str],
        client: UpstreamClient,
        committer: Committer,
        books: Books,
        tokenizer: Callable[[], Tokenizer],
        metrics: Metrics,
        attempts_max: int,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.loop = loop
        """Kept, because asking for the running loop is a system call on Python 3.11 (getpid)."""
        self.market = market
        self.credentials = credentials
        """Provider slug -> its key. Never logged, never shown."""
        self.client = client
        self.committer = committer
        self.books = books
        self.tokenizer = tokenizer
        """Loads at first use; app.py calls it once in a thread, at start."""
        self.metrics = metrics
        self.health = HealthBoard()
        self.attempts_max = attempts_max
        self.dice = dice
        self.accepting = True
        """False while shutting down: no new paid work."""

    @staticmethod
    def now_ms() -> int:
        return int(time.time() * 1000)
