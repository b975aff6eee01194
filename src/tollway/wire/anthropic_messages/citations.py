"""Citations of text blocks <-> OpenAI's annotations: what a text rests on, whoever says it."""

from typing import Any

SEARCHED = "web_search_result_location"


def annotation_of(citation: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    """A citation -> a `url_citation` for the characters `start` to `end` of the whole text.

    The citation itself goes along under `citation`: its `encrypted_index` has to come back with the text
    (docs: web search, "Citations").
    """
    about: dict[str, Any] = {"url": _address(citation)}
    if isinstance(title := citation.get("title") or citation.get("document_title"), str):
        about["title"] = title
    else:
        about["title"] = ""
    if isinstance(text := citation.get("cited_text"), str):
        about["content"] = text
    about |= {"start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": about, "citation": citation}


def _address(citation: dict[str, Any]) -> str:
    """Where what is cited lies: on the web, in a search result that the caller gave, or in one of his documents."""
    for name in ("url", "source", "file_id"):
        if isinstance(value := citation.get(name), str) and value:
            return value
    return f"document:{citation.get('document_index', 0)}"


def citation_of(annotation: Any) -> dict[str, Any] | None:
    """An annotation of any provider -> a citation, or None for one that is not about a text (a parsed file)."""
    if not isinstance(annotation, dict):
        return None
    own = annotation.get("citation")
    if isinstance(own, dict) and own.get("type"):
        return own
    about = annotation.get("url_citation")
    if not isinstance(about, dict) or not isinstance(about.get("url"), str):
        return None
    return {
        "type": SEARCHED,
        "cited_text": str(about.get("content") or ""),
        "encrypted_index": "",
        "title": str(about.get("title") or ""),
        "url": about["url"],
    }
