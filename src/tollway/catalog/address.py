"""A provider's base URL with `${NAME}` in it: which names it needs, and the URL once they are known."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


def placeholders(url: str) -> tuple[str, ...]:
    """The names in a URL, each once, in order: Azure's resource, a Cloudflare account ... They are no secrets."""
    return tuple(dict.fromkeys(_NAME.findall(url)))


def fill(url: str, values: Mapping[str, str]) -> str | None:
    """The URL with its names replaced; None where one of them has no value, or where there is no URL at all."""
    if not url or any(not values.get(name) for name in placeholders(url)):
        return None
    return _NAME.sub(lambda found: values[found.group(1)], url)
