"""Mounts: on a host name of its own, a storefront's URLs begin where the operator wants them."""

from collections.abc import Iterable

from tollway.domain.storefronts import Mount

BASES = {"openrouter": b"/api/v1", "openai": b"/v1", "platform": b"/platform/api/v1"}
"""Where each storefront is in the URL table."""


class Mounts:
    """What the `Host` header says, read once per request where there are any mounts, and never where there are none."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self._hosts: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for mount in mounts:
            place = (mount.path.encode(), BASES[mount.storefront])
            self._hosts.setdefault(mount.host.encode(), []).append(place)
        for places in self._hosts.values():
            places.sort(key=lambda place: -len(place[0]))  # the longest path that fits counts

    def target(self, host: bytes, target: bytes) -> bytes:
        """A request's target (path and query) as the URL table has it; unchanged where nothing is mounted."""
        name = host.partition(b":")[0].lower().rstrip(b".")
        for path, base in self._hosts.get(name, ()):
            rest = target[len(path) :]
            if target.startswith(path) and rest[:1] in (b"/", b"?", b""):
                return base + rest
        return target
