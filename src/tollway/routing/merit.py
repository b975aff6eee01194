"""The models that auto chooses from, ranked for a task at a price: by price band, newness, what they are made for."""

import re
from collections.abc import Iterable, Sequence
from math import log

from msgspec import Struct

from tollway.domain.auto import AutoSettings, CostTier, Difficulty, Task
from tollway.domain.catalog import Operation
from tollway.routing.market import Market, Offer
from tollway.routing.patterns import Patterns
from tollway.routing.variants import VARIANTS

Band = tuple[int, int]
"""Percentiles of the price: from, up to."""

TIERS: dict[CostTier, Band] = {
    "low": (0, 20),
    "medium": (20, 40),
    "high": (40, 60),
    "xhigh": (60, 80),
    "max": (80, 100),
}
"""The bands of OpenRouter's `cost_tier`."""
TIER_OF: dict[Difficulty, CostTier] = {"easy": "low", "medium": "medium", "hard": "high"}

NOT_BY_ITSELF = re.compile(
    r"[-_.](?:fast|turbo|highspeed|preview|exp|beta|latest|image|audio|tts|realtime|search|guard|safeguard|embed|base"
    r"|roleplay|uncensored|abliterated|deep-research|multi-agent)(?:[-_.]|$)"
)
"""Models that are dearer for their speed, unfinished, or made for something else: chosen only where they are named."""

YEAR_S = 365 * 24 * 3600
UNDATED_YEARS = 2.0
"""How much older than the newest a model is taken to be whose date is not known."""
WIDELY = 0.3
"""What a model gains by each e-fold of live endpoints: what many offer is in demand."""
_MADE_FOR_CODE = re.compile(r"cod(?:e|er|ex|estral)\b|devstral|swe-|build")
_MADE_FOR_MATHS = re.compile(r"math|prover|reason|think")


class Entry(Struct, frozen=True):
    """A model of the set."""

    offer: Offer
    percent: float
    """How many of a hundred models of the set are cheaper."""
    age_years: float
    """Behind the newest of the set."""


class Field:
    """The models that one request may have, with the rankings that were asked for so far."""

    def __init__(self, market: Market, settings: AutoSettings, allowed: Sequence[str] | None, excluded: Sequence[str]):
        self._market = market
        self._settings = settings
        offers = [each for each in market.offers.values() if each.stalls and each.operation is Operation.CHAT]
        for patterns in (settings.models or None, allowed):
            if patterns is not None:
                wanted = Patterns(_ids(patterns, market))
                offers = [each for each in offers if wanted.match(each.model.id)]
        unwanted = Patterns(_ids((*settings.excluded, *excluded), market))
        asked_for = (*settings.models, *(allowed or ()), *_listed(settings))
        named = Patterns(_ids((each for each in asked_for if "*" not in each), market))
        offers = [each for each in offers if not unwanted.match(each.model.id)]
        offers = [each for each in offers if _is_plain(each) or named.match(each.model.id)] or offers
        offers.sort(key=lambda each: (each.stalls[0].blended, each.model.id))
        newest = max((each.model.created_s for each in offers), default=0)
        self.entries = tuple(
            Entry(
                each,
                100 * index / len(offers),
                (newest - each.model.created_s) / YEAR_S if each.model.created_s else UNDATED_YEARS,
            )
            for index, each in enumerate(offers)
        )
        self.ids = frozenset(each.model.id for each in offers)
        self._ranked: dict[tuple[Task, Band | None], tuple[str, ...]] = {}

    def ranked(self, task: Task, band: Band | None, difficulty: Difficulty) -> tuple[str, ...]:
        """The ids of all of them, the best first: those in the band, then by how far from it they are.

        `band` None: nobody said one. Then the operator's list for the task counts as it stands, or the difficulty.
        """
        listed = self._settings.tasks.get(task)
        if band is None and not listed:
            band = TIERS[TIER_OF[difficulty]]
        found = self._ranked.get((task, band))
        if found is None:
            found = self._ranked[task, band] = self._rank(task, band, listed)
        return found

    def _rank(self, task: Task, band: Band | None, listed: Sequence[str] | None) -> tuple[str, ...]:
        entries: Iterable[Entry] = self.entries
        place = dict.fromkeys(self.ids, 0)
        if listed:
            place = {}
            for number, name in enumerate(listed):
                wanted = Patterns(_ids((name,), self._market))
                for id_ in self.ids:
                    if id_ not in place and wanted.match(id_):
                        place[id_] = number
            entries = [each for each in entries if each.offer.model.id in place]
        ordered = sorted(
            entries,
            key=lambda each: (
                _distance(each.percent, band),
                place[each.offer.model.id],
                -_merit(each, task),
                each.offer.model.id,
            ),
        )
        return tuple(each.offer.model.id for each in ordered)


def _distance(percent: float, band: Band | None) -> float:
    """Outside of the band the nearest comes first; cheaper is nearer than dearer."""
    if band is None or band[0] <= percent < band[1]:
        return 0.0
    return band[0] - percent if percent < band[0] else 100.0 + percent - band[1]


def _merit(entry: Entry, task: Task) -> float:
    """One figure to rank by within a band of prices, in years of age: nobody has measured how good the answers are."""
    model = entry.offer.model
    merit = WIDELY * log(len(entry.offer.stalls)) - entry.age_years
    for_code = _MADE_FOR_CODE.search(model.id) is not None
    if task in ("code", "agent"):
        merit += 0.7 * for_code + 0.5 * model.reasoning
    elif task == "reasoning":
        merit += 0.7 * (_MADE_FOR_MATHS.search(model.id) is not None) + 1.0 * model.reasoning - 0.7 * for_code
    else:
        merit -= 1.5 * for_code
    return merit


def _is_plain(offer: Offer) -> bool:
    model = offer.model
    suffix = model.id.rpartition(":")[2]
    return model.output_modalities == ("text",) and suffix not in VARIANTS and not NOT_BY_ITSELF.search(model.id)


def _listed(settings: AutoSettings) -> list[str]:
    return [name for names in settings.tasks.values() for name in names]


def _ids(patterns: Iterable[str], market: Market) -> list[str]:
    """An alias becomes its models, another name its model's id."""
    found: list[str] = []
    for pattern in patterns:
        if (level := market.levels.get(pattern)) is not None:
            found += level.alias.models
        elif "*" not in pattern and (offer := market.offer(pattern)) is not None:
            found.append(offer.model.id)
        else:
            found.append(pattern)
    return found
