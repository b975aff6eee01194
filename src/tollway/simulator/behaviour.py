"""What the simulated provider is told to do: one frozen Struct, read from `key=value,key=value`."""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

Hint = Literal[
    "none",
    "retry-after",
    "retry-after-date",
    "retry-after-ms",
    "ratelimit-reset",
    "google",
    "anthropic",
    "text",
    "epoch",
]
UsageKind = Literal["full", "none", "zero", "negative", "huge", "twice", "float", "nan", "string"]
Then = Literal[
    "reset", "truncate", "truncate_json", "stall", "error_event", "eof", "end", "malformed", "html", "utf8", "bad_chunk"
]

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=86_400_000)]
Tokens = Annotated[int, Meta(ge=0, le=1_000_000)]
Whole = Annotated[int, Meta(ge=0, le=2**31)]

INSTEAD = frozenset({"reset", "eof", "stall", "malformed", "html", "html200", "error200", "empty", "redirect", "bomb"})
"""Words that `fail` takes beside a status: what happens in place of an answer, before its first byte.

`malformed`: bytes that are not HTTP. `html`: a 502 page; `html200`: the same page with status 200. `error200`: an error
object with status 200 (as the first event of a stream). `empty`: 200 without a byte. `redirect`: 307. `bomb`: gzip.
"""

THEN = frozenset(get_args(Then))
"""What `then` takes: what happens inside an answer, after `after` pieces of content.

`truncate` breaks off inside an event and closes; `truncate_json` does so but ends the HTTP answer well; `eof` closes
between two events; `end` ends the HTTP answer well there, without a finish. `malformed`: `malformed` broken events, and
on it goes. `utf8`: a piece with bytes that are not UTF-8, and on it goes. `bad_chunk`: a chunk size that is no number.
An answer that is not streamed breaks in its middle, or at `at_byte`.
"""


class Behaviour(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What happens to a request. The default is to answer well and at once."""

    # Pace.
    latency_ms: Amount = 0
    """From the request to the first piece of content; what is not streamed, or an error, comes whole after it."""
    head_ms: Amount = 0
    """From the request to the status line of a stream; within `latency_ms`, not added to it."""
    tokens_per_s: Amount = 0
    """0: all at once."""
    jitter: Share = 0
    """0..1: the share by which latency and pace vary, from the server's seed."""
    spike_every_s: Amount = 0
    """Every so often since the server's start, for `spike_for_s`, requests take `spike_ms` longer."""
    spike_for_s: Amount = 1
    spike_ms: Amount = 0
    ramp_ms_per_s: Amount = 0
    """Latency grows by so much with each second since the server's start."""

    # What is said.
    answer: Literal["auto", "text", "echo", "tools", "refusal"] = "auto"
    """`auto`: structured output or a tool call where the request demands one, else text. `tools`: calls one whenever it
    is given some, unless the last message is a tool's answer. `echo`: the last user message."""
    text: str | None = None
    """Exactly this text."""
    tokens: Tokens | None = None
    """How many output tokens (64 if not said); an echo is cut to it only if it is said."""
    reasoning: Tokens = 0
    """How many tokens of reasoning come first; they count as output."""
    reasoning_as: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    calls: Whole = 1
    """How many tools are called at once."""
    call_name: str = ""
    """The tool that is called in place of those of the request: one that nobody has, say."""
    finish: str = ""
    """A finish reason in place of the true one; `none`: no finish at all; `twice`: the true one, twice."""
    usage: UsageKind = "full"
    overcount: Amount = 1
    """By how much the tokens that are reported are multiplied."""
    cached: Whole = 0
    """How many of the prompt's tokens are reported as read from a cache."""
    cache_written: Whole = 0
    """How many are reported as written to one, in the formats that count those (Anthropic, Bedrock)."""
    reply_model: str | None = None
    reply_id: str | None = None
    obfuscation: bool = False
    """OpenAI's padding field on every event."""
    endless: bool = False
    """Goes on past `max_tokens`: without end in a stream, 20,000 tokens otherwise."""
    strict: bool = False
    """OpenAI's chat format refuses parameters that it does not know, as at OpenAI; other formats always do."""
    key: str = ""
    """Only this key is let in (`*`: any key, but some key), in the format's own header; others get 401."""

    # What goes wrong.
    fail: str = ""
    """A status, or a word of INSTEAD. Together with `after`: an error event of that status inside a stream."""
    said: str = ""
    """The text of that error, in place of the simulator's own."""
    fail_rate: Share | None = None
    """0..1: only so many of the requests fail."""
    fail_kinds: tuple[str, ...] = ()
    """`fail_kinds=500|429|reset|stall`: one is drawn for each failure: statuses, words of INSTEAD, words of THEN."""
    reused: bool = False
    """Failures strike only on a connection that has already served a request (FAULTS.md U-7)."""
    hint: Hint = "none"
    """How an error says when to come back."""
    hint_s: Amount = 7
    error_as: Literal["native", "openai", "event", "anthropic", "vllm"] = "native"
    """The shape of an error inside a stream or a 200 (FAULTS.md U-22): the format's own, or one that others mix in."""
    after: Whole | None = None
    """How many pieces of content go out before `then`."""
    then: Then | None = None
    at_byte: Whole | None = None
    """Breaks the body after exactly so many bytes, by `then` (reset, stall, else a close)."""
    malformed: Whole = 1
    stall_s: Amount = 0
    """How long a stall lasts before the answer goes on; 0: until the client leaves."""

    # How the bytes look.
    line_end: Literal["lf", "crlf", "cr"] = "lf"
    bom: bool = False
    space: bool = True
    """Whether a space follows `data:`."""
    pings: Whole = 0
    """A comment before every so-manyth event."""
    multiline: bool = False
    """An event's JSON spread over two `data:` lines."""
    fields: bool = False
    """`id:`, `event:` and `retry:` lines too."""
    split: Whole = 0
    """The body goes out in HTTP chunks (or writes) of so many bytes."""
    done: bool = True
    """Whether the last event comes, such as `[DONE]`."""
    after_done: bool = False
    """Content after the end."""
    gzip: bool = False
    bomb_mb: Whole = 64
    huge_line_mb: Amount = 0
    """The answer is one line of this size; in a stream that is one event, behind `after` pieces of content."""
    framing: Literal["ok", "short", "long", "both", "trailers"] = "ok"
    """Content-Length short or long of the body, both length and chunks, or trailers after the last chunk."""
    informational: Literal[0, 100, 103] = 0
    """An interim answer first: 100 or 103."""
    keep_alive: bool = True
    idle_close_ms: Amount = 0
    """An idle connection is closed after so long."""


PRESETS: dict[str, str] = {
    "text": "",
    "echo": "answer=echo",
    "tools": "answer=tools",
    "reasoning": "reasoning=24",
    "fast": "tokens_per_s=500",
    "slow": "latency_ms=2000,tokens_per_s=10",
    "flaky": "fail_rate=0.1,fail_kinds=500|502|503|429|reset|truncate",
    "down": "fail=503",
    "limited": "fail=429,hint=retry-after",
    "stall": "after=5,then=stall",
    "cut": "after=5,then=truncate",
    "error": "after=5,then=error_event",
    "endless": "endless=1,tokens_per_s=200",
    "empty": "tokens=0,finish=none",
    "uncounted": "usage=none",
}
"""Model names that carry a behaviour: `sim/slow`, `anything/sim-slow`."""

_PRESET = re.compile(r"(?:^|/)sim[-/]([a-z]+)$")


class BadBehaviour(ValueError):
    """A behaviour that cannot be read; the text says which key."""


def parse(text: str) -> dict[str, Any]:
    """`"fail=503,after=2,endless"` -> typed values of the keys named. BadBehaviour: an unknown key or a bad value."""
    raw: dict[str, Any] = {}
    for item in text.split(","):
        name, equals, value = item.strip().partition("=")
        if name:
            raw[name] = value if equals else "true"
    return typed(raw)


def typed(raw: dict[str, Any]) -> dict[str, Any]:
    """Keys with values as text or JSON -> typed values. BadBehaviour: as `parse`."""
    values = {
        name: value.split("|") if name == "fail_kinds" and isinstance(value, str) else value
        for name, value in raw.items()
    }
    if isinstance(values.get("fail"), int):
        values["fail"] = str(values["fail"])
    try:
        read = msgspec.convert(values, Behaviour, strict=False)
    except msgspec.ValidationError as error:
        raise BadBehaviour(f"The simulator does not understand {raw!r}: {error}") from None
    for word in (read.fail, *read.fail_kinds):
        known = word.isdigit() and 200 <= int(word) <= 599
        if word and not known and word not in INSTEAD and (word not in THEN or word == read.fail):
            raise BadBehaviour(f"The simulator does not know how to fail with {word!r}.")
    return {name: getattr(read, name) for name in values}


def with_values(base: Behaviour, values: dict[str, Any]) -> Behaviour:
    """`base`, with the named keys replaced."""
    return msgspec.structs.replace(base, **values) if values else base


@lru_cache(maxsize=4096)
def of_model(name: str) -> tuple[str, dict[str, Any]]:
    """`"sim/echo@fail=503"` -> the plain name `"sim/echo"`, and what name and suffix say. BadBehaviour: as `parse`.

    A suffix without `=` belongs to the name: Vertex names its models `claude-x@20250929`.
    """
    plain, at, suffix = name.rpartition("@")
    if not at or "=" not in suffix:
        plain, suffix = name, ""
    values: dict[str, Any] = {}
    if (match := _PRESET.search(plain)) and (preset := PRESETS.get(match[1])):
        values.update(parse(preset))
    if suffix:
        values.update(parse(suffix))
    return plain, values
