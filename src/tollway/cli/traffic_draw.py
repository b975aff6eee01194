"""Made-up requests, drawn from dice and the market: who was asked, what failed, how long it took, what it cost."""

import math
import random
from collections.abc import Mapping

from msgspec import Struct, structs

from tollway.billing.charge import Charge, Ending, charge
from tollway.cli.traffic_cast import TRUSTED, Habit
from tollway.domain.catalog import Operation
from tollway.domain.chat import ChatRequest, Preferences
from tollway.domain.generation import Attempt, Generation, Trace, Usage
from tollway.domain.health import Outcome
from tollway.domain.money import AMOUNT_MAX
from tollway.domain.routing import Candidate, Plan
from tollway.routing.health import Glance, HealthBoard
from tollway.routing.market import Market
from tollway.routing.plan import make_plan
from tollway.routing.trace import trace_of

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TRIES = 3
MINUTE_MS = 60_000
BLIPS = {
    Outcome.RATE_LIMITED: (429, "Rate limit reached for this model; retry after 20 s."),
    Outcome.PROVIDER_ERROR: (503, "The engine is currently overloaded, please try again later."),
    Outcome.TIMED_OUT: (None, "No first event within 30 s."),
    Outcome.UNREACHABLE: (None, "Connection refused."),
}
REFUSED = "This model's maximum context length was exceeded by the messages of this request."


class Weather(Struct, frozen=True):
    """How a provider is in this month."""

    first_ms: float
    tokens_per_s: float
    failing: float
    """The share of attempts that fail on a plain day."""
    outages: tuple[tuple[int, int, float], ...] = ()
    """From, until, and the share that fails then."""

    def share_failing(self, at_ms: int) -> float:
        return next((share for first, last, share in self.outages if first <= at_ms < last), self.failing)


class Tried(Struct, frozen=True):
    """What one attempt taught, for the health board."""

    at_ms: int
    endpoint_id: str
    outcome: Outcome
    first_s: float | None
    tokens_per_s: float | None
    tokens: int
    cost: int


class Menu(Struct, frozen=True):
    """A model's plan, made once: its candidates with their shares, and the trace of each as the first."""

    candidates: tuple[Candidate, ...]
    shares: tuple[float, ...]
    trace: Trace | None


class Sky:
    """Each provider's weather, from the dice; `outages` of some are told."""

    def __init__(self, dice: random.Random, outages: Mapping[str, tuple[tuple[int, int, float], ...]]) -> None:
        self._dice = dice
        self._outages = outages
        self._found: dict[str, Weather] = {}

    def of(self, provider: str) -> Weather:
        if provider not in self._found:
            first_ms = self._dice.lognormvariate(math.log(420), 0.45)
            failing = min(0.03, self._dice.lognormvariate(math.log(0.004), 0.9))
            self._found[provider] = Weather(
                first_ms, self._dice.lognormvariate(math.log(85), 0.4), failing, self._outages.get(provider, ())
            )
        return self._found[provider]


class Drawer:
    """Makes generations. The same dice and market give the same month."""

    def __init__(self, dice: random.Random, market: Market, sky: Sky) -> None:
        self._dice = dice
        self._market = market
        self._sky = sky
        self._menus: dict[tuple[str, bool], Menu] = {}
        self.tried: list[Tried] = []
        """Every attempt, in the order in which they were drawn."""

    def known(self, models: Mapping[str, float]) -> dict[str, float]:
        """Those that are on offer."""
        return {id_: weight for id_, weight in models.items() if self.menu(id_, private=False)}

    def menu(self, model: str, *, private: bool) -> Menu | None:
        """None: nobody offers it so."""
        found = self._menus.get((model, private)) or self._planned(model, private)
        if found is not None:
            self._menus[model, private] = found
        return found

    def generation(self, habit: Habit, model: str, workspace_id: str, key_id: str, at_ms: int) -> Generation:
        """One finished request of a key."""
        dice = self._dice
        menu = self.menu(model, private=habit.private) or self._menus[model, False]
        order = self._order(menu)
        usage = self._usage(habit, model)
        attempts, served, took_ms = self._attempts(order, usage, at_ms, streams=habit.streams)
        ending = "error" if served is None else self._ending(habit)
        left = ending == "cancelled"
        if left or ending == "length":
            usage = structs.replace(usage, completion=max(1, usage.completion // (3 if left else 1)))
        charged = self._charged(served, usage, ending)
        candidate = served or order[0]
        generation_ms = round(1000 * usage.completion / self._sky.of(candidate.endpoint.provider).tokens_per_s)
        self._told(attempts, at_ms, charged, served, usage, streams=habit.streams)
        return Generation(
            id=f"gen-{at_ms // 1000}-{''.join(dice.choices(LETTERS, k=20))}",
            workspace_id=workspace_id,
            key_id=key_id,
            created_ms=at_ms,
            model=candidate.endpoint.model_id,
            api_type=habit.api_type,
            origin=habit.origin,
            streamed=habit.streams,
            cancelled=left,
            finish_reason=None if left else ending,
            native_finish_reason=None if left or ending == "error" else ending,
            endpoint_id=served.endpoint.id if served else None,
            provider=served.endpoint.provider if served else None,
            price_id=candidate.price.id,
            usage=charged.usage,
            cost=charged.cost.total,
            absorbed=charged.absorbed,
            cache_discount=charged.cost.cache_discount,
            latency_ms=took_ms,
            generation_ms=generation_ms if served else 0,
            attempts=tuple(attempts),
            tokens_prompt_estimate=round(usage.prompt * dice.uniform(0.93, 1.08)),
            error=None if served else attempts[-1].message,
            http_referer=habit.app[1] if habit.app else None,
            app_title=habit.app[0] if habit.app else None,
            user_agent=habit.agent,
            upstream_id=f"chatcmpl-{''.join(dice.choices(LETTERS, k=24))}" if served else None,
            plan=_led_by(menu.trace, order[0]),
        )

    def _planned(self, model: str, private: bool) -> Menu | None:
        offer = self._market.offers.get(model)
        if offer is None or not offer.stalls:
            return None
        if offer.operation is not Operation.CHAT:
            first = next((each for each in offer.stalls if each.endpoint.provider in TRUSTED), offer.stalls[0])
            return Menu((Candidate(first.endpoint, first.price, AMOUNT_MAX, None),), (1.0,), None)
        request = ChatRequest(model=model, provider=Preferences(data_collection="deny") if private else None)
        plan = make_plan(
            request,
            self._market,
            prompt_tokens=2_000,
            prompt_bound=2_000,
            available=AMOUNT_MAX,
            sight=Glance(HealthBoard(), 0.0),
            policy="traffic",
            dice=lambda: 0.0,
        )
        known = [each for each in plan.candidates if each.endpoint.provider in TRUSTED]
        return _menu(structs.replace(plan, candidates=tuple(known or plan.candidates)))

    def _order(self, menu: Menu) -> list[Candidate]:
        """One is drawn to be the first; the others stand by in the plan's order."""
        [first] = self._dice.choices(range(len(menu.candidates)), menu.shares)
        rest = [each for place, each in enumerate(menu.candidates) if place != first]
        return [menu.candidates[first], *rest][:TRIES]

    def _usage(self, habit: Habit, model: str) -> Usage:
        dice = self._dice
        prompt = max(8, round(habit.prompt * dice.lognormvariate(0, 0.7)))
        answer = max(1, round(habit.answer * dice.lognormvariate(0, 0.8))) if habit.answer else 0
        thinks = self._market.offers[model].model.reasoning and answer and dice.random() < 0.7
        reasoning = round(answer * dice.uniform(0.4, 2.2)) if thinks else 0
        cached = round(prompt * dice.uniform(0.5, 0.95)) // 64 * 64 if dice.random() < habit.cached else 0
        return Usage(prompt=prompt, completion=answer + reasoning, reasoning=reasoning, cache_read=cached)

    def _attempts(
        self, order: list[Candidate], usage: Usage, at_ms: int, *, streams: bool
    ) -> tuple[list[Attempt], Candidate | None, int]:
        """-> the attempts, who served it, and milliseconds to the first content."""
        dice, attempts, began_ms = self._dice, [], dice_ms(self._dice, 4)
        for candidate in order:
            endpoint, weather = candidate.endpoint, self._sky.of(candidate.endpoint.provider)
            long = 1 + usage.prompt / 20_000
            first_ms = round(weather.first_ms * long * dice.lognormvariate(0, 0.35))
            if not streams:
                first_ms += round(1000 * usage.completion / weather.tokens_per_s)
            if dice.random() < 0.002:
                attempts.append(
                    Attempt(endpoint.id, endpoint.provider, Outcome.REQUEST_REJECTED, 400, first_ms // 4, None, REFUSED)
                )
                return attempts, None, began_ms + first_ms // 4
            if dice.random() >= weather.share_failing(at_ms):
                attempts.append(
                    Attempt(
                        endpoint.id, endpoint.provider, Outcome.SUCCEEDED, 200, first_ms, began_ms=began_ms
                    )
                )  # fmt: skip
                return attempts, candidate, began_ms + first_ms
            [outcome] = dice.choices(list(BLIPS), (45, 40, 9, 6))
            status, told = BLIPS[outcome]
            took_ms = 30_000 if outcome is Outcome.TIMED_OUT else dice_ms(dice, 180)
            attempts.append(
                Attempt(endpoint.id, endpoint.provider, outcome, status, took_ms, None, told, began_ms)
            )  # fmt: skip
            began_ms += took_ms + 2
        return attempts, None, began_ms

    def _ending(self, habit: Habit) -> str:
        drawn = self._dice.random()
        if drawn < 0.012 and habit.streams:
            return "cancelled"
        if drawn < 0.035 and habit.answer:
            return "length"
        return "tool_calls" if self._dice.random() < habit.tools else "stop"

    def _charged(self, served: Candidate | None, usage: Usage, ending: str) -> Charge:
        told = None if ending == "cancelled" else ending
        known = Ending(
            accepted=served is not None,
            finish_reason=told,
            produced=served is not None,
            reported=usage if served else None,
            counted=Usage(),
            caller_left=ending == "cancelled",
        )
        return charge(known, served.price if served else None, AMOUNT_MAX)

    def _told(
        self,
        attempts: list[Attempt],
        at_ms: int,
        charged: Charge,
        served: Candidate | None,
        usage: Usage,
        *,
        streams: bool,
    ) -> None:
        for each in attempts:
            good = served is not None and each.outcome is Outcome.SUCCEEDED
            speed = self._sky.of(each.provider).tokens_per_s * self._dice.lognormvariate(0, 0.2)
            self.tried.append(
                Tried(
                    at_ms=at_ms + each.began_ms + each.latency_ms,
                    endpoint_id=each.endpoint_id,
                    outcome=each.outcome,
                    first_s=each.latency_ms / 1000 if good and streams else None,
                    tokens_per_s=speed if good and usage.completion > 1 else None,
                    tokens=charged.usage.prompt + charged.usage.completion if good else 0,
                    cost=charged.cost.total if good else 0,
                )
            )


def dice_ms(dice: random.Random, median: float) -> int:
    """Milliseconds around a median."""
    return max(1, round(median * dice.lognormvariate(0, 0.5)))


def _menu(plan: Plan) -> Menu | None:
    if not plan.candidates:
        return None
    whole = sum(each.share for each in plan.candidates)
    shares = tuple(each.share / whole if whole else float(not rank) for rank, each in enumerate(plan.candidates))
    led = tuple(structs.replace(each, share=share) for each, share in zip(plan.candidates, shares, strict=True))
    return Menu(led, shares, trace_of(structs.replace(plan, candidates=led)))


def _led_by(trace: Trace | None, first: Candidate) -> Trace | None:
    """The trace of the plan in which this one was drawn to be the first."""
    if trace is None:
        return None
    led = sorted(trace.candidates, key=lambda each: each.endpoint_id != first.endpoint.id)
    return structs.replace(trace, candidates=tuple(led))
