"""A town for table tests: servers that stay up for a whole module; each request has a workspace of its own."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import copy
from itertools import count
from typing import Any

from tests.first_start import TOKENIZER
from tests.gateway.clients import Leave, Seen, broken_promises, generations, post, posted, send, until
from tests.gateway.oracle import nano
from tests.support import Offer, World, ask, offer, world
from tollway.billing.tokens import MESSAGE_TOKENS
from tollway.domain.catalog import WireFormat
from tollway.domain.generation import Generation
from tollway.gateway.base import Gateway
from tollway.routing.health import HealthBoard
from tollway.simulator.stats import Record

ASKED = "Say hello."
DEAR = ("0.000003", "0.000009")
FINE = ("0.0000000001", "0.00000000025")
ODD = ("0.000000123456789", "0.000000987654321")

OFFERS: tuple[Offer, ...] = (
    offer("test/model", "m", at=("a", "b", "c")),
    offer("test/one", "one", at=("a",)),
    offer("test/dear", "dear", at=("b",), prompt=DEAR[0], completion=DEAR[1]),
    offer("test/fine", "fine", at=("a",), prompt=FINE[0], completion=FINE[1]),
    offer("test/odd", "odd", at=("a",), prompt=ODD[0], completion=ODD[1]),
    offer("test/cent", "cent", at=("a",), prompt=None, completion=None, price_request="0.01"),
)


class Outcome:
    """What one request led to: what its caller saw, its record, what it cost, what the providers noted."""

    def __init__(self, seen: Seen, record: Generation | None, charged: int, absorbed: int, alarms: int) -> None:
        self.seen = seen
        self.charged = charged
        self.absorbed = absorbed
        self.alarms = alarms
        self.upstream: list[Record] = []
        self._record = record

    @property
    def record(self) -> Generation:
        assert self._record is not None, "the request left no generation"
        return self._record


class Town:
    """One server for each way in which providers are configured, started when it is first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._worlds: dict[str, World] = {}
        self._numbers = count(1)
        self._provider: dict[str, Any] = {}

    def speaking(self, speaks: WireFormat) -> "Town":
        """The same town, whose providers all speak this format."""
        other = copy(self)
        other._provider = {"speaks": speaks}
        return other

    def world(self, provider: Mapping[str, Any]) -> World:
        provider = {**self._provider, **provider}
        name = repr(sorted(provider.items()))
        if name not in self._worlds:
            self._worlds[name] = self._stack.enter_context(world(*OFFERS, provider=provider))
        return self._worlds[name]

    def after(
        self,
        told: str | Mapping[str, str] = "",
        *,
        model: str = "test/one",
        leave: Leave | None = None,
        config: Mapping[str, Any] | None = None,
        credits_usd: str = "100",
        prepare: Callable[[Gateway], None] | None = None,
        **fields: Any,
    ) -> Outcome:
        """One request, with providers told to behave so: a text is for "a". The ledger must be in order afterwards.

        `prepare` is called before it, in the server's loop.
        """
        there = self.world(config or {})
        body = ask(model, ASKED, **fields)
        told = {"a": told} if isinstance(told, str) else told
        return there.run(self._play(there, told, body, leave, credits_usd, prepare))

    async def _play(
        self,
        there: World,
        told: Mapping[str, str],
        body: dict[str, Any],
        leave: Leave | None,
        credits_usd: str,
        prepare: Callable[[Gateway], None] | None,
    ) -> Outcome:
        stage, stats = there.stage, there.simulator.stats
        gateway = stage.house.gateway
        gateway.health, gateway.hedges = HealthBoard(), None
        gateway.refusals, gateway.alarms = {}, {}
        market = gateway.market
        if prepare is not None:
            prepare(gateway)
        workspace = f"w{next(self._numbers)}"
        key = await stage.new_key(workspace, credits_usd=credits_usd)
        for provider in ("a", "b", "c"):
            there.simulator.script(provider, [told[provider]] if provider in told else [])
        committed = stage.house.committer.committed
        before, alarms, absorbed = len(stats.log), gateway.metrics.alarms, await _absorbed(there)
        seen = await send(stage.house.port, post(key, body), leave)
        if leave is not None:  # whoever saw the end knows that it is recorded; this one did not see it
            await until(lambda: stage.house.committer.committed > committed)
        await until(lambda: all(each.outcome != "open" for each in list(stats.log)[before:]))
        assert gateway.books.held == 0
        await stage.house.committer.drain()
        gateway.market = market  # prices that `prepare` changed were for this one request

        mine = [each for each in await generations(stage) if each.workspace_id == workspace]
        assert len(mine) <= 1
        left = await posted(stage, workspace)
        charged = nano(credits_usd) - left
        if mine:
            assert mine[0].cost == charged
            assert mine[0].absorbed == await _absorbed(there) - absorbed
            assert gateway.books._leases[workspace].available == left
        assert await broken_promises(stage.house.database) == []
        outcome = Outcome(
            seen,
            mine[0] if mine else None,
            charged,
            await _absorbed(there) - absorbed,
            gateway.metrics.alarms - alarms,
        )
        outcome.upstream = list(stats.log)[before:]
        return outcome

    def counted(self, text: str) -> tuple[int, int]:
        """The tokens of the prompt, and of a text, by the tokenizer that ships with us."""
        return TOKENIZER().count(ASKED) + MESSAGE_TOKENS, TOKENIZER().count(text)


async def _absorbed(there: World) -> int:
    rows = await there.house.database.read("SELECT COALESCE(SUM(amount), 0) FROM transfers WHERE kind = 'absorb'")
    return int(rows[0][0])
