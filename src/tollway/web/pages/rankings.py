"""`/rankings`: which models and apps are used most on this server, by tokens."""

from msgspec import Struct
from starlette.requests import Request

from tollway.routing.market import Offer
from tollway.web.page import Site

MODELS_MAX = 50


class Ranked(Struct, frozen=True):
    """One line: a model, or an app."""

    name: str
    id: str
    """A model's id; "" of apps, and of models that the catalog no longer has."""
    tokens: int
    percent: int
    """Of the first one's tokens."""
    requests: int | None = None


class RankingsView(Struct, frozen=True):
    """What `rankings.html` shows."""

    models: tuple[Ranked, ...]
    apps: tuple[Ranked, ...]


async def rankings(site: Site, request: Request) -> RankingsView:
    """Of models the last week, of apps the last 30 complete days."""
    offers = site.market().offers
    used = sorted((await site.model_tokens()).items(), key=lambda one: (-one[1], one[0]))[:MODELS_MAX]
    apps = await site.apps()
    most, most_of_apps = (rows[0] if rows else 0 for rows in ([one[1] for one in used], [app.tokens for app in apps]))
    return RankingsView(
        models=tuple(_model(offers.get(id_), id_, tokens, most) for id_, tokens in used),
        apps=tuple(
            Ranked(app.title or app.url or "unnamed", "", app.tokens, _share(app.tokens, most_of_apps), app.requests)
            for app in apps
        ),
    )


def _model(offer: Offer | None, id_: str, tokens: int, most: int) -> Ranked:
    if offer is None:
        return Ranked(id_, "", tokens, _share(tokens, most))
    return Ranked(offer.model.name, id_, tokens, _share(tokens, most))


def _share(tokens: int, most: int) -> int:
    return max(1, round(100 * tokens / most)) if most else 0
