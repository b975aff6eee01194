"""The benchmark notices what is wrong: answers cut short, a ledger that does not agree, time spent by children."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import apsw
import msgspec
import pytest

from bench import cpu, load, payload, report, tollway
from bench.gateway import Address, Gateway
from bench.processes import Failed
from bench.run import Row, Run
from bench.scenarios import Options
from bench.upstream import Connection, Manners, Script

STREAM = b"".join(payload.content_events(5)) + payload.tail()


def test_payloads_have_their_sizes() -> None:
    """The answer is 1 KB to the byte, and an event about 180 bytes, as the published figures say."""
    assert len(payload.ANSWER) == payload.ANSWER_BYTES
    assert {len(event) for event in payload.content_events(3)} <= set(range(170, 200))


@pytest.mark.parametrize(
    ("body", "stream", "wrong"),
    [
        (payload.ANSWER, False, None),
        (payload.ANSWER[:-1], False, "not a chat completion"),
        (payload.ANSWER.replace(b"made up", b"cut off", 1), False, "the content is not what the upstream sent"),
        (b'{"choices":[]}', False, "the content is not what the upstream sent"),
        (STREAM, True, None),
        (STREAM.replace(b"data: [DONE]", b""), True, "stream without [DONE]"),
        (STREAM.replace(payload.word(4).encode(), b""), True, "without its last content event"),
    ],
)
def test_answers_are_checked(body: bytes, stream: bool, wrong: str | None) -> None:
    """An answer counts only if it came whole."""
    found = load.check(body, stream, events=5)
    assert (found is None) if wrong is None else (found is not None and wrong in found)


def drive(cut: bool = False, closes: bool = False, **fields: object) -> load.Outcome:
    """A load on a mock upstream, both in this process. `cut`: streams lack an event; `closes`: no answer is whole."""

    async def both() -> load.Outcome:
        loop = asyncio.get_running_loop()
        script = Script()
        script.follow(Manners(events=5, pace_ms=2.0))
        if cut:
            script.chat = msgspec.structs.replace(script.chat, chunks=script.chat.chunks[:-1])
        served: list[Connection] = []

        def connected() -> Connection:
            served.append((Closing if closes else Connection)(script, loop))
            return served[-1]

        server = await loop.create_server(connected, "127.0.0.1", 0)
        async with server:
            order = {
                "port": server.sockets[0].getsockname()[1],
                "path": "/v1/chat/completions",
                "headers": {},
                "model": "m",
            }
            outcome = await load.Load(msgspec.convert(order | fields, load.Order)).run()
            for connection in served:
                await connection.closed.wait()
            return outcome

    return asyncio.run(asyncio.wait_for(both(), 120))


class Closing(Connection):
    """An upstream that hangs up in the middle of its first answer."""

    def on_message_complete(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n\r\nhalf")
        self._transport.close()


def test_a_closed_loop_counts_every_answer() -> None:
    """Each request is made once, and is answered whole."""
    outcome = drive(connections=4, requests=20, warmup=6)
    assert (outcome.succeeded, outcome.warmup_succeeded, outcome.failed, outcome.errors) == (20, 6, 0, {})
    assert 0 < outcome.latency_ms.p50 <= outcome.latency_ms.p99 <= outcome.latency_ms.max


def test_streams_are_timed_to_their_first_event() -> None:
    """The first event of a paced stream comes before its end, and all of four connections' streams are open at once."""
    outcome = drive(connections=4, requests=4, stream=True, events=5)
    assert (outcome.succeeded, outcome.failed, outcome.streams_open_max) == (4, 0, 4)
    assert 0 < outcome.first_event_ms.p50 < outcome.latency_ms.p50


def test_a_fixed_rate_is_kept() -> None:
    """Requests start when they are due, not when the last one was answered: the window lasts as long as it should."""
    outcome = drive(connections=8, requests=50, warmup=8, rate=500.0)
    assert (outcome.succeeded, outcome.warmup_succeeded) == (50, 8)
    assert outcome.wall_s >= 49 / 500


def test_a_stream_without_its_end_is_no_success() -> None:
    """Streams whose last content event is missing are counted as failures, by what was wrong with them."""
    outcome = drive(cut=True, connections=2, requests=3, stream=True, events=5)
    assert (outcome.succeeded, outcome.errors) == (0, {"stream without its last content event": 3})


def test_a_lost_connection_is_a_failure_and_is_replaced() -> None:
    """A server that hangs up fails that request alone; the load goes on over a new connection."""
    outcome = drive(closes=True, connections=1, requests=3)
    assert (outcome.succeeded, outcome.errors) == (0, {"connection lost": 3})


def test_silence_is_a_stall() -> None:
    """A stream in which nothing came for longer than allowed has stalled, though it came to its end."""
    outcome = drive(connections=1, requests=2, stream=True, events=5, stall_ms=0.01)
    assert (outcome.succeeded, outcome.stalled) == (2, 2)


def test_what_is_late_has_failed() -> None:
    """At the deadline a load ends by itself, and what was not answered has failed."""
    outcome = drive(connections=1, requests=1000, stream=True, events=5, deadline_s=0.1)
    assert outcome.failed == 1000 - outcome.succeeded > 0


def test_cpu_time_of_children_counts() -> None:
    """What a process's child burns is the process's own, while it runs and after it was waited for."""
    burn = "import time\nwhile time.process_time() < 0.2: pass\n"
    code = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('over', flush=True); input()"
    )
    before = cpu.sample(os.getpid())
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        during = cpu.sample(parent.pid)
        parent.communicate(b"\n")
    after = cpu.sample(os.getpid())
    assert during.cpu_s >= 0.2
    assert during.rss_bytes > 1_000_000
    assert after.cpu_s - before.cpu_s >= 0.2
    with pytest.raises(ProcessLookupError):
        cpu.sample(parent.pid)


def gateway(data_dir: Path, succeeded: int, failed: int) -> Gateway:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return Gateway(
        name="tollway",
        version="",
        address=Address(port=1),
        process=process,
        started_s=0.1,
        data_dir=data_dir,
        succeeded=succeeded,
        failed=failed,
    )


@pytest.mark.parametrize(
    ("succeeded", "failed", "agrees"),
    [(3, 0, True), (2, 1, True), (1, 1, False), (4, 0, False), (4, 1, False), (2, 0, False)],
)
def test_the_ledger_must_agree(tmp_path: Path, succeeded: int, failed: int, agrees: bool) -> None:
    """One capture and one generation for each success, and at most one for each failure, or the benchmark fails."""
    (tmp_path / "lock").write_text("not a database")
    database = apsw.Connection(str(tmp_path / "tollway.db"))
    for statement in (
        "CREATE TABLE generations (id TEXT)",
        "CREATE TABLE transfers (kind TEXT)",
        "INSERT INTO generations VALUES ('a'), ('b'), ('c')",
        "INSERT INTO transfers VALUES ('grant'), ('capture'), ('capture'), ('capture')",
    ):
        list(database.execute(statement))
    database.close()
    if agrees:
        assert tollway.reconcile(gateway(tmp_path, succeeded, failed)) == tollway.Ledger(3, 3)
        return
    with pytest.raises(Failed, match="does not agree"):
        tollway.reconcile(gateway(tmp_path, succeeded, failed))


def test_no_ledger_is_no_agreement(tmp_path: Path) -> None:
    """Where no ledger is found the benchmark says so: it does not take nothing for agreement."""
    with pytest.raises(Failed, match="No SQLite database"):
        tollway.reconcile(gateway(tmp_path, 0, 0))


def row(number: int, name: str, cpu_us: float) -> Row:
    return Row(round=number, scenario="chat", gateway=name, figures={"cpu_us_per_request": cpu_us}, load=None)


def test_ratios_are_taken_within_a_round() -> None:
    """The machine's speed swings between rounds: the median of ratios, not the ratio of medians."""
    rows = [
        row(1, "tollway", 100),
        row(1, "nginx", 20),
        row(2, "tollway", 300),
        row(2, "nginx", 50),
        row(3, "nginx", 9),
    ]
    figures = report.Figures(Run(rows=rows))
    assert figures.ratio("chat", "tollway", "nginx", "cpu_us_per_request") == 5.5
    assert figures.median("chat", "nginx", "cpu_us_per_request") == 20
    assert figures.ratio("chat", "tollway", "portkey", "cpu_us_per_request") is None


@pytest.mark.parametrize(
    ("measured", "verdict"), [(50.0, "stretch"), (90.0, "met"), (500.0, "missed"), (None, "not measured")]
)
def test_bars_are_told_apart(measured: float | None, verdict: str) -> None:
    """A figure is beside its bar: the stretch reached, the bar met, missed, or not measured."""
    rows = [row(1, "nginx", 10)] + ([row(1, "tollway", measured)] if measured is not None else [])
    first = report.budget(Run(rows=rows), Options())[0]
    assert first[-1] == verdict


def test_the_readme_keeps_all_but_its_table(tmp_path: Path) -> None:
    """Only what is between the marks is replaced; a README without them stays as it is."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    assert report.write_readme("| new |", readme)
    assert readme.read_text() == f"before\n{report.START}\n| new |\n{report.END}\nafter\n"
    readme.write_text("nothing")
    assert not report.write_readme("| new |", readme)
    assert readme.read_text() == "nothing"
