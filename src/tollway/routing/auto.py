"""`openrouter/auto`: a task is read from the request, and models are picked for it; sticky per conversation.

What comes out is an ordinary request that names the picks, so that every other rule applies to them as to any model.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from tollway.domain.auto import AutoSettings, CostTier, Difficulty, Pattern, Task
from tollway.domain.chat import (
    AssistantMessage,
    ChatRequest,
    ImagePart,
    LegacyVideoPart,
    Message,
    TextPart,
    UserMessage,
    VideoPart,
)
from tollway.domain.errors import InvalidRequest, NoEndpoints
from tollway.domain.routing import Rejection, Routed
from tollway.domain.standing import Ruling
from tollway.routing.availability import availability
from tollway.routing.market import Market
from tollway.routing.merit import TIERS, Band, Field
from tollway.routing.names import AUTO, Named, find
from tollway.routing.order import Sight
from tollway.routing.rules import RULES, Ask, Rule, ask_of
from tollway.routing.rulings import rules_of
from tollway.routing.tagger import said, tagged
from tollway.routing.unbuilt import AUTO_PLUGINS
from tollway.routing.variants import VARIANTS, meant

PICKS_MAX = 3
"""The first choice, and two to fall back to."""
FIELDS_MAX = 16
"""Sets of models that are kept ready: one for each pair of lists that requests bring."""
PATTERN_CHARACTERS_MAX = 65_536
LONG = 2_000
"""Characters from which a request for code or a proof is hard."""

Patterns = Annotated[tuple[Pattern, ...], Meta(max_length=1024)]

_HARD = (
    "step by step", "prove", "proof", "optimi", "architect", "design ", "refactor", "restructure", "concurren",
    "race condition", "deadlock", "trade-off", "tradeoff", "rigorous", "in depth", "comprehensive", "thorough",
    "beweise", "证明",
)  # fmt: skip
"""Parts of words that make a request harder."""
_EASY_EFFORTS, _HARD_EFFORTS = frozenset({"none", "minimal", "low"}), frozenset({"high", "xhigh", "max"})
_EASY_TASKS = frozenset({"chat", "translation", "extraction", "summary"})


class AutoPlugin(Struct, frozen=True, forbid_unknown_fields=True):
    """The plugin `auto-router`: what a request wants of the choice (OPENROUTER.md, section 11)."""

    id: str
    enabled: bool | None = None
    allowed_models: Patterns | None = None
    excluded_models: Patterns | None = None
    cost_tier: CostTier | None = None
    cost_quality_tradeoff: Annotated[int, Meta(ge=0, le=10)] | None = None
    """The old way to say it: 10 is cheap. `cost_tier` wins."""
    pin_model: bool | None = None
    """The model that the last assistant message names goes on."""


_NO_WISHES = AutoPlugin("auto-router")


class AutoRouter:
    """Chooses models. It remembers rankings, and nothing of any request."""

    def __init__(self, settings: AutoSettings) -> None:
        self._settings = settings
        self._market: Market | None = None
        self._fields: dict[tuple[Patterns | None, Patterns], Field] = {}

    def route(
        self,
        request: ChatRequest,
        market: Market,
        sight: Sight,
        *,
        prompt_tokens: int,
        kept: str | None,
        rulings: Sequence[Ruling] = (),
    ) -> tuple[ChatRequest, Routed]:
        """A request that names auto -> the same for the models picked, and why these.

        `kept`: the model that the conversation had before. `rulings`: as in `make_plan`. NoEndpoints: the lists leave
        no model. InvalidRequest: the plugin is not as it should be.
        """
        names = _names(request)
        router = next(name for name in names if router_of(name) is not None)
        base, _, suffix = router.partition(":")
        wishes = wishes_of(request)
        field = self._field(market, wishes.allowed_models or None, wishes.excluded_models or ())
        task, difficulty = task_of(request)
        tier = wishes.cost_tier
        band = TIERS[tier] if tier else _ceiling(wishes.cost_quality_tradeoff)
        if band is None and self._settings.cost_tier is not None:
            tier = self._settings.cost_tier
            band = TIERS[tier]
        pinned = _last_model(request, market) if wishes.pin_model else None
        stays = [id_ for id_ in (pinned, kept) if id_ is not None and id_ in field.ids]
        ranked = field.ranked(task, band, difficulty)
        tail = f":{suffix}" if suffix else ""
        if not ranked:
            raise NoEndpoints(
                f"{base} has no model to choose from for the task {task}: allowed_models, excluded_models and the "
                "configuration leave none that can be called.",
                metadata={"availability": availability("constraint_filtered", [base])},
            )
        picks, stayed = _fitting(request, market, sight, prompt_tokens, rulings, stays, ranked, tail)
        routed = Routed(
            router=base,
            requested=names[0],
            models=tuple(id_ for id_, _ in picks),
            task=task,
            difficulty=difficulty,
            cost_tier=tier,
            stays=stayed,
        )
        expanded = dict.fromkeys(
            each for name in names for each in ([name for _, name in picks] if router_of(name) else [name])
        )
        first, *rest = expanded
        return structs.replace(request, model=first, models=tuple(rest) or None), routed

    def _field(self, market: Market, allowed: Patterns | None, excluded: Patterns) -> Field:
        if market is not self._market:
            self._market = market
            self._fields.clear()
        key = (allowed, excluded)
        found = self._fields.get(key)
        if found is None:
            if len(self._fields) >= FIELDS_MAX:
                del self._fields[next(iter(self._fields))]
            found = self._fields[key] = Field(market, self._settings, allowed, excluded)
        return found


def router_of(name: str) -> str | None:
    """The auto router that a name means, with known suffixes or without; None: it means something else."""
    base, _, suffix = name.partition(":")
    if base not in AUTO or (suffix and any(each not in VARIANTS for each in suffix.split(":"))):
        return None
    return base


def asks_auto(request: ChatRequest) -> str | None:
    """The auto router that the request names, if it names one."""
    for name in _names(request):
        if name.startswith(_PREFIXES) and (router := router_of(name)) is not None:
            return router
    return None


def choice_key(request: ChatRequest, router: str) -> str:
    """Under what a conversation's model is remembered: who says another cost gets another choice."""
    wishes = wishes_of(request)
    return f"{router} {wishes.cost_tier or wishes.cost_quality_tradeoff}"


_PREFIXES = ("openrouter/auto", "tollway/auto")


def _names(request: ChatRequest) -> Sequence[str]:
    if not request.models:
        return (request.model,) if request.model else ()
    return (request.model, *request.models) if request.model else request.models


def wishes_of(request: ChatRequest) -> AutoPlugin:
    """What the request's `auto-router` plugin says. InvalidRequest: it is not as it should be."""
    for index, plugin in enumerate(request.plugins or ()):
        if plugin.get("id") in AUTO_PLUGINS and plugin.get("enabled") is not False:
            place = f"plugins[{index}]"
            try:
                found = msgspec.convert(plugin, AutoPlugin)
            except msgspec.ValidationError as error:
                what, _, where = str(error).partition(" - at ")
                path = place + where.strip("`").removeprefix("$")
                raise InvalidRequest(f"{path}: {what}", param=path) from None
            patterns = (*(found.allowed_models or ()), *(found.excluded_models or ()))
            if sum(map(len, patterns)) > PATTERN_CHARACTERS_MAX:
                raise InvalidRequest(
                    f"{place}: at most {PATTERN_CHARACTERS_MAX} characters in all patterns", param=place
                )
            return found
    return _NO_WISHES


def _ceiling(tradeoff: int | None) -> Band | None:
    """OpenRouter's: 10 keeps what is cheaper than nine tenths, 0 the cheaper nine tenths."""
    return None if tradeoff is None else (0, 90 - 8 * tradeoff)


def _last_model(request: ChatRequest, market: Market) -> str | None:
    """The model that the last assistant message says it came from."""
    last = next((each for each in reversed(request.messages) if isinstance(each, AssistantMessage)), None)
    offer = market.offer(last.model) if last is not None and last.model else None
    return None if offer is None else offer.model.id


def _fitting(
    request: ChatRequest,
    market: Market,
    sight: Sight,
    prompt_tokens: int,
    rulings: Sequence[Ruling],
    stays: Sequence[str],
    ranked: Sequence[str],
    tail: str,
) -> tuple[list[tuple[str, str]], bool]:
    """(id, name) of the picks, and whether the first of them is one that stays.

    The first that pass every rule and are well; behind them those that are unwell, or pass but for what is soft. Where
    nobody passes, the best all the same: the plan then says why not.
    """
    ask = ask_of(request, prompt_tokens, market.names, market.facts, prompt_tokens)
    rules = [*rules_of(rulings, ask, market), *(rule for rule in RULES if rule.concerns(ask))]
    well: list[str] = []
    unwell: list[str] = []
    softly: list[str] = []
    seen: set[str] = set()
    for id_ in chain(stays, ranked):
        if id_ in seen:
            continue
        seen.add(id_)
        named = find(id_ + tail, market)
        fits = named is not None and _fits(named, ask, rules, sight)
        if fits:
            well.append(id_)
            if len(well) == PICKS_MAX:
                break
        elif fits is None and len(unwell) < PICKS_MAX:
            unwell.append(id_)
        elif named is not None and len(softly) < PICKS_MAX:
            hard = [rule for rule in rules if not rule.is_soft]
            if len(hard) < len(rules) and _fits(named, ask, hard, sight) is not False:
                softly.append(id_)
    found = (well + unwell + softly)[:PICKS_MAX] or list(ranked[:PICKS_MAX])
    return [(id_, id_ + tail) for id_ in found], bool(found) and found[0] in stays


def _fits(named: Named, ask: Ask, rules: Sequence[Rule], sight: Sight) -> bool | None:
    """Whether some endpoint passes the rules; None: one does, but none that is well."""
    offer, variant = named
    unheard: list[Rejection] = []
    found: bool | None = False
    for stall in meant(offer.stalls, variant, unheard):
        if all(rule.check(ask, stall.endpoint) is None for rule in rules):
            if sight.why_down(stall.endpoint.id) is None:
                return True
            found = None
    return found


def task_of(request: ChatRequest) -> tuple[Task, Difficulty]:
    """What is asked for, by the first and the last message of the user; and how hard it seems."""
    asked = [each for each in request.messages if isinstance(each, UserMessage)]
    first = _text(asked[0]) if asked else (request.prompt or "")
    last = _text(asked[-1]) if len(asked) > 1 else ""
    text = said(first, last)
    json = request.response_format is not None and request.response_format.type in ("json_object", "json_schema")
    task: Task
    if request.tools or request.functions:
        task = "agent"
    elif asked and _shows(asked[-1]):
        task = "vision"
    else:
        task = tagged(text, wants_json=json)
    return task, _difficulty(task, text, max(len(first), len(last)), request)


def _difficulty(task: Task, text: str, size: int, request: ChatRequest) -> Difficulty:
    """By the effort that is asked for, else by the task, certain words, and length."""
    reasoning = request.reasoning
    effort = request.reasoning_effort or (reasoning.effort if reasoning is not None else None)
    if effort in _EASY_EFFORTS:
        return "easy"
    if effort in _HARD_EFFORTS:
        return "hard"
    easy = task in _EASY_TASKS
    if _is_hard(text) or (not easy and size > LONG):
        return "medium" if easy else "hard"
    return "easy" if easy and effort is None else "medium"


def _is_hard(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in _HARD)


def _text(message: Message) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text for part in content if isinstance(part, TextPart))


def _shows(message: Message) -> bool:
    return not isinstance(message.content, str | None) and any(
        isinstance(part, ImagePart | VideoPart | LegacyVideoPart) for part in message.content
    )
