"""MONEY.md, "Who pays for what": each row over real sockets, to the nanodollar, judged by an oracle of its own."""

import asyncio
from typing import Any

import pytest

from tests.gateway.clients import Leave, Seen, broken_promises, chat, generations, posted, run, settled
from tests.gateway.oracle import USD, nano, price, prompt_tokens
from tests.support import Offer, Stage, offer, staged
from tollway.billing.tokens import MESSAGE_TOKENS, Tokenizer
from tollway.domain.generation import Generation

ASKED = "Say hello."
PROMPT_TOKENS = prompt_tokens(ASKED)
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


class Outcome:
    """What one request led to: what its caller saw, its record, what it cost, and what the metrics counted."""

    def __init__(self, stage: Stage, seen: Seen, record: Generation, charged: int, absorbed: int) -> None:
        self.seen = seen
        self.record = record
        self.charged = charged
        self.absorbed = absorbed
        self.alarms = stage.house.gateway.metrics.alarms
        self.upstream = list(stage.simulator.stats.log)


def after(*offers: Offer, leave: Leave | None = None, provider: dict[str, Any] | None = None, **fields: Any) -> Outcome:
    """Plays one request in a town of its own. The ledger must be in order afterwards, whatever happened."""
    found: list[Outcome] = []

    async def scene() -> None:
        async with staged(*offers, provider=provider) as stage:
            seen = await chat(stage, leave=leave, **fields)
            await settled(stage)
            [record] = await generations(stage)
            charged = 100 * USD - await posted(stage)
            rows = await stage.house.database.read("SELECT COALESCE(SUM(amount), 0) FROM transfers WHERE kind = 'absorb'")
            assert record.cost == charged
            assert record.absorbed == rows[0][0]
            assert stage.house.gateway.books.held == 0
            assert stage.house.gateway.books._leases["home"].available == await posted(stage)
            assert await broken_promises(stage.house.database) == []
            found.append(Outcome(stage, seen, record, charged, rows[0][0]))

    run(scene)
    return found[0]


def counted(text: str) -> tuple[int, int]:
    """The tokens of our prompt and of a text by the tokenizer that ships with us."""
    tokenizer = Tokenizer()
    return tokenizer.count(ASKED) + MESSAGE_TOKENS, tokenizer.count(text)


@BOTH
def test_finished_normally(stream: bool) -> None:
    """The upstream's usage at the prices of the plan."""
    outcome = after(offer("test/model", "m@tokens=37"), stream=stream)
    assert outcome.charged == price(PROMPT_TOKENS, 37)
    assert outcome.seen.complete
    assert outcome.seen.usage is not None
    assert nano(outcome.seen.usage["cost"]) == outcome.charged
    assert (outcome.record.usage.prompt, outcome.record.usage.completion) == (PROMPT_TOKENS, 37)
    assert (outcome.absorbed, outcome.alarms, outcome.record.usage.estimated) == (0, 0, False)


@BOTH
@pytest.mark.parametrize("prices", [("0.0000000001", "0.00000000025"), ("0.00000015", "0.0000006"), ("0.03", "0.06")])
def test_every_price_is_exact(prices: tuple[str, str], stream: bool) -> None:
    """Prices below a nanodollar and above a cent a token: exact, rounded half to even once."""
    one = offer("test/model", "m@tokens=37,cached=0", prompt=prices[0], completion=prices[1])
    outcome = after(one, stream=stream, max_tokens=50)
    assert outcome.charged == price(PROMPT_TOKENS, 37, at=prices)


@BOTH
@pytest.mark.parametrize("kind", ["none", "zero", "negative", "huge", "float", "nan", "string"])
def test_usage_that_is_absent_or_nonsense_is_estimated(kind: str, stream: bool) -> None:
    """Counted by our own tokenizer, marked as estimated, and charged like any other (FAULTS.md U-34)."""
    outcome = after(offer("test/model", f"m@tokens=37,usage={kind}"), stream=stream)
    assert outcome.seen.complete
    prompt, completion = counted(outcome.seen.text)
    assert outcome.record.usage.estimated
    assert (outcome.record.usage.prompt, outcome.record.usage.completion) == (prompt, completion)
    assert outcome.charged == price(prompt, completion)
    assert completion > 20, "the answer has 37 words and marks"


@BOTH
def test_cost_above_the_hold_is_captured_up_to_it(stream: bool) -> None:
    """A provider that counts more than was bounded: the hold is captured, the excess absorbed, and an alarm counted."""
    # 60 tokens although 20 were asked for; the bound of the prompt is the request's bytes.
    outcome = after(offer("test/model", "m@endless=1,tokens=60", prompt="0"), stream=False, max_tokens=20)
    hold = price(0, 20)
    assert outcome.charged == hold
    assert outcome.absorbed == price(0, 20_000) - hold, "what is endless and not streamed has 20,000 tokens"
    assert outcome.alarms == 1
    del stream


def test_endless_tokens_are_cut() -> None:
    """Past max_tokens: cut where the hold ends, finished with `length`, the provider told to stop (FAULTS.md U-32)."""
    outcome = after(offer("test/model", "m@endless=1,tokens_per_s=4000"), stream=True, max_tokens=30)
    assert outcome.seen.complete
    assert outcome.seen.finish == "length"
    assert outcome.upstream[0].outcome == "aborted"
    _, completion = counted(outcome.seen.text)
    assert outcome.record.usage.estimated
    assert outcome.charged <= price(len(b'{"model": "test/model"}') + 120, 30)
    assert outcome.charged > 0
    assert completion < 30 * 8


@BOTH
@pytest.mark.parametrize("fault", ["truncate", "reset", "eof", "error_event"])
def test_upstream_died_after_some_output(fault: str, stream: bool) -> None:
    """Nothing is charged. What it cost us is recorded as absorbed where output had come (in a stream)."""
    outcome = after(offer("test/model", f"m@tokens=37,after=10,then={fault}"), stream=stream)
    assert outcome.charged == 0
    assert outcome.seen.failed_in_order
    assert outcome.seen.status == (200 if stream else 502)
    assert outcome.record.finish_reason == "error"
    if stream:
        prompt, completion = counted(outcome.seen.text)
        assert completion >= 8
        assert outcome.absorbed == price(prompt, completion)
    else:
        assert outcome.absorbed == 0


def test_upstream_stalled_after_some_output() -> None:
    """A stream that stalls ends with an error event of code 504 or 408, nothing charged, its cost absorbed (U-9)."""
    one = offer("test/model", "m@tokens=37,after=10,then=stall")
    outcome = after(one, stream=True, provider={"idle_s": 0.2})
    assert outcome.charged == 0
    assert outcome.seen.failed_in_order
    assert outcome.seen.error is not None
    assert outcome.seen.error["code"] in (408, 504)
    assert outcome.absorbed == price(*counted(outcome.seen.text))
    assert outcome.upstream[0].outcome in ("aborted", "failed")


@BOTH
def test_zero_completion_without_a_finish_reason(stream: bool) -> None:
    """No output and no finish: nothing, not even the prompt."""
    outcome = after(offer("test/model", "m@tokens=0,finish=none"), stream=stream)
    assert (outcome.charged, outcome.absorbed) == (0, 0)


@BOTH
def test_zero_completion_with_finish_reason_error(stream: bool) -> None:
    """No output, and the provider itself says that it failed: nothing."""
    outcome = after(offer("test/model", "m@tokens=0,finish=error"), stream=stream)
    assert outcome.charged == 0


@BOTH
def test_zero_completion_with_a_finish_reason_costs_its_prompt(stream: bool) -> None:
    """A model that says nothing and stops has answered (FAULTS.md U-20)."""
    outcome = after(offer("test/model", "m@tokens=0"), stream=stream)
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 0)


@BOTH
def test_error_body_with_a_200(stream: bool) -> None:
    """Nothing; it is never tokenised, and no text of it is an answer."""
    outcome = after(offer("test/model", "m@fail=error200"), stream=stream)
    assert outcome.seen.status == 502
    assert (outcome.charged, outcome.absorbed) == (0, 0)
    assert outcome.record.usage.completion == 0


@BOTH
def test_error_body_in_one_piece_for_a_stream(stream: bool) -> None:
    """The same where only the status of the error inside tells: a 429 inside a 200 is a 429."""
    outcome = after(offer("test/model", "m@then=error_event,after=0,error_as=vllm"), stream=stream)
    assert outcome.seen.status >= 500
    assert (outcome.charged, outcome.absorbed) == (0, 0)


@BOTH
def test_every_attempt_failed_before_the_first_event(stream: bool) -> None:
    """Nothing, and each attempt is in the record."""
    outcome = after(offer("test/model", "m@fail=500", at=("a", "b", "c")), stream=stream)
    assert outcome.seen.status == 502
    assert (outcome.charged, outcome.absorbed) == (0, 0)
    assert len(outcome.record.attempts) == len(outcome.upstream) == 3


@BOTH
def test_429_everywhere(stream: bool) -> None:
    """429 with the least Retry-After of all, and nothing charged."""
    offers = [offer("test/model", f"m@fail=429,hint=retry-after,hint_s={s}", at=(slug,)) for slug, s in (("a", 9), ("b", 4))]
    outcome = after(*offers, stream=stream)
    assert outcome.seen.status == 429
    assert outcome.seen.headers["retry-after"] == "4"
    assert (outcome.charged, outcome.absorbed) == (0, 0)


@BOTH
def test_fallback_pays_for_the_attempt_that_answered(stream: bool) -> None:
    """One provider fails, a dearer one answers: its price, its usage, once."""
    failing = offer("test/model", "m@fail=503", at=("a",), prompt="0.000001", completion="0.000001")
    working = offer("test/model", "m@tokens=21", at=("b",), prompt="0.000003", completion="0.000009")
    outcome = after(failing, working, stream=stream, provider_order=None) if False else after(
        failing, working, stream=stream, **{"provider": {"order": ["a", "b"]}} if False else {}
    )
    assert outcome.charged == price(PROMPT_TOKENS, 21, at=("0.000003", "0.000009"))
    assert outcome.record.provider == "b"


def test_fallback_after_a_stream_that_broke_before_content() -> None:
    """Nothing of the broken attempt is billed, though it had been accepted."""
    broken = offer("test/model", "m@tokens=9,after=0,then=eof", at=("a",), prompt="0.000001", completion="0.000001")
    working = offer("test/model", "m@tokens=21", at=("b",), prompt="0.000003", completion="0.000009")
    outcome = after(broken, working, stream=True)
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 21, at=("0.000003", "0.000009"))
    assert outcome.absorbed == 0


@BOTH
def test_left_before_the_upstream_accepted(stream: bool) -> None:
    """A caller who leaves while a stream's provider has not answered pays nothing, and the provider is let go."""
    outcome = after(
        offer("test/model", "m@tokens=20,latency_ms=300,head_ms=300"), leave=Leave(after_s=0.1), stream=stream
    )
    if stream:
        assert outcome.charged == 0
        assert outcome.upstream[0].outcome == "aborted"
        assert outcome.record.cancelled
    else:
        assert outcome.charged == price(PROMPT_TOKENS, 20), "what is not streamed is drained, and billed in full"
        assert outcome.upstream[0].outcome == "finished"


def test_left_in_the_middle_where_the_provider_can_cancel() -> None:
    """Cancelled at once: the prompt and what was received, as our tokenizer counts them."""
    outcome = after(offer("test/model", "m@tokens=400,tokens_per_s=100"), leave=Leave(after_s=0.5), stream=True)
    [call] = outcome.upstream
    assert call.outcome == "aborted"
    assert outcome.record.cancelled
    assert outcome.record.usage.estimated
    prompt, least = counted(outcome.seen.text)
    assert outcome.record.usage.prompt == prompt
    assert 20 <= least <= outcome.record.usage.completion <= call.completion_tokens
    assert outcome.charged == price(prompt, outcome.record.usage.completion)


def test_left_in_the_middle_where_the_provider_can_not_cancel() -> None:
    """Drained to its end, and billed in full by the upstream's usage."""
    outcome = after(
        offer("test/model", "m@tokens=60,tokens_per_s=100"),
        leave=Leave(after_s=0.2),
        stream=True,
        provider={"cancels": False},
    )
    [call] = outcome.upstream
    assert call.outcome == "finished"
    assert outcome.charged == price(PROMPT_TOKENS, 60)
    assert len(outcome.seen.deltas) < 60


def test_left_and_then_the_upstream_died() -> None:
    """Nobody waits for the drained answer, and it broke off: nothing is charged, its cost absorbed, nothing retried."""
    outcome = after(
        offer("test/model", "m@tokens=60,tokens_per_s=100,after=30,then=eof", at=("a", "b")),
        leave=Leave(after_s=0.15),
        stream=True,
        provider={"cancels": False},
    )
    assert outcome.charged == 0
    assert outcome.absorbed > 0
    assert len(outcome.upstream) == 1


def test_left_after_the_end_was_read() -> None:
    """Once the upstream's own end was read, leaving changes nothing (MONEY.md, Capture)."""
    outcome = after(offer("test/model", "m@tokens=30"), leave=Leave(after_bytes=1), stream=True)
    assert outcome.charged == price(PROMPT_TOKENS, 30)
    assert not outcome.record.cancelled


def test_left_while_the_plan_falls_over() -> None:
    """Who leaves while a candidate fails has no further one asked, and pays nothing."""
    slow = offer("test/model", "m@fail=500,latency_ms=300", at=("a", "b", "c"))
    outcome = after(slow, leave=Leave(after_s=0.1), stream=False)
    assert outcome.charged == 0
    assert len(outcome.upstream) == 1
    assert outcome.record.cancelled


@BOTH
def test_refused_for_want_of_credits_leaves_no_trace(stream: bool) -> None:
    """402 before anything is sent: no generation, no hold, no request upstream."""

    async def scene() -> None:
        async with staged(offer("test/model", "m")) as stage:
            secret = await stage.new_key("poor", credits_usd="0.000001")
            seen = await chat(stage, secret, stream=stream)
            assert seen.status == 402
            assert stage.simulator.stats.requests == 0
            assert await generations(stage) == []
            assert stage.house.gateway.books.held == 0

    run(scene)


def test_gather_is_fair() -> None:
    """A hundred answers of a hundred lengths at once are each charged their own."""

    async def scene() -> None:
        async with staged(offer("test/model", "m@tokens=500,latency_ms=5,jitter=1")) as stage:
            seen = await asyncio.gather(*(chat(stage, stream=n % 2 == 0, max_tokens=n) for n in range(1, 101)))
            await settled(stage)
            costs = [nano(each.usage["cost"]) for each in seen if each.usage]
            assert costs == [price(PROMPT_TOKENS, n) for n in range(1, 101)]
            assert await posted(stage) == 100 * USD - sum(costs)

    run(scene)
