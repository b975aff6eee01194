"""A workspace's budgets: set and taken away by those who manage it, and obeyed by the next request."""

from decimal import Decimal
from itertools import pairwise

from msgspec import UNSET, Struct, UnsetType

from tollway.domain.budgets import Budget, Interval
from tollway.domain.errors import InvalidRequest, NotFound
from tollway.domain.money import nanodollars_to_text
from tollway.domain.people import Actor, Right
from tollway.gateway.books import Books
from tollway.gateway.key_desk import checked_limit
from tollway.gateway.workspace_desk import WorkspaceDesk
from tollway.identity.audit_log import AuditLog
from tollway.identity.ids import new_id
from tollway.storage import budgets
from tollway.storage.database import Database


class SetBudget(Struct):
    """`PUT /workspaces/{id}/budgets/{interval}`."""

    limit_usd: Decimal
    include_byok_in_budgets: bool | UnsetType = UNSET
    """Of all the workspace's budgets, not of this one alone."""


class BudgetDesk:
    """What may be done to budgets, and by whom: to see them is for every member."""

    def __init__(self, database: Database, books: Books, audit: AuditLog, workspaces: WorkspaceDesk) -> None:
        self._database = database
        self._books = books
        self._audit = audit
        self._workspaces = workspaces

    async def list(self, actor: Actor, id_or_slug: str) -> dict[Interval, Budget]:
        """A workspace's budgets, the broadest first."""
        workspace = await self._workspaces.find(actor, id_or_slug)
        return await budgets.budgets_of(self._database, workspace.id)

    async def find(self, actor: Actor, id_or_slug: str, interval: str) -> Budget:
        """NotFound: there is none for this interval."""
        found = (await self.list(actor, id_or_slug)).get(_interval(interval))
        if found is None:
            raise NotFound(f"This workspace has no {interval} budget.")
        return found

    async def set(self, actor: Actor, id_or_slug: str, interval: str, ask: SetBudget, now_ms: int) -> Budget:
        """What was spent in the interval counts, also from before. InvalidRequest: not below the broader ones."""
        workspace = await self._workspaces.find(actor, id_or_slug, Right.MANAGE)
        wanted, limit = _interval(interval), checked_limit(ask.limit_usd, "limit_usd")
        if not limit:
            raise InvalidRequest("limit_usd: must be more than 0", param="limit_usd")
        held = await budgets.budgets_of(self._database, workspace.id)
        was, byok = held.get(wanted), ask.include_byok_in_budgets
        if byok is UNSET:
            byok = any(each.byok for each in held.values())
        id_, created_ms = (was.id, was.created_ms) if was else (new_id(now_ms), now_ms)
        budget = Budget(id_, workspace.id, wanted, limit, created_ms, now_ms, byok)
        _check_order({**held, wanted: budget})
        await self._audit.write(
            actor, "budget.set", workspace.id, budgets.set_budget(budget), budgets.count_own(workspace.id, byok),
            now_ms=now_ms, workspace_id=workspace.id, interval=wanted.value, limit_usd=nanodollars_to_text(limit),
            include_byok=byok,
        )  # fmt: skip
        await self._books.change_budgets(workspace.id)
        return budget

    async def count_own(self, actor: Actor, id_or_slug: str, own: bool, now_ms: int) -> None:
        """Whether all its budgets count what its own providers bill. NotFound: it has none."""
        workspace = await self._workspaces.find(actor, id_or_slug, Right.MANAGE)
        if not await budgets.budgets_of(self._database, workspace.id):
            raise NotFound("This workspace has no budget.")
        await self._audit.write(
            actor, "budget.set", workspace.id, budgets.count_own(workspace.id, own),
            now_ms=now_ms, workspace_id=workspace.id, include_byok=own,
        )  # fmt: skip
        await self._books.change_budgets(workspace.id)

    async def delete(self, actor: Actor, id_or_slug: str, interval: str, now_ms: int) -> None:
        """Nothing happens if there is none."""
        workspace = await self._workspaces.find(actor, id_or_slug, Right.MANAGE)
        wanted = _interval(interval)
        if wanted in await budgets.budgets_of(self._database, workspace.id):
            await self._audit.write(
                actor, "budget.deleted", workspace.id, budgets.delete_budget(workspace.id, wanted),
                now_ms=now_ms, workspace_id=workspace.id, interval=wanted.value,
            )  # fmt: skip
        await self._books.change_budgets(workspace.id)


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        raise InvalidRequest(f"interval: one of {', '.join(Interval)}", param="interval") from None


def _check_order(held: dict[Interval, Budget]) -> None:
    """A shorter interval's limit is strictly below each longer one's (OPENROUTER.md 8.8)."""
    ordered = [held[interval] for interval in Interval if interval in held]
    for broad, narrow in pairwise(ordered):
        if narrow.limit >= broad.limit:
            raise InvalidRequest(
                f"limit_usd: the {narrow.interval.value} budget must be below the {broad.interval.value} one",
                param="limit_usd",
            )
