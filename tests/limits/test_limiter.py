"""Which limits a request meets, what it takes of them, and what it gives back."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import structs

from tollway.domain.money import NANO
from tollway.limits import Asked, Limiter, Limits, Short, Taken, credit_rate
from tollway.limits.rules import wants

S, MS = 10**9, 10**3
DAY_MS = 86_400_000
OFF = Limits(free_rpm=0, free_rpd=0, free_rpd_paid=0)
PLAIN = Asked(
    key_id="key",
    workspace_id="home",
    free=False,
    daily=0,
    credits=100 * NANO,
    tokens=100,
    address="198.51.100.7",
)
FREE = structs.replace(PLAIN, free=True, daily=50)


def limiter(**set_: Any) -> Limiter:
    return Limiter(structs.replace(OFF, **set_))


def ask(limiter: Limiter, asked: Asked = PLAIN, now_s: float = 0.0, **fields: Any) -> Taken | Short:
    return limiter.take(structs.replace(asked, **fields), int(now_s * S), int(now_s * MS))


def goes(limiter: Limiter, asked: Asked = PLAIN, now_s: float = 0.0, **fields: Any) -> int:
    """How many of these go through at one moment, at most 2,000."""
    for number in range(2000):
        if isinstance(ask(limiter, asked, now_s, **fields), Short):
            return number
    return 2000


LIMITS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    # what is set, another request that it does not count, and the limit's words
    ("key_rpm", {"key_rpm": 3}, {"key_id": "other"}, "requests per minute for this key"),
    ("workspace_rpm", {"workspace_rpm": 3}, {"workspace_id": "b"}, "requests per minute for this workspace"),
    ("address_rpm", {"address_rpm": 3}, {"address": "198.51.100.8"}, "requests per minute from this address"),
    ("unknown address", {"address_rpm": 3}, {"address": None}, "requests per minute from this address"),
    ("key_tpm", {"key_tpm": 300}, {"key_id": "other"}, "tokens per minute for this key"),
    ("workspace_tpm", {"workspace_tpm": 300}, {"workspace_id": "b"}, "tokens per minute for this workspace"),
    ("key_at_once", {"key_at_once": 3}, {"key_id": "other"}, "requests at once for this key"),
    ("workspace_at_once", {"workspace_at_once": 3}, {"workspace_id": "b"}, "requests at once for this workspace"),
    ("credits", {"credit_rps": 0.03}, {"workspace_id": "b"}, "requests per second by the credits that are left"),
]


@pytest.mark.parametrize(("set_", "other", "said"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS])
def test_each_limit(set_: dict[str, Any], other: dict[str, Any], said: str) -> None:
    """Three go through and the fourth does not; a request of somebody else does. Without the limit, all do."""
    here = limiter(**set_)
    assert goes(here) == 3
    found = ask(here)
    assert isinstance(found, Short)
    assert found.said == said
    assert isinstance(ask(here, **other), Taken)
    assert goes(limiter()) == 2000


@pytest.mark.parametrize("set_", [row[1] for row in LIMITS], ids=[row[0] for row in LIMITS])
def test_undone_is_as_never_asked(set_: dict[str, Any]) -> None:
    """However often a request is refused later on, three still go through."""
    here = limiter(**set_)
    for _ in range(10):
        taken = ask(here)
        assert isinstance(taken, Taken)
        taken.undo(0)
    assert goes(here) == 3
    assert len(here.buckets) <= 1


def test_a_workspace_has_a_limit_of_its_own() -> None:
    """In place of the configured one, tighter or wider, and where none is configured."""
    for set_ in ({}, {"workspace_rpm": 2}, {"workspace_rpm": 9}):
        here = limiter(**set_)
        assert goes(here, workspace_rpm=5) == 5
        found = ask(here, workspace_rpm=5)
        assert isinstance(found, Short)
        assert (found.said, found.limit) == ("requests per minute for this workspace", 5)
        assert isinstance(ask(here, workspace_id="b"), Taken)


def test_all_or_nothing_over_every_kind() -> None:
    """The narrowest refuses, and the others, of every kind, are as they were."""
    here = limiter(key_rpm=100, workspace_tpm=10_000, key_at_once=50, free_rpm=70)
    assert goes(here, FREE, rpm_cap=4) == 4
    assert here.free_days.used("home", 0) == 4
    assert goes(here, free=False, rpm_cap=1) == 1
    used = 5
    short = here.buckets.short
    by_name = {want.said: want for want in wants(here.limits, FREE)}
    for name, left in (("requests per minute for this key", 100 - used), ("free-models-per-min", 70 - 4)):
        assert short([structs.replace(by_name[name], cost=left)], 0) is None
        assert short([structs.replace(by_name[name], cost=left + 1)], 0) is not None


def test_free_models_a_minute_and_a_day() -> None:
    """20 a minute, 50 a UTC day whatever the pace; at midnight there are 50 again."""
    here = Limiter(Limits())
    went = 0
    for minute in range(0, 24 * 60, 2):
        went += goes(here, FREE, now_s=minute * 60.0)
        if minute == 0:
            assert went == 20
    assert went == 50
    found = ask(here, FREE, now_s=86_399.0)
    assert found == Short("free-models-per-day", 50, 0, S, S)
    assert goes(here, FREE, now_s=86_400.0) == 20
    assert goes(Limiter(Limits()), daily=0) == 2000, "others are not counted"


def test_a_free_request_of_yesterday_gives_nothing_back() -> None:
    """A request that is refused after midnight leaves the new day's count alone."""
    here = Limiter(Limits(free_rpm=0))
    late = ask(here, FREE, now_s=86_399.0)
    assert isinstance(late, Taken)
    assert isinstance(ask(here, FREE, now_s=86_401.0), Taken)
    late.undo(86_401 * S)
    assert here.free_days.used("home", 1) == 1


@pytest.mark.parametrize(
    ("credits_usd", "a_second"), [("-1", 1), ("0", 1), ("0.5", 1), ("5", 5), ("9.01", 10), ("500", 500), ("1000", 500)]
)
def test_a_request_per_credit_and_second(credits_usd: str, a_second: int) -> None:
    """OpenRouter's own examples (seed 003, "Rate limits and credits remaining"), and a credit that is begun."""
    credits_ = int(float(credits_usd) * NANO)
    found = credit_rate(structs.replace(OFF, credit_rps=1.0), credits_)
    assert found is not None
    assert found.count == a_second
    assert goes(limiter(credit_rps=1.0), credits=credits_) == a_second
    assert credit_rate(OFF, credits_) is None


def test_tokens_are_made_good() -> None:
    """300 a minute: two requests that thought of 100 each and used 10 and 150 leave 140, and a debt is waited for."""
    here = limiter(key_tpm=300)
    for used, left in ((10, 290), (150, 140), (440, -300)):
        taken = ask(here)
        assert isinstance(taken, Taken)
        taken.end(used, 0)
        [want] = taken._wants
        found = here.buckets.short([structs.replace(want, cost=300)], 0)
        assert found is not None
        assert found.wait_ns == (300 - left) * 60 * S // 300
    assert isinstance(ask(here, now_s=79.0), Short)
    assert isinstance(ask(here, now_s=80.0), Taken)


def test_a_request_above_the_whole_limit_waits_for_all_of_it() -> None:
    """It can't wait for ever: with the limit untouched it goes, and its tokens are owed."""
    here = limiter(key_tpm=300)
    taken = ask(here, tokens=10_000)
    assert isinstance(taken, Taken)
    assert isinstance(ask(here, tokens=1), Short)
    taken.end(900, 0)
    found = ask(here, tokens=1)
    assert isinstance(found, Short)
    assert found.wait_ns == (900 - 300 + 1) * S // 5


def test_models_that_are_asked() -> None:
    """A limit for each workspace; what is asked counts, also where nothing was left; undone it does not."""
    here = limiter(model_rpm=2, models_rpm={"b": 1, "free of it": 0})
    models = ("a", "b", "free of it")

    def full(now_s: float = 0.0, **fields: Any) -> dict[str, int]:
        taken = ask(here, now_s=now_s, **fields)
        assert isinstance(taken, Taken)
        return {model: short.limit for model, short in taken.full(models, int(now_s * S)).items()}

    one, other = ask(here), ask(here)
    assert isinstance(one, Taken)
    assert isinstance(other, Taken)
    for model in models:
        one.ask(model, 0)
    assert full() == {"b": 1}
    assert full(workspace_id="away") == {}
    other.ask("a", 0)
    assert full() == {"a": 2, "b": 1}
    other.undo(0)
    assert full() == {"b": 1}
    one.ask("b", 0)
    one.end(0, 0)
    assert full(119.0) == {"b": 1}, "what was not there is owed"
    assert full(120.0) == {}


def test_a_free_request_that_asked_nobody_free_is_given_back() -> None:
    """Of the minute and of the day; everything else counts."""
    here = limiter(free_rpm=2, key_rpm=3)
    for number in range(3):
        taken = ask(here, FREE)
        assert isinstance(taken, Taken)
        taken.end(0, 0, free=False)
        assert here.free_days.used("home", 0) == 0, number
    found = ask(here, FREE)
    assert isinstance(found, Short)
    assert found.said == "requests per minute for this key"


@given(st.integers(1, 9), st.integers(0, 20), st.integers(0, 8), st.floats(0, 90))
def test_what_is_said_to_be_left_is_left(key_rpm: int, free_rpm: int, free_rpd: int, later_s: float) -> None:
    """Exactly as many more go through at once as the last that did was told; after the reset the whole limit."""
    here = limiter(key_rpm=key_rpm, free_rpm=free_rpm, key_tpm=10**6)
    for now_s in (0.0, later_s):
        taken = ask(here, FREE, now_s, daily=free_rpd)
        if isinstance(taken, Taken):
            left = taken.left(int(now_s * S), int(now_s * MS))
            assert left is not None
            assert goes(here, FREE, now_s, daily=free_rpd) == left.remaining
            assert left.limit in (key_rpm, free_rpm, free_rpd)


class Callers(RuleBasedStateMachine):
    """Requests of three keys that begin, end and break off while time goes on, beside a reference kept by hand.

    The reference of a rate is a fraction that fills evenly; of tokens, too; requests at once are counted.
    """

    KEY_RPM, TPM, AT_ONCE, WORKSPACE_AT_ONCE = 30, 600, 3, 5

    def __init__(self) -> None:
        super().__init__()
        self.here = limiter(
            key_rpm=self.KEY_RPM,
            key_tpm=self.TPM,
            key_at_once=self.AT_ONCE,
            workspace_at_once=self.WORKSPACE_AT_ONCE,
        )
        self.now_ns = 0
        self.inside: list[tuple[str, int, Taken]] = []
        self.requests = dict.fromkeys("abc", Fraction(self.KEY_RPM))
        self.tokens = dict.fromkeys("abc", Fraction(self.TPM))

    @rule(elapsed_ms=st.integers(0, 61_000) | st.integers(0, 100))
    def time_goes_on(self, elapsed_ms: int) -> None:
        self.now_ns += elapsed_ms * 10**6
        for levels, most in ((self.requests, self.KEY_RPM), (self.tokens, self.TPM)):
            for key in levels:
                levels[key] = min(Fraction(most), levels[key] + Fraction(most * elapsed_ms, 60_000))

    @rule(key=st.sampled_from("abc"), tokens=st.integers(0, 800))
    def begins(self, key: str, tokens: int) -> None:
        cost = min(tokens, self.TPM)
        room = (
            sum(each == key for each, _, _ in self.inside) < self.AT_ONCE
            and len(self.inside) < self.WORKSPACE_AT_ONCE
            and self.requests[key] >= 1
            and self.tokens[key] >= cost
        )
        found = self.here.take(structs.replace(PLAIN, key_id=key, tokens=tokens), self.now_ns, self.now_ns // 10**6)
        assert isinstance(found, Taken) is room
        if isinstance(found, Taken):
            self.inside.append((key, cost, found))
            self.requests[key] -= 1
            self.tokens[key] -= cost

    @precondition(lambda self: self.inside)
    @rule(number=st.integers(0, 9), used=st.integers(0, 1500))
    def ends(self, number: int, used: int) -> None:
        key, cost, taken = self.inside.pop(number % len(self.inside))
        taken.end(used, self.now_ns)
        self.tokens[key] = min(Fraction(self.TPM), self.tokens[key] + cost - used)

    @precondition(lambda self: self.inside)
    @rule(number=st.integers(0, 9))
    def is_refused_later(self, number: int) -> None:
        key, cost, taken = self.inside.pop(number % len(self.inside))
        taken.undo(self.now_ns)
        self.tokens[key] = min(Fraction(self.TPM), self.tokens[key] + cost)
        self.requests[key] = min(Fraction(self.KEY_RPM), self.requests[key] + 1)

    @invariant()
    def under_way_is_who_is_inside(self) -> None:
        keys = [key for key, _, _ in self.inside]
        expected = {("key", key): keys.count(key) for key in set(keys)}
        if keys:
            expected["workspace", "home"] = len(keys)
        assert self.here._at_once == expected


Callers.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCallers = Callers.TestCase


@given(st.lists(st.sampled_from(["in", "end", "undo"]), max_size=60))
def test_requests_at_once(moves: list[str]) -> None:
    """Never more than four under way, always four if they ask; who leaves makes room, whichever way."""
    here, inside = limiter(key_at_once=4, workspace_at_once=9), list[Taken]()
    for move in moves:
        if move == "in":
            found = ask(here)
            assert isinstance(found, Short) is (len(inside) == 4)
            if isinstance(found, Taken):
                inside.append(found)
            else:
                assert found == Short("requests at once for this key", 4, 0, None, None)
        elif inside:
            leaving = inside.pop(0)
            leaving.end(0, 0) if move == "end" else leaving.undo(0)
    for each in inside:
        each.end(0, 0)
    assert here._at_once == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.8", False),
        ("::1", "::2", True),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_addresses(one: str, other: str, same: bool) -> None:
    """A /64 of IPv6 is one caller; what is no address counts as itself."""
    here = limiter(address_rpm=1)
    assert goes(here, address=one) == 1
    assert goes(here, address=other) == (0 if same else 1)


def test_rpm_cap_is_the_calls_own() -> None:
    """Only calls that carry it are counted by it: each key and each cap for itself."""
    here = limiter()
    assert goes(here, rpm_cap=2) == 2
    assert goes(here) == 2000
    assert goes(here, rpm_cap=3) == 3
    assert goes(here, rpm_cap=2, key_id="other") == 2
    assert goes(here, rpm_cap=2, now_s=30.0) == 1


def test_guests() -> None:
    """Two a minute for each address, a day's worth for all of them together; none of it concerns who has a key."""
    here = limiter(guest_rpm=2, guest_rpd=5, free_rpm=1, credit_rps=1.0)
    guest = structs.replace(PLAIN, key_id="guest", workspace_id="guest", guest=True, daily=5, credits=0)
    assert goes(here, guest) == 2
    found = ask(here, guest)
    assert isinstance(found, Short)
    assert found.said == "requests per minute without a key"
    assert goes(here, guest, address="2001:db8::1") == 2
    assert goes(here, guest, address="2001:db8::2") == 0
    assert goes(here, guest, now_s=30.0, free=True) == 1
    found = ask(here, guest, now_s=60.0)
    assert isinstance(found, Short)
    assert (found.said, found.limit) == ("requests per day without a key, of all together", 5)
    assert isinstance(ask(here), Taken)
    assert goes(here, guest, now_s=86_400.0) == 2
    late = ask(here, guest, now_s=86_460.0)
    assert isinstance(late, Taken)
    assert here.free_days.used("guest", 1) == 3
    late.undo(86_460 * S)
    assert here.free_days.used("guest", 1) == 2
    late = ask(here, guest, now_s=86_460.0, free=True)
    assert isinstance(late, Taken)
    late.end(0, 86_460 * S, free=False)
    assert here.free_days.used("guest", 1) == 3, "a guest counts whoever is asked"
    assert goes(limiter(guest_rpm=0), guest, daily=0) == 2000


def test_guests_do_not_share_what_others_have_by_key() -> None:
    """Their one key is nobody's: its limits are each address's."""
    here = limiter(guest_rpm=0, key_rpm=2)
    guest = structs.replace(PLAIN, key_id="guest", workspace_id="guest", guest=True)
    assert [goes(here, guest, address=address) for address in ("192.0.2.1", "192.0.2.2")] == [2, 2]
    assert goes(limiter(), guest, rpm_cap=1) == goes(limiter(), guest, rpm_cap=1, address="192.0.2.2") == 1


def test_what_no_limit_concerns_is_known_beforehand() -> None:
    """The gateway's short cut holds exactly as long as only `:free` models have limits."""
    assert Limiter(Limits()).only_free
    for _, set_, _, _ in LIMITS:
        assert not limiter(**set_).only_free
        assert not limiter(**set_).by_model
    for by_model in ({"model_rpm": 1}, {"models_rpm": {"a": 1}}):
        assert not limiter(**by_model).only_free
        assert limiter(**by_model).by_model
    assert Limiter(Limits(models_rpm={"a": 0})).only_free
