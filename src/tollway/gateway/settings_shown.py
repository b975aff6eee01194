"""The configuration in force, as people may see it: each value with where it comes from, secrets masked."""

from collections.abc import Mapping

import msgspec

from tollway.config import SECRETS, SECTIONS, Config, leaves

MASKED = "***"
_SECRET_NAMES = frozenset({"key", "keys", "ring", "client_secret", *(place.rpartition(".")[2] for place in SECRETS)})


def settings_shown(config: Config, whence: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    """Place, such as server.port -> its value, and a file, a variable's name or `default`.

    `whence`: as `config.origins` gives it.
    """
    tree = {name: msgspec.to_builtins(getattr(config, name)) for name in SECTIONS}
    values = {
        place: (masked(place, value), whence.get(place, "default"))
        for place, value in leaves(tree)
        if not place.startswith("providers[") or place in whence
    }
    values.setdefault("storage.data_dir", (None, "default"))
    if values["storage.data_dir"][0] is None:
        values["storage.data_dir"] = (str(config.data_dir), "default")
    return values


def masked(place: str, value: object) -> object:
    """The value, if it is no secret."""
    name = place.rpartition(".")[2].partition("[")[0]
    if name in _SECRET_NAMES and value:
        return MASKED
    # A proxy's address may hold a password (http://user:password@host).
    if place.startswith("upstream.proxies") and isinstance(value, str) and "@" in value:
        return f"{value.partition('://')[0]}://{MASKED}@{value.rpartition('@')[2]}"
    return value
