"""The health board: the breaker and its probe, cool-downs, and the way back into traffic; with time passed in."""

import pytest

from tests.routing.stage import MODEL, ask, endpoint, market, order_of
from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.routing import health
from tollway.routing.breaker import BACKOFF_MAX_S, FAILURES_TO_OPEN
from tollway.routing.health import HealthBoard, Sight
from tollway.routing.plan import make_plan

A = f"a:{MODEL}"
AT_FAULT = (
    Outcome.UNREACHABLE,
    Outcome.UNKNOWN,
    Outcome.TIMED_OUT,
    Outcome.PROVIDER_ERROR,
    Outcome.CREDENTIAL_REJECTED,
    Outcome.NOT_OFFERED,
)


def board(*outcomes: Outcome, now_s: float = 0.0, dice: float = 0.0) -> HealthBoard:
    """A board on which these things happened to the one endpoint, all at once; its pauses are the shortest."""
    found = HealthBoard(lambda: dice)
    for outcome in outcomes:
        found.observe(A, outcome, now_s)
    return found


@pytest.mark.parametrize("outcome", [each for each in AT_FAULT if each is not Outcome.NOT_OFFERED])
def test_the_breaker_opens_after_five_in_a_row(outcome: Outcome) -> None:
    """Four failures are bad luck, the fifth opens the breaker, and the board says why."""
    found = board(*[outcome] * 4)
    assert found.down(A, 0.0) is None
    found.observe(A, outcome, 0.0)
    assert found.down(A, 0.0) == f"5 failures in a row, the last: {outcome.value}"
    assert found.status(A, 0.0) == ("down", 0, FAILURES_TO_OPEN)


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in AT_FAULT and each != Outcome.RATE_LIMITED])
def test_what_is_not_its_fault_does_not_count(outcome: Outcome) -> None:
    """The caller's own mistakes and leaving, and successes, never open the breaker."""
    assert board(*[outcome] * 50).down(A, 0.0) is None


def test_a_success_starts_the_count_again() -> None:
    """Only failures in a row count."""
    found = board(*[Outcome.TIMED_OUT] * 4, *[Outcome.SUCCEEDED] * 9, *[Outcome.TIMED_OUT] * 4)
    assert found.down(A, 0.0) is None
    assert found.status(A, 0.0) == ("up", 9, 8)


def test_one_probe_is_let_through() -> None:
    """When the pause is over one request goes through, and the others wait for what becomes of it."""
    found = board(*[Outcome.UNREACHABLE] * 5)
    assert found.down(A, 0.99) is not None
    assert [found.down(A, 1.0) is None for _ in range(3)] == [True, False, False]
    # Nobody heard of the probe for a second: it went elsewhere, or its caller left; another one goes.
    assert [found.down(A, 2.0) is None for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_brings_it_back() -> None:
    """After one success everyone may go there, and the next trouble starts with the shortest pause again."""
    found = board(*[Outcome.UNREACHABLE] * 5)
    assert found.down(A, 1.0) is None
    found.observe(A, Outcome.SUCCEEDED, 1.1)
    assert [found.down(A, 1.1) for _ in range(3)] == [None] * 3
    assert found.status(A, 1.1)[0] == "up"
    for _ in range(5):
        found.observe(A, Outcome.UNREACHABLE, 2.0)
    assert found.down(A, 2.99) is not None
    assert found.down(A, 3.0) is None


def test_probes_that_fail_wait_longer_each_time() -> None:
    """The longest pause doubles to twenty seconds, and no more: it is back within 30 s of its recovery (UB4)."""
    found, now_s = board(*[Outcome.UNREACHABLE] * 5, dice=1.0), 0.0
    for pause_s in (2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0):
        assert found.down(A, now_s + pause_s - 0.001) is not None
        now_s += pause_s
        assert found.down(A, now_s) is None
        found.observe(A, Outcome.UNREACHABLE, now_s)


@pytest.mark.parametrize(("hint_s", "pause_s"), [(None, 5.0), (2.5, 2.5), (0.0, 0.0), (300.0, 300.0), (9e9, 300.0)])
def test_a_429_cools_down(hint_s: float | None, pause_s: float) -> None:
    """At once, for as long as the provider says and at most five minutes; it is no failure."""
    found = HealthBoard()
    found.observe(A, Outcome.RATE_LIMITED, 10.0, hint_s)
    if pause_s:
        assert found.down(A, 10.0 + pause_s - 0.001) == "rate limited by the provider"
    assert found.down(A, 10.0 + pause_s) is None
    assert found.status(A, 10.0 + pause_s + 60)[1:] == (0, 0)


def test_endpoints_do_not_share_their_health() -> None:
    """One endpoint's trouble is not its neighbour's; nobody knows those who were never tried."""
    found = board(*[Outcome.UNREACHABLE] * 5)
    assert found.down(f"b:{MODEL}", 0.0) is None
    assert found.status(f"b:{MODEL}", 0.0) == ("untried", 0, 0)


def test_one_that_is_down_is_tried_last_until_it_is_back() -> None:
    """Board and plan together: first, then last, then one probe, then first again; and never out of the plan."""
    on_offer = market(endpoint("a"), endpoint("b", prompt=10**15))

    def tried(health: HealthBoard, now_s: float) -> list[str]:
        request = ask(sort="price")
        found = make_plan(
            request,
            on_offer,
            prompt_tokens=1,
            prompt_bound=1,
            available=NANO,
            sight=Sight(health, now_s),
            policy="price",
            dice=lambda: 0.0,
        )
        return order_of(found)

    health = HealthBoard(lambda: 0.0)
    assert tried(health, 0.0) == ["a", "b"]
    for _ in range(5):
        health.observe(A, Outcome.UNREACHABLE, 0.0)
    assert tried(health, 0.5) == ["b", "a"]
    assert [tried(health, 1.0), tried(health, 1.0)] == [["a", "b"], ["b", "a"]]
    health.observe(A, Outcome.SUCCEEDED, 1.2)
    assert [tried(health, 1.2), tried(health, 1.2)] == [["a", "b"], ["a", "b"]]
    for slug in "ab":
        for _ in range(5):
            health.observe(f"{slug}:{MODEL}", Outcome.PROVIDER_ERROR, 2.0)
    assert tried(health, 2.5) == ["a", "b"]


def test_an_endless_outage_overflows_nothing() -> None:
    """Thousands of failed probes make the pause no longer, and raise nothing."""
    found = board(*[Outcome.UNREACHABLE] * 3000, dice=1.0)
    assert found.down(A, BACKOFF_MAX_S - 1) is not None
    assert found.down(A, BACKOFF_MAX_S) is None


def test_a_success_from_before_says_nothing() -> None:
    """An answer that began before a 429 does not end the cool-down; one that began after it does."""
    found = HealthBoard()
    found.observe(A, Outcome.RATE_LIMITED, 10.0, 30.0)
    found.observe(A, Outcome.SUCCEEDED, 11.0, began_s=9.0)
    assert found.down(A, 12.0) is not None
    found.observe(A, Outcome.SUCCEEDED, 13.0, began_s=12.0)
    assert found.down(A, 14.0) is None


@pytest.mark.parametrize(("dice", "pause_s"), [(0.0, 27.0), (0.5, 30.0), (1.0, 33.0)])
def test_cool_downs_differ_by_a_tenth(dice: float, pause_s: float) -> None:
    """So that nodes that were refused together do not come back together."""
    found = HealthBoard(lambda: dice)
    found.observe(A, Outcome.RATE_LIMITED, 0.0, 30.0)
    assert found.down(A, pause_s - 0.001) is not None
    assert found.down(A, pause_s + 0.001) is None


def test_a_429_ends_no_pause_early() -> None:
    """What was longer stays."""
    found = HealthBoard()
    found.observe(A, Outcome.RATE_LIMITED, 0.0, 60.0)
    found.observe(A, Outcome.RATE_LIMITED, 1.0, 2.0)
    assert found.down(A, 30.0) is not None


@pytest.mark.parametrize(
    ("successes", "failures", "apart_s", "opens"),
    [(5, 5, 1.0, True), (4, 5, 1.0, True), (6, 5, 0.5, False), (4, 4, 1.0, False), (5, 5, 4.0, False)],
)
def test_a_burst_opens_it_too(successes: int, failures: int, apart_s: float, opens: bool) -> None:
    """Five failures within ten seconds, and half of the requests or more, however they are mixed; 429s apart."""
    found = HealthBoard(lambda: 0.0)
    mixed = [Outcome.SUCCEEDED, Outcome.PROVIDER_ERROR] * min(successes, failures)
    mixed = [Outcome.SUCCEEDED] * (successes - failures) + [Outcome.PROVIDER_ERROR] * (failures - successes) + mixed
    for number, outcome in enumerate(mixed):
        found.observe(A, outcome, number * apart_s)
    last_s = (len(mixed) - 1) * apart_s
    assert (found.looks_down(A, last_s) is not None) is opens
    if opens:
        assert "requests failed within 10 s" in str(found.looks_down(A, last_s))


def test_429s_are_no_burst() -> None:
    """They are neither failures nor requests of it."""
    found = HealthBoard(lambda: 0.0)
    for outcome in [Outcome.RATE_LIMITED] * 20:
        found.observe(A, outcome, 0.0, 0.0)
    for outcome in (Outcome.SUCCEEDED, Outcome.PROVIDER_ERROR) * 4:
        found.observe(A, outcome, 1.0)
    assert found.looks_down(A, 1.0) is None
    found.observe(A, Outcome.PROVIDER_ERROR, 1.0)
    assert "5 of 9 requests" in str(found.looks_down(A, 1.0))


def test_a_probe_under_way_is_waited_for() -> None:
    """Nobody follows it until it has ended or ten seconds have passed; its first content is enough."""
    found = board(*[Outcome.UNREACHABLE] * 5)
    assert found.down(A, 1.0) is None
    found.begin(A, 1.0)
    assert [found.down(A, at_s) is None for at_s in (2.0, 10.9, 11.0)] == [False, False, True]
    found.begin(A, 11.0)
    found.heard(A, 11.0, 12.0)
    assert [found.down(A, 12.0) for _ in range(3)] == [None] * 3
    assert not found.has_down
    found.observe(A, Outcome.PROVIDER_ERROR, 13.0, began_s=11.0)  # it broke off: the probe has failed after all
    assert found.down(A, 13.0) is not None


def test_a_probe_that_is_abandoned_makes_room() -> None:
    """Its caller left: the next one probes at once."""
    found = board(*[Outcome.UNREACHABLE] * 5)
    assert found.down(A, 1.0) is None
    found.begin(A, 1.0)
    found.abandon(A)
    assert found.down(A, 1.5) is None


def test_failures_from_before_do_not_prolong_a_pause() -> None:
    """A hundred requests that were under way when the outage was noticed fail one after the other: one opening."""
    found = board(*[Outcome.UNREACHABLE] * 5)
    for number in range(100):
        found.observe(A, Outcome.UNREACHABLE, number / 200, began_s=-1.0)
    assert found.down(A, 1.0) is None


def test_what_the_operator_must_mend_is_switched_off() -> None:
    """Three times in a row the model is not there: nobody is sent for five minutes; one request finds out then."""
    found = board(*[Outcome.NOT_OFFERED] * 2)
    assert found.down(A, 0.0) is None
    found.observe(A, Outcome.NOT_OFFERED, 0.0)
    assert found.down(A, 269.0) == "switched off: the provider does not have this model (404)"
    assert [found.down(A, 270.0) is None for _ in range(2)] == [True, False]
    found.observe(A, Outcome.SUCCEEDED, 271.0)
    assert found.down(A, 271.0) is None


def test_the_least_bad_are_tried_first_when_all_are_down() -> None:
    """Panic: nobody vanishes, and who is only full or rate limited goes before who fails, and he before who is off."""
    names = ("off", "failing", "limited", "full", "worse")
    found = HealthBoard(lambda: 0.0)
    ids = {name: f"{name}:{MODEL}" for name in names}
    found.switch_off([ids["off"]], "a test", 0.0)
    for _ in range(5):
        found.observe(ids["failing"], Outcome.TIMED_OUT, 0.0)
    for _ in range(9):
        found.observe(ids["worse"], Outcome.TIMED_OUT, 0.0)
    found.observe(ids["limited"], Outcome.RATE_LIMITED, 0.0, 9.0)
    found.observe(ids["full"], Outcome.RATE_LIMITED, -9.0, 0.0)
    found.observe(ids["full"], Outcome.SUCCEEDED, -8.0)
    for _ in range(3):
        found.begin(ids["full"], 0.0)
    plan = make_plan(
        ask(),
        market(*map(endpoint, names)),
        prompt_tokens=1,
        prompt_bound=1,
        available=NANO,
        sight=Sight(found, 0.5),
        policy="traffic",
        dice=lambda: 0.0,
    )
    assert order_of(plan) == ["full", "limited", "failing", "worse", "off"]
    assert all(each.unwell for each in plan.candidates)


def test_two_markets_of_a_model_are_weighed_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group's offer, or that of own keys, does not push out the list's: each is weighed anew after a second only."""
    monkeypatch.setattr(health, "WEIGHED_MAX", 2)
    found, offers = board(), [market(endpoint("a"), endpoint("b")).offers[MODEL] for _ in range(2)]
    first = [found.weighed(offer, 1.0) for offer in offers]
    assert [found.weighed(offer, 1.5) is known for offer, known in zip(offers, first, strict=True)] == [True, True]
    later = [found.weighed(offer, 2.5) for offer in offers]
    assert not any(one is other for one, other in zip(first, later, strict=True))
    for number in range(9):
        found.weighed(market(endpoint("a")).offers[MODEL], 9.0 + 2 * number)
    assert len(found._weighed) <= 2, "offers of old markets are let go"
