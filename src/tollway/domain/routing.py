"""What routing returns: a plan of candidates in order, and every endpoint left out, with its reason."""

from hashlib import blake2b

from msgspec import Struct

from tollway.domain.auto import CostTier, Difficulty, Task
from tollway.domain.byok import Credential
from tollway.domain.catalog import Endpoint, Model, Price
from tollway.domain.money import Nanodollars


def route_id(endpoint_id: str) -> str:
    """CPEN's name of an endpoint: the same for ever, and nothing that tells a customer whose it is."""
    return "route_" + blake2b(endpoint_id.encode(), digest_size=6).hexdigest()


OWN = "#byok:"


def own_id(endpoint_id: str, credential_id: str) -> str:
    """The id, in memory, of an endpoint that is called with somebody's own key."""
    return f"{endpoint_id}{OWN}{credential_id}"


def listed_id(endpoint_id: str) -> str:
    """The endpoint's id in the catalog, whoever's key it is called with."""
    return endpoint_id.partition(OWN)[0]


class Candidate(Struct, frozen=True):
    """An endpoint that will be tried, with the price that it will be settled with."""

    endpoint: Endpoint
    price: Price
    bound: Nanodollars
    """The most that this request can cost here."""
    max_tokens: int | None
    """What is sent upstream: the caller's own number, or our bound where they gave none and it was too dear."""
    max_tokens_is_ours: bool = False
    reason: str = ""
    unwell: bool = False
    """It was failing when the plan was made, and stands here for want of better ones."""
    share: float = 0.0
    """Its share of the first places, from 0 to 1, among requests like this one."""
    thinks: bool = False
    """Its model was named with `:thinking`: it reasons, unless the request says otherwise."""
    alias: str | None = None
    """The alias that was asked for; answers go on saying it."""
    escalated: bool = False
    """Its price is above the request's cap, by the request's own leave."""
    credential: Credential | None = None
    """The caller's own key, with which it is called. `price` is the fee's then, and `endpoint.id` one of its own, so
    that what befalls this key is not held against others."""
    listed_price: Price | None = None
    """What the provider bills to the caller's own account."""
    listed_bound: Nanodollars = 0
    """The most that it can cost at list price, which the provider bills to the caller's own account."""

    @property
    def listed_id(self) -> str:
        """The endpoint's id in the catalog."""
        return self.endpoint.id if self.credential is None else listed_id(self.endpoint.id)


class Rejection(Struct, frozen=True):
    """An endpoint that was left out."""

    endpoint: Endpoint
    rule: str
    """The rule's name: `not_live`, `context_too_short`, `not_affordable` ..."""
    reason: str
    """A sentence for the person who asked."""


class Routed(Struct, frozen=True, omit_defaults=True):
    """What `openrouter/auto` made of a request."""

    router: str
    """The name that was asked for, without suffixes."""
    requested: str
    """The first name of the request as it came."""
    models: tuple[str, ...]
    """Ids of the picks, the best first."""
    task: Task
    difficulty: Difficulty
    cost_tier: CostTier | None = None
    """As the request or the operator said; None: by the difficulty."""
    stays: bool = False
    """The first is the conversation's model, and no new choice."""


class Plan(Struct, frozen=True):
    """A decision: who is tried, in which order, and why nobody else is."""

    models: tuple[Model, ...]
    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]
    routed: Routed | None = None
    """The models were chosen for the request."""

    @property
    def hold(self) -> Nanodollars:
        """What must be set aside: the dearest candidate's bound."""
        return self.holds()[0]

    def holds(self) -> tuple[Nanodollars, Nanodollars]:
        """The same, and the most that the caller's own keys can be billed by their provider."""
        hold = listed = 0
        for candidate in self.candidates:
            if candidate.bound > hold:
                hold = candidate.bound
            if candidate.listed_bound > listed:
                listed = candidate.listed_bound
        return hold, listed
