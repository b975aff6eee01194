"""`/workspace`: its name, members and their roles, invitations, budgets; another team's workspace; deleting it."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from msgspec import UNSET, Struct
from starlette.responses import Response

from tollway.billing.ledger import DAY_MS, window_end, window_start
from tollway.domain.budgets import Budget, Interval
from tollway.domain.errors import InvalidRequest, TollwayError
from tollway.domain.money import Nanodollars, nanodollars_to_text
from tollway.domain.people import RIGHTS, Right, Role, Workspace
from tollway.gateway.budget_desk import BudgetDesk, SetBudget
from tollway.gateway.member_desk import AddMembers, MemberDesk, RemoveMembers
from tollway.gateway.workspace_desk import ChangedWorkspace, NewWorkspace, WorkspaceDesk
from tollway.identity.people import People, Welcome, checked_email
from tollway.storage.keys import spent_by_key
from tollway.web.account import go_to
from tollway.web.figures import amount, day
from tollway.web.forms import converted_form
from tollway.web.meanwhile import Overwritten
from tollway.web.settings import Do, Frame, SettingsForm, SettingsPages, Shared, Visit, settings_of

SAID = {
    "named": "The name is saved.",
    "role": "The role is changed. Who has another role is signed out, and comes back with it.",
    "removed": "The member is out: nothing of theirs in this workspace works any more.",
    "budget": "The budget is set, and holds from the next request on.",
    "no-budget": "The budget is gone.",
    "own": "The budgets count so from the next request on.",
    "created": "This is your new workspace. Credits and keys of others are not in it.",
}
MEMBERS_MAX = 1000
"""On one page."""
RIGHT_WORDS = {
    Right.SEE: "see the workspace and its members",
    Right.USE: "make keys of their own and see what these did",
    Right.PAY: "buy credits",
    Right.MANAGE: "see all keys and records, change settings, members, budgets, guardrails and provider keys",
    Right.OWN: "make other owners, and delete the workspace",
}
INTERVAL_WORDS = {
    Interval.LIFETIME: "in all",
    Interval.MONTHLY: "each month",
    Interval.WEEKLY: "each week",
    Interval.DAILY: "each day",
}


class WorkspaceForm(SettingsForm, kw_only=True):
    """The fields of every form of this page; each form has some of them."""

    name: str = ""
    slug: str = ""
    description: str = ""
    email: str = ""
    role: str = ""
    user_id: str = ""
    interval: str = ""
    own: str = ""
    limit: str = ""
    confirm: str = ""


class MemberLine(Struct, frozen=True):
    """A member as the table shows it."""

    id: str
    name: str
    email: str
    role: str
    since: str
    self: bool


class BudgetLine(Struct, frozen=True):
    """A budget as the table shows it; `limit` "" where there is none."""

    interval: str
    words: str
    limit: str
    shown: str
    spent: str
    """In the interval that is now, for who manages the workspace; else ""."""
    again: str
    """The day on which it starts again; "" if never."""


class WorkspaceView(Struct, frozen=True):
    """What `workspace.html` shows."""

    frame: Frame
    workspace: Workspace
    members: tuple[MemberLine, ...]
    budgets: tuple[BudgetLine, ...]
    counts_own: bool | None
    """Whether they count what own providers bill; None: there are none."""
    roles: tuple[tuple[str, tuple[bool, ...]], ...]
    """Each role, and which of `rights` it has."""
    rights: tuple[str, ...]
    grantable: tuple[str, ...]
    """Roles that the visitor may give."""
    form: WorkspaceForm
    link: str = ""
    """Of an invitation that was just made: shown this once."""


class WorkspacePages(SettingsPages[WorkspaceForm]):
    """Everybody in a workspace sees the page; who manages it has its forms."""

    path = "/workspace"
    form = WorkspaceForm
    said = SAID

    def __init__(
        self,
        shared: Shared,
        *,
        workspaces: WorkspaceDesk,
        members: MemberDesk,
        budgets: BudgetDesk,
        people: People,
        public_url: str,
    ) -> None:
        super().__init__(shared)
        self._workspaces = workspaces
        self._members = members
        self._budgets = budgets
        self._people = people
        self._public_url = public_url

    def changes(self) -> Mapping[str, Do[WorkspaceForm]]:
        """Each form of the page."""
        return {
            "name": self.rename,
            "role": self.set_role,
            "remove": self.remove,
            "leave": self.leave,
            "invite": self.invite,
            "budget": self.set_budget,
            "own": self.count_own,
            "create": self.create,
            "delete": self.delete,
        }

    def overwritten(self, visit: Visit, name: str, form: WorkspaceForm) -> Overwritten | None:
        """The settings of the workspace, or one of its budgets."""
        if name == "name":
            return settings_of(visit, self.path)
        if name == "budget" and form.interval in list(Interval):
            back = f"{self.path}?workspace={visit.workspace.id}"
            return Overwritten(visit.workspace.id, "budget", back, ("interval", form.interval))
        return None

    async def rename(self, visit: Visit, form: WorkspaceForm) -> str:
        """Name, slug, description."""
        said = {"name": form.name.strip(), "slug": form.slug.strip(), "description": form.description.strip() or None}
        ask = converted_form(said, ChangedWorkspace)
        if ask.slug == visit.workspace.slug:  # those of personal workspaces need not have the form of new ones
            ask.slug = UNSET
        await self._workspaces.change(visit.actor, visit.workspace.id, ask, visit.now_ms)
        return "named"

    async def set_role(self, visit: Visit, form: WorkspaceForm) -> str:
        """Of somebody who is a member already."""
        held = {each.id for each in await self._lines(visit)}
        if form.user_id not in held:
            raise InvalidRequest("That is no member of this workspace any more: open the page again.")
        ask = AddMembers((form.user_id,), role_of(form.role))
        await self._members.add(visit.actor, visit.workspace.id, ask, visit.now_ms)
        return "role"

    async def remove(self, visit: Visit, form: WorkspaceForm) -> str:
        """Another one."""
        gone = await self._members.remove(visit.actor, visit.workspace.id, RemoveMembers((form.user_id,)), visit.now_ms)
        if not gone:
            raise InvalidRequest("That is no member of this workspace any more: open the page again.")
        return "removed"

    async def leave(self, visit: Visit, form: WorkspaceForm) -> Response:
        """Oneself; the session ends with it, so that one signs in again."""
        user = visit.actor.user
        if user is None:
            raise InvalidRequest("Only a user can leave.")
        await self._members.remove(visit.actor, visit.workspace.id, RemoveMembers((user.id,)), visit.now_ms)
        return go_to(visit.request, "/account")

    async def invite(self, visit: Visit, form: WorkspaceForm) -> Response:
        """A link, shown this once: nobody is sent mail."""
        role = role_of(form.role)
        visit.actor.require(Right.OWN if role is Role.OWNER else Right.MANAGE, visit.workspace.id)
        email = checked_email(form.email) if form.email.strip() else None
        token = await self._people.invite(visit.actor, Welcome(email, visit.workspace.id, role), visit.now_ms)
        return await self.page(visit, link=f"{self._public_url}/join#{token}")

    async def set_budget(self, visit: Visit, form: WorkspaceForm) -> str:
        """An empty limit takes the budget away."""
        if not form.limit.strip():
            await self._budgets.delete(visit.actor, visit.workspace.id, form.interval, visit.now_ms)
            return "no-budget"
        try:
            limit = Decimal(form.limit.strip().removeprefix("$").replace(",", ""))
        except InvalidOperation:
            raise InvalidRequest("limit: an amount in USD, please", param="limit") from None
        await self._budgets.set(visit.actor, visit.workspace.id, form.interval, SetBudget(limit), visit.now_ms)
        return "budget"

    async def count_own(self, visit: Visit, form: WorkspaceForm) -> str:
        """Whether the budgets count what own providers bill."""
        await self._budgets.count_own(visit.actor, visit.workspace.id, form.own == "yes", visit.now_ms)
        return "own"

    async def create(self, visit: Visit, form: WorkspaceForm) -> Response:
        """A team's workspace, owned by who makes it; the page of it."""
        ask = converted_form({"name": form.name.strip(), "slug": form.slug.strip()}, NewWorkspace)
        made = await self._workspaces.create(visit.actor, ask, visit.now_ms)
        return go_to(visit.request, f"{self.path}?workspace={made.id}&done=created")

    async def delete(self, visit: Visit, form: WorkspaceForm) -> Response:
        """For ever; who types its slug means it."""
        if form.confirm.strip() != visit.workspace.slug:
            raise InvalidRequest(f"Type {visit.workspace.slug}, so that nothing is deleted by mistake.")
        await self._workspaces.delete(visit.actor, visit.workspace.id, visit.now_ms)
        return go_to(visit.request, self.path)

    async def page(
        self, visit: Visit, form: WorkspaceForm | None = None, *, error: TollwayError | None = None, **more: str
    ) -> Response:
        """With the link of a new invitation, if there is one."""
        frame = await self.frame(visit, error)
        held = await self._budgets.list(visit.actor, visit.workspace.id)
        counts_own = any(each.byok for each in held.values())
        days = await self._spent(visit, counts_own) if frame.manages else None
        view = WorkspaceView(
            frame=frame,
            workspace=visit.workspace,
            members=await self._lines(visit),
            budgets=tuple([_budget(each, held.get(each), days, visit.now_ms // DAY_MS) for each in INTERVAL_WORDS]),
            counts_own=counts_own if held else None,
            roles=tuple((role.value, tuple(right in RIGHTS[role] for right in RIGHT_WORDS)) for role in Role),
            rights=tuple(RIGHT_WORDS.values()),
            grantable=tuple(each.value for each in Role if each is not Role.OWNER or frame.owns),
            form=form or WorkspaceForm(),
            link=more.get("link", ""),
        )
        return self.answer(visit, "workspace.html", view, error)

    async def _spent(self, visit: Visit, counts_own: bool) -> dict[int, Nanodollars]:
        """On each day, as the budgets count it."""
        found: defaultdict[int, Nanodollars] = defaultdict(int)
        for days in (await spent_by_key(self.database, visit.workspace.id)).values():
            for each in days:
                found[each.day] += each.spent + (each.byok if counts_own else 0)
        return found

    async def _lines(self, visit: Visit) -> tuple[MemberLine, ...]:
        found, _, people = await self._members.list(visit.actor, visit.workspace.id, offset=0, limit=MEMBERS_MAX)
        me = visit.actor.user.id if visit.actor.user else ""
        return tuple(
            MemberLine(
                each.user_id,
                people.get(each.user_id, ("", ""))[1],
                people.get(each.user_id, ("", ""))[0],
                each.role.value,
                day(each.created_ms),
                each.user_id == me,
            )
            for each in found
        )


def _budget(interval: Interval, held: Budget | None, days: Mapping[int, Nanodollars] | None, today: int) -> BudgetLine:
    """`days`: what was spent on each; None: that is not for the visitor."""
    first = window_start(interval.reset, today)
    return BudgetLine(
        interval=interval.value,
        words=INTERVAL_WORDS[interval],
        limit=nanodollars_to_text(held.limit) if held else "",
        shown=amount(held.limit) if held else "",
        spent="" if days is None else amount(sum(spent for each, spent in days.items() if each >= first)),
        again=day(window_end(interval.reset, today) * DAY_MS) if interval.reset else "",
    )


def role_of(text: str) -> Role:
    """InvalidRequest: no role."""
    try:
        return Role(text)
    except ValueError:
        raise InvalidRequest(f"role: one of {', '.join(Role)}", param="role") from None
