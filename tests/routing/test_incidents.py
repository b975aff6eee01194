"""Incidents: which hours are bad, where a run ends, and what it was mostly."""

import pytest

from tollway.domain.measured import EndpointHour
from tollway.routing.incidents import incidents_of, is_bad, most_common, runs

BAD = EndpointHour(requests=10, failed=5, timed_out=4)
NOW = 500_000


@pytest.mark.parametrize(
    ("hour", "bad"),
    [
        (EndpointHour(requests=10, failed=2), False),
        (EndpointHour(requests=3, failed=3), True),
        (EndpointHour(requests=30, failed=3), True),
        (EndpointHour(requests=31, failed=3), False),
        (EndpointHour(requests=1031, failed=3, limited=1001), True),
        (EndpointHour(requests=900, limited=900), False),
        (EndpointHour(), False),
    ],
)
def test_a_bad_hour(hour: EndpointHour, bad: bool) -> None:
    """Three failures and a tenth of what was asked; 429s count neither way."""
    assert is_bad(hour) is bad


def test_runs() -> None:
    """Hours that follow each other, however they come."""
    assert runs([]) == []
    assert runs([7, 5, 6, 9]) == [[5, 6, 7], [9]]


def test_incidents() -> None:
    """A provider's endpoints that fail together are one; a good hour ends it; another provider's are its own."""
    found = incidents_of(
        [
            (("a:one", NOW - 9), BAD),
            (("a:two", NOW - 8), EndpointHour(requests=20, failed=20, refused=20, limited=4)),
            (("a:one", NOW - 8), BAD),
            (("a:one", NOW - 7), EndpointHour(requests=100, failed=1)),
            (("a:one", NOW - 6), BAD),
            (("b:one", NOW - 8), BAD),
        ],
        NOW,
        (),
    )
    assert [(each.provider, each.endpoints, each.first_hour - NOW, each.last_hour - NOW) for each in found] == [
        ("a", ("a:one",), -6, -6),
        ("b", ("b:one",), -8, -8),
        ("a", ("a:two", "a:one"), -9, -8),
    ]
    assert [(each.kind, each.failed, each.asked, each.going_on) for each in found] == [
        ("timed out", 5, 10, False),
        ("timed out", 5, 10, False),
        ("refused (401 to 404)", 30, 36, False),
    ]


@pytest.mark.parametrize(
    ("last", "down", "going_on"), [(0, "", True), (-1, "", False), (-1, "a:one", True), (-2, "a:one", False)]
)
def test_what_goes_on(last: int, down: str, going_on: bool) -> None:
    """What is bad in this hour, or was in the last one and is down now."""
    [found] = incidents_of([(("a:one", NOW + last), BAD)], NOW, {down})
    assert found.going_on is going_on


def test_the_most_common_kind() -> None:
    """Over all hours, 429s among them; nothing where nothing went wrong."""
    assert most_common([BAD, EndpointHour(requests=9, limited=9)]) == ("rate limited (429)", 9)
    assert most_common([EndpointHour(requests=9)]) == ("", 0)
