"""FAULTS.md, section 2, at the gateway: for each row what the caller sees, and what is billed."""

import socket

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.gateway.clients import broken_promises, chat, generations, posted, run, settled
from tests.gateway.oracle import USD, price, prompt_tokens
from tests.gateway.town import ASKED, Town
from tests.support import offer, staged
from tollway.domain.health import Outcome as Fate
from tollway.gateway.base import Gateway
from tollway.upstream.client import UpstreamClient

PROMPT_TOKENS = prompt_tokens(ASKED)
BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
ORDER = {"order": ["a", "b", "c"]}
HASTE = {"first_event_s": 0.3, "idle_s": 0.3}

FAILS = {
    # row: (what the provider is told, the status where it is the only one)
    "U-7 reset": ("fail=reset", 502),
    "U-7 closed": ("fail=eof", 502),
    "U-11 cut JSON": ("tokens=9,after=0,then=truncate_json", 502),
    "U-12 cut event": ("tokens=9,after=0,then=truncate", 502),
    "U-10 no finish": ("tokens=9,after=0,then=eof", 502),
    "U-15 malformed thrice": ("tokens=9,after=0,then=malformed,malformed=3", 502),
    "U-21 error in a 200": ("fail=error200", 502),
    "U-22 event: error": ("after=0,then=error_event,error_as=event", 502),
    "U-22 Anthropic's": ("after=0,then=error_event,error_as=anthropic", 502),
    "U-22 vLLM's": ("after=0,then=error_event,error_as=vllm", 502),
    "U-23 429": ("fail=429", 429),
    "U-24 500": ("fail=500", 502),
    "U-24 502": ("fail=502", 502),
    "U-24 503": ("fail=503", 502),
    "U-24 529": ("fail=529", 502),
    "U-25 401": ("fail=401", 502),
    "U-25 403": ("fail=403", 502),
    "U-27 402": ("fail=402", 502),
    "U-28 404": ("fail=404", 502),
    "U-29 HTML": ("fail=html", 502),
    "U-29 HTML with a 200": ("fail=html200", 502),
    "U-30 bomb": ("fail=bomb,bomb_mb=64", 502),
    "U-30 gzip": ("tokens=9,gzip=1", 502),
    "U-33 redirect": ("fail=redirect", 502),
    "U-36 not HTTP": ("fail=malformed", 502),
    "U-36 both lengths": ("tokens=9,framing=both", 502),
    "U-36 bad chunk": ("tokens=9,after=0,then=bad_chunk", 502),
    "empty 200": ("fail=empty", 502),
}
FINE = {
    "U-13 one byte at a time": "split=1",
    "U-13 not UTF-8": "then=utf8,after=3",
    "U-14 odd separators": "text=one\u2028two\u2029three\x85four\x0bfive\x0csix",
    "U-16 CRLF": "line_end=crlf",
    "U-16 CR": "line_end=cr",
    "U-16 mark": "bom=1",
    "U-16 no space": "space=0",
    "U-16 several lines": "multiline=1",
    "U-16 comments": "pings=1",
    "U-16 other fields": "fields=1",
    "U-17 no DONE": "done=0",
    "U-18 after DONE": "after_done=1",
    "U-19 finish twice": "finish=twice",
    "U-35 other names": "reply_model=somebody/else,reply_id=gen-1-AAAAAAAAAAAAAAAAAAAA",
    "U-36 100": "informational=100",
    "U-36 103": "informational=103",
    "U-36 trailers": "framing=trailers",
}
BREAKS = {
    "U-9 stall": "stall",
    "U-10 closed": "eof",
    "U-10 ended without a finish": "end",
    "U-12 cut event": "truncate",
    "U-15 malformed thrice": "malformed,malformed=3",
    "U-22 error": "error_event",
    "U-22 429": "error_event,fail=429",
    "U-36 reset": "reset",
    "U-36 bad chunk": "bad_chunk",
}


@BOTH
@pytest.mark.parametrize("row", FAILS)
def test_fault_before_the_first_token_at_the_only_candidate(town: Town, row: str, stream: bool) -> None:
    """A real status with an error body, never a 401, and nothing is charged."""
    told, status = FAILS[row]
    outcome = town.after(told, stream=stream)
    assert outcome.seen.status == status
    assert outcome.seen.failed_in_order
    assert (outcome.charged, outcome.absorbed) == (0, 0)
    assert len(outcome.record.attempts) == len(outcome.upstream) == 1


@BOTH
@pytest.mark.parametrize("row", FAILS)
def test_fault_before_the_first_token_with_another_candidate(town: Town, row: str, stream: bool) -> None:
    """The next candidate answers, the caller notices nothing, and pays for the answer only."""
    told = {"a": FAILS[row][0], "b": "tokens=21"}
    outcome = town.after(told, model="test/model", stream=stream, provider=ORDER)
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 21)
    assert outcome.absorbed == 0
    assert [each.provider for each in outcome.record.attempts] == ["a", "b"]


@BOTH
@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_callers_own_mistake_does_not_fail_over(town: Town, status: int, stream: bool) -> None:
    """U-28: a request that is refused for what it is gets a 400, and nobody else is asked."""
    outcome = town.after(dict.fromkeys("abc", f"fail={status}"), model="test/model", stream=stream, provider=ORDER)
    assert outcome.seen.status == 400
    assert outcome.charged == 0
    assert len(outcome.upstream) == 1


@pytest.mark.parametrize(
    ("told", "fault"), [("fail=401", "status 401"), ("fail=html200", "provider_error, status 200")]
)
def test_what_a_provider_refused_is_logged(town: Town, told: str, fault: str) -> None:
    """An operator finds each failed attempt in the log, by endpoint and status: a wrong key does not fail in silence.

    The provider's own words, which may quote the prompt, stay out of it.
    """
    with capture_logs() as lines:
        outcome = town.after(told)
    failed = [line for line in lines if line["event"] == "attempt failed"]
    assert [(line["generation"], line["endpoint"]) for line in failed] == [(outcome.record.id, "a:one")]
    assert fault in failed[0]["fault"]
    assert "simulat" not in str(failed)


@BOTH
def test_slow_first_byte(town: Town, stream: bool) -> None:
    """U-8: at the deadline it is cancelled and the next candidate asked; alone, it is a timeout."""
    limits = {**HASTE, "total_s": 1.0}
    told = {"a": "fail=stall", "b": "tokens=21"}
    outcome = town.after(told, model="test/model", stream=stream, provider=ORDER, config=limits)
    assert outcome.seen.complete
    assert outcome.charged == price(PROMPT_TOKENS, 21)
    assert outcome.upstream[0].outcome == "aborted"
    alone = town.after("fail=stall", stream=stream, config=limits)
    assert alone.seen.status in (408, 504)
    assert alone.charged == 0


@BOTH
@pytest.mark.parametrize("row", FINE)
def test_oddities_that_change_nothing(town: Town, row: str, stream: bool) -> None:
    """The answer is whole, and billed by the upstream's usage."""
    outcome = town.after(f"tokens=12,{FINE[row]}", stream=stream)
    assert outcome.seen.complete
    tokens = 6 if "text=" in FINE[row] else 12
    assert outcome.charged == price(PROMPT_TOKENS, tokens)
    assert outcome.seen.finish == "stop"
    assert outcome.record.id == outcome.seen.generation_id
    assert outcome.record.model == "test/one"


def test_one_malformed_event_is_skipped(town: Town) -> None:
    """U-15: what is no JSON is left out once; the answer goes on."""
    outcome = town.after("tokens=12,then=malformed,after=3", stream=True)
    assert outcome.seen.complete
    assert len(outcome.seen.deltas) == 12
    assert outcome.charged == price(PROMPT_TOKENS, 12)


@pytest.mark.parametrize("row", BREAKS)
def test_fault_after_the_first_token(town: Town, row: str) -> None:
    """The stream ends with an error event and [DONE]; nothing is repeated, charged or asked of another candidate."""
    told = {"a": f"tokens=37,tokens_per_s=500,after=8,then={BREAKS[row]}", "b": "tokens=21"}
    outcome = town.after(told, model="test/model", stream=True, provider=ORDER, config=HASTE)
    assert outcome.seen.status == 200
    assert outcome.seen.failed_in_order
    assert outcome.seen.finish == "error"
    assert len(outcome.seen.deltas) == 8
    assert outcome.charged == 0
    assert outcome.absorbed == price(*town.counted(outcome.seen.text))
    assert len(outcome.upstream) == 1


@BOTH
def test_a_line_without_end(town: Town, stream: bool) -> None:
    """U-31: an event above 8 MB is refused; an answer that is not streamed may have 64 MB."""
    outcome = town.after("tokens=3,huge_line_mb=9", stream=stream, max_tokens=5)
    if stream:
        assert outcome.seen.failed_in_order
        assert outcome.charged == 0
    else:
        assert outcome.seen.complete
        assert outcome.charged == price(PROMPT_TOKENS, 3)


@BOTH
@pytest.mark.parametrize(("hint_s", "told_s"), [(7, 7), (86_400, 3600)])
def test_retry_hints_are_bounded(town: Town, hint_s: int, told_s: int, stream: bool) -> None:
    """U-37: whatever clock a provider has, the caller is told to wait an hour at most."""
    outcome = town.after(f"fail=429,hint=retry-after,hint_s={hint_s}", stream=stream)
    assert outcome.seen.status == 429
    assert outcome.seen.headers["retry-after"] == str(told_s)


@pytest.mark.parametrize(("stream", "tried"), [(True, "abc"), (False, "a")])
def test_all_attempts_have_one_time(town: Town, stream: bool, tried: str) -> None:
    """A second until content, over all attempts: the last one of a stream has what is left of it; a whole answer that
    was asked for in time has its own time, and nobody is asked after it."""

    def in_haste(gateway: Gateway) -> None:
        gateway.first_content_s = 1.0

    outcome = town.after(
        dict.fromkeys("abc", "latency_ms=9000"),
        model="test/model",
        stream=stream,
        provider=ORDER,
        config={"first_event_s": 0.4, "whole_s": 1.2},
        prepare=in_haste,
    )
    assert outcome.seen.status == 408
    assert "".join(each.provider for each in outcome.record.attempts) == tried
    assert {each.outcome for each in outcome.record.attempts} == {Fate.TIMED_OUT}
    last = outcome.record.attempts[-1]
    assert last.latency_ms < (350 if stream else 1500), "it would have had 400 of its own"
    assert outcome.charged == outcome.absorbed == 0


@BOTH
def test_idle_connections_that_died(town: Town, stream: bool) -> None:
    """U-6: a connection that the provider closed while it was idle costs the next request nothing, not even a try."""
    assert town.after("tokens=5,idle_close_ms=20", stream=stream).seen.complete
    outcome = town.after("tokens=6", stream=stream)
    assert outcome.seen.complete
    assert len(outcome.record.attempts) == 1
    assert outcome.charged == price(PROMPT_TOKENS, 6)


@BOTH
def test_connections_that_can_not_be_made(stream: bool) -> None:
    """U-1 name not found, U-2 refused, U-4 no TLS: the next candidate answers; alone each is a 502, nothing charged."""

    async def resolve(host: str, port: int) -> list[str]:
        if host == "nowhere.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return ["127.0.0.1"]

    async def scene() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            offers = [offer("test/model", "m@tokens=9", at=("lost", "shut", "plain", "good"))]
            offers += [offer(f"test/{slug}", slug, at=(slug,)) for slug in ("lost", "shut", "plain")]
            async with staged(*offers) as stage:
                gateway = stage.house.gateway
                await gateway.client.close()
                gateway.client = UpstreamClient(resolve=resolve)
                addresses = {
                    "lost": "http://nowhere.test/v1",
                    "shut": f"http://127.0.0.1:{closed.getsockname()[1]}/v1",
                    "plain": f"https://127.0.0.1:{stage.simulator.port}/v1",
                }
                providers = dict(gateway.market.providers)
                for slug, url in addresses.items():
                    providers[slug] = msgspec.structs.replace(providers[slug], base_url=url)
                gateway.market = msgspec.structs.replace(gateway.market, providers=providers)
                order = {"order": ["lost", "shut", "plain", "good"]}
                seen = await chat(stage, stream=stream, provider=order)
                assert seen.complete
                for slug in addresses:
                    alone = await chat(stage, model=f"test/{slug}", stream=stream)
                    assert alone.status == 502
                    assert "127.0.0.1" not in alone.body.decode(), "addresses are the operator's own business"
                found = await generations(stage)
                assert [len(each.attempts) for each in found] == [4, 1, 1, 1]
                assert [each.cost for each in found] == [price(PROMPT_TOKENS, 9), 0, 0, 0]
                assert await posted(stage) == 100 * USD - price(PROMPT_TOKENS, 9)
                assert await broken_promises(stage.house.database) == []

    run(scene)


@BOTH
def test_the_next_model_is_tried_however_many_sell_the_first(stream: bool) -> None:
    """Any error moves on along `models` (OPENROUTER.md 3.1): the first model's endpoints don't use all attempts up."""

    async def scene() -> None:
        failing = offer("test/first", "first@fail=503", at=tuple("abcdef"))
        async with staged(failing, offer("test/second", at=("g",))) as stage:
            seen = await chat(stage, model="test/first", models=["test/second"], stream=stream)
            assert seen.status == 200
            await settled(stage)
            (record,) = await generations(stage)
            assert record.model == "test/second"
            assert [each.provider for each in record.attempts][3:] == ["g"]
            alone = await chat(stage, model="test/first", stream=stream)
            assert alone.status == 502
            assert len(stage.received) == 4 + 4

    run(scene)
