"""Conversations stay with the endpoint that holds their prompt cache: by which key, for how long, and when not."""

from typing import Any

import pytest
from msgspec import structs

from tests.gateway.clients import chat, run, settled
from tests.routing.stage import MICRO, MODEL, ask, endpoint, market, order_of, plan
from tests.support import offer, staged
from tollway.domain.catalog import Endpoint, Price, Rates
from tollway.domain.chat import AssistantMessage, ChatRequest, SystemMessage, UserMessage
from tollway.domain.generation import Usage
from tollway.routing.sticky import IDLE_S, KEPT_MAX, Stickiness, cached_models, conversation_of, is_worth_keeping

SYSTEM, HELLO, BYE = SystemMessage("Be brief."), UserMessage("Hello"), UserMessage("Bye")


def talk(*messages: object, **fields: object) -> ChatRequest:
    return ask(messages=messages, **fields)


def same(one: ChatRequest, other: ChatRequest, workspaces: tuple[str, str] = ("w", "w")) -> bool:
    return conversation_of(one, workspaces[0]) == conversation_of(other, workspaces[1])


def test_what_a_conversation_is() -> None:
    """Its id, else its cache key, else its first system message and its first other one; never across workspaces."""
    opening = talk(SYSTEM, HELLO)
    assert same(opening, talk(SYSTEM, HELLO, AssistantMessage("Hi"), BYE))
    assert not same(opening, talk(SYSTEM, BYE))
    assert not same(opening, talk(HELLO))
    assert not same(opening, opening, ("w", "v"))
    assert same(talk(HELLO, session_id="s"), talk(BYE, session_id="s", prompt_cache_key="k"))
    assert same(talk(HELLO, prompt_cache_key="k"), talk(BYE, prompt_cache_key="k"))
    assert not same(talk(HELLO, session_id="s"), talk(HELLO, session_id="t"))
    assert conversation_of(opening, "w")[1] is False
    assert conversation_of(talk(HELLO, session_id="s"), "w")[1] is True


def test_ten_minutes_after_the_last_success() -> None:
    """Each success begins the time anew; a failure of the endpoint ends it."""
    sticky = Stickiness()
    sticky.keep(b"c", MODEL, "a:m", 0.0)
    sticky.keep(b"c", MODEL, "a:m", 500.0)
    assert sticky.kept(b"c", (MODEL,), 500.0 + IDLE_S - 1) == {MODEL: "a:m"}
    assert sticky.kept(b"c", (MODEL,), 500.0 + IDLE_S) == {}
    assert sticky.kept(b"d", (MODEL,), 500.0) == {}
    sticky.forget(b"c", MODEL, "b:m")
    assert len(sticky) == 1
    sticky.forget(b"c", MODEL, "a:m")
    assert len(sticky) == 0


def test_memory_is_bounded() -> None:
    """The least recently used goes first."""
    sticky = Stickiness()
    for number in range(KEPT_MAX + 1):
        sticky.keep(number.to_bytes(4, "big"), MODEL, "a:m", 0.0)
    assert len(sticky) == KEPT_MAX
    assert sticky.kept((0).to_bytes(4, "big"), (MODEL,), 0.0) == {}


@pytest.mark.parametrize(
    ("named", "usage", "kept"),
    [
        (True, None, True),
        (False, None, False),
        (False, Usage(prompt=5), False),
        (False, Usage(prompt=5, cache_read=3), True),
        (False, Usage(prompt=5, cache_write=3), True),
    ],
)
def test_what_is_worth_keeping(named: bool, usage: Usage | None, kept: bool) -> None:
    """Who named the conversation means it; for others a cache must have been seen at work."""
    assert is_worth_keeping(named, usage) is kept


def caching(slug: str, **fields: object) -> Endpoint:
    price = Price(1, Rates(MICRO, MICRO, cache_read=MICRO // 10))
    return structs.replace(endpoint(slug, **fields), price=price)  # type: ignore[arg-type]  # names of fields


def test_only_where_a_cached_prompt_is_cheaper() -> None:
    """And never against the caller's own order."""
    assert cached_models(ask(), market(caching("a"))) == (MODEL,)
    assert cached_models(ask(), market(endpoint("a"))) == ()
    assert cached_models(ask(order=("a",)), market(caching("a"))) == ()
    assert cached_models(ask(model="test/none"), market(caching("a"))) == ()


def test_the_kept_one_goes_first() -> None:
    """If it is well and fits; rules, health and the caller's order come before."""
    on_offer = market(caching("a"), caching("b"), caching("c", context_tokens=10))
    kept = {MODEL: f"b:{MODEL}"}
    found = plan(ask(), on_offer, kept=kept)
    assert order_of(found) == ["b", "a"]
    assert found.candidates[0].reason == "holds this conversation's prompt cache"
    assert [each.share for each in found.candidates] == [1.0, 0.0]
    assert order_of(plan(ask(), on_offer, kept=kept, down={f"b:{MODEL}": "failing"})) == ["a", "b"]
    assert order_of(plan(ask(ignore=("b",)), on_offer, kept=kept)) == ["a"]
    assert order_of(plan(ask(order=("a", "b")), on_offer, kept=kept)) == ["a", "b"]
    assert order_of(plan(ask(), on_offer, kept={MODEL: f"c:{MODEL}"})) == ["a", "b"]


def test_a_session_stays_over_sockets() -> None:
    """Twenty requests of one session go to one provider, of two at one price; without a session, to both."""

    async def scene() -> None:
        offers = offer("test/model", "m", at=("a", "b"))
        async with staged(offers) as stage:
            cheaper = Rates(10**12, 2 * 10**12, cache_read=10**11)
            stage.change_endpoints(
                lambda each: structs.replace(each, price=each.price and structs.replace(each.price, rates=cheaper))
            )

            async def asked(**fields: Any) -> set[str]:
                stage.received.clear()
                for _ in range(20):
                    assert (await chat(stage, **fields)).status == 200
                await settled(stage)
                return {each.path.split("/")[2] for each in stage.received}

            assert len(await asked(session_id="one")) == 1
            assert await asked() == {"a", "b"}

    run(scene)
