"""Endpoints by hour: each slice is counted once, when it is over, into the hour that it lay in; restarts lose none."""

from hypothesis import given
from hypothesis import strategies as st

from tollway.domain.health import Outcome
from tollway.domain.measured import EndpointHour
from tollway.routing.health import HealthBoard
from tollway.routing.hours import HOUR_MS, HourBook
from tollway.routing.stats import Sample

BEGAN_MS = 500_000 * HOUR_MS
"""The wall time at 0 on the monotonic clock."""


def saved(board: HealthBoard, now_s: float, kept: dict[tuple[str, int], EndpointHour]) -> None:
    """What the task that saves does each minute."""
    now_ms = BEGAN_MS + int(1000 * now_s)
    for id_ in board.changed | board.hours.waiting:
        board.hours.take(id_, board.figures(id_, now_s, now_ms), now_ms)
    board.changed.clear()
    kept.update(board.hours.changed())
    board.hours.saved(now_ms)


@given(
    st.lists(
        st.tuples(
            st.floats(0.5, 400),
            st.sampled_from([Outcome.SUCCEEDED, Outcome.PROVIDER_ERROR, Outcome.RATE_LIMITED]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_every_request_is_counted_once(steps: list[tuple[float, Outcome, bool]]) -> None:
    """Whatever comes when, with a restart in between: the sums of the hours are what happened, and nothing twice."""
    board, now_s, next_s = HealthBoard(), 0.0, 60.0
    kept: dict[tuple[str, int], EndpointHour] = {}
    for number, (pause_s, outcome, restart) in enumerate(steps):
        while next_s < now_s + pause_s:
            saved(board, next_s, kept)
            next_s += 60
        now_s += pause_s
        if restart and number:
            saved(board, now_s, kept)
            now_ms = BEGAN_MS + int(1000 * now_s)
            fresh = HealthBoard()
            fresh.hours.restore([item for item in kept.items() if item[0][1] >= now_ms // HOUR_MS - 1])
            fresh.restore("e", board.figures("e", now_s, now_ms), now_s, now_ms)
            fresh.hours.waiting.add("e")
            board = fresh
        timed = Sample(first_s=0.5, tokens_per_s=80.0) if outcome is Outcome.SUCCEEDED else Sample()
        board.observe("e", outcome, now_s, sample=timed)
    for minute in range(1, 5):
        saved(board, now_s + 60 * minute, kept)
    outcomes = [outcome for _, outcome, _ in steps]
    hours = kept.values()
    assert sum(hour.requests for hour in hours) == len(steps)
    assert sum(hour.limited for hour in hours) == outcomes.count(Outcome.RATE_LIMITED)
    assert sum(hour.failed for hour in hours) == outcomes.count(Outcome.PROVIDER_ERROR)
    assert sum(sum(hour.first.values()) for hour in hours) == outcomes.count(Outcome.SUCCEEDED)
    assert sum(sum(hour.speed.values()) for hour in hours) == outcomes.count(Outcome.SUCCEEDED)


def test_failures_are_told_apart() -> None:
    """Timeouts, who was not reached and who refused us have counters of their own; the rest of the failed is 5xx."""
    board = HealthBoard()
    kept: dict[tuple[str, int], EndpointHour] = {}
    for outcome in Outcome:
        board.observe("e", outcome, 30)
    saved(board, 90, kept)
    [hour] = kept.values()
    counted = (hour.requests, hour.limited, hour.failed, hour.timed_out, hour.unreached, hour.refused)
    assert counted == (8, 1, 6, 1, 2, 2)


def test_an_hour_has_what_lay_in_it() -> None:
    """Requests of two hours are in two rows; the first is forgotten in memory when it is over, and not saved again."""
    board = HealthBoard()
    kept: dict[tuple[str, int], EndpointHour] = {}
    board.observe("e", Outcome.SUCCEEDED, 3500)
    saved(board, 3590, kept)
    board.observe("e", Outcome.PROVIDER_ERROR, 3700)
    saved(board, 3900, kept)
    assert {hour - 500_000: (each.requests, each.failed) for (_, hour), each in kept.items()} == {0: (1, 0), 1: (1, 1)}
    assert board.hours.changed() == []
    saved(board, 3 * 3600, kept)
    assert HourBook().changed() == []
