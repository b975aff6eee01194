"""Images, sound, film and files: Google's inlineData and fileData <-> parts with URLs."""

import base64
import re
from typing import Any

from tollway.domain.chat import (
    AnyPart,
    AudioPart,
    DocumentPart,
    FilePart,
    ImagePart,
    ImageUrl,
    InputAudio,
    LegacyVideoPart,
    VideoPart,
    VideoUrl,
)
from tollway.domain.chat import FileData as ChatFile
from tollway.wire.gemini.schema import Blob, FileData

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_TO_STANDARD = str.maketrans("-_", "+/")

_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "m4a": "audio/mp4",
    "opus": "audio/opus",
    "pcm": "audio/pcm",
    "pcm16": "audio/pcm",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "avi": "video/x-msvideo",
    "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv",
    "3gpp": "video/3gpp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "css": "text/css",
    "csv": "text/csv",
    "xml": "text/xml",
    "json": "application/json",
    "js": "text/javascript",
    "py": "text/x-python",
    "rtf": "text/rtf",
}
"""A name's ending, or OpenAI's word for a format of sound -> the type that Google's documentation lists."""

_AUDIO_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/x-flac": "flac",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/l16": "pcm16",
}
_YOUTUBE = re.compile(r"https?://(?:www\.|m\.)?(?:youtube\.com|youtu\.be)/", re.IGNORECASE)


def read_blob(blob: Blob) -> AnyPart:
    """inlineData -> a part with a data URL; sound has its bytes and a format."""
    mime = blob.mime_type.lower()
    data = standard_base64(blob.data)
    if mime.startswith("audio/"):
        return AudioPart(input_audio=InputAudio(data=data, format=audio_format(mime)))
    url = f"data:{mime};base64,{data}"
    if mime.startswith("image/"):
        return ImagePart(image_url=ImageUrl(url=url))
    if mime.startswith("video/"):
        return VideoPart(video_url=VideoUrl(url=url))
    return FilePart(file=ChatFile(filename=blob.display_name or _filename(mime), file_data=url))


def read_file(file: FileData) -> AnyPart:
    """fileData -> a part with the URI. Sound and documents are files: no part has a URL for sound."""
    mime = (file.mime_type or mime_of_name(file.file_uri) or "").lower()
    if mime.startswith("image/"):
        return ImagePart(image_url=ImageUrl(url=file.file_uri))
    if mime.startswith("video/") or _YOUTUBE.match(file.file_uri):
        return VideoPart(video_url=VideoUrl(url=file.file_uri))
    return FilePart(file=ChatFile(filename=file.display_name or _filename(mime), file_data=file.file_uri))


def write_media(part: AnyPart) -> dict[str, Any] | None:
    """A part with a URL or data -> Google's part, or None where it holds neither."""
    match part:
        case ImagePart():
            return _from_url(part.image_url.url, "image/jpeg")
        case AudioPart():
            kind = part.input_audio.format.lower()
            return _from_data(part.input_audio.data, _TYPES.get(kind, f"audio/{kind}"))
        case VideoPart() | LegacyVideoPart():
            return _from_url(part.video_url.url, "video/mp4")
        case DocumentPart():
            return _from_url(part.document_url, mime_of_name(part.document_name) or "application/pdf")
        case FilePart():
            mime = mime_of_name(part.file.filename) or "application/pdf"
            if part.file.file_data:
                return _from_data(part.file.file_data, mime)
            return _uri(part.file.file_id, mime) if part.file.file_id else None
        case _:
            return None


def write_images(images: Any) -> list[dict[str, Any]]:
    """Pictures that a model made, as OpenRouter gives them (`{"image_url": {"url"}}`) -> Google's parts."""
    parts: list[dict[str, Any]] = []
    for image in images if isinstance(images, list | tuple) else ():
        inner = image.get("image_url") if isinstance(image, dict) else None
        url = inner.get("url") if isinstance(inner, dict) else None
        if isinstance(url, str):
            parts.append(_from_url(url, "image/png"))
    return parts


def image_url(mime: str, data: str) -> str:
    """A generated image's data URL."""
    return f"data:{mime};base64,{standard_base64(data)}"


def standard_base64(data: str) -> str:
    """Google's SDK sends the alphabet for URLs, which others refuse (RFC 4648, 5); with its padding."""
    data = data.translate(_TO_STANDARD)
    return data + "=" * (-len(data) % 4) if not data.endswith("=") else data


def audio_format(mime: str) -> str:
    """`audio/mpeg` -> OpenAI's word for it, "mp3"."""
    plain = mime.partition(";")[0].strip().lower()
    return _AUDIO_FORMATS.get(plain, plain.removeprefix("audio/"))


def mime_of_name(name: str | None) -> str | None:
    """The type that a file's name or URL ends with, or None."""
    path = (name or "").partition("?")[0].partition("#")[0]
    return _TYPES.get(path.rpartition(".")[2].lower()) if "." in path.rpartition("/")[2] else None


def _filename(mime: str) -> str | None:
    ending = next((ending for ending, known in _TYPES.items() if known == mime), None)
    return f"file.{ending}" if ending else None


def _from_url(url: str, fallback: str) -> dict[str, Any]:
    return _inline(url, fallback) or _uri(url, mime_of_name(url) or fallback)


def _from_data(data: str, mime: str) -> dict[str, Any]:
    """A data URL, a URI, or plain base64."""
    if "://" in data[:64]:
        return _uri(data, mime_of_name(data) or mime)
    return _inline(data, mime) or {"inlineData": {"mimeType": mime, "data": data}}


def _inline(url: str, fallback: str) -> dict[str, Any] | None:
    found = _DATA_URL.match(url)
    if found is None:
        return None
    data = url[found.end() :]
    if ";base64" not in found.group(2).lower():
        data = base64.b64encode(data.encode()).decode()
    return {"inlineData": {"mimeType": found.group(1) or fallback, "data": data}}


def _uri(uri: str, mime: str) -> dict[str, Any]:
    return {"fileData": {"fileUri": uri, "mimeType": mime}}
