"""The fault matrix over real sockets: each cell of matrix.toml ends as it says, and costs what it says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.matrix import CELLS, WORDS, Case, Expected, cases, rows
from tests.faults.scene import Played, cuts_of_bodies, play
from tests.gateway.clients import run, send
from tests.support import ask, offer, staged
from tollway.domain.health import Outcome

CASES = tuple(cases())
IDS = [f"U-{number}" for number in range(1, 38)]
PATIENCE_S = 480.0


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """Every request of the matrix, played once."""
    found: dict[str, Played] = {}

    async def scene() -> None:
        found.update(await play(CASES, Path(tmp_path_factory.mktemp("faults"))))

    run(scene, PATIENCE_S)
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_cell(played: dict[str, Played], case: Case) -> None:
    """Status or end, error code, text, who was tried and what became of it; and the bill, to the nanodollar."""
    it, expected = played[case.name], case.expected
    seen, record = it.seen, it.record
    tried = [(attempt.provider[-1], attempt.outcome.value) for attempt in record.attempts]
    assert tried == _attempts(case)
    assert seen.status == expected.status
    assert b"127.0.0.1" not in seen.raw, "addresses are the operator's own business"
    if expected.then in ("a", "c"):
        assert seen.complete
        assert b'"error"' not in seen.raw, "what failed before is not seen"
        assert record.provider is not None
        assert record.provider[-1] == expected.then
        assert seen.finish == (expected.finish or seen.finish) != "error"
    else:
        assert seen.failed_in_order
        assert seen.error is not None
        assert seen.error["code"] == (expected.code if expected.then == "breaks" else expected.status)
        assert record.finish_reason == "error"
    if expected.then == "breaks":
        assert seen.finish == "error"
    if case.text is not None:
        assert seen.text == case.text
    if expected.retry_after is not None:
        assert seen.headers["retry-after"] == str(expected.retry_after)
    assert it.charged == record.cost == expected.bill
    if expected.absorbed == "the rest":
        assert record.absorbed > 0
    else:
        assert record.absorbed == expected.absorbed


def _attempts(case: Case) -> list[tuple[str, str]]:
    met, well = case.row.outcome, Outcome.SUCCEEDED.value
    match case.expected.then:
        case "a":
            return [("a", well)]
        case "c":
            return [("a", met), ("b", met), ("c", well)]
        case _:
            return [("a", met)]


def test_bodies_are_cut_behind_so_many_words() -> None:
    """Where `{cut}` cuts, the simulator's whole answer has said 0, 1 or 8 words."""

    async def scene() -> None:
        async with staged(offer("test/model", f"m0000@text={' '.join(WORDS)}")) as stage:
            body = json.dumps(ask("m0000@text=" + " ".join(WORDS))).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: s\r\ncontent-length: {len(body)}\r\n"
            seen = await send(stage.simulator.port, f"{head}connection: close\r\n\r\n".encode() + body)
            for tokens, cut in cuts_of_bodies().items():
                assert seen.body[:cut].endswith(b'"content":"' + " ".join(WORDS[:tokens]).encode())

    run(scene)


def test_every_cell_is_there(tell: Callable[[str], None]) -> None:
    """37 faults x 12 cells: each has its expectation, or the reason why there is none. The count is printed."""
    found = rows()
    assert sorted({row.id for row in found}, key=IDS.index) == IDS
    applies = {(row.id, cell) for row in found for cell in CELLS if isinstance(row.at(cell), Expected)}
    reasons = [row.at(cell) for row in found for cell in CELLS if not isinstance(row.at(cell), Expected)]
    assert all(str(reason).startswith("n/a: ") for reason in reasons)
    total = len(IDS) * len(CELLS)
    told = f"{len(applies)} cells with a bill, {total - len(applies)} n/a, {len(CASES)} requests"
    tell(f"fault matrix: {total} cells of {IDS[0]} to {IDS[-1]}: {told}")
