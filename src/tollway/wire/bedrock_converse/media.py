"""Images, documents, film and sound: parts with URLs or data -> the format's blocks with bytes or a place in S3."""

import re
from typing import Any

from tollway.domain.chat import (
    AnyPart,
    AudioPart,
    DocumentPart,
    FilePart,
    ImagePart,
    LegacyVideoPart,
    VideoPart,
)
from tollway.wire.data_urls import parse_data_url

Block = dict[str, Any]

_DOCUMENTS = {
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/markdown": "md",
    "text/x-markdown": "md",
}
"""A media type -> the format's word; other text is "txt"."""

_VIDEOS = {
    "quicktime": "mov",
    "x-matroska": "mkv",
    "matroska": "mkv",
    "x-flv": "flv",
    "x-ms-wmv": "wmv",
    "3gpp": "three_gp",
    "3gp": "three_gp",
}
_SOUNDS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-flac": "flac", "pcm16": "pcm"}
_IMAGES = {"jpg": "jpeg"}
"""A media type's second half, or a name's ending -> the format's word, where they differ."""

_FORMATS = frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"})
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_NAME_MAX = 200


class Media:
    """Blocks for the parts of one request: its documents each need a name of their own."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def block(self, part: AnyPart) -> Block | None:
        """A part that is no text -> its block; None: it is no such part, or holds nothing that can be sent.

        An address that is not S3's can't be sent: the gateway fetches images and files, so what is left is said in
        words.
        """
        match part:
            case ImagePart():
                return self._from_url("image", part.image_url.url, None) or _left_out("An image")
            case VideoPart() | LegacyVideoPart():
                return self._from_url("video", part.video_url.url, None) or _left_out("A video")
            case AudioPart():
                kind = part.input_audio.format.lower()
                return _media("audio", _SOUNDS.get(kind, kind), {"bytes": part.input_audio.data})
            case DocumentPart():
                return self._from_url("document", part.document_url, part.document_name) or _left_out("A document")
            case FilePart():
                return self._file(part)
            case _:
                return None

    def _file(self, part: FilePart) -> Block | None:
        file = part.file
        data = file.file_data or file.file_id
        if not data:
            return None
        if (block := self._from_url("document", data, file.filename)) is not None:
            return block
        if file.file_data is None or "://" in data[:64]:
            return _left_out("A document")
        return self._document(_format_of_name(file.filename) or "pdf", {"bytes": data}, file.filename)

    def _from_url(self, kind: str, url: str, name: str | None) -> Block | None:
        """A data URL, whose type says what it is, or an address in S3, whose ending does."""
        if url.startswith("s3://"):
            source: Block = {"s3Location": {"uri": url}}
            ending = _ending(url)
            if kind == "document":
                return self._document(_format_of_name(url) or "pdf", source, name or url.rpartition("/")[2])
            defaults, words = {"image": "png", "video": "mp4"}, _IMAGES if kind == "image" else _VIDEOS
            return _media(kind, words.get(ending, ending) or defaults[kind], source)
        found = parse_data_url(url)
        if found is None:
            return None
        media_type, data = found
        source = {"bytes": data}
        family, _, subtype = media_type.partition("/")
        match family:
            case "image":
                return _media("image", _IMAGES.get(subtype, subtype), source)
            case "video":
                return _media("video", _VIDEOS.get(subtype, subtype), source)
            case "audio":
                return _media("audio", _SOUNDS.get(subtype, subtype), source)
        known = _DOCUMENTS.get(media_type) or _format_of_name(name)
        textual = family == "text" or subtype in ("json", "xml")
        return self._document(known or ("txt" if textual else "pdf"), source, name)

    def _document(self, form: str, source: Block, name: str | None) -> Block:
        return {"document": {"format": form, "name": self._named(name), "source": source}}

    def _named(self, given: str | None) -> str:
        """A name as the format takes it: letters, digits, single blanks, hyphens, brackets; each once in a request."""
        stem = (given or "").rpartition("/")[2]
        if _format_of_name(stem):
            stem = stem.rpartition(".")[0]
        name = " ".join(_NOT_IN_NAMES.sub(" ", stem).split())[: _NAME_MAX - 8].strip()
        number = len(self._names) + 1
        if not name:
            name = f"Document {number}"
        while name in self._names:
            name = f"{name} ({number})"
        self._names.add(name)
        return name


def _media(kind: str, form: str, source: Block) -> Block:
    return {kind: {"format": form, "source": source}}


def _left_out(what: str) -> Block:
    return {"text": f"[{what} was left out: this model takes no addresses of it.]"}


def _ending(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def _format_of_name(name: str | None) -> str | None:
    ending = {"htm": "html", "markdown": "md", "text": "txt"}.get(_ending(name or ""), _ending(name or ""))
    return ending if ending in _FORMATS else None
