"""Data URLs taken apart (RFC 2397): their bytes in base64, and the format that they name."""

import base64
from urllib.parse import unquote_to_bytes


def bytes_of(url: str) -> str:
    """`data:image/png;base64,AAAA` -> `AAAA`. What is no data URL comes back as it is: it is base64 already."""
    return url.partition(",")[2] if url.startswith("data:") else url


def subtype_of(url: str, fallback: str = "png") -> str:
    """`data:image/png;base64,AAAA` -> `png`."""
    kind = url.removeprefix("data:").partition(",")[0].partition(";")[0] if url.startswith("data:") else ""
    return kind.partition("/")[2] or fallback


def parse_data_url(url: str) -> tuple[str, str] | None:
    """A data URL -> its media type and its data in base64; None: another kind of URL, or none at all."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    media_type, *options = head.split(";")
    if not options or options[-1].strip().lower() != "base64":
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return media_type.strip().lower() or "text/plain", data
