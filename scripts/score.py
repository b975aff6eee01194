"""Scores the translation of every recorded exchange: what is read, what is written again, what is lost on the way."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import score_facts as facts
import score_folds as folds
import score_normal as normal
from score_again import ASKED_ONLY, FORMATS, Format, events_of, quirks_of, request_again, written_stream, written_whole
from score_leaves import DroppedFields, at, is_same, leaves, shown
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest
from tollway.domain.events import Failed
from tollway.wire.expand import expand

ROOT = Path(__file__).resolve().parent.parent
CASSETTES = ROOT.parent / "shared" / "cassettes"
DROPPED = ROOT / "tests" / "wire" / "dropped_fields.toml"
Json = dict[str, Any]


@dataclass
class Row:
    """One line of the table: a provider, a format, and which way."""

    recordings: int = 0
    leaves: int = 0
    dropped: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def percent(self) -> float:
        return 100.0 if not self.leaves else 100.0 * (self.leaves - sum(self.lost.values())) / self.leaves


class Score:
    """Counts leaf by leaf; `rows` is the result, `examples` one recording for each kind of loss."""

    def __init__(self, dropped: DroppedFields) -> None:
        self.dropped = dropped
        self.rows: dict[tuple[str, str, str], Row] = {}
        self.examples: dict[tuple[str, str, str], str] = {}

    @property
    def is_whole(self) -> bool:
        return not any(row.lost for row in self.rows.values())

    def take(self, record: Json) -> None:
        """Everything that one recorded exchange can show."""
        api, provider, case = record["api"], record["provider"], record["case"]
        if (form := FORMATS.get(api)) is None:
            if api in ASKED_ONLY and record["response"]["status"] == 200 and "json" in record["response"]:
                self._translated(ASKED_ONLY[api], provider, api, case, record["response"]["json"])
            return
        request = None
        if "json" in record["request"]:
            request = self._request(form, provider, api, case, record)
        if record["response"]["status"] != 200:
            self._refused(form, provider, api, case, record["response"])
        else:
            self._answered(form, provider, api, case, record["response"], request)

    def _row(self, provider: str, api: str, direction: str) -> Row:
        row = self.rows.setdefault((provider, api, direction), Row())
        row.recordings += 1
        return row

    def _request(self, form: Format, provider: str, api: str, case: str, record: Json) -> ChatRequest | None:
        body = record["request"]["json"]
        row = self._row(provider, api, "request")
        try:
            model, stream = body.get("model", "model"), bool(body.get("stream"))
            written = request_again(form, body, model=model, stream=stream, quirks=quirks_of(provider))
        except InvalidRequest as error:
            # What we refuse is not lost, it is said to the caller: by name, and only where the list has the name.
            row.leaves += 1
            refused = record["response"]["status"] == 400
            if not refused and not self.dropped.excuses(api, "refused", error.param or ""):
                self._lose(row, (api, "refused", error.param or ""), case)
            return None
        self._compare(row, (api, "request"), case, normal.request(api, body), normal.request(api, written))
        request = form.server.decode_request(json.dumps(body).encode())
        return request if isinstance(request, ChatRequest) else None

    def _answered(
        self, form: Format, provider: str, api: str, case: str, response: Json, request: ChatRequest | None
    ) -> None:
        row = self._row(provider, api, "answer")
        if "text" in response:
            recorded = form.fold(folds.sse(response["text"]))
            events = events_of(form, response["text"].encode())
            written = written_stream(form, events)
        else:
            recorded = response["json"]
            answer = form.client.decode_answer(json.dumps(recorded).encode())
            if isinstance(answer, Failed):
                self._lose(row, (api, "answer", "(unread)"), case)
                return
            events, written = expand(answer), written_whole(form, answer, request)
        self._compare(row, (api, "answer"), case, normal.answer(api, recorded), normal.answer(api, written))
        if not any(isinstance(event, Failed) for event in events):
            self._translated(form.client, provider, api, case, recorded, stream=response.get("text"))

    def _translated(
        self, client: Any, provider: str, api: str, case: str, recorded: Json, *, stream: str | None = None
    ) -> None:
        """The same answer in each other format: every fact is there."""
        known = facts.facts_of(api, recorded)
        for other, form in FORMATS.items():
            if other == api:
                continue
            row = self._row(provider, api, f"to {other}")
            row.leaves += len(known)
            if stream is not None:
                decoder = client.EventDecoder()
                written = written_stream(form, [*decoder.feed(stream.encode()), *decoder.end()])
            else:
                written = written_whole(form, client.decode_answer(json.dumps(recorded).encode()))
            for kind, value in facts.missing(known, other, written):
                if self.dropped.excuses(other, f"from_{api}", kind) or self.dropped.excuses(other, "from_any", kind):
                    row.dropped += 1
                else:
                    self._lose(row, (api, f"to {other}", kind), f"{case}: {str(value)[:60]}")

    def _refused(self, form: Format, provider: str, api: str, case: str, response: Json) -> None:
        """An error: its status, the message as far as we repeat one, and the word for it."""
        row = self._row(provider, api, "error")
        body = json.dumps(response["json"]).encode()
        failed = form.client.decode_error(response["status"], response["headers"].get, body, now_s=0.0)
        told = " ".join(str(value) for value in (failed.message, failed.code, failed.status)).replace("\u2026", "")
        for path, value in leaves(response["json"]):
            row.leaves += 1
            if str(value)[:150] in told or " ".join(str(value).split())[:150] in told:
                continue
            self._miss(row, (api, "error"), case, shown(path))

    def _compare(self, row: Row, where: tuple[str, str], case: str, recorded: Json, written: Json) -> None:
        for path, value in leaves(recorded):
            row.leaves += 1
            if not is_same(at(written, path), value):
                self._miss(row, where, case, shown(path))

    def _miss(self, row: Row, where: tuple[str, str], case: str, path: str) -> None:
        if self.dropped.excuses(*where, path):
            row.dropped += 1
        else:
            self._lose(row, (*where, path), case)

    def _lose(self, row: Row, what: tuple[str, str, str], case: str) -> None:
        row.lost[what[2]] += 1
        self.examples.setdefault(what, case)


def recordings(folder: Path) -> Iterator[Json]:
    """Every exchange that lies in a folder."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def score_of(folder: Path, dropped: DroppedFields) -> Score:
    """The score of all recordings of a folder."""
    score = Score(dropped)
    for record in recordings(folder):
        score.take(record)
    return score


def report(score: Score) -> Iterator[str]:
    """The table, the losses if there are any, and the list of what is dropped on purpose."""
    yield f"{'provider':<16} {'format':<18} {'direction':<20} {'read':>5} {'leaves':>7} {'dropped':>8} {'score':>8}"
    for (provider, api, direction), row in sorted(score.rows.items()):
        yield (
            f"{provider:<16} {api:<18} {direction:<20} {row.recordings:>5} {row.leaves:>7} {row.dropped:>8} "
            f"{row.percent:>7.2f}%"
        )
    if score.examples:
        yield "\nlost:"
        for (api, direction, path), case in sorted(score.examples.items()):
            yield f"  {api} {direction}: {path}   ({case})"
    yield "\ndropped on purpose, or written otherwise:"
    for entry in score.dropped.entries:
        yield f"  {entry.count:>5}  {entry.format} {entry.direction}: {entry.path}: {entry.reason}"
    yield "\ndifferences that are none:"
    for name, reason in normal.RULES.items():
        yield f"  {name}: {reason}"


def main() -> int:
    """Print the score. -> exit status: 0 where nothing is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CASSETTES, help="where the recordings lie")
    folder = parser.parse_args().folder
    if not any(folder.glob("*.jsonl")):
        print(f"no recordings in {folder}")
        return 2
    score = score_of(folder, DroppedFields.read(DROPPED))
    print("\n".join(report(score)))
    return 0 if score.is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
