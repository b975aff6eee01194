"""groundingMetadata and citationMetadata <-> url_citation annotations; logprobsResult <-> OpenAI's logprobs."""

from typing import Any

import msgspec
from msgspec import Raw

_ENCODER = msgspec.json.Encoder()


def read_annotations(grounding: Any, citations: Any, text: str) -> Raw | None:
    """Each source of each supported piece of `text`, the choice's whole text. Google counts bytes, we characters."""
    found: list[dict[str, Any]] = []
    if isinstance(grounding, dict):
        found += _grounded(grounding, text)
    if isinstance(citations, dict):
        found += _cited(citations, text)
    return Raw(_ENCODER.encode(found)) if found else None


def write_grounding(annotations: Raw | None, text: str) -> dict[str, Any] | None:
    """url_citation annotations -> groundingMetadata, or None where there are none."""
    chunks: list[dict[str, Any]] = []
    supports: list[dict[str, Any]] = []
    places: dict[str, int] = {}
    items = msgspec.json.decode(annotations) if annotations is not None else []
    for item in items if isinstance(items, list) else ():
        citation = item.get("url_citation") if isinstance(item, dict) else None
        if not isinstance(citation, dict) or not isinstance(url := citation.get("url"), str):
            continue
        if url not in places:
            places[url] = len(chunks)
            chunks.append({"web": {"uri": url, "title": str(citation.get("title") or url)}})
        start, end = citation.get("start_index"), citation.get("end_index")
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text):
            segment = {
                "startIndex": len(text[:start].encode()),
                "endIndex": len(text[:end].encode()),
                "text": text[start:end],
            }
            supports.append({"segment": segment, "groundingChunkIndices": [places[url]]})
    if not chunks:
        return None
    return {"groundingChunks": chunks, **({"groundingSupports": supports} if supports else {})}


def read_logprobs(result: Any) -> Raw | None:
    """logprobsResult -> `{"content": [...], "refusal": null}`."""
    chosen = result.get("chosenCandidates") if isinstance(result, dict) else None
    if not isinstance(chosen, list) or not chosen:
        return None
    tops = _list(result.get("topCandidates"))
    content: list[dict[str, Any]] = []
    for place, item in enumerate(chosen):
        group = tops[place].get("candidates") if place < len(tops) and isinstance(tops[place], dict) else None
        content.append({**_logprob(item), "top_logprobs": [_logprob(top) for top in _list(group)]})
    found: dict[str, Any] = {"content": content, "refusal": None}
    if isinstance(total := result.get("logProbabilitySum"), int | float):
        found["log_probability_sum"] = total
    return Raw(_ENCODER.encode(found))


def write_logprobs(logprobs: Raw | None) -> dict[str, Any] | None:
    """OpenAI's logprobs -> logprobsResult."""
    value = msgspec.json.decode(logprobs) if logprobs is not None else None
    if not isinstance(value, dict) or not (content := _dicts(value.get("content"))):
        return None
    result: dict[str, Any] = {"chosenCandidates": [_candidate(item) for item in content]}
    if any(item.get("top_logprobs") for item in content):
        result["topCandidates"] = [
            {"candidates": [_candidate(top) for top in _dicts(item.get("top_logprobs"))]} for item in content
        ]
    if "log_probability_sum" in value:
        result["logProbabilitySum"] = value["log_probability_sum"]
    return result


def _logprob(item: Any) -> dict[str, Any]:
    item = item if isinstance(item, dict) else {}
    token = str(item.get("token", ""))
    # A probability of one is left out, as protobuf leaves out every zero.
    found = {"token": token, "logprob": item.get("logProbability", 0.0), "bytes": list(token.encode())}
    return found if "tokenId" not in item else {**found, "token_id": item["tokenId"]}


def _candidate(item: dict[str, Any]) -> dict[str, Any]:
    found = {"token": str(item.get("token", "")), "logProbability": item.get("logprob", 0.0)}
    return found if "token_id" not in item else {**found, "tokenId": item["token_id"]}


def _grounded(grounding: dict[str, Any], text: str) -> list[dict[str, Any]]:
    sources = [_source(chunk) for chunk in _list(grounding.get("groundingChunks"))]
    supports = _dicts(grounding.get("groundingSupports"))
    found: list[dict[str, Any]] = []
    for support in supports:
        segment = support.get("segment")
        start, end = _characters(segment if isinstance(segment, dict) else {}, text)
        for index in _list(support.get("groundingChunkIndices")):
            source = sources[index] if isinstance(index, int) and 0 <= index < len(sources) else None
            if source is not None:
                found.append(_citation(source, start, end, text))
    if not supports:
        found += [_citation(source, 0, 0, text) for source in sources if source is not None]
    return found


def _source(chunk: Any) -> dict[str, Any] | None:
    """What a chunk names, if it has an address: web, maps, image, or a document of one's own."""
    for inner in chunk.values() if isinstance(chunk, dict) else ():
        if isinstance(inner, dict) and isinstance(uri := inner.get("uri") or inner.get("sourceUri"), str):
            return {"url": uri, "title": inner.get("title") or uri, "content": inner.get("text")}
    return None


def _cited(citations: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """`citations` on Vertex, `citationSources` on the Gemini API."""
    items = _list(citations.get("citations")) or _list(citations.get("citationSources"))
    return [
        _citation({"url": item["uri"], "title": item.get("title") or item["uri"]}, *_characters(item, text), text)
        for item in items
        if isinstance(item, dict) and isinstance(item.get("uri"), str)
    ]


def _citation(source: dict[str, Any], start: int, end: int, text: str) -> dict[str, Any]:
    citation = {"url": source["url"], "title": source["title"], "start_index": start, "end_index": end}
    if content := source.get("content") or text[start:end]:
        citation["content"] = content
    return {"type": "url_citation", "url_citation": citation}


def _characters(segment: dict[str, Any], text: str) -> tuple[int, int]:
    """Where a segment stands in the text; (0, 0) where it does not. Its own text decides: a part has its own count."""
    start, end = segment.get("startIndex", 0), segment.get("endIndex", 0)
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end:
        return 0, 0
    raw = text.encode()
    first = len(raw[:start].decode(errors="ignore"))
    last = len(raw[:end].decode(errors="ignore"))
    said = segment.get("text")
    if isinstance(said, str) and said and text[first:last] != said:
        first = text.find(said)
        return (first, first + len(said)) if first >= 0 else (0, 0)
    return first, last


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]
