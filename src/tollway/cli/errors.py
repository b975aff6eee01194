"""Errors on the terminal: a sentence that says what to do, and exit code 1."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from tollway.config import ConfigError
from tollway.domain.errors import TollwayError
from tollway.storage.database import StorageError


def run_cleanly(command: Callable[[], Any]) -> None:
    """Runs a command; what a person can mend is printed without a traceback."""
    try:
        command()
    except (ConfigError, StorageError, TollwayError, LookupError, ValueError, OSError) as error:
        # str() of a LookupError puts quotes around its message; and a message is no markup, whatever brackets it has.
        message = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
        if isinstance(error, OSError) and error.strerror:
            # Without the number: "[Errno 13] Permission denied: 'tollway.toml'" says no more with it.
            message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        console = Console(stderr=True)
        console.print("[bold red]error:[/]", Text(message), highlight=False, soft_wrap=True)
        sys.exit(1)
