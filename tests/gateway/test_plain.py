"""Embeddings and rerank are metered as chat is: exact, never overdrawn, and by the same table of who pays."""

import asyncio
from typing import Any

import pytest

from tests.gateway.clients import Leave, Seen, broken_promises, generations, post, posted, run, send, settled, until
from tests.gateway.oracle import USD, nano, price
from tests.support import Offer, Secret, Stage, offer, staged
from tollway.billing.tokens import Tokenizer
from tollway.domain.catalog import Operation
from tollway.domain.generation import Generation

RATE = "0.000001"
TEXT = "Say hello."
TOKENS = 3
"""Of that text, as the simulator counts them: four characters are a token."""


def embedder(upstream: str = "m", *, at: tuple[str, ...] = ("a",), **fields: Any) -> Offer:
    named = {"prompt": RATE, "completion": None} | fields
    return offer("test/embed", upstream, at=at, operation=Operation.EMBEDDINGS, **named)


def reranker(upstream: str = "r") -> Offer:
    return offer(
        "test/rerank", upstream, prompt=None, completion=None, price_request="0.002", operation=Operation.RERANK
    )


async def embed(
    stage: Stage, secret: Secret | None = None, *, leave: Leave | None = None, path: str = "embeddings", **fields: Any
) -> Seen:
    body = {"model": "test/embed", "input": TEXT, "dimensions": 4} | fields
    return await send(stage.house.port, post(secret or stage.key, body, f"/api/v1/{path}"), leave)


async def rank(stage: Stage, documents: list[str]) -> Seen:
    body = {"model": "test/rerank", "query": "hello", "documents": documents}
    return await send(stage.house.port, post(stage.key, body, "/api/v1/rerank"))


async def the_record(stage: Stage) -> Generation:
    """The one generation, after everything is in the database and in order."""
    await settled(stage)
    assert await broken_promises(stage.house.database) == []
    assert stage.house.gateway.books.held == 0
    [found] = await generations(stage)
    assert await posted(stage) == 100 * USD - found.cost
    return found


def test_what_it_costs() -> None:
    """The provider's tokens at the plan's price; the record says what kind of request it was."""

    async def scene() -> None:
        async with staged(embedder()) as stage:
            seen = await embed(stage, user="alice", session_id="s")
            found = await the_record(stage)
            assert found.cost == price(TOKENS, 0, at=(RATE, "0")) == nano(seen.json["usage"]["cost"])
            assert (found.usage.prompt, found.usage.completion, found.usage.estimated) == (TOKENS, 0, False)
            assert (found.api_type, found.finish_reason, found.streamed) == ("embeddings", "stop", False)
            assert (found.external_user, found.session_id) == ("alice", "s")
            assert stage.bodies()[0]["user"] not in ("alice", None), "an end user's id never leaves as it is"

    run(scene)


@pytest.mark.parametrize("kind", ["none", "zero", "negative", "huge", "float", "string"])
def test_usage_that_is_absent_or_nonsense_is_estimated(kind: str) -> None:
    """Counted by our own tokenizer, and marked so. (Voyage was recorded to report 0 tokens for two words.)"""

    async def scene() -> None:
        async with staged(embedder(f"m@usage={kind}")) as stage:
            assert (await embed(stage, input=[TEXT, TEXT])).status == 200
            found = await the_record(stage)
            tokens = 2 * Tokenizer().count(TEXT)
            assert (found.usage.prompt, found.usage.estimated) == (tokens, True)
            assert found.cost == price(tokens, 0, at=(RATE, "0"))

    run(scene)


def test_a_rerank_is_billed_by_the_search_unit() -> None:
    """A hundred documents are one unit, and one more makes two; so it is where the provider does not say."""

    async def scene() -> None:
        for upstream in ("r", "r@usage=none"):
            for documents, units in ((1, 1), (100, 1), (101, 2)):
                async with staged(reranker(upstream)) as stage:
                    seen = await rank(stage, ["hello"] * documents)
                    assert len(seen.json["results"]) == documents
                    assert seen.json["usage"]["search_units"] == units
                    found = await the_record(stage)
                    assert found.cost == price(0, 0, request="0.002") * units

    run(scene)


def test_credits_are_spent_exactly_and_never_beyond() -> None:
    """300 at once on a dollar at a cent each: 100 answers, 200 refusals, nothing left and nothing overdrawn."""

    async def scene() -> None:
        async with staged(embedder(prompt=None, price_request="0.01")) as stage:
            secret = await stage.new_key("poor", credits_usd="1")
            seen = await asyncio.gather(*(embed(stage, secret) for _ in range(300)))
            await settled(stage)
            assert sorted({each.status for each in seen}) == [200, 402]
            assert sum(each.status == 200 for each in seen) == 100
            assert await posted(stage, "poor") == 0
            assert stage.simulator.stats.requests == 100, "who is refused costs nothing upstream"
            assert await broken_promises(stage.house.database) == []

    run(scene)


def test_the_next_provider_answers() -> None:
    """A failure falls back as in chat; only the attempt that answered is charged, and both are recorded."""

    async def scene() -> None:
        async with staged(embedder(at=("a", "b"))) as stage:
            for slug in ("a", "b"):
                stage.simulator.script(slug, ["fail=503"] if slug == "a" else [])
            seen = await embed(stage, provider={"order": ["a", "b"]})
            assert seen.status == 200
            found = await the_record(stage)
            assert [each.outcome.value for each in found.attempts] == ["provider_error", "succeeded"]
            assert (found.provider, found.cost) == ("b", price(TOKENS, 0, at=(RATE, "0")))

    run(scene)


@pytest.mark.parametrize(
    ("told", "status"),
    [("fail=500", 502), ("fail=429", 429), ("fail=400", 400), ("fail=html", 502), ("then=truncate_json", 502)],
)
def test_failures_cost_nothing(told: str, status: int) -> None:
    """Every attempt failed, or came without an answer: an error in order, and no charge."""

    async def scene() -> None:
        async with staged(embedder(f"m@{told}")) as stage:
            seen = await embed(stage)
            assert seen.status == status
            assert seen.error is not None
            found = await the_record(stage)
            assert (found.cost, found.finish_reason) == (0, "error")

    run(scene)


def test_who_leaves_pays_for_what_was_sent() -> None:
    """An answer that is not streamed is read to its end, and charged in full (MONEY.md)."""

    async def scene() -> None:
        async with staged(embedder("m@latency_ms=300")) as stage:
            await embed(stage, leave=Leave(after_s=0.1))
            await until(lambda: stage.house.committer.committed == 1)
            found = await the_record(stage)
            assert found.cost == price(TOKENS, 0, at=(RATE, "0"))
            assert not found.cancelled

    run(scene)


def test_many_inputs_are_asked_in_parts() -> None:
    """2,048 inputs are the most that a provider takes: 3,000 are two calls, one answer, one charge, in order."""

    async def scene() -> None:
        async with staged(embedder()) as stage:
            texts = [f"{number:04}" for number in range(3000)]
            seen = await embed(stage, input=texts, dimensions=2)
            assert [len(each["input"]) for each in stage.bodies()] == [2048, 952]
            vectors = seen.json["data"]
            assert [each["index"] for each in vectors] == list(range(3000))
            single = await embed(stage, input=texts[2500], dimensions=2)
            assert single.json["data"][0]["embedding"] == vectors[2500]["embedding"]
            await settled(stage)
            costs = sorted(each.cost for each in await generations(stage))
            assert costs == [price(1, 0, at=(RATE, "0")), price(3000, 0, at=(RATE, "0"))]
            assert await broken_promises(stage.house.database) == []

    run(scene)


def test_an_answer_that_breaks_off_between_parts() -> None:
    """The second part fails: an error, no charge, and what the first part cost us is absorbed."""

    async def scene() -> None:
        async with staged(embedder()) as stage:
            stage.simulator.script("m", ["", "fail=500"])
            seen = await embed(stage, input=["abcd"] * 3000, dimensions=2)
            assert seen.status == 502
            found = await the_record(stage)
            assert (found.cost, found.absorbed) == (0, price(2048, 0, at=(RATE, "0")))

    run(scene)


def test_what_can_not_be_paid_is_not_asked() -> None:
    """The bound is counted where bytes do not fit the balance; below it, 402 and nothing upstream."""

    async def scene() -> None:
        async with staged(embedder()) as stage:
            words = "hello " * 200
            enough = await stage.new_key("enough", credits_usd="0.0006")  # 200 tokens x 1.3, but 1,200 bytes
            assert (await embed(stage, enough, input=words)).status == 200
            little = await stage.new_key("little", credits_usd="0.0002")
            refused = await embed(stage, little, input=words)
            assert refused.status == 402
            assert stage.simulator.stats.requests == 1

    run(scene)
