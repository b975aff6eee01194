"""Columns of the log: what each is called, and what it says of a generation, for people and in a CSV file."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from tollway.domain.apps import app_of
from tollway.domain.generation import Generation
from tollway.domain.money import nanodollars_to_text
from tollway.web.figures import NONE, amount, seconds

Words = Mapping[str, str]
"""Names by id: of keys, and of providers."""


class Column(Struct, frozen=True):
    """`text` is shown, `data` is what the CSV has."""

    label: str
    text: Callable[[Generation, Words], str]
    data: Callable[[Generation], Any]
    number: bool = False
    usual: bool = False


def moment(at_ms: int) -> str:
    """Milliseconds since 1970 -> "2026-11-21 14:03:07" in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_of(generation: Generation) -> str:
    """In one word."""
    if generation.finish_reason == "error":
        return "failed"
    return "cancelled" if generation.cancelled else "ok"


def _app(generation: Generation) -> str:
    app = app_of(generation.http_referer, generation.app_title)
    return (app.title or app.url or "") if app else ""


def _count(name: str) -> Callable[[Generation, Words], str]:
    return lambda generation, _: f"{getattr(generation.usage, name):,}"


def _usage(name: str) -> Callable[[Generation], int]:
    return lambda generation: int(getattr(generation.usage, name))


def _speed(generation: Generation) -> float | None:
    """Tokens of the answer for each second from its first one on."""
    last_s = (generation.generation_ms - generation.latency_ms) / 1000
    return generation.usage.completion / last_s if last_s > 0 and generation.usage.completion > 1 else None


COLUMNS: dict[str, Column] = {
    "time": Column("Time (UTC)", lambda it, _: moment(it.created_ms), lambda it: _iso(it.created_ms), usual=True),
    "model": Column("Model", lambda it, _: it.model, lambda it: it.model, usual=True),
    "provider": Column(
        "Provider", lambda it, names: names.get(it.provider or "", it.provider or NONE), lambda it: it.provider or "",
        usual=True,
    ),
    "key": Column("Key", lambda it, names: names.get(it.key_id, it.key_id[:12]), lambda it: it.key_id, usual=True),
    "app": Column("App", lambda it, _: _app(it) or NONE, _app),
    "prompt": Column("Prompt tokens", _count("prompt"), _usage("prompt"), number=True, usual=True),
    "cached": Column("From a cache", _count("cache_read"), _usage("cache_read"), number=True),
    "output": Column("Output tokens", _count("completion"), _usage("completion"), number=True, usual=True),
    "reasoning": Column("Of reasoning", _count("reasoning"), _usage("reasoning"), number=True),
    "cost": Column(
        "Cost", lambda it, _: amount(it.cost), lambda it: nanodollars_to_text(it.cost), number=True, usual=True
    ),
    "latency": Column(
        "First token", lambda it, _: seconds(it.latency_ms / 1000), lambda it: it.latency_ms, number=True, usual=True
    ),
    "duration": Column(
        "In all", lambda it, _: seconds(it.generation_ms / 1000), lambda it: it.generation_ms, number=True
    ),
    "speed": Column(
        "Tokens/s", lambda it, _: NONE if (found := _speed(it)) is None else f"{found:.0f}",
        lambda it: "" if (found := _speed(it)) is None else f"{found:.1f}", number=True,
    ),
    "attempts": Column("Attempts", lambda it, _: str(len(it.attempts)), lambda it: len(it.attempts), number=True),
    "finish": Column("Finish", lambda it, _: it.finish_reason or NONE, lambda it: it.finish_reason or ""),
    "status": Column("State", lambda it, _: status_of(it), status_of, usual=True),
}  # fmt: skip
USUAL = tuple(word for word, column in COLUMNS.items() if column.usual)


def chosen(words: list[str]) -> tuple[str, ...]:
    """Those that are asked for, in their own order; without any, the usual ones. Unknown words are none."""
    return tuple(word for word in COLUMNS if word in words) or USUAL
