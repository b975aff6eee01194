"""The ways in which providers say when to come back (FAULTS.md, retry hints)."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from msgspec import Struct

from tollway.simulator.behaviour import Hint


class Said(Struct, frozen=True):
    """A hint: headers, words at the end of the message, and fields inside the error object."""

    headers: tuple[tuple[str, str], ...] = ()
    words: str = ""
    fields: dict[str, Any] = {}


def say(hint: Hint, seconds: float, now_s: float) -> Said:
    """The hint "come back in `seconds`", at the Unix time `now_s`."""
    then = datetime.fromtimestamp(now_s + seconds, UTC)
    number = f"{seconds:g}"
    match hint:
        case "none":
            return Said()
        case "retry-after":
            return Said(headers=(("retry-after", number),))
        case "retry-after-date":
            return Said(headers=(("retry-after", format_datetime(then.replace(microsecond=0), usegmt=True)),))
        case "retry-after-ms":
            return Said(headers=(("retry-after-ms", str(round(seconds * 1000))),))
        case "ratelimit-reset":
            # OpenAI's Go durations; the dimension that has none left is the one that counts.
            return Said(
                headers=(
                    ("x-ratelimit-remaining-requests", "0"),
                    (
                        "x-ratelimit-reset-requests",
                        f"{int(seconds // 60)}m{seconds % 60:g}s" if seconds >= 60 else f"{number}s",
                    ),
                    ("x-ratelimit-remaining-tokens", "149984"),
                    ("x-ratelimit-reset-tokens", "6ms"),
                )
            )
        case "google":
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{number}s"}
            return Said(fields={"status": "RESOURCE_EXHAUSTED", "details": [info]})
        case "anthropic":
            reset = then.strftime("%Y-%m-%dT%H:%M:%SZ")
            return Said(
                headers=(
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-requests-reset", reset),
                )
            )
        case "text":
            return Said(words=f" Please try again in {number}s.")
        case "epoch":
            return Said(headers=(("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", str(round(now_s + seconds)))))
