"""Files of the site: read and hashed once at start; the name says what is inside, so that a browser may keep it."""

import gzip
from hashlib import sha256
from importlib.resources import files

from msgspec import Struct

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Asset(Struct, frozen=True):
    """A file, plain and gzipped."""

    name: str
    """With its hash: "app.1f2e3d4c5b6a.css"."""
    media_type: str
    body: bytes
    gzipped: bytes


class Assets:
    """Every file of `static/`, by its plain name and by its hashed one."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.by_name = {name: _asset(name, body) for name, body in sorted(contents.items())}
        self.by_hashed_name = {asset.name: asset for asset in self.by_name.values()}

    @classmethod
    def of_package(cls) -> "Assets":
        """Those that came in the package."""
        folder = files("tollway.web") / "static"
        return cls({entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()})

    def path(self, name: str) -> str:
        """A plain name -> its path below the site's root. KeyError: there is no such file."""
        return f"/static/{self.by_name[name].name}"


def _asset(name: str, body: bytes) -> Asset:
    stem, _, extension = name.rpartition(".")
    return Asset(
        name=f"{stem}.{sha256(body).hexdigest()[:12]}.{extension}",
        media_type=MEDIA_TYPES[extension],
        body=body,
        gzipped=gzip.compress(body, compresslevel=9, mtime=0),
    )
