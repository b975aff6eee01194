"""Errors on the terminal: a sentence that says what to do, and exit code 1."""

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from tollway.config import ConfigError
from tollway.domain.errors import TollwayError
from tollway.storage.database import StorageError


def run_cleanly(command: Callable[[], Any]) -> None:
    """Runs a command; what a person can mend is printed without a traceback."""
    try:
        command()
    except (ConfigError, StorageError, TollwayError, LookupError, ValueError, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False)
        sys.exit(1)
