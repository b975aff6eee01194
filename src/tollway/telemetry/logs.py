"""Logs: JSON lines away from a terminal, coloured text on one; prompts and keys never reach them."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

_KEY = re.compile(r"\b(?:sk|cpen|tw)[-_][A-Za-z0-9_-]{16,}|(?i:bearer\s+)\S+")


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces whatever looks like a key."""
    for name, value in event.items():
        if isinstance(value, str) and _KEY.search(value):
            event[name] = _KEY.sub("[key]", value)
    return event


def set_up_logs(level: str = "info") -> None:
    """Called once, at start. Warnings and worse of libraries go the same way."""
    terminal = sys.stderr.isatty()
    renderer = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
