"""MONEY.md, "Who pays for what": its central rows where the provider speaks another format than the caller."""

import pytest

from tests.gateway.clients import Leave
from tests.gateway.oracle import nano, price, prompt_tokens
from tests.gateway.town import ASKED, DEAR, Town
from tollway.domain.catalog import WireFormat
from tollway.wire.formats import CLIENTS

PROMPT_TOKENS = prompt_tokens(ASKED)
OTHERS = [pytest.param(each, id=each.value) for each in CLIENTS if each is not WireFormat.OPENAI_CHAT]
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@pytest.fixture(params=OTHERS)
def foreign(town: Town, request: pytest.FixtureRequest) -> Town:
    """A town whose providers speak another format. (Named `town` as well, each test would have a town of its own.)"""
    return town.speaking(request.param)


@BOTH
def test_finished_normally(foreign: Town, stream: bool) -> None:
    """The upstream's usage, thoughts and cached tokens in it, at the prices of the plan."""
    outcome = foreign.after("tokens=30,reasoning=7", stream=stream)
    assert outcome.seen.complete
    assert outcome.seen.usage is not None
    assert outcome.charged == price(PROMPT_TOKENS, 37) == nano(outcome.seen.usage["cost"])
    assert (outcome.record.usage.prompt, outcome.record.usage.completion) == (PROMPT_TOKENS, 37)
    assert (outcome.absorbed, outcome.alarms, outcome.record.usage.estimated) == (0, 0, False)


@BOTH
@pytest.mark.parametrize("kind", ["none", "zero", "string"])
def test_usage_that_is_absent_or_nonsense_is_estimated(foreign: Town, kind: str, stream: bool) -> None:
    """Counted by our own tokenizer, marked as estimated (FAULTS.md U-34)."""
    outcome = foreign.after(f"tokens=37,usage={kind}", stream=stream)
    assert outcome.seen.complete
    assert outcome.record.usage.estimated
    assert outcome.charged == price(*foreign.counted(outcome.seen.text))


@BOTH
@pytest.mark.parametrize("fault", ["truncate", "reset", "error_event", "error_event,fail=429"])
def test_upstream_died_after_some_output(foreign: Town, fault: str, stream: bool) -> None:
    """Nothing is charged; what a stream had cost us by then is absorbed. Errors have the format's own shape."""
    outcome = foreign.after(f"tokens=37,tokens_per_s=1000,after=10,then={fault}", stream=stream)
    assert outcome.charged == 0
    assert outcome.seen.failed_in_order
    assert outcome.record.finish_reason == "error"
    if stream:
        assert outcome.seen.status == 200
        prompt, completion = foreign.counted(outcome.seen.text)
        # Gemini says with every piece what has been used so far, which is better than an estimate.
        assert outcome.absorbed in (price(prompt, completion), price(PROMPT_TOKENS, completion))
    else:
        assert outcome.seen.status in (429, 502)


@BOTH
@pytest.mark.parametrize("fault", ["fail=503", "fail=529", "fail=error200", "fail=reset", "tokens=9,after=0,then=eof"])
def test_fallback_pays_only_for_the_attempt_that_answered(foreign: Town, fault: str, stream: bool) -> None:
    """One provider fails before its first token, a dearer one answers."""
    outcome = foreign.after(
        {"a": fault, "b": "tokens=21"}, model="test/one", models=["test/one", "test/dear"], stream=stream
    )
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 21, at=DEAR)
    assert [each.provider for each in outcome.record.attempts] == ["a", "b"]


@BOTH
@pytest.mark.parametrize("hint", ["retry-after", "google", "anthropic", "text"])
def test_429_everywhere(foreign: Town, hint: str, stream: bool) -> None:
    """429 with the least hint of all, in whatever way it was given, and nothing charged."""
    told = {slug: f"fail=429,hint={hint},hint_s={s}" for slug, s in {"a": 90, "b": 40, "c": 300}.items()}
    outcome = foreign.after(told, model="test/model", stream=stream)
    assert outcome.seen.status == 429
    assert 30 <= int(outcome.seen.headers["retry-after"]) <= 40, "a moment has gone by since the hint was given"
    assert (outcome.charged, outcome.absorbed, len(outcome.upstream)) == (0, 0, 3)


@pytest.mark.parametrize(
    "foreign", [each for each in OTHERS if each.id != WireFormat.OPENAI_RESPONSES.value], indirect=True
)
@pytest.mark.parametrize("stream", [True, False])
def test_zero_completion(foreign: Town, stream: bool) -> None:
    """An answer without output and without a finish reason: nothing, not even the prompt. (A response has a status.)"""
    assert foreign.after("tokens=0,finish=none", stream=stream).charged == 0


def test_left_in_the_middle_where_the_provider_can_cancel(foreign: Town) -> None:
    """Cancelled at once: the prompt and what was received, as our tokenizer counts them."""
    leave = Leave(after_bytes=1)
    outcome = foreign.after("tokens=400,tokens_per_s=50", leave=leave, stream=True, config={"cancels": True})
    [call] = outcome.upstream
    assert call.outcome == "aborted"
    assert outcome.record.cancelled
    prompt, least = foreign.counted(outcome.seen.text)
    used = outcome.record.usage
    assert used.prompt in (prompt, PROMPT_TOKENS), "estimated, or as Gemini says with every piece"
    assert 0 < least <= used.completion
    assert outcome.charged == price(used.prompt, used.completion)


def test_left_in_the_middle_where_the_provider_can_not_cancel(foreign: Town) -> None:
    """Drained to its end, and billed in full by the upstream's usage."""
    leave = Leave(after_bytes=1)
    outcome = foreign.after("tokens=60,tokens_per_s=60", leave=leave, stream=True, config={"cancels": False})
    assert outcome.upstream[0].outcome == "finished"
    assert outcome.charged == price(PROMPT_TOKENS, 60)
