"""Names that can be asked for and are no models of the catalog, as offers: routers, aliases, the newest of families."""

from collections.abc import Sequence

from msgspec import structs

from tollway.domain.catalog import Model, Operation
from tollway.routing.market import Market, Offer, Stall
from tollway.routing.names import LATEST, family_of

AUTO, FREE = "openrouter/auto", "openrouter/free"
ROUTERS = frozenset({AUTO, FREE})
TOKENIZER = "Router"
UNPRICED = frozenset({AUTO})
"""What they cost is the price of whichever model is chosen."""


def named_offers(market: Market) -> list[Offer]:
    """Each with the endpoints that may answer to it; none that nobody would answer to just now."""
    chats = [offer for offer in market.offers.values() if offer.operation is Operation.CHAT and offer.stalls]
    return [*_routers(chats), *_levels(market), *_families(chats)]


def target_of(offer: Offer) -> str | None:
    """The model that the newest of a family is, for now (OPENROUTER.md 7.1, `alias_target`)."""
    return offer.live[0].model_id if offer.model.id.startswith("~") else None


def _routers(chats: Sequence[Offer]) -> list[Offer]:
    stalls = sorted((stall for offer in chats for stall in offer.stalls), key=lambda stall: stall.blended)
    free = [stall for stall in stalls if stall.price.declared_free]
    routers = (
        (AUTO, "Auto Router", "Chooses a model for each request, by what it asks and what it may cost.", stalls),
        (FREE, "Free Models Router", "Takes any of the free models that can do what the request asks.", free),
    )
    return [_router(id_, name, said, chats, found) for id_, name, said, found in routers if found]


def _router(id_: str, name: str, said: str, chats: Sequence[Offer], stalls: Sequence[Stall]) -> Offer:
    ids = {stall.endpoint.model_id for stall in stalls}
    models = [offer.model for offer in chats if offer.model.id in ids]
    model = Model(
        id_,
        name,
        id_.partition("/")[0],
        description=said,
        context_tokens=max(stall.endpoint.context_tokens for stall in stalls),
        input_modalities=tuple(dict.fromkeys(kind for each in models for kind in each.input_modalities)),
        tokenizer=TOKENIZER,
    )
    return Offer(model, tuple(stalls), (), tuple(stall.endpoint for stall in stalls))


def _levels(market: Market) -> list[Offer]:
    return [level.offer for level in market.levels.values() if level.alias.status == "available" and level.offer.stalls]


def _families(chats: Sequence[Offer]) -> list[Offer]:
    """Those of several models whose name is words: what is left of others, without numbers, says nothing.

    As `routing.names.newest` finds them one by one.
    """
    members: dict[tuple[str, tuple[str, ...]], list[Offer]] = {}
    for offer in chats:
        words = tuple(family_of(offer.model.id))
        if words and all(len(word) > 1 for word in words):
            members.setdefault((offer.model.id.partition("/")[0], words), []).append(offer)
    found = []
    for (author, words), family in sorted(members.items(), key=lambda pair: pair[0]):
        if len([offer for offer in family if ":" not in offer.model.id]) > 1:
            target = max(family, key=lambda offer: (offer.model.created_s, offer.model.id))
            id_, name = f"~{author}/{'-'.join(words)}{LATEST}", f"{target.model.name} (newest)"
            found.append(structs.replace(target, model=structs.replace(target.model, id=id_, name=name, created_s=0)))
    return found
