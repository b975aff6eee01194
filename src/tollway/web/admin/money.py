"""`/admin/payments`: what was bought, and giving it back; `/admin/codes`: codes made, shown once, revoked."""

from datetime import UTC, datetime

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tollway.domain.errors import InvalidRequest, NotFound, TollwayError
from tollway.domain.payments import CENT, Code, Order
from tollway.domain.people import Actor
from tollway.payments.codes import MadeCode, NewCodes
from tollway.storage.orders import list_all_orders
from tollway.web.account import go_to
from tollway.web.admin.base import (
    ADMIN,
    AdminForm,
    AdminSite,
    AdminView,
    Line,
    as_csv,
    as_json,
    moment,
    page,
    query,
    said,
    shared,
)
from tollway.web.credits import decimal_of
from tollway.web.figures import amount
from tollway.web.forms import read_form

PAYMENTS, CODES = f"{ADMIN}/payments", f"{ADMIN}/codes"
PAGE, EXPORT_MAX = 50, 10_000
ORDER_COLUMNS = ("id", "created", "workspace", "provider", "status", "credits_usd", "price_usd", "paid")
CODE_COLUMNS = ("id", "label", "status", "credits_usd", "uses", "uses_max", "note", "created", "expires")
SAID = {"refunded": "What was unused of it is on its way back.", "revoked": "Nobody can redeem it any more."}


class Wanted(Struct, kw_only=True):
    """The query of both lists."""

    workspace: str = ""
    offset: int = 0


class MoneyForm(AdminForm, kw_only=True):
    """The fields of the forms here; each has some of them."""

    id: str = ""
    amount: str = ""
    number: str = "1"
    uses: str = "1"
    expires: str = ""
    note: str = ""
    file: str = ""
    """Whether the codes are wanted as a file."""


class PaymentsView(AdminView, frozen=True, kw_only=True):
    """What `admin/payments.html` shows."""

    orders: tuple[tuple[Order, str, str, str], ...]
    """With when it was made, its credits and its price."""
    wanted: Wanted
    query: str
    following: int


class CodesView(AdminView, frozen=True, kw_only=True):
    """What `admin/codes.html` shows."""

    codes: tuple[tuple[Code, str, str, str], ...]
    """With its status, its credits and when it ends."""
    form: MoneyForm
    made: tuple[str, ...]
    """Shown this once."""
    following: int


class MoneyPages:
    """Purchases and codes of everybody."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def lines(self) -> tuple[Line, ...]:
        """The URLs."""
        return (
            (PAYMENTS, "GET", self.payments),
            (f"{PAYMENTS}/refund", "POST", self.refund),
            (f"{PAYMENTS}.csv", "GET", self.payments_csv),
            (f"{PAYMENTS}.json", "GET", self.payments_json),
            (CODES, "GET", self.codes),
            (CODES, "POST", self.make),
            (f"{CODES}/revoke", "POST", self.revoke),
            (f"{CODES}.csv", "GET", self.codes_csv),
            (f"{CODES}.json", "GET", self.codes_json),
        )

    async def payments(self, request: Request, actor: Actor) -> Response:
        """The newest first; of one workspace, if that is wanted."""
        return await self._payments(request, actor)

    async def refund(self, request: Request, actor: Actor) -> Response:
        """What is unused of a purchase goes back, however long ago it was."""
        form = await read_form(request, MoneyForm)
        try:
            await self._site.house.till.refund(actor, form.id, self._site.now_ms())
        except NotFound:
            raise
        except TollwayError as error:
            return await self._payments(request, actor, error)
        return go_to(request, f"{PAYMENTS}?done=refunded")

    async def payments_csv(self, request: Request, actor: Actor) -> Response:
        """What the page shows, all of it."""
        return as_csv(request, "payments", ORDER_COLUMNS, await self._order_rows(request))

    async def payments_json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, ORDER_COLUMNS, await self._order_rows(request))

    async def codes(self, request: Request, actor: Actor) -> Response:
        """The newest first; the codes themselves are nowhere."""
        return await self._codes(request, actor, MoneyForm())

    async def make(self, request: Request, actor: Actor) -> Response:
        """The only time that they are seen: on the page, or as a file."""
        form = await read_form(request, MoneyForm)
        try:
            made = await self._site.house.codes.make(actor, new_codes(form), self._site.now_ms())
        except TollwayError as error:
            return await self._codes(request, actor, form, error=error)
        if form.file:
            rows = [(each.code, amount(each.about.credits), each.about.uses_max, each.about.note) for each in made]
            return as_csv(request, "new-codes", ("code", "credits", "uses", "note"), rows)
        return await self._codes(request, actor, MoneyForm(), made=made)

    async def revoke(self, request: Request, actor: Actor) -> Response:
        """What was redeemed of it stays."""
        form = await read_form(request, MoneyForm)
        await self._site.house.codes.revoke(actor, form.id, self._site.now_ms())
        return go_to(request, f"{CODES}?done=revoked")

    async def codes_csv(self, request: Request, actor: Actor) -> Response:
        """All, without the codes themselves."""
        return as_csv(request, "codes", CODE_COLUMNS, await self._code_rows())

    async def codes_json(self, request: Request, actor: Actor) -> Response:
        """The same."""
        return as_json(request, CODE_COLUMNS, await self._code_rows())

    async def _orders(self, wanted: Wanted, limit: int) -> list[Order]:
        return await list_all_orders(
            self._site.database, workspace_id=wanted.workspace.strip() or None, offset=_offset(wanted), limit=limit
        )

    async def _order_rows(self, request: Request) -> list[tuple[object, ...]]:
        return [
            (
                each.id, moment(each.created_ms), each.workspace_id, each.provider, each.status.value,
                amount(each.credits), amount(each.price_cents * CENT), moment(each.paid_ms),
            )
            for each in await self._orders(query(request, Wanted), EXPORT_MAX)
        ]  # fmt: skip

    async def _code_rows(self) -> list[tuple[object, ...]]:
        now_ms = self._site.now_ms()
        return [
            (
                each.id, each.label, each.why_not(now_ms) or "open", amount(each.credits), each.uses, each.uses_max,
                each.note, moment(each.created_ms), moment(each.expires_ms),
            )
            for each in await self._site.house.codes.list(offset=0, limit=EXPORT_MAX)
        ]  # fmt: skip

    async def _payments(self, request: Request, actor: Actor, error: TollwayError | None = None) -> Response:
        wanted = query(request, Wanted)
        found = await self._orders(wanted, PAGE + 1)
        view = PaymentsView(
            **shared(self._site, request, actor),
            orders=tuple(
                (each, moment(each.created_ms), amount(each.credits), amount(each.price_cents * CENT))
                for each in found[:PAGE]
            ),
            wanted=wanted,
            query=f"?{request.url.query}" if request.url.query else "",
            following=_offset(wanted) + PAGE if len(found) > PAGE else 0,
            said=said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "payments.html", view, error.status if error else 200)

    async def _codes(
        self,
        request: Request,
        actor: Actor,
        form: MoneyForm,
        *,
        made: list[MadeCode] | None = None,
        error: TollwayError | None = None,
    ) -> Response:
        now_ms, offset = self._site.now_ms(), _offset(query(request, Wanted))
        found = await self._site.house.codes.list(offset=offset, limit=PAGE + 1)
        view = CodesView(
            **shared(self._site, request, actor),
            codes=tuple(
                (each, each.why_not(now_ms) or "open", amount(each.credits), moment(each.expires_ms))
                for each in found[:PAGE]
            ),
            form=form,
            made=tuple(each.code for each in made or ()),
            following=offset + PAGE if len(found) > PAGE else 0,
            said=said(request, SAID),
            error=error.message if error else "",
        )
        return page(self._site, request, "codes.html", view, error.status if error else 200)


def new_codes(form: MoneyForm) -> NewCodes:
    """What the form asks for. InvalidRequest: which field is wrong."""
    if len(form.note) > 200:
        raise InvalidRequest("note: at most 200 characters", param="note")
    return NewCodes(
        amount=decimal_of(form.amount, "amount"),
        count=_whole(form.number, "number", 1000),
        uses=_whole(form.uses, "uses", 1_000_000),
        expires_at=_day(form.expires),
        note=form.note,
    )


def _whole(text: str, name: str, most: int) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= most:
        raise InvalidRequest(f"{name}: a whole number from 1 to {most:,}", param=name)
    return int(text)


def _day(text: str) -> datetime | None:
    """The end of a day, UTC."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(hour=23, minute=59, second=59, tzinfo=UTC)
    except ValueError:
        raise InvalidRequest("expires: a day such as 2027-01-31", param="expires") from None


def _offset(wanted: Wanted) -> int:
    return min(max(0, wanted.offset), 10**9)
