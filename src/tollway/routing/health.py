"""How endpoints have been doing: breakers, cool-downs after 429s, outliers among peers. Time and dice are passed in."""

from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import Struct

from tollway.domain.health import CANCELLED, RATE_LIMITED, SUCCEEDED, Outcome
from tollway.domain.measured import NOTHING, Figures, HalfHour, Measured
from tollway.routing.breaker import BURST_S, Breaker
from tollway.routing.concurrency import Load
from tollway.routing.hours import HourBook
from tollway.routing.keyring import OF_A_KEY, Keyring, label
from tollway.routing.market import Offer
from tollway.routing.outliers import Tally, outliers
from tollway.routing.stats import FRESH_S, PLAIN, EndpointStats, Sample
from tollway.routing.weigh import Weighed, weigh

WEIGHED_MAX = 4096
"""Offers that are kept weighed before those of old markets are let go."""


class EndpointHealth:
    """One endpoint's present state."""

    __slots__ = ("breaker", "failed", "keyring", "load", "stats", "succeeded", "well_since_s")

    def __init__(self) -> None:
        self.stats = EndpointStats()
        self.load = Load()
        self.keyring: Keyring | None = None
        """The same as `load`, where the endpoint has several keys."""
        self.breaker = Breaker()
        self.well_since_s = 0.0
        """When its last outage ended, or began: those failures are not held against it when it is back."""
        self.succeeded = 0
        self.failed = 0

    def ring_with(self, key: int) -> Keyring | None:
        """The keys, if this is one of them: there may be fewer than when the attempt began."""
        ring = self.keyring
        return ring if ring is not None and key <= len(ring.keys) else None


class HealthBoard:
    """What routing knows of each endpoint's health.

    Figures outlive a restart, by `figures` and `restore`. Pauses do not: everyone is presumed well then.
    `dice`: for the length of pauses.
    """

    def __init__(self, dice: Callable[[], float] = lambda: 0.5) -> None:
        self._dice = dice
        self._endpoints: dict[str, EndpointHealth] = {}
        self.changed: set[str] = set()
        """Ids of endpoints of which something was counted; who saves the figures empties it."""
        self.hours = HourBook()
        self.suspects: set[str] = set()
        """Ids of endpoints that were paused or limited once, or have several keys; no other one can be down."""
        self._down: set[str] = set()
        self._keys_down: set[tuple[str, int]] = set()
        self._weighed: dict[int, tuple[float, Offer, Weighed]] = {}
        """By the offer itself: groups and own keys have offers of their own for the same model."""

    def choose_key(self, endpoint_id: str, count: int, now_s: float, tried: Collection[int] = ()) -> int:
        """Which of an endpoint's keys is taken, by its number. `tried`: keys that failed this request already."""
        return self._keyring(endpoint_id, count).choose(now_s, self._dice, tried)

    def has_other_key(self, endpoint_id: str, now_s: float, tried: Collection[int]) -> bool:
        """Whether a request that these keys have failed may be tried there with another one."""
        health = self._endpoints.get(endpoint_id)
        return health is not None and health.keyring is not None and health.keyring.has_other(now_s, tried)

    def keys(self, endpoint_id: str, count: int, now_s: float) -> Sequence[tuple[str, str | None]]:
        """Each key's label, and why it is avoided just now."""
        health = self._endpoints.get(endpoint_id)
        if health is None or health.keyring is None:
            return [(label(number), None) for number in range(1, count + 1)]
        return health.keyring.told(now_s)

    def begin(self, endpoint_id: str, now_s: float, key: int = 0) -> None:
        """An attempt begins, with this key of several; `observe` or `abandon` ends it."""
        health = self._endpoints.get(endpoint_id)
        if health is None:
            health = self._endpoints[endpoint_id] = EndpointHealth()
        health.load.under_way += 1
        if endpoint_id in self._down:
            health.breaker.sent(now_s)
        if key and (ring := health.ring_with(key)) is not None:
            ring.begin(key, now_s)

    def abandon(self, endpoint_id: str, key: int = 0) -> None:
        """An attempt has ended, and taught nothing."""
        health = self._endpoints[endpoint_id]
        health.load.under_way -= 1
        health.breaker.probe_until_s = 0.0
        if key and (ring := health.ring_with(key)) is not None:
            ring.abandon(key)

    def heard(self, endpoint_id: str, began_s: float, now_s: float, key: int = 0) -> None:
        """An answer has begun, of an attempt that began then. Of one that was paused it is the good news."""
        if (endpoint_id, key) in self._keys_down and (ring := self._endpoints[endpoint_id].ring_with(key)) is not None:
            ring.heard(key, began_s)
            self._settle_key(endpoint_id, key, ring)
        if endpoint_id in self._down and not self._endpoints[endpoint_id].breaker.is_stale(began_s):
            self._open(endpoint_id, now_s)
            self._endpoints[endpoint_id].breaker.heard()

    @property
    def has_down(self) -> bool:
        """Whether any endpoint or key is paused: only then `heard` is worth a call."""
        return bool(self._down or self._keys_down)

    def observe(
        self,
        endpoint_id: str,
        outcome: Outcome,
        now_s: float,
        retry_after_s: float | None = None,
        sample: Sample = PLAIN,
        began_s: float | None = None,
        key: int = 0,
    ) -> None:
        """Records what became of an attempt (monotonic seconds), with this key of several.

        A success that `began_s` before the endpoint was closed says nothing of how it is now.
        """
        health = self._endpoints.get(endpoint_id)
        if health is None:
            health = self._endpoints[endpoint_id] = EndpointHealth()
        if key and (ring := health.ring_with(key)) is not None:
            ring.observe(key, outcome, now_s, began_s, (retry_after_s, sample.first_s, self._dice()))
            self._settle_key(endpoint_id, key, ring)
            if outcome in OF_A_KEY:
                self._observe_refusal(endpoint_id, health, outcome, now_s, sample)
                return
        breaker = health.breaker
        stale = breaker.until_s > 0 and breaker.is_stale(began_s)
        health.stats.add(outcome, now_s, sample, probe=not stale and breaker.openings > 0)
        self.changed.add(endpoint_id)
        health.load.end(outcome, now_s, sample.first_s)
        if not stale:
            breaker.probe_until_s = 0.0
        if outcome is SUCCEEDED:
            health.succeeded += 1
            if not stale and (endpoint_id in self._down or breaker.failures_in_row or breaker.openings):
                self._open(endpoint_id, now_s)
                breaker.succeeded()
        elif outcome is RATE_LIMITED:
            breaker.rate_limited(retry_after_s, now_s, self._dice())
            self._close(endpoint_id)
        elif outcome.endpoint_at_fault:
            health.failed += 1
            if not stale:
                burst = health.stats.burst(BURST_S, health.well_since_s, now_s)
                if breaker.failed(outcome, now_s, burst, self._dice()):
                    self._close(endpoint_id)
                    health.well_since_s = now_s

    def outrun(self, endpoint_id: str, waited_s: float, now_s: float) -> None:
        """It had not begun after so long, and another one had: it counts as if it had begun then.

        Otherwise the answers that are given up would be missing from its times, and those seem ever shorter.
        """
        if (health := self._endpoints.get(endpoint_id)) is not None:
            health.stats.add(CANCELLED, now_s, Sample(waited_s))

    def paid(self, endpoint_id: str, tokens: int, nanodollars: int, now_s: float) -> None:
        """What an answer did cost: prompt and answer are `tokens`."""
        if (health := self._endpoints.get(endpoint_id)) is not None:
            health.stats.paid(tokens, nanodollars, now_s)
            self.changed.add(endpoint_id)

    def down(self, endpoint_id: str, now_s: float) -> str | None:
        """Why the endpoint is to be avoided just now, or None. When its pause is over, one caller is let through."""
        if endpoint_id not in self._down:
            known = self._endpoints.get(endpoint_id)
            return None if known is None else known.load.why_down(now_s)
        breaker = self._endpoints[endpoint_id].breaker
        return None if breaker.lets_through(now_s) else breaker.why

    def badness(self, endpoint_id: str, now_s: float) -> float:
        """How bad its trouble is: full, rate limited, failing for long, switched off."""
        health = self._endpoints.get(endpoint_id)
        if health is None:
            return 0.0
        return health.breaker.rank or health.load.rank(now_s)

    def switch_off(self, endpoint_ids: Iterable[str], why: str, now_s: float, key: int = 0, count: int = 0) -> None:
        """Nobody is sent to these for a while: something is wrong that only the operator can mend.

        `key` of `count`: only with this one.
        """
        for id_ in endpoint_ids:
            if key:
                ring = self._keyring(id_, count)
                ring.keys[key - 1].breaker.switch_off(why, now_s, self._dice())
                self._settle_key(id_, key, ring)
                continue
            self._endpoints.setdefault(id_, EndpointHealth()).breaker.switch_off(why, now_s, self._dice())
            self._close(id_)

    def switch_on(self, endpoint_ids: Iterable[str], now_s: float, key: int = 0) -> None:
        """It was mended."""
        for id_ in endpoint_ids:
            if (id_, key) in self._keys_down and (ring := self._endpoints[id_].ring_with(key)) is not None:
                ring.keys[key - 1].breaker.succeeded()
                self._settle_key(id_, key, ring)
                continue
            if id_ in self._down:
                self._open(id_, now_s)
                self._endpoints[id_].breaker.succeeded()

    def forget(self, endpoint_ids: Iterable[str]) -> None:
        """Their pauses are over and their keys are presumed well: they are not what they were. Figures stay."""
        for id_ in endpoint_ids:
            self._down.discard(id_)
            self._keys_down = {each for each in self._keys_down if each[0] != id_}
            if (health := self._endpoints.get(id_)) is not None:
                health.breaker = Breaker()
                if health.keyring is not None:
                    health.load = health.keyring = Keyring(len(health.keyring.keys), health.load.under_way)

    def is_shaky(self, endpoint_id: str) -> bool:
        """Whether the last that was heard of it is a failure of its own."""
        health = self._endpoints.get(endpoint_id)
        return health is not None and health.breaker.failures_in_row > 0

    def load(self, endpoint_id: str, now_s: float) -> float:
        """What the next request would wait for there, in seconds: its recent time to a token, by all under way."""
        health = self._endpoints.get(endpoint_id)
        return 0.0 if health is None else health.load.weight(now_s)

    def looks_down(self, endpoint_id: str, now_s: float) -> str | None:
        """As `down`, without letting anybody through: for plans that are not carried out."""
        health = self._endpoints.get(endpoint_id)
        if health is None:
            return None
        if endpoint_id not in self._down:
            return health.load.why_full(now_s)
        return health.breaker.why if now_s < health.breaker.until_s else None

    def measured(self, endpoint_id: str, now_s: float) -> Measured:
        """Its figures, at most a second old."""
        health = self._endpoints.get(endpoint_id)
        return NOTHING if health is None else health.stats.measured(now_s)

    def half_hour(self, endpoint_id: str, now_s: float) -> HalfHour:
        """Its speeds of 30 minutes: for pages and answers about it."""
        health = self._endpoints.get(endpoint_id)
        return HalfHour() if health is None else health.stats.half_hour(now_s)

    def day(self, endpoint_id: str, now_s: float) -> list[float | None]:
        """Its uptime in each quarter of an hour of the last day, the oldest first; empty: nobody has asked it yet."""
        health = self._endpoints.get(endpoint_id)
        return [] if health is None else health.stats.day(now_s)

    def weighed(self, offer: Offer, now_s: float) -> Weighed:
        """What balancing makes of a model's endpoints, at most a second old."""
        known = self._weighed.get(id(offer))  # what is kept holds its offer, so that no other can have this id
        if known is not None and now_s - known[0] < FRESH_S:
            return known[2]
        figures = [self.measured(stall.endpoint.id, now_s) for stall in offer.stalls]
        found = weigh(offer, figures, self.outliers(offer, now_s))
        if len(self._weighed) >= WEIGHED_MAX:
            self._weighed = {key: kept for key, kept in self._weighed.items() if now_s - kept[0] < FRESH_S}
        self._weighed[id(offer)] = (now_s, offer, found)
        return found

    def outliers(self, offer: Offer, now_s: float) -> frozenset[str]:
        """The model's endpoints that fail far more often than their peers, by id."""
        tallies = {}
        for stall in offer.stalls:
            if (health := self._endpoints.get(stall.endpoint.id)) is not None:
                tallies[stall.endpoint.id] = Tally(*health.stats.lately(health.well_since_s, now_s))
        return outliers(tallies)

    def figures(self, endpoint_id: str, now_s: float, now_ms: int) -> Figures:
        """What was counted of an endpoint that is known here, to be kept. `now_ms`: the wall time of `now_s`."""
        return self._endpoints[endpoint_id].stats.figures(now_s, now_ms)

    def restore(self, endpoint_id: str, figures: Figures, now_s: float, now_ms: int) -> None:
        """Adds what an earlier process had counted."""
        health = self._endpoints.setdefault(endpoint_id, EndpointHealth())
        health.stats.restore(figures, now_s, now_ms)

    def status(self, endpoint_id: str, now_s: float) -> tuple[str, int, int]:
        """("up" | "down" | "untried", succeeded, failed) since the start."""
        health = self._endpoints.get(endpoint_id)
        if health is None:
            return "untried", 0, 0
        down = now_s < health.breaker.until_s or (health.keyring is not None and health.keyring.is_full(now_s))
        if not (down or health.succeeded or health.failed or health.breaker.until_s):
            return "untried", 0, 0
        return ("down" if down else "up"), health.succeeded, health.failed

    def _keyring(self, endpoint_id: str, count: int) -> Keyring:
        """The endpoint's keys, presumed well when first asked for, and where there are more or fewer than before."""
        health = self._endpoints.setdefault(endpoint_id, EndpointHealth())
        if health.keyring is None or len(health.keyring.keys) != count:
            health.load = health.keyring = Keyring(count, health.load.under_way)
            self.suspects.add(endpoint_id)
        return health.keyring

    def _settle_key(self, endpoint_id: str, key: int, ring: Keyring) -> None:
        if ring.keys[key - 1].breaker.until_s:
            self._keys_down.add((endpoint_id, key))
        else:
            self._keys_down.discard((endpoint_id, key))

    def _observe_refusal(
        self, endpoint_id: str, health: EndpointHealth, outcome: Outcome, now_s: float, sample: Sample
    ) -> None:
        """A key's own failure. It is held against the endpoint's figures only where no other key could be used."""
        health.load.end(outcome, now_s)
        health.breaker.probe_until_s = 0.0
        if health.keyring is not None and health.keyring.is_full(now_s):
            health.stats.add(outcome, now_s, sample)
            self.changed.add(endpoint_id)
            health.failed += outcome.endpoint_at_fault

    def _close(self, endpoint_id: str) -> None:
        """Its pause begins, or goes on."""
        self._down.add(endpoint_id)
        self.suspects.add(endpoint_id)

    def _open(self, endpoint_id: str, now_s: float) -> None:
        """Its pause is over; after an outage it is compared with its peers anew."""
        if endpoint_id in self._down:
            self._down.discard(endpoint_id)
            health = self._endpoints[endpoint_id]
            if health.breaker.openings:
                health.well_since_s = now_s


class Sight(Struct, frozen=True):
    """The board at one moment: what one plan sees of it."""

    board: HealthBoard
    now_s: float

    def why_down(self, endpoint_id: str) -> str | None:
        """As `HealthBoard.down`."""
        board = self.board
        return board.down(endpoint_id, self.now_s) if endpoint_id in board.suspects else None

    def measured(self, endpoint_id: str) -> Measured:
        """As `HealthBoard.measured`."""
        return self.board.measured(endpoint_id, self.now_s)

    def load(self, endpoint_id: str) -> float:
        """As `HealthBoard.load`."""
        return self.board.load(endpoint_id, self.now_s)

    def weighed(self, offer: Offer) -> Weighed:
        """As `HealthBoard.weighed`."""
        return self.board.weighed(offer, self.now_s)

    def badness(self, endpoint_id: str) -> float:
        """As `HealthBoard.badness`."""
        return self.board.badness(endpoint_id, self.now_s)


class Glance(Sight, frozen=True):
    """A sight that changes nothing: no probe is let through."""

    def why_down(self, endpoint_id: str) -> str | None:
        """As `HealthBoard.looks_down`."""
        return self.board.looks_down(endpoint_id, self.now_s)
