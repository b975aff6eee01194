"""Content filters at work: the text of a request is read, blocked, or sent on with the finds taken out."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, structs

from tollway.domain.chat import ChatRequest, Message, UserMessage
from tollway.domain.content_filters import Action, Builtin, BuiltinFilter, Filter, Finding, PatternFilter
from tollway.domain.errors import Forbidden, InvalidRequest, PayloadTooLarge
from tollway.domain.plain import PlainRequest, RerankRequest
from tollway.limits.builtin_filters import FINDERS, Finder

PATTERN_MAX = 100_000
GROWTH_MAX = 1 << 20
"""Bytes that labels may add to a request."""
BLOB = 1024
"""From how many characters on a word of base64 alone is taken for data, not text."""
REDACTED = "[REDACTED]"
INJECTION = "Request blocked: prompt injection patterns detected"
NOT_TEXT = frozenset(
    (
        "id", "tool_call_id", "call_id", "type", "role", "url", "file_data", "file_id", "format", "detail", "ttl",
        "signature", "thought_signature", "thoughtSignature", "encrypted_content", "cache_control", "mime_type",
        "mimeType", "media_type", "prompt_cache_breakpoint",
    )
)  # fmt: skip
"""Fields whose values say what something is, or that their own makers must find unchanged."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\-]*")

Request = TypeVar("Request", ChatRequest, PlainRequest)


class Checked(Struct, frozen=True):
    """A filter that is ready for use."""

    filter: Filter
    label: str
    patterns: tuple[Any, ...]
    finder: Finder | None = None

    def spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where it finds something in UTF-8: by bytes, in order for each of its expressions."""
        holds = self.finder.holds if self.finder else None
        for pattern in self.patterns:
            for match in pattern.finditer(text):
                start, end = match.span()
                if end > start and (holds is None or holds(text[start:end].decode(errors="replace"))):
                    yield start, end

    def reads(self, message: Message | None) -> bool:
        """Whether it looks into a message; None: text that stands in none, which is the user's."""
        what = self.filter.what
        return message is None or not (isinstance(what, BuiltinFilter) and what.user_only) or _of_user(message)


def compiled_pattern(pattern: str, param: str) -> Any:
    """InvalidRequest: not an expression that we take."""
    if not pattern or len(pattern) > PATTERN_MAX:
        raise InvalidRequest(_bad(param, f"from 1 to {PATTERN_MAX:,} characters, please"), param=param)
    import re2  # 3 MB, which only who filters pays for

    try:
        return _compile(pattern)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")[:200]
        told = f"{reason} (look-around and back-references are not taken)"
        raise InvalidRequest(_bad(param, told), param=param) from None


def passed(request: Request, filters: tuple[Filter, ...]) -> tuple[Request, tuple[Finding, ...], int]:
    """The request as it may be sent, what was found in it, and how many bytes longer it is now.

    Forbidden: a filter blocks it. InvalidRequest: it can't be read.
    """
    ready = _compiled(filters)
    if not isinstance(request, ChatRequest) and any(_is_tokens(each) for each in request.inputs):
        told = "Inputs of token ids can't be read by this key's content filters; send text."
        raise InvalidRequest(told, param="input")
    texts: list[tuple[bytes, Message | None]] = []

    def read(text: str, message: Message | None) -> str:
        texts.append((text.encode(errors="surrogatepass"), message))
        return text

    _walk_request(request, read)
    found: dict[int, int] = {}
    for number, check in enumerate(ready):
        count = 0
        for text, message in texts:
            if check.reads(message):
                for start, end in check.spans(text):
                    count += 1
                    if check.filter.what.action is Action.BLOCK:
                        raise _blocked(check, text[start:end].decode(errors="replace"))
        if count:
            found[number] = count
    redacting = [ready[number] for number in found if ready[number].filter.what.action is Action.REDACT]
    grown = 0

    def written(text: str, message: Message | None) -> str:
        nonlocal grown
        old = text.encode(errors="surrogatepass")
        new = _redacted(old, [each for each in redacting if each.reads(message)])
        grown += len(new) - len(old)
        if grown > GROWTH_MAX:
            raise PayloadTooLarge("The labels of this key's content filters make the request too long.")
        return text if new is old else new.decode(errors="surrogatepass")

    if redacting:
        request = _walk_request(request, written)
    findings = tuple(_finding(ready[number], count) for number, count in found.items())
    return request, findings, max(0, grown)


def texts_of(request: ChatRequest) -> tuple[str, ...]:
    """Each text that a filter would read, once, in the order of the request; blank ones left out."""
    found: dict[str, None] = {}

    def read(text: str, message: Message | None) -> str:
        if text.strip():
            found[text] = None
        return text

    _walk_request(request, read)
    return tuple(found)


def _redacted(text: bytes, checks: Sequence[Checked]) -> bytes:
    """Finds that overlap are one, under the label of the one that begins first."""
    spans = sorted((*span, check.label) for check in checks for span in check.spans(text))
    if not spans:
        return text
    parts: list[bytes] = []
    at = 0
    for start, end, label in spans:
        if start >= at:
            parts += (text[at:start], label.encode())
        at = max(at, end)
    return b"".join((*parts, text[at:]))


def _blocked(check: Checked, match: str) -> Forbidden:
    what, whose = check.filter.what, {"guardrail_id": check.filter.guardrail_id, "guardrail_scope": check.filter.scope}
    if isinstance(what, BuiltinFilter) and what.slug is Builtin.PROMPT_INJECTION:
        return Forbidden(INJECTION, metadata={"patterns": [match[:100]], **whose})
    return Forbidden(f"Request blocked by content filter: {check.label.strip('[]')}", metadata=whose)


def _finding(check: Checked, count: int) -> Finding:
    return Finding(check.filter.guardrail_id, check.filter.scope, check.label, check.filter.what.action, count)


@lru_cache(maxsize=1024)
def _compiled(filters: tuple[Filter, ...]) -> tuple[Checked, ...]:
    """Of several filters for the same thing, the strictest; those that block come first."""
    order = list(Action)
    kept: dict[object, Filter] = {}
    for each in sorted(filters, key=lambda each: order.index(each.what.action)):
        what = each.what
        kept.setdefault((what.slug, what.user_only) if isinstance(what, BuiltinFilter) else what.pattern, each)
    return tuple(_ready(each) for each in kept.values())


def _ready(each: Filter) -> Checked:
    if isinstance(each.what, PatternFilter):
        return Checked(each, each.what.label or REDACTED, (_compile(each.what.pattern),))
    finder = FINDERS[each.what.slug]
    return Checked(each, each.what.slug.label, tuple(map(_compile, finder.patterns)), finder)


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _walk_request(request: Request, change: Callable[[str, Message | None], str]) -> Request:
    if isinstance(request, PlainRequest):
        fields: dict[str, Any] = {"inputs": _walk(request.inputs, lambda text: change(text, None))}
        if isinstance(request, RerankRequest):
            fields["query"] = change(request.query, None)
        fields["extra"] = _walk(request.extra, lambda text: change(text, None))
        return structs.replace(request, **fields)
    messages = tuple([_walk(each, partial(_in, each, change)) for each in request.messages])
    others = {name: getattr(request, name) for name in ("prompt", "suffix", "prediction", "extra")}
    return structs.replace(
        request,
        messages=messages,
        **{name: _walk(value, lambda text: change(text, None)) for name, value in others.items()},
    )


def _in(message: Message, change: Callable[[str, Message | None], str], text: str) -> str:
    return change(text, message)


def _walk(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each text in it changed; what has none is the very same."""
    if isinstance(value, str):
        return value if _is_data(value) else change(value)
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__ if name not in NOT_TEXT}
        new = {name: walked for name, old in fields.items() if (walked := _walk(old, change)) is not old}
        return structs.replace(value, **new) if new else value
    if isinstance(value, dict):
        walked = {name: old if name in NOT_TEXT else _walk(old, change) for name, old in value.items()}
        return value if all(walked[name] is old for name, old in value.items()) else walked
    if isinstance(value, list | tuple):
        each = [_walk(old, change) for old in value]
        return value if all(new is old for new, old in zip(each, value, strict=True)) else type(value)(each)
    if isinstance(value, Raw):
        said = msgspec.json.decode(value)
        new = _walk(said, change)
        return value if new is said else Raw(msgspec.json.encode(new))
    return value


def _is_data(text: str) -> bool:
    return len(text) >= BLOB and (text.startswith("data:") or _BASE64.fullmatch(text) is not None)


def _is_tokens(given: object) -> bool:
    return isinstance(given, tuple) and bool(given) and isinstance(given[0], int)


def _of_user(message: Message) -> bool:
    return isinstance(message, UserMessage)


def _bad(param: str, reason: str) -> str:
    return f"{param}: invalid_regex_pattern: {reason}"
