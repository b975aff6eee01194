"""Content parts of a message or of a tool's output, both ways; what only this format can say stays as `native`."""

from typing import Any

from tollway.domain.chat import (
    AnyPart,
    AudioPart,
    Content,
    DocumentPart,
    FileData,
    FilePart,
    ImagePart,
    ImageUrl,
    InputAudio,
    LegacyVideoPart,
    NativePart,
    RefusalPart,
    TextPart,
    VideoPart,
    VideoUrl,
)
from tollway.domain.errors import InvalidRequest

PARTS_MAX = 10_000
_TEXTS = frozenset({"input_text", "output_text", "text"})


def wrong(path: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: {what}", param=path)


def text_of(value: dict[str, Any], name: str, path: str) -> str:
    """A field that must be a string."""
    text = value.get(name)
    if not isinstance(text, str):
        raise wrong(f"{path}.{name}", "is required" if text is None else "expected a string")
    return text


def text_or_none(value: dict[str, Any], name: str, path: str) -> str | None:
    return None if value.get(name) is None else text_of(value, name, path)


def rest(value: dict[str, Any], *known: str) -> dict[str, Any] | None:
    """The fields that have no place of their own, or None. Null says nothing, and is left out."""
    return {name: item for name, item in value.items() if name not in known and item is not None} or None


def read_content(value: Any, path: str) -> Content:
    """A string, or a list of parts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong(path, "is required" if value is None else "expected a string or a list of parts")
    if len(value) > PARTS_MAX:
        raise wrong(path, f"at most {PARTS_MAX} parts")
    return tuple([_read_part(part, f"{path}[{index}]") for index, part in enumerate(value)])


def _read_part(part: Any, path: str) -> AnyPart:
    if not isinstance(part, dict):
        raise wrong(path, "expected an object")
    kind = text_of(part, "type", path)
    match kind:
        case "input_text" | "output_text" | "text":
            mark = part.get("prompt_cache_breakpoint")
            if mark is not None and not isinstance(mark, dict):
                raise wrong(f"{path}.prompt_cache_breakpoint", "expected an object")
            native = rest(part, *(("type",) if kind != "text" else ()), "text", "prompt_cache_breakpoint")
            return TextPart(text_of(part, "text", path), prompt_cache_breakpoint=mark, native=native)
        case "refusal":
            return RefusalPart(text_of(part, "refusal", path))
        case "input_image":
            url = text_or_none(part, "image_url", path)
            if url is None:
                text_of(part, "file_id", path)
                return NativePart(native=part)
            detail = text_or_none(part, "detail", path)
            return ImagePart(ImageUrl(url, detail), native=rest(part, "type", "image_url", "detail"))
        case "input_file":
            return _read_file(part, path)
        case "input_audio":
            audio = part.get("input_audio")
            if not isinstance(audio, dict):
                raise wrong(f"{path}.input_audio", "expected an object")
            inside = f"{path}.input_audio"
            return AudioPart(InputAudio(text_of(audio, "data", inside), text_of(audio, "format", inside)))
        case "input_video":
            return VideoPart(VideoUrl(text_of(part, "video_url", path)))
        case _:
            return NativePart(native=part)


def _read_file(part: dict[str, Any], path: str) -> AnyPart:
    names = ("filename", "file_data", "file_url", "file_id")
    filename, data, url, file_id = (text_or_none(part, name, path) for name in names)
    if data is None and url is None and file_id is None:
        raise wrong(path, "needs file_data, file_url or file_id")
    # What has both goes along whole: an address and data are one field for us.
    native = rest(part, "type", *names) or {}
    if data is not None and url is not None:
        native["file_url"] = url
    return FilePart(FileData(filename, data or url, file_id), native=native or None)


def write_content(content: Content, *, same_format: bool, role: str, keeps: frozenset[str]) -> str | list[Any]:
    """A string as it is; parts as this format has them for that role ("assistant" says `output_text`)."""
    if isinstance(content, str):
        return content
    written = [_write_part(part, same_format, role, keeps) for part in content]
    return [part for part in written if part is not None]


def _write_part(part: AnyPart, same: bool, role: str, keeps: frozenset[str]) -> dict[str, Any] | None:
    value: dict[str, Any]
    match part:
        case TextPart():
            value = {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
            if mark := _cache_mark(part, same, keeps):
                value["prompt_cache_breakpoint"] = mark
        case RefusalPart():
            return {"type": "refusal", "refusal": part.refusal}
        case ImagePart():
            value = {"type": "input_image", "image_url": part.image_url.url}
            if part.image_url.detail is not None or not same:
                value["detail"] = part.image_url.detail or "auto"
        case FilePart():
            value = {"type": "input_file", **_write_file(part.file, same)}
        case DocumentPart():
            return {"type": "input_file", "file_url": part.document_url}
        case AudioPart():
            audio = part.input_audio
            return {"type": "input_audio", "input_audio": {"data": audio.data, "format": audio.format}}
        case VideoPart() | LegacyVideoPart():
            return {"type": "input_video", "video_url": part.video_url.url}
        case NativePart():
            if same:
                return part.native
            return (
                {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
                if part.text
                else None
            )
    return {**value, **(part.native or {})} if same else value


def _cache_mark(part: TextPart, same: bool, keeps: frozenset[str]) -> dict[str, Any] | None:
    """OpenAI marks the end of a prefix where Anthropic marks a block (OPENROUTER.md 9.2); older models refuse it."""
    if not (same or "prompt_cache_breakpoint" in keeps):
        return None
    if part.prompt_cache_breakpoint is not None:
        return part.prompt_cache_breakpoint
    return {"mode": "explicit"} if part.cache_control is not None else None


def _write_file(file: FileData, same: bool) -> dict[str, Any]:
    value: dict[str, Any] = {}
    if file.file_id is not None:
        value["file_id"] = file.file_id
    if file.file_data is not None:
        is_address = file.file_data[:8].lower().startswith(("http://", "https://"))
        value["file_url" if is_address else "file_data"] = file.file_data
        if not is_address and not same and file.filename is None:
            # OpenAI refuses data without a name; other formats have none.
            value["filename"] = _named_by(file.file_data)
    if file.filename is not None and (same or "file_data" in value):
        value["filename"] = file.filename
    return value


def _named_by(data: str) -> str:
    kind = data.removeprefix("data:").partition(";")[0].rpartition("/")[2] if data.startswith("data:") else "pdf"
    return f"file.{kind}" if kind.isalnum() else "file.txt"
