"""`anthropic-beta`: which of Anthropic's beta features a caller wants, for endpoints that speak its format."""

import re

from tollway.api.exchange import Exchange
from tollway.domain.errors import InvalidRequest

HEADERS = (b"anthropic-beta", b"x-anthropic-beta")
"""Anthropic's own, and OpenRouter's."""
BETAS_MAX = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_betas(exchange: Exchange) -> tuple[str, ...]:
    """The names in `anthropic-beta`, and in `x-anthropic-beta` as OpenRouter has it (OPENROUTER.md 1.3); each once.

    InvalidRequest: too many, or one that is no name. Nothing else of a caller's headers goes to a provider.
    """
    own, openrouters = map(exchange.header, HEADERS)
    if own is None and openrouters is None:
        return ()
    given = (name.strip() for name in f"{own or ''},{openrouters or ''}".split(","))
    names = tuple(dict.fromkeys(name for name in given if name))
    if len(names) > BETAS_MAX or not all(map(_NAME.fullmatch, names)):
        raise InvalidRequest(
            f"anthropic-beta: up to {BETAS_MAX} names of letters, digits, '.', '_' and '-', separated by commas",
            param="anthropic-beta",
        )
    return names
