"""What the settings of somebody's workspace leave of the market: its rules, and the guardrails that count for them."""

import msgspec
from msgspec import structs

from tollway.domain.chat import ChatRequest
from tollway.domain.guardrails import rulings_of
from tollway.domain.money import AMOUNT_MAX
from tollway.domain.people import Actor, Right
from tollway.domain.standing import Ruling, Standing, standing_of
from tollway.gateway.base import Gateway
from tollway.routing.defaults import with_preferences
from tollway.routing.explain import Bench, Explanation, Prompt, explain
from tollway.routing.health import Glance
from tollway.routing.market import Market
from tollway.routing.reach import left_of
from tollway.storage.database import Database
from tollway.storage.guardrails import guards_for
from tollway.storage.workspaces import find_settings

KEPT_MAX = 16
"""Markets that were cut lately: a page is asked for again with each letter that is typed."""


class Allowed:
    """Markets as people's settings leave them. What a single key adds for itself is not in them."""

    def __init__(self, database: Database, gateway: Gateway) -> None:
        self._database = database
        self._gateway = gateway
        self._kept: dict[bytes, tuple[Market, Market]] = {}

    async def standing(self, actor: Actor, workspace_id: str | None = None) -> tuple[str, Standing | None]:
        """The workspace that is meant, and what holds for a request of the actor's there.

        NotFound: not theirs. Forbidden: a role that may not even see it.
        """
        found = actor.workspace(workspace_id, Right.SEE)
        guards = await guards_for(self._database, found, "", actor.user.id if actor.user else None)
        return found, standing_of(await find_settings(self._database, found), None, rulings_of(guards))

    def plan(self, ask: ChatRequest, prompt: Prompt) -> Explanation:
        """What a request's plan would be, for somebody who has money and no rules. TollwayError: as the request."""
        return explain(ask, self._bench(self._gateway.market), prompt)

    async def plan_for(self, actor: Actor | None, ask: ChatRequest, prompt: Prompt) -> Explanation | None:
        """The same by the wishes and rules of the actor's own workspace. None: there is none."""
        if actor is None or actor.workspace_id is None:
            return None
        found, standing = await self.standing(actor)
        rulings = standing.rulings if standing else ()
        return explain(with_preferences(ask, standing), self._bench(self._gateway.market_of(found), rulings), prompt)

    def _bench(self, market: Market, rulings: tuple[Ruling, ...] = ()) -> Bench:
        sight = Glance(self._gateway.health, self._gateway.loop.time())
        return Bench(market, sight, self._gateway.policy, AMOUNT_MAX, rulings=rulings)

    async def market(self, actor: Actor, workspace_id: str | None = None) -> Market:
        """The offers of which something is left, with what is left of them. NotFound, Forbidden: as `standing`."""
        found, standing = await self.standing(actor, workspace_id)
        whole = self._gateway.market_of(found)
        if standing is None or not standing.rulings:
            return whole
        name = msgspec.json.encode((id(whole), standing.rulings))
        kept = self._kept.pop(name, None)
        if kept is None or kept[0] is not whole:  # what is kept holds its market, so that no other can have this id
            offers = {offer.model.id: offer for offer in left_of(whole, whole.offers.values(), standing.rulings)}
            kept = whole, structs.replace(whole, offers=offers)
        self._kept[name] = kept
        while len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return kept[1]
