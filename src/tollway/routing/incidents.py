"""Incidents, read off the hours that are kept of endpoints: a provider's run of bad hours, when, and of what kind."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence

from msgspec import Struct, structs

from tollway.domain.measured import EndpointHour

FAILED_MIN = 3
"""So many failures make an hour bad, if they are a share of BAD: one that fails among two says little."""
BAD = 0.1
WRONG: dict[str, Callable[[EndpointHour], int]] = {
    "rate limited (429)": lambda hour: hour.limited,
    "5xx or a broken answer": lambda hour: hour.failed - hour.timed_out - hour.unreached - hour.refused,
    "timed out": lambda hour: hour.timed_out,
    "not reached": lambda hour: hour.unreached,
    "refused (401 to 404)": lambda hour: hour.refused,
}
"""What became of requests that were not answered: in words, and how many of an hour it were."""

Place = tuple[str, int]
"""An endpoint's id, and the hour (hours since 1970)."""


class Incident(Struct, frozen=True):
    """A run of hours in each of which an endpoint of the provider failed."""

    provider: str
    """Its slug."""
    endpoints: tuple[str, ...]
    """Ids; who failed most comes first."""
    first_hour: int
    """Hours since 1970; so is `last_hour`, which is in it."""
    last_hour: int
    kind: str
    """The most common of WRONG."""
    failed: int
    """Requests, of its endpoints in its hours; so is `asked`, without 429s."""
    asked: int
    going_on: bool


def incidents_of(hours: Iterable[tuple[Place, EndpointHour]], now_hour: int, down: Container[str]) -> list[Incident]:
    """The latest first. An hour that was not bad, and one in which nobody asked, ends a run.

    `down`: endpoints that are down just now; what was bad until this hour goes on for them.
    """
    by_provider: dict[str, dict[int, list[tuple[str, EndpointHour]]]] = {}
    for (id_, at), hour in hours:
        if is_bad(hour):
            by_provider.setdefault(id_.partition(":")[0], {}).setdefault(at, []).append((id_, hour))
    found = [
        _incident(provider, [each for at in run for each in bad[at]], run[0], run[-1], now_hour, down)
        for provider, bad in by_provider.items()
        for run in runs(bad)
    ]
    return sorted(found, key=lambda each: (-each.last_hour, -each.first_hour, each.provider))


def is_bad(hour: EndpointHour) -> bool:
    """Whether so much failed by the endpoint's fault that it is told."""
    return hour.failed >= FAILED_MIN and hour.failed >= BAD * (hour.requests - hour.limited)


def runs(hours: Iterable[int]) -> list[list[int]]:
    """Numbers that follow each other, together."""
    found: list[list[int]] = []
    for at in sorted(hours):
        if found and found[-1][-1] == at - 1:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def most_common(hours: Iterable[EndpointHour]) -> tuple[str, int]:
    """The kind of WRONG that was seen most, and how often; "" and 0: none was."""
    count: Counter[str] = Counter()
    for hour in hours:
        count.update({kind: number for kind, of in WRONG.items() if (number := of(hour)) > 0})
    return count.most_common(1)[0] if count else ("", 0)


def _incident(
    provider: str, bad: Sequence[tuple[str, EndpointHour]], first: int, last: int, now_hour: int, down: Container[str]
) -> Incident:
    failed: Counter[str] = Counter()
    for id_, hour in bad:
        failed[id_] += hour.failed
    return Incident(
        provider=provider,
        endpoints=tuple(id_ for id_, _ in failed.most_common()),
        first_hour=first,
        last_hour=last,
        kind=most_common(structs.replace(hour, limited=0) for _, hour in bad)[0],
        failed=failed.total(),
        asked=sum(hour.requests - hour.limited for _, hour in bad),
        going_on=last >= now_hour or (last == now_hour - 1 and any(id_ in down for id_, _ in bad)),
    )
