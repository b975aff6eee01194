"""The chat room's pure modules, in the browser that they are for: the reader of streams, answers, branches, files."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.town import Town
from tests.browser.visitor import Visits
from tollway.web.assets import Assets


@pytest.fixture
def page(visit: Visits, town: Town) -> Page:
    """Any page of the site: its policy lets modules of the site in, and no others."""
    return visit().open("/status")


def run(page: Page, name: str, script: str, argument: Any = None) -> Any:
    """What the function makes of the module and the argument."""
    path = Assets.of_package().path(f"chat/{name}.js")
    return page.evaluate(f"async ([path, given]) => ({script})(await import(path), given)", [path, argument])


READ = """(m, chunks) => {
  const reader = new m.SseReader();
  return chunks.flatMap((chunk) => reader.feed(new Uint8Array(chunk)));
}"""
STREAM = ": a comment\r\n\r\ndata: one\n\ndata:two\rdata: é€😀\r\revent: x\ndata\n\ndata: [DONE]\n\ndata: never ended\n"
EVENTS = ["one", "two\né€😀", "", "[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_streams_are_read_however_they_are_cut(page: Page, size: int) -> None:
    """Line ends of three kinds, comments, several lines, letters cut in the middle."""
    data = list(STREAM.encode())
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert run(page, "sse", READ, chunks) == EVENTS


FOLD = """(m, chunks) => {
  const answer = m.newAnswer("a", "x/y", 1000);
  let error = null;
  try {
    chunks.forEach((chunk, at) => m.addChunk(answer, chunk, 1100 + at));
  } catch (e) {
    error = [e.status, e.message];
  }
  return { ...answer, cost: m.costOf(answer), open: m.isOpen(answer), thrown: error };
}"""


def delta(**fields: Any) -> dict[str, Any]:
    return {"id": "gen-1", "provider": "Acme", "choices": [{"delta": fields, "finish_reason": None}]}


def test_chunks_add_up_to_an_answer(page: Page) -> None:
    """Text, reasoning, calls of tools in pieces, citations, images; the first token is the first word's."""
    url = "data:image/png;base64,AA"
    chunks = [
        delta(role="assistant", content=""),
        delta(reasoning="Hm"),
        delta(content="He"),
        delta(content="llo", annotations=[{"type": "url_citation", "url_citation": {"url": "https://a.example"}}]),
        delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a"'}}]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}], images=[{"image_url": {"url": url}}]),
        {"choices": [], "usage": {"cost": 0.25, "total_tokens": 9}},
    ]
    made = run(page, "answer", FOLD, chunks)
    assert (made["text"], made["reasoning"], made["provider"], made["generation"]) == ("Hello", "Hm", "Acme", "gen-1")
    assert made["tools"] == [{"id": "c1", "name": "f", "arguments": '{"a": 1}'}]
    assert made["sources"] == [{"url": "https://a.example", "title": "https://a.example"}]
    assert (made["images"], made["cost"], made["firstMs"], made["open"]) == ([url], 0.25, 101, True)
    failed = run(page, "answer", FOLD, [delta(content="He"), {"error": {"code": 502, "message": "It broke"}}])
    assert (failed["text"], failed["thrown"]) == ("He", [502, "It broke"])


TREE = """(m) => {
  const talk = m.newConversation([m.newPane("a/a"), m.newPane("b/b")], 1);
  const [one, two] = talk.panes;
  const said = (text, cost = 0) => ({ text, state: "done", usage: { cost, total_tokens: 2 } });
  one.system = "Be brief.";
  const first = m.addTurn(talk, m.ROOT, "  First\\n question ", [], 1);
  m.addAnswer(first, one.id, said("A1", 0.5));
  m.addAnswer(first, one.id, said("A2", 0.25));
  const second = m.addTurn(talk, first.id, "Second", [{ name: "x.pdf", type: "application/pdf", url: "data:," }], 2);
  const sent = [m.messagesFor(talk, second, one), m.messagesFor(talk, second, two)];
  const edited = m.addTurn(talk, m.ROOT, "Edited", [], 3);
  const shown = m.path(talk).map((turn) => turn.text);
  const beside = m.siblings(talk, edited).map((turn) => turn.text);
  talk.active[m.ROOT] = first.id;
  const back = m.path(talk).map((turn) => turn.text);
  const sums = m.totals(talk);
  m.removeTurn(talk, first);
  return { title: talk.title, sent, shown, beside, back, sums, left: m.path(talk).map((turn) => turn.text),
    kept: Object.keys(talk.turns).length };
}"""


def test_branches(page: Page) -> None:
    """What is sent, seen, summed and left of a tree: the chosen answers; a later pane has the first one's."""
    made = run(page, "tree", TREE)
    assert made["title"] == "First question"
    file = {"type": "file", "file": {"filename": "x.pdf", "file_data": "data:,"}}
    asked = {"role": "user", "content": "  First\n question "}
    then = {"role": "user", "content": [{"type": "text", "text": "Second"}, file]}
    answer = {"role": "assistant", "content": "A2"}
    assert made["sent"] == [
        [{"role": "system", "content": "Be brief."}, asked, answer, then],
        [asked, answer, then],
    ]
    assert (made["shown"], made["beside"]) == (["Edited"], ["  First\n question ", "Edited"])
    assert made["back"] == ["  First\n question ", "Second"]
    assert made["sums"] == {"cost": 0.75, "tokens": 4, "answers": 2}
    assert (made["left"], made["kept"]) == (["Edited"], 1)


FILES = """(m, text) => { try { return m.fromFile(text); } catch (error) { return error.message; } }"""


def test_files_keep_what_they_know(page: Page) -> None:
    """A file's fields of other names and types are dropped; names that every object has are no turns."""
    hostile = (
        '{"format": "tollway-chat", "version": 1, "conversations": [{"id": 7, "title": {"a": 1}, "key": "sk-secret", '
        '"panes": [{"id": "p", "model": ["x"], "params": [], "key": "sk"}], "active": {"root": "__proto__", "x": "t"}, '
        '"turns": {"a": null, "b": {"id": "__proto__"}, "c": {"id": "constructor"}, '
        '"d": {"id": "t", "text": 3, "files": [{"name": "f", "url": "https://evil.example"}], '
        '"answers": {"p": [{"state": "streaming", "text": {}, "images": ["https://evil.example", 3]}]}}}}]}'
    )
    [talk] = run(page, "portable", FILES, hostile)
    assert set(talk) == {"id", "title", "created", "updated", "panes", "turns", "active"}
    assert (talk["title"], list(talk["turns"]), talk["active"]) == ("", ["t"], {})
    turn = talk["turns"]["t"]
    assert (turn["text"], turn["parent"], turn["files"][0]["url"]) == ("", "root", "")
    [answer] = turn["answers"]["p"]
    assert (answer["state"], answer["text"], answer["images"]) == ("interrupted", "", [])
    assert talk["panes"] == [{"id": "p", "model": "", "system": "", "params": {}}]
