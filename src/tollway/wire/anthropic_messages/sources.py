"""Images and documents: the format's `source` objects <-> URLs and data URLs."""

import base64
from typing import Any

from tollway.wire.data_urls import parse_data_url

_PDF = "application/pdf"


def data_url(media_type: str, data: str) -> str:
    """Base64 data -> a data URL."""
    return f"data:{media_type};base64,{data}"


def url_of(source: dict[str, Any]) -> str | None:
    """A source that is an address or data -> an URL; None: a kind that no URL can say (a file's id, blocks)."""
    kind = source.get("type")
    data, media_type = source.get("data"), source.get("media_type")
    if kind == "url" and isinstance(source.get("url"), str):
        return str(source["url"])
    if kind == "base64" and isinstance(data, str) and isinstance(media_type, str):
        return data_url(media_type, data)
    if kind == "text" and isinstance(data, str) and media_type in (None, "text/plain"):
        return data_url("text/plain", base64.b64encode(data.encode()).decode())
    return None


def image_source(url: str) -> dict[str, Any]:
    """An image's URL or data URL -> its source."""
    found = parse_data_url(url)
    if found is None:
        return {"type": "url", "url": url}
    media_type, data = found
    # A name that people use, and the only one that the provider refuses.
    return {"type": "base64", "media_type": "image/jpeg" if media_type == "image/jpg" else media_type, "data": data}


def document_source(data: str) -> dict[str, Any]:
    """A file's URL, data URL or bare base64 -> a document's source. Text of any kind is given as plain text."""
    if data.startswith(("http://", "https://")):
        return {"type": "url", "url": data}
    found = parse_data_url(data)
    media_type, encoded = (_PDF, data) if found is None else found
    if media_type.startswith("text/") or media_type in ("application/json", "application/xml"):
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except ValueError:  # not base64, or no text
            pass  # the provider will say what it thinks of it
        else:
            return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": media_type, "data": encoded}


def is_image(data: str) -> bool:
    """Whether a file's data URL holds an image."""
    return data.startswith("data:image/")
