"""What only the operator can mend: refused keys and models that are not there are switched off, with an alarm."""

import pytest
from structlog.testing import capture_logs

from tests.gateway.clients import chat, run
from tests.support import Stage, offer, staged

ALONE = {"order": ["a"], "allow_fallbacks": False}


async def refused(stage: Stage, told: str, times: int, model: str = "test/one") -> None:
    """So many requests whose provider "a" answers so; their callers never see a 401."""
    stage.simulator.script("a", [told] * times)
    for _ in range(times):
        assert (await chat(stage, model=model, provider=ALONE)).status == 502


async def alarms(stage: Stage) -> dict[str, str]:
    return {subject: alarm.text for subject, alarm in stage.house.gateway.alarms.items()}


@pytest.mark.parametrize(
    ("status", "subject", "others"),
    [(401, "a", True), (402, "a", True), (403, "a:one", False), (404, "a:one", False)],
)
def test_what_is_refused_thrice_is_switched_off(status: int, subject: str, others: bool) -> None:
    """The credential with all its endpoints, or the one endpoint; others take over, and a success ends the alarm."""

    async def scene() -> None:
        offers = (offer("test/one", "one", at=("a", "b")), offer("test/two", "two", at=("a", "b")))
        async with staged(*offers) as stage:
            board, now_s = stage.house.gateway.health, stage.house.now_s
            await refused(stage, f"fail={status}", 2)
            assert await alarms(stage) == {}
            with capture_logs() as logs:
                await refused(stage, f"fail={status}", 1)
            assert list(await alarms(stage)) == [subject]
            assert str(status) in (await alarms(stage))[subject]
            assert [each["subject"] for each in logs if each["log_level"] == "error"] == [subject]
            assert "switched off" in str(board.looks_down("a:one", now_s()))
            assert (board.looks_down("a:two", now_s()) is not None) is others
            assert board.looks_down("b:one", now_s()) is None

            seen = await chat(stage, model="test/one")
            assert seen.status == 200, "the other provider answers"
            assert (await chat(stage, model="test/one", provider=ALONE)).status == 200
            assert await alarms(stage) == {}
            assert board.looks_down("a:two", now_s()) is None

    run(scene)


def test_a_success_between_them_starts_the_count_again() -> None:
    """A provider that refuses now and then is not switched off, nor its key."""

    async def scene() -> None:
        async with staged(offer("test/one", "one", at=("a",))) as stage:
            for _ in range(2):
                await refused(stage, "fail=401", 2)
                assert (await chat(stage, model="test/one")).status == 200
            assert await alarms(stage) == {}

    run(scene)
