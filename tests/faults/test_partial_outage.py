"""U-38: providers of which a tenth fails. They are asked less, and never given up; on a virtual clock."""

import pytest

from tests.routing.simulation import City, Visit, between, failing, well
from tests.routing.stage import ask

PROVIDERS = ("a", "b", "c")
BEGINS_S, SETTLED_S, ENDS_S = 60.0, 120.0, 300.0
PER_S = 20.0


@pytest.mark.parametrize(("ill", "succeed"), [("b", 1.0), ("ab", 1.0), ("abc", 0.998)])
def test_a_tenth_fails(ill: str, succeed: float) -> None:
    """Weights fall where others are well; every plan has all three, at most one avoided; callers get their answers.

    Where all three fail independently a thousandth of the requests fails at each of them.
    """
    poor = between(BEGINS_S, ENDS_S, failing(0.1, well()), well())
    city = City({name: (1.0, poor if name in ill else well()) for name in PROVIDERS}, seed=38)
    avoided: list[int] = []

    def look(now_s: float) -> None:
        candidates = Visit(city, now_s, ask()).plan.candidates
        assert len(candidates) == len(PROVIDERS), "nobody is given up"
        avoided.append(sum(candidate.unwell for candidate in candidates))

    for second in range(int(ENDS_S)):
        city.at(float(second), look)
    told = city.run(PER_S, ENDS_S)
    assert len(avoided) == int(ENDS_S)
    assert max(avoided) <= len(PROVIDERS) / 2
    assert told.succeeded >= succeed * told.requests
    for name in PROVIDERS:
        before, after = told.share_between(name, 0, BEGINS_S), told.share_between(name, SETTLED_S, ENDS_S)
        assert 0.25 < before < 0.42, "at first they are alike"
        if len(ill) == len(PROVIDERS):
            assert 0.25 < after < 0.42, "equally unwell, they stay alike"
        else:
            assert (after < before / 2) == (name in ill)
