"""MONEY.md, "Who pays for what": each row over real sockets, to the nanodollar, judged by an oracle of its own."""

import pytest

from tests.gateway.clients import Leave
from tests.gateway.oracle import nano, price, prompt_tokens
from tests.gateway.town import ASKED, DEAR, FINE, ODD, Town

PROMPT_TOKENS = prompt_tokens(ASKED)
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@BOTH
def test_finished_normally(town: Town, stream: bool) -> None:
    """The upstream's usage at the prices of the plan."""
    outcome = town.after("tokens=37", stream=stream)
    assert outcome.charged == price(PROMPT_TOKENS, 37)
    assert outcome.seen.complete
    assert outcome.seen.usage is not None
    assert nano(outcome.seen.usage["cost"]) == outcome.charged
    assert (outcome.record.usage.prompt, outcome.record.usage.completion) == (PROMPT_TOKENS, 37)
    assert (outcome.absorbed, outcome.alarms, outcome.record.usage.estimated) == (0, 0, False)


@BOTH
@pytest.mark.parametrize(("model", "prices"), [("test/fine", FINE), ("test/odd", ODD), ("test/dear", DEAR)])
def test_every_price_is_exact(town: Town, model: str, prices: tuple[str, str], stream: bool) -> None:
    """Prices below a nanodollar a token, odd ones, dear ones: exact, and rounded half to even once."""
    told = {"a": "tokens=37", "b": "tokens=37"}
    assert town.after(told, model=model, stream=stream).charged == price(PROMPT_TOKENS, 37, at=prices)


@BOTH
def test_a_price_for_the_request(town: Town, stream: bool) -> None:
    """A cent a request, whatever its length."""
    assert town.after("tokens=37", model="test/cent", stream=stream).charged == price(0, 0, request="0.01")


@BOTH
def test_reasoning_is_output(town: Town, stream: bool) -> None:
    """Tokens of reasoning are billed as output where they have no price of their own."""
    outcome = town.after("tokens=30,reasoning=12", stream=stream)
    assert outcome.charged == price(PROMPT_TOKENS, 42)
    assert outcome.record.usage.reasoning == 12


@BOTH
@pytest.mark.parametrize("kind", ["none", "zero", "negative", "huge", "float", "nan", "string"])
def test_usage_that_is_absent_or_nonsense_is_estimated(town: Town, kind: str, stream: bool) -> None:
    """Counted by our own tokenizer, marked as estimated, and charged like any other (FAULTS.md U-34)."""
    outcome = town.after(f"tokens=37,usage={kind}", stream=stream)
    assert outcome.seen.complete
    prompt, completion = town.counted(outcome.seen.text)
    assert outcome.record.usage.estimated
    assert (outcome.record.usage.prompt, outcome.record.usage.completion) == (prompt, completion)
    assert outcome.charged == price(prompt, completion)
    assert completion > 20, "the answer has 37 words and marks"


def test_of_two_usages_the_last_counts(town: Town) -> None:
    """Never their sum (FAULTS.md U-19)."""
    assert town.after("tokens=36,usage=twice", stream=True).charged == price(PROMPT_TOKENS, 36)


def test_cost_above_the_hold_is_captured_up_to_it(town: Town) -> None:
    """A provider that gave, and counts, more than was asked: the hold, the excess absorbed, an alarm."""
    outcome = town.after("endless=1", max_tokens=20)
    assert outcome.charged + outcome.absorbed == price(PROMPT_TOKENS, 20_000), "so long is one that is not streamed"
    assert price(PROMPT_TOKENS, 20) <= outcome.charged <= price(len(ASKED) + 100, 20)
    assert outcome.alarms == 1


def test_endless_tokens_are_cut(town: Town) -> None:
    """Past max_tokens: cut near the hold's end, finished with `length`, the provider told to stop (FAULTS.md U-32)."""
    outcome = town.after("endless=1,tokens_per_s=500", stream=True, max_tokens=30)
    assert outcome.seen.complete
    assert outcome.seen.finish == "length"
    assert outcome.upstream[0].outcome == "aborted"
    assert outcome.record.usage.estimated
    assert price(PROMPT_TOKENS, 30) <= outcome.charged <= price(len(ASKED) + 120, 30)
    _, received = town.counted(outcome.seen.text)
    assert 30 <= received <= 1.25 * 30 + 64 + 100, "tokenizers differ by a quarter, and what came at once counts"


@BOTH
@pytest.mark.parametrize("fault", ["truncate", "reset", "eof", "error_event"])
def test_upstream_died_after_some_output(town: Town, fault: str, stream: bool) -> None:
    """Nothing is charged; what a stream had cost us by then is recorded as absorbed."""
    outcome = town.after(f"tokens=37,tokens_per_s=1000,after=10,then={fault}", stream=stream)
    assert outcome.charged == 0
    assert outcome.seen.failed_in_order
    assert outcome.seen.status == (200 if stream else 502)
    assert outcome.record.finish_reason == "error"
    if stream:
        prompt, completion = town.counted(outcome.seen.text)
        assert completion >= 8
        assert outcome.absorbed == price(prompt, completion)
    else:
        assert outcome.absorbed == 0


def test_upstream_stalled_after_some_output(town: Town) -> None:
    """A stream that stalls ends with an error event, nothing charged, its cost absorbed (FAULTS.md U-9)."""
    outcome = town.after("tokens=37,after=10,then=stall", stream=True, config={"idle_s": 0.2})
    assert outcome.charged == 0
    assert outcome.seen.failed_in_order
    assert outcome.seen.error is not None
    assert outcome.seen.error["code"] in (408, 504)
    assert outcome.absorbed == price(*town.counted(outcome.seen.text))
    assert outcome.upstream[0].outcome == "aborted"


@BOTH
@pytest.mark.parametrize("finish", ["none", "error"])
def test_zero_completion(town: Town, finish: str, stream: bool) -> None:
    """No output, and no finish reason or `error`: nothing, not even the prompt."""
    assert town.after(f"tokens=0,finish={finish}", stream=stream).charged == 0


@BOTH
def test_zero_completion_with_a_finish_reason_costs_its_prompt(town: Town, stream: bool) -> None:
    """A model that says nothing and stops has answered (FAULTS.md U-20)."""
    outcome = town.after("tokens=0", stream=stream)
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 0)


@BOTH
@pytest.mark.parametrize("told", ["fail=error200", "then=error_event,after=0,error_as=vllm", "fail=error200,tokens=9"])
def test_error_body_with_a_200(town: Town, told: str, stream: bool) -> None:
    """Nothing; it is never tokenised, and no text of it is an answer."""
    outcome = town.after(told, stream=stream)
    assert outcome.seen.status == 502
    assert (outcome.charged, outcome.absorbed) == (0, 0)
    assert outcome.record.usage.completion == 0


@BOTH
def test_every_attempt_failed_before_the_first_event(town: Town, stream: bool) -> None:
    """Nothing, and each attempt is in the record."""
    outcome = town.after(dict.fromkeys("abc", "fail=500"), model="test/model", stream=stream)
    assert outcome.seen.status == 502
    assert (outcome.charged, outcome.absorbed) == (0, 0)
    assert len(outcome.record.attempts) == len(outcome.upstream) == 3


@BOTH
def test_429_everywhere(town: Town, stream: bool) -> None:
    """429 with the least Retry-After of all, and nothing charged."""
    told = {slug: f"fail=429,hint=retry-after,hint_s={s}" for slug, s in {"a": 9, "b": 4, "c": 30}.items()}
    outcome = town.after(told, model="test/model", stream=stream)
    assert outcome.seen.status == 429
    assert outcome.seen.headers["retry-after"] == "4"
    assert (outcome.charged, outcome.absorbed, len(outcome.upstream)) == (0, 0, 3)


@BOTH
@pytest.mark.parametrize(
    "fault", ["fail=503", "fail=reset", "fail=error200", "tokens=9,after=0,then=eof", "fail=html200"]
)
def test_fallback_pays_only_for_the_attempt_that_answered(town: Town, fault: str, stream: bool) -> None:
    """One provider fails, also after it had accepted; a dearer one answers: its price and its usage, once."""
    outcome = town.after(
        {"a": fault, "b": "tokens=21"}, model="test/one", models=["test/one", "test/dear"], stream=stream
    )
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 21, at=DEAR)
    assert outcome.absorbed == 0
    assert [each.provider for each in outcome.record.attempts] == ["a", "b"]


def test_left_before_the_upstream_accepted(town: Town) -> None:
    """A caller who leaves while a stream's provider has not answered pays nothing, and the provider is let go."""
    outcome = town.after("tokens=20,head_ms=300,latency_ms=300", leave=Leave(after_s=0.1), stream=True)
    assert outcome.charged == 0
    assert outcome.upstream[0].outcome == "aborted"
    assert outcome.record.cancelled


def test_left_a_request_that_is_not_streamed(town: Town) -> None:
    """What is not streamed can't be cancelled: it is drained, and billed in full."""
    outcome = town.after("tokens=20,latency_ms=300", leave=Leave(after_s=0.1))
    assert outcome.charged == price(PROMPT_TOKENS, 20)
    assert outcome.upstream[0].outcome == "finished"


def test_left_in_the_middle_where_the_provider_can_cancel(town: Town) -> None:
    """Cancelled at once: the prompt and what was received, as our tokenizer counts them."""
    outcome = town.after("tokens=400,tokens_per_s=200", leave=Leave(after_bytes=10_000), stream=True)
    [call] = outcome.upstream
    assert call.outcome == "aborted"
    assert outcome.record.cancelled
    assert outcome.record.usage.estimated
    prompt, least = town.counted(outcome.seen.text)
    assert outcome.record.usage.prompt == prompt
    assert 20 <= least <= outcome.record.usage.completion <= call.completion_tokens
    assert outcome.charged == price(prompt, outcome.record.usage.completion)


def test_left_in_the_middle_where_the_provider_can_not_cancel(town: Town) -> None:
    """Drained to its end, and billed in full by the upstream's usage."""
    leave = Leave(after_bytes=1)
    outcome = town.after("tokens=60,tokens_per_s=150", leave=leave, stream=True, config={"cancels": False})
    assert outcome.upstream[0].outcome == "finished"
    assert outcome.charged == price(PROMPT_TOKENS, 60)
    assert len(outcome.seen.deltas) < 60


def test_left_and_then_the_upstream_died(town: Town) -> None:
    """Nobody waits for the drained answer, and it broke off: not charged, absorbed, and nobody else is asked."""
    told = {"a": "tokens=60,tokens_per_s=200,after=40,then=eof", "b": "tokens=60", "c": "tokens=60"}
    preferences = {"order": ["a", "b", "c"]}
    outcome = town.after(
        told,
        model="test/model",
        leave=Leave(after_s=0.1),
        stream=True,
        config={"cancels": False},
        provider=preferences,
    )
    assert outcome.charged == 0
    assert outcome.absorbed > 0
    assert len(outcome.upstream) == 1


def test_left_after_the_end_was_read(town: Town) -> None:
    """Once the upstream's own end was read, leaving changes nothing (MONEY.md, Capture)."""
    outcome = town.after("tokens=30", leave=Leave(after_bytes=1), stream=True)
    assert outcome.charged == price(PROMPT_TOKENS, 30)
    assert not outcome.record.cancelled


@BOTH
def test_left_while_the_plan_falls_over(town: Town, stream: bool) -> None:
    """Who leaves while a candidate fails has no further one asked, and pays nothing."""
    told = dict.fromkeys("abc", "fail=500,latency_ms=200")
    outcome = town.after(told, model="test/model", leave=Leave(after_s=0.08), stream=stream)
    assert outcome.charged == 0
    assert len(outcome.upstream) == 1
    assert outcome.record.cancelled


@BOTH
def test_refused_for_want_of_credits(town: Town, stream: bool) -> None:
    """402 before anything is sent: no request upstream, no generation, no hold."""
    outcome = town.after("tokens=5", stream=stream, credits_usd="0.000001")
    assert outcome.seen.status == 402
    assert outcome.upstream == []
    assert outcome.charged == 0
