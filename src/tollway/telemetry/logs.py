"""Logs: JSON lines away from a terminal, coloured text on one; prompts and keys never reach them."""

import logging
import re
import sys

import structlog
from structlog.typing import WrappedLogger

_OURS = r"(?:sk-or-v1-|sk-or-prov-v1-|cpen_live_|sk_live_|sk-)[0-9A-Za-z]{49}"
_OTHERS = r"\b(?:sk|gsk|xai|pplx|hf|cpen|tw)[-_][A-Za-z0-9_-]{16,}|\bAIza[A-Za-z0-9_-]{30,}"
_CARRIED = r"(?i:bearer\s+)[^\s\"'\\]+"
_KEY = re.compile(f"{_OURS}|{_OTHERS}|{_CARRIED}")


def redact(_logger: WrappedLogger, _method: str, line: str) -> str:
    """Replaces whatever looks like a key, wherever in the rendered line it stands: in a text, a list, a traceback."""
    return redacted(line)


def redacted(text: str) -> str:
    """A text without what looks like a key."""
    return _KEY.sub("[key]", text)


def set_up_logs(level: str = "info") -> None:
    """Called once, at start."""
    structlog.configure(
        processors=processors(terminal=sys.stderr.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def processors(*, terminal: bool) -> list[structlog.typing.Processor]:
    """What a log event goes through; the last step is the one that takes keys out."""
    # Plain tracebacks: the pretty ones show local variables, and so prompts.
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if terminal:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *(() if terminal else (structlog.processors.format_exc_info,)),
        renderer,
        redact,
    ]
