"""Files of the site: known from the start, served below a folder named by their hash, so that a browser may keep them.

One hash stands for all of them: modules import each other by relative paths, which therefore hold whatever changes.
"""

import gzip
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}


class Asset:
    """A file, kept gzipped: a browser takes it so, and reads it once for each version."""

    def __init__(self, name: str, read: Callable[[], bytes]) -> None:
        self.name = name
        """Its path below the folder: "chat/room.js"."""
        self.media_type = MEDIA_TYPES[name.rpartition(".")[2]]
        self._read = read

    @property
    def body(self) -> bytes:
        """The file as it is, read now."""
        return self._read()

    @cached_property
    def gzipped(self) -> bytes:
        """Made for the first who wants it: a command that starts and ends wants none."""
        return gzip.compress(self.body, compresslevel=9, mtime=0)


class Assets:
    """Every file of `static/` and of the folders in it, by its path below it."""

    def __init__(self, contents: dict[str, Callable[[], bytes]]) -> None:
        self.by_name = {name: Asset(name, read) for name, read in sorted(contents.items())}
        whole = sha256()
        for name, asset in self.by_name.items():
            whole.update(name.encode() + b"\0" + sha256(asset.body).digest())
        self.version = whole.hexdigest()[:12]
        """Another one as soon as any file has another byte or name."""

    @classmethod
    def of_package(cls) -> "Assets":
        """Those that came in the package."""
        return cls(_read(files("tollway.web") / "static"))

    def path(self, name: str) -> str:
        """A plain name -> its path below the site's root. KeyError: there is no such file."""
        return f"/static/{self.version}/{self.by_name[name].name}"

    def find(self, version: str, name: str) -> Asset | None:
        """The file of this version, if it is the present one."""
        return self.by_name.get(name) if version == self.version else None


def _read(folder: Traversable, prefix: str = "") -> dict[str, Callable[[], bytes]]:
    contents: dict[str, Callable[[], bytes]] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            contents |= _read(entry, f"{prefix}{entry.name}/")
        else:
            contents[f"{prefix}{entry.name}"] = entry.read_bytes
    return contents
