"""How long an attempt may take to begin: by its own p99, half of what is left, and never more than what is left."""

import pytest

from tollway.domain.measured import NOTHING, Measured, Spread
from tollway.routing.patience import first_event_s


def timed(p99: float, count: int = 100) -> Measured:
    return Measured(timed=count, first_s=Spread(0.1, 0.2, 0.3, p99))


@pytest.mark.parametrize(
    ("measured", "left_s", "others", "slow", "wait_s"),
    [
        (timed(1.0), 60.0, True, False, 10.0),
        (timed(5.0), 60.0, True, False, 15.0),
        (timed(50.0), 60.0, True, False, 60.0),
        (timed(5.0), 12.0, True, False, 12.0),
        (timed(5.0, 99), 60.0, True, False, 30.0),
        (NOTHING, 60.0, True, False, 30.0),
        (NOTHING, 20.0, True, False, 10.0),
        (NOTHING, 60.0, False, False, 60.0),
        (NOTHING, 20.0, False, False, 20.0),
        (timed(1.0), 60.0, False, False, 60.0),
        (timed(1.0), 60.0, True, True, 60.0),
    ],
)
def test_how_long(measured: Measured, left_s: float, others: bool, slow: bool, wait_s: float) -> None:
    """Three times its p99, at least ten seconds; where it was not timed, half; the last one has all that is left."""
    assert first_event_s(60.0, left_s, measured, others=others, slow=slow) == wait_s
