"""`/credits`: what a workspace has, buying and redeeming credits, automatic top-ups, purchases and their receipts."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from tollway.billing import pace
from tollway.domain.errors import Forbidden, InvalidRequest, NotFound, TollwayError
from tollway.domain.money import nanodollars_to_text
from tollway.domain.payments import CENT, AutoTopUp, LotMove, Order, OrderStatus
from tollway.domain.people import NO_SUCH_WORKSPACE, Actor, Right
from tollway.payments.auto_topups import AutoTopUps, SetAutoTopUp
from tollway.payments.base import Purse
from tollway.payments.codes import Codes, RedeemCode
from tollway.payments.receipts import Bought, Buyer, Receipts
from tollway.payments.topup import HOUR_MS, NewPurchase, Till
from tollway.storage.database import Database
from tollway.storage.members import find_workspace
from tollway.storage.usage_days import DAY_MS, spent_on
from tollway.web.account import PRIVATE, form_routes, go_to, sign_in_path
from tollway.web.door import Door
from tollway.web.figures import about, day
from tollway.web.forms import read_form
from tollway.web.key_form import Place, places_of
from tollway.web.render import Renderer

PATH = "/credits"
SAID = {
    "redeemed": "The credits of the code are there.",
    "auto": "Automatic top-ups are set as you see them below.",
    "forgotten": "The saved method is forgotten.",
    "buyer": "New receipts will say so.",
    "refunded": "What was unused is on its way back to you.",
}
MOVES = {
    "refund": "Refunded",
    "chargeback": "Taken back by the bank",
    "return": "Came back",
    "expiry": "Expired",
}


class CreditsForm(Struct):
    """The fields of every form of this page; each form has some of them."""

    csrf: str = ""
    workspace_id: str = ""
    amount: str = ""
    pack: str = ""
    save_method: str = ""
    crypto: str = ""
    code: str = ""
    enabled: str = ""
    threshold: str = ""
    monthly_max: str = ""
    details: str = ""
    id: str = ""


class Choice(Struct, frozen=True):
    """A pack that can be chosen."""

    id: str
    name: str


class Row(Struct, frozen=True):
    """One purchase."""

    order: Order
    day: str
    credits: str
    price: str
    status: str
    receipt: str
    refundable: bool


class CreditsView(Struct, frozen=True):
    """What `credits.html` shows."""

    csrf: str
    place: Place
    places: tuple[Place, ...]
    """Those whose credits the visitor may buy."""
    balance: str
    pace: str
    """What goes in a day; "": nothing did lately, or nothing is left."""
    until: str
    """The day until which the credits last at this pace; "": more than a year."""
    cards: bool
    crypto: bool
    packs: tuple[Choice, ...]
    least: str
    most: str
    auto: AutoTopUp | None
    auto_amounts: tuple[str, str, str]
    bought: str
    last: str
    """The last automatic top-up: how much, and when; "": there was none."""
    buyer: str
    rows: tuple[Row, ...]
    to_pay: Row | None
    error: str = ""
    said: str = ""


class ReceiptView(Struct, frozen=True):
    """What `receipt.html` shows."""

    place: Place
    places: tuple[Place, ...]
    bought: Bought
    day: str
    credits: str
    fee: str
    price: str
    tax: str
    moves: tuple[tuple[str, str, str], ...]
    """What happened, when, and how much."""


class CreditsPages:
    """`GET` shows the page, `POST` does one thing and comes back with a 303, or shows what is wrong."""

    def __init__(
        self,
        renderer: Renderer,
        door: Door,
        database: Database,
        purse: Purse,
        till: Till,
        codes: Codes,
        auto: AutoTopUps,
        receipts: Receipts,
        now_ms: Callable[[], int],
    ) -> None:
        self._renderer = renderer
        self._door = door
        self._database = database
        self._purse = purse
        self._till = till
        self._codes = codes
        self._auto = auto
        self._receipts = receipts
        self._now_ms = now_ms

    def routes(self) -> list[BaseRoute]:
        """The URLs."""
        done: Mapping[str, Callable[[Actor, CreditsForm, Request], Awaitable[str]]] = {
            "buy": self.buy,
            "redeem": self.redeem,
            "auto": self.set_auto,
            "forget": self.forget,
            "buyer": self.set_buyer,
            "refund": self.refund,
        }
        posts = tuple((f"{PATH}/{name}", "POST", self._taking(do)) for name, do in done.items())
        return form_routes(
            self._renderer, ((PATH, "GET", self.show), (f"{PATH}/receipts/{{id}}", "GET", self.receipt), *posts)
        )

    async def show(self, request: Request) -> Response:
        """Of one's own workspace, or of `workspace_id`."""
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(PATH))
        asked = request.query_params
        wanted = asked.get("workspace_id") or asked.get("workspace", "")
        return await self._page(
            request, actor, wanted, said=SAID.get(asked.get("done", ""), ""),
            to_pay=asked.get("order", ""),
        )  # fmt: skip

    async def receipt(self, request: Request) -> Response:
        """To be printed. Another workspace's is as one that is not there."""
        actor = await self._door.signed_in(request)
        if actor is None:
            return go_to(request, sign_in_path(PATH))
        bought = await self._receipts.find(actor, request.path_params["id"])
        order = bought.order
        view = ReceiptView(
            *await paid_places(self._database, actor, order.workspace_id),
            bought, day(order.paid_ms or order.created_ms), usd(order.credits), usd(order.fee),
            usd(order.price_cents * CENT), usd(bought.tax_cents * CENT), tuple(move_row(each) for each in bought.moves),
        )  # fmt: skip
        return self._renderer.page(request, "receipt.html", view, headers=PRIVATE)

    async def buy(self, actor: Actor, form: CreditsForm, request: Request) -> str:
        """An order; the page leads on to where it is paid."""
        amount = None if form.pack else decimal_of(form.amount, "amount")
        keep, crypto = bool(form.save_method), bool(form.crypto)
        ask = NewPurchase(amount, form.pack or None, form.workspace_id or None, keep and not crypto, crypto)
        order = await self._till.buy(actor, ask, self._now_ms())
        return urlencode({"order": order.id})

    async def redeem(self, actor: Actor, form: CreditsForm, request: Request) -> str:
        if not form.code.strip():
            raise InvalidRequest("Enter the code first.")
        ask = RedeemCode(form.code[:100], form.workspace_id or None)
        await self._codes.redeem(actor, ask, self._door.address(request), self._now_ms())
        return "done=redeemed"

    async def set_auto(self, actor: Actor, form: CreditsForm, request: Request) -> str:
        threshold, most = decimal_of(form.threshold, "threshold"), decimal_of(form.monthly_max, "monthly_max")
        amount, place = decimal_of(form.amount, "amount"), form.workspace_id or None
        await self._auto.set(actor, SetAutoTopUp(bool(form.enabled), threshold, amount, most, place), self._now_ms())
        return "done=auto"

    async def forget(self, actor: Actor, form: CreditsForm, request: Request) -> str:
        await self._auto.forget(actor, form.workspace_id or None, self._now_ms())
        return "done=forgotten"

    async def set_buyer(self, actor: Actor, form: CreditsForm, request: Request) -> str:
        if len(form.details) > 500:
            raise InvalidRequest("At most 500 characters fit on a receipt.")
        await self._receipts.set_buyer(actor, Buyer(form.details, form.workspace_id or None), self._now_ms())
        return "done=buyer"

    async def refund(self, actor: Actor, form: CreditsForm, request: Request) -> str:
        await self._till.refund(actor, form.id, self._now_ms())
        return "done=refunded"

    def _taking(
        self, do: Callable[[Actor, CreditsForm, Request], Awaitable[str]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def take(request: Request) -> Response:
            self._door.check_form(request)
            form, actor = await read_form(request, CreditsForm), await self._door.signed_in(request)
            if actor is None:
                return go_to(request, sign_in_path(PATH))
            self._door.check_token(request, form.csrf)
            try:
                query = await do(actor, form, request)
            except NotFound:
                raise
            except TollwayError as error:
                return await self._page(request, actor, form.workspace_id, error=error)
            place = urlencode({"workspace_id": form.workspace_id}) if form.workspace_id else ""
            return go_to(request, f"{PATH}?{query}{'&' if place else ''}{place}")

        return take

    async def _page(
        self, request: Request, actor: Actor, wanted: str, *, error: TollwayError | None = None, said: str = "",
        to_pay: str = "",
    ) -> Response:  # fmt: skip
        place, places = await paid_places(self._database, actor, wanted)
        workspace_id, balance = place.id, await self._purse.balance(place.id)
        now_ms, settings = self._now_ms(), self._till.settings
        status = await self._auto.status(actor, workspace_id, now_ms)
        numbers = await self._receipts.numbers(workspace_id)
        orders = await self._till.orders(actor, workspace_id, None)
        rows = [self._row(order, numbers.get(order.id, ""), now_ms) for order in orders]
        auto, today = status.auto, now_ms // DAY_MS
        spent = await spent_on(self._database, workspace_id, range(today - pace.DAYS + 1, today + 1))
        goes = pace.pace_of({each.day: each.cost for each in spent}, balance, now_ms)
        last = status.last
        view = CreditsView(
            csrf=self._door.csrf_token(request),
            place=place,
            places=places,
            balance=usd(balance),
            pace=about(goes.a_day) if goes else "",
            until=day(goes.until_ms) if goes and goes.until_ms is not None else "",
            cards="stripe" in self._till.providers,
            crypto="coinbase" in self._till.providers,
            packs=tuple(Choice(pack.id, f"{pack.name}: ${pack.price_usd}") for pack in self._till.packs),
            least=settings.purchase_min_usd,
            most=settings.purchase_max_usd,
            auto=auto,
            auto_amounts=(plain(auto.threshold), plain(auto.amount), plain(auto.monthly_max)) if auto else ("", "", ""),
            bought=usd(status.bought),
            last=f"{usd(last.credits)} on {day(last.paid_ms or last.created_ms)}" if last else "",
            buyer=(await self._receipts.buyer(actor, workspace_id))[1],
            rows=tuple(rows),
            to_pay=next((row for row in rows if row.order.id == to_pay and row.status == "pending"), None),
            error=error.message if error else "",
            said=said,
        )
        return self._renderer.page(request, "credits.html", view, error.status if error else 200, PRIVATE)

    def _row(self, order: Order, receipt: str, now_ms: int) -> Row:
        still = order.paid_ms is not None and now_ms - order.paid_ms <= self._till.settings.refund_h * HOUR_MS
        refundable = still and order.status is OrderStatus.PAID and order.provider != "coinbase"
        return Row(
            order, day(order.created_ms), usd(order.credits), usd(order.price_cents * CENT), order.status.value,
            receipt, refundable,
        )  # fmt: skip


async def paid_places(database: Database, actor: Actor, wanted: str) -> tuple[Place, tuple[Place, ...]]:
    """The workspace that is meant, "" for the visitor's own or the first, and all whose credits they may buy.

    NotFound: not theirs. Forbidden: a role that does not buy, or none that does.
    """
    payable = [id_ for id_ in actor.roles if actor.may(Right.PAY, id_)]
    if not payable and not wanted:
        raise Forbidden("You may buy credits for no workspace: ask an owner of yours.")
    own = actor.workspace_id if actor.workspace_id in payable else None
    chosen = actor.workspace(wanted or own or payable[0], Right.PAY)
    places = await places_of(database, actor, chosen, Right.PAY)
    here = next((each for each in places if each.chosen), None)
    if here is None:
        workspace = await find_workspace(database, chosen)
        if workspace is None:
            raise NotFound(NO_SUCH_WORKSPACE)
        here = Place(chosen, workspace.name, True)
    return here, tuple(places)


def move_row(move: LotMove) -> tuple[str, str, str]:
    return MOVES.get(move.kind.value, move.kind.value), day(move.created_ms), usd(move.amount)


def decimal_of(text: str, name: str) -> Decimal:
    """InvalidRequest: no number."""
    try:
        return Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise InvalidRequest(f"{name}: an amount in USD, please", param=name) from None


def usd(amount: int) -> str:
    """Exactly, with at least two decimals: $12.50, -$0.000001."""
    text = nanodollars_to_text(abs(amount))
    whole, _, rest = text.partition(".")
    return f"{'-' if amount < 0 else ''}${whole}.{rest.ljust(2, '0')}"


def plain(amount: int) -> str:
    """For a form's field."""
    return nanodollars_to_text(amount) if amount else ""
