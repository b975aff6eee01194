"""The wire formats that the simulated provider speaks: one file each, listed here."""

from tollway.simulator.formats import openai_chat, openai_completions
from tollway.simulator.formats.base import Format

FORMATS: tuple[Format, ...] = (openai_chat.FORMAT, openai_completions.FORMAT)
"""Each answers `POST /v1` + its path."""
