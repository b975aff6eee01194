"""What routing promises, on a virtual clock: providers that die, stall, limit and recover."""

import pytest

from tests.routing.simulation import City, between, dead, failing, late, limited, well

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", ["traffic", "price"])
def test_a_dead_endpoint(seed: int, policy: str) -> None:
    """Under 1% of the attempts ten seconds after its death, and back in traffic 30 seconds after its recovery."""
    providers = {"a": (1.0, between(60, 120, dead, well())), "b": (1.1, well()), "c": (1.2, well())}
    told = City(providers, seed=seed, policy=policy).run(40, 240)  # type: ignore[arg-type]  # a policy's name
    before = told.share_between("a", 0, 60)
    assert before > 0.2
    assert told.share_between("a", 70, 120) < 0.01
    assert told.share_between("a", 150, 240) > before / 2
    assert told.share_between("a", 120, 150) > before / 4
    assert told.succeeded / told.requests > 0.999


@pytest.mark.parametrize("policy", ["traffic", "price"])
def test_a_long_outage_leaves_no_mark(policy: str) -> None:
    """Dead for longer than any window of figures, in which only probes were sent: back within 30 seconds as well."""
    providers = {"a": (1.0, between(60, 2460, dead, well())), "b": (1.1, well()), "c": (1.2, well())}
    told = City(providers, seed=1, policy=policy).run(5, 2520)  # type: ignore[arg-type]  # a policy's name
    assert told.share_between("a", 2490, 2520) > told.share_between("a", 0, 60) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_back_within_thirty_seconds(seed: int) -> None:
    """A short outage leaves no mark on the traffic policy beyond half a minute: the endpoint is asked again."""
    providers = {"a": (1.0, between(300, 310, dead, well())), "b": (1.1, well())}
    told = City(providers, seed=seed).run(40, 400)
    assert told.share_between("a", 340, 400) > told.share_between("a", 100, 300) / 4


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("per_s", [100, 400])
def test_no_storm_when_everything_is_down(seed: int, per_s: int) -> None:
    """Under a total outage no more than 1.2 attempts for a request."""
    told = City(dict.fromkeys("abc", (1.0, dead)), seed=seed).run(per_s, 60)
    assert told.succeeded == 0
    assert told.attempts / told.requests <= 1.2


def test_a_backup_takes_everything() -> None:
    """The caller's first choice is dead: every request succeeds at the second, whose budget is not touched."""
    told = City({"a": (1.0, dead), "b": (1.0, well())}, seed=1).run(200, 20, order=("a", "b"))
    assert told.succeeded == told.requests


@pytest.mark.parametrize("seed", SEEDS)
def test_hedges_cut_the_tail(seed: int) -> None:
    """2% of the answers begin ten times late: hedges are 5% of the requests at most, and p99 is at least halved."""
    stalling = late(0.02, 10, well(0.4, 0.4))
    providers = {"a": (1.0, stalling), "b": (1.0, stalling)}
    plain = City(providers, seed=seed).run(40, 300)
    hedged = City(providers, seed=seed, hedge=0.05).run(40, 300)
    assert plain.hedges == 0
    assert 0 < hedged.hedges <= 0.05 * hedged.requests
    assert hedged.percentile(99) <= plain.percentile(99) / 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", ["traffic", "price"])
def test_random_failures_are_not_seen(seed: int, policy: str) -> None:
    """Each of three endpoints fails 5% at random before its first event: 99.9% of the requests succeed."""
    providers = {name: (1.0, failing(0.05, well())) for name in "abc"}
    told = City(providers, seed=seed, policy=policy).run(40, 500)  # type: ignore[arg-type]  # a policy's name
    assert told.succeeded / told.requests >= 0.999


@pytest.mark.parametrize("seed", SEEDS)
def test_rate_limits_are_kept(seed: int) -> None:
    """An endpoint that takes five a second gets hardly more, and nobody sees its 429s."""
    told = City({"a": (0.5, limited(5, well())), "b": (1.0, well())}, seed=seed).run(40, 120)
    assert told.succeeded / told.requests >= 0.999
    assert told.served["a"] > 5 * 120 * 0.5
    refused = len(told.tried["a"]) - told.served["a"]
    assert refused < 1.5 * 120
