"""`kill -9` under load: no charge or credit missing or doubled, no limit passed. `make chaos CYCLES=50` for many."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import uvloop

from tests.chaos.crash import STREAMS, crash

CYCLES = int(os.environ.get("CYCLES", "5"))
SEED = int(os.environ.get("SEED", "0"))


def test_kill_9_under_40_streams(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Each cycle is judged by the clients' own log, after a restart that finds the ledger in order."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        play = runner.run(crash(tmp_path, CYCLES, SEED))
    assert sum(play.counts.values()) >= CYCLES * STREAMS
    assert play.counts["end seen, charged"] > 0
    assert play.counts["cut off, free"] > 0
    assert play.counts["beyond the key's limit"] > 0
    for what in ("bought", "codes redeemed"):
        assert play.shoppers.counts[what] >= max(1, CYCLES // 5), play.shoppers.counts
    found = dict(play.counts | play.shoppers.counts)
    tell(f"chaos: {CYCLES} kills, {found}, slowest start {max(play.started_in_s):.2f} s")
