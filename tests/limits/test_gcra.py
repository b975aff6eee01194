"""Rates: exact, on a clock of the test's own, against a bucket that is filled drop by drop."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tollway.limits.gcra import MINUTE_NS, SECOND_NS, Buckets, Rate, Want, per_minute, rate

RATES = (per_minute(3), per_minute(7, 20.0), rate(5, SECOND_NS, 60.0), rate(100, SECOND_NS, 0.1), per_minute(1000))


class TokenBucket:
    """The reference, by another formula: so many tokens are in it, and more drop in evenly until it is full."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.tokens = Fraction(rate.burst)
        self.at_ns = 0

    def at(self, now_ns: int) -> Fraction:
        dropped = Fraction(now_ns - self.at_ns, self.rate.interval_ns)
        self.tokens, self.at_ns = min(Fraction(self.rate.burst), self.tokens + dropped), now_ns
        return self.tokens

    def add(self, amount: int) -> None:
        self.tokens = min(Fraction(self.rate.burst), self.tokens + amount)


steps = st.lists(
    st.tuples(
        st.integers(0, MINUTE_NS) | st.sampled_from([0, 1, SECOND_NS, MINUTE_NS // 7]),
        st.sets(st.integers(0, len(RATES) - 1), min_size=1),
        st.integers(1, 3),
        st.sampled_from(["take", "take", "take", "give back", "make good"]),
    ),
    max_size=60,
)


@given(steps)
def test_buckets_are_exact(drawn: list[tuple[int, set[int], int, str]]) -> None:
    """Whatever is taken, given back and made good, together and in any order: the answers are the reference's."""
    buckets, now_ns = Buckets(), 0
    models = [TokenBucket(each) for each in RATES]
    for elapsed_ns, chosen, cost, what in drawn:
        now_ns += elapsed_ns
        wants = [Want(number, RATES[number], str(number), cost) for number in sorted(chosen)]
        if what == "give back":
            for number in chosen:
                models[number].at(now_ns)
                models[number].add(cost)
                buckets.add(Want(number, RATES[number], ""), -cost, now_ns)
            continue
        if what == "make good":
            for number in chosen:
                models[number].at(now_ns)
                models[number].add(-cost)
                buckets.add(Want(number, RATES[number], ""), cost, now_ns)
            continue
        short = {number for number in chosen if models[number].at(now_ns) < cost}
        found = buckets.take(wants, now_ns)
        assert (found is None) is (not short)
        if found is None:
            for number in chosen:
                models[number].add(-cost)
            continue
        worst = models[int(found.said)]
        waits = [-((models[n].tokens - cost) * RATES[n].interval_ns) for n in short]
        assert found.wait_ns == max(waits)
        assert found.remaining == max(0, worst.tokens // 1)
        assert found.reset_ns == (worst.rate.burst - worst.tokens) * worst.rate.interval_ns
    for number, model in enumerate(models):
        left = int(max(Fraction(0), model.at(now_ns)) // 1)
        for _ in range(left):
            assert buckets.take([Want(number, RATES[number], "")], now_ns) is None
        assert buckets.take([Want(number, RATES[number], "")], now_ns) is not None


@given(st.sampled_from(RATES), st.lists(st.integers(0, SECOND_NS), min_size=1, max_size=200))
def test_never_more_than_the_rate_and_its_burst(rate: Rate, gaps: list[int]) -> None:
    """In any stretch of time: the burst, and what the rate gives in that time."""
    buckets, now_ns = Buckets(), 0
    went: list[int] = []
    for gap in gaps:
        now_ns += gap
        if buckets.take([Want("a", rate, "")], now_ns) is None:
            went.append(now_ns)
    for first, start in enumerate(went):
        for last in range(first, len(went)):
            assert last - first + 1 <= rate.burst + (went[last] - start) / rate.interval_ns


def test_after_the_wait_it_goes_through_and_not_before() -> None:
    """`wait_ns` is exact to the nanosecond."""
    rate = per_minute(7)
    for early, goes in ((1, False), (0, True)):
        buckets = Buckets()
        while (found := buckets.take([Want("a", rate, "")], 5)) is None:
            pass
        assert found.wait_ns is not None
        assert (buckets.take([Want("a", rate, "")], 5 + found.wait_ns - early) is None) is goes


def test_all_or_nothing() -> None:
    """Where one of several is short, the others are as they were."""
    buckets = Buckets()
    roomy, narrow = Want("roomy", per_minute(100), "roomy"), Want("narrow", per_minute(1), "narrow")
    assert buckets.take([roomy, narrow], 0) is None
    before = buckets.short([Want("roomy", per_minute(100), "", 100)], 0)
    for _ in range(10):
        found = buckets.take([roomy, narrow], 0)
        assert found is not None
        assert found.said == "narrow"
    assert buckets.short([Want("roomy", per_minute(100), "", 100)], 0) == before


def test_a_burst_is_what_comes_in_its_seconds() -> None:
    """By the hand: 60 a minute are 60 at once, 6 in six seconds, and one at least; a second's rate has one second."""
    assert [per_minute(60, burst_s).burst for burst_s in (60.0, 6.0, 0.5)] == [60, 6, 1]
    assert [rate(500, SECOND_NS, burst_s).burst for burst_s in (60.0, 0.1)] == [500, 50]


@given(st.integers(1, 10**9), st.sampled_from([SECOND_NS, MINUTE_NS]))
def test_rounding_gives_nothing_away(count: int, period_ns: int) -> None:
    """As many as `count` intervals are never shorter than the period, and less than a nanosecond each longer."""
    interval_ns = rate(count, period_ns, 1.0).interval_ns
    assert 0 <= count * interval_ns - period_ns < count


def test_what_is_idle_is_forgotten() -> None:
    """A million callers who come once leave no more behind than the last seconds' and a constant."""
    buckets, most = Buckets(), 0
    for number in range(100_000):
        buckets.take([Want(number, rate(1, SECOND_NS, 1.0), "")], number * SECOND_NS // 100)
        most = max(most, len(buckets))
    assert most <= 1025


def test_memory_is_bounded() -> None:
    """Where all are in use at once, the emptiest go first, and the fullest still holds."""
    buckets = Buckets(most=100)
    slow = per_minute(2)
    greedy = Want("greedy", slow, "", 2)
    buckets.take([greedy], 0)
    for number in range(10_000):
        buckets.take([Want(number, slow, "")], 1)
        assert len(buckets) <= 101
    assert buckets.short([greedy], 1) is not None
