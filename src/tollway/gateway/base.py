"""What the gateway needs to serve requests, built once by app.py."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from tollway.billing.tokens import Tokenizer
from tollway.domain.auto import AutoSettings
from tollway.domain.catalog import Model
from tollway.domain.chat import Preferences
from tollway.domain.health import Alarm
from tollway.domain.identity import Key
from tollway.domain.standing import Keeping, keeping_of
from tollway.domain.storefronts import Group
from tollway.gateway.access_tokens import AccessTokens
from tollway.gateway.books import Books
from tollway.gateway.commit import Committer
from tollway.gateway.contents import Contents
from tollway.gateway.drift import DriftWatch
from tollway.gateway.own_keys import OwnKeys
from tollway.gateway.presets import Presets
from tollway.gateway.run import Run
from tollway.limits import Limiter, Limits
from tollway.routing.auto import AutoRouter
from tollway.routing.budget import RetryBudgets
from tollway.routing.fallback import NextCandidate, Stop
from tollway.routing.health import HealthBoard
from tollway.routing.hedge import HedgeBudget
from tollway.routing.market import Market
from tollway.routing.order import Policy
from tollway.routing.sticky import Stickiness
from tollway.routing.tariffs import GroupMarkets
from tollway.telemetry.metrics import Metrics
from tollway.upstream.client import UpstreamClient
from tollway.upstream.fetch import Fetcher

AUTO_DEFAULTS = AutoSettings()


class Judge(Protocol):
    """Who looks at a prompt before a model that requires it is asked: `gateway/moderation.py`, set by app.py."""

    def is_required_by(self, model: Model) -> bool:
        """Whether requests for a model are judged before it is asked."""
        ...

    def has_judge(self, market: Market) -> bool:
        """Whether there is anybody to be asked for a judgement."""
        ...

    async def judged(self, gateway: "Gateway", run: Run, index: int) -> NextCandidate | Stop:
        """The first candidate from `index` on that may be asked; or the error that ends the request."""
        ...


class Gateway:
    """The gateway's parts. `market`, `credentials` and `keyrings` are snapshots: swapped, never changed."""

    moderation: Judge | None = None
    """None: no model requires any."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        market: Market,
        credentials: dict[str, str],
        client: UpstreamClient,
        fetcher: Fetcher,
        tokens: AccessTokens,
        committer: Committer,
        books: Books,
        presets: Presets,
        own: OwnKeys,
        tokenizer: Callable[[], Tokenizer],
        metrics: Metrics,
        attempts_max: int,
        limits: Limits,
        policy: Policy = "traffic",
        hedge_extra: float = 0.0,
        hedge_extra_max: float = 0.0,
        recount_share: float = 0.0,
        first_content_s: float = 60.0,
        default_model: str | None = None,
        auto: AutoSettings = AUTO_DEFAULTS,
        groups: tuple[Group, ...] = (),
        contents: Contents | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.loop = loop
        """Kept, because asking for the running loop is a system call on Python 3.11 (getpid)."""
        self.market = market
        self.credentials = credentials
        """Provider slug, or id of an endpoint that has its own -> the key. Never logged, never shown."""
        self.keyrings: Mapping[str, tuple[str, ...]] = {}
        """Provider slug -> all its keys, in their order, where it has two or more."""
        self.client = client
        self.fetcher = fetcher
        """For URLs that callers give."""
        self.tokens = tokens
        self.committer = committer
        self.books = books
        self.presets = presets
        self.own = own
        self.tokenizer = tokenizer
        """Loads at first use; app.py calls it once in a thread, at start."""
        self.metrics = metrics
        self.health = HealthBoard(dice)
        self.alarms: dict[str, Alarm] = {}
        """What is switched off until the operator mends it, by subject (`gateway.alarms`)."""
        self.refusals: dict[str, int] = {}
        """Refused credentials and models, in a row, of which each may become an alarm."""
        self.drift = DriftWatch(recount_share)
        """Providers' token counts beside ours."""
        self.sticky = Stickiness()
        self.auto = AutoRouter(auto)
        self.chosen = Stickiness()
        """Conversation, router and cost -> the model that was chosen."""
        self.retries = RetryBudgets()
        self.hedges = HedgeBudget(hedge_extra, hedge_extra_max) if hedge_extra or hedge_extra_max else None
        self.attempts_max = attempts_max
        self.first_content_s = first_content_s
        self.contents = contents
        """None: no prompt and no answer is kept."""
        self.groups = GroupMarkets(groups, contents.discount_ppm if contents else 0)
        self.policy = policy
        self.default_model = default_model
        self.limiter = Limiter(limits)
        self.dice = dice
        self.accepting = True
        """False while shutting down: no new paid work."""

    def market_of(self, workspace_id: str, key_id: str = "", *, shared: bool = False) -> Market:
        """The market with the prices of a key's or its workspace's group; `shared`: whose content is shared."""
        if not (shared or self.groups.groups):
            return self.market
        return self.groups.market(self.market, workspace_id, key_id, shared=shared)

    def keeping(self, key: Key, wishes: Preferences | None, *, sold_apart: bool = False) -> Keeping | None:
        """For whom a request of a key is kept. `sold_apart`: at a fixed price, which sharing does not lower."""
        if self.contents is None or key.standing is None or key.standing.logging is None:
            return None
        discounts = bool(self.contents.discount_ppm) and not sold_apart
        return keeping_of(key.standing, key.id, wishes, self.dice, discounts=discounts)

    @staticmethod
    def now_ms() -> int:
        return time.time_ns() // 1_000_000
