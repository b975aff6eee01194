"""Where a behaviour comes from, what a request may look like, and what the books say."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.scene import chat, events, exchange, parts, play, post, tell
from tollway.simulator import Behaviour, Simulator, text
from tollway.simulator.behaviour import BadBehaviour, of_model, parse
from tollway.simulator.connection import Request


@pytest.mark.parametrize(
    ("name", "plain", "values"),
    [
        ("a/b", "a/b", {}),
        (
            "sim/echo@fail=503,after=2,tokens=50",
            "sim/echo",
            {"answer": "echo", "fail": "503", "after": 2, "tokens": 50},
        ),
        ("anything/sim-slow", "anything/sim-slow", {"latency_ms": 2000.0, "tokens_per_s": 10.0}),
        ("anything/sim-unheard-of", "anything/sim-unheard-of", {}),
        ("claude-x@20250929", "claude-x@20250929", {}),
        ("claude-x@20250929@bom", "claude-x@20250929@bom", {}),
        ("claude-x@20250929@bom=1", "claude-x@20250929", {"bom": True}),
        (
            "m@fail_kinds=500|reset|stall,fail_rate=0.5",
            "m",
            {"fail_kinds": ("500", "reset", "stall"), "fail_rate": 0.5},
        ),
    ],
)
def test_model_names(name: str, plain: str, values: dict[str, Any]) -> None:
    """A name carries a behaviour after `@`, or by ending in `sim-<preset>`; other `@`s belong to the name."""
    assert of_model(name) == (plain, values)


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("fial=503", "fial"),
        ("fail=999", "999"),
        ("fail=truncate", "truncate"),
        ("fail_kinds=500|oops", "oops"),
        ("tokens=-1", "tokens"),
        ("tokens=many", "tokens"),
        ("then=explode", "then"),
        ("jitter=2", "jitter"),
    ],
)
def test_nonsense_is_refused(told: str, named: str) -> None:
    """A misspelt key or an impossible value is an error that names it, never silently a good answer."""
    with pytest.raises(BadBehaviour, match=named):
        parse(told)

    async def scene(simulator: Simulator) -> None:
        status, _, body = parts((await tell(simulator, told))[0])
        assert (status, json.loads(body)["error"]["param"]) == (400, "x-simulate")

    play(scene)


def test_the_later_one_wins() -> None:
    """Server, model name, header, header script, script of the test: each overrides the one before."""

    async def scene(simulator: Simulator) -> None:
        async def tokens(model: str = "m", **headers: str) -> int:
            answer, _ = await exchange(simulator, post(chat(model), connection="close", **headers))
            status, _, body = parts(answer)
            return int(json.loads(body)["usage"]["completion_tokens"]) if status == 200 else status

        script = '["tokens=4", {"fail": 503}, ""]'
        assert await tokens() == 1
        assert await tokens("m@tokens=2") == 2
        assert await tokens("m@tokens=2", x_simulate="tokens=3") == 3
        assert await tokens("m@tokens=2", x_simulate="tokens=3", x_simulate_script=script) == 4
        assert await tokens("other", x_simulate_script=script) == 4
        assert await tokens("m", x_simulate_script=script) == 503
        assert await tokens("m", x_simulate_script=script) == 1
        assert await tokens("m", x_simulate_script=script) == 1
        assert await tokens("m", x_simulate_script="{") == 400
        simulator.script("m", ["tokens=5", Behaviour(), Behaviour(fail="429")])
        assert [await tokens("m@finish=length", x_simulate="tokens=3") for _ in range(4)] == [5, 64, 429, 3]

    play(scene, defaults=Behaviour(tokens=1))


def test_a_script_for_a_provider() -> None:
    """A script may be given to a provider's slug: others at the same server do not meet it."""

    async def scene(simulator: Simulator) -> None:
        simulator.script("acme", ["fail=500", "fail=502"])
        paths = ["/p/acme/v1/chat/completions", "/v1/chat/completions", "/p/globex/v1/chat/completions"]
        statuses = [
            parts((await exchange(simulator, post(chat(), path, connection="close")))[0])[0]
            for path in (*paths, *paths, *paths)
        ]
        assert statuses == [500, 200, 200, 502, 200, 200, 200, 200, 200]

    play(scene)


WRONG: list[tuple[Any, str | None, str | None]] = [
    (b"{", None, None),
    (b"[]", None, "invalid_type"),
    ({"messages": []}, "model", "missing_required_parameter"),
    ({"model": "m"}, "messages", "missing_required_parameter"),
    ({"model": "m", "messages": []}, "messages", "empty_array"),
    ({"model": "m", "messages": "hi"}, "messages", "invalid_type"),
    ({"model": "m", "messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
    ({"model": "m", "messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"model": "m", "messages": [{"role": "user", "content": None}]}, "messages[0].content", None),
    ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", None),
    (chat(n=0), "n", "integer_below_min_value"),
    (chat(n="two"), "n", "invalid_type"),
    (chat(temperature=2.5), "temperature", "decimal_above_max_value"),
    (chat(max_tokens=0), "max_tokens", "integer_below_min_value"),
    (chat(max_tokens=1.5), "max_tokens", "invalid_type"),
    (chat(top_logprobs=3), "top_logprobs", "invalid_value"),
    (chat(stream_options={"include_usage": True}), "stream_options", None),
    (chat(tool_choice="auto"), "tool_choice", None),
    (chat(tools=[{"type": "function", "function": {"name": "f"}}], tool_choice="g"), "tool_choice", "invalid_value"),
    (chat(response_format={"type": "xml"}), "response_format.type", "invalid_value"),
    (chat(response_format={"type": "json_schema"}), "response_format.json_schema", "missing_required_parameter"),
]


@pytest.mark.parametrize(("body", "param", "code"), WRONG)
def test_wrong_requests(body: Any, param: str | None, code: str | None) -> None:
    """A wrong request gets OpenAI's 400, with the field's name and OpenAI's code."""

    async def scene(simulator: Simulator) -> None:
        status, headers, answer = parts((await exchange(simulator, post(body, connection="close")))[0])
        error = json.loads(answer)["error"]
        assert (status, headers["content-type"]) == (400, "application/json")
        assert error.keys() == {"message", "type", "param", "code"}
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
        assert [record.outcome for record in simulator.stats.log] == ["failed"]

    play(scene)


def test_keys_models_urls_and_methods() -> None:
    """401 without the right key, 404 for models and URLs that are not there, 405 for other methods."""

    async def scene(simulator: Simulator) -> None:
        async def asked(sent: bytes) -> tuple[int, str | None]:
            status, _, body = parts((await exchange(simulator, sent))[0])
            return status, json.loads(body).get("error", {}).get("code")

        close = {"connection": "close"}
        told = {**close, "x_simulate": "key=sk-right"}
        assert await asked(post(chat("known"), **told)) == (401, "no_api_key")
        assert await asked(post(chat("known"), **told, authorization="Bearer sk-wrong")) == (401, "invalid_api_key")
        assert await asked(post(chat("known"), **told, authorization="Bearer sk-right")) == (200, None)
        assert await asked(post(chat("unknown"), **close)) == (404, "model_not_found")
        assert await asked(post(chat("known"), "/v1/images", **close)) == (404, None)
        get = b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        assert await asked(get % b"/v1/chat/completions") == (405, "method_not_supported")
        assert await asked(get % b"/v1/models/known") == (200, None)
        assert await asked(get % b"/p/acme/v1/models/unknown") == (404, "model_not_found")
        assert (await asked(get % b"/health?x=1"))[0] == 200
        strict = {**close, "x_simulate": "strict=1"}
        assert await asked(post(chat("known", provider={"order": []}), **strict)) == (400, "unknown_parameter")
        assert await asked(post(chat("known", reasoning_effort="low", user="u"), **strict)) == (200, None)

    play(scene, models=("known",))


def test_prompt_tokens_are_the_documented_arithmetic() -> None:
    """A quarter of the characters of all messages, 3 for each message, 85 for each part that is not text."""

    async def scene(simulator: Simulator) -> None:
        calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "12345678"}}]
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "x" * 10},
            {
                "role": "user",
                "content": [{"type": "text", "text": "y" * 10}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c1", "content": "z" * 12},
        ]
        answer, _ = await exchange(simulator, post({"model": "m", "messages": messages}, connection="close"))
        assert json.loads(parts(answer)[2])["usage"]["prompt_tokens"] == (10 + 10 + 340 + 8 + 12) // 4 + 3 * 4
        assert text.prompt_tokens(10 + 10 + 340 + 8 + 12, 4) == 107

    play(scene)


@pytest.mark.parametrize(
    "said", ["plain words, and more", "née 東京 🙂🙂🙂🙂🙂", "\u2028a\u2029b\u0085c\x0b\x0cd", "  \n\n x", "a" * 100]
)
def test_pieces_lose_nothing(said: str) -> None:
    """Whatever the text, its pieces add up to it, in a stream too."""
    assert "".join(text.pieces(said)) == said

    async def scene(simulator: Simulator) -> None:
        simulator.script("m", [Behaviour(text=said)])
        found = events(parts((await exchange(simulator, post(chat("m", stream=True), connection="close")))[0])[2])
        deltas = [event["choices"][0]["delta"].get("content") or "" for event in found[:-1]]
        assert "".join(deltas) == said
        assert len([delta for delta in deltas if delta]) == len(text.pieces(said))

    play(scene)


def test_stats_over_http() -> None:
    """`GET /stats` shows the books but no key; `POST /stats/reset` clears them; `on_request` sees what was sent."""
    seen: list[Request] = []

    async def scene(simulator: Simulator) -> None:
        get = b"GET /stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        await exchange(
            simulator,
            post(
                chat("a/b@tokens=3"),
                "/p/acme/v1/chat/completions",
                connection="close",
                authorization="Bearer sk-secret",
            ),
        )
        await tell(simulator, "fail=500")
        answer, _ = await exchange(simulator, get)
        assert b"sk-secret" not in answer
        stats = json.loads(parts(answer)[2])
        assert (stats["requests"], stats["completed"], stats["failed"], stats["aborted"]) == (2, 1, 1, 0)
        assert (stats["by_provider"], stats["by_model"]) == ({"acme": 1, "": 1}, {"a/b": 1, "test/model": 1})
        record = stats["log"][0]
        assert (record["provider"], record["model"], record["status"]) == ("acme", "a/b", 200)
        assert (record["completion_tokens"], record["outcome"]) == (3, "finished")
        assert record["bytes"] > 500
        assert record["closed_at"] >= record["started_at"]
        assert (seen[0].path, seen[0].headers["authorization"]) == ("/p/acme/v1/chat/completions", "Bearer sk-secret")
        assert json.loads(seen[0].body)["model"] == "a/b@tokens=3"
        await exchange(simulator, post({}, "/stats/reset", connection="close"))
        assert simulator.stats.requests == 0
        assert not simulator.stats.log

    play(scene, on_request=seen.append)


def test_the_provider_list() -> None:
    """OpenRouter's list for providers: its required fields, prices as exact decimal texts, one model free."""

    async def scene(simulator: Simulator) -> None:
        get = b"GET /openrouter-provider/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        models = json.loads(parts((await exchange(simulator, get))[0])[2])["data"]
        by_id = {model["id"]: model for model in models}
        assert {"sim/text", "sim/echo", "sim/slow", "sim/free"} <= by_id.keys()
        for model in models:
            assert {"id", "name", "created", "context_length", "max_completion_tokens", "quantization"} <= model.keys()
            price = {unit: Decimal(value) for unit, value in model["pricing"].items()}
            assert price.keys() == {"prompt", "completion", "image", "request"}
            assert price["completion"] == 4 * price["prompt"]
            free = model["id"] == "sim/free"
            assert (price["prompt"] == 0) == free
            assert free or Decimal("1e-7") <= price["prompt"] < Decimal("3.1e-6")

    play(scene)
