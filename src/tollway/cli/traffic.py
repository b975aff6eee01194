"""A month of believable traffic for the demo, through the functions that write real traffic; the same by its seed."""

import random
import secrets
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from tollway.api.house import House
from tollway.cli.traffic_cast import HABITS, HOURS, PEOPLE, PLACES, WEEKEND, Habit, Place
from tollway.cli.traffic_draw import Drawer, Sky, Tried
from tollway.domain.chat import ChatRequest, SystemMessage
from tollway.domain.generation import Generation
from tollway.domain.identity import LimitReset
from tollway.domain.measured import EndpointHour
from tollway.domain.money import NANO, Nanodollars
from tollway.domain.payments import CURRENCY, Order, OrderStatus, Paid, ProviderName
from tollway.domain.people import Member, Role, User, Workspace
from tollway.gateway.books import Books
from tollway.gateway.key_desk import ChangedKey, NewKey
from tollway.identity.actors import OPERATOR, actor_of_user
from tollway.identity.ids import new_id
from tollway.payments.base import Confirmed
from tollway.payments.codes import NewCodes, RedeemCode
from tollway.payments.events import Events
from tollway.routing.market import Market
from tollway.routing.stats import Counts, Sample, Speeds
from tollway.storage.endpoint_hours import save_hours
from tollway.storage.ledger import commit_generations
from tollway.storage.members import new_workspace, set_member
from tollway.storage.orders import new_order

DAYS = 30
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BATCH = 400
LITTLE: Nanodollars = 5 * NANO
"""A workspace that has less buys more."""
ADMIN = "ada@tollway.example"
BAKE_OFF, BAKE_OFF_MS = 420, 9 * 60_000
"""Requests of the last minutes, over all models: so that each has figures of this moment."""


class Month(Struct, frozen=True):
    """What was made: the admin's way in, and how much."""

    email: str
    password: str
    generations: int


class _Purse(Struct):
    """A workspace, and what it has while the month is drawn."""

    workspace_id: str
    place: Place
    owner: User
    balance: Nanodollars = 0


class _Paying:
    """The payment provider of a world without one: whatever was ordered is paid."""

    name: ProviderName = "stripe"

    async def confirm(self, paid: Paid) -> Confirmed:
        return Confirmed(paid.amount_cents, paid.currency)


async def make_month(house: House, seed: int, now_ms: int, share: float = 1.0) -> Month | None:
    """Fills an empty server. None: it has an admin, so that it is not empty any more. `share`: of the requests."""
    token = await house.people.setup_token(now_ms)
    if token is None:
        return None
    dice = random.Random(seed)  # noqa: S311 (nothing here is secret)
    began_ms = (now_ms // DAY_MS - DAYS) * DAY_MS
    password = secrets.token_urlsafe(9)
    people = {"ada": await house.people.set_up(token, ADMIN, password, "Ada", began_ms)}
    for each in PEOPLE:
        name = each.name.partition(" ")[0].lower()
        people[name] = await house.people.create(OPERATOR, each.email, each.name, began_ms)
    purses = await _open_places(house, people, began_ms)
    market = house.gateway.market
    sky = Sky(dice, _outages(market, now_ms))
    drawer = Drawer(dice, market, sky)
    drawn = await _draw(house, drawer, dice, purses, people, (began_ms, now_ms, share))
    await _write(house, drawn, purses, began_ms)
    await _preset(house, purses["own"], now_ms)
    await _codes(house, purses, people, now_ms)
    _tell_health(house, drawer.tried, now_ms)
    await save_hours(house.database, _hours(drawer.tried, now_ms).items())
    return Month(ADMIN, password, len(drawn))


async def _open_places(house: House, people: dict[str, User], at_ms: int) -> dict[str, _Purse]:
    """Each place's workspace with its members, by slug."""
    found = {}
    for number, place in enumerate(PLACES):
        owner = people[place.owner]
        if place.slug == "own":
            [own] = (await actor_of_user(house.database, owner)).roles
            found["own"] = _Purse(own, place, owner)
            continue
        at_ms += number  # of several workspaces a user's oldest is shown first: the personal one
        made = Workspace(new_id(at_ms), place.slug, place.name, at_ms, created_by=owner.id)
        roles = {place.owner: Role.OWNER, "ada": Role.OWNER}
        for each in PEOPLE:
            if place.slug in each.roles:
                roles[each.name.partition(" ")[0].lower()] = Role(each.roles[place.slug])
        members = [set_member(Member(made.id, people[name].id, role, at_ms)) for name, role in roles.items()]
        await house.database.write(*new_workspace(made), *members)
        found[place.slug] = _Purse(made.id, place, owner)
    return found


async def _draw(
    house: House,
    drawer: Drawer,
    dice: random.Random,
    purses: dict[str, _Purse],
    people: dict[str, User],
    span: tuple[int, int, float],
) -> list[Generation]:
    """Every generation of the month, in the order of time; and the keys that they are of."""
    began_ms, now_ms, share = span
    wanted: list[tuple[int, Habit, str, str]] = []
    everything: dict[str, float] = {}
    for habit in HABITS:
        models = drawer.known(habit.models)
        if not models:
            continue
        if habit.api_type == "completions":
            everything |= dict.fromkeys(models, 1.0)
        key_id = await _new_key(house, habit, purses[habit.place], people, began_ms + habit.from_day * DAY_MS)
        for at_ms in _moments(dice, habit, began_ms, now_ms, share):
            [model] = dice.choices(list(models), list(models.values()))
            wanted.append((at_ms, habit, key_id, model))
    bake_off = Habit("harbour-labs", "bake-off", everything, 0, prompt=800, answer=240, who="wren",
                     app=("Sounding", "https://sounding.example"))  # fmt: skip
    key_id = await _new_key(house, bake_off, purses["harbour-labs"], people, now_ms - DAY_MS)
    names, count = list(everything), round(BAKE_OFF * share)
    for number in range(count if names else 0):
        at_ms = now_ms - BAKE_OFF_MS + number * BAKE_OFF_MS // count
        wanted.append((at_ms, bake_off, key_id, names[number % len(names)]))
    wanted.sort(key=lambda each: each[0])
    return [
        drawer.generation(habit, model, purses[habit.place].workspace_id, key_id, at_ms)
        for at_ms, habit, key_id, model in wanted
    ]


async def _new_key(house: House, habit: Habit, purse: _Purse, people: dict[str, User], at_ms: int) -> str:
    actor = await actor_of_user(house.database, people[habit.who])
    ask = NewKey(
        name=habit.name,
        workspace_id=purse.workspace_id,
        limit=None if habit.limit_usd is None else Decimal(habit.limit_usd),
        limit_reset=None if habit.limit_usd is None else LimitReset.WEEKLY,
    )
    key, _ = await house.keys.create(actor, ask, at_ms)
    if habit.name == "experiments":
        retired, _ = await house.keys.create(actor, NewKey(name="old laptop", workspace_id=purse.workspace_id), at_ms)
        await house.keys.change(actor, retired.id, ChangedKey(disabled=True), at_ms + 9 * DAY_MS)
    return key.id


def _moments(dice: random.Random, habit: Habit, began_ms: int, now_ms: int, share: float) -> Iterator[int]:
    """When a key asks: by the rhythm of its hours and weekdays, a little more each week."""
    hours = HOURS[habit.rhythm]
    for day in range(habit.from_day, DAYS + 1):
        first_ms = began_ms + day * DAY_MS
        weekday = (first_ms // DAY_MS + 3) % 7  # 1970-01-01 was a Thursday
        volume = share * habit.daily * (0.75 + 0.5 * day / DAYS) * dice.lognormvariate(0, 0.14)
        if weekday >= 5:
            volume *= WEEKEND[habit.rhythm]
        for _ in range(round(volume)):
            [hour] = dice.choices(range(24), hours)
            at_ms = first_ms + hour * HOUR_MS + dice.randrange(HOUR_MS)
            if at_ms < now_ms:
                yield at_ms


def _outages(market: Market, now_ms: int) -> dict[str, tuple[tuple[int, int, float], ...]]:
    """Three providers of the models that are asked most have a bad time in this month."""
    found: list[str] = []
    for model in ("openai/gpt-4o-mini", "anthropic/claude-sonnet-4.6", "deepseek/deepseek-v3.2", "openai/gpt-oss-120b"):
        offer = market.offers.get(model)
        found += [each.endpoint.provider for each in offer.stalls[:1]] if offer else []
    spans = (
        (now_ms - 7 * HOUR_MS, now_ms - 6 * HOUR_MS - 900_000, 0.9),
        (now_ms - 12 * DAY_MS, now_ms - 12 * DAY_MS + 4 * HOUR_MS, 0.7),
        (now_ms - 30 * HOUR_MS, now_ms - 29 * HOUR_MS, 1.0),
        (now_ms - 20 * HOUR_MS, now_ms - 17 * HOUR_MS, 0.25),
    )
    outages: defaultdict[str, tuple[tuple[int, int, float], ...]] = defaultdict(tuple)
    for provider, span in zip(found, spans, strict=False):
        outages[provider] += (span,)
    return dict(outages)


async def _write(house: House, drawn: list[Generation], purses: dict[str, _Purse], began_ms: int) -> None:
    """In batches, each a transaction; whoever runs low buys credits first, so that nobody is ever below zero."""
    by_id = {purse.workspace_id: purse for purse in purses.values()}
    for purse in purses.values():
        await _buy(house, purse, began_ms)
    waiting: list[Generation] = []
    for each in drawn:
        purse = by_id[each.workspace_id]
        if purse.balance - each.cost < LITTLE:
            await commit_generations(house.database, waiting)
            waiting = []
            await _buy(house, purse, each.created_ms - 1)
        purse.balance -= each.cost
        waiting.append(each)
        if len(waiting) == BATCH:
            await commit_generations(house.database, waiting)
            waiting = []
    if waiting:
        await commit_generations(house.database, waiting)


async def _buy(house: House, purse: _Purse, at_ms: int) -> None:
    """An order that is paid, with its receipt. Each with books of its own: they keep what they read of a balance."""
    usd = purse.place.buys_usd
    order = Order(
        id=new_id(at_ms),
        workspace_id=purse.workspace_id,
        provider="stripe",
        status=OrderStatus.PENDING,
        credits=usd * NANO,
        fee=0,
        price_cents=usd * 100,
        currency=CURRENCY,
        created_ms=at_ms,
        user_id=purse.owner.id,
        automatic=purse.balance > 0,
    )
    await house.database.write(new_order(order))
    events = Events(house.database, Books(house.database), house.config.payments)
    paid = Paid(f"evt_{order.id}", order.id, f"pi_{order.id}", order.price_cents, CURRENCY)
    await events.take(_Paying(), paid, at_ms)  # type: ignore[arg-type]  # of a provider, a payment needs these two
    purse.balance += order.credits


async def _codes(house: House, purses: dict[str, _Purse], people: dict[str, User], now_ms: int) -> None:
    """A batch of codes for a workshop; one of them was redeemed."""
    at_ms = now_ms - 8 * DAY_MS
    made = await house.codes.make(OPERATOR, NewCodes(Decimal(5), count=6, note="Spring workshop"), at_ms)
    await house.codes.make(OPERATOR, NewCodes(Decimal(1), uses=100, note="Conference card"), at_ms + DAY_MS)
    actor = await actor_of_user(house.database, people["ines"])
    ask = RedeemCode(code=made[0].code, workspace_id=purses["lantern"].workspace_id)
    await house.codes.redeem(actor, ask, None, at_ms + 3 * HOUR_MS)


async def _preset(house: House, purse: _Purse, now_ms: int) -> None:
    """A preset with two versions."""
    actor = await actor_of_user(house.database, purse.owner)
    [key, *_] = await house.keys.list(actor, purse.workspace_id, disabled=False, offset=0)
    for temperature in (0.7, 0.2):
        said = (SystemMessage(content="Answer in plain words, in three sentences at most."),)
        asked = ChatRequest(messages=said, model="openai/gpt-5-mini", temperature=temperature, max_tokens=400)
        await house.gateway.presets.keep(key, "plain-words", asked, now_ms - DAY_MS)


def _hours(tried: list[Tried], now_ms: int) -> dict[tuple[str, int], EndpointHour]:
    """What is kept of each endpoint's hours, but for the last two: the server counts those from its own figures."""
    counts: defaultdict[tuple[str, int], Counts] = defaultdict(Counts)
    speeds: defaultdict[tuple[str, int], Speeds] = defaultdict(Speeds)
    for each in tried:
        place = each.endpoint_id, each.at_ms // HOUR_MS
        if place[1] < now_ms // HOUR_MS - 1:
            counts[place].add(each.outcome)
            if each.first_s is not None:
                speeds[place].first.add(each.first_s)
            if each.tokens_per_s is not None:
                speeds[place].speed.add(each.tokens_per_s)
    return {
        place: EndpointHour(
            requests=each.requests,
            failed=each.failed,
            limited=each.limited,
            timed_out=each.timed_out,
            unreached=each.unreached,
            refused=each.refused,
            first=speeds[place].first.counts,
            speed=speeds[place].speed.counts,
            minutes_ms=(place[1] + 1) * HOUR_MS,
            speeds_ms=(place[1] + 1) * HOUR_MS,
        )
        for place, each in counts.items()
    }


def _tell_health(house: House, tried: list[Tried], now_ms: int) -> None:
    """The last day's attempts, in order, as they would have been seen when they ended."""
    board, now_s = house.gateway.health, house.gateway.loop.time()
    for each in sorted(tried, key=lambda each: each.at_ms):
        if now_ms - DAY_MS < each.at_ms < now_ms:
            at_s = now_s - (now_ms - each.at_ms) / 1000
            board.begin(each.endpoint_id, at_s)
            board.observe(each.endpoint_id, each.outcome, at_s, None, Sample(each.first_s, each.tokens_per_s), at_s)
            if each.tokens:
                board.paid(each.endpoint_id, each.tokens, each.cost, at_s)
