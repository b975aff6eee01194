"""Writes the table of docs/balancing.md: what both policies make of the same troubles, on a virtual clock.

Run from the checkout's root as `python -m scripts.balancing_table`. `--check` says whether the table is what the code
says now. The dice are seeded, so that it says the same each time.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.routing.simulation import Behave, City, Told, between, dead, failing, late, limited, well
from tollway.routing.hedge import EXTRA_MAX
from tollway.routing.order import Policy

PAGE = Path(__file__).resolve().parent.parent / "docs" / "balancing.md"
START, END = "<!-- policies:start -->", "<!-- policies:end -->"
SEED, PER_S, SECONDS = 7, 20, 300
POLICIES: tuple[Policy, ...] = ("traffic", "price")
HEADS = ("Trouble", "Policy", "USD per 1M", "first token p50", "p99", "succeeded", "attempts per request")

SLOW, MIDDLE, FAST = well(0.6, 0.4, 50.0), well(0.4, 0.4, 90.0), well(0.3, 0.4, 140.0)

Scene = Callable[[], dict[str, tuple[float, Behave]]]
"""Makes the providers, by name: dollars per million tokens, and what each does. Anew for each run: some count."""


def spikes(otherwise: Behave) -> Behave:
    """Begins eight times later in the first 20 seconds of each minute."""
    slow = late(1.0, 8.0, otherwise)
    return lambda now_s, dice: (slow if now_s % 60 < 20 else otherwise)(now_s, dice)


HEDGED = "stalls: 2% begin 10x later everywhere"
SCENES: dict[str, Scene] = {
    "none": lambda: {"slow": (1.0, SLOW), "middle": (1.1, MIDDLE), "fast": (1.4, FAST)},
    "outage: middle is dead for 100 s": lambda: {
        "slow": (1.0, SLOW),
        "middle": (1.1, between(100, 200, dead, MIDDLE)),
        "fast": (1.4, FAST),
    },
    "spikes: middle begins 8x later for 20 s of each minute": lambda: {
        "slow": (1.0, SLOW),
        "middle": (1.1, spikes(MIDDLE)),
        "fast": (1.4, FAST),
    },
    "429 windows: middle takes 3 a second": lambda: {
        "slow": (1.0, SLOW),
        "middle": (1.1, limited(3, MIDDLE)),
        "fast": (1.4, FAST),
    },
    "random failures: 5% everywhere": lambda: {
        "slow": (1.0, failing(0.05, SLOW)),
        "middle": (1.1, failing(0.05, MIDDLE)),
        "fast": (1.4, failing(0.05, FAST)),
    },
    HEDGED: lambda: {
        "slow": (1.0, late(0.02, 10.0, SLOW)),
        "middle": (1.1, late(0.02, 10.0, MIDDLE)),
        "fast": (1.4, late(0.02, 10.0, FAST)),
    },
}


def row(trouble: str, policy: Policy, told: Told) -> str:
    """A line of the table."""
    cells = (
        trouble,
        f"`{policy}`",
        f"{told.usd / told.succeeded:.3f}",
        f"{told.percentile(50):.2f} s",
        f"{told.percentile(99):.2f} s",
        f"{told.succeeded / told.requests:.2%}",
        f"{told.attempts / told.requests:.3f}",
    )
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """Every trouble through both policies."""
    lines = [f"| {' | '.join(HEADS)} |", f"|{'---|' * len(HEADS)}"]
    lines += [
        row(trouble, policy, City(scene(), seed=SEED, policy=policy).run(PER_S, SECONDS))
        for trouble, scene in SCENES.items()
        for policy in POLICIES
    ]
    lines += [
        row(
            "the same, with hedging of 5%",
            policy,
            City(SCENES[HEDGED](), seed=SEED, policy=policy, hedge=EXTRA_MAX).run(PER_S, SECONDS),
        )
        for policy in POLICIES
    ]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with the table as it is now. ValueError: the page has lost its marks."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{PAGE.name} needs the lines {START} and {END}")
    return f"{before}{START}\n{table()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the table, or with `--check` compare it. -> exit status."""
    found = PAGE.read_text(encoding="utf-8")
    wanted = page(found)
    if arguments == ["--check"]:
        print(f"the table of {PAGE.name} is {'what the code says' if found == wanted else 'stale: run `make docs`'}")
        return int(found != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"wrote the table of {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
