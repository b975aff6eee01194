"""Which models a request's names mean: ids, other names, variants, the newest of a family, any free model."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from msgspec import structs

from tollway.domain.catalog import Operation
from tollway.domain.chat import ChatRequest
from tollway.domain.errors import InvalidRequest, ModelNotFound, NoEndpoints, NotBuiltYet, TollwayError, Unavailable
from tollway.domain.plain import PlainRequest
from tollway.routing.availability import availability
from tollway.routing.market import Level, Market, Offer
from tollway.routing.variants import FREE, PLAIN, VARIANTS, Variant, both, meant

Named = tuple[Offer, Variant]
"""What a model is offered as, and what its name asks for besides."""


def offers_named(request: ChatRequest | PlainRequest, market: Market, dice: Callable[[], float]) -> Sequence[Named]:
    """What the request names, each model once, whatever names it was given; after `:free` its others may follow.

    InvalidRequest: nothing is named, or a model that is to be asked for something else. ModelNotFound: no such model.
    NoEndpoints: any free model was wanted, and there is none.
    """
    name = request.model
    if name and not request.models and name not in FREE_ROUTERS:
        return (_named(name, request.operation, market),)
    names = [request.model] if request.model else []
    if request.models:
        names += request.models
    if not names:
        raise InvalidRequest("model: name a model, such as one of GET /api/v1/models", param="model")
    found: dict[str, Named] = {}
    for name in names:
        if name in FREE_ROUTERS:
            for offer in _any_free(market, request.operation, dice):
                found.setdefault(offer.model.id, (offer, FREE))
            continue
        offer, variant = named = _named(name, request.operation, market)
        first = found.setdefault(offer.model.id, named)
        if first[1].free and not variant.free:
            found.setdefault(f"{offer.model.id}:paid", (offer, both(Variant(paid=True), variant)))
    return list(found.values())


def _named(name: str, operation: Operation, market: Market) -> Named:
    """What one name means. ModelNotFound, InvalidRequest: as above."""
    named = find(name, market)
    if named is None:
        raise unknown_model(name, market)
    offer = named[0]
    if offer.operation is not operation:
        raise InvalidRequest(f"{offer.model.id} is {_MADE_FOR[offer.operation]}", param="model")
    return named


def find(name: str, market: Market) -> Named | None:
    """An alias is its level, a name of the catalog that model; else what stands before a known suffix is looked up."""
    if name in market.levels:
        return _available(market.levels[name]), PLAIN
    offer = market.offers.get(name) or market.offer(name)
    if offer is None and name.startswith("~"):
        offer = newest(name, market)
    if offer is not None:
        return offer, PLAIN
    base, colon, suffix = name.rpartition(":")
    variant = VARIANTS.get(suffix)
    if not colon or variant is None:
        return None
    named = find(base, market)
    return named and (named[0], both(named[1], variant))


def looked_up(name: str, market: Market) -> Offer | None:
    """As `find`, for who only asks what a name is: with the endpoints that it means. None: nobody can be called."""
    try:
        named = find(name, market)
    except Unavailable:
        return None
    if named is None:
        return None
    offer, variant = named
    if variant is PLAIN:
        return offer if offer.live else None
    stalls = tuple(meant(offer.stalls, variant, []))
    return structs.replace(offer, stalls=stalls, live=tuple(stall.endpoint for stall in stalls)) if stalls else None


def _available(level: Level) -> Offer:
    """Unavailable: the alias is only planned, or nobody at all serves it."""
    if level.alias.status == "planned":
        raise Unavailable(f"{level.alias.name} is planned, and cannot be used yet.")
    if not level.offer.stalls:
        raise Unavailable(f"{level.alias.name} is in outage: none of its routes can be called.", retry_after_s=60)
    return level.offer


def newest(name: str, market: Market) -> Offer | None:
    """`~author/family-latest`: the newest model that can be called, whose name says the family and else only numbers.

    So `~openai/gpt-latest` is no `gpt-5-mini`, and `~openai/gpt-5-latest` may be `gpt-5.2`.
    """
    author, _, family = name.removeprefix("~").partition("/")
    if not family.endswith(LATEST):
        return None
    words, numbers = _words(family.removesuffix(LATEST))
    found: list[Offer] = []
    for offer in market.offers.values():
        if offer.live and offer.operation is Operation.CHAT and offer.model.id.startswith(f"{author}/"):
            its_words, its_numbers = _words(offer.model.id.partition("/")[2])
            if its_words == words and its_numbers[: len(numbers)] == numbers:
                found.append(offer)
    return max(found, key=lambda offer: (offer.model.created_s, offer.model.id), default=None)


def family_of(id_: str) -> list[str]:
    """The words of a model's name, by which its family is known."""
    return _words(id_.partition("/")[2])[0]


def _words(slug: str) -> tuple[list[str], list[str]]:
    """A model's name without its author -> its words and its numbers; that it is a preview tells no family apart."""
    parts: list[str] = re.findall(r"[a-z]+|[0-9]+", slug.lower())
    return (
        [part for part in parts if not part.isdigit() and part != "preview"],
        [part for part in parts if part.isdigit()],
    )


def _any_free(market: Market, operation: Operation, dice: Callable[[], float]) -> list[Offer]:
    """The models that have a free endpoint, shuffled. NoEndpoints: there is none."""
    free = [
        offer
        for offer in market.offers.values()
        if offer.operation is operation and any(stall.price.declared_free for stall in offer.stalls)
    ]
    if not free:
        raise NoEndpoints("No free model is on offer here; name a model, such as one of GET /api/v1/models.")
    return sorted(free, key=lambda _: dice())


def unknown_model(name: str, market: Market) -> TollwayError:
    """InvalidRequest for a preset, NotBuiltYet for what a later release brings, else ModelNotFound with near ids."""
    if PRESET in name:
        return InvalidRequest(
            f"{name[:80]}: a preset is for chat, and stands in `model` or `preset`; `models` takes models",
            param="models",
        )
    base, _, suffixes = name.partition(":")
    routes = base in AUTO and "online" not in suffixes.split(":")
    if routes and all(each in VARIANTS for each in suffixes.split(":") if each):
        return InvalidRequest(f"{base} chooses among language models; ask it at /chat/completions.", param="model")
    if name.startswith(ROUTERS) and not routes:
        return NotBuiltYet(f"This router is not built yet; name the model itself: {name[:80]}", param="model")
    if "online" in suffixes.split(":") and market.offer(base) is not None:
        return NotBuiltYet(f'The variant ":online" is not built yet; name the model itself: {name[:80]}', param="model")
    near = get_close_matches(name[:80].lower(), [each.model.id for each in market.offers.values() if each.live], 3, 0.8)
    hint = f"; did you mean {', '.join(near)}?" if near else "; GET /api/v1/models lists them"
    told = {"availability": availability("model_not_found", [name[:200]])}
    return ModelNotFound(f"{name} is not a valid model ID{hint}", param="model", metadata=told)


_MADE_FOR = {
    Operation.CHAT: "a language model; ask it at /chat/completions.",
    Operation.EMBEDDINGS: "an embedding model; ask it at /embeddings.",
    Operation.RERANK: "a reranking model; ask it at /rerank.",
    Operation.MODERATION: "a moderation model; ask it at /moderations.",
}

PRESET = "@preset/"
ROUTERS = ("openrouter/", "tollway/")
AUTO = frozenset({"openrouter/auto", "openrouter/auto-beta", "tollway/auto"})
"""Replaced by the models that are chosen before a plan is made (routing/auto.py)."""
FREE_ROUTERS = frozenset({"openrouter/free", "tollway/free"})
LATEST = "-latest"
