"""`/compare?model=<id>&model=<id>`: up to four models side by side."""

from msgspec import Struct
from starlette.requests import Request

from tollway.web.page import Site
from tollway.web.query import ABILITIES
from tollway.web.rows import RowNow

MODELS_MAX = 4


class CompareView(Struct, frozen=True):
    """What `compare.html` shows."""

    shown: tuple[RowNow, ...]
    abilities: dict[str, str]
    unknown: tuple[str, ...]
    """Names that were asked for and that the catalog does not have."""
    left_out: int
    """How many were asked for beyond MODELS_MAX."""


async def compare(site: Site, request: Request) -> CompareView:
    """The models in the order of the URL, each once; what is beyond MODELS_MAX is left out, and told."""
    market = site.market()
    asked = list(dict.fromkeys(name[:200] for name in request.query_params.getlist("model") if name))
    names = asked[:MODELS_MAX]
    ids = [offer.model.id for name in names if (offer := market.offer(name)) is not None]
    rows = {shown.row.id: shown for shown in site.rows() if shown.row.id in ids}
    return CompareView(
        shown=tuple(rows[id_] for id_ in dict.fromkeys(ids)),
        abilities=ABILITIES,
        unknown=tuple(name for name in names if market.offer(name) is None),
        left_out=len(asked) - len(names),
    )
