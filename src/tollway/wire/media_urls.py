"""Images and files that a request names by URL: those that a provider can't fetch, and their data."""

from collections.abc import Callable, Mapping

from msgspec import structs

from tollway.domain.chat import AnyPart, ChatRequest, DocumentPart, FilePart, ImagePart, MediaKind, Message


def foreign_urls(request: ChatRequest, takes_url: Callable[[MediaKind, str], bool]) -> dict[str, MediaKind]:
    """The http(s) URLs of images and files that `takes_url` says no to. Empty for most requests, which is quick."""
    found: dict[str, MediaKind] = {}
    for message in request.messages:
        if isinstance(message.content, tuple):
            for part in message.content:
                named = _named(part)
                if named is not None and not takes_url(*named):
                    found[named[1]] = named[0]
    return found


def with_data(request: ChatRequest, data_urls: Mapping[str, str]) -> ChatRequest:
    """The request with these URLs replaced by data URLs; everything else as it was."""
    messages = tuple(_replaced_in(message, data_urls) for message in request.messages)
    return structs.replace(request, messages=messages)


def _named(part: AnyPart) -> tuple[MediaKind, str] | None:
    kind: MediaKind
    match part:
        case ImagePart():
            kind, url = "image", part.image_url.url
        case FilePart(file=file) if file.file_data:
            kind, url = "file", file.file_data
        case DocumentPart():
            kind, url = "file", part.document_url
        case _:
            return None
    return (kind, url) if url[:8].lower().startswith(("http://", "https://")) else None


def _replaced_in(message: Message, data_urls: Mapping[str, str]) -> Message:
    if not isinstance(message.content, tuple):
        return message
    return structs.replace(message, content=tuple(_replaced(part, data_urls) for part in message.content))


def _replaced(part: AnyPart, data_urls: Mapping[str, str]) -> AnyPart:
    named = _named(part)
    data = data_urls.get(named[1]) if named is not None else None
    if data is None:
        return part
    match part:
        case ImagePart():
            return structs.replace(part, image_url=structs.replace(part.image_url, url=data), native=None)
        case FilePart():
            return structs.replace(part, file=structs.replace(part.file, file_data=data), native=None)
        case DocumentPart():
            return structs.replace(part, document_url=data)
        case _:
            return part
