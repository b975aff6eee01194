"""Names of speakers, for formats whose messages have none: in front of what is said (OPENROUTER.md 3.2)."""

from msgspec.structs import replace

from tollway.domain.chat import AnyPart, Content, TextPart


def named(name: str | None, content: Content) -> Content:
    """`name: content`; before the first text, or in front of all where there is none."""
    if not name:
        return content
    if isinstance(content, str):
        return f"{name}: {content}"
    parts: list[AnyPart] = list(content)
    for place, part in enumerate(parts):
        if isinstance(part, TextPart):
            parts[place] = replace(part, text=f"{name}: {part.text}")
            return tuple(parts)
    return (TextPart(f"{name}:"), *parts)
