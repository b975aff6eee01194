"""Each failure and each oddity, seen at the byte level through a raw socket."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.simulator.scene import (
    LOOPS,
    body_of,
    chat,
    chunks,
    content,
    events,
    exchange,
    parts,
    play,
    post,
    tell,
    until,
)
from tollway.simulator import Behaviour, Simulator

on_both_loops = pytest.mark.parametrize("loop", LOOPS)


@on_both_loops
def test_nothing_at_all(loop: str) -> None:
    """`reset` and `eof` end the connection without a byte, one by a TCP reset; `malformed` sends what is not HTTP."""

    async def scene(simulator: Simulator) -> None:
        for stream in (False, True):
            assert await tell(simulator, "fail=reset", chat(stream=stream)) == (b"", True)
            assert await tell(simulator, "fail=eof", chat(stream=stream)) == (b"", False)
            answer, _ = await tell(simulator, "fail=malformed", chat(stream=stream))
            assert answer
            assert not answer.startswith(b"HTTP/1.1")
        assert (simulator.stats.failed, simulator.stats.completed, simulator.stats.aborted) == (6, 0, 0)
        assert {record.status for record in simulator.stats.log} == {0}

    play(scene, loop=loop)


@on_both_loops
def test_a_stream_breaks_after_two_pieces(loop: str) -> None:
    """Every way in which a stream breaks comes after exactly the pieces that were told."""

    async def scene(simulator: Simulator) -> None:
        async def broken(then: str, more: str = "") -> tuple[bytes, bool, bool]:
            answer, reset = await tell(simulator, f"after=2,then={then}{more}", chat(stream=True))
            pieces, ended = chunks(body_of(answer))
            body = b"".join(pieces)
            assert content(events(body[: body.index(b" is")] + b' is"}}]}\n\n')[:2]) == "This"
            return body, ended, reset

        body, ended, reset = await broken("reset")
        assert (content(events(body)), ended, reset) == ("This is", False, True)
        body, ended, reset = await broken("eof")
        assert (content(events(body)), body.endswith(b"\n\n"), ended, reset) == ("This is", True, False, False)
        body, ended, _ = await broken("end")
        assert (content(events(body)), body.endswith(b"\n\n"), ended) == ("This is", True, True)
        assert b"[DONE]" not in body
        body, ended, reset = await broken("truncate")
        assert (content(events(body)), body.endswith(b"\n\n"), ended, reset) == ("This is", False, False, False)
        body, ended, _ = await broken("truncate_json")
        last = body.split(b"\n\n")[-2].removeprefix(b"data: ")
        with pytest.raises(json.JSONDecodeError):
            json.loads(last)
        assert ended
        body, ended, _ = await broken("html")
        assert body.endswith(b"</html>\n")
        body, ended, _ = await broken("error_event")
        assert events(body)[-1]["error"].keys() == {"message", "type", "param", "code"}
        body, ended, _ = await broken("malformed", ",malformed=3,tokens=5")
        assert body.count(b'{"id": "broken", "choices": [{') == 3
        assert body.endswith(b"data: [DONE]\n\n")
        body, ended, _ = await broken("utf8", ",tokens=5")
        with pytest.raises(UnicodeDecodeError):
            body.decode()
        assert body.endswith(b"data: [DONE]\n\n")
        answer, _ = await tell(simulator, "after=2,then=bad_chunk", chat(stream=True))
        assert b"\r\nnot-a-size\r\n" in answer
        by_outcome = [record.outcome for record in simulator.stats.log]
        assert by_outcome == ["failed"] * 7 + ["finished"] * 2 + ["failed"]
        assert [record.completion_tokens for record in simulator.stats.log] == [2] * 7 + [5, 5, 2]

    play(scene, loop=loop)


@on_both_loops
def test_a_whole_answer_breaks_in_its_middle(loop: str) -> None:
    """An answer that is not streamed promises its length and keeps half of it, or keeps it with half a JSON."""

    async def scene(simulator: Simulator) -> None:
        for then, keeps_length, resets in (
            ("reset", False, True),
            ("eof", False, False),
            ("truncate", False, False),
            ("truncate_json", True, False),
            ("malformed", True, False),
            ("utf8", True, False),
        ):
            answer, reset = await tell(simulator, f"then={then}")
            status, headers, body = parts(answer)
            assert (status, reset) == (200, resets), then
            assert (len(body) == int(headers["content-length"])) == keeps_length, then
            assert body.startswith(b'{"')
            with pytest.raises(ValueError, match=r"."):  # JSON and UTF-8 errors are both ValueErrors
                json.loads(body)
        _, _, body = parts((await tell(simulator, "then=error_event"))[0])
        assert json.loads(body)["error"]["type"] == "server_error"

    play(scene, loop=loop)


@on_both_loops
def test_stalls_end_with_the_client_or_with_time(loop: str) -> None:
    """A stall lasts until the client leaves, which counts as an abort at once; with `stall_s` the answer goes on."""

    async def scene(simulator: Simulator) -> None:
        for told, stream in (("fail=stall", False), ("then=stall", False), ("after=1,then=stall", True)):
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            writer.write(post(chat(stream=stream), x_simulate=told))
            if told != "fail=stall":
                await reader.readuntil(b"\r\n\r\n")
            aborted = simulator.stats.aborted
            await until(lambda: simulator.stats.connections_open == 1)
            await asyncio.sleep(0.02)
            assert simulator.stats.aborted == aborted
            writer.close()
            await until(lambda before=aborted: simulator.stats.aborted == before + 1)  # type: ignore[misc]  # a default binds the loop's value
            await until(lambda: simulator.stats.connections_open == 0)
        answer, _ = await tell(simulator, "after=1,then=stall,stall_s=0.05,tokens=3", chat(stream=True))
        assert content(events(parts(answer)[2])) == "This is a"
        record = simulator.stats.log[-1]
        assert record.outcome == "finished"
        assert record.closed_at - record.started_at >= 0.049

    play(scene, loop=loop)


@on_both_loops
def test_aborts_are_noticed_and_counted(loop: str) -> None:
    """A client that leaves a slow stream, an endless one or one that it does not read is noticed in a moment."""

    async def scene(simulator: Simulator) -> None:
        for told in ("tokens=1000,tokens_per_s=100", "endless", "latency_ms=60000"):
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            writer.write(post(chat(stream=True, max_tokens=10), x_simulate=told))
            await reader.readuntil(b"\r\n\r\n")
            before, left_at = simulator.stats.aborted, asyncio.get_running_loop().time()
            writer.transport.abort()
            await until(lambda before=before: simulator.stats.aborted == before + 1)  # type: ignore[misc]  # a default binds the loop's value
            record = simulator.stats.log[-1]
            assert record.outcome == "aborted"
            assert 0 <= record.closed_at - left_at < 0.5
        assert simulator.stats.completed == 0

    play(scene, loop=loop)


def test_endless_ignores_the_limit() -> None:
    """An endless stream goes past `max_tokens` for as long as somebody reads; other clients are served meanwhile."""

    async def scene(simulator: Simulator) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
        writer.write(post(chat(stream=True, max_tokens=1), x_simulate="endless"))
        await reader.readexactly(300_000)
        assert parts((await tell(simulator, ""))[0])[0] == 200
        writer.close()
        await until(lambda: simulator.stats.aborted == 1)
        assert simulator.stats.log[0].completion_tokens > 500
        whole = json.loads(parts((await tell(simulator, "endless", chat(max_tokens=1)))[0])[2])
        assert whole["usage"]["completion_tokens"] == 20_000

    play(scene)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529])
def test_statuses(status: int) -> None:
    """`fail=<status>` answers with it, in OpenAI's shape, streamed or not; the connection lives on."""

    async def scene(simulator: Simulator) -> None:
        for stream in (False, True):
            answer, _ = await exchange(
                simulator,
                post(chat(f"m@fail={status}", stream=stream)) + post(chat(), connection="close"),
            )
            got, headers, rest = parts(answer)
            body = json.loads(rest[: int(headers["content-length"])])
            assert got == status
            assert body["error"].keys() == {"message", "type", "param", "code"}
            assert b"HTTP/1.1 200 OK" in rest

    play(scene)


def near(moment: datetime, seconds: float) -> bool:
    """Whether a moment is about so many seconds from now."""
    return abs((moment - datetime.now(UTC)).total_seconds() - seconds) < 3


HINTS: list[tuple[str, Callable[[dict[str, str], dict[str, Any]], bool]]] = [
    ("none", lambda headers, error: not any("retry" in name or "limit" in name for name in headers)),
    ("retry-after", lambda headers, error: headers["retry-after"] == "90"),
    ("retry-after-date", lambda headers, error: near(parsedate_to_datetime(headers["retry-after"]), 90)),
    ("retry-after-ms", lambda headers, error: headers["retry-after-ms"] == "90000"),
    ("ratelimit-reset", lambda headers, error: headers["x-ratelimit-reset-requests"] == "1m30s"),
    ("google", lambda headers, error: error["details"][0]["retryDelay"] == "90s"),
    (
        "anthropic",
        lambda headers, error: near(datetime.fromisoformat(headers["anthropic-ratelimit-requests-reset"]), 90),
    ),
    ("text", lambda headers, error: error["message"].endswith("Please try again in 90s.")),
    ("epoch", lambda headers, error: near(datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC), 90)),
]


@pytest.mark.parametrize(("hint", "says"), HINTS)
def test_retry_hints(hint: str, says: Callable[[dict[str, str], dict[str, Any]], bool]) -> None:
    """Every provider's way of saying "come back in 90 seconds" says 90 seconds."""

    async def scene(simulator: Simulator) -> None:
        status, headers, body = parts((await tell(simulator, f"fail=429,hint={hint},hint_s=90"))[0])
        assert status == 429
        assert says(headers, json.loads(body)["error"])

    play(scene)


def test_pages_errors_and_nothing_in_a_200() -> None:
    """HTML with 502 and 200, an error object in a 200 and as the first event, an empty 200, a redirect."""

    async def scene(simulator: Simulator) -> None:
        status, headers, body = parts((await tell(simulator, "fail=html"))[0])
        assert (status, headers["content-type"][:9], body[:9]) == (502, "text/html", b"<!DOCTYPE")
        assert parts((await tell(simulator, "fail=html200"))[0])[0] == 200
        status, headers, body = parts((await tell(simulator, "fail=error200"))[0])
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body)["error"]["code"] is None
        status, headers, body = parts((await tell(simulator, "fail=error200", chat(stream=True)))[0])
        assert (status, headers["content-type"][:17]) == (200, "text/event-stream")
        assert [event.keys() for event in events(body)] == [{"error"}]
        assert parts((await tell(simulator, "fail=empty"))[0])[::2] == (200, b"")
        status, headers, _ = parts((await tell(simulator, "fail=redirect"))[0])
        assert (status, headers["location"]) == (307, "/v1/redirected")

    play(scene)


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ("openai", b'data: {"error":{"message"'),
        ("event", b'event: error\ndata: {"error":{"message"'),
        ("anthropic", b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"'),
        ("vllm", b'data: {"object":"error"'),
    ],
)
def test_shapes_of_errors_in_a_stream(shape: str, start: bytes) -> None:
    """The error events of FAULTS.md U-22."""

    async def scene(simulator: Simulator) -> None:
        told = f"fail=529,after=1,error_as={shape}"
        _, _, body = parts((await tell(simulator, told, chat(stream=True)))[0])
        assert body.split(b"\n\n")[2].startswith(start)

    play(scene)


def test_ends_of_streams() -> None:
    """`[DONE]` missing, content after it, finish missing or twice, nothing said at all."""

    async def scene(simulator: Simulator) -> None:
        async def told(text: str) -> list[Any]:
            return events(parts((await tell(simulator, f"tokens=2,{text}", chat(stream=True)))[0])[2])

        def finishes(found: list[Any]) -> list[str]:
            return [
                e["choices"][0]["finish_reason"] for e in found if e != "[DONE]" and e["choices"][0]["finish_reason"]
            ]

        plain = await told("")
        assert (finishes(plain), plain[-1]) == (["stop"], "[DONE]")
        assert (await told("done=0"))[-1] != "[DONE]"
        after = await told("after_done=1")
        assert after[-2] == "[DONE]"
        assert content(after[-1:]) == " is"
        assert finishes(await told("finish=none")) == []
        assert finishes(await told("finish=twice")) == ["stop", "stop"]
        assert finishes(await told("finish=content_filter")) == ["content_filter"]
        empty = await told("tokens=0,finish=none")
        assert [len(empty), content(empty), empty[-1]] == [2, "", "[DONE]"]
        role_only = await told("after=0,then=end")
        assert [event["choices"][0]["delta"].get("role") for event in role_only] == ["assistant"]
        whole = json.loads(parts((await tell(simulator, "tokens=0,finish=none"))[0])[2])
        assert whole["choices"][0]["message"]["content"] == ""
        assert whole["choices"][0]["finish_reason"] is None

    play(scene)


USAGES: list[tuple[str, list[tuple[Any, Any]]]] = [
    ("full", [(5, 8)]),
    ("none", []),
    ("zero", [(0, 0)]),
    ("negative", [(-5, -8)]),
    ("huge", [(10**15, 10**15)]),
    ("float", [(5.5, 8.5)]),
    ("string", [("5", "8")]),
    ("twice", [(5, 4), (5, 8)]),
]


@pytest.mark.parametrize(("kind", "expected"), USAGES)
def test_usages(kind: str, expected: list[tuple[Any, Any]]) -> None:
    """True and false usages, streamed and not; the books always hold the true numbers."""

    async def scene(simulator: Simulator) -> None:
        asked = chat(stream=True, stream_options={"include_usage": True})
        found = events(parts((await tell(simulator, f"tokens=8,usage={kind}", asked))[0])[2])
        usages = [event["usage"] for event in found if event != "[DONE]" and event["usage"]]
        assert [(usage["prompt_tokens"], usage["completion_tokens"]) for usage in usages] == expected
        whole = json.loads(parts((await tell(simulator, f"tokens=8,usage={kind}"))[0])[2])
        assert ("usage" in whole) == bool(expected)
        if expected:
            assert (whole["usage"]["prompt_tokens"], whole["usage"]["completion_tokens"]) == expected[-1]
        assert [(r.prompt_tokens, r.completion_tokens) for r in simulator.stats.log] == [(5, 8), (5, 8)]

    play(scene)


def test_usage_that_is_no_number_and_a_cached_prompt() -> None:
    """`usage=nan` writes what JSON does not know; `cached` is never more than the prompt."""

    async def scene(simulator: Simulator) -> None:
        assert b'"prompt_tokens":NaN' in (await tell(simulator, "usage=nan"))[0]
        whole = json.loads(parts((await tell(simulator, "cached=3"))[0])[2])
        assert whole["usage"]["prompt_tokens_details"]["cached_tokens"] == 3
        whole = json.loads(parts((await tell(simulator, "cached=300"))[0])[2])
        assert whole["usage"]["prompt_tokens_details"]["cached_tokens"] == 5

    play(scene)


def test_a_share_of_requests_fails_the_same_way_each_time() -> None:
    """`fail_rate` fails about its share, of the kinds listed, and a seed repeats itself exactly."""
    runs: list[list[tuple[int, str]]] = []

    async def scene(simulator: Simulator) -> None:
        for _ in range(200):
            await tell(simulator, "")
        runs.append([(record.status, record.outcome) for record in simulator.stats.log])

    flaky = Behaviour(fail_rate=0.25, fail_kinds=("500", "429", "reset", "truncate"), tokens=1)
    for seed in (7, 7, 8):
        play(scene, seed=seed, defaults=flaky)
    assert runs[0] == runs[1] != runs[2]
    failed = [status for status, outcome in runs[0] if outcome == "failed"]
    assert 25 <= len(failed) <= 75
    assert set(failed) == {500, 429, 0, 200}
