"""Rolling figures: what is counted, what is forgotten in time, and percentiles that are right to 5%."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.health import Outcome
from tollway.domain.measured import NOTHING, HalfHour, Measured, Uptime
from tollway.routing.stats import EndpointStats, Histogram, Sample, merged, spread

OK, DOWN, LIMITED = Outcome.SUCCEEDED, Outcome.PROVIDER_ERROR, Outcome.RATE_LIMITED


def after(*outcomes: Outcome, at_s: float = 0.0) -> EndpointStats:
    found = EndpointStats()
    for outcome in outcomes:
        found.add(outcome, at_s)
    return found


def test_rates_and_uptime() -> None:
    """Failures by requests; a 429 is counted apart and no fault; who left or asked wrongly does not count."""
    found = after(*[OK] * 6, DOWN, DOWN, LIMITED, LIMITED, Outcome.CANCELLED, Outcome.REQUEST_REJECTED).measured(1.0)
    assert (found.requests, found.error_rate, found.limited_rate) == (10, 0.2, 0.2)
    assert (found.uptime.minutes_5, found.uptime.minutes_30, found.uptime.day) == (0.75, 0.75, 0.75)


def test_nothing_was_asked() -> None:
    """No figure is made up."""
    assert EndpointStats().measured(5.0) == NOTHING
    assert after(LIMITED).measured(1.0).uptime.day is None


def test_what_is_forgotten_when() -> None:
    """5 minutes, 30 minutes and a day, each by its own window."""
    found = after(DOWN)
    for seconds, wanted in ((60, (0, 0, 0)), (400, (None, 0, 0)), (2000, (None, None, 0)), (90_000, (None,) * 3)):
        uptime = found.measured(float(seconds)).uptime
        assert (uptime.minutes_5, uptime.minutes_30, uptime.day) == wanted


def test_figures_are_a_second_old_at_most() -> None:
    """Read twice within a second, they are the same; after it they are new."""
    found = after(OK)
    assert found.measured(0.0).requests == 1
    found.add(DOWN, 0.5)
    assert found.measured(0.9).requests == 1
    assert found.measured(1.0).requests == 2


@pytest.mark.parametrize(
    ("outcomes", "unstable"),
    [((DOWN,) * 2, False), ((DOWN,) * 3, True), ((DOWN,) * 3 + (OK,) * 3, True), ((DOWN,) * 3 + (OK,) * 4, False)],
)
def test_a_recent_outage(outcomes: tuple[Outcome, ...], unstable: bool) -> None:
    """Three failures, and half of what was asked or more; 30 seconds later it is over."""
    found = after(*outcomes)
    assert found.measured(0.0).unstable is unstable
    assert found.measured(40.0).unstable is False


def test_speeds() -> None:
    """Percentiles of seconds rise; of tokens per second they fall: p99 is what 99% reach."""
    found, dice = EndpointStats(), random.Random(4)
    for _ in range(1000):
        found.add(OK, 0.0, Sample(first_s=dice.uniform(0.1, 1.0), tokens_per_s=dice.uniform(20, 120)))
    measured = found.measured(0.0)
    assert measured.first_s is not None
    assert measured.speed is not None
    assert measured.timed == 1000
    assert [measured.first_s.p50, measured.first_s.p99] == pytest.approx([0.55, 0.99], rel=0.1)
    assert [measured.speed.p50, measured.speed.p90, measured.speed.p99] == pytest.approx([70, 30, 21], rel=0.1)
    assert found.measured(400.0).first_s is None


def test_speeds_of_half_an_hour() -> None:
    """People see 30 minutes of speeds; routing goes by the last five, as before; a restart keeps those five."""
    found = EndpointStats()
    for minute in range(40):
        found.add(OK, minute * 60.0, Sample(first_s=1.0 if minute < 35 else 4.0, tokens_per_s=50.0))
    now_s = 39 * 60.0 + 1
    measured, shown = found.measured(now_s), found.half_hour(now_s)
    assert measured.timed == 5
    assert measured.first_s is not None
    assert shown.first_s is not None
    assert shown.speed is not None
    assert measured.first_s.p50 == pytest.approx(4.0, rel=0.06)
    assert [shown.first_s.p50, shown.first_s.p99, shown.speed.p50] == pytest.approx([1.0, 4.0, 50.0], rel=0.06)
    assert found.half_hour(now_s + 9) is shown, "read again after ten seconds"
    assert found.half_hour(now_s + 1500).first_s is not None
    assert found.half_hour(now_s + 1860).first_s is None
    assert EndpointStats().half_hour(0.0) == HalfHour()
    again = EndpointStats()
    again.restore(found.figures(now_s, 10**12), 5.0, 10**12)
    assert again.measured(5.0).first_s == again.half_hour(5.0).first_s == measured.first_s


def test_tool_calls_and_money() -> None:
    """Broken tool calls by answers with tool calls; dollars per million tokens as they were paid."""
    found = EndpointStats()
    found.add(OK, 0.0, Sample(called_tools=True, malformed=True))
    found.add(OK, 0.0, Sample(called_tools=True))
    found.add(OK, 0.0)
    found.paid(1_000_000, 2_500_000_000, 0.0)
    measured = found.measured(0.0)
    assert (measured.malformed_rate, measured.usd_per_million, measured.tokens) == (0.5, 2.5, 1_000_000)
    assert (measured.tool_answers, measured.tool_error_rate) == (2, 0.5)


def test_tool_calls_are_judged_over_two_hours() -> None:
    """They are rare: what is forgotten of a half hour is known of two, also after a restart, and then no more."""
    found = EndpointStats()
    for minute in range(0, 60, 10):
        found.add(OK, minute * 60.0, Sample(called_tools=True, malformed=minute == 0))
    again = EndpointStats()
    again.restore(found.figures(3_600.0, 10**12), 3_600.0, 10**12)
    for stats in (found, again):
        measured = stats.measured(5_400.0)
        assert measured.malformed_rate == 0.0
        assert (measured.tool_answers, measured.tool_error_rate) == (6, 1 / 6)
        assert stats.measured(4 * 3_600.0).tool_answers == 0


@given(st.lists(st.floats(1e-4, 1e5), min_size=1, max_size=200))
def test_percentiles_are_near(values: list[float]) -> None:
    """Nearest rank, to 5%."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = spread(merged([histogram]), (50, 75, 90, 99))
    assert found is not None
    ordered = sorted(values)
    for percent, near in ((50, found.p50), (75, found.p75), (90, found.p90), (99, found.p99)):
        exact = ordered[max(0, -(-len(values) * percent // 100) - 1)]
        assert near == pytest.approx(exact, rel=0.051)


def test_a_restart_keeps_what_is_in_its_window() -> None:
    """Another process has another monotonic clock; by wall time, each window forgets what is older than itself."""
    before = after(*[OK] * 3, DOWN, at_s=1000.0)
    before.add(OK, 1000.0, Sample(first_s=0.5, tokens_per_s=50.0))
    before.paid(1_000_000, 2_000_000_000, 1000.0)
    kept = before.figures(1010.0, 5_000_000)

    def restarted(after_s: int) -> Measured:
        stats = EndpointStats()
        stats.restore(kept, 7.0, 5_000_000 + after_s * 1000)
        return stats.measured(7.0)

    found = restarted(60)
    assert (found.requests, found.error_rate, found.timed) == (5, 0.2, 1)
    assert found.usd_per_million == 2.0
    assert found.first_s is not None
    assert found.first_s.p50 == pytest.approx(0.5, rel=0.05)
    assert found.uptime == Uptime(0.8, 0.8, 0.8)
    assert (restarted(600).timed, restarted(600).uptime) == (0, Uptime(None, 0.8, 0.8))
    assert (restarted(3600).requests, restarted(3600).uptime) == (0, Uptime(None, None, 0.8))
    assert restarted(100_000) == NOTHING
    assert restarted(-100_000) == NOTHING  # the clock was set back: what lies ahead is not believed


@given(
    when=st.lists(st.floats(0, 90_000), max_size=50),
    clock_s=st.floats(100_000, 200_000),
    other_s=st.floats(0, 200_000),
    zero_ms=st.integers(0, 2**42),
)
def test_nothing_is_counted_twice(when: list[float], clock_s: float, other_s: float, zero_ms: int) -> None:
    """However the slices of two clocks lie: what is restored at once is what there was, up to a slice at the edge."""
    stats = EndpointStats()
    now_s = clock_s - 100_000 + 90_000
    for at_s in sorted(when):
        stats.add(OK, clock_s - 100_000 + at_s)
    other = EndpointStats()
    other.restore(stats.figures(now_s, zero_ms), other_s, zero_ms)
    fresh = sum(at_s > 90_000 - 84_000 for at_s in when)
    counted = sum(each["requests"] for each in other.figures(other_s, zero_ms).quarters.values())
    assert fresh <= counted <= len(when)


def test_restored_figures_are_added_to() -> None:
    """What was counted already in this process stays, and goes on."""
    kept = after(OK, DOWN, at_s=50.0).figures(50.0, 1_000_000)
    stats = after(OK, OK, at_s=3.0)
    stats.restore(kept, 3.0, 1_000_000)
    assert (stats.measured(3.0).requests, stats.measured(3.0).error_rate) == (4, 0.25)
