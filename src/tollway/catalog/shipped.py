"""The catalog that comes in the package: its rows, as `scripts/build_catalog.py` wrote them."""

import gzip
from importlib.resources import files

import msgspec
from msgspec import Struct

from tollway.domain.catalog import Model, ProviderInfo
from tollway.domain.catalog_rows import EndpointRow, Rows

FORMAT = 1
"""Of the file; a reader refuses any other."""


class Shipped(Struct, frozen=True):
    """All rows of a catalog file, each list in the order of its ids."""

    format: int
    sources: dict[str, str]
    """Source -> the day for which it holds."""
    providers: tuple[ProviderInfo, ...]
    models: tuple[Model, ...]
    aliases: dict[str, str]
    endpoints: tuple[EndpointRow, ...]


def decode_shipped(data: bytes) -> Shipped:
    """The bytes of a catalog file, gzipped or not -> its rows. ValueError: not one, or a format that we don't know."""
    try:
        text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
        found = msgspec.json.decode(text, type=Shipped)
    except (msgspec.MsgspecError, OSError, EOFError) as error:
        raise ValueError(f"this is not a catalog file: {error}") from error
    if found.format != FORMAT:
        raise ValueError(f"the catalog file has format {found.format}; this Tollway reads format {FORMAT}")
    return found


def encode_shipped(shipped: Shipped) -> bytes:
    """Rows -> the bytes of a catalog file: the same rows give the same bytes, whatever the machine and the day."""
    return gzip.compress(msgspec.json.encode(shipped, order="sorted"), compresslevel=9, mtime=0)


def shipped() -> Shipped:
    """The rows that came in the package. The core reads no files but the package's own: this, and the tagger's."""
    return decode_shipped((files("tollway.catalog") / "data" / "catalog.json.gz").read_bytes())


def rows_of(shipped: Shipped) -> Rows:
    """A catalog file -> rows by id."""
    return Rows(
        providers={provider.slug: provider for provider in shipped.providers},
        models={model.id: model for model in shipped.models},
        aliases=shipped.aliases,
        endpoints={endpoint.id: endpoint for endpoint in shipped.endpoints},
    )
