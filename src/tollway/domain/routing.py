"""What routing returns: a plan of candidates in order, and every endpoint left out, with its reason."""

from msgspec import Struct

from tollway.domain.catalog import Endpoint, Model, Price
from tollway.domain.money import Nanodollars


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


class Rejection(Struct, frozen=True):
    """An endpoint that was left out."""

    endpoint: Endpoint
    rule: str
    """The rule's name: `not_live`, `context_too_short`, `not_affordable` ..."""
    reason: str
    """A sentence for the person who asked."""


class Plan(Struct, frozen=True):
    """A decision: who is tried, in which order, and why nobody else is."""

    models: tuple[Model, ...]
    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]

    @property
    def hold(self) -> Nanodollars:
        """What must be set aside: the dearest candidate's bound."""
        return max((candidate.bound for candidate in self.candidates), default=0)
