"""Cohere's citations <-> annotations: the words of an answer, and the documents and tools' results they rest on."""

from typing import Any

import msgspec

OWN = "cohere_citation"
"""The field of an annotation that holds the whole citation, which goes back to Cohere with the answer."""


def annotations_of(citation: dict[str, Any], starts: dict[int, int]) -> list[dict[str, Any]]:
    """A citation -> a `url_citation` for each of its sources; the first one holds the citation itself.

    `starts`: where the text of a content block starts in the whole text. What cites a plan or a thought covers no
    character of the text.
    """
    start, end = 0, 0
    if citation.get("type") in (None, "TEXT_CONTENT"):
        offset = starts.get(_index(citation.get("content_index")), 0)
        start, end = offset + _index(citation.get("start")), offset + _index(citation.get("end"))
    sources = [source for source in citation.get("sources") or () if isinstance(source, dict)] or [{}]
    notes: list[dict[str, Any]] = []
    for source in sources:
        about = {**_about(source), "start_index": start, "end_index": max(start, end)}
        notes.append({"type": "url_citation", "url_citation": about})
    notes[0][OWN] = citation
    return notes


def _about(source: dict[str, Any]) -> dict[str, Any]:
    """What OpenAI's annotation says of a source. One without an address has its id as such."""
    kind = "tool" if source.get("type") == "tool" else "document"
    fields = source.get("tool_output") if kind == "tool" else source.get("document")
    fields = fields if isinstance(fields, dict) else {}
    url, title = fields.get("url"), fields.get("title")
    said = next((fields[name] for name in ("snippet", "text", "content") if isinstance(fields.get(name), str)), None)
    return {
        "url": url if isinstance(url, str) and url else f"{kind}:{source.get('id') or ''}",
        "title": title if isinstance(title, str) else "",
        "content": said if said is not None else msgspec.json.encode(fields).decode(),
    }


def citations_of(annotations: Any) -> list[dict[str, Any]]:
    """An assistant's annotations, as the caller sent them back -> the citations that came from Cohere."""
    if not isinstance(annotations, list):
        return []
    return [
        note[OWN] for note in annotations if isinstance(note, dict) and isinstance(note.get(OWN), dict) and note[OWN]
    ]


def _index(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
