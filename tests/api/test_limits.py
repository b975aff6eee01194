"""Limits over sockets: refused in every storefront's words, with true headers; what reached nobody does not count."""

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import PATIENCE_S, World, offer, world
from tollway.domain.catalog import Operation
from tollway.domain.ledger import PURCHASES, Transfer, TransferKind
from tollway.domain.money import NANO
from tollway.limits import Limiter, Limits
from tollway.storage.database import StorageError
from tollway.storage.ledger import post_transfers

MINUTE_S = 60


@pytest.fixture(scope="module")
def shop() -> Iterator[World]:
    """Models that answer, fail and take their time; each test sets the limits that it is about."""
    with world(
        offer("test/model"),
        offer("test/model:free", "m", free=True),
        offer("test/slow", "slow@latency_ms=400,tokens=3"),
        offer("test/failing", "m@fail=500"),
        offer("test/embed", "embed", completion=None, operation=Operation.EMBEDDINGS),
    ) as it:
        yield it


def limit(shop: World, **set_: Any) -> None:
    """These limits, and nothing used of them yet."""
    shop.house.gateway.limiter = Limiter(Limits(**set_))


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "openrouter": (
        "/api/v1/chat/completions",
        {"model": "test/model", "messages": [{"role": "user", "content": "Hello."}]},
    ),
    "streamed": (
        "/api/v1/chat/completions",
        {"model": "test/model", "stream": True, "messages": [{"role": "user", "content": "Hello."}]},
    ),
    "openai": ("/v1/chat/completions", {"model": "test/model", "messages": [{"role": "user", "content": "Hello."}]}),
    "anthropic": (
        "/v1/messages",
        {"model": "test/model", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]},
    ),
    "google": ("/v1beta/models/test/model:generateContent", {"contents": [{"parts": [{"text": "Hello."}]}]}),
    "responses": ("/api/v1/responses", {"model": "test/model", "input": "Hello."}),
    "embeddings": ("/api/v1/embeddings", {"model": "test/embed", "input": "Hello."}),
    "extractions": ("/v1/extractions", {"model": "test/model", "input": "Hello.", "schema": {"type": "object"}}),
    "engines": ("/v1/engines/test/embed/embeddings", {"input": "Hello."}),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_url_is_limited(shop: World, name: str) -> None:
    """One a minute: the second is refused in the words of its storefront, with the headers that say when to return."""
    limit(shop, key_rpm=1)
    key = shop.new_key("home")
    path, body = CALLS[name]
    first = shop.request("POST", path, body, headers=key.headers)
    asked_s = time.time()
    second = shop.request("POST", path, body, headers=key.headers)
    assert (first.status, second.status) == (200, 429)
    assert first.headers["x-ratelimit-limit"] == "1"
    assert first.headers["x-ratelimit-remaining"] == "0"
    resets = [int(each.headers["x-ratelimit-reset"]) for each in (first, second)]
    assert abs(resets[0] - resets[1]) < 100, "both say when the first one's minute is over, in whole milliseconds"
    assert second.headers["x-ratelimit-limit"] == "1"
    assert second.headers["x-ratelimit-remaining"] == "0"
    assert 50 <= int(second.headers["x-ratelimit-reset"]) / 1000 - asked_s <= MINUTE_S
    assert 50 <= int(second.headers["retry-after"]) <= MINUTE_S
    said = "Rate limit exceeded: requests per minute for this key. The limit is 1; try again in "
    error = second.json["error"]
    assert error["message"].startswith(said)
    match name:
        case "openrouter" | "streamed" | "responses" | "embeddings":
            assert error["code"] == 429
            assert error["metadata"]["error_type"] == "rate_limit_exceeded"
            assert error["metadata"]["headers"]["X-RateLimit-Limit"] == "1"
        case "openai" | "engines" | "extractions":
            assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
            assert second.json["detail"].startswith(said)
        case "anthropic":
            assert second.json["type"] == "error"
            assert error["type"] == "rate_limit_error"
        case "google":
            assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("stream", [False, True])
def test_what_answers_say_is_left_is_left(shop: World, stream: bool) -> None:
    """Of the limit of which least is left; the last that goes through was told 0. Who meets none is told of none."""
    limit(shop, key_rpm=50, workspace_rpm=3, key_tpm=10**6)
    key = shop.new_key(f"told {stream}", credits_usd="1")
    answers = [shop.chat(headers=key.headers, stream=stream) for _ in range(4)]
    assert [each.status for each in answers] == [200, 200, 200, 429]
    told = [(each.headers["x-ratelimit-limit"], each.headers["x-ratelimit-remaining"]) for each in answers]
    assert told == [("3", "2"), ("3", "1"), ("3", "0"), ("3", "0")]
    resets = [int(each.headers["x-ratelimit-reset"]) / 1000 - time.time() for each in answers]
    assert resets[0] <= 20 < 30 < resets[1] <= 40 < 50 < resets[2] <= 60
    limit(shop)
    unlimited = shop.chat(headers=key.headers, stream=stream)
    assert not [name for name in unlimited.headers if name.startswith("x-ratelimit")]


def test_each_model_that_is_asked_has_its_limit(shop: World) -> None:
    """A model that is used up is passed over for the next that the request names; with none left it is a 429."""
    limit(shop, models_rpm={"test/model": 2, "test/slow": 1})
    key = shop.new_key("models", credits_usd="1")

    def asked(*models: str) -> tuple[int, str]:
        answer = shop.chat(headers=key.headers, model=None, models=list(models))
        return answer.status, answer.json.get("model", "") if answer.status == 200 else answer.error["message"]

    assert [asked("test/model") for _ in range(2)] == [(200, "test/model")] * 2
    status, said = asked("test/model")
    assert status == 429
    assert said.startswith("Rate limit exceeded: requests per minute for test/model. The limit is 2; try again in ")
    assert asked("test/model", "test/slow") == (200, "test/slow")
    status, said = asked("test/slow", "test/model")
    assert (status, "requests per minute for test/model" in said) == (429, True), "who is back first is told"
    assert shop.chat(headers=key.headers, model="test/failing").status == 502, "the others have no limit"


def test_a_model_that_was_asked_in_vain_counts(shop: World) -> None:
    """And so does the one that answered in its place; what was only named does not."""
    limit(shop, model_rpm=2)
    key = shop.new_key("in vain", credits_usd="1")
    for _ in range(2):
        answer = shop.chat(headers=key.headers, model=None, models=["test/failing", "test/model", "test/slow"])
        assert (answer.status, answer.json["model"]) == (200, "test/model")
    shop.settled()
    for model, status in (("test/failing", 429), ("test/model", 429), ("test/slow", 200)):
        assert shop.chat(headers=key.headers, model=model).status == status, model
    generation = shop.chat(headers=key.headers, model=None, models=["test/model", "test/slow"])
    assert generation.json["model"] == "test/slow"
    shop.settled()
    path = f"/api/v1/generations/{generation.json['id']}/trace"
    trace = shop.request("GET", path, headers=key.headers).json["data"]
    assert "requests per minute for test/model: all 2 are used" in str(trace), "the trace says why it was passed over"


def test_a_paid_answer_is_no_free_request(shop: World) -> None:
    """Where a request names a paid model first and that answers, its `:free` one is not counted."""
    limit(shop, free_rpd=1)
    key = shop.new_key("paid", credits_usd="1")
    for _ in range(3):
        assert shop.chat(headers=key.headers, model=None, models=["test/model", "test/model:free"]).status == 200
    assert [shop.chat(headers=key.headers, model="test/model:free").status for _ in range(2)] == [200, 429]


def test_who_comes_back_in_time_is_served(shop: World) -> None:
    """`Retry-After` is the truth: 60 a minute, one at once; after that second the next goes through."""
    limit(shop, key_rpm=60, burst_s=1.0)
    key = shop.new_key("home")
    answers = [shop.chat(headers=key.headers) for _ in range(3)]
    refused = next(each for each in answers if each.status == 429)
    assert refused.headers["retry-after"] == "1"
    time.sleep(1)
    assert shop.chat(headers=key.headers).status == 200


REFUSED: dict[str, dict[str, Any]] = {
    "unknown model": {"model": "nobody/none"},
    "no endpoint": {"model": "test/model", "provider": {"only": ["nobody"]}},
    "too dear": {"model": "test/model", "max_tokens": 8_000, "messages": [{"role": "user", "content": "x" * 400_000}]},
    "made for something else": {"model": "test/embed"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_does_not_count(shop: World, name: str) -> None:
    """Ten that nobody was asked for, and two are still left of two: of requests, of tokens, and at once."""
    limit(shop, key_rpm=2, workspace_tpm=1_000_000, key_at_once=2, credit_rps=2.0)
    key = shop.new_key(f"refused {name}", credits_usd="0.05")
    for _ in range(10):
        assert shop.chat(headers=key.headers, **REFUSED[name]).status in (400, 402, 404)
    assert len(shop.house.gateway.limiter.buckets) == 0
    assert [shop.chat(headers=key.headers).status for _ in range(3)] == [200, 200, 429]


def test_what_is_refused_by_the_limit_itself_costs_nothing(shop: World) -> None:
    """No provider is asked, no generation is recorded, no credit is spent; `tollway_limited_total` counts it."""
    limit(shop, key_rpm=1)
    key = shop.new_key("refused", credits_usd="1")
    shop.chat(headers=key.headers)
    shop.settled()
    asked, metrics = len(shop.received), shop.house.gateway.metrics
    generations, limited = metrics.generations, metrics.limited
    assert [shop.chat(headers=key.headers).status for _ in range(5)] == [429] * 5
    shop.settled()
    assert len(shop.received) == asked
    assert metrics.generations == generations
    assert metrics.limited == limited + 5
    assert f"tollway_limited_total {limited + 5}.0" in shop.request("GET", "/metrics").text


def test_a_failed_answer_counts(shop: World) -> None:
    """A provider was asked: that the answer failed gives nothing of the requests back, but all of the tokens."""
    limit(shop, key_rpm=1, key_tpm=1_000_000)
    key = shop.new_key("home")
    assert shop.chat(headers=key.headers, model="test/failing").status == 502
    assert shop.chat(headers=key.headers).status == 429
    assert len(shop.house.gateway.limiter.buckets) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_unused_tokens_are_given_back(shop: World, stream: bool) -> None:
    """max_tokens asks for nearly the whole limit, the answers are short: far more go through than would without."""
    limit(shop, key_tpm=4_000)
    key = shop.new_key("home")
    statuses = [shop.chat(headers=key.headers, stream=stream, max_tokens=3_000).status for _ in range(10)]
    assert statuses == [200] * 10
    assert shop.chat(headers=key.headers, max_tokens=4_000).status == 429


def test_requests_at_once(shop: World) -> None:
    """Two of five that come together; when they are done, there is room again, also after a caller has left."""
    limit(shop, key_at_once=2)
    key = shop.new_key("home")
    with ThreadPoolExecutor(5) as pool:
        statuses = list(pool.map(lambda _: shop.chat(headers=key.headers, model="test/slow").status, range(5)))
    assert sorted(statuses) == [200, 200, 429, 429, 429]
    shop.settled()
    assert shop.house.gateway.limiter._at_once == {}
    for _ in range(2):
        leaving = http.client.HTTPConnection(urlsplit(shop.url).netloc)
        body = json.dumps({"model": "test/slow", "messages": [{"role": "user", "content": "Hello."}]})
        leaving.request("POST", "/api/v1/chat/completions", body, key.headers)
        time.sleep(0.1)
        leaving.close()
    until_s = time.monotonic() + PATIENCE_S
    while shop.house.gateway.limiter._at_once and time.monotonic() < until_s:
        time.sleep(0.05)
    assert shop.house.gateway.limiter._at_once == {}


def test_free_models(shop: World) -> None:
    """As it is without a configuration: 20 a minute; 50 a day, 1,000 for who bought 10 credits; GET /key says so."""
    limit(shop)
    key = shop.new_key("free", credits_usd="5")

    def free() -> int:
        return shop.chat(headers=key.headers, model="test/model:free").status

    def today() -> dict[str, int]:
        found: dict[str, int] = shop.request("GET", "/api/v1/key", headers=key.headers).json["data"][
            "free_model_daily_requests"
        ]
        return found

    assert [free() for _ in range(21)] == [200] * 20 + [429]
    assert shop.chat(headers=key.headers).status == 200, "the others have no limit"
    assert today() == {"limit": 50, "used": 20, "remaining": 30}
    limit(shop, free_rpm=0)
    assert [free() for _ in range(51)] == [200] * 50 + [429]
    refused = shop.chat(headers=key.headers, models=["test/model", "test/model:free"])
    assert refused.status == 429
    assert "free-models-per-day" in refused.json["error"]["message"]
    assert refused.headers["x-ratelimit-limit"] == "50"
    midnight_s = (time.time() // 86_400 + 1) * 86_400
    assert abs(int(refused.headers["x-ratelimit-reset"]) / 1000 - midnight_s) < 1
    topup = Transfer(TransferKind.TOPUP, "bought", PURCHASES, "free", 10 * NANO, 0)
    shop.run(post_transfers(shop.house.database, [topup]))
    shop.house.gateway.books._purchased.clear()
    assert today() == {"limit": 1000, "used": 50, "remaining": 950}
    assert free() == 200


def test_a_database_that_fails_stops_no_free_request(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether credits were bought can't be known: the request goes through rather than fail."""
    limit(shop, free_rpd=1)
    key = shop.new_key("unsure")

    async def broken(workspace_id: str) -> int:
        raise StorageError("the disk is gone")

    monkeypatch.setattr(shop.house.gateway.books, "purchased", broken)
    assert [shop.chat(headers=key.headers, model="test/model:free").status for _ in range(3)] == [200] * 3


def test_the_key_says_its_limit(shop: World) -> None:
    """`rate_limit` of GET /key: -1 where there is none, else the tightest, by the credits that are left."""
    key = shop.new_key("told", credits_usd="4.5")

    def told() -> tuple[int, str]:
        found = shop.request("GET", "/api/v1/auth/key", headers=key.headers).json["data"]["rate_limit"]
        assert found["note"]
        return found["requests"], found["interval"]

    limit(shop)
    assert told() == (-1, "10s")
    limit(shop, credit_rps=1.0)
    assert told() == (5, "1s")
    limit(shop, credit_rps=1.0, key_rpm=120)
    assert told() == (120, "1m")
    limit(shop, credit_rps=1.0, key_rpm=1200, workspace_rpm=600)
    assert told() == (5, "1s")


def test_a_key_has_a_limit_of_its_own(shop: World) -> None:
    """Whatever is configured for the others; it says so itself."""
    for others in (0, 1, 50):
        limit(shop, key_rpm=others)
        key = shop.new_key("home", rpm=2)
        assert [shop.chat(headers=key.headers).status for _ in range(3)] == [200, 200, 429]
        told = shop.request("GET", "/api/v1/key", headers=key.headers).json["data"]["rate_limit"]
        assert (told["requests"], told["interval"]) == (2, "1m")


def test_an_address_is_one_caller(shop: World) -> None:
    """Two keys from one address share its limit."""
    limit(shop, address_rpm=1)
    assert shop.chat(headers=shop.new_key("home").headers).status == 200
    assert shop.chat(headers=shop.new_key("home").headers).status == 429


def test_four_greedy_callers_get_their_rate(shop: World) -> None:
    """Four keys of 10 a second, each asked 100 times a second for five seconds: within 10% of 50 each."""
    limit(shop, key_rpm=600, burst_s=0.5)
    keys = [shop.new_key("home") for _ in range(4)]
    seconds = 5.0
    begin_s = time.monotonic() + 0.1

    def greedy(headers: dict[str, str]) -> tuple[int, int]:
        connection = http.client.HTTPConnection(urlsplit(shop.url).netloc)
        body = json.dumps({"model": "test/model", "messages": [{"role": "user", "content": "Hello."}]})
        served, number = 0, 0
        while (now_s := time.monotonic()) < begin_s + seconds:
            if now_s < begin_s + number / 100:
                time.sleep(begin_s + number / 100 - now_s)
                continue
            number += 1
            connection.request("POST", "/api/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
            served += answer.status == 200
        connection.close()
        return served, number

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(greedy, [key.headers for key in keys]))
    for served, asked in counts:
        assert asked > 4 * served, "they were greedy"
        assert 45 <= served <= 55
