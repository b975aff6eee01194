"""Parts of several kinds in one input, as OpenRouter has them for embeddings: media are data with a format."""

from typing import Any

import msgspec

from tollway.domain.chat import (
    AnyPart,
    AudioPart,
    FileData,
    FilePart,
    ImagePart,
    LegacyVideoPart,
    NativePart,
    TextPart,
    VideoPart,
    VideoUrl,
)
from tollway.domain.errors import InvalidRequest
from tollway.wire.unknown_asked import known_part

_KNOWN = msgspec.json.Decoder(TextPart | ImagePart | AudioPart | VideoPart | FilePart)
_ENCODER = msgspec.json.Encoder()


def read_part(value: dict[str, Any], where: str) -> AnyPart:
    """`{"type": "text" | "image_url" | "input_audio" | "input_video" | "input_file", ...}` -> a part.

    A type that we do not know is kept for providers that may. InvalidRequest: a part without its content.
    """
    kind = value.get("type")
    if kind in ("input_video", "input_file"):
        held = value.get(kind)
        data = held.get("data") if isinstance(held, dict) else None
        if not isinstance(data, str) or not data:
            raise InvalidRequest(f"{where}.{kind}.data: is required", param=f"{where}.{kind}.data")
        if kind == "input_video":
            return VideoPart(video_url=VideoUrl(url=data))
        ending = held.get("format") if isinstance(held, dict) else None
        return FilePart(file=FileData(filename=f"file.{ending}" if isinstance(ending, str) else None, file_data=data))
    if kind not in ("text", "image_url", "input_audio", "video_url", "file"):
        if not isinstance(kind, str):
            raise InvalidRequest(f"{where}.type: is required", param=f"{where}.type")
        return NativePart(native=value)
    try:
        part: AnyPart = _KNOWN.decode(_ENCODER.encode(known_part(value)))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{where}: {error}", param=where) from None
    return part


def part_object(part: AnyPart) -> Any:
    """A part as it is written for a provider of this format."""
    match part:
        case NativePart():
            return part.native
        case VideoPart() | LegacyVideoPart():
            return {"type": "input_video", "input_video": {"data": part.video_url.url}}
        case FilePart():
            ending = (part.file.filename or "").rpartition(".")[2] or None
            held = {"data": part.file.file_data or part.file.file_id} | ({"format": ending} if ending else {})
            return {"type": "input_file", "input_file": held}
        case _:
            return part
