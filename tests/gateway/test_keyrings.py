"""Several keys of one provider, over sockets: what one key is refused the other one does, and bills stay exact."""

import json
from collections import Counter
from collections.abc import Mapping

import pytest

from tests.gateway.clients import Seen, broken_promises, chat, generations, posted, run, settled
from tests.support import Stage, offer, staged
from tollway.config import Upstream
from tollway.domain.health import Outcome
from tollway.domain.money import NANO
from tollway.telemetry.metrics import prometheus_text

ONE, TWO = "sk-first-secret", "sk-second-secret"
BOTH = {"keys": (ONE, TWO)}
ALONE = {"only": ["a"], "allow_fallbacks": False}


def tell(stage: Stage, keys: Mapping[str, str]) -> None:
    """From now on requests with these keys are answered so."""
    for key, told in keys.items():
        stage.simulator.script(key, [told] * 500)


def asked(stage: Stage) -> Counter[str]:
    """How often the provider was asked with each key."""
    return Counter(each.headers["authorization"].removeprefix("Bearer ") for each in stage.received)


@pytest.mark.parametrize("told", ["fail=429", "fail=401", "fail=402", "fail=403"])
@pytest.mark.parametrize("stream", [True, False])
def test_one_key_fails_and_nobody_notices(told: str, stream: bool) -> None:
    """Every request is answered by the other key and billed once; soon the bad key is asked no more."""

    async def scene() -> None:
        async with staged(offer(at=("a",)), provider=BOTH) as stage:
            tell(stage, {ONE: told})
            seen: list[Seen] = [await chat(stage, stream=stream) for _ in range(20)]
            assert [each.status for each in seen] == [200] * 20
            assert asked(stage)[TWO] == 20
            assert 1 <= asked(stage)[ONE] <= 3, "a 429 pauses it, three refusals switch it off"
            board, now_s = stage.house.gateway.health, stage.house.now_s()
            assert board.looks_down("a:test/model", now_s) is None
            assert board.status("a:test/model", now_s)[0] == "up"
            await settled(stage)
            records = await generations(stage)
            retried = [each for each in records if len(each.attempts) > 1]
            assert len(retried) == asked(stage)[ONE]
            assert {each.attempts[0].key for each in retried} == {1}
            assert {each.attempts[-1].key for each in records} == {2}
            assert len({(each.cost, each.usage) for each in records}) == 1, "what failed costs nothing"
            assert not [each for each in records if each.absorbed]
            assert await posted(stage) == 100 * NANO - sum(each.cost for each in records)
            assert not await broken_promises(stage.house.database)

    run(scene)


def test_both_keys_fail() -> None:
    """The endpoint is unwell then, as one with a single key: another provider answers, and who has none is told."""

    async def scene() -> None:
        async with staged(offer(at=("a", "b")), provider=BOTH) as stage:
            tell(stage, {ONE: "fail=429", TWO: "fail=429"})
            alone = await chat(stage, provider=ALONE)
            assert (alone.status, asked(stage)) == (429, {ONE: 1, TWO: 1})
            board, now_s = stage.house.gateway.health, stage.house.now_s()
            assert (
                board.looks_down("a:test/model", now_s)
                == "none of its 2 keys can be used: rate limited by the provider"
            )
            assert (await chat(stage, provider=ALONE)).status == 429, "tried all the same, for want of others"
            tell(stage, {ONE: "", TWO: ""})
            seen = await chat(stage)
            assert seen.status == 200
            await settled(stage)
            assert (await generations(stage))[-1].provider == "b"

    run(scene)


def test_two_of_an_endpoints_keys_and_then_another_endpoint() -> None:
    """Keys may share an account and its limits: where others could be asked they have their turn after two."""

    async def scene() -> None:
        keys = {"keys": tuple(f"k{number}" for number in range(4))}
        async with staged(offer(at=("a",)), offer(at=("b",)), provider=keys) as stage:
            tell(stage, dict.fromkeys(keys["keys"], "fail=429"))
            first = await chat(stage, provider={"order": ["a", "b"]})
            assert first.status == 429
            tried = [each.path.partition("/p/")[2][0] for each in stage.received]
            assert tried == ["a", "a", "b", "b"]
            stage.received.clear()
            assert (await chat(stage, provider=ALONE)).status == 429
            assert len(stage.received) in (1, 2), "the two that were not asked yet; the others are paused"

    run(scene)


def test_a_refused_key_raises_an_alarm_of_its_own() -> None:
    """It names the key by its place; the other key goes on for every model, and a success ends the alarm."""

    async def scene() -> None:
        offers = (offer("test/one", "one", at=("a",)), offer("test/two", "two", at=("a",)))
        async with staged(*offers, provider=BOTH) as stage:
            gateway, now_s = stage.house.gateway, stage.house.now_s
            tell(stage, {TWO: "fail=401"})
            for _ in range(30):
                assert (await chat(stage, model="test/one")).status == 200
            assert {subject: alarm.text for subject, alarm in gateway.alarms.items()} == {
                "a key 2": "the provider refuses our credential (401)"
            }
            assert asked(stage)[TWO] == 3
            told = gateway.health.keys("a:two", 2, now_s())
            assert told == [("key 1", None), ("key 2", "switched off: the provider refuses our credential (401)")]
            assert (await chat(stage, model="test/two")).status == 200
            assert asked(stage)[TWO] == 3, "the key is switched off for the provider's other models, too"

            tell(stage, {TWO: ""})
            for id_ in ("a:one", "a:two"):
                gateway.health.switch_on([id_], now_s(), 2)
            while "a key 2" in gateway.alarms:
                assert (await chat(stage, model="test/one")).status == 200
            assert gateway.health.keys("a:two", 2, now_s())[1] == ("key 2", None)

    run(scene)


def test_keys_share_the_work_and_are_never_named() -> None:
    """Both are used; records, metrics, traces and explanations say `key 1` and `key 2`, and no secret."""

    async def scene() -> None:
        async with staged(offer(at=("a",)), provider=BOTH) as stage:
            for _ in range(30):
                assert (await chat(stage)).status == 200
            assert set(asked(stage)) == {ONE, TWO}
            assert min(asked(stage).values()) >= 5
            await settled(stage)
            records = await generations(stage)
            assert Counter(each.attempts[0].key for each in records) == {1: asked(stage)[ONE], 2: asked(stage)[TWO]}
            text = prometheus_text(stage.house.gateway.metrics).decode()
            line = 'tollway_key_attempts_total{key="key 1",outcome="succeeded",provider="a"}'
            assert f"{line} {asked(stage)[ONE]}.0" in text
            assert "sk-" not in text
            assert "sk-" not in repr(stage.house.config)
            assert "sk-" not in json.dumps([repr(each) for each in records])

    run(scene)


def test_other_failures_are_the_endpoints() -> None:
    """A 500 says nothing about the key: the next endpoint is asked, not the other key."""

    async def scene() -> None:
        async with staged(offer(at=("a",)), provider=BOTH, upstream=Upstream(attempts_max=4)) as stage:
            tell(stage, {ONE: "fail=500", TWO: "fail=500"})
            assert (await chat(stage)).status == 502
            assert sum(asked(stage).values()) == 1
            for _ in range(4):
                await chat(stage)
            down = stage.house.gateway.health.looks_down("a:test/model", stage.house.now_s())
            assert down == f"5 failures in a row, the last: {Outcome.PROVIDER_ERROR.value}"

    run(scene)
