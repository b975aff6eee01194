"""`provider.options` over sockets: each provider gets its own entry alone, and no bill is above its hold."""

from typing import Any

from tests.gateway.clients import broken_promises, chat, generations, run, settled
from tests.support import offer, staged

GREEDY: dict[str, Any] = {
    "max_tokens": 10_000,
    "n": 8,
    "best_of": 8,
    "model": "dearer",
    "stream": True,
    "messages": [{"role": "user", "content": "word " * 5_000}],
    "extra_body": {"n": 8},
}


def test_each_provider_gets_its_own_entry() -> None:
    """Of the first, which fails, and of the one that answers; by base slug and in whatever case."""

    async def scene() -> None:
        options = {"A": {"seed": 1, "guided_regex": "x"}, "b": {"seed": 2}, "c": {"seed": 3}, "nobody": {"seed": 4}}
        async with staged(offer("test/model", "m@fail=503", at=("a",)), offer("test/model", "m", at=("b",))) as stage:
            seen = await chat(stage, seed=9, provider={"order": ["a", "b"], "options": options})
            assert seen.status == 200
            first, second = stage.bodies()
            assert (first["seed"], first["guided_regex"]) == (1, "x")
            assert second["seed"] == 2
            assert "guided_regex" not in second
            assert not [body for body in (first, second) if "provider" in body or "options" in body]

    run(scene)


def test_options_cannot_make_it_dearer() -> None:
    """What lengthens prompt or answer, or asks for several, is dropped: the same body, the same bill."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=500")) as stage:
            for stream in (True, False):
                plain = await chat(stage, max_tokens=5, stream=stream)
                greedy = await chat(stage, max_tokens=5, stream=stream, provider={"options": {"a": GREEDY}})
                assert (plain.status, greedy.status) == (200, 200)
                one, other = stage.bodies()[-2:]
                assert one == other
            await settled(stage)
            assert len({(each.cost, each.usage) for each in await generations(stage)}) == 1
            assert not await broken_promises(stage.house.database)

    run(scene)


def test_options_that_are_none() -> None:
    """A mistake of the caller, told with the field's path; never a 500."""

    async def scene() -> None:
        async with staged(offer("test/model", "m")) as stage:
            for options in ({"a": 7}, {"a": [1]}, [1], "a"):
                assert (await chat(stage, provider={"options": options})).status == 400
            assert not stage.received

    run(scene)
