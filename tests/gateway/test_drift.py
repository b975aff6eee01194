"""A provider that lies about tokens, over sockets: the record is flagged, an alarm is raised, the bill is bounded."""

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from tests.gateway.clients import broken_promises, chat, generations, run, settled
from tests.support import Stage, offer, staged
from tollway.billing.drift import BASE_MIN, RECENT
from tollway.config import Upstream
from tollway.telemetry.metrics import prometheus_text

WORDS = "the quick brown fox jumps over a lazy dog and thinks of nothing at all "


def silent(stage: Stage) -> None:
    """Its models do not think: an answer's tokens are those that one sees."""
    stage.change_endpoints(lambda each: replace(each, parameters=each.parameters - {"reasoning"}))


async def ask_often(stage: Stage, times: int) -> None:
    for number in range(times):
        content = f"{number} " + WORDS * (25 + number % 7)
        assert (await chat(stage, content=content, max_tokens=200)).status == 200


def test_a_provider_begins_to_lie() -> None:
    """A tenth more than it used to count raises one alarm for prompts and one for answers; the truth ends them."""

    async def scene() -> None:
        async with staged(offer(at=("a",)), upstream=Upstream(recount_share=1.0)) as stage:
            silent(stage)
            drift = stage.house.gateway.drift
            stage.simulator.script("a", ["tokens=60"] * (BASE_MIN + RECENT))
            await ask_often(stage, BASE_MIN + RECENT)
            assert not drift.alarms
            stage.simulator.script("a", ["tokens=60,overcount=1.1"] * RECENT)
            with capture_logs() as logs:
                await ask_often(stage, RECENT)
            assert set(drift.alarms) == {"a:test/model, prompt tokens", "a:test/model, completion tokens"}
            assert all("% more than it used to" in each.text for each in drift.alarms.values())
            assert len([each for each in logs if each["log_level"] == "error"]) == 2
            assert "tollway_drifting 2.0" in prometheus_text(stage.house.gateway.metrics).decode()
            stage.simulator.script("a", ["tokens=60"] * RECENT)
            await ask_often(stage, RECENT)
            assert not drift.alarms

    run(scene)


@pytest.mark.parametrize(
    ("share", "thinks", "told", "flag"),
    [
        (1.0, False, "tokens=100,overcount=3", "prompt: the provider counts"),
        (1.0, False, "tokens=100", None),
        (1.0, True, "tokens=100,overcount=3", "prompt: "),
        (1.0, False, "tokens=100,reasoning=50,overcount=3", None),
        (0.5, False, "tokens=100,overcount=3", None),
        (0.0, False, "tokens=100,overcount=3", None),
    ],
)
def test_a_single_answer_is_flagged(share: float, thinks: bool, told: str, flag: str | None) -> None:
    """In its record; not what was not counted, not what thinks, and never more is charged than was held."""

    async def scene() -> None:
        async with staged(offer(at=("a",)), upstream=Upstream(recount_share=share)) as stage:
            if not thinks:
                silent(stage)
            stage.simulator.script("a", [told])
            assert (await chat(stage, content=WORDS * 30, max_tokens=200)).status == 200
            await settled(stage)
            [record] = await generations(stage)
            assert (record.usage_flag or "").startswith(flag or "")
            assert (record.usage_flag is None) is (flag is None)
            assert "completion: " not in (record.usage_flag or "") or not thinks
            flags = prometheus_text(stage.house.gateway.metrics).decode()
            assert f"tollway_usage_flags_total {float(flag is not None)}" in flags
            assert not await broken_promises(stage.house.database)

    run(scene)
