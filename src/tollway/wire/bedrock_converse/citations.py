"""Citations of a text -> OpenAI's annotations."""

from typing import Any


def annotation_of(citation: dict[str, Any], start: int, end: int) -> dict[str, Any]:
    """A citation -> a `url_citation` for the characters `start` to `end` of the whole text; itself under `citation`."""
    title = citation.get("title")
    about: dict[str, Any] = {"url": _address(citation), "title": title if isinstance(title, str) else ""}
    pieces = citation.get("sourceContent")
    texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)] if isinstance(pieces, list) else []
    if content := "".join(text for text in texts if isinstance(text, str)):
        about["content"] = content
    about |= {"start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": about, "citation": citation}


def _address(citation: dict[str, Any]) -> str:
    """Where what is cited lies: on the web, in a search result that the caller gave, or in one of his documents."""
    location = citation.get("location")
    places = location if isinstance(location, dict) else {}
    web = places.get("web")
    for address in (web.get("url") if isinstance(web, dict) else None, citation.get("source")):
        if isinstance(address, str) and address:
            return address
    indexes = [place.get("documentIndex") for place in places.values() if isinstance(place, dict)]
    return f"document:{next((index for index in indexes if isinstance(index, int)), 0)}"
