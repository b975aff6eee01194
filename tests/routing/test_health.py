"""The health board: the breaker and its probe, cool-downs, and the way back into traffic; with time passed in."""

import pytest

from tests.routing.stage import MODEL, ask, endpoint, market, order_of
from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.routing.health import FAILURES_TO_OPEN, HealthBoard
from tollway.routing.plan import make_plan

A = f"a:{MODEL}"
AT_FAULT = (
    Outcome.UNREACHABLE,
    Outcome.TIMED_OUT,
    Outcome.PROVIDER_ERROR,
    Outcome.CREDENTIAL_REJECTED,
    Outcome.NOT_OFFERED,
)


def board(*outcomes: Outcome, now_s: float = 0.0) -> HealthBoard:
    """A board on which these things happened to the one endpoint, all at once."""
    found = HealthBoard()
    for outcome in outcomes:
        found.observe(A, outcome, now_s)
    return found


@pytest.mark.parametrize("outcome", AT_FAULT)
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
    found = board(*[Outcome.TIMED_OUT] * 4, Outcome.SUCCEEDED, *[Outcome.TIMED_OUT] * 4)
    assert found.down(A, 0.0) is None
    assert found.status(A, 0.0) == ("up", 1, 8)


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
    """Pauses double from one second to twenty; never longer, so that it is back within 30 s of its recovery (UB4)."""
    found, now_s = board(*[Outcome.UNREACHABLE] * 5), 0.0
    for pause_s in (1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0):
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
            why_down=lambda endpoint_id: health.down(endpoint_id, now_s),
            dice=lambda: 0.0,
        )
        return order_of(found)

    health = HealthBoard()
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
