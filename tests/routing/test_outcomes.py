"""One word for the end of an attempt: what docs/routing.md says that it means is what the code makes of it."""

import re

import pytest

from tests.routing.stage import endpoint
from tests.test_docs import code, rows
from tollway.domain.catalog import Price, Rates
from tollway.domain.health import Outcome
from tollway.domain.routing import Candidate, Plan
from tollway.routing import breaker
from tollway.routing.fallback import Failure, NextCandidate, after_failure, outcome_of_status
from tollway.routing.health import HealthBoard


def test_what_outcomes_mean() -> None:
    """docs/routing.md says of each outcome what retries, breaker, uptime and balancing make of it; so does the code."""
    said = {row[0].strip("`"): tuple(row[1:]) for row in rows("routing.md") if len(row) == 5 and row[0] != "Outcome"}
    assert {each for each in said if not each.startswith("-")} == {each.value for each in Outcome}
    for outcome in Outcome:
        assert said[outcome.value] == meaning(outcome), outcome


def meaning(outcome: Outcome) -> tuple[str, str, str, str]:
    """What the code does with it: the next endpoint, the breaker, uptime, the cost that balancing compares."""
    candidates = tuple(Candidate(endpoint(slug), Price(1, Rates(1, 1)), 1, None) for slug in "ab")
    after = after_failure(Plan((), candidates, ()), 0, [(candidates[0], Failure(outcome, "failed"))], 4)
    following = isinstance(after, NextCandidate) and outcome is not Outcome.SUCCEEDED
    board, id_ = HealthBoard(), candidates[0].endpoint.id
    for _ in range(breaker.FAILURES_TO_OPEN):
        board.observe(id_, outcome, 0.0)
    why = board.looks_down(id_, 0.1)
    paused = "nothing" if why is None else "cool-down" if why == breaker.RATE_LIMITED else "failure"
    if why is not None and why.startswith("switched off"):
        paused = "switch-off"
    if outcome is Outcome.SUCCEEDED:
        board.switch_off([id_], "a test", 0.0)
        board.observe(id_, outcome, 1.0)
        paused = "closes it" if board.looks_down(id_, 1.0) is None else "nothing"
    measured = board.measured(id_, 2.0)
    uptime = {None: "apart", 0.0: "down", 1.0: "up"}[measured.uptime.minutes_30]
    cost = "errors" if measured.error_rate else "429s" if measured.limited_rate else "no"
    return "yes" if following else "no", paused, uptime, cost


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 429, 504, 524])
def test_statuses_have_outcomes(status: int) -> None:
    """The table of failures names each status that has an outcome of its own, in the row of that outcome."""
    named = {code(row[1])[0] for row in rows("routing.md") if len(row) == 3 and re.search(rf"\b{status}\b", row[0])}
    assert named == {outcome_of_status(status).value}
